package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
)

var anyCases = []testCase{
	{"AnyMethod/StopsWithContext", stopsWithContext},
	{"AnyMethod/PlansAreNotAliased", plansAreNotAliased},
	{"AnyMethod/RecordsAreNotAliased", recordsAreNotAliased},
	{"AnyMethod/ResultsAreNotAliased", resultsAreNotAliased},
	{"AnyMethod/IsSafeForConcurrentUse", safeForConcurrentUse},
}

// methods calls every method of a store.
var methods = map[string]func(context.Context, strata.Store) error{
	"PutPlan": func(ctx context.Context, s strata.Store) error {
		_, err := s.PutPlan(ctx, strata.PutPlanParams{Plan: planBasedOn(1, time.Time{}), Author: "a", At: start})
		return err
	},
	"Plan": func(ctx context.Context, s strata.Store) error {
		_, err := s.Plan(ctx, strata.PlanParams{})
		return err
	},
	"PlansInEffect": func(ctx context.Context, s strata.Store) error {
		_, err := s.PlansInEffect(ctx, strata.PlansInEffectParams{At: start})
		return err
	},
	"PlanHistory": func(ctx context.Context, s strata.Store) error {
		_, err := s.PlanHistory(ctx, strata.PlanHistoryParams{})
		return err
	},
	"Ingest": func(ctx context.Context, s strata.Store) error {
		return s.Ingest(ctx, newWriter(s).batch(exposure("grace", variant, start), signup("ada", start)))
	},
	"Cursor": func(ctx context.Context, s strata.Store) error {
		_, err := s.Cursor(ctx, strata.CursorParams{Stream: newStream()})
		return err
	},
	"Exposed": func(ctx context.Context, s strata.Store) error {
		for _, err := range s.Exposed(ctx, strata.ExposedParams{Experiment: experiment}) {
			if err != nil {
				return err
			}
		}
		return nil
	},
	"Results": func(ctx context.Context, s strata.Store) error {
		_, err := s.Results(ctx, strata.ResultsParams{Experiment: experiment, Metrics: []strata.Metric{signups}})
		return err
	},
}

func stopsWithContext(t *testing.T, s strata.Store) {
	publish(t, s, 0, time.Time{})
	write(t, s, exposure("ada", control, start))
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, cancel := context.WithDeadline(t.Context(), start)
	defer cancel()
	for name, call := range methods {
		require.ErrorIs(t, call(cancelled, s), context.Canceled, name)
		require.ErrorIs(t, call(expired, s), context.DeadlineExceeded, name)
	}
	require.Len(t, history(t, s, 0), 1, "a plan was stored although the context was done")
	requireSignups(t, s, 0)
	requireExposed(t, s, "ada", control)
	for name, call := range methods { // and an ended context leaves nothing behind
		require.NoError(t, call(t.Context(), s), name)
	}
}

func plansAreNotAliased(t *testing.T, s strata.Store) {
	plan := fullPlan(t)
	_, err := s.PutPlan(t.Context(), strata.PutPlanParams{Plan: plan, Author: "a", Message: "m", At: start})
	require.NoError(t, err)
	require.Zero(t, plan.Version, "PutPlan changed the caller's plan")
	spoil(plan)

	want := fullPlan(t)
	want.Version = 1
	for range 2 {
		one, err := s.Plan(t.Context(), strata.PlanParams{Version: 1})
		require.NoError(t, err)
		require.Equal(t, canonical(t, want), canonical(t, one.Plan))
		spoil(one.Plan)
		list, err := s.PlansInEffect(t.Context(), strata.PlansInEffectParams{At: at(time.Hour)})
		require.NoError(t, err)
		require.Equal(t, canonical(t, want), canonical(t, list[0].Plan))
		spoil(list[0].Plan)
		list[0] = strata.PlanVersion{}
		past := history(t, s, 0)
		require.Equal(t, "a", past[0].Author)
		past[0].Author = "somebody else"
	}
}

// spoil changes what a plan shares with a shallow copy of it.
func spoil(p *strata.Plan) {
	p.Parameters[0].Key = "spoilt"
	p.Experiments[0].Treatments[1].Values["color"] = "spoilt"
	p.Experiments[0].Earlier[0].Weights[0].Weight = 99
	p.Metrics[0].Denominator.Event = strata.KindClick
	p.Layers[0].Parameters[0] = "spoilt"
}

// recordsAreNotAliased uses a batch's memory again, as a writer may.
func recordsAreNotAliased(t *testing.T, s strata.Store) {
	items := metricOfItems()
	w := newWriter(s)
	p := strata.Purchase{Time: start, OrderID: "o1", Currency: "EUR", Items: []strata.Item{{SKU: "a", Quantity: 2}, {SKU: "b", Quantity: 3}}}
	c := strata.Custom{Time: start, EventName: "e", Properties: map[string]any{"k": "v"}}
	records := []strata.Record{exposure("ada", control, start), event("ada", p), event("ada", c), signup("ada", start)}
	w.write(t, records...)
	require.Equal(t, "v", records[2].Event.(strata.Custom).Properties["k"], "Ingest changed the caller's records")
	p.Items[0].Quantity = 1000
	c.Properties["k"] = "spoilt"
	clear(records)
	r := results(t, s, items, signups)
	requireUnits(t, r, control, items.Key, 5)
	requireUnits(t, r, control, signups.Key, 1)
}

func metricOfItems() strata.Metric {
	return strata.Metric{Key: "items", Type: strata.MetricSum, Measure: strata.Measure{Event: strata.KindPurchase, Value: strata.ValueItems}}
}

func resultsAreNotAliased(t *testing.T, s strata.Store) {
	write(t, s, exposure("ada", control, start), signup("ada", start))
	metrics := []strata.Metric{signups, path(0, "/a")}
	params := strata.ResultsParams{Experiment: experiment, Metrics: metrics}
	for range 2 {
		r, err := s.Results(t.Context(), params)
		require.NoError(t, err)
		requireUnits(t, r, control, signups.Key, 1)
		require.Equal(t, signups, metrics[0], "Results changed the caller's metrics")
		moments := r.Treatments[control].Metrics[signups.Key].Moments
		require.NoError(t, moments[0].Add(17))
		clear(r.Treatments[control].Metrics)
		clear(r.Treatments)
	}
	metrics[1].Steps[0].Name = "/b" // a store that remembers definitions has its own
	write(t, s, view("ada", "/a", start))
	requireFunnel(t, s, path(0, "/a"), 1, 1)
}

func safeForConcurrentUse(t *testing.T, s strata.Store) {
	publish(t, s, 0, time.Time{})
	write(t, s, exposure("ada", control, start))
	var all sync.WaitGroup
	for range 4 {
		for name, call := range methods {
			if name == "PutPlan" {
				continue // racing publishers have a case of their own
			}
			all.Go(func() {
				for range 10 {
					assert.NoError(t, call(t.Context(), s), name)
				}
			})
		}
	}
	all.Go(func() {
		for base := int64(1); base < 10; base++ {
			_, err := s.PutPlan(t.Context(), strata.PutPlanParams{Plan: planBasedOn(base, time.Time{}), Author: "a", At: start})
			assert.NoError(t, err, fmt.Sprint("version ", base+1))
		}
	})
	all.Wait()
	require.Len(t, history(t, s, 0), 10)
	requireSignups(t, s, 40)
}
