package spool_test

import (
	"fmt"
	"io"
	"io/fs"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/spool"
	"github.com/strataxp/strata/internal/spool/crashfs"
)

// A disk that is full at any moment refuses, takes again when there is space, and
// has lost nothing that it took.
func TestFullDiskAtEveryWrite(t *testing.T) {
	refused := 0
	for n := 1; n <= 200; n++ {
		refused += fullDisk(t, crashfs.Write, n)
	}
	require.Greater(t, refused, 300)
	refused = 0
	for n := 1; n <= 20; n++ {
		refused += fullDisk(t, crashfs.Create, n)
	}
	require.Greater(t, refused, 30)
}

// fullDisk has the n-th operation of a kind, and some after it, find the disk full.
// It returns how many appends that refused.
func fullDisk(t *testing.T, op crashfs.Op, n int) (refused int) {
	t.Helper()
	mem := crashfs.New()
	l, err := openMem(t, mem, 1024).Create(id(1))
	require.NoError(t, err)
	stays := n + n%5
	mem.Inject(func(o crashfs.Op, _ string, i int) error {
		if o == op && i >= n && i <= stays {
			return &crashfs.Short{N: n * 13 % 90, Err: syscall.ENOSPC}
		}
		return nil
	})
	var m model
	appends := n + 10
	if op == crashfs.Create {
		appends = 210
	}
	for i := range appends {
		if err := m.append(l, 0, 1, fmt.Sprintf("%d%0*d", i, i%80, 0)); err != nil {
			require.ErrorIs(t, err, spool.ErrFull)
			require.ErrorIs(t, err, syscall.ENOSPC)
			refused++
		}
		if i%9 == 0 {
			require.NoError(t, m.sync(l))
		}
	}
	require.NoError(t, m.sync(l))
	require.LessOrEqual(t, refused, stays-n+1, "it takes again as soon as there is space")
	m.check(t, l, m.last)
	mem.Kill()
	l, err = openMem(t, mem, 1024).Recover(id(1))
	require.NoError(t, err)
	m.check(t, l, m.last)
	require.NoError(t, l.Close())
	return refused
}

// After a sync that failed nothing is reported durable that is not, and all that
// was taken becomes durable by a later one.
func TestFailedSyncAtEveryMoment(t *testing.T) {
	for _, op := range []crashfs.Op{crashfs.Sync, crashfs.SyncDir} {
		for n := 1; n <= 40; n++ {
			for times := 1; times <= 3; times++ {
				failSyncs(t, op, n, times)
			}
		}
	}
}

func failSyncs(t *testing.T, op crashfs.Op, n, times int) {
	t.Helper()
	mem := crashfs.New()
	l, err := openMem(t, mem, 1024).Create(id(1))
	require.NoError(t, err)
	mem.Inject(func(o crashfs.Op, _ string, i int) error {
		if o == op && i >= n && i < n+times {
			return syscall.EIO
		}
		return nil
	})
	var m model
	live := l.Reader(1)
	next := int64(1)
	for i := range 100 {
		require.NoError(t, m.append(l, 0, 1, fmt.Sprintf("%d%0*d", i, i%80, 0)))
		if i%3 > 0 {
			f, err := live.Next() // never twice, never ahead, whatever is rewritten
			require.NoError(t, err)
			require.Equal(t, next, f.First)
			require.Equal(t, spool.None, f.Lost)
			next++
		}
		if i%2 == 1 {
			if err := m.sync(l); err != nil {
				require.ErrorIs(t, err, syscall.EIO)
				require.Greater(t, times, 1, "one failure is made good by writing again")
			}
		}
	}
	require.NoError(t, m.sync(l))
	require.Equal(t, m.last, l.Synced())
	m.check(t, l, m.last)
	require.NoError(t, live.Close())
	mem.Inject(nil)
	require.NoError(t, m.trim(l, m.last))
	names, err := mem.List(memDir + "/" + streamName(id(1)))
	require.NoError(t, err)
	require.LessOrEqual(t, len(names), 2, "what was replaced is deleted: %v", names)
	require.NoError(t, l.Remove())
}

// While the disk refuses every sync, appending goes on up to what can be kept in
// memory, and then fails; later everything becomes durable.
func TestSyncFailsForLong(t *testing.T) {
	mem := crashfs.New()
	sp, err := spool.Open(spool.Config{Dir: memDir, MinFree: -1, FS: mem})
	require.NoError(t, err)
	l, err := sp.Create(id(1))
	require.NoError(t, err)
	mem.Inject(func(o crashfs.Op, _ string, _ int) error {
		if o == crashfs.Sync {
			return syscall.EIO
		}
		return nil
	})
	payload := make([]byte, 1<<20)
	var m model
	for err == nil {
		err = m.append(l, 0, 10, string(payload))
		require.Less(t, m.last, int64(spool.DefaultKeepBytes/len(payload)*10))
	}
	require.ErrorIs(t, err, syscall.EIO)
	require.Zero(t, l.Synced())
	mem.Inject(nil)
	require.NoError(t, m.append(l, 0, 10, string(payload)))
	require.NoError(t, m.sync(l))
	require.Equal(t, m.last, l.Synced())
	m.check(t, l, m.last)
	require.NoError(t, l.Remove())
	require.Zero(t, sp.Size())
}

// Limits refuse and give way, and trimming makes space without any.
func TestLimits(t *testing.T) {
	for name, cfg := range map[string]spool.Config{
		"MaxBytes": {MaxBytes: 4096, MinFree: -1},
		"MinFree":  {MinFree: 16 << 10},
		"disk":     {MinFree: -1},
	} {
		t.Run(name, func(t *testing.T) {
			mem := crashfs.New()
			mem.Limit(20 << 10)
			cfg.Dir, cfg.SegmentBytes, cfg.FS = memDir, 1024, mem
			sp, err := spool.Open(cfg)
			require.NoError(t, err)
			l, err := sp.Create(id(1))
			require.NoError(t, err)
			require.NoError(t, l.Note([]byte("note")))
			var m model
			for round := range 3 {
				for err = nil; err == nil; err = m.append(l, 0, 1, fmt.Sprint(m.last)) {
				}
				require.ErrorIs(t, err, spool.ErrFull)
				require.ErrorIs(t, m.append(l, 0, 1, "again"), spool.ErrFull)
				if name == "MaxBytes" {
					require.EqualValues(t, 4096, sp.Size())
				}
				if round == 1 {
					first := l.First()
					freed, err := l.TrimOldest(m.last)
					require.NoError(t, err)
					require.Greater(t, freed, first)
					require.Equal(t, freed+1, l.First())
					m.trimmed = freed
					continue
				}
				require.NoError(t, m.trim(l, m.last-3))
			}
			require.NoError(t, m.append(l, 0, 1, "space again"))
			m.check(t, l, m.last)
			require.Equal(t, "note", string(l.LatestNote()))
			require.NoError(t, l.Close())
			l, err = sp.Recover(id(1))
			require.NoError(t, err)
			require.Equal(t, "note", string(l.LatestNote()), "trimming does not lose the newest note")
			m.check(t, l, m.last)
			require.NoError(t, l.Remove())
		})
	}
}

// A folder that vanishes, is read only, or cannot be listed is an error while it
// is so. What was reported durable and is gone is told as lost.
func TestFolderVanishes(t *testing.T) {
	mem := crashfs.New()
	sp := openMem(t, mem, 1024)
	l, err := sp.Create(id(1))
	require.NoError(t, err)
	var m model
	for range 40 {
		require.NoError(t, m.append(l, 0, 1, "here for a while"))
	}
	require.NoError(t, m.sync(l))
	mem.Vanish(memDir)
	mem.Inject(func(op crashfs.Op, _ string, _ int) error {
		if op == crashfs.MkdirAll {
			return syscall.EROFS
		}
		return nil
	})
	for range 40 {
		if err = m.append(l, 0, 1, "nowhere"); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, syscall.EROFS)
	require.ErrorIs(t, m.sync(l), syscall.EROFS)
	require.EqualValues(t, 40, l.Synced())
	_, err = l.Reader(1).Next()
	require.ErrorIs(t, err, io.EOF)
	mem.Inject(nil)
	require.NoError(t, m.append(l, 0, 1, "back"))
	require.NoError(t, m.sync(l))
	all := readAll(t, l, 1)
	require.EqualValues(t, 41, all[0].first, "what was not durable is written again")
	require.Equal(t, spool.Corrupt, all[0].lost)
	require.Equal(t, m.last, all[len(all)-1].first)
	mem.Kill()
	_, err = openMem(t, mem, 1024).Recover(id(1))
	require.NoError(t, err)
}

// A folder that vanishes takes what was not durable with it, in whichever segment
// that was: the next sync notices and writes all of it again.
func TestFolderVanishesAndIsMadeAgain(t *testing.T) {
	mem := crashfs.New()
	l, err := openMem(t, mem, 1024).Create(id(1))
	require.NoError(t, err)
	var m model
	for range 3 {
		require.NoError(t, m.append(l, 0, 1, "durable"))
	}
	require.NoError(t, m.sync(l))
	mem.Vanish(memDir)
	for range 100 { // the first of them go to a file without a name
		require.NoError(t, m.append(l, 0, 1, "behind it"))
	}
	require.NoError(t, m.sync(l))
	all := readAll(t, l, 1)
	require.EqualValues(t, 4, all[0].first, "what was not durable is written again")
	require.Len(t, all, 100)
	require.NoError(t, l.Close())
	require.Zero(t, mem.Handles())
}

// A log that can delete nothing leaves no file open when it is closed or removed.
func TestNoFileStaysOpen(t *testing.T) {
	for name, end := range map[string]func(*spool.Log) error{"Close": (*spool.Log).Close, "Remove": (*spool.Log).Remove} {
		t.Run(name, func(t *testing.T) {
			mem := crashfs.New()
			l, err := openMem(t, mem, 1024).Create(id(1))
			require.NoError(t, err)
			var m model
			for range 33 { // and the last segment is more than half full
				require.NoError(t, m.append(l, 0, 1, "to be deleted"))
			}
			require.NoError(t, m.sync(l))
			mem.Inject(func(op crashfs.Op, _ string, _ int) error {
				if op == crashfs.Remove || op == crashfs.Write {
					return syscall.EROFS
				}
				return nil
			})
			require.ErrorIs(t, m.trim(l, m.last), syscall.EROFS)
			_ = end(l) // it may well fail
			require.Zero(t, mem.Handles())
		})
	}
}

// What cannot be deleted is tried again.
func TestRemoveFails(t *testing.T) {
	mem := crashfs.New()
	sp := openMem(t, mem, 1024)
	l, err := sp.Create(id(1))
	require.NoError(t, err)
	var m model
	for range 100 {
		require.NoError(t, m.append(l, 0, 1, "to be deleted"))
	}
	size := sp.Size()
	mem.FailNth(crashfs.Remove, 2, fs.ErrPermission)
	require.ErrorIs(t, m.trim(l, m.last-30), fs.ErrPermission)
	require.Less(t, sp.Size(), size)
	require.Equal(t, sp.Size(), l.Bytes())
	between := sp.Size()
	require.NoError(t, m.trim(l, m.last-30))
	require.Equal(t, between-1024, sp.Size())
	m.check(t, l, m.last)
	mem.FailNth(crashfs.Remove, 1, fs.ErrPermission)
	require.ErrorIs(t, l.Remove(), fs.ErrPermission)
	left, err := sp.Leftover()
	require.NoError(t, err)
	require.Equal(t, [][16]byte{id(1)}, left)
	require.EqualValues(t, 1024, sp.Size(), "the first segment is still there")
	l, err = sp.Recover(id(1))
	require.NoError(t, err)
	require.NoError(t, l.Remove())
	require.Zero(t, sp.Size())
	require.ErrorIs(t, l.Remove(), spool.ErrClosed)
}
