package faults_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/audit"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/internal/seed"
)

// rounds returns how often something is done: few times with every change.
func rounds(short, long int) int {
	if seed.Long() {
		return long
	}
	return short
}

// atOnce has a test that mostly waits run beside others, but for the long form, in
// which it does not wait.
func atOnce(t *testing.T) {
	if !seed.Long() {
		t.Parallel()
	}
}

// D1: the application is killed at any moment.
func TestD1KilledAtAnyMoment(t *testing.T) {
	atOnce(t)
	r := newRig(t)
	k := killing{rig: r, hits: make(map[string]int)}
	for range rounds(12, 500) {
		k.round()
	}
	r.finish(audit.Terms{Safe: strata.LevelWritten})
	t.Log(k.hits)
	for _, branch := range []string{"left a stream", "killed with events unsent", "the next process sends it"} {
		require.Positive(t, k.hits[branch], branch)
	}
}

// D2: as D1, with the database down in half of the runs.
func TestD2KilledWhileTheDatabaseIsDown(t *testing.T) {
	atOnce(t)
	server := pgtest.Start(t, pgtest.Config{})
	r := newRigOn(t, server.DSN(), "d2")
	k := killing{rig: r, hits: make(map[string]int)}
	for range rounds(2, 60) {
		server.Stop(t, pgtest.Fast)
		k.down = true
		k.round()
		k.round()
		server.Restart(t, pgtest.Fast)
		k.down = false
		k.round()
		k.round()
	}
	r.finish(audit.Terms{Safe: strata.LevelWritten})
	t.Log(k.hits)
	for _, branch := range []string{"left a stream", "killed while the database is down", "killed with events unsent"} {
		require.Positive(t, k.hits[branch], branch)
	}
}

// killing kills writers.
type killing struct {
	*rig
	hits  map[string]int
	down  bool
	acked int64    // events known to be written, by all of them
	left  []string // streams that were in the spool before
}

// round starts a writer and kills it.
func (k *killing) round() {
	k.Helper()
	// One with the race detector may live too short to read a stream that is left.
	k.program = writerProgram(k, seed.Long() && k.random.IntN(2) == 0)
	pause := []string{"100us", "500us", "1ms", "2ms"}[k.random.IntN(4)]
	p := k.start("-pause", pause)
	k.wait(k.between(10*time.Millisecond, 500*time.Millisecond))
	p.kill()
	k.hits["killed"]++
	k.acked += int64(k.lastLedger().AtLeast(strata.LevelWritten))
	left := k.streams(k.spool)
	if len(left) > 0 {
		k.hits["left a stream"]++
	}
	if slices.ContainsFunc(k.left, func(old string) bool { return !slices.Contains(left, old) }) {
		k.hits["the next process sends it"]++
	}
	k.left = left
	if k.down {
		k.hits["killed while the database is down"]++
	} else if k.acked > k.committed() {
		k.hits["killed with events unsent"]++
	}
}

// D8: two processes share a folder, which a second machine gets a copy of while
// they run: nothing is stored twice.
func TestD8SharedAndCopied(t *testing.T) {
	atOnce(t)
	r := newRig(t)
	one := r.start("-pause", "500us")
	two := r.start("-pause", "500us")
	r.wait(300 * time.Millisecond)
	both := r.streams(r.spool)
	require.Len(t, both, 4, "each has two streams of its own")
	copied := r.spool + "-copied"
	require.NoError(t, sh(t, "cp", "-a", r.spool, copied))
	require.Equal(t, both, r.streams(r.spool), "neither touches the other's")
	r.drain(copied)
	sent := r.drained.LeftoverWritten
	r.wait(100 * time.Millisecond)
	said := one.stop()
	two.kill()
	require.Zero(t, said.Left.Total())
	r.drain(r.spool)
	e := r.check(audit.Terms{Safe: strata.LevelWritten, MaxLost: 1 << 30, MaxMissing: 1 << 30})
	t.Logf("the copy sent %d, the writer that was stopped %d", sent, said.Written)
	// A copy that was made segment by segment may lack records in its midst.
	ledger := r.ledger()
	require.LessOrEqual(t, int64(ledger.Len()-len(e.Rows)), e.Lost()+int64(ledger.Len()-ledger.AtLeast(strata.LevelWritten)))
}

// D8: as before, with a database that is down until the copy is drained, so that it
// is the copy that sends what the original goes on to write.
func TestD8CopiedWhileTheDatabaseIsDown(t *testing.T) {
	atOnce(t)
	r := newRig(t)
	g := newGate(t, r.dsn)
	g.shut()
	p := r.start("-dsn", g.dsn, "-pause", "500us")
	r.wait(300 * time.Millisecond)
	copied := r.spool + "-copied"
	require.NoError(t, sh(t, "cp", "-a", r.spool, copied))
	r.wait(100 * time.Millisecond)
	r.drain(copied)
	require.Positive(t, r.drained.LeftoverWritten)
	g.open()
	there := r.committed()
	require.Eventually(t, func() bool { return r.committed() > there+100 }, 40*time.Second, 20*time.Millisecond, "the original does not go on")
	require.Zero(t, p.stop().Left.Memory)
	r.finish(audit.Terms{Safe: strata.LevelWritten})
}
