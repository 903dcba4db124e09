package pgstore_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/internal/seed"
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
	schemas := &lender{owner: t, cluster: c}
	modes := map[string]string{"plain": c.DSN(), "PgBouncer": bouncer + "&default_query_exec_mode=exec"}
	if seed.Long() { // arguments travel as text in both
		modes["simple_protocol"] = c.DSN() + "&default_query_exec_mode=simple_protocol"
	}
	for name, dsn := range modes {
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
				s := open(t, dsn+"&pool_max_conns=4", schemas.lend(t))
				mu.Lock()
				defer mu.Unlock()
				stores = append(stores, s)
				return s
			})
		})
	}
}

// lender lends empty schemas to the cases of a suite, which leave them as they
// are but for rows: emptying one takes a tenth of making and dropping it.
type lender struct {
	owner   *testing.T
	cluster *pgtest.Cluster

	mu   sync.Mutex
	free []string
}

// lend returns a schema that is the test's own until its end. It does not exist
// yet, or is as a migration leaves it.
func (l *lender) lend(t *testing.T) (schema string) {
	t.Cleanup(func() {
		l.empty(t, schema)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.free = append(l.free, schema)
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.free); n > 0 {
		schema, l.free = l.free[n-1], l.free[:n-1]
		return schema
	}
	_, schema = pgtest.Schema(l.owner)
	return schema
}

func (l *lender) empty(t *testing.T, schema string) {
	store := quoted(schema)
	require.NoError(t, l.cluster.Exec(context.WithoutCancel(t.Context()), `
do $$ begin
	execute (select 'truncate ' || string_agg(c.oid::regclass::text, ', ') || ' restart identity' from pg_class c
		where c.relnamespace = '`+strings.ReplaceAll(store, "'", "''")+`'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition and c.relname <> 'migration');
end $$;
insert into `+store+`.rollup_control default values`))
}
