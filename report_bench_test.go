package strata_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/stats"
)

// wideExperiment is a plan with one experiment of so many metrics and
// treatments, and its results over so many days.
func wideExperiment(t testing.TB, metrics, treatments, days int, past bool) (*strata.Plan, strata.Results) {
	random := rand.New(rand.NewPCG(5, uint64(metrics*treatments*days)))
	b := strata.NewPlan()
	x := b.Layer("ui", strata.ByUser).Experiment("wide", 0).Running()
	for i := range treatments {
		x.Treatment(fmt.Sprint("t", i), 1, nil)
	}
	var keys []string
	for i := range metrics {
		m := strata.Metric{Key: fmt.Sprint("m", i), Type: strata.MetricSum, Measure: strata.Measure{Event: strata.KindCustom, Value: strata.ValueAmount}}
		if past {
			m.PrePeriod = strata.Duration(14 * 24 * time.Hour)
		}
		if i%4 == 3 {
			m.Guardrail = true
		}
		b.Metric(m)
		keys = append(keys, m.Key)
	}
	x.Metrics(keys...)
	plan, err := b.Build()
	require.NoError(t, err)

	results := strata.Results{Treatments: map[string]strata.TreatmentResults{}}
	stand := make([][]stats.Moments, treatments)
	for i := range stand {
		stand[i] = make([]stats.Moments, metrics)
	}
	first := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for day := range days {
		d := strata.DayResults{Day: first.AddDate(0, 0, day), Treatments: map[string]strata.TreatmentResults{}}
		for i := range treatments {
			r := strata.TreatmentResults{Units: int64(100 * (day + 1)), FirstExposure: first, LastExposure: d.Day, Metrics: map[string]strata.MetricResults{}}
			for j, key := range keys {
				n, y, xx := 100.0, 1+random.NormFloat64()/10, random.NormFloat64()/10
				means, squares := []float64{y}, []float64{n}
				if past {
					means, squares = append(means, xx), append(squares, n/2, n)
				}
				today, err := stats.NewMoments(100, means, squares)
				require.NoError(t, err)
				require.NoError(t, stand[i][j].Merge(today))
				r.Metrics[key] = strata.MetricResults{Moments: []stats.Moments{stand[i][j]}}
			}
			d.Treatments[fmt.Sprint("t", i)] = r
		}
		results.Days = append(results.Days, d)
		results.Treatments, results.Latest = d.Treatments, d.Day
	}
	return plan, results
}

// BenchmarkReport computes a report from sufficient statistics.
func BenchmarkReport(b *testing.B) {
	for _, past := range []bool{false, true} {
		for _, days := range []int{1, 45, 90, 180, 360} {
			b.Run(fmt.Sprintf("20 metrics, 5 treatments, %d days, cuped %t", days, past), func(b *testing.B) {
				plan, results := wideExperiment(b, 20, 5, days, past)
				b.ReportAllocs()
				for b.Loop() {
					r, err := strata.ReportOn(plan, "wide", results, strata.ReportOptions{})
					if err != nil || len(r.Metrics[0].Comparisons[0].Days) != days {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
