package spool_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/strataxp/strata/internal/spool"
	"github.com/strataxp/strata/internal/spool/crashfs"
)

// A log does what the model says, whatever order things come in, with a reader that
// is somewhere in it.
func TestLogIsTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mem := crashfs.New()
		sp, err := spool.Open(spool.Config{Dir: memDir, SegmentBytes: 1024, MinFree: -1, FS: mem})
		require.NoError(t, err)
		l, err := sp.Create(id(1))
		require.NoError(t, err)
		w := &world{log: l, mem: mem, reader: l.Reader(1)}
		t.Repeat(map[string]func(*rapid.T){
			"append": w.append,
			"note":   func(*rapid.T) { _ = w.m.note(w.log) },
			"sync":   func(*rapid.T) { _ = w.m.sync(w.log) },
			"trim":   w.trim,
			"read":   w.read,
			"fail":   w.fail,
			"":       w.invariants,
		})
		mem.Inject(nil)
		require.NoError(t, w.m.sync(l))
		w.m.check(t, l, w.m.last)
		if rapid.Bool().Draw(t, "crash") {
			s := rapid.Uint64().Draw(t, "seed")
			mem.Crash(rand.New(rand.NewPCG(s, 1)))
		} else {
			mem.Kill()
		}
		l, err = sp.Recover(id(1))
		require.NoError(t, err)
		w.m.check(t, l, w.m.last)
		w.m.checkNote(t, l, w.m.noteOK)
		require.NoError(t, l.Close())
	})
}

type world struct {
	m      model
	log    *spool.Log
	mem    *crashfs.FS
	reader *spool.Reader
	read1  int64 // last index that the reader returned
}

func (w *world) append(t *rapid.T) {
	gap := rapid.Int64Range(0, 3).Draw(t, "gap")
	count := rapid.IntRange(1, 5).Draw(t, "count")
	size := rapid.SampledFrom([]int{0, 1, 7, 8, 100, 300, 1500}).Draw(t, "size")
	payload := fmt.Sprintf("%d%s", len(w.m.frames), strings.Repeat("p", size))
	_ = w.m.append(w.log, gap, count, payload)
}

func (w *world) trim(t *rapid.T) {
	upTo := w.m.last - rapid.Int64Range(0, 20).Draw(t, "back")
	if rapid.Bool().Draw(t, "oldest") {
		before := w.m.trimmed
		w.m.trimmed = max(before, upTo)
		if freed, err := w.log.TrimOldest(upTo); err == nil {
			require.LessOrEqual(t, freed, max(upTo, 0))
			w.m.trimmed = max(before, freed)
		}
		return
	}
	_ = w.m.trim(w.log, upTo)
}

// read takes the reader some frames on. It must return the next frame of the model
// that was not trimmed.
func (w *world) read(t *rapid.T) {
	for range rapid.IntRange(1, 6).Draw(t, "frames") {
		f, err := w.reader.Next()
		if errors.Is(err, io.EOF) {
			for _, have := range w.m.frames {
				require.False(t, have.taken && have.first > max(w.read1, w.m.trimmed), "frame %d is not read; %s", have.first, &w.m)
			}
			return
		}
		if err != nil {
			require.ErrorIs(t, err, syscall.EIO)
			return
		}
		require.True(t, w.m.find(f))
		require.Greater(t, f.First, w.read1)
		for _, have := range w.m.frames {
			if have.taken && have.first > w.read1 && have.last() < f.First {
				require.LessOrEqual(t, have.first, w.m.trimmed, "frame %d is passed over", have.first)
			}
		}
		if f.First > w.read1+1 {
			require.Equal(t, spool.Missing, f.Lost)
		} else {
			require.Equal(t, spool.None, f.Lost)
		}
		w.read1 = f.Last()
	}
}

// fail has one of the next operations fail.
func (w *world) fail(t *rapid.T) {
	op := rapid.SampledFrom([]crashfs.Op{crashfs.Sync, crashfs.SyncDir, crashfs.Write, crashfs.Create, crashfs.Rename, crashfs.Remove, crashfs.Open}).Draw(t, "op")
	n := rapid.IntRange(1, 3).Draw(t, "n")
	short := rapid.IntRange(0, 200).Draw(t, "short")
	w.mem.FailNth(op, n, &crashfs.Short{N: short, Err: syscall.EIO})
}

func (w *world) invariants(t *rapid.T) {
	require.Equal(t, w.m.last, w.log.Last())
	require.LessOrEqual(t, w.log.Synced(), w.m.last)
	require.GreaterOrEqual(t, w.log.Synced(), w.m.durable, "what is durable stays so")
	if w.m.taken > 0 {
		require.Equal(t, w.m.notes[w.m.taken-1], string(w.log.LatestNote()))
	}
}

// One appends, one syncs, some read, some trim, all at once.
func TestAllAtOnce(t *testing.T) {
	const frames = 3000
	mem := crashfs.New()
	l, err := openMem(t, mem, 4096).Create(id(1))
	require.NoError(t, err)
	syncs := 0
	mem.Inject(func(op crashfs.Op, _ string, _ int) error {
		if op == crashfs.Sync {
			if syncs++; syncs%7 == 0 {
				return syscall.EIO
			}
		}
		return nil
	})
	done := make(chan struct{})
	var read sync.WaitGroup
	for i := range 2 {
		read.Go(func() { follow(t, l, frames, i == 0) })
	}
	var others sync.WaitGroup
	others.Go(func() {
		for last := int64(0); ; {
			synced, err := l.Sync()
			if err != nil || synced < last || synced > l.Last() {
				t.Errorf("Sync returned %d, %v after %d", synced, err, last)
			}
			last = synced
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for i := int64(1); i <= frames; i++ {
		if err := l.Append(i, 1, fmt.Appendf(nil, "payload %d", i)); err != nil {
			t.Errorf("append %d: %v", i, err)
		}
		if i%50 == 0 {
			if err := l.Note(fmt.Append(nil, i)); err != nil {
				t.Errorf("note %d: %v", i, err)
			}
		}
	}
	read.Wait()
	close(done)
	others.Wait()
	mem.Inject(nil) // the sync of the footer is not tried twice
	require.NoError(t, l.Trim(frames))
	require.NoError(t, l.Close())
}

// follow reads a log while it grows, and trims behind itself.
func follow(t *testing.T, l *spool.Log, frames int64, trims bool) {
	r := l.Reader(1)
	last := int64(0)
	for last < frames {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			continue
		}
		if err != nil || f.First <= last || f.First > l.Last() || string(f.Payload) != fmt.Sprintf("payload %d", f.First) {
			t.Errorf("after %d: frame %d %q, %v", last, f.First, f.Payload, err)
			break
		}
		if trims && f.First != last+1 {
			t.Errorf("after %d comes %d, and nobody else trims", last, f.First)
		}
		last = f.Last()
		if trims && last%100 == 0 {
			if err := l.Trim(last); err != nil {
				t.Errorf("trim %d: %v", last, err)
			}
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
