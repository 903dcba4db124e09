package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/pgstore"
)

func TestOpenNamesEveryBadField(t *testing.T) {
	for _, schema := range []string{strings.Repeat("x", 64), "pg_strata", "a\x00b", "a\xffb"} {
		_, err := pgstore.Open(t.Context(), "", pgstore.Config{Schema: schema})
		require.ErrorIs(t, err, strata.ErrConfig, "%q", schema)
		require.ErrorContains(t, err, "Schema")
	}
	_, err := pgstore.New(t.Context(), nil, pgstore.Config{})
	require.ErrorIs(t, err, strata.ErrConfig)
}

// Whatever the schema is called, tables are found, and two never mix.
func TestSchemaMayHaveAnyName(t *testing.T) {
	t.Parallel()
	c := pgtest.Shared(t)
	_, unique := pgtest.Schema(t)
	unique = strings.Trim(unique, `Test "`)
	for _, name := range []string{"plain", `with "quotes"`, "with 'one'", "UPPER lower", "größe 🙂", "$1", "50%d", "{schema}", "a.b", "select", `back\slash`, strings.Repeat("x", 40)} {
		schema := name + " " + unique
		s := open(t, c.DSN()+"&default_query_exec_mode=simple_protocol", schema)
		t.Cleanup(func() {
			require.NoError(t, pgstore.Migrate(context.WithoutCancel(t.Context()), c.DSN(), pgstore.MigrateParams{Schema: schema, To: -1}))
			require.NoError(t, c.Exec(context.WithoutCancel(t.Context()), fmt.Sprintf(`drop schema "%s"`, strings.ReplaceAll(schema, `"`, `""`))))
		})
		_, err := s.PutPlan(t.Context(), strata.PutPlanParams{Plan: &strata.Plan{}, Author: name})
		require.NoError(t, err)
		(&benchWriter{store: s, stream: strata.StreamID{1}}).write(t, expose(1, 1))
		_, err = s.RollUp(t.Context())
		require.NoError(t, err)
		_, err = s.Verify(t.Context())
		require.NoError(t, err)
		list, err := s.PlanHistory(t.Context(), strata.PlanHistoryParams{})
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, name, list[0].Author)
	}
}

func TestNewLeavesThePoolOpen(t *testing.T) {
	t.Parallel()
	dsn, schema := pgtest.Schema(t)
	pool, err := pgxpool.New(t.Context(), dsn)
	require.NoError(t, err)
	defer pool.Close()
	s, err := pgstore.New(t.Context(), pool, pgstore.Config{Schema: schema})
	require.NoError(t, err)
	s.Close()
	s.Close()
	require.NoError(t, pool.Ping(t.Context()))
	_, err = pgstore.New(t.Context(), pool, pgstore.Config{Schema: schema, Lazy: true})
	require.ErrorIs(t, err, strata.ErrConfig)
}

// Each way in which a connection fails has an error that names the cure.
func TestOpenSaysWhatToDo(t *testing.T) {
	t.Parallel()
	c := pgtest.Shared(t)
	const password = "s3cret-Pa55"
	role := newRole(t, c, password)
	wrong := strings.Replace(c.DSNFor(role, password), password, password+"x", 1)
	for name, test := range map[string]struct {
		dsn  string
		kind error
		says string
	}{
		"password": {wrong, pgstore.ErrConnection, "check user and password"},
		"role":     {c.DSNFor("nobody-"+role, password), pgstore.ErrConnection, "check user and password"},
		"database": {strings.Replace(c.DSNFor(role, password), "?", "_missing?", 1), pgstore.ErrConnection, "create the database"},
		"port":     {"postgres://app:" + password + "@127.0.0.1:" + closedPort(t) + "/x", pgstore.ErrConnection, "check host and port"},
		"host":     {"postgres://app:" + password + "@no-such-host.invalid/x", pgstore.ErrConnection, "check host and port"},
		"rights":   {c.DSNFor(role, password), pgstore.ErrPrivilege, "RolesSQL"},
	} {
		_, schema := pgtest.Schema(t)
		_, err := pgstore.Open(t.Context(), test.dsn, pgstore.Config{Schema: schema})
		assert.ErrorIs(t, err, test.kind, name)
		assert.ErrorContains(t, err, test.says, name)
		assert.NotContains(t, fmt.Sprintf("%v %+v", err, err), password, name)
		var e *pgstore.Error
		assert.ErrorAs(t, err, &e, name)
	}
}

// A connection string that cannot be read is never shown: nobody knows where in
// it the password ends.
func TestErrorsNeverHoldThePassword(t *testing.T) {
	for _, dsn := range []string{
		"postgres://app:hunter2@host:port/db",
		"postgres://app:hun/ter2@host/db",
		"postgres://app:hun@ter2:x@host:99999999/db",
		"postgres://app:%zzhunter2@host/db",
		"postgres://app:hunter2@host/db?sslmode=hunter2",
		"postgres://app@host/db?sslmode=no&password=hunter2",
		"postgres://app:hunter2@host/db?connect_timeout=soon",
		"host=h password=hunter2 hunter2",
		"host=h password='hunter2 port=x",
		"host=h password=hunter2 sslmode=never",
		"hunter2",
		"app:hunter2@host",
		"postgres://app:hunter2@host/db?default_query_exec_mode=no",
		"postgres://app:hunter2@host/db?pool_max_conns=many",
	} {
		_, err := pgstore.Open(t.Context(), dsn, pgstore.Config{})
		if !assert.ErrorIs(t, err, strata.ErrConfig, dsn) {
			continue
		}
		for ; err != nil; err = errors.Unwrap(err) {
			assert.NotContains(t, fmt.Sprintf("%+v", err), "ter2", dsn)
		}
		require.ErrorIs(t, pgstore.Migrate(t.Context(), dsn, pgstore.MigrateParams{}), strata.ErrConfig)
	}
	_, err := pgstore.Open(t.Context(), "postgres://app:hunter2@host/db?sslmode=bogus", pgstore.Config{})
	require.ErrorContains(t, err, "sslmode", "what is wrong is said where that is safe")
}

func TestOpenStopsWithItsContext(t *testing.T) {
	t.Parallel()
	silent, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0") // takes connections, says nothing
	require.NoError(t, err)
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = pgstore.Open(ctx, "postgres://app@"+silent.Addr().String()+"/db?sslmode=disable", pgstore.Config{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// A lazy store opens while the server is down, says so, and works as soon as the
// server does.
func TestLazyOpensWithoutAServer(t *testing.T) {
	t.Parallel()
	c := pgtest.Start(t, pgtest.Config{})
	c.Stop(t, pgtest.Fast)
	s, err := pgstore.Open(t.Context(), c.DSN(), pgstore.Config{Lazy: true})
	require.NoError(t, err)
	defer s.Close()
	_, err = s.Plan(t.Context(), strata.PlanParams{})
	require.ErrorIs(t, err, pgstore.ErrConnection)
	c.Restart(t, pgtest.Fast)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, err := s.Plan(t.Context(), strata.PlanParams{})
			assert.ErrorIs(t, err, strata.ErrNotFound)
		})
	}
	all.Wait()
	require.NoError(t, c.Exec(t.Context(), `update strata.migration set version = 9999 where version = 1`))
	late, err := pgstore.Open(t.Context(), c.DSN(), pgstore.Config{Lazy: true})
	require.NoError(t, err)
	defer late.Close()
	_, err = late.Plan(t.Context(), strata.PlanParams{})
	require.ErrorIs(t, err, pgstore.ErrSchemaVersion)
}

// The server goes away and comes back under an open store.
func TestStoreOutlivesTheServer(t *testing.T) {
	t.Parallel()
	c := pgtest.Start(t, pgtest.Config{Fsync: true})
	s, err := pgstore.Open(t.Context(), c.DSN(), pgstore.Config{})
	require.NoError(t, err)
	defer s.Close()
	_, err = s.PutPlan(t.Context(), strata.PutPlanParams{Plan: &strata.Plan{}, Author: "a"})
	require.NoError(t, err)
	c.Stop(t, pgtest.Immediate)
	_, err = s.Plan(t.Context(), strata.PlanParams{})
	require.Error(t, err)
	c.Restart(t, pgtest.Immediate)
	require.Eventually(t, func() bool {
		v, err := s.Plan(t.Context(), strata.PlanParams{})
		return err == nil && v.Version == 1
	}, time.Minute, 10*time.Millisecond)
}

// closedPort returns a port on which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return port
}
