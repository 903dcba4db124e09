package strata

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The logs of all lanes take an eighth of the buffer, within bounds.
func TestSpoolKeepsAnEighthOfTheBuffer(t *testing.T) {
	for _, c := range []struct{ buffer, lanes, keep int }{
		{DefaultBufferBytes, 1, 8 << 20},
		{DefaultBufferBytes, 4, 2 << 20},
		{8 << 20, 2, 512 << 10},
		{8 << 20, 8, 256 << 10},
		{1 << 30, 1, 8 << 20},
	} {
		cfg := SpoolConfig{Dir: "spool"}.withDefaults()
		require.EqualValues(t, c.keep, cfg.config(c.buffer, c.lanes).KeepBytes, "%d, %d lanes", c.buffer, c.lanes)
	}
}
