package pgstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/pgstore"
)

// sizeUnit has ids as long as UUIDs.
func sizeUnit(i int) strata.Unit {
	return strata.Unit{User: fmt.Sprintf("%08x-0000-4000-8000-%012x", i, i), Device: fmt.Sprintf("%08x-0000-4000-9000-%012x", i, i)}
}

// sizeEvents are what a visit leaves: of five visits one ends in an order.
func sizeEvents(i, visit int) []strata.Record {
	u, at := sizeUnit(i), benchStart.Add(time.Duration(visit)*24*time.Hour)
	records := []strata.Record{
		{Unit: u, Event: strata.PageView{Time: at, Page: "/product/123", Referrer: "https://example.com/search"}},
		{Unit: u, Event: strata.PageView{Time: at.Add(time.Minute), Page: "/cart"}},
		{Unit: u, Event: strata.Click{Time: at.Add(2 * time.Minute), Target: "add-to-cart", Page: "/product/123"}},
	}
	if (i+visit)%5 == 0 {
		records = append(records, strata.Record{Unit: u, Event: strata.Purchase{
			Time: at.Add(3 * time.Minute), OrderID: fmt.Sprintf("order-%08d-%d", i, visit), Total: 49_99, Currency: "EUR",
			Items: []strata.Item{{SKU: "sku-1234", Quantity: 1, Price: 39_99}, {SKU: "sku-9876", Quantity: 2, Price: 5_00}},
		}})
	}
	return records
}

// BenchmarkSizes is how much room the tables take, indexes included, as a few
// days of rollups leave them. It measures no time:
//
//	go test -run '^$' -bench Sizes -benchtime 2x ./pgstore
func BenchmarkSizes(b *testing.B) {
	for b.Loop() {
		const experiments, visits = 2, 6
		users := seed.Cut(20_000, 500)
		dsn, schema := pgtest.Schema(b)
		s, err := pgstore.Open(b.Context(), dsn, pgstore.Config{Schema: schema, NoRollup: true})
		require.NoError(b, err)
		b.Cleanup(s.Close)
		_, err = s.PutPlan(b.Context(), strata.PutPlanParams{Plan: benchPlan(experiments), Author: "a", Message: "m", At: benchStart})
		require.NoError(b, err)
		conn, err := pgx.Connect(b.Context(), dsn)
		require.NoError(b, err)
		b.Cleanup(func() { _ = conn.Close(b.Context()) })
		per := func(name, tables, rows string) {
			var bytes float64
			in := quoted(schema)
			require.NoError(b, conn.QueryRow(b.Context(), `select (select sum(pg_total_relation_size(c.oid)) from pg_class c where c.relnamespace = $1::text::regnamespace and c.relkind = 'r' and c.relname like $2) / (`+
				rows+`)::float8`, in, tables).Scan(&bytes))
			b.ReportMetric(bytes, "B/"+name)
		}
		in := quoted(schema)
		w := &benchWriter{store: s, stream: strata.StreamID{1}}
		var exposures []strata.Record
		for i := range users {
			for e := range experiments {
				exposures = append(exposures, strata.Record{Unit: sizeUnit(i), Event: strata.Exposure{
					Time: benchStart, Experiment: fmt.Sprintf("experiment%d", e), Treatment: []string{"control", "variant"}[(i>>e)&1],
					Diversion: strata.ByUser, Bucket: i % 10_000, Hash: uint64(i) * 0x9e3779b97f4a7c15, Version: 1,
				}})
			}
		}
		w.write(b, exposures)
		_, err = s.RollUp(b.Context())
		require.NoError(b, err)
		per("exposure-event", "event\\_%", "select count(*) from "+in+".event")
		for visit := range visits {
			var records []strata.Record
			for i := range users {
				records = append(records, sizeEvents(i, visit)...)
			}
			w.write(b, records)
			_, err = s.RollUp(b.Context())
			require.NoError(b, err)
			if visit == 0 {
				per("unit-of-3-events", "unit_state", "select count(*) from "+in+".unit_state")
			}
		}
		per("event", "event\\_%", "select count(*) from "+in+".event")
		per("exposure", "exposure", "select count(*) from "+in+".exposure")
		per("unit-of-19-events", "unit_state", "select count(*) from "+in+".unit_state")
		per("order", "purchase_order", "select count(*) from "+in+".purchase_order")
		per("result-day", "result_day", "select count(*) from "+in+".result_day")
		per("batch", "batch", "select count(*) from "+in+".batch")
		_, err = conn.Exec(b.Context(), "vacuum full "+in+".unit_state")
		require.NoError(b, err)
		per("unit-of-19-events-packed", "unit_state", "select count(*) from "+in+".unit_state")
	}
}
