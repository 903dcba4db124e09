package spool_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/spool"
)

// id returns a stream id whose order is that of n.
func id(n byte) [16]byte { return [16]byte{1, 0x9a, 5: n, 6: 0x70, 8: 0x80, 15: n} }

func open(t testing.TB, cfg spool.Config) *spool.Spool {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = filepath.Join(t.TempDir(), "spool")
	}
	if cfg.MinFree == 0 {
		cfg.MinFree = -1
	}
	s, err := spool.Open(cfg)
	require.NoError(t, err)
	return s
}

// frame is what a reader returned, with a payload of its own.
type frame struct {
	first   int64
	count   int
	payload string
	lost    spool.Loss
}

// readAll returns all frames from an index on.
func readAll(t testing.TB, l *spool.Log, from int64) (all []frame) {
	t.Helper()
	r := l.Reader(from)
	defer func() { require.NoError(t, r.Close()) }()
	for {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all = append(all, frame{f.First, f.Count, string(f.Payload), f.Lost})
	}
}

func TestRoundTripOnDisk(t *testing.T) {
	s := open(t, spool.Config{SegmentBytes: 4096})
	l, err := s.Create(id(1))
	require.NoError(t, err)
	_, err = s.Create(id(1))
	require.ErrorIs(t, err, fs.ErrExist)
	var want []frame
	for i := range 100 {
		first := int64(i*3 + 1)
		payload := fmt.Sprintf("payload %d %0*d", i, i, 0)
		require.NoError(t, l.Append(first, 3, []byte(payload)))
		if i == 50 {
			require.NoError(t, l.Note([]byte("a note")))
		}
		want = append(want, frame{first, 3, payload, spool.None})
	}
	require.ErrorIs(t, l.Append(300, 1, nil), spool.ErrOrder)
	require.Zero(t, l.Synced())
	synced, err := l.Sync()
	require.NoError(t, err)
	require.EqualValues(t, 300, synced)
	require.Equal(t, want, readAll(t, l, 0))
	require.Equal(t, want[40:], readAll(t, l, 122), "a reader begins with the frame that holds the index")
	require.Equal(t, l.Bytes(), s.Size())
	require.NoError(t, l.Close())
	require.NoError(t, l.Close())
	require.ErrorIs(t, l.Append(301, 1, nil), spool.ErrClosed)

	left, err := s.Leftover()
	require.NoError(t, err)
	require.Equal(t, [][16]byte{id(1)}, left)
	l, err = s.Recover(id(1))
	require.NoError(t, err)
	require.Equal(t, want, readAll(t, l, 1))
	require.EqualValues(t, 300, l.End())
	require.EqualValues(t, 300, l.Synced(), "the footer carries the mark")
	require.Equal(t, "a note", string(l.LatestNote()))
	corrupt, torn := l.Damage()
	require.Zero(t, corrupt)
	require.Zero(t, torn)
	require.ErrorIs(t, l.Append(301, 1, nil), spool.ErrReadOnly)
	require.NoError(t, l.Remove())
	require.Zero(t, s.Size())
	left, err = s.Leftover()
	require.NoError(t, err)
	require.Empty(t, left)
	_, err = s.Recover(id(1))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// streamName returns the name of a stream's folder.
func streamName(id [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
