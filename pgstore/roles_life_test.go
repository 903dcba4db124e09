package pgstore_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/pgstore"
)

// lifePlan measures the orders of users exposed to "e".
func lifePlan(version int64) *strata.Plan {
	return &strata.Plan{
		Version: version, Metrics: orders,
		Layers: []strata.Layer{{Key: "l", Diversion: strata.ByUser}},
		Experiments: []strata.Experiment{{
			Key: "e", Layer: "l", Status: strata.StatusRunning, Metrics: []string{"orders", "revenue"},
			Treatments: []strata.Treatment{{Key: "control", Weight: 1}, {Key: "variant", Weight: 1}},
		}},
	}
}

// A program lives with the application's rights alone, and reports with the
// reader's; neither can do harm to the tables.
func TestLifeWithRoles(t *testing.T) {
	t.Parallel()
	c := pgtest.Shared(t)
	app, reader := newRole(t, c, "a"), newRole(t, c, "r")
	asApp, asReader := c.DSNFor(app, "a"), c.DSNFor(reader, "r")
	_, schema := pgtest.Schema(t)
	require.NoError(t, pgstore.Migrate(t.Context(), c.DSN(), pgstore.MigrateParams{Schema: schema}))
	grants, err := pgstore.RolesSQL(schema, app, reader)
	require.NoError(t, err)
	require.NoError(t, c.Exec(t.Context(), grants))

	s, err := pgstore.Open(t.Context(), asApp, pgstore.Config{Schema: schema, NoMigrate: true, NoRollup: true})
	require.NoError(t, err)
	defer s.Close()
	for version := range int64(2) {
		_, err = s.PutPlan(t.Context(), strata.PutPlanParams{Plan: lifePlan(version), Author: "a", At: time.Now()})
		require.NoError(t, err)
	}
	l := newLedger(t, s, asReader, schema, purchases(11)...)
	l.records = append(l.records, strata.Record{Unit: strata.Unit{User: "\x00"}, Event: strata.PageView{Time: time.Now(), Page: "/"}})
	b := l.batch(1, 12)
	require.NoError(t, s.Ingest(t.Context(), b))
	conn, err := pgx.Connect(t.Context(), asApp)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	require.NoError(t, pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error { return s.TrackTx(t.Context(), tx, ada, bought("tx", 90)) }))

	r, err := pgstore.Open(t.Context(), asReader, pgstore.Config{Schema: schema, ReadOnly: true})
	require.NoError(t, err)
	defer r.Close()
	f, err := r.Freshness(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, f.Batches)
	require.EqualValues(t, 1, f.Outbox)
	require.Empty(t, exposedUnits(t, r), "nobody has rolled up yet")
	v, err := r.Verify(t.Context())
	require.NoError(t, err)
	require.True(t, v.OK(), "%v", v.Found)
	require.Zero(t, v.Events, "a reader rolls nothing up")
	_, total, _ := revenue(t, s)
	require.EqualValues(t, 100, total)
	require.Len(t, exposedUnits(t, s), 1)

	f, err = r.Freshness(t.Context())
	require.NoError(t, err)
	require.Zero(t, f.Batches+f.Outbox)
	v, err = r.Verify(t.Context())
	require.NoError(t, err)
	require.True(t, v.OK(), "%v", v.Found)
	require.Positive(t, v.Events)
	require.Equal(t, everyResult(t, s), everyResult(t, r))
	require.Equal(t, exposedUnits(t, s), exposedUnits(t, r))
	for _, store := range []*pgstore.Store{s, r} {
		list, err := store.Exposures(t.Context(), ada)
		require.NoError(t, err)
		require.Len(t, list, 1)
		_, err = store.Plan(t.Context(), strata.PlanParams{})
		require.NoError(t, err)
	}
	l.requireReadable(t)
	_, err = s.DropPartitions(t.Context(), time.Now().Add(24*time.Hour))
	require.ErrorIs(t, err, pgstore.ErrPrivilege)

	for _, table := range []string{"event", "unit_state", "result_day", "exposure", "outbox", "stream", "batch", "dead_letter", "rollup_ticket", "subject", "treatment", "purchase_order", "rollup_config", partitionName(t, c.DSN(), 0)} {
		table = quoted(schema) + "." + table
		requireDenied(t, asApp, "drop table "+table, "truncate "+table, "alter table "+table+" add column x int", "create index on "+table+" ((1))")
		requireDenied(t, asReader, "drop table "+table, "truncate "+table, "delete from "+table, "select * from "+table+" for update", "insert into "+table+" default values")
	}
	requireDenied(t, asApp, "select "+quoted(schema)+".drop_partitions(current_date)")
	requireDenied(t, asReader, "select "+quoted(schema)+".drop_partitions(current_date)", "select "+quoted(schema)+".make_partitions(9)")
}

// requireReadable reads every table and view as the ledger's role.
func (l *ledger) requireReadable(t *testing.T) {
	t.Helper()
	all := query(t, l.dsn, `select c.relname from pg_class c where c.relnamespace = $1::text::regnamespace and c.relkind in ('r', 'p', 'v')`, l.in)
	require.Greater(t, len(all), 20)
	for _, table := range all {
		query(t, l.dsn, `select count(*) from `+l.in+`.`+quoted(table))
	}
}

func exposedUnits(t *testing.T, s *pgstore.Store) (list []strata.ExposedUnit) {
	t.Helper()
	for unit, err := range s.Exposed(t.Context(), strata.ExposedParams{Experiment: "e"}) {
		require.NoError(t, err)
		list = append(list, unit)
	}
	return list
}

// A store that may only read says so when it is asked to write, and changes
// nothing, not even with the rights to.
func TestReadOnlyStore(t *testing.T) {
	t.Parallel()
	dsn, schema := pgtest.Schema(t)
	_, err := pgstore.Open(t.Context(), dsn, pgstore.Config{Schema: schema, ReadOnly: true})
	require.ErrorIs(t, err, pgstore.ErrSchemaVersion, "it does not migrate")
	s := open(t, dsn, schema)
	l := newLedger(t, s, dsn, schema, purchases(3)...)
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	_, err = pgstore.Open(t.Context(), dsn, pgstore.Config{Schema: schema, ReadOnly: true, Zone: berlin})
	require.ErrorIs(t, err, strata.ErrConfig)

	r, err := pgstore.Open(t.Context(), dsn, pgstore.Config{Schema: schema, ReadOnly: true})
	require.NoError(t, err)
	defer r.Close()
	_, err = r.PutPlan(t.Context(), strata.PutPlanParams{Plan: lifePlan(0), Author: "a"})
	require.ErrorIs(t, err, pgstore.ErrReadOnly)
	require.ErrorIs(t, r.Ingest(t.Context(), l.batch(1, 3)), pgstore.ErrReadOnly)
	_, err = r.Cursor(t.Context(), strata.CursorParams{Stream: l.stream})
	require.ErrorIs(t, err, pgstore.ErrReadOnly)
	_, err = r.RollUp(t.Context())
	require.ErrorIs(t, err, pgstore.ErrReadOnly)
	_, err = r.DropPartitions(t.Context(), time.Now())
	require.ErrorIs(t, err, pgstore.ErrReadOnly)
	_, err = r.Forget(t.Context(), ada)
	require.ErrorIs(t, err, pgstore.ErrReadOnly)
	require.ErrorIs(t, r.TrackTx(t.Context(), nil, ada, bought("1", 1)), pgstore.ErrReadOnly)
	l.require(t, 0, nil, nil)
}
