package strata_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/stats"
)

func TestPageOfAnyReportIsSound(t *testing.T) {
	seed.OneGoroutine(t)
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		r := drawReport(t, rt)
		requireGoodPage(rt, r)
		if rapid.IntRange(0, 3).Draw(rt, "read back") != 2 { // costs as much again
			return
		}
		_, page := pageOf(rt, r)
		data, err := json.Marshal(r)
		require.NoError(rt, err)
		var back strata.Report
		require.NoError(rt, json.Unmarshal(data, &back))
		_, again := pageOf(rt, &back)
		require.Equal(rt, string(page), string(again), "the JSON form says all that the page says")
	})
}

// fullReport has all that a page can show.
func fullReport(t testing.TB, days int) *strata.Report {
	t.Helper()
	plan, results := wideExperiment(t, 8, 3, days, true)
	path := strata.Metric{Key: "path", Type: strata.MetricFunnel, Steps: []strata.Step{{Event: strata.KindPageView, Name: "basket"}, {Event: strata.KindPurchase}}}
	money := strata.Metric{Key: "revenue", Type: strata.MetricSum, Measure: strata.Measure{Event: strata.KindPurchase, Value: strata.ValueTotal, Currency: "EUR"}}
	plan.Metrics = append(plan.Metrics, path, money)
	plan.Experiments[0].Metrics = append(plan.Experiments[0].Metrics, "path", "revenue")
	plan.Experiments[0].Description = "Which of them?"
	plan.Experiments[0].Analysis.Breakdowns = []string{"country"}
	for i, key := range []string{"t0", "t1", "t2"} {
		in := results.Treatments[key].Metrics
		n := results.Treatments[key].Units
		in["path"] = strata.MetricResults{Moments: []stats.Moments{share(t, n/2, n), share(t, n/(4-int64(i)), n)}}
		in["revenue"] = strata.MetricResults{Moments: []stats.Moments{sumsOf(t, n, 123_45+300*float64(i), 67_89)}}
	}
	results.Segments = map[string]map[string]strata.TreatmentResults{"DE": results.Treatments, "": results.Treatments}
	results.Contradictions = 3
	o := at(reportDay)
	o.Attribute = "country"
	r, err := strata.ReportOn(plan, "wide", results, o)
	require.NoError(t, err)
	return r
}

// The page says what the report says, up to rounding.
func TestPageNumbersAreThoseOfTheReport(t *testing.T) {
	seed.OneGoroutine(t)
	r := fullReport(t, 12)
	page := requireGoodPage(t, r)
	sections := map[string]*node{}
	for _, s := range page.all("section") {
		if s.attrs["class"] == "metric" {
			sections[s.all("h3")[0].text] = s
		}
	}
	require.NotContains(t, sections, "path, step 1: page_view basket", "a row, and no section")
	require.Contains(t, sections, "path, step 2: purchase")
	for _, m := range r.Metrics {
		s := sections[m.Label]
		if s == nil {
			continue
		}
		times := 1.0
		if m.Type == strata.MetricFunnel {
			times = 100
		}
		tables := s.all("tbody")
		for i, e := range m.Estimates {
			cells := tables[0].children[i].children
			require.Contains(t, cells[0].text, e.Treatment)
			requireRounded(t, times*e.Estimate.Value, cells[2].text)
			requireRounded(t, times*e.Estimate.SE, cells[3].text)
			requireRounded(t, times*e.Estimate.Low, strings.Split(cells[4].text, ",")[0])
		}
		for i, c := range m.Comparisons {
			cells := tables[1].children[i].children
			require.Equal(t, c.Treatment, cells[0].text)
			requireRounded(t, times*c.Difference.Value, cells[1].text)
			requireRounded(t, times*c.AlwaysValid.Difference.High, strings.Split(cells[2].text, ",")[1])
			requireRounded(t, 100*c.AlwaysValid.Lift.Value, cells[3].text)
			requireRounded(t, 100*c.AlwaysValid.Lift.Low, strings.Split(cells[4].text, ",")[0])
			requireRounded(t, c.AlwaysValid.Test.PValue, cells[5].text)
			requireRounded(t, 100*c.Lift.High, strings.Split(cells[6].text, ",")[1])
			requireRounded(t, c.Test.PValue, cells[7].text)
			requireRounded(t, c.Corrected.PValue, cells[8].text)
		}
		require.Len(t, s.all("figure"), map[bool]int{true: 2}[len(m.Comparisons[0].Days) > 1], m.Label)
	}
	require.Contains(t, sections["revenue"].text, "Estimate, EUR")
	require.Contains(t, sections["revenue"].text, "123.45")
	require.Contains(t, page.text, "By country")
	require.Contains(t, page.text, "(none)")
}

// requireRounded checks that a text is a number with its last digits left out.
func requireRounded(t testing.TB, want float64, text string) {
	t.Helper()
	text = strings.Trim(strings.ReplaceAll(text, ",", ""), "[] %+")
	got, err := strconv.ParseFloat(text, 64)
	require.NoError(t, err)
	decimals := 0
	mantissa, exponent, _ := strings.Cut(text, "e")
	if _, after, found := strings.Cut(mantissa, "."); found {
		decimals = len(after)
	}
	power, err := strconv.Atoi("0" + strings.TrimLeft(exponent, "-"))
	require.NoError(t, err)
	if strings.HasPrefix(exponent, "-") {
		decimals += power
	}
	require.InDelta(t, want, got, 0.50001*math.Pow10(-decimals), text)
}

// Whatever keys and texts hold, it stays text.
func TestPageEscapesWhatUsersWrite(t *testing.T) {
	seed.OneGoroutine(t)
	t.Parallel()
	for _, evil := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onload='x`, `a & b &lt; c &nbsp;`, `]]>`, `<!--`, `</style></title>`,
		"nul\x00 and \x1b[31m", "not \xff utf-8", "\u202eturned", "\ufffe", strings.Repeat("very long ", 300), strings.Repeat("x", 5000), "日本語 עברית",
	} {
		r := fullReport(t, 2)
		r.Experiment, r.Description, r.Verdict.Text = evil, evil, evil
		r.Warnings = append(r.Warnings, strata.Warning{Severity: strata.Alarm, Code: "x", Text: evil}, strata.Warning{Severity: strata.Severity(evil), Text: evil})
		r.Status, r.Inference = strata.Status(evil), strata.Inference(evil)
		for i := range r.Treatments {
			r.Treatments[i].Treatment = evil
		}
		r.Health.CarryOver = []strata.CarryOver{{Experiment: evil, Share: 0.5}}
		r.Health.PrePeriod = []strata.PrePeriodBalance{{Metric: evil, Test: stats.Test{Reason: evil}}}
		r.Health.Immature = []strata.ImmatureUnits{{Metric: evil, Units: 3}}
		r.Breakdown.Attribute, r.Breakdown.Segments[0].Value = evil, evil
		r.Funnels[0].Metric, r.Funnels[0].Steps[0].Label = evil, evil
		r.Funnels[0].Steps[0].Counts[0].Treatment = evil
		for _, list := range [][]strata.MetricReport{r.Metrics, r.Breakdown.Segments[0].Metrics} {
			m := &list[0]
			m.Label, m.Metric, m.Currency, m.Role = evil, evil, evil, strata.Role(evil)
			m.Estimates[0].Treatment, m.Estimates[0].Estimate.Reason = evil, evil
			m.Comparisons[0].Treatment, m.Comparisons[0].Control, m.Comparisons[0].Verdict.Text = evil, evil, evil
			m.Comparisons[1].Corrected.Lift.Reason, m.Comparisons[1].Lift.Reason = evil, evil
			m.Comparisons[1].Verdict.Code = strata.VerdictCode(evil)
		}
		page := requireGoodPage(t, r)
		if title := page.all("h1")[0].text; title != evil {
			require.Contains(t, title, "\ufffd", "in place of what a page cannot hold")
		}
	}
}

func TestPageIsTheSameForTheSameReport(t *testing.T) {
	seed.OneGoroutine(t)
	_, first := pageOf(t, fullReport(t, 5))
	for range 3 {
		_, again := pageOf(t, fullReport(t, 5))
		require.Equal(t, string(first), string(again))
	}
}

// fullDisk fails after so many bytes.
type fullDisk struct{ room int }

var errFull = errors.New("no space left")

func (d *fullDisk) Write(p []byte) (int, error) {
	if len(p) > d.room {
		return d.room, errFull
	}
	d.room -= len(p)
	return len(p), nil
}

func TestPageReturnsTheErrorOfTheWriter(t *testing.T) {
	seed.OneGoroutine(t)
	r := fullReport(t, 2)
	for _, room := range []int{0, 1, 5000} {
		require.ErrorIs(t, r.WriteHTML(&fullDisk{room}), errFull)
	}
	require.NoError(t, r.WriteHTML(&fullDisk{math.MaxInt}))
}

func TestPagesOfNextToNothing(t *testing.T) {
	seed.OneGoroutine(t)
	requireGoodPage(t, &strata.Report{})
	requireGoodPage(t, &strata.Report{Metrics: []strata.MetricReport{{}}, Funnels: []strata.FunnelReport{{}}, Breakdown: &strata.Breakdown{}})

	nobody := makeUp(t, []strata.Metric{sumMetric("spend")}, map[string]map[string]stats.Moments{"a": nil, "b": nil}).report(t)
	page := requireGoodPage(t, nobody)
	require.Contains(t, page.text, "No unit has been exposed yet.")
	require.Contains(t, page.text, "No interval: ")

	page = requireGoodPage(t, makeUp(t, nil, map[string]map[string]stats.Moments{"a": nil, "b": nil}).report(t))
	require.Contains(t, page.text, "has no metrics")

	alone := makeUp(t, []strata.Metric{sumMetric("spend")}, map[string]map[string]stats.Moments{"a": one("spend", sumsOf(t, 100, 1, 1)), "b": one("spend", sumsOf(t, 100, 1, 1))}).report(t)
	alone.Treatments = alone.Treatments[:1]
	alone.Metrics[0].Estimates, alone.Metrics[0].Comparisons = alone.Metrics[0].Estimates[:1], nil
	page = requireGoodPage(t, alone)
	require.NotContains(t, page.text, "Comparisons with the control")
}

func TestPageOfAWideReport(t *testing.T) {
	seed.OneGoroutine(t)
	plan, results := wideExperiment(t, 20, 5, 180, false)
	r, err := strata.ReportOn(plan, "wide", results, at(reportDay))
	require.NoError(t, err)
	page := requireGoodPage(t, r)
	require.Len(t, page.all("figure"), 20*4)
	_, data := pageOf(t, r)
	require.Less(t, len(data), 1<<20)
}

func TestPageHasAWordForEveryVerdict(t *testing.T) {
	seed.OneGoroutine(t)
	seen := map[string]bool{}
	for _, code := range []strata.VerdictCode{
		strata.VerdictWin, strata.VerdictLoss, strata.VerdictHolds, strata.VerdictNoDifference,
		strata.VerdictKeepRunning, strata.VerdictInconclusive, strata.VerdictNotTrusted,
	} {
		r := fullReport(t, 2)
		r.Verdict.Code = code
		r.Metrics[0].Comparisons[0].Verdict.Code = code
		word := requireGoodPage(t, r).all("h2")[0].text
		require.False(t, seen[word], word)
		seen[word] = true
	}
}

// What an interval leaves open, or lies beyond the axis, ends in an arrow.
func TestPageDrawsArrows(t *testing.T) {
	seed.OneGoroutine(t)
	arrows := func(change func(*stats.Estimate)) int {
		r := fullReport(t, 2)
		change(&r.Metrics[0].Comparisons[0].Corrected.Lift)
		lifts := requireGoodPage(t, r).all("tbody")[0].all("tr")[1]
		n := 0
		for _, path := range lifts.all("path") {
			if path.attrs["class"] == "thick-end" {
				n++
			}
		}
		return n
	}
	require.Zero(t, arrows(func(*stats.Estimate) {}))
	require.Equal(t, 1, arrows(func(e *stats.Estimate) { e.High = math.Inf(1) }))
	require.Equal(t, 2, arrows(func(e *stats.Estimate) { e.Low, e.High = math.Inf(-1), math.Inf(1) }))
	require.Equal(t, 1, arrows(func(e *stats.Estimate) { e.Value, e.Low, e.High = 1e200, 1e199, 1e201 }), "all of it is beyond")
}

// Reports that no package of this module would make are still pages.
func TestPageOfBrokenNumbers(t *testing.T) {
	seed.OneGoroutine(t)
	t.Parallel()
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e308, -1e308, 5e-324, 0} {
		for seed := range uint64(2) {
			if seed == 0 && bad > 0 && bad < 1 {
				continue // as when all are 0
			}
			r := fullReport(t, 2)
			random := rand.New(rand.NewPCG(seed, 1))
			spoil(reflect.ValueOf(r), func() bool { return seed == 0 || random.IntN(4) == 0 }, bad)
			requireGoodPage(t, r)
		}
	}
}

// spoil overwrites numbers.
func spoil(v reflect.Value, when func() bool, with float64) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			spoil(v.Elem(), when, with)
		}
	case reflect.Slice:
		for i := range v.Len() {
			spoil(v.Index(i), when, with)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				spoil(v.Field(i), when, with)
			}
		}
	case reflect.Float64:
		if when() {
			v.SetFloat(with)
		}
	}
}

// Charts need two days with an interval, and leave gaps where there is none.
func TestPageDrawsDays(t *testing.T) {
	seed.OneGoroutine(t)
	bands := func(change func([]strata.DayComparison) []strata.DayComparison) (figures, paths int) {
		r := fullReport(t, 9)
		for i := range r.Metrics {
			for j := range r.Metrics[i].Comparisons {
				c := &r.Metrics[i].Comparisons[j]
				if i > 0 || j > 0 {
					c.Days = nil
					continue
				}
				c.Days = change(c.Days)
			}
		}
		page := requireGoodPage(t, r)
		for _, path := range page.all("path") {
			if path.attrs["class"] == "band" {
				paths++
			}
		}
		return len(page.all("figure")), paths
	}
	for _, c := range []struct {
		change        func([]strata.DayComparison) []strata.DayComparison
		figures, band int
	}{
		{func(d []strata.DayComparison) []strata.DayComparison { return d }, 1, 1},
		{func(d []strata.DayComparison) []strata.DayComparison { return d[:1] }, 0, 0},
		{func(d []strata.DayComparison) []strata.DayComparison { return nil }, 0, 0},
		{func(d []strata.DayComparison) []strata.DayComparison { d[4].Lift.Reason = "gap"; return d }, 1, 2},
		{func(d []strata.DayComparison) []strata.DayComparison {
			d[0].Lift.Reason, d[8].Lift.NoValue = "ends", true
			return d
		}, 1, 1},
		{func(d []strata.DayComparison) []strata.DayComparison {
			for i := range d[1:] {
				d[1+i].Lift.Reason = "one is left"
			}
			return d
		}, 0, 0},
		{func(d []strata.DayComparison) []strata.DayComparison {
			d[3].Day, d[8].Day = time.Time{}, d[8].Day.AddDate(900, 0, 0)
			return d
		}, 1, 1},
	} {
		figures, band := bands(c.change)
		require.Equal(t, c.figures, figures)
		require.Equal(t, c.band, band)
	}
}

// BenchmarkWriteHTML writes the page of 8 metrics, a funnel and 3 treatments.
func BenchmarkWriteHTML(b *testing.B) {
	for _, days := range []int{1, 30, 180} {
		b.Run(fmt.Sprint("days=", days), func(b *testing.B) {
			r := fullReport(b, days)
			var page bytes.Buffer
			require.NoError(b, r.WriteHTML(&page))
			b.SetBytes(int64(page.Len()))
			b.ReportAllocs()
			for b.Loop() {
				if err := r.WriteHTML(io.Discard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
