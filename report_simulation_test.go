package strata_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/stats"
)

// Experiments without an effect, and with one, whose reports are read every day
// and believed at once: what the defaults promise must hold for that reader.

// simulated is an experiment of which the sums are drawn, day by day.
type simulated struct {
	plan    *strata.Plan
	random  *rand.Rand
	stand   map[string]map[string]stats.Moments // by treatment and metric
	effects map[string]map[string]float64       // relative, by treatment and metric
}

const unitsADay = 300 // in each treatment

func newSimulated(t testing.TB, seed uint64, effects map[string]map[string]float64) *simulated {
	x := makeUp(t, []strata.Metric{sumMetric("clicks"), sumMetric("spend"), sumMetric("other"), sumMetric("guard")}, map[string]map[string]stats.Moments{"a": nil, "b": nil, "c": nil},
		func(e *strata.Experiment) { e.Analysis.Primary = []string{"clicks", "spend"} })
	x.plan.Metrics[1].PrePeriod = strata.Duration(time.Hour)
	x.plan.Metrics[3].Guardrail, x.plan.Metrics[3].Margin = true, 0.05
	s := &simulated{plan: x.plan, random: rand.New(rand.NewPCG(seed, 7)), stand: map[string]map[string]stats.Moments{}, effects: effects}
	for _, key := range []string{"a", "b", "c"} {
		s.stand[key] = map[string]stats.Moments{}
	}
	return s
}

// day adds a day's units: clicks and guard are a normal value each, spend is
// skewed, most of it 0, and follows the unit's past.
func (s *simulated) day(t testing.TB) {
	for _, key := range []string{"a", "b", "c"} {
		metrics := s.stand[key]
		for _, metric := range []string{"clicks", "spend", "other", "guard"} {
			m := metrics[metric]
			factor := 1 + s.effects[key][metric]
			for range unitsADay {
				var err error
				switch {
				case metric != "spend":
					err = m.Add(factor * (2 + s.random.NormFloat64()))
				default:
					taste := math.Exp(s.random.NormFloat64())
					now, before := 0.0, 0.0
					if s.random.IntN(3) == 0 {
						now = factor * taste * (1 + s.random.Float64())
					}
					if s.random.IntN(3) == 0 {
						before = taste * (1 + s.random.Float64())
					}
					err = m.Add(now, before)
				}
				require.NoError(t, err)
			}
			metrics[metric] = m
		}
	}
}

func (s *simulated) report(t testing.TB, day int) *strata.Report {
	x := makeUp(t, s.plan.Metrics, s.stand, func(e *strata.Experiment) { e.Analysis = s.plan.Experiments[0].Analysis })
	r, err := strata.ReportOn(x.plan, "cta-color", x.results, at(reportDay.AddDate(0, 0, day)))
	require.NoError(t, err)
	return r
}

// simulations is how many experiments are run: fewer with -short, more with
// STRATA_LONG.
func simulations() int {
	switch {
	case seed.Long():
		return 1000
	case testing.Short():
		return 8
	}
	return 12
}

// atMost fails where so many of n is more than a rate that is at most p can
// explain, four standard errors away.
func atMost(t *testing.T, p float64, count, n int, what string) {
	t.Helper()
	limit := p + 4*math.Sqrt(p*(1-p)/float64(n))
	t.Logf("%s: %d of %d, at most %.3g expected", what, count, n, p)
	require.LessOrEqual(t, float64(count)/float64(n), limit, what)
}

// Of experiments without any effect at most one in twenty ever shows a win or a
// loss in a primary metric, over two metrics, two treatments and ten daily
// reports that are each believed.
func TestSimulationDailyReportsWithoutAnEffect(t *testing.T) {
	seed.OneGoroutine(t)
	t.Parallel()
	first, n := seed.Of(t), simulations()
	primary, harmed := 0, 0
	for i := range n {
		s := newSimulated(t, first+uint64(i)<<20, nil)
		var anyPrimary, anyHarm bool
		for day := range 10 {
			s.day(t)
			r := s.report(t, day)
			for _, m := range r.Metrics {
				for _, c := range m.Comparisons {
					clear := c.Verdict.Code == strata.VerdictWin || c.Verdict.Code == strata.VerdictLoss
					anyPrimary = anyPrimary || clear && m.Role == strata.RolePrimary
					anyHarm = anyHarm || c.Verdict.Code == strata.VerdictLoss && m.Role == strata.RoleGuardrail && c.Treatment == "b"
				}
			}
		}
		if anyPrimary {
			primary++
		}
		if anyHarm {
			harmed++
		}
	}
	atMost(t, 0.05, primary, n, "experiments with a false win or loss")
	atMost(t, 0.05, harmed, n, "guardrails falsely harmed, in one treatment")
}

// A guardrail that loses just its margin is at most once in twenty experiments
// ever said to hold, and a primary metric with an effect wins.
func TestSimulationDailyReportsWithAnEffect(t *testing.T) {
	seed.OneGoroutine(t)
	t.Parallel()
	first, n := seed.Of(t), simulations()
	effects := map[string]map[string]float64{"b": {"clicks": 0.15, "guard": -0.05}}
	holds, wins, losses := 0, 0, 0
	for i := range n {
		s := newSimulated(t, first+uint64(i)<<20, effects)
		var held bool
		var last strata.VerdictCode
		for day := range 10 {
			s.day(t)
			r := s.report(t, day)
			held = held || r.Metrics[3].Comparisons[0].NonInferiority.Holds
			last = r.Metrics[0].Comparisons[0].Verdict.Code
		}
		if held {
			holds++
		}
		if last == strata.VerdictWin {
			wins++
		}
		if last == strata.VerdictLoss {
			losses++
		}
	}
	atMost(t, 0.05, holds, n, "guardrails at their margin that are said to hold")
	require.Zero(t, losses)
	require.GreaterOrEqual(t, wins, n*9/10, fmt.Sprint("wins of ", n))
}

// rare is an experiment without an effect on what few units do.
type rare struct {
	name   string
	daily  [2]int // units a day
	share  float64
	metric strata.Metric
	unit   func(*rand.Rand) []float64 // variables of a unit that does it
}

func rareDesigns() []rare {
	count := strata.Metric{Key: "m", Type: strata.MetricCount, Measure: strata.Measure{Event: strata.KindCustom}}
	conversion := count
	conversion.Type = strata.MetricConversion
	value := strata.Measure{Event: strata.KindCustom, Value: strata.ValueAmount}
	ratio := strata.Metric{Key: "m", Type: strata.MetricRatio, Measure: value, Denominator: &strata.Measure{Event: strata.KindCustom}}
	once := func(*rand.Rand) []float64 { return []float64{1} }
	spend := func(r *rand.Rand) []float64 { return []float64{math.Exp(1.5 * r.NormFloat64())} }
	orders := func(r *rand.Rand) []float64 {
		n := 1 + float64(r.IntN(3))
		return []float64{n * math.Exp(r.NormFloat64()), n}
	}
	return []rare{
		{"2 % convert, 900 and 100 a day", [2]int{900, 100}, 0.02, conversion, once},
		{"2 % count, 900 and 100 a day", [2]int{900, 100}, 0.02, count, once},
		{"0.5 % count, 4500 and 500 a day", [2]int{4500, 500}, 0.005, count, once},
		{"2 % buy, 900 and 100 a day, heavy", [2]int{900, 100}, 0.02, sumMetric("m"), spend},
		{"0.5 % buy, 500 a day, ratio", [2]int{500, 500}, 0.005, ratio, orders},
		{"2 % buy, 900 and 100 a day, ratio", [2]int{900, 100}, 0.02, ratio, orders},
	}
}

// day draws a day's units of one arm.
func (x *rare) day(t testing.TB, random *rand.Rand, arm int) stats.Moments {
	var m stats.Moments
	k := len(x.unit(random))
	none := 0
	for range x.daily[arm] {
		if random.Float64() >= x.share {
			none++
			continue
		}
		require.NoError(t, m.Add(x.unit(random)...))
	}
	zeros, err := stats.NewMoments(int64(none), make([]float64, k), make([]float64, k*(k+1)/2))
	require.NoError(t, err)
	require.NoError(t, m.Merge(zeros))
	return m
}

// What few units do is where asymptotic intervals fail: daily reports on it wait
// until there is enough, and then keep their promise.
func TestSimulationDailyReportsOnRareEvents(t *testing.T) {
	seed.OneGoroutine(t)
	t.Parallel()
	first, n := seed.Of(t), 2*simulations()
	for i, x := range rareDesigns() {
		t.Run(x.name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(first, uint64(i)))
			wrong := 0
			for range n {
				made := makeUp(t, []strata.Metric{x.metric}, map[string]map[string]stats.Moments{"a": {}, "b": {}}, func(e *strata.Experiment) {
					e.Treatments[0].Weight, e.Treatments[1].Weight = x.daily[0], x.daily[1]
				})
				var stand [2]stats.Moments
				for day := range 10 {
					for arm, key := range []string{"a", "b"} {
						require.NoError(t, stand[arm].Merge(x.day(t, random, arm)))
						made.results.Treatments[key] = strata.TreatmentResults{Units: stand[arm].N(), FirstExposure: reportDay,
							Metrics: map[string]strata.MetricResults{"m": {Moments: []stats.Moments{stand[arm]}}}}
					}
					r, err := strata.ReportOn(made.plan, "cta-color", made.results, at(reportDay.AddDate(0, 0, day)))
					require.NoError(t, err)
					if code := r.Metrics[0].Comparisons[0].Verdict.Code; code == strata.VerdictWin || code == strata.VerdictLoss {
						wrong++
						break
					}
				}
			}
			atMost(t, 0.05, wrong, n, "experiments with a false win or loss")
		})
	}
}
