package strata_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
)

var (
	sinkTotals  strata.UnitTotals
	sinkConcern bool
	sinkBytes   []byte
)

// benchMetrics has a metric of each type, in the order of metricTypes.
func benchMetrics() []strata.Metric {
	money := strata.Measure{Event: strata.KindPurchase, Value: strata.ValueTotal, Currency: "EUR"}
	rating := strata.Measure{Event: strata.KindCustom, Name: "rating", Value: strata.ValueAmount}
	return []strata.Metric{
		{Key: "conversion", Type: strata.MetricConversion, Measure: strata.Measure{Event: strata.KindConversion, Name: "signup"}},
		{Key: "count", Type: strata.MetricCount, Measure: strata.Measure{Event: strata.KindPageView}, PrePeriod: strata.Duration(time.Hour)},
		{Key: "sum", Type: strata.MetricSum, Measure: money, Window: strata.Duration(24 * time.Hour)},
		{Key: "mean", Type: strata.MetricMean, Measure: rating},
		{Key: "ratio", Type: strata.MetricRatio, Measure: money, Denominator: &strata.Measure{Event: strata.KindPurchase, Currency: "EUR"}, PrePeriod: strata.Duration(time.Hour)},
		{Key: "funnel", Type: strata.MetricFunnel, Steps: []strata.Step{{Event: strata.KindPageView},
			{Event: strata.KindPageView, Name: "/cart", Within: strata.Duration(time.Hour)}, {Event: strata.KindPurchase}}},
	}
}

// benchFacts is what a visitor of a shop does, two at one instant now and then.
func benchFacts(n int) []strata.Fact {
	random := rand.New(rand.NewPCG(1, uint64(n)))
	var facts []strata.Fact
	for i := range n {
		at := evaluationStart.Add(time.Duration(i/3*2) * time.Second)
		var e strata.Event
		switch random.IntN(8) {
		case 0:
			e = strata.Purchase{Time: at, Total: random.Int64N(1e4), Currency: "EUR"}
		case 1:
			e = strata.Conversion{Time: at, Goal: "signup", Value: 1}
		case 2:
			e = strata.Custom{Time: at, EventName: "rating", Value: random.Float64()}
		case 3:
			e = strata.Click{Time: at, Target: "add"}
		default:
			e = strata.PageView{Time: at, Page: []string{"/", "/product", "/cart"}[random.IntN(3)]}
		}
		facts = append(facts, strata.NewFact(e))
	}
	strata.SortFacts(facts)
	return facts
}

// BenchmarkEvaluation begins a unit, adds facts and takes its totals.
func BenchmarkEvaluation(b *testing.B) {
	for _, m := range benchMetrics() {
		for _, n := range []int{10, 100, 1000} {
			b.Run(fmt.Sprintf("%s/facts=%d", m.Key, n), func(b *testing.B) {
				v, facts := strata.NewEvaluator(&m, time.Time{}), benchFacts(n)
				b.ReportAllocs()
				for b.Loop() {
					e := v.Begin(evaluationStart)
					e.Add(facts...)
					sinkTotals = e.Totals()
				}
			})
		}
	}
}

// BenchmarkEvaluationGoesOn is what a store does for a unit that it hears of
// again: 50 metrics are taken up, three facts added, totals taken and stored.
func BenchmarkEvaluationGoesOn(b *testing.B) {
	var evaluators []*strata.Evaluator
	for i := range 50 {
		metrics := benchMetrics()
		evaluators = append(evaluators, strata.NewEvaluator(&metrics[i%len(metrics)], time.Time{}))
	}
	facts := benchFacts(30)
	early, late := facts[:27], facts[27:]
	forms := make([][]byte, len(evaluators))
	for i, v := range evaluators {
		e := v.Begin(evaluationStart)
		e.Add(early...)
		var err error
		forms[i], err = e.AppendBinary(nil)
		require.NoError(b, err)
	}
	into := make([]byte, 0, 200)
	b.Run("Concerns", func(b *testing.B) {
		for b.Loop() {
			for _, v := range evaluators {
				for i := range late {
					sinkConcern = v.Concerns(evaluationStart, &late[i])
				}
			}
		}
	})
	b.Run("Resume, Add, Totals, AppendBinary", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for i, v := range evaluators {
				e, _, err := v.Resume(evaluationStart, forms[i])
				if err != nil {
					b.Fatal(err)
				}
				e.Add(late...)
				sinkTotals = e.Totals()
				sinkBytes, _ = e.AppendBinary(into)
			}
		}
	})
}

// TestEvaluatingDoesNotAllocate turns the benchmarks' promise into a failure.
func TestEvaluatingDoesNotAllocate(t *testing.T) {
	facts, into := benchFacts(100), make([]byte, 0, 200)
	unsorted := make([]strata.Fact, len(facts))
	var event strata.Event = strata.PageView{Time: evaluationStart, Page: "/cart"}
	for _, m := range benchMetrics() {
		v := strata.NewEvaluator(&m, time.Time{})
		begun := v.Begin(evaluationStart)
		begun.Add(facts[:50]...)
		form, err := begun.AppendBinary(nil)
		require.NoError(t, err)
		for what, do := range map[string]func(){
			"Begin, Add and Totals": func() { e := v.Begin(evaluationStart); e.Add(facts...); sinkTotals = e.Totals() },
			"Concerns":              func() { sinkConcern = v.Concerns(evaluationStart, &facts[7]) },
			"AppendBinary":          func() { sinkBytes, _ = begun.AppendBinary(into) },
			"Resume":                func() { e, _, _ := v.Resume(evaluationStart, form); sinkTotals = e.Totals() },
			"Add of a fact":         func() { e := begun; e.Add(strata.NewFact(event)); sinkTotals = e.Totals() },
			"SortFacts":             func() { copy(unsorted, facts); strata.SortFacts(unsorted) },
		} {
			require.Zero(t, testing.AllocsPerRun(100, do), "%s, %s", m.Key, what)
		}
	}
}
