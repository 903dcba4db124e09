package sim_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/sim"
)

// counting is a site that counts events.
type counting struct{ events int }

func (*counting) Meet(time.Time, *strata.Unit, string) string { return "" }

func (c *counting) Do(time.Time, *strata.Unit, strata.Event) { c.events++ }

// The time for each event is about the same for few visitors and for many.
func BenchmarkTraffic(b *testing.B) {
	for _, visitors := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("visitors=%d", visitors), func(b *testing.B) {
			traffic, err := sim.NewTraffic(sim.Shop(), sim.TrafficOptions{Visitors: visitors, Meets: map[string]string{"x": "checkout"}})
			require.NoError(b, err)
			b.ReportAllocs()
			events := 0
			for b.Loop() {
				var c counting
				require.NoError(b, traffic.Run(b.Context(), &c))
				events += c.events
			}
			b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
		})
	}
}

// BenchmarkRun is a run of the whole pipeline: engine, store and reports.
func BenchmarkRun(b *testing.B) {
	o := shopOptions()
	o.Runs, o.Effects, o.Workers = 1, nil, 1
	plan := shopPlan(b)
	b.ReportAllocs()
	var events int64
	for b.Loop() {
		f, err := sim.Run(b.Context(), plan, sim.Shop(), o)
		require.NoError(b, err)
		events += f.Events
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}
