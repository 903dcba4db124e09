package strata_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/memstore"
)

// Whatever is published with Keep, in whatever order, no exposed unit moves, and
// none is in two experiments of a layer.
func TestRandomChangesMoveNobodyExposed(t *testing.T) {
	seed.OneGoroutine(t)
	t.Parallel()
	seeds := 6
	if seed.Long() {
		seeds = 12
	}
	published := map[string]int{}
	for seed := range seeds {
		w := newKeepWorld(t, uint64(seed))
		for range 12 {
			w.visit(100)
			w.change(published)
			w.check()
		}
	}
	for name := range changes {
		require.Positive(t, published[name], "no run could publish %q", name)
	}
}

// keepWorld is two experiments in a nested domain, users who visit, and what each
// of them met first.
type keepWorld struct {
	t       *testing.T
	random  *rand.Rand
	store   *memstore.Store
	eng     *strata.Engine
	met     map[string]map[int]string // experiment → user → treatment
	users   int
	history []string
}

var keepKeys = []string{"a", "b"}

func newKeepWorld(t *testing.T, seed uint64) *keepWorld {
	b := strata.NewPlan()
	b.String("p", "x")
	lab := b.Layer("outer", strata.ByUser).Domain("lab", 0.6).Layer("inner", strata.ByUser, "p")
	for _, key := range keepKeys {
		lab.Experiment(key, 0.3).Treatment("c", 1, nil).Treatment("t", 1, strata.Values{"p": "y"}).Running()
	}
	plan, err := b.Build()
	require.NoError(t, err)
	store := memstore.New()
	publish(t, store, plan)
	return &keepWorld{
		t: t, random: rand.New(rand.NewPCG(seed, 7)), store: store, eng: open(t, store, strata.Config{RefreshInterval: -1}),
		met:     map[string]map[int]string{"a": {}, "b": {}},
		history: []string{fmt.Sprint("seed ", seed)},
	}
}

func (w *keepWorld) user(i int) strata.Unit {
	u := user(i)
	u.Attributes = map[string]any{"n": i % 10}
	return u
}

// visit brings new users, half of whom meet their treatments.
func (w *keepWorld) visit(n int) {
	for range n {
		a := w.eng.Assign(w.user(w.users))
		for _, key := range keepKeys {
			if treatment := a.Peek(key); treatment != "" && w.random.IntN(2) == 0 {
				a.Expose(key)
				w.met[key][w.users] = treatment
			}
		}
		w.users++
	}
	flush(w.t, w.eng)
}

// changes are what a careless author may do to an experiment.
var changes = map[string]func(*strata.Plan, *strata.Experiment, *rand.Rand){
	"widen": func(p *strata.Plan, e *strata.Experiment, r *rand.Rand) {
		_ = p.Widen(e.Key, r.IntN(1+min(1000, p.Free(e.Layer).Len())))
	},
	"narrow": func(p *strata.Plan, e *strata.Experiment, r *rand.Rand) {
		_ = p.Narrow(e.Key, r.IntN(1+e.Buckets.Len()))
	},
	"undrain": func(_ *strata.Plan, e *strata.Experiment, _ *rand.Rand) { e.Buckets = e.Buckets.Union(e.Draining) },
	"weigh":   func(_ *strata.Plan, e *strata.Experiment, r *rand.Rand) { e.Treatments[1].Weight = 1 + r.IntN(9) },
	"reorder": func(_ *strata.Plan, e *strata.Experiment, _ *rand.Rand) { slices.Reverse(e.Treatments) },
	"close":   func(_ *strata.Plan, e *strata.Experiment, _ *rand.Rand) { e.Status = strata.StatusIntakeClosed },
	"reopen":  func(_ *strata.Plan, e *strata.Experiment, _ *rand.Rand) { e.Status = strata.StatusRunning },
	"audience": func(_ *strata.Plan, e *strata.Experiment, r *rand.Rand) {
		e.Audience = fmt.Sprintf("n < %d", 3+r.IntN(8))
	},
	"shrink domain": func(p *strata.Plan, _ *strata.Experiment, r *rand.Rand) {
		d := &p.Domains[0]
		d.Buckets = d.Buckets.Minus(strata.BucketRange(0, r.IntN(strata.NumBuckets)))
	},
	"grow domain": func(p *strata.Plan, _ *strata.Experiment, _ *rand.Rand) {
		d := &p.Domains[0]
		d.Buckets = d.Buckets.Union(d.Draining).Union(p.Free("outer"))
	},
}

func (w *keepWorld) change(published map[string]int) {
	names := make([]string, 0, len(changes))
	for name := range changes {
		names = append(names, name)
	}
	slices.Sort(names)
	name, key := names[w.random.IntN(len(names))], keepKeys[w.random.IntN(2)]
	plan := edited(w.t, w.store, func(p *strata.Plan) { changes[name](p, p.Experiment(key), w.random) })
	opts := keep("a", "b")
	opts.Author, opts.Message = "test", name
	_, err := strata.Publish(w.t.Context(), w.store, plan, opts)
	if errors.Is(err, strata.ErrInvalidPlan) {
		w.history = append(w.history, name+" "+key+" refused")
		return
	}
	require.NoError(w.t, err, "%v", w.history)
	published[name]++
	w.history = append(w.history, name+" "+key)
	require.NoError(w.t, w.eng.Refresh(w.t.Context()))
}

func (w *keepWorld) check() {
	for i := range w.users {
		a := w.eng.Assign(w.user(i))
		for key, met := range w.met {
			if first, exposed := met[i]; exposed {
				require.Equal(w.t, first, a.Peek(key), "user %d moved in %s: %v", i, key, w.history)
			}
		}
		require.False(w.t, a.Peek("a") != "" && a.Peek("b") != "", "user %d is in both: %v", i, w.history)
	}
	for key := range w.met {
		require.Zero(w.t, results(w.t, w.store, key).Contradictions, "%s: %v", key, w.history)
	}
}
