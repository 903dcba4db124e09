package strata_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/seed"
)

// What the documentation says about speed, as ratios to what no assignment can beat,
// with room for other machines. Times are the best of many short slices, taken in turns:
// whatever else the machine does only ever adds. One of several attempts is enough, for
// the same reason; what has become slower by half fails them all.
func TestRatiosToTheFloor(t *testing.T) {
	seed.OneGoroutine(t)
	eng, snap := benchEngine(t, benchPlan(100, "")), compiled(t, benchPlan(100, ""))
	param := strata.StringParam("param-0", "off")
	ids := benchIDs()
	lookUp, loop := floorOfOne(ids), floorOfAll(ids)
	gates := []struct {
		name        string
		floor, work func(n int)
		limit       float64
		figure      float64 // in docs/performance.md
	}{
		{"reading one experiment of 100, exposures noted", lookUp, func(n int) {
			for i := range n {
				sinkString = eng.Assign(strata.Unit{User: ids[i&(benchUnits-1)]}).Treatment("exp-0")
			}
		}, 2.1, 1.55},
		{"reading one parameter of 100", lookUp, func(n int) {
			for i := range n {
				sinkString = param.Get(eng.Assign(strata.Unit{User: ids[i&(benchUnits-1)]}))
			}
		}, 2.7, 2.1},
		{"the decisions of all of 100 layers", loop, func(n int) {
			length := 0
			for i := range n {
				for d := range snap.Assign(strata.Unit{User: ids[i&(benchUnits-1)]}).All() {
					length += len(d.Treatment())
				}
			}
			sinkInt = length
		}, 2.3, 1.75},
	}
	for _, g := range gates {
		found := math.Inf(1)
		for attempt := 0; attempt < 20 && found > g.limit; attempt++ {
			found = min(found, ratio(g.floor, g.work))
		}
		require.LessOrEqual(t, found, g.limit, "%s takes %.2f times its floor, which was %.2f", g.name, found, g.figure)
		t.Logf("%s: %.2f times its floor", g.name, found)
	}
}

// ratio is the best time of work to that of floor.
func ratio(floor, work func(n int)) float64 {
	const rounds = 40
	best := [2]float64{math.Inf(1), math.Inf(1)}
	for range rounds {
		for i, f := range []func(int){floor, work} {
			best[i] = min(best[i], slice(f))
		}
	}
	return best[1] / best[0]
}

// slice is the time of one repetition, of as many as take some tenths of a millisecond.
func slice(work func(n int)) float64 {
	for n := 64; ; n *= 2 {
		start := time.Now()
		work(n)
		if took := time.Since(start); took > 200*time.Microsecond {
			return float64(took.Nanoseconds()) / float64(n)
		}
	}
}
