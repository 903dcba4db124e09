package oracle_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/oracle"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/memstore"
)

// handClock stands still until it is set. Its timers never fire: who moves it
// refreshes the engine.
type handClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) Timer(time.Duration) (fires <-chan time.Time, stop func()) {
	return nil, func() {}
}

func (c *handClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a plan that changes, and units that are exposed meanwhile.
type world struct {
	t      *rapid.T
	met    reached
	clock  *handClock
	store  *memstore.Store
	engine *strata.Engine
	plans  map[int64]*strata.Plan // as published
	models map[int64]*oracle.Plan
	first  map[exposureKey]exposure

	// last is the last exposure where a unit met two treatments, else the first.
	// A store keeps the first exposure of a phase. At a switch that was published
	// ahead an engine adds its own latest exposures, which a store may not have:
	// of a unit in contradiction it may then know another one.
	last  map[exposureKey]exposure
	story []string
	moody bool // attributes change from visit to visit
}

type exposureKey struct {
	experiment string
	phase      int
	id         string
}

type exposure struct {
	treatment string
	version   int64
}

// With exposed units too the model and the library agree, whatever is published
// in whatever order. Each run begins with a change that has units kept in one of
// the ways that there are.
func TestModelAgreesWithEnginesThatKeepUnits(t *testing.T) {
	seed.OneGoroutine(t)
	all := reached{}
	for reason, begin := range openings {
		t.Run(reason, func(t *testing.T) {
			met := reached{}
			rapid.Check(t, func(t *rapid.T) {
				w := newWorld(t, met)
				defer w.close()
				w.visit()
				w.begin(reason, begin)
				for range rapid.IntRange(1, 4).Draw(t, "steps") {
					w.visit()
					w.change()
					w.clock.advance(time.Duration(rapid.IntRange(0, 40).Draw(t, "minutes")) * time.Minute)
					w.refresh()
				}
				w.visit()
			})
			met.require(t, "assigned", "held", reason)
			maps.Copy(all, met)
		})
	}
	if seed.Long() {
		for _, c := range changes {
			all.require(t, c.name)
		}
	}
}

func newWorld(t *rapid.T, met reached) *world {
	w := &world{
		t: t, met: met, clock: &handClock{now: noon}, store: memstore.New(),
		plans: make(map[int64]*strata.Plan), models: make(map[int64]*oracle.Plan), first: make(map[exposureKey]exposure), last: make(map[exposureKey]exposure),
		moody: rapid.Bool().Draw(t, "moody"),
	}
	w.publish(drawLivelyPlan(t), nil, "first")
	var err error
	w.engine, err = strata.Open(context.Background(), w.store, strata.Config{RefreshInterval: -1, FlushInterval: -1, Clock: w.clock})
	require.NoError(t, err)
	return w
}

func (w *world) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := w.engine.Close(ctx)
	require.NoError(w.t, err)
}

// refresh sees to it that the engine knows all exposures.
func (w *world) refresh() {
	_, err := w.engine.Flush(context.Background())
	require.NoError(w.t, err)
	require.NoError(w.t, w.engine.Refresh(context.Background()), "%v", w.story)
}

// visit compares what every unit gets, and exposes some.
func (w *world) visit() {
	visits := rapid.Uint64().Draw(w.t, "visits")
	random := rand.New(rand.NewPCG(visits, 2))
	for i := range 40 {
		u := drawUnit(rand.New(rand.NewPCG(uint64(i), 3)))
		if w.moody {
			u.Attributes = drawAttributes(random)
		}
		a := w.engine.Assign(u)
		plan := w.plans[a.Version()]
		w.met.see(plan, a)
		w.compare(plan, a)
		if random.IntN(2) > 0 {
			continue
		}
		for _, key := range keys(plan) {
			w.expose(plan, key, a)
		}
	}
	w.refresh()
}

func (w *world) compare(plan *strata.Plan, a *strata.Assignment) {
	requireSame(w.t, w.models[plan.Version], plan, w.clock.Now(), a, known(w.first), known(w.last))
}

// known tells exposures by unit.
func known(exposures map[exposureKey]exposure) oracle.Held {
	return func(experiment string, phase int, id string) (treatment string, version int64, ok bool) {
		x, ok := exposures[exposureKey{experiment, phase, id}]
		return x.treatment, x.version, ok
	}
}

// expose exposes a unit to an experiment that it is in, and remembers the first
// exposure.
func (w *world) expose(plan *strata.Plan, experiment string, a *strata.Assignment) {
	treatment := a.Peek(experiment)
	if treatment == "" {
		return
	}
	a.Expose(experiment)
	u, e := a.Unit(), plan.Experiment(experiment)
	key := exposureKey{experiment, e.Phase, u.ID(plan.Layer(e.Layer).Diversion)}
	x := exposure{treatment, plan.Version}
	if _, again := w.first[key]; !again {
		w.first[key], w.last[key] = x, x
	}
	if w.last[key].treatment != treatment {
		w.met["contradiction"]++
		w.last[key] = x
	}
}

// openings are changes by which exposed units are kept, by the reason for which
// they are. They are large enough to be noticed.
var openings = map[string]func(*rapid.T, *strata.Plan, *strata.Experiment){
	"kept in another treatment":    func(_ *rapid.T, _ *strata.Plan, e *strata.Experiment) { e.Treatments[1].Weight += 7 },
	"kept while buckets drain":     func(_ *rapid.T, p *strata.Plan, e *strata.Experiment) { _ = p.Narrow(e.Key, e.Buckets.Len()*3/4) },
	"kept while intake is closed":  func(_ *rapid.T, _ *strata.Plan, e *strata.Experiment) { e.Status = strata.StatusIntakeClosed },
	"kept outside of the audience": func(t *rapid.T, _ *strata.Plan, e *strata.Experiment) { e.Audience = drawAudience(t, 1) },
	"kept while a domain drains": func(_ *rapid.T, p *strata.Plan, _ *strata.Experiment) {
		for i := range p.Domains {
			p.Domains[i].Buckets = p.Domains[i].Buckets.Minus(strata.BucketRange(0, 7000))
		}
	},
}

// begin publishes the plan with all experiments that run changed in one way, and
// keeps everybody.
func (w *world) begin(name string, do func(*rapid.T, *strata.Plan, *strata.Experiment)) {
	plan := copied(w.plans[1])
	moves := make(map[string]strata.Policy)
	for i := range plan.Experiments {
		e := &plan.Experiments[i]
		if moves[e.Key] = strata.Keep; e.Status == strata.StatusRunning {
			do(w.t, plan, e)
		}
	}
	w.publish(plan, moves, name)
	w.refresh()
}

// change publishes the plan with one random change, or more.
func (w *world) change() {
	latest := int64(len(w.plans))
	plan := copied(w.plans[latest])
	plan.EffectiveAt = time.Time{}
	if len(plan.Experiments) == 0 {
		return
	}
	var names []string
	for range rapid.IntRange(1, 2).Draw(w.t, "changes") {
		if len(plan.Experiments) == 0 {
			break
		}
		c := rapid.SampledFrom(changes).Draw(w.t, "change")
		e := &plan.Experiments[rapid.IntRange(0, len(plan.Experiments)-1).Draw(w.t, "experiment")]
		c.do(w.t, plan, e)
		names = append(names, c.name)
	}
	moves := make(map[string]strata.Policy)
	for _, key := range keys(w.plans[latest]) {
		moves[key] = rapid.SampledFrom([]strata.Policy{strata.Keep, strata.Keep, strata.Keep, strata.Keep, strata.Keep, strata.Fresh}).Draw(w.t, "policy")
	}
	w.publish(plan, moves, names...)
}

func (w *world) publish(plan *strata.Plan, moves map[string]strata.Policy, names ...string) {
	name := strings.Join(names, " and ")
	stored, err := strata.Publish(context.Background(), w.store, plan, strata.PublishOptions{Author: "test", Message: name, Moves: moves, Clock: w.clock})
	if errors.Is(err, strata.ErrInvalidPlan) || errors.Is(err, strata.ErrMovesUnits) {
		w.story = append(w.story, name+" refused")
		return
	}
	require.NoError(w.t, err)
	for _, name := range names {
		w.met[name]++
	}
	w.story = append(w.story, fmt.Sprintf("%d: %s %v", stored.Version, name, moves))
	w.plans[stored.Version] = stored
	w.models[stored.Version], err = oracle.NewPlan(stored)
	require.NoError(w.t, err)
	require.NoError(w.t, oracle.Exclusive(stored), "%v", w.story)
}

// copied returns a plan to be changed. Values are shared: a change replaces them.
func copied(p *strata.Plan) *strata.Plan {
	out := *p
	out.Domains, out.Experiments = slices.Clone(p.Domains), slices.Clone(p.Experiments)
	for i := range out.Experiments {
		out.Experiments[i].Treatments = slices.Clone(out.Experiments[i].Treatments)
	}
	return &out
}

// change is what a careless author may do to a plan, or to one of its
// experiments.
type change struct {
	name string
	do   func(*rapid.T, *strata.Plan, *strata.Experiment)
}

// changes are what a careless author may do to a plan.
var changes = []change{
	{"widen", func(t *rapid.T, p *strata.Plan, e *strata.Experiment) {
		_ = p.Widen(e.Key, rapid.IntRange(0, p.Free(e.Layer).Len()+e.Draining.Len()).Draw(t, "n"))
	}},
	{"narrow", func(t *rapid.T, p *strata.Plan, e *strata.Experiment) {
		_ = p.Narrow(e.Key, rapid.IntRange(0, e.Buckets.Len()).Draw(t, "n"))
	}},
	{"undrain", func(_ *rapid.T, _ *strata.Plan, e *strata.Experiment) { e.Buckets = e.Buckets.Union(e.Draining) }},
	{"weigh", func(t *rapid.T, _ *strata.Plan, e *strata.Experiment) {
		i := rapid.IntRange(0, len(e.Treatments)-1).Draw(t, "treatment")
		e.Treatments[i].Weight = rapid.IntRange(0, 9).Draw(t, "weight")
	}},
	{"add a treatment", func(_ *rapid.T, _ *strata.Plan, e *strata.Experiment) {
		e.Treatments = append(e.Treatments, strata.Treatment{Key: fmt.Sprint("t", len(e.Treatments)+10), Weight: 3})
	}},
	{"drop a treatment", func(_ *rapid.T, _ *strata.Plan, e *strata.Experiment) {
		e.Treatments = e.Treatments[:max(2, len(e.Treatments)-1)]
	}},
	{"reorder", func(_ *rapid.T, _ *strata.Plan, e *strata.Experiment) { slices.Reverse(e.Treatments) }},
	{"run", func(_ *rapid.T, _ *strata.Plan, e *strata.Experiment) { e.Status = strata.StatusRunning }},
	{"close", func(_ *rapid.T, _ *strata.Plan, e *strata.Experiment) { e.Status = strata.StatusIntakeClosed }},
	{"stop", func(_ *rapid.T, _ *strata.Plan, e *strata.Experiment) { e.Status = strata.StatusStopped }},
	{"pause", func(_ *rapid.T, _ *strata.Plan, e *strata.Experiment) { e.Status = strata.StatusDraft }},
	{"phase", func(_ *rapid.T, _ *strata.Plan, e *strata.Experiment) { e.Phase++ }},
	{"audience", func(t *rapid.T, _ *strata.Plan, e *strata.Experiment) { e.Audience = drawAudience(t, 1) }},
	{"everybody", func(_ *rapid.T, _ *strata.Plan, e *strata.Experiment) { e.Audience = "" }},
	{"schedule", func(t *rapid.T, _ *strata.Plan, e *strata.Experiment) {
		e.Schedule = (&generator{t: t}).schedule()
	}},
	{"always", func(_ *rapid.T, _ *strata.Plan, e *strata.Experiment) { e.Schedule = strata.Schedule{} }},
	{"shrink a domain", func(t *rapid.T, p *strata.Plan, _ *strata.Experiment) {
		if len(p.Domains) > 0 {
			d := &p.Domains[rapid.IntRange(0, len(p.Domains)-1).Draw(t, "domain")]
			d.Buckets = d.Buckets.Minus(strata.BucketRange(0, rapid.IntRange(0, strata.NumBuckets).Draw(t, "up to")))
		}
	}},
	{"grow a domain", func(t *rapid.T, p *strata.Plan, _ *strata.Experiment) {
		if len(p.Domains) > 0 {
			d := &p.Domains[rapid.IntRange(0, len(p.Domains)-1).Draw(t, "domain")]
			d.Buckets = d.Buckets.Union(d.Draining).Union(p.Free(d.Layer))
		}
	}},
	{"set a value", func(t *rapid.T, p *strata.Plan, e *strata.Experiment) {
		e.Treatments[1].Values = strata.Values{}
		for _, key := range p.Layer(e.Layer).Parameters {
			e.Treatments[1].Values[key] = valueFor(p.Parameter(key).Type, 17)
		}
	}},
	{"remove", func(_ *rapid.T, p *strata.Plan, e *strata.Experiment) {
		key := e.Key
		p.Experiments = slices.DeleteFunc(p.Experiments, func(e strata.Experiment) bool { return e.Key == key })
	}},
	{"later", func(t *rapid.T, p *strata.Plan, _ *strata.Experiment) {
		p.EffectiveAt = noon.Add(time.Duration(rapid.IntRange(0, 24).Draw(t, "hours")) * 20 * time.Minute)
	}},
}
