package spool_test

import (
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/internal/spool/crashfs"
)

// crashHits counts what the crashes of a test met.
type crashHits struct {
	crashes, torn, zeroed, entries, behindHole, rotating, rewriting, notes, trimmed int
}

// U3: after a crash at any moment everything that was reported durable is there,
// and nothing else than what was appended.
func TestU3EveryCrashKeepsWhatWasDurable(t *testing.T) {
	s := seed.Of(t)
	histories := 10
	if seed.Long() {
		histories = 1000
	}
	var hits crashHits
	for i := range histories {
		r := rand.New(rand.NewPCG(s, uint64(i)))
		steps := history(r, 30)
		failing := i%2 == 1
		all := crashHistory(t, steps, failing, s+uint64(i), 0, false, &hits)
		for k := 1; k <= all; k++ {
			crashHistory(t, steps, failing, s+uint64(i), k, k%3 == 0, &hits)
		}
	}
	t.Logf("%+v", hits)
	for name, n := range map[string]int{
		"a torn write": hits.torn, "a zeroed write": hits.zeroed, "a lost entry of a folder": hits.entries,
		"a frame behind a hole": hits.behindHole, "a crash in the making of a segment": hits.rotating,
		"a crash after a sync failed": hits.rewriting, "a note": hits.notes, "a trim": hits.trimmed,
	} {
		require.NotZero(t, n, "%s never occurred", name)
	}
}

// crashHistory runs steps until the k-th operation, has the machine or only the
// process end there, and checks what is found. It returns how many operations
// there were.
func crashHistory(t *testing.T, steps []step, failing bool, seed uint64, k int, kill bool, hits *crashHits) int {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("history %d, operation %d, only the process ended: %t; injected faults: %t; steps %+v", seed, k, kill, failing, steps)
		}
	}()
	mem := crashfs.New()
	sp := openMem(t, mem, 1024)
	r := rand.New(rand.NewPCG(seed, uint64(k)))
	failed := false
	if failing {
		mem.Inject(faults(seed, &failed))
	}
	mem.Off(k)
	var m model
	l, err := sp.Create(id(1))
	created := err == nil
	if created {
		m.run(l, steps)
	}
	ops := mem.Ops()
	if kill {
		mem.Kill()
	} else {
		mem.Crash(r)
	}
	hits.crashes++
	lost := mem.Lost()
	hits.torn += lost.Torn
	hits.zeroed += lost.Zeroed
	hits.entries += lost.Entries
	if k > 0 {
		require.GreaterOrEqual(t, ops, k, "the steps come as far as the crash")
	}
	if failed {
		hits.rewriting++
	}
	m.checkCrash(t, mem, created, kill, hits)
	return ops
}

// faults has some syncs and writes fail, the same ones each time.
func faults(seed uint64, failed *bool) func(crashfs.Op, string, int) error {
	r := rand.New(rand.NewPCG(seed, 7))
	syncs, writes, rest := 1+r.IntN(6), 1+r.IntN(20), 1+r.IntN(6)
	return func(op crashfs.Op, name string, n int) error {
		switch {
		case op == crashfs.Sync && (n == syncs || n == syncs+2), op == crashfs.SyncDir && n == rest:
			*failed = true
			return syscall.EIO
		case op == crashfs.Write && n%writes == 0:
			return &crashfs.Short{N: n * 37 % 200, Err: syscall.EIO}
		case (op == crashfs.Rename || op == crashfs.Remove || op == crashfs.Create) && n == rest:
			return syscall.EIO
		}
		return nil
	}
}

func (m *model) checkCrash(t *testing.T, mem *crashfs.FS, created, kill bool, hits *crashHits) {
	t.Helper()
	sp := openMem(t, mem, 1024)
	left, err := sp.Leftover()
	require.NoError(t, err)
	if len(left) == 0 {
		require.False(t, created, "the stream is gone")
		return
	}
	names, err := mem.List(memDir + "/" + streamName(left[0]))
	require.NoError(t, err)
	if strings.Contains(strings.Join(names, " "), ".tmp") {
		hits.rotating++
	}
	l, err := sp.Recover(left[0])
	require.NoError(t, err, "nothing that a crash does keeps a log from being recovered")
	must, note := m.durable, m.noteOK
	if kill {
		must, note = m.last, m.taken
	}
	got := m.check(t, l, must)
	m.checkNote(t, l, note)
	if note > 0 {
		hits.notes++
	}
	if m.trimmed > 0 {
		hits.trimmed++
	}
	hits.behindHole += got.behindHole
	require.Equal(t, got.last, l.Last())
	require.GreaterOrEqual(t, l.End(), got.last)
	require.NoError(t, l.Remove())
	require.Zero(t, sp.Size(), "all that was counted is given back")
}
