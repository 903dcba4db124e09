package pgstore_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/pgstore"
)

// attacked opens a store whose tables a test may do anything to, and a ledger of
// n records.
func attacked(t *testing.T, n int) (s *pgstore.Store, l *ledger) {
	t.Helper()
	dsn, schema := pgtest.Schema(t)
	s = open(t, dsn, schema)
	return s, newLedger(t, s, dsn, schema, manyRecords(n)...)
}

// sql runs a statement in which {event} and so on stand for tables.
func (l *ledger) sql(t *testing.T, statement string) {
	t.Helper()
	statement = strings.NewReplacer("{event}", l.in+".event", "{in}", l.in).Replace(statement)
	require.NoError(t, pgtest.Shared(t).Exec(t.Context(), statement), statement)
}

// Records that no table could keep are put aside once each, as they were, and
// the rest is stored; where many are such, the batch is refused.
func TestP11UnstorableRecordsAreDeadLetters(t *testing.T) {
	t.Parallel()
	_, l := attacked(t, 1000)
	at := time.Unix(1e9, 0).UTC()
	bad := map[int64]strata.Record{
		1:    {Unit: strata.Unit{User: "a\x00b"}, Event: strata.PageView{Time: at, Page: "/"}},
		2:    {Unit: ada, Event: strata.PageView{Time: at, Page: "\xff\xfe"}},
		17:   {Unit: ada, Event: strata.Custom{Time: at, EventName: "x", Properties: map[string]any{"k": "\x00"}}},
		18:   {Unit: ada, Event: strata.Custom{Time: at, EventName: "x", Properties: map[string]any{"k": func() {}}}},
		19:   {Unit: ada, Event: strata.Exposure{Time: at, Experiment: "e", Attributes: map[string]string{"k\xff": "v"}}},
		500:  {Unit: ada, Event: strata.PageView{Time: time.Date(300_000, 1, 1, 0, 0, 0, 0, time.UTC), Page: "/"}},
		501:  {Unit: ada, Event: &strata.PageView{Time: at, Page: "/"}},
		1000: {Unit: ada},
	}
	dead := []int64{}
	for idx, record := range bad {
		l.records[idx-1] = record
		dead = append(dead, idx)
	}
	l.records[600] = strata.Record{Unit: ada, Event: strata.PageView{Time: at, Page: strings.Repeat("é", 1<<20)}}
	require.NoError(t, l.all(t.Context()))
	l.require(t, 1000, dead, nil)
	require.Len(t, query(t, l.dsn, `select * from `+l.in+`.dead_letter where reason <> '' and length(record) > 1`), len(bad))

	for _, n := range []int{50, 100} { // up to three are put aside, four are refused
		more := newLedger(t, l.store, l.dsn, l.schema(), manyRecords(n)...)
		more.records[3], more.records[4], more.records[5], more.records[6] = bad[1], bad[2], bad[17], bad[18]
		require.ErrorIs(t, more.all(t.Context()), pgstore.ErrSchemaChanged)
		more.require(t, 0, nil, nil)
		more.records[6] = manyRecords(7)[6]
		require.NoError(t, more.all(t.Context()))
		more.require(t, int64(n), []int64{4, 5, 6}, nil)
	}
}

// Records that only the server refuses are found and put aside, wherever in the
// batch they stand; too many of them are taken for a fault of the table, and
// nothing is lost: when the fault is gone, everything is stored.
func TestU10RecordsThatTheServerRefuses(t *testing.T) {
	t.Parallel()
	const n = 1000
	for name, c := range map[string]struct {
		dead    []int64
		refused bool
	}{
		"first":      {dead: []int64{1}},
		"middle":     {dead: []int64{500}},
		"last":       {dead: []int64{n}},
		"neighbours": {dead: []int64{7, 8}},
		"ten":        {dead: []int64{1, 2, 3, 200, 201, 500, 501, 502, 999, n}},
		"eleven":     {dead: []int64{1, 2, 3, 200, 201, 500, 501, 502, 503, 999, n}, refused: true},
		"all":        {refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, l := attacked(t, n)
			for _, idx := range c.dead {
				l.records[idx-1].Unit.Device = "refused"
			}
			condition := "device_id <> 'refused'"
			if c.dead == nil {
				condition = "false"
			}
			l.sql(t, "alter table {event} add constraint some_rule check ("+condition+")")
			if !c.refused {
				require.NoError(t, l.all(t.Context()))
				l.require(t, n, c.dead, nil)
				require.Len(t, query(t, l.dsn, `select * from `+l.in+`.dead_letter where sqlstate = '23514' and reason like '%some_rule%'`), len(c.dead))
				return
			}
			for range 3 {
				require.ErrorIs(t, l.all(t.Context()), pgstore.ErrSchemaChanged)
				l.require(t, 0, nil, nil)
			}
			l.sql(t, "alter table {event} drop constraint some_rule")
			require.NoError(t, l.all(t.Context()))
			l.require(t, n, nil, nil)
		})
	}
}

// breakages are changes of the event table that its writer must not live with,
// and what takes them back. Some have the width of the old type, so that the
// server would take the bits of one for the other without a word.
var breakages = map[string][2]string{
	"int8 to float8":      {"alter column total type float8", "alter column total type int8"},
	"int8 to numeric":     {"alter column total type numeric", "alter column total type int8"},
	"int8 to int4":        {"alter column total type int4", "alter column total type int8"},
	"int8 to timestamptz": {"alter column total type timestamptz using to_timestamp(total)", "alter column total type int8 using extract(epoch from total)::int8"},
	"int8 to text":        {"alter column total type text", "alter column total type int8 using total::int8"},
	"float8 to int8":      {"alter column value type numeric", "alter column value type float8"},
	"jsonb to text":       {"alter column details type text", "alter column details type jsonb using details::jsonb"},
	"column renamed":      {"rename column device_id to device", "rename column device to device_id"},
	"table renamed":       {"rename to events", ""},
	"column required":     {"add column extra int not null default 1; alter table {event} alter column extra drop default", "drop column extra"},
}

func TestP9EventTableThatChanges(t *testing.T) {
	t.Parallel()
	for name, change := range breakages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, l := attacked(t, 300)
			require.NoError(t, l.store.Ingest(t.Context(), l.batch(1, 100)), "so that connections know the table")
			l.sql(t, "alter table {event} "+change[0])
			for range 2 {
				require.ErrorIs(t, l.store.Ingest(t.Context(), l.batch(101, 200)), pgstore.ErrSchemaChanged)
			}
			if change[1] == "" {
				l.sql(t, "alter table {in}.events rename to event")
			} else {
				l.sql(t, "alter table {event} "+change[1])
			}
			l.require(t, 100, nil, nil)
			_, err := l.drain(t.Context(), 50)
			require.NoError(t, err)
			l.require(t, 300, nil, nil)
			_, err = s.RollUp(t.Context())
			require.NoError(t, err)
		})
	}
}

// The rollup, too, would take the bits of one type for another: it waits until
// the column is back, and counts what was meant.
func TestRollupOfATableThatChanges(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"int8 to float8", "int8 to timestamptz", "int8 to numeric", "int8 to int4", "column renamed"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn, schema := pgtest.Schema(t)
			s, err := pgstore.Open(t.Context(), dsn, pgstore.Config{Schema: schema, NoRollup: true})
			require.NoError(t, err)
			defer s.Close()
			at := time.Unix(1e9, 0).UTC()
			l := newLedger(t, s, dsn, schema, exposed("ada", at), strata.Record{Unit: ada, Event: strata.Purchase{Time: at, OrderID: "1", Total: 12_345, Currency: "EUR"}})
			require.NoError(t, l.all(t.Context()))
			l.sql(t, "alter table {event} "+breakages[name][0])
			_, err = s.RollUp(t.Context())
			require.Error(t, err)
			l.sql(t, "alter table {event} "+breakages[name][1])
			_, total, _ := revenue(t, s)
			require.EqualValues(t, 12_345, total)
		})
	}
}

// What is added to the table is no business of the writer's.
func TestP9EventTableMayGrow(t *testing.T) {
	t.Parallel()
	_, l := attacked(t, 200)
	require.NoError(t, l.store.Ingest(t.Context(), l.batch(1, 100)))
	l.sql(t, "alter table {event} add column note text, add column n int not null default 7; create index on {event} (user_id)")
	require.NoError(t, l.store.Ingest(t.Context(), l.batch(101, 200)))
	l.require(t, 200, nil, nil)
}

// A column that was dropped takes its values with it; what is written later is
// all there.
func TestP9EventTableLacksAColumn(t *testing.T) {
	t.Parallel()
	_, l := attacked(t, 100)
	l.sql(t, "alter table {event} drop column request_id")
	err := l.all(t.Context())
	require.ErrorIs(t, err, pgstore.ErrSchemaChanged)
	require.ErrorContains(t, err, "request_id")
	l.sql(t, "alter table {event} add column request_id text")
	require.NoError(t, l.all(t.Context()))
	l.require(t, 100, nil, nil)
}

// The table changes to and fro while a writer is at it.
func TestP9EventTableChangesUnderLoad(t *testing.T) {
	t.Parallel()
	_, l := attacked(t, 6000)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var changing sync.WaitGroup
	changing.Go(func() {
		for _, name := range []string{"int8 to float8", "int8 to timestamptz", "int8 to numeric", "column renamed", "jsonb to text"} {
			for _, statement := range breakages[name] {
				assert.NoError(t, pgtest.Shared(t).Exec(ctx, "alter table "+l.in+".event "+statement), name)
			}
		}
	})
	_, err := l.drain(ctx, 20)
	changing.Wait()
	require.NoError(t, err)
	l.require(t, 6000, nil, nil)
}

// While somebody has locked the table, a writer waits as long as its context
// lets it, and nothing is lost.
func TestP12EventTableIsLocked(t *testing.T) {
	t.Parallel()
	_, l := attacked(t, 100)
	conn, err := pgx.Connect(t.Context(), l.dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "lock table "+l.in+".event in access exclusive mode")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, l.all(ctx), context.DeadlineExceeded)
	stored := make(chan error)
	go func() { stored <- l.all(t.Context()) }()
	require.NoError(t, tx.Rollback(t.Context()))
	require.NoError(t, <-stored)
	l.require(t, 100, nil, nil)
}

// Indexes that a writer declares lost are entered as a gap, with the batch.
func TestGapsAreEntered(t *testing.T) {
	t.Parallel()
	_, l := attacked(t, 50)
	gap := func(first, last, lost int64) strata.Batch {
		b := l.batch(first, last)
		b.Gap = lost
		return b
	}
	require.NoError(t, l.store.Ingest(t.Context(), gap(6, 10, 5)))
	require.ErrorIs(t, l.store.Ingest(t.Context(), gap(13, 14, 1)), strata.ErrCursor)
	require.ErrorIs(t, l.store.Ingest(t.Context(), gap(6, 10, 5)), strata.ErrCursor)
	l.require(t, 10, nil, []int64{1, 2, 3, 4, 5})
	require.NoError(t, l.store.Ingest(t.Context(), strata.Batch{Stream: l.stream, First: 12, Gap: 1}))
	l.records[20].Unit.User = "\x00"
	require.NoError(t, l.store.Ingest(t.Context(), gap(14, 50, 2)))
	l.require(t, 50, []int64{21}, []int64{1, 2, 3, 4, 5, 11, 12, 13})
}

// Several writers have the same stream, as after a clone of a disk: each record
// is stored once, whoever is first.
func TestWritersOfOneStream(t *testing.T) {
	t.Parallel()
	_, l := attacked(t, 2000)
	l.records[999].Unit.Device = "refused"
	l.sql(t, "alter table {event} add constraint some_rule check (device_id <> 'refused')")
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			_, err := l.drain(t.Context(), 7+i*13)
			assert.NoError(t, err)
		})
	}
	all.Wait()
	l.require(t, 2000, []int64{1000}, nil)
}

// The server is full of other people's connections for a while.
func TestP7NoConnectionIsFree(t *testing.T) {
	t.Parallel()
	c := pgtest.Shared(t)
	_, l := attacked(t, 100)
	role := newRole(t, c, "p")
	grants, err := pgstore.RolesSQL(l.schema(), role, "")
	require.NoError(t, err)
	l.sql(t, grants)
	s, err := pgstore.Open(t.Context(), c.DSNFor(role, "p"), pgstore.Config{Schema: l.schema(), Lazy: true, NoRollup: true, NoMigrate: true})
	require.NoError(t, err)
	defer s.Close()
	l.store = s
	l.sql(t, fmt.Sprintf("alter role %s connection limit 0", quoted(role)))
	require.ErrorIs(t, l.all(t.Context()), pgstore.ErrConnection)
	l.sql(t, fmt.Sprintf("alter role %s connection limit -1", quoted(role)))
	require.NoError(t, l.all(t.Context()))
	l.require(t, 100, nil, nil)
}

// schema is the name without quotes.
func (l *ledger) schema() string {
	return strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(l.in, `"`), `"`), `""`, `"`)
}
