package spool_test

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/spool"
	"github.com/strataxp/strata/internal/spool/crashfs"
)

// segmentPath returns the name of a segment of the stream id(1).
func segmentPath(first, seq int64) string {
	return fmt.Sprintf("%s/%s/%020d-%08d.seg", memDir, streamName(id(1)), first, seq)
}

// smallFrames is how many frames of one record the segment of small has; those up
// to smallMark were durable when the last one was written.
const (
	smallFrames = 6
	smallMark   = 4
	smallBytes  = 40 // of each frame: 32 and 8 of payload
)

// small returns a file system with a stream of one segment, whose process was
// killed.
func small(t testing.TB) *crashfs.FS {
	t.Helper()
	mem := crashfs.New()
	l, err := openMem(t, mem, 384).Create(id(1))
	require.NoError(t, err)
	for i := int64(1); i <= smallFrames; i++ {
		require.NoError(t, l.Append(i, 1, fmt.Appendf(nil, "record %d", i)))
		if i == smallMark {
			_, err := l.Sync()
			require.NoError(t, err)
		}
	}
	mem.Kill()
	return mem
}

// frameAt returns which record lies at an offset, 0 if none.
func frameAt(off int) int64 {
	if off < spool.HeaderSize || off >= spool.HeaderSize+smallFrames*smallBytes {
		return 0
	}
	return int64(1 + (off-spool.HeaderSize)/smallBytes)
}

// checkSmall recovers the stream and checks that all records but the lost ones are
// there, and that each loss is told.
func checkSmall(t *testing.T, mem *crashfs.FS, mark int64, lost func(i int64) bool, why string) (corrupt int64) {
	t.Helper()
	l, err := openMem(t, mem, 384).Recover(id(1))
	require.NoError(t, err, why)
	var want []frame
	next := int64(1)
	for i := int64(1); i <= smallFrames; i++ {
		if lost(i) {
			continue
		}
		f := frame{first: i, count: 1, payload: fmt.Sprintf("record %d", i)}
		if i > next {
			f.lost = spool.Torn
			if next <= mark {
				f.lost = spool.Corrupt
			}
		}
		want, next = append(want, f), i+1
	}
	require.Equal(t, want, readAll(t, l, 1), why)
	require.Equal(t, next-1, l.Last(), why)
	require.Equal(t, max(next-1, mark), l.End(), why)
	corrupt, _ = l.Damage()
	require.NoError(t, l.Close())
	return corrupt
}

// U4: whatever bit is wrong, only the frame that it is in is lost, and it is said
// whether it had been durable.
func TestU4EveryFlippedBit(t *testing.T) {
	mem := small(t)
	size, err := mem.Size(segmentPath(1, 1))
	require.NoError(t, err)
	for off := range int(size) {
		for bit := range 8 {
			flip := func(b []byte) []byte { b[off] ^= 1 << bit; return b }
			mem.Change(segmentPath(1, 1), flip)
			hit := frameAt(off)
			corrupt := checkSmall(t, mem, smallMark, func(i int64) bool { return i == hit }, fmt.Sprintf("bit %d of byte %d", bit, off))
			require.Equal(t, hit > 0 && hit <= smallMark, corrupt == 1, "bit %d of byte %d", bit, off)
			mem.Change(segmentPath(1, 1), flip)
		}
	}
}

// U4: frames before the end of a truncated segment are there.
func TestU4EveryTruncation(t *testing.T) {
	for size := range spool.HeaderSize + smallFrames*smallBytes + 20 {
		mem := small(t)
		mem.Change(segmentPath(1, 1), func(b []byte) []byte { return b[:size] })
		whole := int64(max(size-spool.HeaderSize, 0) / smallBytes)
		// The mark is in the frames behind it.
		mark := int64(0)
		if whole > smallMark {
			mark = smallMark
		}
		checkSmall(t, mem, mark, func(i int64) bool { return i > whole }, fmt.Sprintf("%d bytes", size))
	}
}

// A part that reads as zeros looks like the end of what was written: what is
// behind it must be found.
func TestU4EveryZeroedFrame(t *testing.T) {
	for from := int64(1); from < smallFrames; from++ {
		for to := from; to < smallFrames; to++ {
			mem := small(t)
			mem.Change(segmentPath(1, 1), func(b []byte) []byte {
				clear(b[spool.HeaderSize+(from-1)*smallBytes : spool.HeaderSize+to*smallBytes])
				return b
			})
			checkSmall(t, mem, smallMark, func(i int64) bool { return i >= from && i <= to }, fmt.Sprintf("%d to %d", from, to))
		}
	}
}

// A sector that cannot be read is lost, not the log.
func TestUnreadablePartsAreDamage(t *testing.T) {
	mem := small(t)
	sp := openMem(t, mem, 384)
	mem.Inject(func(op crashfs.Op, _ string, _ int) error {
		if op == crashfs.Read {
			return fmt.Errorf("a broken sector")
		}
		return nil
	})
	l, err := sp.Recover(id(1))
	require.NoError(t, err)
	require.Empty(t, readAll(t, l, 1))
	mem.Inject(nil)
	require.NoError(t, l.Close())

	tries := 0
	mem.Inject(func(op crashfs.Op, _ string, _ int) error {
		if op == crashfs.Read {
			if tries++; tries < 3 {
				return fmt.Errorf("a passing fault")
			}
		}
		return nil
	})
	checkSmall(t, mem, smallMark, func(int64) bool { return false }, "a read that succeeds when repeated")
}

// A whole segment that is not there, is cut, or is full of something else is a
// hole, and told as one.
func TestLostSegment(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, mem *crashfs.FS){
		"gone":  func(t *testing.T, mem *crashfs.FS) { require.NoError(t, mem.Remove(segmentPath(5, 3))) },
		"empty": func(_ *testing.T, mem *crashfs.FS) { mem.Change(segmentPath(5, 3), func([]byte) []byte { return nil }) },
		"its start": func(_ *testing.T, mem *crashfs.FS) {
			mem.Change(segmentPath(5, 3), func(b []byte) []byte { return b[:64] })
		},
		"zeros": func(_ *testing.T, mem *crashfs.FS) {
			mem.Change(segmentPath(5, 3), func(b []byte) []byte { clear(b); return b })
		},
		"another's": func(_ *testing.T, mem *crashfs.FS) {
			mem.Change(segmentPath(5, 3), func([]byte) (b []byte) {
				mem := small(t)
				mem.Change(segmentPath(1, 1), func(other []byte) []byte { b = other; return other })
				return b
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			mem := crashfs.New()
			l, err := openMem(t, mem, 256).Create(id(1))
			require.NoError(t, err)
			for i := int64(1); i <= 8; i++ { // two in a segment
				require.NoError(t, l.Append(i, 1, make([]byte, 40)))
			}
			require.NoError(t, l.Close())
			harm(t, mem)
			l, err = openMem(t, mem, 256).Recover(id(1))
			require.NoError(t, err)
			all := readAll(t, l, 1)
			require.Len(t, all, 6)
			require.EqualValues(t, 7, all[4].first)
			require.Equal(t, spool.Corrupt, all[4].lost)
			corrupt, _ := l.Damage()
			require.EqualValues(t, 1, corrupt)
			all = readAll(t, l, 5)
			require.Equal(t, spool.Corrupt, all[0].lost, "also for who begins in the hole")
			require.NoError(t, l.Remove())
		})
	}
}

// A machine that goes down while replaced segments are deleted may leave one that
// begins behind the one that replaces it: what that holds must not be taken for old.
func TestReplacedSegmentIsLeftBehind(t *testing.T) {
	mem := crashfs.New()
	l, err := openMem(t, mem, 256).Create(id(1))
	require.NoError(t, err)
	for i := int64(1); i <= 4; i++ { // two in a segment
		require.NoError(t, l.Append(i, 1, make([]byte, 40)))
	}
	mem.Inject(func(op crashfs.Op, name string, n int) error {
		if op == crashfs.Sync && n == 1 || op == crashfs.Remove && name == segmentPath(3, 2) {
			return syscall.EIO
		}
		return nil
	})
	_, err = l.Sync()
	require.NoError(t, err)
	mem.Kill()
	names, err := mem.List(memDir + "/" + streamName(id(1)))
	require.NoError(t, err)
	require.Len(t, names, 3, "the lock, a replaced segment, and the new one")
	sp := openMem(t, mem, 256)
	l, err = sp.Recover(id(1))
	require.NoError(t, err)
	require.Len(t, readAll(t, l, 1), 4)
	size := sp.Size()
	require.NoError(t, l.Trim(0))
	require.Equal(t, size-256, sp.Size(), "it is deleted when something is")
	require.NoError(t, l.Remove())
}
