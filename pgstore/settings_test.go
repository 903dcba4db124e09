package pgstore_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/pgstore"
)

// Whatever a role or a connection string sets, a store does the same.
func TestSettingsOfTheConnection(t *testing.T) {
	t.Parallel()
	for name, setting := range map[string]string{
		"one connection":     "&pool_max_conns=1",
		"repeatable read":    "&default_transaction_isolation=repeatable%20read",
		"serializable":       "&default_transaction_isolation=serializable",
		"another zone":       "&timezone=Pacific/Kiritimati&datestyle=German",
		"synchronous off":    "&synchronous_commit=off",
		"statement timeout":  "&statement_timeout=30s&lock_timeout=30s",
		"read only by habit": "&default_transaction_read_only=off&row_security=off",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn, schema := pgtest.Schema(t)
			s := open(t, dsn+setting, schema)
			random := rand.New(rand.NewPCG(seed.Of(t), 0))
			plan := shopPlan(0, random)
			for version := range int64(2) {
				plan.Version = version
				_, err := s.PutPlan(t.Context(), strata.PutPlanParams{Plan: plan, Author: "ada", Message: "m", At: benchStart})
				require.NoError(t, err)
				(&benchWriter{store: s, stream: strata.StreamID{byte(version + 1)}}).write(t, (&shop{random: random, orders: int(version) * 1000}).records(300))
				resultsOf(t, s, plan, "experiment0")
			}
			_, err := s.RollUp(t.Context())
			require.NoError(t, err)
			v, err := s.Verify(t.Context())
			if name == "one connection" {
				require.ErrorIs(t, err, strata.ErrConfig)
				return
			}
			require.NoError(t, err)
			require.True(t, v.OK(), "%v", v.Found)
		})
	}
}

// A zone is what its clocks show, not what it is called.
func TestZonesGoByMoreThanTheirNames(t *testing.T) {
	t.Parallel()
	dsn, schema := pgtest.Schema(t)
	for _, zone := range []*time.Location{time.FixedZone("UTC", 7200), time.FixedZone("here", 0), time.Local} {
		_, err := pgstore.Open(t.Context(), dsn, pgstore.Config{Schema: schema, Zone: zone})
		require.ErrorIs(t, err, strata.ErrConfig, zone)
	}
}
