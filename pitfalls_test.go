package strata_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/stats"
)

// The pitfalls that systems of this kind are known to fall into, numbered as in
// the survey that this library started from. Those of assignment are here; some
// have a second test where a change of plan meets what the store remembers:
//
//	 8 being out made sticky                          publish_test.go
//	12 a holdout that swallows exposed units          publish_test.go
//	13 resizing a domain: Diff here, Publish in       publish_test.go
//	14 narrowing, then reading the same phase         publish_test.go
//	15 restarting with the old salt: the draw here    publish_test.go
//	16 ramps and stickiness: schedule_test.go and     refresh_test.go
//	17 forced units counted: exposures here, and      engine_test.go
//	18 units seen in two treatments                   report_test.go
//	19 a treatment that changes who is logged         report_test.go
//	20 naive variance of ratios                       report_test.go, stats

// 1. What a conditional experiment leaves over is not a random sample: it goes
// to nobody.
func TestPitfall01LeftoversOfConditionalExperiment(t *testing.T) {
	conditional := running("conditional", 0, 10000)
	conditional.Audience = "vip"
	p := oneLayer(conditional)
	snap := compiled(t, p)
	for i := range 200 {
		u := visitor(i)
		u.Attributes = map[string]any{"vip": false}
		a := snap.Assign(u)
		d := decision(a, "l")
		require.Equal(t, strata.ReasonAudience, d.Reason())
		require.Empty(t, d.Treatment())
	}
	// Nor can another experiment be given the same buckets for the rest.
	rest := running("rest", 0, 10000)
	rest.Audience = "not vip"
	require.ErrorContains(t, oneLayer(conditional, rest).Validate(), `belong to experiment "conditional" already`)
	require.Zero(t, p.Free("l").Len())
}

// 2. No waterfall: who gets an experiment's buckets does not depend on where
// it stands in the plan, nor on the audiences of the others.
func TestPitfall02NoPriorityWithinALayer(t *testing.T) {
	a, b := running("a", 0, 5000), running("b", 5000, 10000)
	a.Audience = "vip"
	first, second := compiled(t, oneLayer(a, b)), compiled(t, oneLayer(b, a))
	for i := range 1000 {
		u := visitor(i)
		u.Attributes = map[string]any{"vip": i%3 == 0}
		x, y := first.Assign(u), second.Assign(u)
		require.Equal(t, x.Peek("a"), y.Peek("a"))
		require.Equal(t, x.Peek("b"), y.Peek("b"))
		require.Equal(t, decision(x, "l").Bucket() >= 5000, x.Peek("b") != "", "b has its buckets, whatever a refused")
	}
}

// 3. Every level is salted: two layers cut traffic independently, and no two
// may share a salt.
func TestPitfall03EveryLevelIsSalted(t *testing.T) {
	p := nestedPlan()
	p.Layers[2].Salt = "outer"
	require.ErrorContains(t, p.Validate(), `layer "outer" has the same salt`)

	p = nestedPlan()
	p.Domains[0].Buckets, p.Domains[1].Buckets = strata.AllBuckets(), strata.AllBuckets()
	p.Experiments = nil
	table := make([][]int64, 10)
	for i := range table {
		table[i] = make([]int64, 10)
	}
	for _, a := range visitors(compiled(t, p), 20000) {
		table[decision(a, "outer").Bucket()/1000][decision(a, "middle").Bucket()/1000]++
	}
	require.Greater(t, stats.ChiSquareTable(table).PValue, 1e-4) // fixed ids: fails for one salt in 10,000
}

// 4. Widening moves nobody: inclusion and treatment use different hashes.
func TestPitfall04WideningMovesNobody(t *testing.T) {
	narrow, wide := compiled(t, oneLayer(running("e", 0, 1000))), compiled(t, oneLayer(running("e", 0, 9000)))
	in, treated := 0, 0
	for i, a := range visitors(narrow, 20000) {
		was := a.Peek("e")
		if was == "" {
			continue
		}
		b := wide.Assign(visitor(i))
		require.Equal(t, was, b.Peek("e"))
		in++
		if was == "t1" {
			treated++
		}
	}
	// One hash for both would put all of the first buckets into one treatment.
	require.InDelta(t, 0.5, float64(treated)/float64(in), 5*math.Sqrt(0.25/float64(in)))
}

// 5. Buckets fine enough: 0.01 % of the traffic is one bucket, and has about
// that many units.
func TestPitfall05BucketsAreFine(t *testing.T) {
	seed.OneGoroutine(t)
	snap := compiled(t, oneLayer(running("e", 7, 17)))
	in := 0
	const n = 200000
	for _, a := range visitors(snap, n) {
		if a.Peek("e") != "" {
			in++
		}
	}
	require.InDelta(t, n*0.001, in, 5*math.Sqrt(n*0.001))
}

// 6. One diversion per layer: the exclusion does not break on mixed ids.
func TestPitfall06OneIDPerLayer(t *testing.T) {
	p := oneLayer(running("a", 0, 5000), running("b", 5000, 10000))
	p.Layers[0].Diversion = strata.ByDevice
	snap := compiled(t, p)
	for i := range 500 {
		u := visitor(i)
		x := snap.Assign(u)
		u.User = fmt.Sprintf("somebody-else-%d", i)
		y := snap.Assign(u)
		require.Equal(t, x.Peek("a"), y.Peek("a"))
		require.Equal(t, x.Peek("b"), y.Peek("b"))
		require.True(t, (x.Peek("a") == "") != (x.Peek("b") == ""))
	}
}

// 7. An empty id is no id: nobody is hashed as the empty string.
func TestPitfall07EmptyIDGetsNothing(t *testing.T) {
	snap := compiled(t, oneLayer(running("e", 0, 10000)))
	for _, u := range []strata.Unit{{}, {User: ""}, {Device: "d"}, {User: "", Session: "s"}} {
		a := snap.Assign(u)
		require.Empty(t, a.Peek("e"))
		d := decision(a, "l")
		require.Equal(t, strata.ReasonNoID, d.Reason())
		require.Equal(t, -1, d.Bucket())
	}
}

// 9. A unit is drawn once: everything that is read through an assignment, and
// every assignment of the same ids, agrees.
func TestPitfall09OneDrawPerRequest(t *testing.T) {
	p := oneLayer(running("e", 0, 10000))
	p.Layers[0].Diversion = strata.ByRequest
	snap := compiled(t, p)
	param := strata.StringParam("p", "")
	for i := range 200 {
		a := snap.Assign(strata.Unit{Request: fmt.Sprint(i)})
		first := a.Treatment("e")
		require.Equal(t, first, a.Peek("e"))
		require.Equal(t, first == "t1", param.Get(a) == "t1")
		require.Equal(t, first, decision(a, "l").Treatment())
	}
}

// 10. Assigning, listing and peeking expose nobody; reading does.
func TestPitfall10ExposureIsReading(t *testing.T) {
	eng, store := engineOn(t, oneLayer(running("e", 0, 10000)))
	param := strata.StringParam("p", "")
	for i := range 100 {
		a := eng.Assign(visitor(i))
		for d := range a.All() {
			require.NotEmpty(t, d.Treatment())
		}
		a.Peek("e")
		param.Peek(a)
	}
	require.Empty(t, exposedTo(t, eng, store, "e"))
	for i := range 100 {
		a := eng.Assign(visitor(i))
		param.Get(a)
		a.Treatment("e")
		a.Expose("e")
	}
	exposed := exposedTo(t, eng, store, "e")
	require.Equal(t, 100, exposed["t0"]+exposed["t1"], "once for each unit")
}

// 11. Logging in changes nobody's treatment by device: ids never stand in for
// one another.
func TestPitfall11NoFallbackBetweenIDs(t *testing.T) {
	p := oneLayer(running("by-device", 0, 10000))
	p.Layers[0].Diversion = strata.ByDevice
	p.Layers = append(p.Layers, strata.Layer{Key: "m"})
	e := running("by-user", 0, 10000)
	e.Layer, e.Treatments = "m", arms("", 1, 1)
	p.Experiments = append(p.Experiments, e)
	snap := compiled(t, p)
	for i := range 300 {
		u := visitor(i)
		after := snap.Assign(u)
		u.User = ""
		before := snap.Assign(u)
		require.Equal(t, before.Peek("by-device"), after.Peek("by-device"))
		require.Empty(t, before.Peek("by-user"), "not yet logged in")
		require.NotEmpty(t, after.Peek("by-user"))
	}
}

// 13. Diff tells which experiments inside lose units when a domain shrinks.
func TestPitfall13ResizingADomainIsSeen(t *testing.T) {
	before, after := nestedPlan(), nestedPlan()
	after.Domains[1].Buckets = strata.BucketRange(0, 4000)
	moves := make(map[string]strata.Move)
	for _, m := range strata.Diff(before, after, noon) {
		moves[m.Experiment] = m
	}
	require.True(t, moves["mid"].Moves())
	require.InDelta(t, 0.05, moves["mid"].Leaves, 1e-12)
	require.True(t, moves["inner"].Moves())
	require.InDelta(t, 0.05, moves["inner"].Leaves, 1e-12)
	require.False(t, moves["out"].Moves())
}

// 15. A new phase draws everybody anew, independently of the phase before.
func TestPitfall15ANewPhaseDrawsAnew(t *testing.T) {
	e := running("e", 0, 10000)
	first := compiled(t, oneLayer(e))
	e.Phase = 1
	second := compiled(t, oneLayer(e))
	table := [][]int64{{0, 0}, {0, 0}}
	index := map[string]int{"t0": 0, "t1": 1}
	for i, a := range visitors(first, 20000) {
		b := second.Assign(visitor(i))
		table[index[a.Peek("e")]][index[b.Peek("e")]]++
	}
	require.Greater(t, stats.ChiSquareTable(table).PValue, 1e-4)
}

// 17. A forced visit counts for nothing, whatever is read through it.
func TestPitfall17ForcedVisitsExposeNobody(t *testing.T) {
	p := oneLayer(running("e", 0, 10000))
	p.Layers = append(p.Layers, strata.Layer{Key: "m"})
	other := running("other", 0, 10000)
	other.Layer, other.Treatments = "m", arms("", 1, 1)
	p.Experiments = append(p.Experiments, other)
	eng, store := engineOn(t, p)
	a := eng.Assign(visitor(1))
	f, err := a.Force("e", "t1")
	require.NoError(t, err)
	require.Equal(t, "t1", f.Treatment("e"))
	require.Equal(t, "t1", strata.StringParam("p", "").Get(f))
	require.NotEmpty(t, f.Treatment("other"))
	require.Empty(t, exposedTo(t, eng, store, "e"))
	require.Empty(t, exposedTo(t, eng, store, "other"), "a visit is forced as a whole")
	a.Treatment("e")
	require.Len(t, exposedTo(t, eng, store, "e"), 1, "the unforced assignment still counts")
}

// 21. Assignments in different layers are independent: the cross table of the
// treatments of any two of ten experiments.
func TestPitfall21LayersAreIndependent(t *testing.T) {
	const layers = 10
	snap := compiled(t, benchPlan(layers, ""))
	const n = 10000
	var drawn [layers][n]bool
	for i, a := range visitors(snap, n) {
		for l := range layers {
			drawn[l][i] = a.Peek(fmt.Sprintf("exp-%d", l)) == "on"
		}
	}
	for x := range layers {
		for y := range x {
			table := [][]int64{{0, 0}, {0, 0}}
			for i := range n {
				table[b2i(drawn[x][i])][b2i(drawn[y][i])]++
			}
			// 45 pairs: a fair hash fails for one set of salts in 2,000.
			require.Greater(t, stats.ChiSquareTable(table).PValue, 0.0005/45, "layers %d and %d", x, y)
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
