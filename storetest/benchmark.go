package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
)

// Benchmark measures the store that open returns. rows/s are records stored
// for Ingest, and records that the answer rests on for Results:
// compare the sizes to see what grows. Each sub-benchmark opens an empty store.
func Benchmark(b *testing.B, open func(b *testing.B) strata.Store) {
	b.Helper()
	for _, size := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("Ingest/batch=%d", size), func(b *testing.B) { benchmarkIngest(b, open(b), size) })
	}
	for _, units := range []int{1_000, 10_000} {
		b.Run(fmt.Sprintf("Results/units=%d", units), func(b *testing.B) { benchmarkResults(b, open(b), units) })
	}
}

// visit is what one user leaves behind: recordsOfVisit records.
func visit(n int) []strata.Record {
	id, when := name("user-", n), at(time.Duration(n)*time.Second)
	return []strata.Record{
		exposure(id, []string{control, variant}[n%2], when),
		view(id, "/product", when),
		view(id, "/cart", when.Add(time.Minute)),
		event(id, strata.Click{Time: when.Add(2 * time.Minute), Target: "buy", Page: "/cart"}),
		order(id, name("order-", n), int64(1_000+n%500), when.Add(3*time.Minute)),
	}
}

const recordsOfVisit = 5

func benchmarkIngest(b *testing.B, s strata.Store, size int) {
	w, users := newWriter(s), 0
	for b.Loop() {
		b.StopTimer()
		var records []strata.Record
		for ; len(records) < size; users++ {
			records = append(records, visit(users)...)
		}
		b.StartTimer()
		w.write(b, records...)
	}
	reportRows(b, size)
}

func benchmarkResults(b *testing.B, s strata.Store, units int) {
	w := newWriter(s)
	const batch = 1_000
	for from := 0; from < units; from += batch {
		var records []strata.Record
		for i := range min(batch, units-from) {
			records = append(records, visit(from+i)...)
		}
		w.write(b, records...)
	}
	metrics := []strata.Metric{orders, revenue, path(0, "/product", "/cart")}
	for b.Loop() {
		r := results(b, s, metrics...)
		require.EqualValues(b, units/2, r.Treatments[control].Units)
	}
	reportRows(b, units*recordsOfVisit)
}

// reportRows reports how many rows a second were handled.
func reportRows(b *testing.B, rows int) {
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
