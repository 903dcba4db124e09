package pgstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/seed"
)

// ledger knows what one writer sent, and reads the tables to see whether it is
// there: each record once, as an event, a dead letter or part of a gap, with
// every value as it was sent.
type ledger struct {
	store   strata.EventStore
	dsn, in string // in is the quoted schema
	stream  strata.StreamID
	records []strata.Record // the first has the index 1
}

func newLedger(t *testing.T, s strata.EventStore, dsn, schema string, records ...strata.Record) *ledger {
	l := &ledger{store: s, dsn: dsn, in: quoted(schema), records: records}
	random := newRandom(t)
	for i := range l.stream {
		l.stream[i] = byte(random.Uint32())
	}
	return l
}

// newRandom prints its seed if the test fails.
func newRandom(t *testing.T) *rand.Rand { return rand.New(rand.NewPCG(seed.Of(t), rand.Uint64())) }

// manyRecords are records that differ from each other.
func manyRecords(n int) []strata.Record {
	records := make([]strata.Record, n)
	for i := range records {
		at := time.Date(2025, 3, 1, 0, 0, 0, i*1000, time.UTC)
		unit := strata.Unit{User: fmt.Sprintf("user-%d", i%97), Device: fmt.Sprintf("device-%d", i)}
		switch i % 3 {
		case 0:
			records[i] = strata.Record{Unit: unit, Event: strata.Purchase{Time: at, OrderID: fmt.Sprint(i), Total: int64(i), Currency: "EUR", Items: []strata.Item{{SKU: "s", Quantity: int64(i + 1), Price: 1}}}}
		case 1:
			records[i] = strata.Record{Unit: unit, Forced: i%2 == 0, Event: strata.Conversion{Time: at, Goal: "g", Value: float64(i) + 0.1}}
		default:
			records[i] = strata.Record{Unit: unit, Event: strata.Exposure{Time: at, Experiment: "e", Treatment: "control", Diversion: strata.ByUser, Bucket: i % strata.NumBuckets, Hash: uint64(i) << 40, Version: 1}}
		}
	}
	return records
}

func (l *ledger) batch(first, last int64) strata.Batch {
	return strata.Batch{Stream: l.stream, First: first, Records: l.records[first-1 : last]}
}

// all sends everything in one batch.
func (l *ledger) all(ctx context.Context) error {
	return l.store.Ingest(ctx, l.batch(1, int64(len(l.records))))
}

// drain sends everything behind the cursor in batches, as a writer does that
// never gives up: what failed it does not ask, it asks where the cursor is.
func (l *ledger) drain(ctx context.Context, size int) (failures int, err error) {
	next := int64(1)
	for next <= int64(len(l.records)) {
		if ctx.Err() != nil {
			return failures, ctx.Err()
		}
		batch := l.batch(next, min(next+int64(size)-1, int64(len(l.records))))
		if err := l.store.Ingest(ctx, batch); err == nil {
			next = batch.Last() + 1
			continue
		}
		failures++
		runtime.Gosched()
		if last, err := l.store.Cursor(ctx, strata.CursorParams{Stream: l.stream}); err == nil {
			next = last + 1
		}
	}
	return failures, nil
}

// require checks the invariants: that indexes 1 to last are there, once each,
// those in dead as dead letters, those in lost as a gap.
func (l *ledger) require(t *testing.T, last int64, dead, lost []int64) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), l.dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	seen := make(map[int64]string)
	note := func(idx int64, where string) {
		if seen[idx] != "" { // a call of require for each record would take longer than all the rest
			require.Fail(t, "a record is there twice", "record %d, in %s and %s", idx, seen[idx], where)
		}
		seen[idx] = where
	}
	for idx, row := range l.stored(t, conn) {
		note(idx, "event")
		if want := expectedRow(t, &l.records[idx-1]); want != row {
			require.Equal(t, want, row, "record %d", idx)
		}
	}
	l.each(t, conn, `select idx, idx from `+l.in+`.dead_letter where stream_id = $1::uuid`, func(idx, _ int64) { note(idx, "dead_letter") })
	l.each(t, conn, `select first_idx, last_idx from `+l.in+`.stream_gap where stream_id = $1::uuid`, func(first, last int64) {
		for idx := first; idx <= last; idx++ {
			note(idx, "stream_gap")
		}
	})
	require.Len(t, seen, int(last), "records that are there")
	for where, list := range map[string][]int64{"dead_letter": dead, "stream_gap": lost} {
		for _, idx := range list {
			require.Equal(t, where, seen[idx], "record %d", idx)
			delete(seen, idx)
		}
	}
	for idx, where := range seen {
		require.True(t, where == "event" && idx <= last, "record %d is in %s", idx, where)
	}
	require.Equal(t, last, l.cursor(t))
	l.requireCounts(t, conn, last, int64(len(dead)), int64(len(lost)))
}

func (l *ledger) cursor(t *testing.T) int64 {
	t.Helper()
	last, err := l.store.Cursor(t.Context(), strata.CursorParams{Stream: l.stream})
	require.NoError(t, err)
	return last
}

// requireCounts checks what batches, tickets and the stream say of themselves.
func (l *ledger) requireCounts(t *testing.T, conn *pgx.Conn, last, dead, lost int64) {
	t.Helper()
	var rows, rejected, streamRejected, wrong int64
	require.NoError(t, conn.QueryRow(t.Context(), `
select coalesce(sum(n_rows), 0), coalesce(sum(n_rejected), 0), coalesce((select rejected from `+l.in+`.stream where stream_id = $1::text::uuid), 0),
    count(*) filter (where n_rows <> (select count(*) from `+l.in+`.event e where e.batch_id = b.batch_id and e.received_at = b.received_at))
from `+l.in+`.batch b where stream_id = $1::text::uuid`, l.stream.String()).Scan(&rows, &rejected, &streamRejected, &wrong))
	require.Equal(t, last-dead-lost, rows, "rows of batches")
	require.Equal(t, dead, rejected, "rejected records of batches")
	require.Equal(t, dead, streamRejected, "rejected records of the stream")
	require.Zero(t, wrong, "batches whose number of events is not what they say")
}

func (l *ledger) each(t *testing.T, conn *pgx.Conn, sql string, f func(a, b int64)) {
	t.Helper()
	//lint:ignore rowserrcheck ForEachRow looks
	rows, err := conn.Query(t.Context(), sql, l.stream.String())
	require.NoError(t, err)
	var a, b int64
	_, err = pgx.ForEachRow(rows, []any{&a, &b}, func() error { f(a, b); return nil })
	require.NoError(t, err)
}

// storedRow is what is read of an event.
type storedRow struct {
	At                             time.Time
	Kind                           int16
	Forced                         bool
	Total, Discount, Items         int64
	Value                          float64
	User, Device, Session, Tenant  string
	Request, Name, Order, Currency string
	Details                        string
}

// stored reads the stream's events by their index.
func (l *ledger) stored(t *testing.T, conn *pgx.Conn) map[int64]storedRow {
	t.Helper()
	//lint:ignore rowserrcheck ForEachRow looks
	rows, err := conn.Query(t.Context(), `
select idx, event_time, kind, forced, coalesce(total, 0), coalesce(discount, 0), coalesce(items, 0), coalesce(value, 0), coalesce(user_id, ''), coalesce(device_id, ''), coalesce(session_id, ''),
    coalesce(tenant_id, ''), coalesce(request_id, ''), coalesce(name, ''), coalesce(order_id, ''), coalesce(currency, ''), coalesce(details::text, 'null')
from `+l.in+`.event join `+l.in+`.batch using (batch_id) where stream_id = $1::uuid`, l.stream.String())
	require.NoError(t, err)
	stored := make(map[int64]storedRow)
	var idx int64
	var r storedRow
	_, err = pgx.ForEachRow(rows, []any{&idx, &r.At, &r.Kind, &r.Forced, &r.Total, &r.Discount, &r.Items, &r.Value, &r.User, &r.Device, &r.Session, &r.Tenant, &r.Request, &r.Name, &r.Order, &r.Currency, &r.Details}, func() error {
		if _, twice := stored[idx]; twice {
			return fmt.Errorf("record %d is stored twice", idx)
		}
		r.At = r.At.UTC()
		r.Details = canonicalJSON(r.Details)
		stored[idx] = r
		return nil
	})
	require.NoError(t, err)
	return stored
}

func canonicalJSON(text string) string {
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return err.Error()
	}
	again, err := json.Marshal(v)
	return string(again) + fmt.Sprint(errors.Unwrap(err))
}

// expectedRow says which row a record makes, from the table's documentation
// rather than from the code that writes it.
func expectedRow(t *testing.T, r *strata.Record) storedRow {
	t.Helper()
	row := storedRow{At: r.Event.At(), Forced: r.Forced, User: r.Unit.User, Device: r.Unit.Device, Session: r.Unit.Session, Tenant: r.Unit.Tenant, Request: r.Unit.Request}
	details := "null"
	switch e := r.Event.(type) {
	case strata.Exposure:
		row.Kind, row.Name = 1, e.Experiment
		details = fmt.Sprintf(`{"phase":%d,"treatment":%q,"diversion":%q,"bucket":%d,"hash":%d,"plan_version":%d}`, e.Phase, e.Treatment, e.Diversion, e.Bucket, e.Hash, e.Version)
	case strata.PageView:
		row.Kind, row.Name = 2, e.Page
		require.Empty(t, e.Referrer)
	case strata.Purchase:
		row.Kind, row.Order, row.Total, row.Discount, row.Currency = 4, e.OrderID, e.Total, e.Discount, e.Currency
		require.Len(t, e.Items, 1)
		row.Items = e.Items[0].Quantity
		details = fmt.Sprintf(`{"items":[{"sku":%q,"quantity":%d,"price":%d}]}`, e.Items[0].SKU, e.Items[0].Quantity, e.Items[0].Price)
	case strata.Conversion:
		row.Kind, row.Name, row.Value = 5, e.Goal, e.Value
	default:
		require.Fail(t, "an event that the ledger does not know")
	}
	row.Details = canonicalJSON(details)
	return row
}
