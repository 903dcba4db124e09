package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/strataxp/strata/internal/pgserver"
)

// storedDays is how many days the events of a history spread over, whatever their number.
const storedDays = 20

// history is a database to which events are added; on the way it is measured. Curves ask
// for ascending numbers of events, and share what was found.
type history struct {
	server *pgserver.Server
	extent extent

	visitor *visitor // nil until it is needed
	dsn     string
	empty   float64 // bytes of the database without an event
	events  int
	found   map[int]landmark
}

// landmark is what was measured at a number of events.
type landmark struct{ ingest, rollup, report, running, bytes float64 }

func (h *history) curves() []curve {
	list := []curve{
		{name: "stored-ingest", title: "Storing an event, by events stored",
			expected: "flat: a COPY to the end of a partition; the trees of its indexes grow by a level at most"},
		{name: "stored-rollup", title: "Rolling up an event, by events stored",
			expected: "flat: a unit's row is read and written with its own events, of which it has ten on average however many units there are; rows of units that come again lie anywhere, which costs more where memory does not hold them all"},
		{name: "stored-report", title: "A report when all windows are over, by events stored (20 days, 5 metrics)",
			expected: "flat: it reads one row for each day, metric and treatment, and the ends of an index"},
		{name: "stored-running", title: "A report while windows end, by events stored (20 days, 5 metrics)",
			expected: "flat, then linear in the units exposed on one day, some 0.5 % of the events: an index counts those whose window has ended since midnight"},
		{name: "stored-bytes", title: "Bytes on disk, indexes included, by events stored", unit: bytes,
			expected: "linear", exponent: 1},
	}
	values := []func(landmark) float64{
		func(l landmark) float64 { return l.ingest }, func(l landmark) float64 { return l.rollup },
		func(l landmark) float64 { return l.report }, func(l landmark) float64 { return l.running },
		func(l landmark) float64 { return l.bytes },
	}
	for i := range list {
		list[i].size, list[i].sizes = "events stored", h.extent.stored
		list[i].measure = func(size int) (float64, error) {
			l, err := h.at(context.Background(), size)
			return values[i](l), err
		}
	}
	return list
}

// at adds events up to a number, and measures there.
func (h *history) at(ctx context.Context, size int) (landmark, error) {
	if l, ok := h.found[size]; ok {
		return l, nil
	}
	if err := h.open(ctx); err != nil {
		return landmark{}, err
	}
	for h.events < size {
		if _, _, err := h.more(ctx, min(h.extent.chunk, size-h.events)); err != nil {
			return landmark{}, err
		}
	}
	l, err := h.measure(ctx)
	if err == nil {
		h.found[size] = l
	}
	return l, err
}

func (h *history) open(ctx context.Context) (err error) {
	if h.visitor != nil {
		return nil
	}
	v := &visitor{days: storedDays}
	if v.store, h.dsn, err = database(h.server, "stored"); err != nil {
		return err
	}
	h.visitor = v // what is open is closed
	if err := v.publish(ctx); err != nil {
		return err
	}
	h.empty, err = h.bytes(ctx)
	return err
}

func (h *history) close() {
	if h.visitor != nil {
		h.visitor.store.Close()
	}
}

func (h *history) more(ctx context.Context, n int) (ingest, rollup time.Duration, err error) {
	h.events += n
	return h.visitor.write(ctx, n)
}

// measure asks for reports and adds some events more: others on the machine, and the
// server's own checkpoints and vacuums, only ever add to the time, so the least counts.
func (h *history) measure(ctx context.Context) (l landmark, err error) {
	if l.bytes, err = h.bytes(ctx); err != nil {
		return l, err
	}
	l.bytes -= h.empty
	if l.report, err = h.visitor.reporting(ctx, 2*storedDays); err != nil {
		return l, err
	}
	// Its window of 14 days has ended for those of the first half of day 4.
	if l.running, err = h.visitor.reporting(ctx, 18.5); err != nil {
		return l, err
	}
	for range 3 {
		ingest, rollup, err := h.more(ctx, h.extent.chunk)
		if err != nil {
			return l, err
		}
		l.ingest = least0(l.ingest, float64(ingest.Nanoseconds())/float64(h.extent.chunk))
		l.rollup = least0(l.rollup, float64(rollup.Nanoseconds())/float64(h.extent.chunk))
	}
	return l, nil
}

// least0 is the smaller of two; zero stands for none.
func least0(a, b float64) float64 {
	if a == 0 {
		return b
	}
	return min(a, b)
}

func (h *history) bytes(ctx context.Context) (n float64, err error) {
	conn, err := pgx.Connect(ctx, h.dsn)
	if err != nil {
		return 0, err
	}
	err = conn.QueryRow(ctx, "select pg_database_size(current_database())::float8").Scan(&n)
	//lint:ignore errcheck the query's error says more
	_ = conn.Close(ctx)
	return n, err
}

// months is the curve of a report with results by day.
func months(server *pgserver.Server, e extent) curve {
	return curve{
		name: "months", title: "A report with results by day, by days (200,000 events)", size: "days", sizes: e.days,
		expected: "linear, and a fixed part: there is a row for each day, metric and treatment, and a standing of each metric at the end of each day", exponent: 1,
		measure: func(days int) (float64, error) {
			const name = "months"
			t, err := reportOver(context.Background(), server, name, days, e)
			return t, dropping(server, name, err)
		},
	}
}

func reportOver(ctx context.Context, server *pgserver.Server, name string, days int, e extent) (float64, error) {
	store, _, err := database(server, name)
	if err != nil {
		return 0, err
	}
	defer store.Close()
	v := &visitor{store: store, days: days}
	if err := v.publish(ctx); err != nil {
		return 0, err
	}
	for written := 0; written < e.spread; written += e.chunk {
		if _, _, err := v.write(ctx, e.chunk); err != nil {
			return 0, err
		}
	}
	return v.reporting(ctx, float64(days))
}
