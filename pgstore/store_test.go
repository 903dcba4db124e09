package pgstore_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/pgstore"
	"github.com/strataxp/strata/storetest"
)

// open opens a store in a schema of its own.
func open(t testing.TB, dsn, schema string) *pgstore.Store {
	t.Helper()
	s, err := pgstore.Open(t.Context(), dsn, pgstore.Config{Schema: schema, RollupInterval: 20 * time.Millisecond})
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

// The suite, in the modes in which arguments travel, and with PgBouncer.
func TestStore(t *testing.T) {
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
			var mu sync.Mutex
			var stores []*pgstore.Store
			t.Cleanup(func() {
				var fromDays, fromUnits int64
				for _, s := range stores {
					days, units := s.Answers()
					fromDays, fromUnits = fromDays+days, fromUnits+units
				}
				require.NotZero(t, fromDays, "no case was answered from the daily results")
				require.NotZero(t, fromUnits, "no case was answered from units")
			})
			storetest.Run(t, func(t *testing.T) strata.Store {
				_, schema := pgtest.Schema(t)
				s := open(t, dsn+"&pool_max_conns=4", schema)
				mu.Lock()
				defer mu.Unlock()
				stores = append(stores, s)
				return s
			})
		})
	}
}
