package pgstore_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/pgstore"
)

// benchStart is when everything in a benchmark begins.
var benchStart = time.Date(2025, 3, 1, 10, 0, 0, 0, time.UTC)

// benchPlan has experiments in layers of their own, each with five metrics.
func benchPlan(experiments int) *strata.Plan {
	p := &strata.Plan{}
	total := strata.Measure{Event: strata.KindPurchase, Value: strata.ValueTotal, Currency: "EUR"}
	orders := strata.Measure{Event: strata.KindPurchase}
	p.Metrics = []strata.Metric{
		{Key: "converted", Type: strata.MetricConversion, Measure: orders},
		{Key: "revenue", Type: strata.MetricSum, Measure: total, Window: strata.Duration(14 * 24 * time.Hour)},
		{Key: "views", Type: strata.MetricCount, Measure: strata.Measure{Event: strata.KindPageView}},
		{Key: "order-value", Type: strata.MetricRatio, Measure: total, Denominator: &orders},
		{Key: "carts", Type: strata.MetricConversion, Measure: strata.Measure{Event: strata.KindPageView, Name: "/cart"}},
	}
	for i := range experiments {
		layer := fmt.Sprintf("layer%d", i)
		p.Layers = append(p.Layers, strata.Layer{Key: layer, Diversion: strata.ByUser})
		p.Experiments = append(p.Experiments, strata.Experiment{
			Key: fmt.Sprintf("experiment%d", i), Layer: layer, Status: strata.StatusRunning,
			Treatments: []strata.Treatment{{Key: "control", Weight: 1}, {Key: "variant", Weight: 1}},
			Metrics:    []string{"converted", "revenue", "views", "order-value", "carts"},
		})
	}
	return p
}

// benchStore opens a store that rolls up only when it is told to.
func benchStore(b testing.TB) *pgstore.Store {
	b.Helper()
	dsn, schema := pgtest.Schema(b)
	s, err := pgstore.Open(b.Context(), dsn, pgstore.Config{Schema: schema, NoRollup: true})
	require.NoError(b, err)
	b.Cleanup(s.Close)
	return s
}

func benchUser(i int) strata.Unit {
	return strata.Unit{User: fmt.Sprintf("user-%08d", i)}
}

// benchWriter numbers the records of a stream.
type benchWriter struct {
	store  strata.EventStore
	stream strata.StreamID
	last   int64
}

func (w *benchWriter) write(b testing.TB, records []strata.Record) {
	b.Helper()
	const batch = 10_000
	for len(records) > 0 {
		n := min(batch, len(records))
		require.NoError(b, w.store.Ingest(b.Context(), strata.Batch{Stream: w.stream, First: w.last + 1, Records: records[:n]}))
		w.last += int64(n)
		records = records[n:]
	}
}

// expose exposes users to experiments.
func expose(users, experiments int) []strata.Record {
	var records []strata.Record
	for i := range users {
		for e := range experiments {
			records = append(records, strata.Record{Unit: benchUser(i), Event: strata.Exposure{
				Time: benchStart, Experiment: fmt.Sprintf("experiment%d", e), Treatment: []string{"control", "variant"}[(i>>e)&1],
				Diversion: strata.ByUser, Bucket: i % 10_000, Hash: uint64(i), Version: 1,
			}})
		}
	}
	return records
}

// browse makes three events for each of some users.
func browse(from, users int, at time.Time, order *int) []strata.Record {
	var records []strata.Record
	for i := from; i < from+users; i++ {
		u := benchUser(i)
		*order++
		records = append(records,
			strata.Record{Unit: u, Event: strata.PageView{Time: at, Page: "/product"}},
			strata.Record{Unit: u, Event: strata.PageView{Time: at.Add(time.Second), Page: "/cart"}})
		if i%5 == 0 {
			records = append(records, strata.Record{Unit: u, Event: strata.Purchase{Time: at.Add(time.Minute), OrderID: fmt.Sprintf("o%d", *order), Total: int64(1000 + i%977), Currency: "EUR"}})
		} else {
			records = append(records, strata.Record{Unit: u, Event: strata.Click{Time: at.Add(time.Minute), Target: "buy"}})
		}
	}
	return records
}

// BenchmarkRollup is the rollup of three events a unit and batch, each unit in
// ten experiments with five metrics each.
func BenchmarkRollup(b *testing.B) {
	for _, history := range []int{0, 30} {
		b.Run(fmt.Sprintf("%d_events_before", history), func(b *testing.B) {
			const experiments = 10
			users := seed.Cut(20_000, 200)
			s := benchStore(b)
			_, err := s.PutPlan(b.Context(), strata.PutPlanParams{Plan: benchPlan(experiments), Author: "a", Message: "m", At: benchStart})
			require.NoError(b, err)
			w := &benchWriter{store: s, stream: strata.StreamID{1}}
			order := 0
			start := time.Now()
			w.write(b, expose(users, experiments))
			_, err = s.RollUp(b.Context())
			require.NoError(b, err)
			b.Logf("%d exposures: %v", users*experiments, time.Since(start))
			for h := range history / 3 {
				w.write(b, browse(0, users, benchStart.Add(time.Duration(h+1)*time.Hour), &order))
				_, err = s.RollUp(b.Context())
				require.NoError(b, err)
			}
			at := benchStart.Add(48 * time.Hour)
			events := 0
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				w.write(b, browse(0, users, at, &order))
				events += 3 * users
				at = at.Add(time.Hour)
				b.StartTimer()
				_, err := s.RollUp(b.Context())
				require.NoError(b, err)
			}
			b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkIngest compares batches of 10,000 through the store with COPY of the
// same rows into the same table without index, cursor or ticket.
func BenchmarkIngest(b *testing.B) {
	const batch = 10_000
	order := 0
	records := browse(0, batch/3+1, benchStart, &order)[:batch]
	rows := pgstore.CopyRows(b, records)
	s := benchStore(b)
	w := &benchWriter{store: s, stream: strata.StreamID{1}}
	plain := s.PlainTable(b)
	for name, write := range map[string]func(){
		"store":        func() { w.write(b, records) },
		"copy":         func() { plain(b, rows) },
		"pgx.CopyFrom": func() { s.CopyFrom(b, records) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				write()
			}
			b.ReportMetric(batch*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkExposures looks a unit's ten exposures up, and reports the slowest in
// a thousand.
func BenchmarkExposures(b *testing.B) {
	const experiments = 10
	users := seed.Cut(20_000, 200)
	s := benchStore(b)
	w := &benchWriter{store: s, stream: strata.StreamID{1}}
	w.write(b, expose(users, experiments))
	_, err := s.RollUp(b.Context())
	require.NoError(b, err)
	s.Vacuum(b)
	var took []time.Duration
	i := 0
	for b.Loop() {
		began := time.Now()
		x, err := s.Exposures(b.Context(), benchUser(i%users))
		took = append(took, time.Since(began))
		require.NoError(b, err)
		require.Len(b, x, experiments)
		i += 7919
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*999/1000].Microseconds()), "p99.9-µs")
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
}

// BenchmarkExposed lists all exposed units of an experiment, as for a change of
// plan that keeps them, and then only what came since.
func BenchmarkExposed(b *testing.B) {
	for _, units := range []int{10_000, 100_000, 1_000_000} {
		units := seed.Cut(units, units/1000+20)
		b.Run(fmt.Sprintf("%d_units", units), func(b *testing.B) {
			s := benchStore(b)
			w := &benchWriter{store: s, stream: strata.StreamID{1}}
			for from := 0; from < units; from += 100_000 {
				w.write(b, expose(units, 1)[from:min(from+100_000, units)])
				_, err := s.RollUp(b.Context())
				require.NoError(b, err)
			}
			exposed := func(after int64) (sequences []int64) {
				for x, err := range s.Exposed(b.Context(), strata.ExposedParams{Experiment: "experiment0", After: after}) {
					require.NoError(b, err)
					sequences = append(sequences, x.Sequence)
				}
				return sequences
			}
			all := exposed(0)
			require.Len(b, all, units)
			for name, from := range map[string]int{"all": 0, "the_last_ten": units - 10} {
				b.Run(name, func(b *testing.B) {
					after := int64(0)
					if from > 0 {
						after = all[from-1]
					}
					for b.Loop() {
						require.Len(b, exposed(after), units-from)
					}
				})
			}
		})
	}
}
