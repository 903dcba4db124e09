package pgstore_test

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/pgstore"
	"github.com/strataxp/strata/sim/simtest"
)

// Simulated shops with faults and changes of plan, on a real server: what package
// simtest describes. STRATA_WORLDS says how many.
func TestWorlds(t *testing.T) {
	t.Parallel()
	o := simtest.Options{Seeds: 1, First: seed.Of(t) % (1 << 32), Shrink: 10}
	if seed.Long() {
		o.Seeds = 50
	}
	if n := os.Getenv("STRATA_WORLDS"); n != "" {
		var err error
		o.Seeds, err = strconv.Atoi(n)
		require.NoError(t, err)
	}
	pgtest.Shared(t) // outside of the bubbles
	hits := simtest.Run(t, func(t *testing.T) strata.Store {
		dsn, schema := pgtest.Schema(t)
		// In virtual time, what happens every second happens all the time.
		s, err := pgstore.Open(t.Context(), dsn+"&pool_health_check_period=1h", pgstore.Config{Schema: schema, RollupInterval: 7 * time.Minute})
		require.NoError(t, err)
		t.Cleanup(s.Close)
		return s
	}, o)
	t.Logf("%d worlds: %v", o.Seeds, hits)
}
