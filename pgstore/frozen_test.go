package pgstore_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/pgstore"
)

// frozen is a store with an experiment that ten of its twenty control users
// have seen pages in; Forget is to freeze it.
type frozen struct {
	*pgstore.Store
	plan *strata.Plan
}

func newFrozen(t *testing.T, metrics ...string) *frozen {
	t.Helper()
	f := &frozen{benchStore(t), benchPlan(1)}
	f.plan.Experiments[0].Metrics = metrics
	f.put(t)
	order := 0
	w := &benchWriter{store: f, stream: strata.StreamID{1}}
	w.write(t, expose(20, 1))
	w.write(t, browse(0, 20, benchStart.Add(time.Hour), &order))
	return f
}

func (f *frozen) put(t *testing.T) {
	t.Helper()
	version, err := f.PutPlan(t.Context(), strata.PutPlanParams{Plan: f.plan, Author: "ada", Message: "m", At: benchStart})
	require.NoError(t, err)
	f.plan.Version = version
}

// views returns how many units of the control count by the metric, and their mean.
func (f *frozen) views(t *testing.T) (n int64, mean float64) {
	t.Helper()
	r, err := f.Results(t.Context(), strata.ResultsParams{Experiment: "experiment0", Metrics: benchPlan(1).Metrics[2:3]})
	require.NoError(t, err)
	m := r.Treatments["control"].Metrics["views"].Moments[0]
	return m.N(), m.Mean(0)
}

func (f *frozen) forget(t *testing.T) pgstore.Forgotten {
	t.Helper()
	done, err := f.Forget(t.Context(), benchUser(2))
	require.NoError(t, err)
	return done
}

// A metric that is new to a frozen experiment has no daily results: it is added
// up from the units that are left.
func TestFrozenExperimentGetsAMetric(t *testing.T) {
	t.Parallel()
	f := newFrozen(t, "converted")
	f.plan.Experiments[0].Status = strata.StatusStopped
	f.put(t)
	require.Equal(t, []string{"experiment0"}, f.forget(t).Frozen)
	f.plan.Experiments[0].Metrics = []string{"converted", "views"}
	f.put(t)
	_, err := f.RollUp(t.Context())
	require.NoError(t, err)
	n, mean := f.views(t)
	require.EqualValues(t, 9, n)
	require.InDelta(t, 2, mean, 0)
}

// An experiment that left the plan is counted on until it is frozen.
func TestFrozenExperimentLeftThePlan(t *testing.T) {
	t.Parallel()
	f := newFrozen(t, "views")
	_, err := f.RollUp(t.Context())
	require.NoError(t, err)
	f.plan.Experiments = nil
	f.put(t)
	order := 1000
	(&benchWriter{store: f, stream: strata.StreamID{2}}).write(t, browse(0, 20, benchStart.Add(2*time.Hour), &order))
	n, mean := f.views(t)
	f.forget(t)
	after, afterMean := f.views(t)
	require.EqualValues(t, 10, n)
	require.InDelta(t, 4, mean, 0)
	require.Equal(t, []any{n, mean}, []any{after, afterMean}, "closed results stay")
}

// An experiment that runs again is added up from its units: the daily results
// stay what they were.
func TestFrozenExperimentRunsAgain(t *testing.T) {
	t.Parallel()
	f := newFrozen(t, "views")
	f.plan.Experiments[0].Status = strata.StatusStopped
	f.put(t)
	f.forget(t)
	n, _ := f.views(t)
	require.EqualValues(t, 10, n)
	f.plan.Experiments[0].Status = strata.StatusRunning
	f.put(t)
	order := 1000
	(&benchWriter{store: f, stream: strata.StreamID{2}}).write(t, browse(0, 20, benchStart.Add(2*time.Hour), &order))
	n, mean := f.views(t)
	require.EqualValues(t, 9, n)
	require.InDelta(t, 4, mean, 0)
}

// While units are being counted by a new plan, nothing is frozen.
func TestForgetWaitsForSweeps(t *testing.T) {
	t.Parallel()
	f := newFrozen(t, "converted")
	_, err := f.RollUp(t.Context())
	require.NoError(t, err)
	f.plan.Experiments[0].Metrics = []string{"converted", "views"}
	f.plan.Experiments[0].Status = strata.StatusStopped
	f.put(t)
	conn, err := pgx.Connect(t.Context(), f.DSN())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), f.SQL(`select from {schema}.rollup_config for update`)) // as another sweep has it
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = f.Forget(ctx, benchUser(2))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, tx.Rollback(t.Context()))
	f.forget(t)
	n, mean := f.views(t)
	require.EqualValues(t, 10, n)
	require.InDelta(t, 2, mean, 0)
}

// A server that took over from another may lack what this process saw: nothing
// rests on what it remembers.
func TestRollupAfterAFailover(t *testing.T) {
	t.Parallel()
	f := newFrozen(t, "views")
	n, mean := f.views(t)
	f.Lose(t, "stream", "batch", "event", "rollup_ticket", "subject", "treatment", "unit_state", "exposure", "result_day", "purchase_order", "rollup_config", "plan_version")
	f.plan.Version = 0
	f.plan.Experiments[0].Metrics = []string{"carts", "views"}
	f.put(t)
	order := 0
	w := &benchWriter{store: f, stream: strata.StreamID{1}}
	w.write(t, expose(20, 1)) // the writer sends again what was lost
	w.write(t, browse(0, 20, benchStart.Add(time.Hour), &order))
	again, againMean := f.views(t)
	require.Equal(t, []any{n, mean}, []any{again, againMean})
}

// A reader of all events, a dump for example, keeps nobody from opening a store.
func TestOpenDoesNotWaitForReaders(t *testing.T) {
	t.Parallel()
	dsn, schema := pgtest.Schema(t)
	s := open(t, dsn, schema)
	ahead := s.SQL(`{schema}.event_` + time.Now().UTC().AddDate(0, 0, 2).Format("20060102"))
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	_, err = conn.Exec(t.Context(), `drop table if exists `+ahead)
	require.NoError(t, err)
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), s.SQL(`select count(*) from {schema}.event`))
	require.NoError(t, err)
	open(t, dsn, schema)
	require.NoError(t, tx.Rollback(t.Context()))
}

// A value of which no sum can be made stops nobody.
func TestValuesWithoutASum(t *testing.T) {
	t.Parallel()
	f := newFrozen(t, "views")
	records := []strata.Record{
		{Unit: benchUser(1), Event: strata.Conversion{Time: benchStart, Goal: "g", Value: math.NaN()}},
		{Unit: benchUser(1), Event: strata.Conversion{Time: benchStart, Goal: "g", Value: math.Inf(-1)}},
		{Unit: benchUser(1), Event: strata.Conversion{Time: time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), Goal: "g"}},
		{Unit: benchUser(1), Event: strata.Conversion{Time: benchStart, Goal: "g", Value: 1e-300}},
	}
	(&benchWriter{store: f, stream: strata.StreamID{3}}).write(t, records)
	r, err := f.Results(t.Context(), strata.ResultsParams{Experiment: "experiment0", Metrics: []strata.Metric{
		{Key: "value", Type: strata.MetricSum, Measure: strata.Measure{Event: strata.KindConversion, Value: strata.ValueAmount}},
		{Key: "goals", Type: strata.MetricCount, Measure: strata.Measure{Event: strata.KindConversion}},
	}})
	require.NoError(t, err)
	goals := r.Treatments["variant"].Metrics["goals"].Moments[0]
	require.InDelta(t, 1, goals.Mean(0)*float64(goals.N()), 1e-9)
}
