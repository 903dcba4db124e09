package strata_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/memstore"
	"github.com/strataxp/strata/stats"
)

// Reports on results that are made up.

var reportDay = time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)

// at is the options of a report of a day.
func at(day time.Time) strata.ReportOptions {
	return strata.ReportOptions{Clock: stoppedClock{day}}
}

// stoppedClock always says the same.
type stoppedClock struct{ now time.Time }

func (c stoppedClock) Now() time.Time { return c.now }

func (stoppedClock) Timer(time.Duration) (<-chan time.Time, func()) { return nil, func() {} }

// sums are a metric's moments from means, standard deviations and a correlation
// with the past.
func sumsOf(t testing.TB, n int64, mean, sd float64, past ...float64) stats.Moments {
	t.Helper()
	means, squares := []float64{mean}, []float64{float64(n-1) * sd * sd}
	if len(past) == 3 { // mean, sd, correlation
		means = append(means, past[0])
		squares = append(squares, float64(n-1)*sd*past[1]*past[2], float64(n-1)*past[1]*past[1])
	}
	m, err := stats.NewMoments(n, means, squares)
	require.NoError(t, err)
	return m
}

// share is the moments of a metric that so many of n units have.
func share(t testing.TB, ones, n int64) stats.Moments {
	t.Helper()
	p := float64(ones) / float64(n)
	m, err := stats.NewMoments(n, []float64{p}, []float64{float64(n) * p * (1 - p)})
	require.NoError(t, err)
	return m
}

// made is an experiment with made-up results.
type made struct {
	plan    *strata.Plan
	results strata.Results
}

func makeUp(t testing.TB, metrics []strata.Metric, by map[string]map[string]stats.Moments, change ...func(*strata.Experiment)) made {
	t.Helper()
	plan := colorPlan(1)
	plan.Metrics = metrics
	e := &plan.Experiments[0]
	e.Metrics, e.Treatments = nil, nil
	for _, m := range metrics {
		e.Metrics = append(e.Metrics, m.Key)
	}
	r := strata.Results{Treatments: map[string]strata.TreatmentResults{}, Latest: reportDay}
	treatments := slices.Sorted(func(yield func(string) bool) {
		for key := range by {
			if !yield(key) {
				return
			}
		}
	})
	for _, key := range treatments {
		e.Treatments = append(e.Treatments, strata.Treatment{Key: key, Weight: 1})
		x := strata.TreatmentResults{Metrics: map[string]strata.MetricResults{}, FirstExposure: reportDay.AddDate(0, 0, -10), LastExposure: reportDay}
		for metric, m := range by[key] {
			x.Metrics[metric] = strata.MetricResults{Moments: []stats.Moments{m}}
			x.Units = max(x.Units, m.N())
		}
		r.Treatments[key] = x
	}
	for _, f := range change {
		f(e)
	}
	return made{plan, r}
}

func (m made) report(t testing.TB, opts ...strata.ReportOptions) *strata.Report {
	t.Helper()
	o := at(reportDay)
	if len(opts) > 0 {
		o = opts[0]
		o.Clock = stoppedClock{reportDay}
	}
	r, err := strata.ReportOn(m.plan, "cta-color", m.results, o)
	require.NoError(t, err)
	return r
}

func sumMetric(key string) strata.Metric {
	return strata.Metric{Key: key, Type: strata.MetricSum, Measure: strata.Measure{Event: strata.KindCustom, Value: strata.ValueAmount}}
}

func one(key string, m stats.Moments) map[string]stats.Moments {
	return map[string]stats.Moments{key: m}
}

// CUPED narrows the interval as the correlation says, and says so.
func TestReportAdjustsForThePast(t *testing.T) {
	m := sumMetric("spend")
	m.PrePeriod = strata.Duration(14 * 24 * time.Hour)
	both := func(pastOfB float64, rho float64) made {
		return makeUp(t, []strata.Metric{m}, map[string]map[string]stats.Moments{
			"a": one("spend", sumsOf(t, 5000, 10, 5, 8, 4, rho)), "b": one("spend", sumsOf(t, 5000, 10.2, 5, pastOfB, 4, rho)),
		})
	}
	r := both(8.02, 0.8).report(t)
	c := r.Metrics[0].Comparisons[0]
	require.True(t, c.Adjustment.Applied)
	require.InDelta(t, 0.64, c.Adjustment.VarianceReduction, 0.001)
	require.InDelta(t, 1, c.Adjustment.Theta, 0.001, "0.8·5/4")
	require.InDelta(t, 0.2-1*0.02, c.Difference.Value, 0.001)
	require.InDelta(t, 0.2, c.Adjustment.Unadjusted.Difference.Value, 1e-9)
	require.InDelta(t, 0.6, c.Difference.SE/c.Adjustment.Unadjusted.Difference.SE, 0.001)
	require.Contains(t, r.String(), "adjusted for the past, which explains 64 % of the variance")
	require.Less(t, c.AlwaysValid.Difference.High-c.AlwaysValid.Difference.Low, 3.3*(c.Adjustment.Unadjusted.Difference.High-c.Adjustment.Unadjusted.Difference.Value))

	r = both(8.5, 0.8).report(t) // the treatments were different people before
	c = r.Metrics[0].Comparisons[0]
	require.False(t, c.Adjustment.Applied)
	require.Contains(t, c.Adjustment.Reason, "differs between the arms")
	require.InDelta(t, 0.2, c.Difference.Value, 1e-9)
	require.Equal(t, strata.Alarm, codes(r)[strata.WarnPrePeriod])
	require.Equal(t, strata.VerdictNotTrusted, r.Verdict.Code)
	require.Contains(t, r.Verdict.Text, "cannot be trusted because of: spend")
}

// A ratio is adjusted by the same ratio before.
func TestReportAdjustsRatios(t *testing.T) {
	m := strata.Metric{Key: "value", Type: strata.MetricRatio, PrePeriod: strata.Duration(time.Hour),
		Measure:     strata.Measure{Event: strata.KindCustom, Value: strata.ValueAmount},
		Denominator: &strata.Measure{Event: strata.KindCustom}}
	random := rand.New(rand.NewPCG(1, 1))
	arm := func(lift float64) (m stats.Moments) {
		for range 4000 {
			taste := random.NormFloat64()
			orders, before := 1+float64(random.IntN(4)), 1+float64(random.IntN(4))
			require.NoError(t, m.Add(orders*(20+lift+5*taste+random.NormFloat64()), orders, before*(20+5*taste+random.NormFloat64()), before))
		}
		return m
	}
	made := makeUp(t, []strata.Metric{m}, map[string]map[string]stats.Moments{"a": one("value", arm(0)), "b": one("value", arm(0.3))})
	c := made.report(t).Metrics[0].Comparisons[0]
	require.True(t, c.Adjustment.Applied, c.Adjustment.Reason)
	require.Greater(t, c.Adjustment.VarianceReduction, 0.5)
	require.InDelta(t, 0.3, c.Difference.Value, 4*c.Difference.SE)
}

func TestGuardrailVerdicts(t *testing.T) {
	m := sumMetric("latency")
	m.Guardrail, m.Direction, m.Margin = true, strata.Decrease, 0.02
	of := func(mean float64, n int64) *strata.Report {
		return makeUp(t, []strata.Metric{sumMetric("spend"), m}, map[string]map[string]stats.Moments{
			"a": {"spend": sumsOf(t, n, 10, 5), "latency": sumsOf(t, n, 100, 20)},
			"b": {"spend": sumsOf(t, n, 11, 5), "latency": sumsOf(t, n, mean, 20)},
		}).report(t)
	}
	for name, c := range map[string]struct {
		mean float64
		n    int64
		code strata.VerdictCode
		text string
		all  strata.VerdictCode
	}{
		"shown":             {100, 50_000, strata.VerdictHolds, "a loss beyond 2 % is ruled out", strata.VerdictWin},
		"better":            {95, 50_000, strata.VerdictHolds, "ruled out", strata.VerdictWin},
		"worse, but little": {101, 50_000, strata.VerdictHolds, "ruled out", strata.VerdictWin},
		"harmed":            {105, 50_000, strata.VerdictLoss, "loss: +5.00 %", strata.VerdictLoss},
		"not shown":         {100, 500, strata.VerdictKeepRunning, "2 % is tolerated", strata.VerdictKeepRunning},
	} {
		t.Run(name, func(t *testing.T) {
			r := of(c.mean, c.n)
			g := r.Metrics[1].Comparisons[0]
			require.Equal(t, c.code, g.Verdict.Code, g.Verdict.Text)
			require.Contains(t, g.Verdict.Text, c.text)
			require.Equal(t, c.code == strata.VerdictHolds, g.NonInferiority.Holds)
			require.True(t, math.IsInf(g.NonInferiority.Lift.Low, -1), "open on the harmless side")
			require.Equal(t, stats.NoCorrection, g.Corrected.Correction)
			if c.n > 1000 {
				require.Equal(t, c.all, r.Verdict.Code, r.Verdict.Text)
			}
		})
	}
	require.Contains(t, of(105, 50_000).Verdict.Text, "b wins on spend +10.00 %")
	require.Contains(t, of(105, 50_000).Verdict.Text, "and harms latency +5.00 %")
	require.Contains(t, of(100.9, 5_000).Verdict.Text, "not shown to hold: latency")
}

// What a verdict says of the time left is what it would take: after so many
// more days at the same rate the interval is as narrow as it has to be.
func TestVerdictSaysHowLong(t *testing.T) {
	m := sumMetric("spend")
	m.MinimumEffect = 0.02
	of := func(n int64, day time.Time) *strata.Report {
		x := makeUp(t, []strata.Metric{m}, map[string]map[string]stats.Moments{
			"a": one("spend", sumsOf(t, n, 10, 8)), "b": one("spend", sumsOf(t, n, 10, 8)),
		})
		r, err := strata.ReportOn(x.plan, "cta-color", x.results, at(day))
		require.NoError(t, err)
		return r
	}
	const perDay = 1000 // a treatment
	now := of(10*perDay, reportDay)
	v := now.Metrics[0].Comparisons[0].Verdict
	require.Equal(t, strata.VerdictKeepRunning, v.Code, v.Text)
	require.Positive(t, v.Days)
	require.Contains(t, v.Text, fmt.Sprintf("keep running about %d more days", v.Days))
	require.Equal(t, v.Days, now.Verdict.Days)

	c := of(int64(10+v.Days)*perDay, reportDay).Metrics[0].Comparisons[0]
	power := c.AlwaysValid.Lift.High + 0.8416*c.AlwaysValid.Difference.SE/10
	require.InDelta(t, 0.02, power, 0.0005, "the half-width and the margin for 80 %% power are the effect")
	require.Equal(t, strata.VerdictNoDifference, c.Verdict.Code, "there is none")
	require.Contains(t, c.Verdict.Text, "no difference larger than 1.")

	stuck := of(30, reportDay).Metrics[0].Comparisons[0].Verdict
	require.Zero(t, stuck.Days)
	require.Contains(t, stuck.Text, "more than a year")
}

// An experiment that reached the end of its schedule is read once; any other is
// looked at as often as one likes.
func TestInferenceFollowsTheSchedule(t *testing.T) {
	results := map[string]map[string]stats.Moments{"a": one("spend", sumsOf(t, 2000, 10, 8)), "b": one("spend", sumsOf(t, 2000, 10.6, 8))}
	until := func(end time.Time, s strata.Status) made {
		return makeUp(t, []strata.Metric{sumMetric("spend")}, results, func(e *strata.Experiment) {
			e.Schedule.End, e.Status = end, s
		})
	}
	over, ahead := reportDay.Add(-time.Hour), reportDay.Add(time.Hour)
	for name, c := range map[string]struct {
		of        made
		inference strata.Inference
		code      strata.VerdictCode
	}{
		"running for ever": {until(time.Time{}, strata.StatusRunning), strata.AlwaysValid, strata.VerdictKeepRunning},
		"running":          {until(ahead, strata.StatusRunning), strata.AlwaysValid, strata.VerdictKeepRunning},
		"ended":            {until(over, strata.StatusRunning), strata.OneLook, strata.VerdictWin},
		"stopped early":    {until(ahead, strata.StatusStopped), strata.AlwaysValid, strata.VerdictInconclusive},
	} {
		r := c.of.report(t)
		require.Equal(t, c.inference, r.Inference, name)
		require.Equal(t, c.code, r.Verdict.Code, name)
	}
	forced := until(ahead, strata.StatusRunning).report(t, strata.ReportOptions{Inference: strata.OneLook})
	require.Equal(t, strata.VerdictWin, forced.Verdict.Code)
	x := until(ahead, strata.StatusRunning)
	_, err := strata.ReportOn(x.plan, "cta-color", x.results, strata.ReportOptions{Inference: "bayes", Level: 2})
	require.ErrorIs(t, err, strata.ErrConfig)
	require.ErrorContains(t, err, "Inference")
	require.ErrorContains(t, err, "Level")
}

// The days are the reports that one would have seen.
func TestReportByDayIsThatOfTheDay(t *testing.T) {
	for _, past := range []bool{false, true} {
		plan, results := wideExperiment(t, 3, 3, 12, past)
		whole, err := strata.ReportOn(plan, "wide", results, at(reportDay))
		require.NoError(t, err)
		for k := range results.Days {
			then := results
			then.Treatments, then.Days = results.Days[k].Treatments, nil
			r, err := strata.ReportOn(plan, "wide", then, at(reportDay))
			require.NoError(t, err)
			for i := range r.Metrics {
				for j, c := range r.Metrics[i].Comparisons {
					day := whole.Metrics[i].Comparisons[j].Days[k]
					require.Equal(t, results.Days[k].Day, day.Day)
					if past && k < len(results.Days)-1 {
						continue // adjusted by the latest slope
					}
					for _, same := range [][2]stats.Estimate{{c.AlwaysValid.Lift, day.Lift}, {c.AlwaysValid.Difference, day.Difference}} {
						require.Equal(t, same[0].Reason, same[1].Reason)
						require.InDelta(t, same[0].Value, same[1].Value, 1e-12)
						require.InDelta(t, same[0].Low, same[1].Low, 1e-9)
						require.InDelta(t, same[0].High, same[1].High, 1e-9)
					}
				}
			}
		}
	}
}

// Whatever the results are, the report holds no NaN, its intervals hold their
// estimates, corrected p-values agree with corrected intervals, and it can be
// printed and read back.
func TestAnyResultsMakeASoundReport(t *testing.T) {
	seed.OneGoroutine(t)
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) { requireSound(rt, drawReport(t, rt)) })
}

// drawReport makes a report on results that make no sense.
func drawReport(t testing.TB, rt *rapid.T) *strata.Report {
	metrics := []strata.Metric{
		{Key: "bought", Type: strata.MetricConversion, Measure: strata.Measure{Event: strata.KindPurchase}},
		sumMetric("spend"), sumMetric("guard"), sumMetric("other"),
		{Key: "value", Type: strata.MetricRatio, Measure: strata.Measure{Event: strata.KindPurchase, Value: strata.ValueTotal, Currency: "EUR"},
			Denominator: &strata.Measure{Event: strata.KindPurchase}},
	}
	metrics[2].Guardrail = true
	metrics[3].PrePeriod = strata.Duration(time.Hour)
	number := rapid.OneOf(rapid.Float64Range(-10, 10), rapid.Float64Range(0, 1), rapid.SampledFrom([]float64{0, 1, -1, 1e-300, 1e150, -1e100, 1e8}))
	moments := func(k int) stats.Moments {
		n := rapid.SampledFrom([]int64{0, 1, 2, 3, 50, 101, 1000, 1e6, 1e12}).Draw(rt, "n")
		var m stats.Moments
		for range min(n, 4) {
			unit := make([]float64, k)
			for i := range unit {
				unit[i] = number.Draw(rt, "value")
			}
			if m.Add(unit...) != nil {
				return stats.Moments{}
			}
		}
		for m.N() < n/2 && m.N() < 1e15 {
			if m.Merge(m) != nil {
				break
			}
		}
		return m
	}
	by := map[string]map[string]stats.Moments{}
	for _, key := range []string{"a", "b", "c"} {
		n := rapid.Int64Range(1, 1e6).Draw(rt, "exposed")
		by[key] = map[string]stats.Moments{"bought": share(t, rapid.Int64Range(0, n).Draw(rt, "bought"), n),
			"spend": moments(1), "guard": moments(1), "other": moments(2), "value": moments(2)}
	}
	x := makeUp(t, metrics, by, func(e *strata.Experiment) {
		e.Analysis.Primary = []string{"bought", "spend"}
		e.Analysis.Breakdowns = []string{"country"}
		e.Analysis.PlannedUnits = rapid.Int64Range(0, 1e9).Draw(rt, "planned")
	})
	for i := range 3 {
		x.results.Days = append(x.results.Days, strata.DayResults{Day: reportDay.AddDate(0, 0, i-3), Treatments: x.results.Treatments})
	}
	x.results.Segments = map[string]map[string]strata.TreatmentResults{"DE": x.results.Treatments, "": nil}
	r, err := strata.ReportOn(x.plan, "cta-color", x.results, strata.ReportOptions{
		Level:     rapid.SampledFrom([]float64{0.5, 0.8, 0.95, 0.999, 0.3}).Draw(rt, "level"),
		Inference: rapid.SampledFrom([]strata.Inference{"", strata.OneLook}).Draw(rt, "inference"), Attribute: "country", Clock: stoppedClock{reportDay},
	})
	require.NoError(rt, err)
	return r
}

// requireSound checks what holds of every report.
func requireSound(t require.TestingT, r *strata.Report) {
	all := slices.Clone(r.Metrics)
	if r.Breakdown != nil {
		for _, s := range r.Breakdown.Segments {
			all = append(all, s.Metrics...)
		}
	}
	for _, m := range all {
		for _, c := range m.Comparisons {
			estimates := []stats.Estimate{c.Difference, c.Lift, c.AlwaysValid.Difference, c.AlwaysValid.Lift, c.Corrected.Difference, c.Corrected.Lift}
			for _, d := range c.Days {
				estimates = append(estimates, d.Difference, d.Lift)
			}
			for _, e := range estimates {
				if e.Reason == "" {
					require.True(t, e.Low <= e.Value && e.Value <= e.High, "%s: %+v", m.Label, e)
				}
			}
			for _, p := range []float64{c.Test.PValue, c.AlwaysValid.Test.PValue, c.Corrected.PValue} {
				require.True(t, p > 0 && p <= 1, "%s: p %v", m.Label, p)
			}
			if d := c.Corrected; d.Difference.Reason == "" && d.Family > 0 && math.Abs(d.PValue-(1-r.Level)) > 1e-9 {
				require.Equal(t, d.PValue > 1-r.Level, d.Difference.Contains(0), "%s: %+v", m.Label, d)
			}
			require.NotEmpty(t, c.Verdict.Code)
			require.NotEmpty(t, c.Verdict.Text)
		}
	}
	data, err := json.Marshal(r)
	require.NoError(t, err)
	var back strata.Report
	require.NoError(t, json.Unmarshal(data, &back))
	again, err := json.Marshal(back)
	require.NoError(t, err)
	require.JSONEq(t, string(data), string(again))
	text := r.String()
	for _, bad := range []string{"NaN", "%!", "+Inf"} {
		require.NotContains(t, text, bad)
	}
	require.NotEmpty(t, r.Verdict.Text)
}

// Text keeps to its width, whatever the keys are, and commands no terminal.
func TestReportTextFits(t *testing.T) {
	long := strings.Repeat("long-key-", 11)
	x := makeUp(t, []strata.Metric{sumMetric(long)}, map[string]map[string]stats.Moments{
		"a" + long: one(long, sumsOf(t, 50_000, 12345.6789, 5432.1)), "b" + long: one(long, sumsOf(t, 50_000, 12395.6789, 5432.1)),
	}, func(e *strata.Experiment) { e.Description, e.Analysis.Breakdowns = long+long, []string{"country"} })
	x.results.Segments = map[string]map[string]strata.TreatmentResults{
		"\x1b[31mred\tend\n\u202eturned " + long: x.results.Treatments, "": x.results.Treatments,
	}
	text := x.report(t, strata.ReportOptions{Attribute: "country"}).String()
	for line := range strings.Lines(text) {
		require.LessOrEqual(t, len([]rune(strings.TrimRight(line, "\n"))), 100, line)
	}
	for _, bad := range []string{"\x1b", "\t", "\u202e", "end\n"} {
		require.NotContains(t, text, bad)
	}
}

// A plan that nobody validated, as a store may hold one, is reported on all the
// same, and one that is not there is an error.
func TestReportOnBrokenPlans(t *testing.T) {
	_, err := strata.ReportOn(nil, "cta-color", strata.Results{}, strata.ReportOptions{})
	require.ErrorIs(t, err, strata.ErrInvalidPlan)
	for name, spoil := range map[string]func(*strata.Plan){
		"no treatments": func(p *strata.Plan) { p.Experiments[0].Treatments = nil },
		"one treatment": func(p *strata.Plan) { p.Experiments[0].Treatments = p.Experiments[0].Treatments[:1] },
		"no weight": func(p *strata.Plan) {
			p.Experiments[0].Treatments[0].Weight, p.Experiments[0].Treatments[1].Weight = 0, 0
		},
		"unknown control":               func(p *strata.Plan) { p.Experiments[0].SharedControl = "nobody" },
		"unknown metric":                func(p *strata.Plan) { p.Experiments[0].Metrics = append(p.Experiments[0].Metrics, "nothing") },
		"metric with a negative margin": func(p *strata.Plan) { p.Metrics[0].Guardrail, p.Metrics[0].Margin = true, -1 },
		"metric without denominator":    func(p *strata.Plan) { p.Metrics[3].Denominator = nil },
		"unknown primary":               func(p *strata.Plan) { p.Experiments[0].Analysis.Primary = []string{"nothing"} },
		"negative planning":             func(p *strata.Plan) { p.Experiments[0].Analysis.PlannedUnits = -5 },
	} {
		t.Run(name, func(t *testing.T) {
			eng, store := opened(t, metricsPlan(t))
			expose(eng, "cta-color", 0, 500)
			flush(t, eng)
			plan := edited(t, store, spoil)
			_, err := store.PutPlan(t.Context(), strata.PutPlanParams{Plan: plan, Author: "a", At: time.Now()})
			require.NoError(t, err)
			r, err := strata.NewReport(t.Context(), store, "cta-color", strata.ReportOptions{})
			if strings.HasPrefix(name, "metric") {
				require.ErrorIs(t, err, strata.ErrInvalidPlan)
				return
			}
			require.NoError(t, err)
			requireSound(t, r)
		})
	}
}

// Counts, sums and ratios that a handful of units carry are compared with
// nothing while the experiment runs, however many units were exposed.
func TestAHandfulOfUnitsIsNoEvidence(t *testing.T) {
	count := strata.Metric{Key: "crashes", Type: strata.MetricCount, Direction: strata.Decrease, Measure: strata.Measure{Event: strata.KindCustom}}
	guard := count
	guard.Key, guard.Guardrail = "guard", true
	rare := map[string]stats.Moments{"crashes": share(t, 18, 900), "guard": share(t, 18, 900)}
	none := map[string]stats.Moments{"crashes": share(t, 0, 100), "guard": share(t, 0, 100)}
	for _, i := range []strata.Inference{strata.AlwaysValid, strata.OneLook} {
		r := makeUp(t, []strata.Metric{count, guard}, map[string]map[string]stats.Moments{"a": rare, "b": none}, func(e *strata.Experiment) {
			e.Treatments[0].Weight = 9
		}).report(t, strata.ReportOptions{Inference: i})
		for _, m := range r.Metrics {
			require.Equal(t, strata.VerdictKeepRunning, m.Comparisons[0].Verdict.Code, m.Comparisons[0].Verdict.Text)
		}
		require.Contains(t, r.String(), "one arm rests on hardly more than 0 units")
		require.False(t, r.Metrics[1].Comparisons[0].NonInferiority.Holds)
	}
	some := map[string]stats.Moments{"crashes": share(t, 20, 900)}
	r := makeUp(t, []strata.Metric{count}, map[string]map[string]stats.Moments{"a": some, "b": some}).report(t)
	require.Empty(t, r.Metrics[0].Comparisons[0].Test.Reason)
	require.Contains(t, r.Metrics[0].Comparisons[0].AlwaysValid.Test.Reason, "30 are needed")
	require.Equal(t, strata.Caution, codes(r)[strata.WarnFew])
}

// Units of a treatment that the plan lacks are shown, and win nothing.
func TestUnknownTreatmentsWinNothing(t *testing.T) {
	x := makeUp(t, []strata.Metric{sumMetric("spend")}, map[string]map[string]stats.Moments{
		"a": one("spend", sumsOf(t, 5000, 10, 5)), "b": one("spend", sumsOf(t, 5000, 10, 5)), "zombie": one("spend", sumsOf(t, 40, 14, 5)),
	}, func(e *strata.Experiment) {
		e.Treatments = e.Treatments[:2]
		e.Earlier = []strata.Allocation{{Weights: []strata.Weight{{Treatment: "a", Weight: 5}}}} // no sample ratio
	})
	r := x.report(t)
	require.Equal(t, strata.Caution, codes(r)[strata.WarnUnknown])
	zombie := r.Metrics[0].Comparisons[1]
	require.Equal(t, "zombie", zombie.Treatment)
	require.Contains(t, zombie.Test.Reason, "the plan does not have this treatment")
	require.Equal(t, 1, r.Metrics[0].Comparisons[0].Corrected.Family)
	require.NotContains(t, r.Verdict.Text, "zombie")
	requireSound(t, r)
	x.results.Treatments["zombie"] = x.results.Treatments["b"]
	require.Equal(t, strata.VerdictNotTrusted, x.report(t).Verdict.Code, "a third of the units")
}

// Treatments that are not alike before the experiment are an alarm at the same
// threshold at which they are no longer adjusted.
func TestPastsThatDifferAreAnAlarmWhereCUPEDStops(t *testing.T) {
	m, n := sumMetric("spend"), sumMetric("visits")
	m.PrePeriod, n.PrePeriod = strata.Duration(time.Hour), strata.Duration(time.Hour)
	for _, past := range []float64{8.25, 8.26, 8.27, 8.28, 8.3} {
		r := makeUp(t, []strata.Metric{m, n}, map[string]map[string]stats.Moments{
			"a": {"spend": sumsOf(t, 5000, 10, 5, 8, 4, 0.5), "visits": sumsOf(t, 5000, 3, 1, 3, 1, 0.5)},
			"b": {"spend": sumsOf(t, 5000, 10.9, 5, past, 4, 0.5), "visits": sumsOf(t, 5000, 3, 1, 3, 1, 0.5)},
		}).report(t)
		refused := strings.Contains(r.Metrics[0].Comparisons[0].Adjustment.Reason, "differs between the arms")
		require.Equal(t, refused, codes(r)[strata.WarnPrePeriod] == strata.Alarm, past)
	}
}

// A win with a guardrail that was not shown to hold is no permission.
func TestWinsWaitForGuardrails(t *testing.T) {
	g := sumMetric("latency")
	g.Guardrail = true
	arm := func(spend float64) map[string]stats.Moments {
		return map[string]stats.Moments{"spend": sumsOf(t, 50_000, spend, 5), "latency": sumsOf(t, 120, 100, 20)}
	}
	r := makeUp(t, []strata.Metric{sumMetric("spend"), g}, map[string]map[string]stats.Moments{"a": arm(10), "b": arm(11)}).report(t)
	require.Equal(t, strata.VerdictWin, r.Metrics[0].Comparisons[0].Verdict.Code)
	require.Equal(t, strata.VerdictKeepRunning, r.Verdict.Code)
	require.Contains(t, r.Verdict.Text, "not shown to hold: latency")
}

// The end that counts is the one that the phase began with: whoever sets it on
// the way, stops before it, or reads another phase, has looked more than once.
func TestOneLookNeedsAnEndFromTheStart(t *testing.T) {
	end := time.Now().Add(time.Hour)
	later := stoppedClock{end.Add(time.Hour)}
	running := func(t *testing.T) (*strata.Engine, *memstore.Store) {
		plan := colorPlan(1)
		plan.Experiments[0].Schedule.End = end
		eng, store := opened(t, plan)
		expose(eng, "cta-color", 0, 50)
		flush(t, eng)
		return eng, store
	}
	after := func(t *testing.T, store *memstore.Store, opts strata.ReportOptions) *strata.Report {
		opts.Clock = later
		r, err := strata.NewReport(t.Context(), store, "cta-color", opts)
		require.NoError(t, err)
		return r
	}
	at := func(clock strata.Clock) strata.PublishOptions {
		return strata.PublishOptions{Author: "a", Message: "m", Clock: clock}
	}
	_, store := running(t)
	r := after(t, store, strata.ReportOptions{})
	require.Equal(t, strata.OneLook, r.Inference)
	require.WithinDuration(t, end, r.Ended, time.Microsecond)

	for name, c := range map[string]struct {
		change func(*strata.Plan)
		when   strata.Clock
		want   strata.Inference
	}{
		"the end is moved":    {func(p *strata.Plan) { p.Experiments[0].Schedule.End = end.Add(time.Minute) }, nil, strata.AlwaysValid},
		"stopped before":      {func(p *strata.Plan) { p.Experiments[0].Status = strata.StatusStopped }, nil, strata.AlwaysValid},
		"stopped afterwards":  {func(p *strata.Plan) { p.Experiments[0].Status = strata.StatusStopped }, later, strata.OneLook},
		"described otherwise": {func(p *strata.Plan) { p.Experiments[0].Description = "x" }, nil, strata.OneLook},
	} {
		t.Run(name, func(t *testing.T) {
			_, store := running(t)
			_, err := strata.Publish(t.Context(), store, edited(t, store, c.change), at(c.when))
			require.NoError(t, err)
			require.Equal(t, c.want, after(t, store, strata.ReportOptions{}).Inference)
		})
	}

	_, store = running(t) // a new phase, whose end is not the old one's
	publish(t, store, edited(t, store, func(p *strata.Plan) { p.Experiments[0].Phase = 1 }))
	old := after(t, store, strata.ReportOptions{Phase: new(0)})
	require.Equal(t, strata.AlwaysValid, old.Inference)
	require.Zero(t, old.Ended)

	plan := colorPlan(1) // windows that are not over
	plan.Metrics[0].Window = strata.Duration(48 * time.Hour)
	plan.Experiments[0].Schedule.End = end
	eng, store := opened(t, plan)
	expose(eng, "cta-color", 0, 50)
	flush(t, eng)
	require.Equal(t, strata.AlwaysValid, after(t, store, strata.ReportOptions{}).Inference)
	later.now = end.Add(72 * time.Hour)
	require.Equal(t, strata.OneLook, after(t, store, strata.ReportOptions{}).Inference)
}

// Metrics that decide and change on the way are a caution.
func TestChangedMetricsAreACaution(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*strata.Plan)
		says   bool
	}{
		"another window":       {func(p *strata.Plan) { p.Metrics[0].Window = strata.Duration(time.Hour) }, true},
		"another description":  {func(p *strata.Plan) { p.Metrics[0].Description = "x" }, false},
		"one more metric":      {func(p *strata.Plan) { p.Experiments[0].Metrics = append(p.Experiments[0].Metrics, "wait") }, false},
		"another primary":      {func(p *strata.Plan) { p.Experiments[0].Analysis.Primary = []string{"orders"} }, true},
		"metrics change order": {func(p *strata.Plan) { p.Experiments[0].Metrics = []string{"orders", "buyers"} }, true},
	} {
		t.Run(name, func(t *testing.T) {
			plan := metricsPlan(t)
			plan.Experiments[0].Metrics = []string{"buyers", "orders"}
			_, store := opened(t, plan)
			publish(t, store, edited(t, store, c.change))
			publish(t, store, edited(t, store, func(p *strata.Plan) { p.Experiments[0].Description = "later" })) // it is remembered
			r, err := strata.NewReport(t.Context(), store, "cta-color", strata.ReportOptions{})
			require.NoError(t, err)
			require.Equal(t, c.says, codes(r)[strata.WarnChanged] == strata.Caution)
		})
	}
}
