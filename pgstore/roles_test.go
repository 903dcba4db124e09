package pgstore_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/pgstore"
)

// newRole makes a role that may log in, and nothing else.
func newRole(t *testing.T, c *pgtest.Cluster, password string) string {
	t.Helper()
	role := `Role "` + strings.ToLower(rand.Text()[:8])
	require.NoError(t, c.Exec(t.Context(), "create role "+quoted(role)+" login password '"+password+"'"))
	t.Cleanup(func() {
		require.NoError(t, c.Exec(context.WithoutCancel(t.Context()), "drop owned by "+quoted(role)+"; drop role "+quoted(role)))
	})
	return role
}

// requireDenied checks that a role lacks the privilege for each statement.
func requireDenied(t *testing.T, dsn string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	for _, sql := range statements {
		_, err := conn.Exec(t.Context(), sql)
		require.Error(t, err, sql)
		require.Contains(t, err.Error(), "42501", sql)
	}
}

func TestRolesAreGrantedWhatTheyNeed(t *testing.T) {
	t.Parallel()
	c := pgtest.Shared(t)
	owner, app, reader := newRole(t, c, "o"), newRole(t, c, "a"), newRole(t, c, "r")
	_, schema := pgtest.Schema(t)
	in := quoted(schema)
	require.NoError(t, c.Exec(t.Context(), "create schema "+in+" authorization "+quoted(owner)))
	require.NoError(t, pgstore.Migrate(t.Context(), c.DSNFor(owner, "o"), pgstore.MigrateParams{Schema: schema}), "the owner of a schema need not be able to create one")

	_, err := pgstore.Open(t.Context(), c.DSNFor(app, "a"), pgstore.Config{Schema: schema})
	require.ErrorIs(t, err, pgstore.ErrPrivilege)
	grants, err := pgstore.RolesSQL(schema, app, reader)
	require.NoError(t, err)
	asOwner := func(sql string) {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), c.DSNFor(owner, "o"))
		require.NoError(t, err)
		_, err = conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		require.NoError(t, err)
		require.NoError(t, conn.Close(t.Context()))
	}
	asOwner(grants)
	asOwner(grants) // may be run again
	asOwner("create table " + in + ".later (n int) partition by range (n); create table " + in + ".later_1 partition of " + in + ".later for values from (0) to (10)")

	s, err := pgstore.Open(t.Context(), c.DSNFor(app, "a"), pgstore.Config{Schema: schema})
	require.NoError(t, err)
	defer s.Close()
	_, err = s.PutPlan(t.Context(), strata.PutPlanParams{Plan: &strata.Plan{}, Author: "a", At: time.Unix(0, 0)})
	require.NoError(t, err)
	require.Len(t, query(t, c.DSNFor(reader, "r"), "select * from "+in+".current_plan"), 1)
	require.Empty(t, query(t, c.DSNFor(app, "a"), "insert into "+in+".later_1 values (1)"))
	require.Len(t, query(t, c.DSNFor(reader, "r"), "select * from "+in+".later"), 1)

	requireDenied(t, c.DSNFor(app, "a"),
		"update "+in+".plan_version set author = 'x'", "delete from "+in+".plan_version", "truncate "+in+".plan_version",
		"delete from "+in+".migration", "create table "+in+".mine (n int)")
	requireDenied(t, c.DSNFor(reader, "r"),
		"insert into "+in+".migration values (1, 'x')", "insert into "+in+".later values (1)", "delete from "+in+".plan_version", "create table "+in+".mine (n int)")
	for _, dsn := range []string{c.DSNFor(app, "a"), c.DSNFor(reader, "r")} {
		requireDenied(t, dsn, "drop table "+in+".plan_version", "alter table "+in+".plan_version add column x int", "drop view "+in+".current_plan", "drop schema "+in+" cascade", "create index on "+in+".plan_version (author)")
	}
	_, err = s.Plan(t.Context(), strata.PlanParams{})
	require.NoError(t, err)
}

func TestRolesSQLRefusesBadNames(t *testing.T) {
	_, err := pgstore.RolesSQL("", strings.Repeat("x", 64), "pg_read_all_data")
	require.ErrorIs(t, err, strata.ErrConfig)
	require.ErrorContains(t, err, "app")
	require.ErrorContains(t, err, "reader")
	sql, err := pgstore.RolesSQL("", "", "analyst")
	require.NoError(t, err)
	require.NotContains(t, sql, "insert")
	require.Contains(t, sql, `"strata"`)
}
