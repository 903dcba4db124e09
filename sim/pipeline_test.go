package sim_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/sim"
)

// experiments returns how many experiments are simulated.
func experiments(usual, long int) int {
	if seed.Long() {
		return long
	}
	return usual
}

// revenuePlan asks for what devices spend, whose p-values are not as coarse as those
// of counts.
func revenuePlan(t *testing.T) *strata.Plan {
	return coinPlan(t, 1, func(p *strata.Plan) { p.Experiments[0].Metrics = []string{"revenue"} })
}

// spenders are visitors of whom half buy, for amounts that differ.
func spenders() *sim.Model {
	m := coin()
	m.Baskets.Sigma = 0.5
	return m
}

// requireShare checks a share of n runs to four standard errors: a false alarm in
// 16,000.
func requireShare(t *testing.T, want, got float64, n int, what string) {
	t.Helper()
	require.InDelta(t, want, got, 4*math.Sqrt(want*(1-want)/float64(n))+0.5/float64(n), what)
}

// Assignment, exposures, events, a store and a report, two thousand times without
// any effect (STRATA_LONG=1): p-values are uniform, one in twenty decides, and
// intervals hold the truth as often as they say.
func TestAAOfTheWholePipeline(t *testing.T) {
	seed.OneGoroutine(t)
	t.Parallel()
	n := experiments(100, 2000)
	f := ran(t, revenuePlan(t), spenders(), sim.Options{Seed: seed.Of(t), Visitors: 600, Runs: n, Days: 3, AA: true})
	e := f.Experiments[0]
	c := e.Comparisons[0]
	require.Empty(t, c.PValues.Reason)
	require.Greater(t, c.PValues.PValue, 1e-4, "%+v", c.PValues)
	requireShare(t, 0.05, e.Decided.Value, n, "false positives")
	requireShare(t, 0.95, c.Covered.Value, n, "coverage for one look")
	require.GreaterOrEqual(t, c.AlwaysCovered.Value, 0.95-4*math.Sqrt(0.95*0.05/float64(n)), "always-valid coverage")
	require.LessOrEqual(t, c.ByDay[2].Wins+c.ByDay[2].Losses, 0.05+4*math.Sqrt(0.95*0.05/float64(n)), "looking every day")
	requireShare(t, 0.05, c.ByDay[2].Planned, n, "one look at the end of the last day")
	require.LessOrEqual(t, e.SampleRatioAlarms.Value, 0.001+4*math.Sqrt(0.001/float64(n)))
	t.Logf("%d experiments: %v decided, %v and %v covered, p-values %+v", n, e.Decided, c.Covered, c.AlwaysCovered, c.PValues)
}

// With an effect the share of wins is the power that planning promises, and
// intervals hold the true lift.
func TestPowerOfTheWholePipeline(t *testing.T) {
	seed.OneGoroutine(t)
	t.Parallel()
	n := experiments(100, 2000)
	for name, weight := range map[string]float64{"a small effect": 1.25, "a middling effect": 1.45, "a loss": 0.7} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := ran(t, revenuePlan(t), spenders(), sim.Options{
				Seed: seed.Of(t), Visitors: 600, Runs: n, Days: 3, TruthVisitors: 20_000,
				Effects: []sim.Effect{{Experiment: "a", Treatment: "on", From: "come", To: "buy", Weight: weight}},
			})
			c := f.Experiments[0].Comparisons[0]
			decided := c.Wins.Value + c.Losses.Value
			require.InDelta(t, c.PlannedPower, decided, 4*math.Sqrt(0.25/float64(n))+0.02, "power; 0.02 is for the normal approximation of planning")
			requireShare(t, 0.95, c.Covered.Value, n, "coverage of the true lift")
			require.InDelta(t, c.RatioBias, c.Bias.Value, 5*c.Bias.SE, "bias")
			t.Logf("%d experiments: planned power %.3f, decided %.3f; covered %v, bias %v", n, c.PlannedPower, decided, c.Covered, c.Bias)
		})
	}
}
