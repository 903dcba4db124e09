package memstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/memstore"
)

// BenchmarkDays adds up results by day: 10,000 units, a purchase each every
// eighth day.
func BenchmarkDays(b *testing.B) {
	for _, days := range []int{10, 20, 40, 80} {
		b.Run(fmt.Sprintf("days=%d", days), func(b *testing.B) {
			store, start := memstore.New(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			var records []strata.Record
			for i := range 10_000 {
				u := strata.Unit{User: fmt.Sprint(i)}
				records = append(records, strata.Record{Unit: u, Event: strata.Exposure{
					Time: start.AddDate(0, 0, i%days), Experiment: "e", Treatment: "a", Diversion: strata.ByUser, Bucket: -1}})
				for day := i % 8; day < days; day += 8 {
					records = append(records, strata.Record{Unit: u, Event: strata.Purchase{
						Time: start.AddDate(0, 0, day), OrderID: fmt.Sprint(i, "/", day), Total: 5, Currency: "EUR"}})
				}
			}
			require.NoError(b, store.Ingest(b.Context(), strata.Batch{Stream: strata.StreamID{1}, First: 1, Records: records}))
			params := strata.ResultsParams{Experiment: "e", Daily: true, Metrics: []strata.Metric{{Key: "revenue", Type: strata.MetricSum,
				Measure: strata.Measure{Event: strata.KindPurchase, Value: strata.ValueTotal, Currency: "EUR"}}}}
			b.ReportAllocs()
			for b.Loop() {
				r, err := store.Results(b.Context(), params)
				if err != nil || len(r.Days) != days {
					b.Fatal(err, len(r.Days))
				}
			}
		})
	}
}
