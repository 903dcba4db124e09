package spool_test

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/spool"
	"github.com/strataxp/strata/internal/spool/crashfs"
)

// A log takes the memory that it was given, whatever the size of what is appended,
// and lets go of it when all is durable.
func TestMemoryIsBounded(t *testing.T) {
	const limit = 256 << 10
	for _, size := range []int{100, 3000, 70_000} {
		mem := crashfs.New()
		sp, err := spool.Open(spool.Config{Dir: memDir, MinFree: -1, KeepBytes: limit, FS: mem})
		require.NoError(t, err)
		l, err := sp.Create(id(1))
		require.NoError(t, err)
		refuse := func(op crashfs.Op, _ string, _ int) error {
			if op == crashfs.Sync {
				return syscall.EIO
			}
			return nil
		}
		var m model
		for range 3 {
			require.NoError(t, m.note(l))
			mem.Inject(refuse)
			before := m.last
			for err = nil; err == nil; err = m.append(l, 0, 1, string(make([]byte, size))) {
				require.LessOrEqual(t, l.Held(), int64(limit))
			}
			require.ErrorIs(t, err, syscall.EIO)
			require.Greater(t, (m.last-before)*int64(size), int64(limit/2), "most of it is used")
			mem.Inject(nil)
			require.NoError(t, m.append(l, 0, 1, "syncs first"))
			require.LessOrEqual(t, l.Held(), int64(limit))
			require.NoError(t, m.sync(l))
			require.LessOrEqual(t, l.Held(), int64(limit/8))
		}
		m.check(t, l, m.last)
		require.NoError(t, l.Remove())
	}
}

// However often the disk refuses to sync, what is written again takes no more space
// than one attempt; also where attempts cannot be deleted. Nothing is lost meanwhile.
func TestFailingSyncsTakeBoundedSpace(t *testing.T) {
	const limit = 8 << 10
	for name, remove := range map[string]error{"": nil, "nor deletes": syscall.EROFS} {
		t.Run("the disk does not sync "+name, func(t *testing.T) {
			mem := crashfs.New()
			sp, err := spool.Open(spool.Config{Dir: memDir, SegmentBytes: 1024, MaxBytes: limit, MinFree: -1, FS: mem})
			require.NoError(t, err)
			l, err := sp.Create(id(1))
			require.NoError(t, err)
			var m model
			require.NoError(t, m.note(l))
			require.NoError(t, m.sync(l))
			mem.Inject(func(op crashfs.Op, _ string, _ int) error {
				switch op {
				case crashfs.Sync:
					return syscall.EIO
				case crashfs.Remove:
					return remove
				}
				return nil
			})
			full := 0
			for i := range 60 {
				if err := m.append(l, 0, 1, fmt.Sprint(i)); err != nil {
					require.ErrorIs(t, err, spool.ErrFull)
					full++
				}
				require.Error(t, m.sync(l))
				require.LessOrEqual(t, sp.Size(), int64(limit), "%d", i)
				require.Equal(t, sp.Size(), l.Bytes())
			}
			require.Equal(t, remove != nil, full > 0)
			m.check(t, l, m.last)
			mem.Inject(nil)
			mem.Kill()
			killed, err := openMem(t, mem, 1024).Recover(id(1))
			require.NoError(t, err)
			m.check(t, killed, m.last)
			m.checkNote(t, killed, m.taken)
			require.NoError(t, killed.Close())
		})
	}
}
