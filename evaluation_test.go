package strata_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/seed"
)

// factsOf returns the facts that count, in order.
func factsOf(records []strata.Record) []strata.Fact {
	var facts []strata.Fact
	for _, r := range records {
		if !r.Forced {
			facts = append(facts, strata.NewFact(r.Event))
		}
	}
	strata.SortFacts(facts)
	return facts
}

// requireReference compares totals with the reference: floats to nine digits
// of the largest value that went in.
func requireReference(t require.TestingT, m *strata.Metric, exposed, until time.Time, records []strata.Record, got strata.UnitTotals) {
	want, foreign := reference(m, exposed, until, records)
	require.Equal(t, len(want), got.Variables, "variables")
	require.Equal(t, foreign, got.OtherCurrency, "purchases in another currency")
	for i, w := range want {
		if got.Exact {
			require.True(t, w.IsInt() && w.Num().IsInt64() && w.Num().Int64() == got.Integers[i], "variable %d: want %v, got %d", i, w, got.Integers[i])
			continue
		}
		f, _ := w.Float64()
		require.InDelta(t, f, got.Floats[i], 1e-9*max(1e15, math.Abs(f)), "variable %d", i)
	}
	for i := got.Variables; i < len(got.Integers); i++ {
		require.Zero(t, got.Integers[i])
	}
}

func TestEvaluationIsThatOfTheReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.SliceOfN(rapid.Custom(anyRecord), 0, 30).Draw(t, "records")
		for range 10 {
			exposed, until := instant(t), rapid.SampledFrom([]time.Time{{}, evaluationStart.Add(time.Minute)}).Draw(t, "until")
			m := anyMetric(t)
			requireReference(t, &m, exposed, time.Time{}, records, m.Evaluate(exposed, records))
			e := strata.NewEvaluator(&m, until).Begin(exposed)
			e.Add(factsOf(records)...)
			requireReference(t, &m, exposed, until, records, e.Totals())
		}
	})
}

// Funnels have a test of their own, with more events at fewer instants.
func TestFunnelIsThatOfTheReference(t *testing.T) {
	view := rapid.Custom(func(t *rapid.T) strata.Record {
		at := evaluationStart.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "minute")) * time.Minute)
		switch name := rapid.SampledFrom([]string{"a", "b", "b", "c"}).Draw(t, "name"); rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			return strata.Record{Event: strata.Click{Time: at, Target: name}}
		case 1:
			return strata.Record{Event: strata.Purchase{Time: at}}
		default:
			return strata.Record{Event: strata.PageView{Time: at, Page: name}}
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.SliceOfN(view, 0, 8).Draw(t, "records")
		for range 10 {
			m := anyFunnel(t, 0)
			requireReference(t, &m, evaluationStart, time.Time{}, records, m.Evaluate(evaluationStart, records))
		}
	})
}

// Every funnel of four steps, over every set of four page views at one instant.
func TestFunnelOfEventsAtOneInstant(t *testing.T) {
	pages := []string{"a", "b", "c", "d"}
	for set := 1; set < 16; set++ {
		var records []strata.Record
		for i, page := range pages {
			if set>>i&1 != 0 {
				records = append(records, strata.Record{Event: strata.PageView{Time: evaluationStart, Page: page}})
			}
		}
		for n := range 256 {
			m := strata.Metric{Key: "m", Type: strata.MetricFunnel}
			for i := range 4 {
				name := []string{"", "c", "b", "a"}[n>>(2*i)&3]
				m.Steps = append(m.Steps, strata.Step{Event: strata.KindPageView, Name: name})
			}
			requireReference(t, &m, evaluationStart, time.Time{}, records, m.Evaluate(evaluationStart, records))
		}
	}
}

// TestEvaluationGoesOn cuts the facts anywhere but within an instant, stores the
// evaluation now and then, and compares it at each point with all that came
// before, to the bit.
func TestEvaluationGoesOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.SliceOfN(rapid.Custom(anyRecord), 0, 30).Draw(t, "records")
		exposed, m := instant(t), anyMetric(t)
		v, facts := strata.NewEvaluator(&m, time.Time{}), factsOf(records)
		e := v.Begin(exposed)
		for first := 0; first < len(facts); {
			end := first + 1
			for end < len(facts) && (facts[end].At == facts[end-1].At || rapid.Bool().Draw(t, "go on")) {
				end++
			}
			e.Add(facts[first:end]...)
			first = end
			if rapid.Bool().Draw(t, "store") {
				e = stored(t, v, exposed, e)
			}
			before := slices.DeleteFunc(slices.Clone(records), func(r strata.Record) bool { return r.Event.At().UnixMicro() > facts[end-1].At })
			require.Equal(t, m.Evaluate(exposed, before), e.Totals())
		}
	})
}

func TestEvaluationDoesNotDependOnTheOrderOfArrival(t *testing.T) {
	random := rand.New(rand.NewPCG(seed.Of(t), 1))
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.SliceOfN(rapid.Custom(anyRecord), 0, 30).Draw(t, "records")
		exposed, m := instant(t), anyMetric(t)
		want := m.Evaluate(exposed, records)
		for range 3 {
			random.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
			require.Equal(t, want, m.Evaluate(exposed, records))
		}
	})
}

func TestSumsOfFloatsDoNotDependOnTheOrderOfArrival(t *testing.T) {
	m := strata.Metric{Type: strata.MetricSum, Measure: strata.Measure{Event: strata.KindCustom, Value: strata.ValueAmount}}
	var records []strata.Record
	for _, x := range []float64{1e15, 0.1, -1e15, 0.3} { // in floats, their sum depends on the order
		records = append(records, strata.Record{Event: strata.Custom{Time: evaluationStart, EventName: "x", Value: x}})
	}
	want := m.Evaluate(evaluationStart, records)
	for range records {
		records = append(records[1:], records[0])
		require.Equal(t, want, m.Evaluate(evaluationStart, records))
	}
}

// What does not concern a metric must not change it; and most of what does
// concern it changes something.
func TestEvaluatorConcerns(t *testing.T) {
	concerned, changed := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		facts := factsOf(rapid.SliceOfN(rapid.Custom(anyRecord), 0, 30).Draw(t, "records"))
		exposed, m := instant(t), anyMetric(t)
		until := rapid.SampledFrom([]time.Time{{}, evaluationStart.Add(time.Minute)}).Draw(t, "until")
		v := strata.NewEvaluator(&m, until)
		all, some := v.Begin(exposed), v.Begin(exposed)
		none := all.Totals()
		for i := range facts {
			alone := v.Begin(exposed)
			alone.Add(facts[i])
			if alone.Totals() != none {
				changed++
				require.True(t, v.Concerns(exposed, &facts[i]))
			}
			if v.Concerns(exposed, &facts[i]) {
				concerned++
			}
		}
		all.Add(facts...)
		some.Add(slices.DeleteFunc(facts, func(f strata.Fact) bool { return !v.Concerns(exposed, &f) })...)
		require.Equal(t, all.Totals(), some.Totals())
	})
	require.Greater(t, changed, concerned/3, "Concerns should not be true of everything")
}

func TestIntegersStopAtTheEndsOfTheirRange(t *testing.T) {
	m := strata.Metric{Type: strata.MetricSum, Measure: strata.Measure{Event: strata.KindPurchase, Value: strata.ValueTotal}}
	total := func(amounts ...int64) int64 {
		var records []strata.Record
		for i, x := range amounts {
			records = append(records, strata.Record{Event: strata.Purchase{Time: evaluationStart.Add(time.Duration(i) * time.Second), Total: x}})
		}
		return m.Evaluate(evaluationStart, records).Integers[0]
	}
	require.EqualValues(t, math.MaxInt64, total(math.MaxInt64, 1))
	require.EqualValues(t, math.MinInt64, total(math.MinInt64, -1, math.MinInt64))
	require.EqualValues(t, math.MaxInt64-4, total(math.MaxInt64, 1, -5), "on the way there is no end")
	require.EqualValues(t, -1, total(math.MinInt64, math.MaxInt64))
}

// Fields that are finer than a microsecond end behind the instant in which they
// end.
func TestDurationsFinerThanAMicrosecond(t *testing.T) {
	m := strata.Metric{Type: strata.MetricCount, Measure: strata.Measure{Event: strata.KindPageView}, Window: 1500, PrePeriod: 1500}
	var records []strata.Record
	for i := range 7 {
		records = append(records, strata.Record{Event: strata.PageView{Time: evaluationStart.Add(time.Duration(i-3) * time.Microsecond)}})
	}
	totals := m.Evaluate(evaluationStart, records)
	require.Equal(t, []int64{2, 1}, totals.Integers[:2])
	m.Window = 0
	e := strata.NewEvaluator(&m, evaluationStart.Add(2500)).Begin(evaluationStart)
	e.Add(factsOf(records)...)
	totals = e.Totals()
	require.Equal(t, []int64{3, 1}, totals.Integers[:2])
}

func TestZeroEvaluationIsEmpty(t *testing.T) {
	var e strata.Evaluation
	e.Add(strata.NewFact(strata.PageView{Time: evaluationStart, Page: "/"}))
	require.Zero(t, e.Totals())
	_, err := e.AppendBinary(nil)
	require.ErrorIs(t, err, strata.ErrEvaluation)
}

// A plan has no such metric, but Evaluate is not told of a plan.
func TestFunnelOfTooManySteps(t *testing.T) {
	m := strata.Metric{Type: strata.MetricFunnel, Steps: slices.Repeat([]strata.Step{{Event: strata.KindPageView}}, 25)}
	records := slices.Repeat([]strata.Record{{Event: strata.PageView{Time: evaluationStart, Page: "/"}}}, 30)
	require.Equal(t, 20, m.Evaluate(evaluationStart, records).Variables)
}

func TestFactOfEachEvent(t *testing.T) {
	at := time.UnixMicro(1_700_000_000_123_456).UTC()
	for _, c := range []struct {
		event strata.Event
		want  strata.Fact
	}{
		{strata.PageView{Time: at.Add(999), Page: "a"}, strata.Fact{Kind: strata.KindPageView, Name: 0xd24ec4f1a98c6e5b}},
		{strata.Click{Time: at, Target: "a"}, strata.Fact{Kind: strata.KindClick, Name: 0xd24ec4f1a98c6e5b}},
		{strata.Purchase{Time: at, OrderID: "o", Total: 1, Discount: 2, Currency: "EUR", Items: []strata.Item{{Quantity: 3}, {Quantity: 4}}},
			strata.Fact{Kind: strata.KindPurchase, Currency: "EUR", Total: 1, Discount: 2, Items: 7}},
		{strata.Purchase{Time: at, Items: []strata.Item{{Quantity: math.MaxInt64}, {Quantity: 4}}}, strata.Fact{Kind: strata.KindPurchase, Items: math.MaxInt64}},
		{strata.Conversion{Time: at, Goal: "a", Value: 1.5}, strata.Fact{Kind: strata.KindConversion, Name: 0xd24ec4f1a98c6e5b, Value: 1.5}},
		{strata.Custom{Time: at, EventName: "a", Value: -1}, strata.Fact{Kind: strata.KindCustom, Name: 0xd24ec4f1a98c6e5b, Value: -1}},
		{strata.Exposure{Time: at, Experiment: "e"}, strata.Fact{Kind: strata.KindExposure}},
	} {
		c.want.At = 1_700_000_000_123_456
		require.Equal(t, c.want, strata.NewFact(c.event))
	}
}
