package pgstore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/pgstore"
	"github.com/strataxp/strata/storetest"
)

// open opens a store in a schema of its own.
func open(t testing.TB, dsn, schema string) *pgstore.Store {
	t.Helper()
	s, err := pgstore.Open(t.Context(), dsn, pgstore.Config{Schema: schema})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// fresh opens an empty store.
func fresh(t testing.TB) *pgstore.Store {
	t.Helper()
	dsn, schema := pgtest.Schema(t)
	return open(t, dsn, schema)
}

// The suite, in every mode in which arguments travel, and with PgBouncer.
func TestStore(t *testing.T) {
	t.Parallel()
	c := pgtest.Shared(t)
	bouncer := pgtest.Bouncer(t, c)
	for name, dsn := range map[string]string{
		"cache_statement":  c.DSN(),
		"cache_describe":   c.DSN() + "&default_query_exec_mode=cache_describe",
		"describe_exec":    c.DSN() + "&default_query_exec_mode=describe_exec",
		"exec":             c.DSN() + "&default_query_exec_mode=exec",
		"simple_protocol":  c.DSN() + "&default_query_exec_mode=simple_protocol",
		"PgBouncer/exec":   bouncer + "&default_query_exec_mode=exec",
		"PgBouncer/simple": bouncer + "&default_query_exec_mode=simple_protocol",
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) strata.Store {
				_, schema := pgtest.Schema(t)
				return open(t, dsn+"&pool_max_conns=8", schema)
			})
		})
	}
}
