package faults_test

import (
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

// D1: the application is killed at any moment.
func TestD1KilledAtAnyMoment(t *testing.T) {
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
	acked int64 // events known to be written, by all of them
	left  int   // streams that were in the spool before
}

// round starts a writer and kills it.
func (k *killing) round() {
	k.Helper()
	pause := []string{"0s", "500us", "1ms", "2ms"}[k.random.IntN(4)]
	p := k.start("-pause", pause)
	k.wait(k.between(10*time.Millisecond, 500*time.Millisecond))
	p.kill()
	k.hits["killed"]++
	k.acked += int64(k.lastLedger().AtLeast(strata.LevelWritten))
	left := len(k.streams(k.spool))
	if left > 0 {
		k.hits["left a stream"]++
	}
	if left <= k.left && k.left > 0 {
		k.hits["the next process sends it"]++ // its own two are there in place of others
	}
	k.left = left
	if k.down {
		k.hits["killed while the database is down"]++
	} else if k.acked > k.committed() {
		k.hits["killed with events unsent"]++
	}
}
