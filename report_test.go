package strata_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/memstore"
)

// report flushes and reports.
func report(t testing.TB, eng *strata.Engine, experiment string, opts ...strata.ReportOptions) *strata.Report {
	t.Helper()
	o := strata.ReportOptions{}
	if len(opts) > 0 {
		o = opts[0]
	}
	r, err := eng.Report(t.Context(), experiment, o)
	require.NoError(t, err)
	return r
}

func codes(r *strata.Report) map[string]strata.Severity {
	m := make(map[string]strata.Severity)
	for _, w := range r.Warnings {
		m[w.Code] = w.Severity
	}
	return m
}

// metricsPlan has one metric of every type.
func metricsPlan(t testing.TB) *strata.Plan {
	plan := colorPlan(1)
	total := strata.Measure{Event: strata.KindPurchase, Value: strata.ValueTotal, Currency: "EUR"}
	orders := strata.Measure{Event: strata.KindPurchase}
	plan.Metrics = []strata.Metric{
		buyers(),
		{Key: "orders", Type: strata.MetricCount, Measure: orders},
		{Key: "revenue", Type: strata.MetricSum, Measure: total},
		{Key: "order-value", Type: strata.MetricRatio, Measure: total, Denominator: &orders},
		{Key: "wait", Type: strata.MetricMean, Direction: strata.Decrease, Measure: strata.Measure{Event: strata.KindCustom, Name: "wait", Value: strata.ValueAmount}},
		{Key: "path", Type: strata.MetricFunnel, Steps: []strata.Step{{Event: strata.KindPageView}, {Event: strata.KindPurchase}}},
	}
	for i := range plan.Metrics {
		if i > 0 {
			plan.Experiments[0].Metrics = append(plan.Experiments[0].Metrics, plan.Metrics[i].Key)
		}
	}
	require.NoError(t, plan.Validate())
	return plan
}

// Four units with known events: every number can be checked by hand.
func TestReportNumbersByHand(t *testing.T) {
	eng, _ := opened(t, metricsPlan(t))
	var grey, green []int // two users each
	for i := 0; len(grey) < 2 || len(green) < 2; i++ {
		a := eng.Assign(user(i))
		switch treatment := a.Peek("cta-color"); {
		case treatment == "grey" && len(grey) < 2:
			grey = append(grey, i)
		case treatment == "green" && len(green) < 2:
			green = append(green, i)
		default:
			continue
		}
		a.Treatment("cta-color")
	}
	track := func(i int, events ...strata.Event) {
		for _, e := range events {
			require.NoError(t, eng.Track(user(i), e))
		}
	}
	buy := func(order string, cents int64) strata.Event {
		return strata.Purchase{OrderID: order, Total: cents, Currency: "EUR"}
	}
	track(grey[0], strata.PageView{Page: "/"}, buy("1", 10_00), buy("2", 30_00))
	track(grey[1], strata.Custom{EventName: "wait", Value: 4}, strata.Custom{EventName: "wait", Value: 8})
	track(green[0], strata.PageView{Page: "/"}, buy("3", 50_00), buy("3", 50_00)) // the page was loaded again
	track(green[1], buy("4", 70_00), strata.Custom{EventName: "wait", Value: 3}, strata.Purchase{OrderID: "5", Total: 1, Currency: "USD"})

	r := report(t, eng, "cta-color")
	require.EqualValues(t, 4, r.Units)
	want := map[string][2]float64{ // control, treatment
		"buyers": {0.5, 1}, "orders": {1, 1.5}, "revenue": {20, 60}, "order-value": {20, 40}, // 120 EUR over 3 orders, one of them in USD
		"wait": {6, 3}, "path, step 1: page_view": {0.5, 0.5}, "path, step 2: purchase": {0.5, 0.5},
	}
	require.Len(t, r.Metrics, len(want))
	for _, m := range r.Metrics {
		require.InDelta(t, want[m.Label][0], m.Estimates[0].Estimate.Value, 1e-12, m.Label)
		require.InDelta(t, want[m.Label][1], m.Estimates[1].Estimate.Value, 1e-12, m.Label)
		require.InDelta(t, want[m.Label][1]-want[m.Label][0], m.Comparisons[0].Difference.Value, 1e-12, m.Label)
	}
	require.Equal(t, strata.Note, codes(r)[strata.WarnRepeats])
	require.Equal(t, strata.Caution, codes(r)[strata.WarnCurrency])
	require.Contains(t, r.String(), "in EUR")
}

// A report never holds NaN, whatever is missing, and says why.
func TestReportsOfNextToNothing(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3} {
		t.Run(fmt.Sprint(n, " units"), func(t *testing.T) {
			eng, _ := opened(t, metricsPlan(t))
			expose(eng, "cta-color", 0, n)
			r := report(t, eng, "cta-color")
			data, err := json.Marshal(r)
			require.NoError(t, err)
			require.NotContains(t, string(data), "NaN")
			require.NotContains(t, r.String(), "NaN")
			require.NotContains(t, r.String(), "Inf")
			require.NotEmpty(t, r.Metrics[0].Comparisons[0].AlwaysValid.Test.Reason)
			require.Equal(t, strata.VerdictKeepRunning, r.Metrics[0].Comparisons[0].Verdict.Code)
			require.Contains(t, r.String(), "nothing is clear yet (")
			var back strata.Report
			require.NoError(t, json.Unmarshal(data, &back))
			again, err := json.Marshal(back)
			require.NoError(t, err)
			require.JSONEq(t, string(data), string(again))
		})
	}
}

func TestReportOfAnUnknownExperiment(t *testing.T) {
	eng, store := opened(t, colorPlan(1))
	_, err := eng.Report(t.Context(), "nope", strata.ReportOptions{})
	require.ErrorIs(t, err, strata.ErrNotFound)
	_, err = strata.NewReport(t.Context(), store, "cta-color", strata.ReportOptions{Level: 95})
	require.ErrorIs(t, err, strata.ErrConfig)
	require.ErrorContains(t, err, "0.95")
}

// Direction turns the verdict round, not the numbers.
func TestVerdictsFollowTheDirection(t *testing.T) {
	for direction, want := range map[strata.Direction]strata.VerdictCode{strata.Increase: strata.VerdictWin, strata.Decrease: strata.VerdictLoss} {
		plan := colorPlan(1)
		plan.Metrics[0].Direction = direction
		eng, _ := opened(t, plan)
		for i := range 400 {
			a := eng.Assign(user(i))
			if (a.Treatment("cta-color") == "green") != (i%10 == 0) {
				require.NoError(t, a.Track(strata.Purchase{OrderID: fmt.Sprint(i), Currency: "EUR"}))
			}
		}
		c := report(t, eng, "cta-color").Metrics[0].Comparisons[0]
		require.Positive(t, c.Difference.Value)
		require.Equal(t, want, c.Verdict.Code)
	}
}

// Pitfalls 18 and 19: units seen in two treatments leave the analysis and are
// counted, and a treatment that loses units shows in the sample ratio.
func TestPitfall18UnitsInTwoTreatmentsAreExcludedAndCounted(t *testing.T) {
	eng, _ := opened(t, colorPlan(1))
	expose(eng, "cta-color", 0, 400)
	both := 0
	for i := range 10 {
		a := eng.Assign(user(i))
		other := map[string]string{"grey": "green", "green": "grey"}[a.Peek("cta-color")]
		require.NoError(t, eng.RecordExposure(strata.ExternalExposure{Unit: user(i), Experiment: "cta-color", Treatment: other}))
		both++
	}
	r := report(t, eng, "cta-color")
	require.EqualValues(t, both, r.Health.Contradictions)
	require.EqualValues(t, 400-both, r.Units)
	require.Equal(t, strata.Alarm, codes(r)[strata.WarnContradictions], "2.5 % is a failed health check")
}

func TestPitfall19ALossyTreatmentShowsInTheSampleRatio(t *testing.T) {
	eng, _ := opened(t, colorPlan(1))
	for i := range 4000 {
		a := eng.Assign(user(i))
		if a.Peek("cta-color") == "green" && i%5 == 0 {
			continue // crashed before it was recorded
		}
		a.Treatment("cta-color")
	}
	r := report(t, eng, "cta-color")
	require.Equal(t, strata.Alarm, codes(r)[strata.WarnSampleRatio])
	require.True(t, strings.HasPrefix(r.String()[strings.Index(r.String(), "ALARM"):], "ALARM    sample ratio mismatch"))
}

// Pitfall 20: the unit is what was assigned, so events of one unit that go
// together do not count as so many samples.
func TestPitfall20TheUnitIsWhatWasAssigned(t *testing.T) {
	plan := colorPlan(1)
	clicks := strata.Measure{Event: strata.KindClick}
	views := strata.Measure{Event: strata.KindPageView}
	plan.Metrics = append(plan.Metrics, strata.Metric{Key: "ctr", Type: strata.MetricRatio, Measure: clicks, Denominator: &views})
	plan.Experiments[0].Metrics = []string{"ctr"}
	eng, _ := opened(t, plan)
	random := rand.New(rand.NewPCG(1, 2))
	n, c := 0, 0
	for i := range 200 {
		a := eng.Assign(user(i))
		a.Treatment("cta-color")
		clicker := random.IntN(2) == 0 // clicks every time, or never
		for range 50 {
			require.NoError(t, a.Track(strata.PageView{Page: "/"}))
			n++
			if clicker {
				require.NoError(t, a.Track(strata.Click{Target: "x"}))
				c++
			}
		}
	}
	se := report(t, eng, "cta-color").Metrics[0].Comparisons[0].Difference.SE
	require.InDelta(t, 0.07, se, 0.01, "√(2·0.25/100), not the naive √(2·0.25/5000) = 0.01")
}

// Windows begin at the exposure, and end before exposure plus window.
func TestReportCountsWithinTheWindow(t *testing.T) {
	plan := colorPlan(1)
	plan.Metrics[0].Window = strata.Duration(time.Hour)
	eng, _ := opened(t, plan)
	exposed := time.Now().Add(-3 * time.Hour)
	for i, offset := range []time.Duration{-time.Microsecond, 0, time.Hour - time.Microsecond, time.Hour} {
		u := user(i)
		require.NoError(t, eng.RecordExposure(strata.ExternalExposure{Unit: u, Experiment: "cta-color", Treatment: "grey", Time: exposed}))
		require.NoError(t, eng.Track(u, strata.Purchase{OrderID: fmt.Sprint(i), Time: exposed.Add(offset), Currency: "EUR"}))
	}
	e := report(t, eng, "cta-color").Metrics[0].Estimates[0]
	require.EqualValues(t, 4, e.Units)
	require.InDelta(t, 0.5, e.Estimate.Value, 0)
}

// Two experiments share a control: three groups in place of four, each report
// with its own and the shared one.
func TestSharedControl(t *testing.T) {
	b := strata.NewPlan()
	b.String("cta.color", "grey")
	b.Metric(buyers())
	ui := b.Layer("ui", strata.ByUser, "cta.color")
	ui.Experiment("green", 0.4).Treatment("grey", 1, nil).Treatment("green", 1, strata.Values{"cta.color": "green"}).Metrics("buyers").Running()
	ui.Experiment("blue", 0.2).Treatment("blue", 1, strata.Values{"cta.color": "blue"}).SharedControl("green").Metrics("buyers").Running()
	plan, err := b.Build()
	require.NoError(t, err)
	eng, _ := opened(t, plan)
	color := strata.StringParam("cta.color", "grey")
	for i := range 6000 {
		a := eng.Assign(user(i))
		if (color.Get(a) == "blue") != (i%8 == 0) {
			require.NoError(t, a.Track(strata.Purchase{OrderID: fmt.Sprint(i), Currency: "EUR"}))
		}
		if a.Peek("green") == "grey" {
			require.Equal(t, "grey", a.Peek("blue"), "the control is both's")
		}
	}
	r := report(t, eng, "blue")
	require.Equal(t, "grey", r.Treatments[0].Treatment)
	require.Equal(t, "blue", r.Treatments[1].Treatment)
	require.InDelta(t, 0.5, r.Treatments[0].Expected, 1e-9)
	require.InDelta(t, 1200, r.Treatments[0].Units, 150)
	require.InDelta(t, 1200, r.Treatments[1].Units, 150)
	require.Empty(t, r.Health.SampleRatio.Reason)
	require.Greater(t, r.Health.SampleRatio.PValue, 0.001)
	require.Equal(t, strata.VerdictWin, r.Metrics[0].Comparisons[0].Verdict.Code)
	require.Contains(t, codes(r), strata.WarnSharedControl)
	require.EqualValues(t, r.Treatments[0].Units, report(t, eng, "green").Treatments[0].Units)
}

// The sample ratio is not tested against weights that were changed on the way.
func TestSampleRatioAfterReweighting(t *testing.T) {
	eng, store := opened(t, colorPlan(1))
	expose(eng, "cta-color", 0, 500)
	flush(t, eng)
	publish(t, store, edited(t, store, func(p *strata.Plan) { p.Experiments[0].Treatments[1].Weight = 9 }), keep("cta-color"))
	r := report(t, eng, "cta-color")
	require.Contains(t, r.Health.SampleRatio.Reason, "weights were changed")
	require.Equal(t, strata.Note, codes(r)[strata.WarnSampleRatio])

	publish(t, store, edited(t, store, func(p *strata.Plan) { p.Experiments[0].Phase = 1 }))
	r = report(t, eng, "cta-color", strata.ReportOptions{Phase: new(0)})
	require.EqualValues(t, 500, r.Units, "an earlier phase can be read")
	require.NotEmpty(t, r.Health.SampleRatio.Reason)
	require.Zero(t, report(t, eng, "cta-color").Units)
}

// A mean over units with a value warns when the treatment changes which units
// have one.
func TestMeanWarnsOfMissingValues(t *testing.T) {
	plan := metricsPlan(t)
	plan.Experiments[0].Metrics = []string{"wait"}
	eng, _ := opened(t, plan)
	for i := range 1000 {
		a := eng.Assign(user(i))
		if a.Treatment("cta-color") == "grey" || i%2 == 0 {
			require.NoError(t, a.Track(strata.Custom{EventName: "wait", Value: float64(i % 7)}))
		}
	}
	require.Equal(t, strata.Caution, codes(report(t, eng, "cta-color"))[strata.WarnMissing])
}

func TestReportWarnsOfCarryOver(t *testing.T) {
	store := memstore.New()
	publish(t, store, colorPlan(1))
	publish(t, store, edited(t, store, func(p *strata.Plan) { p.Experiments[0].Status = strata.StatusStopped }))
	publish(t, store, edited(t, store, func(p *strata.Plan) {
		p.Experiments = append(p.Experiments, strata.Experiment{Key: "next", Layer: "ui", Status: strata.StatusRunning,
			Buckets: strata.BucketRange(0, 100), Treatments: []strata.Treatment{{Key: "a", Weight: 1}, {Key: "b", Weight: 1}}})
	}))
	r, err := strata.NewReport(t.Context(), store, "next", strata.ReportOptions{})
	require.NoError(t, err)
	require.Equal(t, strata.Note, codes(r)[strata.WarnCarryOver])
	require.Contains(t, r.String(), "100 % of the experiment's buckets were held by cta-color until")
}

// Events that the engine could not take in are a matter for its reports.
func TestReportWarnsOfRefusedEvents(t *testing.T) {
	eng, _ := opened(t, colorPlan(1))
	expose(eng, "cta-color", 0, 10)
	require.NotContains(t, codes(report(t, eng, "cta-color")), strata.WarnLosses)
	require.Error(t, eng.Track(user(1), strata.Purchase{}))
	r := report(t, eng, "cta-color")
	require.Equal(t, strata.Caution, codes(r)[strata.WarnLosses])
	require.Contains(t, r.String(), "1 as invalid")
}

// A funnel of many treatments has lines in place of columns.
func TestFunnelsFitTheText(t *testing.T) {
	for treatments := 2; treatments < 7; treatments++ {
		plan := metricsPlan(t)
		e := &plan.Experiments[0]
		e.Metrics = []string{"path"}
		for i := len(e.Treatments); i < treatments; i++ {
			e.Treatments = append(e.Treatments, strata.Treatment{Key: fmt.Sprint("another-color-", i), Weight: 1})
		}
		eng, _ := opened(t, plan)
		for i := range 600 {
			a := eng.Assign(user(i))
			a.Treatment("cta-color")
			require.NoError(t, a.Track(strata.PageView{Page: "/"}))
			if i%3 == 0 {
				require.NoError(t, a.Track(strata.Purchase{OrderID: fmt.Sprint(i), Currency: "EUR"}))
			}
		}
		r := report(t, eng, "cta-color")
		require.Len(t, r.Funnels[0].Steps[1].Counts, treatments)
		require.InDelta(t, r.Funnels[0].Steps[1].Counts[0].Share, r.Funnels[0].Steps[1].Counts[0].OfPrevious, 0, "everybody viewed")
		for line := range strings.Lines(r.String()) {
			require.LessOrEqual(t, len([]rune(strings.TrimSuffix(line, "\n"))), 100, line)
		}
	}
}

// Attributes that an experiment asks for come with its exposures, and no others;
// a report is broken down by them, in days of a zone, with whole windows only.
func TestReportByAttributeDayAndWindow(t *testing.T) {
	plan := colorPlan(1)
	plan.Metrics[0].Window = strata.Duration(48 * time.Hour)
	plan.Experiments[0].Analysis.Breakdowns = []string{"country", "visits", "account", "tags"}
	eng, store := opened(t, plan)
	now := time.Now()
	ages := []time.Duration{time.Hour, 50 * time.Hour, 74 * time.Hour}
	for i := range 900 {
		u := user(i)
		u.Attributes = map[string]any{"country": []string{"DE", "AT", "CH"}[i%3], "visits": i % 2, "account": i%2 == 0, "tags": []string{"a"}, "secret": "x"}
		exposed := now.Add(-ages[i%3])
		treatment := []string{"grey", "green"}[i/3%2]
		require.NoError(t, eng.RecordExposure(strata.ExternalExposure{Unit: u, Experiment: "cta-color", Treatment: treatment, Time: exposed}))
		if i%5 == 0 {
			require.NoError(t, eng.Track(u, strata.Purchase{OrderID: fmt.Sprint(i), Time: exposed, Currency: "EUR"}))
		}
	}
	r := report(t, eng, "cta-color", strata.ReportOptions{Attribute: "country"})
	require.Len(t, r.Breakdown.Segments, 3)
	for _, s := range r.Breakdown.Segments {
		require.EqualValues(t, 300, s.Units)
		require.Equal(t, "benjamini_hochberg", s.Metrics[0].Comparisons[0].Corrected.Correction.String())
		require.Equal(t, 3, s.Metrics[0].Comparisons[0].Corrected.Family)
	}
	require.Contains(t, r.String(), "By country")
	require.Equal(t, []strata.ImmatureUnits{{Metric: "buyers", Units: 300}}, r.Health.Immature)
	require.Equal(t, strata.Note, codes(r)[strata.WarnImmature])
	require.EqualValues(t, 450, r.Metrics[0].Estimates[0].Units)

	whole := report(t, eng, "cta-color", strata.ReportOptions{CompleteWindows: true, NoDays: true})
	require.EqualValues(t, 300, whole.Metrics[0].Estimates[0].Units)
	require.EqualValues(t, 900, whole.Units)
	require.True(t, whole.Health.Immature[0].LeftOut)
	require.Empty(t, whole.Metrics[0].Comparisons[0].Days)

	zone := time.FixedZone("", -5*60*60)
	for _, d := range report(t, eng, "cta-color", strata.ReportOptions{Zone: zone}).Metrics[0].Comparisons[0].Days {
		require.Equal(t, strata.DayOf(d.Day, zone), d.Day)
	}

	for name, want := range map[string][]string{"visits": {"0", "1"}, "account": {"false", "true"}, "tags": {""}, "secret": {""}} {
		results, err := store.Results(t.Context(), strata.ResultsParams{Experiment: "cta-color", Attribute: name})
		require.NoError(t, err)
		require.Equal(t, want, slices.Sorted(maps.Keys(results.Segments)), name)
	}
}

// What is read through an assignment records the same attributes.
func TestExposuresCarryAttributes(t *testing.T) {
	plan := colorPlan(1)
	plan.Experiments[0].Analysis.Breakdowns = []string{"country"}
	eng, store := opened(t, plan)
	for i := range 20 {
		u := user(i)
		u.Attributes = map[string]any{"country": "DE", "secret": "x"}
		if i == 0 {
			u.Attributes["country"] = strings.Repeat("too long ", 30)
		}
		a := eng.Assign(u)
		a.Treatment("cta-color")
	}
	flush(t, eng)
	results, err := store.Results(t.Context(), strata.ResultsParams{Experiment: "cta-color", Attribute: "country"})
	require.NoError(t, err)
	count := func(value string) (n int64) {
		for _, x := range results.Segments[value] {
			n += x.Units
		}
		return n
	}
	require.EqualValues(t, 19, count("DE"))
	require.EqualValues(t, 1, count(""), "a value that is too long is no group of units")
}
