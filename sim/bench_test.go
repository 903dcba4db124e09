package sim_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/sim"
)

// counting is a site that counts.
type counting struct{ acts int }

func (c *counting) Meet(time.Time, *strata.Unit, string) string { c.acts++; return "" }

func (c *counting) Do(time.Time, *strata.Unit, strata.Event) { c.acts++ }

// The time for each act is the same for few visitors and for many.
func BenchmarkTraffic(b *testing.B) {
	for _, visitors := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("visitors=%d", visitors), func(b *testing.B) {
			traffic, err := sim.NewTraffic(sim.Shop(), sim.TrafficOptions{Visitors: visitors, Meets: map[string]string{"x": "checkout"}})
			require.NoError(b, err)
			b.ReportAllocs()
			acts := 0
			for b.Loop() {
				var c counting
				require.NoError(b, traffic.Run(b.Context(), &c))
				acts += c.acts
			}
			b.ReportMetric(float64(acts)/b.Elapsed().Seconds(), "acts/s")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(acts), "ns/act")
		})
	}
}

// BenchmarkRun is a run of the whole pipeline: engine, store and reports.
func BenchmarkRun(b *testing.B) {
	o := shopOptions()
	o.Runs, o.Effects, o.Workers = 1, nil, 1
	plan := shopPlan(b)
	b.ReportAllocs()
	var acts int64
	for b.Loop() {
		f, err := sim.Run(b.Context(), plan, sim.Shop(), o)
		require.NoError(b, err)
		acts += f.Acts
	}
	b.ReportMetric(float64(acts)/b.Elapsed().Seconds(), "acts/s")
}
