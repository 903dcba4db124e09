package pgstore_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/pgstore"
)

// watchable keeps plans in PostgreSQL, and tells of them.
type watchable struct {
	strata.Store
	strata.PlanWatcher
}

// Engines that never poll have a new plan as soon as it is published.
func TestPlansArriveWithoutAPoll(t *testing.T) {
	t.Parallel()
	dsn, schema := pgtest.Schema(t)
	const n = 20
	s := open(t, dsn+"&pool_max_conns=8", schema)
	watching := make(chan struct{}, n)
	var engines []*strata.Engine
	for range n {
		eng, err := strata.Open(t.Context(), watchable{s, told{s, watching}}, strata.Config{RefreshInterval: -1})
		require.NoError(t, err)
		t.Cleanup(func() {
			_, err := eng.Close(context.WithoutCancel(t.Context()))
			require.NoError(t, err)
		})
		engines = append(engines, eng)
	}
	for range n {
		<-watching
	}
	const rounds = 5
	var delays []time.Duration
	for base := range int64(rounds) {
		began := time.Now()
		_, err := s.PutPlan(t.Context(), strata.PutPlanParams{Plan: &strata.Plan{Version: base}, Author: "a", At: began})
		require.NoError(t, err)
		for missing := slices.Clone(engines); len(missing) > 0; {
			require.Less(t, time.Since(began), time.Minute, "%d engines do not have the plan", len(missing))
			missing = slices.DeleteFunc(missing, func(eng *strata.Engine) bool {
				has := eng.Status().Version == base+1
				if has {
					delays = append(delays, time.Since(began))
				}
				return has
			})
		}
	}
	slices.Sort(delays)
	t.Logf("%d engines had a new plan after %v (median), %v (the last one)", n, delays[len(delays)/2], delays[len(delays)-1])
}

// told says when watching has begun.
type told struct {
	*pgstore.Store
	watching chan<- struct{}
}

func (w told) WatchPlans(ctx context.Context, changed func()) error {
	first := true
	return w.Store.WatchPlans(ctx, func() {
		if changed(); first {
			first = false
			w.watching <- struct{}{}
		}
	})
}

// Plans of one schema are no news in another.
func TestWatchersHearOfTheirOwnSchemaOnly(t *testing.T) {
	t.Parallel()
	one, other := fresh(t), fresh(t)
	heard := make(chan struct{}, 10)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- one.WatchPlans(ctx, func() { heard <- struct{}{} }) }()
	<-heard // it watches
	for _, s := range []*pgstore.Store{other, one} {
		_, err := s.PutPlan(t.Context(), strata.PutPlanParams{Plan: &strata.Plan{}, Author: "a", At: time.Unix(0, 0)})
		require.NoError(t, err)
	}
	<-heard
	require.Empty(t, heard, "the other schema's plan was heard of, too")
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
}

func TestWatchingEndsWithTheConnectionAndTheStore(t *testing.T) {
	t.Parallel()
	c := pgtest.Start(t, pgtest.Config{})
	s, err := pgstore.Open(t.Context(), c.DSN(), pgstore.Config{})
	require.NoError(t, err)
	heard, ended := make(chan struct{}, 10), make(chan error, 1)
	watch := func() { ended <- s.WatchPlans(t.Context(), func() { heard <- struct{}{} }) }
	go watch()
	<-heard
	c.Restart(t, pgtest.Fast)
	require.Error(t, <-ended)
	for watching := false; !watching; {
		go watch()
		select {
		case <-heard:
			watching = true
		case err := <-ended: // by a connection of the pool's that the restart broke as well
			require.Error(t, err)
		}
	}
	s.Close()
	require.Error(t, <-ended)
	watch()
	require.Error(t, <-ended, "the store is closed")
}
