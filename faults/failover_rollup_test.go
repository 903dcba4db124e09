package faults_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/pgstore"
)

// publishShop publishes an experiment with results.
func publishShop(t *testing.T, store strata.Store) {
	t.Helper()
	b := strata.NewPlan()
	b.Metric(strata.Metric{Key: "buyers", Type: strata.MetricConversion, Measure: strata.Measure{Event: strata.KindPurchase}})
	b.Metric(strata.Metric{Key: "revenue", Type: strata.MetricSum, Measure: strata.Measure{Event: strata.KindPurchase, Value: strata.ValueTotal, Currency: "EUR"}})
	b.Layer("ui", strata.ByUser).Experiment("button", 1).
		Treatment("grey", 1, nil).Treatment("green", 1, nil).Metrics("buyers", "revenue").Running()
	plan, err := b.Build()
	require.NoError(t, err)
	_, err = strata.Publish(t.Context(), store, plan, strata.PublishOptions{Author: "test", Message: "first"})
	require.NoError(t, err)
}

// visit has n shoppers see a button and buy something, and waits until the last
// one's purchase is stored.
func (s *site) visit(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		visit := s.names.Add(1)
		a := s.eng.Assign(strata.Unit{User: fmt.Sprint("user", visit%150)})
		require.True(t, a.Expose("button"))
		bought := strata.Purchase{OrderID: fmt.Sprint("order", visit), Total: visit, Currency: "EUR"}
		level := strata.LevelMemory
		if i == n-1 {
			level = strata.LevelCommitted
		}
		_, err := a.TrackDurable(t.Context(), bought, level)
		require.NoError(t, err)
	}
	_, err := s.eng.Flush(t.Context()) // events of other users go the same way, and may come later
	require.NoError(t, err)
}

func (s *site) rollUp(t *testing.T) {
	t.Helper()
	batches, err := s.store.RollUp(t.Context())
	require.NoError(t, err)
	require.Positive(t, batches)
}

// hold locks what a rollup writes last, until the server is gone.
func (s *site) hold(t *testing.T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.Primary.DSN())
	require.NoError(t, err)
	t.Cleanup(func() {
		//lint:ignore errcheck its server was killed
		_ = conn.Close(context.WithoutCancel(t.Context()))
	})
	_, err = conn.Exec(t.Context(), "begin; lock table "+s.schema+".result_day in access exclusive mode", pgx.QueryExecModeSimpleProtocol)
	require.NoError(t, err)
}

// The primary dies with events that are not rolled up, some that are, on this
// server only, and in the middle of a rollup: afterwards results are those of the
// raw events (I6), which are all there.
func TestF13RollupsAreThoseOfTheEvents(t *testing.T) {
	s := newSite(t, setup{prepare: func(store *pgstore.Store) { publishShop(t, store) }})
	ctx := t.Context()
	s.visit(t, 300)
	s.rollUp(t)
	require.NoError(t, s.Standby.CaughtUp(ctx, s.Primary.Server))
	require.NoError(t, s.Standby.PauseReceiver(ctx))
	s.visit(t, 200)
	s.rollUp(t) // the standby knows nothing of it
	s.visit(t, 100)

	s.hold(t)
	var rolling sync.WaitGroup
	var err error
	rolling.Go(func() { _, err = s.store.RollUp(ctx) })
	await(t, func() bool {
		n, askErr := s.askOnce(ctx, s.Primary, `select count(*) from pg_locks where not granted and relation = '{schema}.result_day'::regclass`)
		return askErr == nil && n > 0
	}, "the rollup is in its middle")
	s.Primary.Stop(t, pgtest.Killed)
	rolling.Wait()
	require.Error(t, err)
	s.Promote(ctx, t)

	s.visit(t, 100)
	require.Positive(t, s.eng.Status().Resent)
	s.rollUp(t)
	found, err := s.store.Verify(ctx)
	require.NoError(t, err)
	require.Empty(t, found.Found)
	require.EqualValues(t, 150, found.Units)
	purchases := s.names.Load()
	require.Equal(t, purchases, s.ask(t, s.Primary, `select count(*) from {schema}.purchase_order`))
	require.Equal(t, purchases+150, s.ask(t, s.Primary, `select count(*) from {schema}.event`), "purchases, and the exposure of each user")
	s.Rejoin(ctx, t)
	s.confirm(t)
	s.close(t, s.eng)
}
