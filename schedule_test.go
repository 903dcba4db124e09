package strata_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
)

func TestAScheduleOpensAndEnds(t *testing.T) {
	e := running("e", 0, 10000)
	e.Schedule = strata.Schedule{Start: noon, End: noon.Add(time.Hour)}
	p := oneLayer(e)
	for _, c := range []struct {
		after time.Duration
		runs  bool
		next  time.Time
	}{
		{-1, false, noon},
		{0, true, noon.Add(time.Hour)},
		{time.Hour - 1, true, noon.Add(time.Hour)},
		{time.Hour, false, time.Time{}},
	} {
		snap := compiledAt(t, p, noon.Add(c.after))
		a := snap.Assign(visitor(1))
		require.Equal(t, c.runs, a.Peek("e") != "", "after %v", c.after)
		require.True(t, snap.Next().Equal(c.next), "after %v: next is %v", c.after, snap.Next())
	}
}

// The schedules of experiments that cannot assign make no snapshot outdated.
func TestNextLooksAtLiveExperimentsOnly(t *testing.T) {
	for status, want := range map[strata.Status]bool{
		strata.StatusDraft: false, strata.StatusStopped: false, strata.StatusRunning: true, strata.StatusIntakeClosed: true,
	} {
		e := running("e", 0, 10)
		e.Status, e.Schedule.End = status, noon.Add(time.Hour)
		require.Equal(t, want, !compiled(t, oneLayer(e)).Next().IsZero(), "%s", status)
	}
}

// A ramp opens buckets and never closes one; nobody who is in changes
// treatment, and nobody leaves.
func TestARampMovesNobody(t *testing.T) {
	e := running("e", 1000, 9000)
	shares := []float64{0.01, 0.1, 0.5, 1}
	for i, share := range shares {
		e.Schedule.Ramp = append(e.Schedule.Ramp, strata.RampStep{At: noon.Add(time.Duration(i+1) * time.Hour), Share: share})
	}
	p := oneLayer(e)
	const n = 5000
	was := make([]string, n)
	for i := range len(shares) + 1 {
		at := noon.Add(time.Duration(i) * time.Hour)
		snap := compiledAt(t, p, at)
		in := 0
		for v, a := range visitors(snap, n) {
			now := a.Peek("e")
			if was[v] != "" {
				require.Equal(t, was[v], now, "visitor %d moved at step %d", v, i)
			}
			if was[v] = now; now != "" {
				in++
			}
			d := decision(a, "l")
			if d.Experiment() == "e" && now == "" {
				require.Equal(t, strata.ReasonNotRunning, d.Reason(), "reserved: nobody else gets these buckets")
			}
		}
		want := 0.0
		if i > 0 {
			want = shares[i-1] * 0.8
		}
		require.InDelta(t, want*n, in, 200, "step %d", i)
		if i > 0 {
			for _, m := range strata.Diff(p, p, at) {
				require.False(t, m.Moves())
			}
		}
	}
}

// Each salt opens its buckets in an order of its own.
func TestRampsOfTwoExperimentsAreIndependent(t *testing.T) {
	open := func(key string) (set [strata.NumBuckets]bool) {
		e := running(key, 0, 10000)
		e.Schedule.Ramp = []strata.RampStep{{At: noon, Share: 0.5}}
		snap := compiled(t, oneLayer(e))
		for _, a := range visitors(snap, 30000) {
			if d := decision(a, "l"); d.Treatment() != "" {
				set[d.Bucket()] = true
			}
		}
		return set
	}
	a, b := open("a"), open("b")
	both := 0
	for i := range a {
		if a[i] && b[i] {
			both++
		}
	}
	require.InDelta(t, 2500*0.9, both, 300) // 30,000 visitors meet 95 % of the buckets
}
