package strata_test

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/memstore"
)

// What the tests of plans and assignment share.

// noon is the instant that plans are compiled for where time does not matter.
var noon = time.Date(2025, 6, 2, 12, 0, 0, 0, time.UTC)

// compiled compiles a plan for noon.
func compiled(t testing.TB, p *strata.Plan) *strata.Snapshot {
	t.Helper()
	return compiledAt(t, p, noon)
}

func compiledAt(t testing.TB, p *strata.Plan, at time.Time) *strata.Snapshot {
	t.Helper()
	snap, err := strata.Compile(p, at)
	require.NoError(t, err)
	return snap
}

// visitor has a user id and a device id, independent of each other.
func visitor(i int) strata.Unit {
	return strata.Unit{User: fmt.Sprintf("visitor-%d", i), Device: fmt.Sprintf("gadget-%d", i)}
}

// visitors yields n assignments.
func visitors(s *strata.Snapshot, n int) iter.Seq2[int, *strata.Assignment] {
	return func(yield func(int, *strata.Assignment) bool) {
		for i := range n {
			a := s.Assign(visitor(i))
			if !yield(i, a) {
				return
			}
		}
	}
}

// decision returns what a layer decided, or nil where the unit did not come to
// it.
func decision(a *strata.Assignment, layer string) *strata.Decision {
	for d := range a.All() {
		if d.Layer() == layer {
			return &d
		}
	}
	return nil
}

// arms makes treatments of the given weights, called t0 (the control), t1, …
// Those behind the control set the parameter to their key, if there is one.
func arms(param string, weights ...int) []strata.Treatment {
	var list []strata.Treatment
	for i, w := range weights {
		t := strata.Treatment{Key: fmt.Sprintf("t%d", i), Weight: w}
		if param != "" && i > 0 {
			t.Values = strata.Values{param: t.Key}
		}
		list = append(list, t)
	}
	return list
}

// oneLayer is a plan with one layer "l" by user, which owns the parameter "p",
// and the given experiments in it.
func oneLayer(experiments ...strata.Experiment) *strata.Plan {
	for i := range experiments {
		e := &experiments[i]
		if e.Layer == "" {
			e.Layer = "l"
		}
		if e.Treatments == nil {
			e.Treatments = arms("p", 1, 1)
		}
	}
	return &strata.Plan{
		Parameters:  []strata.Parameter{{Key: "p", Type: strata.TypeString, Default: "default"}},
		Layers:      []strata.Layer{{Key: "l", Parameters: []string{"p"}}},
		Experiments: experiments,
	}
}

// running is a running experiment on the buckets [from, to).
func running(key string, from, to int) strata.Experiment {
	return strata.Experiment{Key: key, Status: strata.StatusRunning, Buckets: strata.BucketRange(from, to)}
}

// engineOn opens an engine on a plan. Nothing happens in its background unless
// a test asks for it.
func engineOn(t testing.TB, p *strata.Plan) (*strata.Engine, *memstore.Store) {
	t.Helper()
	ctx := context.Background()
	store := memstore.New()
	_, err := strata.Publish(ctx, store, p, strata.PublishOptions{Author: "test", Message: t.Name()})
	require.NoError(t, err)
	eng, err := strata.Open(ctx, store, strata.Config{RefreshInterval: -1, FlushInterval: -1})
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := eng.Close(context.Background())
		require.NoError(t, err)
	})
	return eng, store
}

// exposedTo flushes the engine and counts an experiment's exposed units by
// treatment.
func exposedTo(t testing.TB, eng *strata.Engine, store strata.Store, experiment string) map[string]int {
	t.Helper()
	_, err := eng.Flush(context.Background())
	require.NoError(t, err)
	count := make(map[string]int)
	for x, err := range store.Exposed(context.Background(), strata.ExposedParams{Experiment: experiment}) {
		require.NoError(t, err)
		count[x.Treatment]++
	}
	return count
}
