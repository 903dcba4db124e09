package strata_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/memstore"
)

// faulty is a memstore whose calls can be made to fail or wait.
type faulty struct {
	*memstore.Store

	mu     sync.Mutex
	ingest func(ctx context.Context, b strata.Batch, apply func() error) error
	plans  func(ctx context.Context) error
	tries  int
}

func newFaulty() *faulty { return &faulty{Store: memstore.New()} }

var errDown = errors.New("the store is down")

// onIngest sets what happens instead of an Ingest; apply does the real thing.
func (f *faulty) onIngest(hook func(ctx context.Context, b strata.Batch, apply func() error) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ingest = hook
}

func (f *faulty) onPlans(hook func(ctx context.Context) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plans = hook
}

func (f *faulty) Ingest(ctx context.Context, b strata.Batch) error {
	f.mu.Lock()
	hook := f.ingest
	f.tries++
	f.mu.Unlock()
	apply := func() error { return f.Store.Ingest(ctx, b) }
	if hook == nil {
		return apply()
	}
	return hook(ctx, b, apply)
}

func (f *faulty) attempts() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tries
}

func (f *faulty) PlansInEffect(ctx context.Context, p strata.PlansInEffectParams) ([]strata.PlanVersion, error) {
	f.mu.Lock()
	hook := f.plans
	f.mu.Unlock()
	if hook != nil {
		if err := hook(ctx); err != nil {
			return nil, err
		}
	}
	return f.Store.PlansInEffect(ctx, p)
}

// colorPlan is one experiment on cta.color that takes a share of one layer.
func colorPlan(share float64) *strata.Plan {
	b := strata.NewPlan()
	b.String("cta.color", "grey")
	b.Metric(buyers())
	b.Layer("ui", strata.ByUser, "cta.color").
		Experiment("cta-color", share).
		Treatment("grey", 1, nil).
		Treatment("green", 1, strata.Values{"cta.color": "green"}).
		Metrics("buyers").
		Running()
	plan, err := b.Build()
	if err != nil {
		panic(err)
	}
	return plan
}

func buyers() strata.Metric {
	return strata.Metric{Key: "buyers", Type: strata.MetricConversion, Measure: strata.Measure{Event: strata.KindPurchase}}
}

// publish stores a plan and fails the test when that is refused.
func publish(t testing.TB, store strata.Store, plan *strata.Plan, moves ...strata.PublishOptions) *strata.Plan {
	t.Helper()
	opts := strata.PublishOptions{}
	if len(moves) > 0 {
		opts = moves[0]
	}
	opts.Author, opts.Message = "test", t.Name()
	stored, err := strata.Publish(context.Background(), store, plan, opts)
	require.NoError(t, err)
	return stored
}

// keep asks for the units of an experiment to be kept.
func keep(experiments ...string) strata.PublishOptions {
	return asked(strata.Keep, experiments)
}

func fresh(experiments ...string) strata.PublishOptions { return asked(strata.Fresh, experiments) }

func asked(policy strata.Policy, experiments []string) strata.PublishOptions {
	moves := make(map[string]strata.Policy)
	for _, key := range experiments {
		moves[key] = policy
	}
	return strata.PublishOptions{Moves: moves}
}

// open opens an engine that is closed when the test ends.
func open(t testing.TB, store strata.Store, cfg strata.Config) *strata.Engine {
	t.Helper()
	eng, err := strata.Open(context.Background(), store, cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_, err := eng.Close(ctx)
		require.NoError(t, err)
	})
	return eng
}

// opened publishes a plan to a new store and opens an engine on it.
func opened(t testing.TB, plan *strata.Plan) (*strata.Engine, *memstore.Store) {
	t.Helper()
	store := memstore.New()
	publish(t, store, plan)
	return open(t, store, strata.Config{}), store
}

func user(i int) strata.Unit { return strata.Unit{User: fmt.Sprintf("user-%d", i)} }

// treatments reads an experiment for users 0 … n-1, without exposing them.
func treatments(eng *strata.Engine, experiment string, n int) []string {
	list := make([]string, n)
	for i := range list {
		a := eng.Assign(user(i))
		list[i] = a.Peek(experiment)
	}
	return list
}

// expose exposes every user in [from, to) that is in the experiment.
func expose(eng *strata.Engine, experiment string, from, to int) {
	for i := from; i < to; i++ {
		a := eng.Assign(user(i))
		a.Expose(experiment)
	}
}

// flush writes what is buffered.
func flush(t testing.TB, eng *strata.Engine) {
	t.Helper()
	left, err := eng.Flush(context.Background())
	require.NoError(t, err)
	require.Zero(t, left)
}

// results are the results of an experiment's first phase.
func results(t testing.TB, store strata.Store, experiment string, metrics ...strata.Metric) strata.Results {
	t.Helper()
	r, err := store.Results(context.Background(), strata.ResultsParams{Experiment: experiment, Metrics: metrics})
	require.NoError(t, err)
	return r
}

// units is the number of units by treatment.
func units(r strata.Results) map[string]int64 {
	n := make(map[string]int64)
	for key, t := range r.Treatments {
		n[key] = t.Units
	}
	return n
}
