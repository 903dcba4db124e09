package pgstore

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestOldServersAreRefused(t *testing.T) {
	for version, ok := range map[int64]bool{90624: false, 130099: false, 140000: true, 150018: true, 180001: true} {
		err := checkServerVersion(version)
		if ok {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, ErrServerVersion)
		require.ErrorContains(t, err, "upgrade it")
	}
}

func TestMigrationFilesHaveNoGaps(t *testing.T) {
	file := func() *fstest.MapFile { return &fstest.MapFile{Data: []byte("select 1;")} }
	_, err := readSteps(fstest.MapFS{"migrations/0002_b.up.sql": file(), "migrations/0002_b.down.sql": file()})
	require.ErrorContains(t, err, "0001")
	_, err = readSteps(fstest.MapFS{"migrations/0001_a.up.sql": file()})
	require.ErrorContains(t, err, "0001_a.down.sql")
}
