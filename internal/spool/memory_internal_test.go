package spool

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What memory holds is what was appended, in order, and never takes more than its
// limit; a frame that is larger is taken alone.
func TestMemoryHoldsAllWithinItsLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit = 256 << 10
		m := newMemory(limit)
		var kept, flight []byte
		syncing := false
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				n := rapid.SampledFrom([]int64{8, 100, 5000, 8192, 9000, 100_000, limit + 1}).Draw(t, "n")
				if !m.fits(n, 0) {
					return
				}
				c := m.room(n)
				start := len(*c)
				*c = append(*c, bytes.Repeat([]byte{byte(n)}, int(n))...)
				if rapid.IntRange(0, 3).Draw(t, "undo") == 0 {
					m.undo(start)
					return
				}
				kept = append(kept, (*c)[start:]...)
			},
			"begin": func(*rapid.T) {
				if !syncing {
					m.begin()
					kept, flight, syncing = nil, kept, true
				}
			},
			"end": func(t *rapid.T) {
				if !syncing {
					return
				}
				syncing = false
				if rapid.Bool().Draw(t, "failed") {
					m.failed()
					kept, flight = slices.Concat(flight, kept), nil
					return
				}
				m.done()
				flight = nil
			},
			"": func(t *rapid.T) {
				require.True(t, bytes.Equal(kept, slices.Concat(m.kept...)))
				require.True(t, bytes.Equal(flight, slices.Concat(m.flight...)))
				held := int64(0)
				for _, c := range slices.Concat(m.kept, m.flight, m.spare) {
					held += int64(cap(c))
				}
				require.Equal(t, m.held, held)
				require.LessOrEqual(t, held, max(limit, int64(len(kept)+len(flight))))
				if m.empty() && !syncing {
					require.LessOrEqual(t, held, int64(limit))
				}
			},
		})
	})
}

// Syncs that fail while little is appended do not use up the limit.
func TestMemoryIsPackedAfterFailures(t *testing.T) {
	m := newMemory(256 << 10)
	for range 1000 {
		m.begin()
		c := m.room(8)
		*c = append(*c, "8 bytes."...)
		m.failed()
	}
	require.LessOrEqual(t, m.held, int64(16<<10))
	m.begin()
	m.done()
	require.LessOrEqual(t, m.held, int64(16<<10))
}
