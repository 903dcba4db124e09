package pgstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver that database/sql is tested with
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/pgstore"
)

var orders = []strata.Metric{
	{Key: "orders", Type: strata.MetricCount, Measure: strata.Measure{Event: strata.KindPurchase}},
	{Key: "revenue", Type: strata.MetricSum, Measure: strata.Measure{Event: strata.KindPurchase, Value: strata.ValueTotal, Currency: "EUR"}},
}

// revenue returns what the store counts for the users who were exposed to "e".
func revenue(t require.TestingT, s *pgstore.Store) (purchases, total float64, repeats int64) {
	results, err := s.Results(context.Background(), strata.ResultsParams{Experiment: "e", Metrics: orders})
	require.NoError(t, err)
	metrics := results.Treatments["control"].Metrics
	n, sum := metrics["orders"].Moments[0], metrics["revenue"].Moments[0]
	return math.Round(n.Mean(0) * float64(n.N())), math.Round(sum.Mean(0) * float64(sum.N())), results.RepeatedOrders
}

func exposed(user string, at time.Time) strata.Record {
	return strata.Record{Unit: strata.Unit{User: user}, Event: strata.Exposure{Time: at, Experiment: "e", Treatment: "control", Diversion: strata.ByUser, Hash: 1}}
}

func bought(order string, total int64) strata.Purchase {
	return strata.Purchase{OrderID: order, Total: total, Currency: "EUR"}
}

var ada = strata.Unit{User: "ada"}

// adaExposed opens a store in which ada was exposed.
func adaExposed(t *testing.T, dsn string) (s *pgstore.Store, schema string) {
	t.Helper()
	_, schema = pgtest.Schema(t)
	s = open(t, dsn, schema)
	require.NoError(t, s.Ingest(t.Context(), strata.Batch{Stream: strata.StreamID{1}, First: 1, Records: []strata.Record{exposed("ada", time.Now().Add(-time.Hour).Truncate(time.Microsecond))}}))
	return s, schema
}

// Events count if the application's transaction commits, whichever package it
// speaks to the server with, and never were if it does not.
func TestTrackTxIsPartOfTheTransaction(t *testing.T) {
	t.Parallel()
	c := pgtest.Shared(t)
	bouncer := pgtest.Bouncer(t, c)
	for name, dsn := range map[string]string{
		"plain":           c.DSN(),
		"simple_protocol": c.DSN() + "&default_query_exec_mode=simple_protocol",
		"PgBouncer":       bouncer + "&default_query_exec_mode=exec",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := adaExposed(t, dsn)
			pool, err := pgxpool.New(t.Context(), dsn)
			require.NoError(t, err)
			defer pool.Close()
			db, err := sql.Open("pgx", dsn)
			require.NoError(t, err)
			defer db.Close()

			tx, err := pool.Begin(t.Context())
			require.NoError(t, err)
			require.NoError(t, s.TrackTx(t.Context(), tx, ada, bought("1", 1), bought("2", 10)))
			savepoint, err := tx.Begin(t.Context())
			require.NoError(t, err)
			require.NoError(t, s.TrackTx(t.Context(), savepoint, ada, bought("undone", 100)))
			require.NoError(t, savepoint.Rollback(t.Context()))
			n, _, _ := revenue(t, s)
			require.Zero(t, n, "counted before the commit")
			require.NoError(t, tx.Commit(t.Context()))

			tx, err = pool.Begin(t.Context())
			require.NoError(t, err)
			require.NoError(t, s.TrackTx(t.Context(), tx, ada, bought("3", 1000)))
			require.NoError(t, tx.Rollback(t.Context()))

			standard, err := db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			require.NoError(t, s.TrackTx(t.Context(), standard, ada, bought("4", 10_000), bought("1", 5)))
			require.NoError(t, s.TrackTx(t.Context(), standard, ada))
			require.NoError(t, standard.Commit())
			standard, err = db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			require.NoError(t, s.TrackTx(t.Context(), standard, ada, bought("5", 100_000)))
			require.NoError(t, standard.Rollback())

			n, total, repeats := revenue(t, s)
			require.EqualValues(t, 3, n)
			require.EqualValues(t, 10_011, total)
			require.EqualValues(t, 1, repeats)
			f, err := s.Freshness(t.Context())
			require.NoError(t, err)
			require.Zero(t, f.Outbox)
		})
	}
}

func TestTrackTxRefusesWhatTrackRefuses(t *testing.T) {
	t.Parallel()
	s, _ := adaExposed(t, pgtest.Shared(t).DSN())
	pool, err := pgxpool.New(t.Context(), pgtest.Shared(t).DSN())
	require.NoError(t, err)
	defer pool.Close()
	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Commit(t.Context()), "what is refused leaves the transaction as it was") }()
	for field, c := range map[string]struct {
		unit  strata.Unit
		event strata.Event
	}{
		"Unit":      {strata.Unit{}, bought("1", 1)},
		"Unit.User": {strata.Unit{User: "a\x00"}, bought("1", 1)},
		"Event":     {ada, strata.Exposure{}},
		"Event ":    {ada, nil},
		"OrderID":   {ada, bought("", 1)},
		"Value":     {ada, strata.Conversion{Goal: "g", Value: math.NaN()}},
		"Time":      {ada, strata.PageView{Page: "/", Time: time.Now().AddDate(1, 0, 0)}},
	} {
		err := s.TrackTx(t.Context(), tx, c.unit, bought("good", 1), c.event)
		var refused *strata.EventError
		require.ErrorAs(t, err, &refused, field)
		require.Equal(t, strings.TrimSpace(field), refused.Field)
	}
	for _, none := range []any{pool, nil, 1, new(sql.DB)} {
		require.ErrorIs(t, s.TrackTx(t.Context(), none, ada, bought("1", 1)), strata.ErrConfig)
	}
	f, err := s.Freshness(t.Context())
	require.NoError(t, err)
	require.Zero(t, f.Outbox)
}

// oddEvents have in their fields what is easily rounded, cut or escaped.
func oddEvents() []strata.Event {
	at := time.Date(2024, 2, 29, 23, 59, 59, 123456000, time.UTC)
	text := "é🙂\u2028 <&> \\u0000 \ufffd \"'$1;--\x01\t"
	return []strata.Event{
		strata.PageView{Time: at, Page: text, Referrer: text},
		strata.Click{Time: at, Target: text, Page: text},
		strata.Purchase{Time: at, OrderID: text, Total: -999_999_999_999_999, Discount: 999_999_999_999_999, Currency: "EUR",
			Items: []strata.Item{{SKU: text, Quantity: -999_999_999, Price: 999_999_999_999_999}, {SKU: "b", Quantity: 1, Price: -1}}},
		strata.Conversion{Time: at, Goal: text, Value: 0.1 + 0.2},
		strata.Conversion{Time: at, Goal: "negative zero", Value: math.Copysign(0, -1)},
		strata.Conversion{Time: at, Goal: "small", Value: math.SmallestNonzeroFloat64},
		strata.Custom{Time: at, EventName: text, Value: -1e15, Properties: map[string]any{
			text: text, "int": math.MaxInt64 - 1, "int64": int64(math.MinInt64), "true": true, "false": false, "empty": "", "pi": math.Pi,
			"whole": 1.0, "large": 1.7976931348623157e308, "wide": 123456789012345680000.0, "beyond": float64(1<<53 + 2), "tiny": 5e-324,
		}},
		strata.Custom{Time: at, EventName: "nothing"},
	}
}

const eventFields = `event_time, total, discount, items, value, kind, forced, user_id, device_id, session_id, tenant_id, request_id, name, order_id, currency, details::text`

// What goes through the outbox is stored as what goes through Ingest.
func TestTrackTxKeepsEveryField(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared(t).DSN()
	s, schema := adaExposed(t, dsn)
	unit := strata.Unit{User: "ü", Device: "d", Session: "s\\", Tenant: "t\"", Request: "r"}
	var direct []strata.Record
	for _, e := range oddEvents() {
		direct = append(direct, strata.Record{Unit: unit, Event: e})
	}
	require.NoError(t, s.Ingest(t.Context(), strata.Batch{Stream: strata.StreamID{2}, First: 1, Records: direct}))
	pool, err := pgxpool.New(t.Context(), dsn)
	require.NoError(t, err)
	defer pool.Close()
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return s.TrackTx(t.Context(), tx, unit, oddEvents()...) }))
	_, err = s.RollUp(t.Context())
	require.NoError(t, err)
	stored := func(where string) []string {
		return query(t, dsn, `select `+eventFields+` from `+quoted(schema)+`.event e join `+quoted(schema)+`.batch b using (batch_id) where user_id = 'ü' and `+where+` order by e.idx`)
	}
	require.Len(t, stored("stream_id is null"), len(direct))
	require.Equal(t, stored("stream_id is not null"), stored("stream_id is null"))
	require.Empty(t, query(t, dsn, `select * from `+quoted(schema)+`.dead_letter`))
}

// What cannot be read is put aside, as it was, and holds up nothing; nor does
// what only the server refuses.
func TestOutboxPutsAsideWhatItCannotKeep(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared(t).DSN()
	s, schema := adaExposed(t, dsn)
	in := quoted(schema)
	bad := []string{`1`, `{}`, `"\u0000"`, `{"kind":"purchase","time":"2025-01-01T00:00:00Z","unit":{"user":"ada"},"order_id":"x","currency":"EUR","new":1}`,
		`{"kind":"custom","time":"2025-01-01T00:00:00Z","unit":{"user":"ada"},"name":"x","properties":{"a":[1]}}`,
		`{"kind":"refund","time":"2025-01-01T00:00:00Z","unit":{"user":"ada"}}`}
	pool, err := pgxpool.New(t.Context(), dsn)
	require.NoError(t, err)
	defer pool.Close()
	for i, record := range bad {
		_, err := pool.Exec(t.Context(), `insert into `+in+`.outbox (record) values ($1)`, record)
		require.NoError(t, err)
		require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return s.TrackTx(t.Context(), tx, ada, bought(fmt.Sprint(i), 1)) }))
	}
	n, _, _ := revenue(t, s)
	require.EqualValues(t, len(bad), n)
	require.ElementsMatch(t, bad, query(t, dsn, `select convert_from(record, 'UTF8') from `+in+`.dead_letter where stream_id = '00000000-0000-0000-0000-000000000000'`))

	_, err = pool.Exec(t.Context(), `alter table `+in+`.event add constraint no_thirteen check (total <> 13)`)
	require.NoError(t, err)
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		return s.TrackTx(t.Context(), tx, ada, bought("a", 1), bought("b", 13), bought("c", 1))
	}))
	n, total, _ := revenue(t, s)
	require.EqualValues(t, len(bad)+2, n)
	require.EqualValues(t, len(bad)+2, total)
	require.Len(t, query(t, dsn, `select * from `+in+`.dead_letter where sqlstate = '23514' and record::text is not null`), 1)
}

// A transaction that stays open holds up neither other writers nor results, and
// is counted when it commits.
func TestTrackTxInALongTransaction(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared(t).DSN()
	s, _ := adaExposed(t, dsn)
	pool, err := pgxpool.New(t.Context(), dsn)
	require.NoError(t, err)
	defer pool.Close()
	long, err := pool.Begin(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.TrackTx(t.Context(), long, ada, bought("long", 1)))
	for i := range 3 {
		require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return s.TrackTx(t.Context(), tx, ada, bought(fmt.Sprint(i), 10)) }))
	}
	require.NoError(t, s.Ingest(t.Context(), strata.Batch{Stream: strata.StreamID{1}, First: 2, Records: []strata.Record{{Unit: ada, Event: strata.Purchase{Time: time.Now(), OrderID: "direct", Total: 100, Currency: "EUR"}}}}))
	_, total, _ := revenue(t, s)
	require.EqualValues(t, 130, total)
	require.NoError(t, long.Commit(t.Context()))
	_, total, _ = revenue(t, s)
	require.EqualValues(t, 131, total)
}

// Several processes empty the outbox while it is filled: nothing is lost or
// counted twice, and who asks for results waits for what others are moving.
func TestOutboxHasSeveralMovers(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared(t).DSN()
	s, schema := adaExposed(t, dsn)
	other := open(t, dsn, schema)
	pool, err := pgxpool.New(t.Context(), dsn)
	require.NoError(t, err)
	defer pool.Close()
	const writers, each = 4, 50
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				store := []*pgstore.Store{s, other}[(w+i)%2]
				err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
					return store.TrackTx(t.Context(), tx, ada, bought(fmt.Sprintf("%d-%d", w, i), 1))
				})
				if !assert.NoError(t, err) {
					return
				}
				n, _, _ := revenue(assertion{t}, store)
				assert.GreaterOrEqual(t, n, float64(i+1), "an order that was committed is missing")
			}
		})
	}
	all.Wait()
	n, total, repeats := revenue(t, s)
	require.EqualValues(t, writers*each, n)
	require.EqualValues(t, writers*each, total)
	require.Zero(t, repeats)
}

// assertion makes require usable in goroutines: it marks the test as failed and
// ends the goroutine.
type assertion struct{ *testing.T }

// FailNow ends the goroutine.
func (a assertion) FailNow() {
	a.Fail()
	runtime.Goexit()
}

// A process that is killed between the events and the commit leaves nothing, and
// one that is killed behind the commit has its events counted by others.
func TestTrackTxOfAProcessThatIsKilled(t *testing.T) {
	if dsn := os.Getenv("TRACKTX_VICTIM"); dsn != "" {
		trackAndWait(t, dsn, os.Getenv("TRACKTX_SCHEMA"), os.Getenv("TRACKTX_COMMIT") != "")
		return
	}
	t.Parallel()
	dsn := pgtest.Shared(t).DSN()
	s, schema := adaExposed(t, dsn)
	for _, commit := range []string{"", "1"} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTrackTxOfAProcessThatIsKilled$", "-test.timeout=2m")
		cmd.Env = append(os.Environ(), "TRACKTX_VICTIM="+dsn, "TRACKTX_SCHEMA="+schema, "TRACKTX_COMMIT="+commit)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		said := ""
		for !strings.Contains(said, "tracked") {
			var b [64]byte
			n, err := out.Read(b[:])
			said += string(b[:n])
			require.NoError(t, err, said)
		}
		require.NoError(t, cmd.Process.Kill())
		require.Error(t, cmd.Wait())
		_, total, _ := revenue(t, s)
		require.EqualValues(t, map[string]int{"": 0, "1": 7}[commit], total)
	}
}

func trackAndWait(t *testing.T, dsn, schema string, commit bool) {
	s, err := pgstore.Open(t.Context(), dsn, pgstore.Config{Schema: schema, NoRollup: true})
	require.NoError(t, err)
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.TrackTx(t.Context(), tx, ada, bought("killed", 7)))
	if commit {
		require.NoError(t, tx.Commit(t.Context()))
	}
	_, err = os.Stdout.WriteString("tracked\n")
	require.NoError(t, err)
	select {} // until it is killed
}

// No table holds an id of somebody for whom it has a pseudonym: neither the
// outbox nor what is put aside.
func TestPseudonymsOnEveryWayIn(t *testing.T) {
	t.Parallel()
	dsn, schema := pgtest.Schema(t)
	s, err := pgstore.Open(t.Context(), dsn, pgstore.Config{Schema: schema, NoRollup: true, PseudonymKey: []byte("sixteen bytes or more")})
	require.NoError(t, err)
	defer s.Close()
	in := quoted(schema)
	require.NoError(t, pgtest.Shared(t).Exec(t.Context(), `alter table `+in+`.event add constraint no_thirteen check (total <> 13)`))
	grace := strata.Unit{User: "grace-hopper", Device: "device-of-hopper"}
	refused := bought("refused", 13)
	refused.Time = time.Now()
	require.NoError(t, s.Ingest(t.Context(), strata.Batch{Stream: strata.StreamID{3}, First: 1, Records: []strata.Record{{Unit: grace, Event: refused}, exposed("grace-hopper", time.Now().Add(-time.Minute))}}))
	pool, err := pgxpool.New(t.Context(), dsn)
	require.NoError(t, err)
	defer pool.Close()
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		require.ErrorIs(t, s.TrackTx(t.Context(), tx, strata.Unit{User: "hopper\x00"}, bought("bad", 1)), strata.ErrInvalidEvent)
		return s.TrackTx(t.Context(), tx, grace, bought("refused", 13), bought("good", 5))
	}))
	held := func() []string {
		return query(t, dsn, `select 'outbox' from `+in+`.outbox where record::text like '%hopper%' union all select 'dead_letter' from `+in+`.dead_letter where convert_from(record, 'UTF8') || reason like '%hopper%' union all select 'event' from `+in+`.event e where e::text like '%hopper%'`)
	}
	require.Empty(t, held())
	_, total, _ := revenue(t, s)
	require.EqualValues(t, 5, total)
	require.Len(t, query(t, dsn, `select * from `+in+`.dead_letter`), 2)
	require.Empty(t, held())
}
