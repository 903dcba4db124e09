package pgstore_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/pgstore"
)

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }

// query returns the rows of a query as text, columns parted by bars.
func query(t *testing.T, dsn, sql string, args ...any) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	rows, err := conn.Query(t.Context(), sql, args...)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		values, err := row.Values()
		return strings.Trim(strings.ReplaceAll(fmt.Sprint(values...), "\n", " "), "[]"), err
	})
	require.NoError(t, err)
	return lines
}

// shape lists every column, index and view of a schema, but for the partitions of
// days, which are made by who opens a store.
func shape(t *testing.T, dsn, schema string) []string {
	t.Helper()
	return query(t, dsn, `
select format('%s %s.%s %s %s', c.relkind, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull)
from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relnamespace = (select oid from pg_namespace where nspname = $1) and c.relname !~ '^event_\d{8}' order by 1`, schema)
}

func newest(t *testing.T) int {
	t.Helper()
	list, err := pgstore.Migrations("")
	require.NoError(t, err)
	return len(list)
}

func TestMigrateGoesUpToZeroAndUpAgain(t *testing.T) {
	t.Parallel()
	dsn, schema := pgtest.Schema(t)
	shapes := [][]string{{}}
	for to := 1; to <= newest(t); to++ {
		require.NoError(t, pgstore.Migrate(t.Context(), dsn, pgstore.MigrateParams{Schema: schema, To: to}))
		shapes = append(shapes, shape(t, dsn, schema))
	}
	for to := newest(t) - 1; to >= 0; to-- {
		target := to
		if to == 0 {
			target = -1
		}
		require.NoError(t, pgstore.Migrate(t.Context(), dsn, pgstore.MigrateParams{Schema: schema, To: target}))
		require.ElementsMatch(t, shapes[to], shape(t, dsn, schema), "what version %d looks like on the way down", to)
	}
	require.NoError(t, pgstore.Migrate(t.Context(), dsn, pgstore.MigrateParams{Schema: schema}))
	require.Equal(t, shapes[newest(t)], shape(t, dsn, schema))
	require.NoError(t, pgstore.Migrate(t.Context(), dsn, pgstore.MigrateParams{Schema: schema}), "once more")
	for _, to := range []int{-2, newest(t) + 1} {
		require.ErrorIs(t, pgstore.Migrate(t.Context(), dsn, pgstore.MigrateParams{Schema: schema, To: to}), strata.ErrConfig)
	}
}

// The SQL for those with a tool of their own makes the same schema.
func TestMigrationsArePlainSQL(t *testing.T) {
	t.Parallel()
	dsn, byTool := pgtest.Schema(t)
	_, byUs := pgtest.Schema(t)
	open(t, dsn, byUs)
	list, err := pgstore.Migrations(byTool)
	require.NoError(t, err)
	for _, m := range list {
		require.NoError(t, pgtest.Shared(t).Exec(t.Context(), m.Up), m.Name)
	}
	require.Equal(t, shape(t, dsn, byUs), shape(t, dsn, byTool))
	s, err := pgstore.Open(t.Context(), dsn, pgstore.Config{Schema: byTool, NoMigrate: true})
	require.NoError(t, err)
	s.Close()
	for i := range list {
		m := list[len(list)-1-i]
		require.NoError(t, pgtest.Shared(t).Exec(t.Context(), m.Down), m.Name)
	}
	require.Empty(t, shape(t, dsn, byTool))
	_, err = pgstore.Migrations("pg_x")
	require.ErrorIs(t, err, strata.ErrConfig)
}

// Processes that start at once wait for each other, also behind PgBouncer, and
// although each has seen before that there was nothing.
func TestMigrateAtOnce(t *testing.T) {
	t.Parallel()
	c := pgtest.Shared(t)
	for _, dsn := range []string{c.DSN(), pgtest.Bouncer(t, c) + "&default_query_exec_mode=exec"} {
		_, schema := pgtest.Schema(t)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				s, err := pgstore.Open(t.Context(), dsn, pgstore.Config{Schema: schema})
				if assert.NoError(t, err) {
					s.Close()
				}
			})
		}
		all.Wait()
		require.Len(t, query(t, c.DSN(), "select * from "+quoted(schema)+".migration"), newest(t))
	}
}

func TestOpenRefusesAnotherVersion(t *testing.T) {
	t.Parallel()
	dsn, schema := pgtest.Schema(t)
	refused := func(cfg pgstore.Config, says string) {
		t.Helper()
		cfg.Schema = schema
		_, err := pgstore.Open(t.Context(), dsn, cfg)
		require.ErrorIs(t, err, pgstore.ErrSchemaVersion)
		require.ErrorContains(t, err, says)
	}
	refused(pgstore.Config{NoMigrate: true}, "run pgstore.Migrate")
	open(t, dsn, schema)
	s, err := pgstore.Open(t.Context(), dsn, pgstore.Config{Schema: schema, NoMigrate: true})
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, pgtest.Shared(t).Exec(t.Context(), "insert into "+quoted(schema)+".migration (version, name) values (9999, 'later')"))
	refused(pgstore.Config{}, "upgrade the program")
	refused(pgstore.Config{NoMigrate: true}, "upgrade the program")
	require.ErrorIs(t, pgstore.Migrate(t.Context(), dsn, pgstore.MigrateParams{Schema: schema, To: -1}), pgstore.ErrSchemaVersion)

	require.NoError(t, pgtest.Shared(t).Exec(t.Context(), "drop schema "+quoted(schema)+" cascade"))
	_, err = s.Plan(t.Context(), strata.PlanParams{})
	require.ErrorIs(t, err, pgstore.ErrSchemaVersion, "the schema was dropped under an open store")
}

// A step that fails leaves nothing of itself, and the steps before.
func TestMigrateIsAllOrNothing(t *testing.T) {
	t.Parallel()
	dsn, schema := pgtest.Schema(t)
	require.NoError(t, pgtest.Shared(t).Exec(t.Context(), "create schema "+quoted(schema)+"; create table "+quoted(schema)+".plan_version (mine int)"))
	before := shape(t, dsn, schema)
	require.ErrorContains(t, pgstore.Migrate(t.Context(), dsn, pgstore.MigrateParams{Schema: schema}), "already exists")
	require.Equal(t, before, shape(t, dsn, schema))
}
