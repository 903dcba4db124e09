package pgstore_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/stats"
)

// What single units contribute adds up to the results.
func TestUnitTotalsAddUp(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(seed.Of(t), 0))
	dsn, schema := pgtest.Schema(t)
	s := open(t, dsn, schema)
	plan := shopPlan(0, random)
	(&benchWriter{store: s, stream: strata.StreamID{1}}).write(t, (&shop{random: random}).records(1000))
	for _, complete := range []bool{false, true} {
		params := strata.ResultsParams{Experiment: "experiment0", Metrics: plan.Metrics[1:2], At: benchStart.Add(16 * 24 * time.Hour), CompleteWindows: complete}
		want, err := s.Results(t.Context(), params)
		require.NoError(t, err)
		sums := make(map[string]*stats.Sums)
		for u, err := range s.UnitTotals(t.Context(), params) {
			require.NoError(t, err)
			require.False(t, u.FirstExposed.IsZero())
			require.Contains(t, []string{"DE", "AT"}, u.Attributes["country"])
			if sums[u.Treatment] == nil {
				sums[u.Treatment] = new(stats.Sums)
			}
			require.NoError(t, sums[u.Treatment].Add(u.Totals[0].Integers[0]))
		}
		require.NotEmpty(t, sums)
		for treatment, r := range want.Treatments {
			if got := sums[treatment]; got != nil {
				require.Equal(t, r.Metrics["revenue"].Moments[0], got.Moments())
			} else {
				require.Zero(t, r.Metrics["revenue"].Moments[0].N())
			}
		}
	}
}

func TestUnitTotalsStop(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	for _, err := range s.UnitTotals(t.Context(), strata.ResultsParams{Experiment: "none"}) {
		require.Fail(t, "nobody was exposed", "%v", err)
	}
	(&benchWriter{store: s, stream: strata.StreamID{1}}).write(t, expose(100, 1))
	n := 0
	for _, err := range s.UnitTotals(t.Context(), strata.ResultsParams{Experiment: "experiment0"}) {
		require.NoError(t, err)
		if n++; n == 3 {
			break
		}
	}
	require.Equal(t, 3, n)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range s.UnitTotals(ctx, strata.ResultsParams{Experiment: "experiment0"}) {
		require.ErrorIs(t, err, context.Canceled)
	}
}
