package pgstore_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/pgstore"
)

// A program starts while the server is down: a lazy store, and the plan of its
// last run. When the server is back, it refreshes by itself.
func TestProgramStartsWithoutTheServer(t *testing.T) {
	t.Parallel()
	c := pgtest.Start(t, pgtest.Config{})
	engine := strata.Config{PlanFile: filepath.Join(t.TempDir(), "plan"), RefreshInterval: 20 * time.Millisecond}
	start := func(cfg pgstore.Config) *strata.Engine {
		t.Helper()
		s, err := pgstore.Open(t.Context(), c.DSN(), cfg)
		require.NoError(t, err)
		t.Cleanup(s.Close)
		eng, err := strata.Open(t.Context(), watchable{s, s}, engine)
		require.NoError(t, err)
		t.Cleanup(func() {
			_, err := eng.Close(context.WithoutCancel(t.Context()))
			require.NoError(t, err)
		})
		if !cfg.Lazy {
			_, err := s.PutPlan(t.Context(), strata.PutPlanParams{Plan: &strata.Plan{}, Author: "a", At: time.Unix(0, 0)})
			require.NoError(t, err)
			require.NoError(t, eng.Refresh(t.Context()))
		}
		return eng
	}
	start(pgstore.Config{})
	c.Stop(t, pgtest.Fast)
	eng := start(pgstore.Config{Lazy: true})
	status := eng.Status()
	require.EqualValues(t, 1, status.Version)
	require.False(t, status.FromFile.IsZero())
	require.ErrorIs(t, status.RefreshErr, pgstore.ErrConnection)
	c.Restart(t, pgtest.Fast)
	require.Eventually(t, func() bool { return eng.Status().FromFile.IsZero() }, time.Minute, 10*time.Millisecond)
	require.EqualValues(t, 1, eng.Status().Version)
}
