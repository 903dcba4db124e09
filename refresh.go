package strata

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// refresher keeps the engine's snapshot up to date. Two goroutines share the
// work, so that a store that hangs delays nothing that memory can decide:
//
//   - poll asks the store for newer plans and for units to keep;
//   - watch switches to a plan at its EffectiveAt, and compiles anew when a
//     schedule says so.
type refresher struct {
	engine  *Engine
	store   Store
	clock   Clock
	onError func(error)
	wake    chan struct{} // what is due has changed; watch sleeps anew

	loading chan struct{} // holds a token while one refresh talks to the store
	loads   map[int64]map[string]*keptLoad

	mu        sync.Mutex    // guards what follows; never held during a call of the store
	plans     []*loadedPlan // the plan in effect, then those that take effect later
	known     int64         // newest version seen in the store
	refreshed time.Time
	err       error
}

// loadedPlan is a plan version in this process.
type loadedPlan struct {
	plan *Plan
	base *Snapshot             // compiled without kept units
	kept map[string]*keptUnits // by experiment; replaced, never changed
}

// keptLoad is how far the kept units of one experiment have been read, for one
// plan version.
type keptLoad struct {
	after int64
	units []keptUnit
}

func newRefresher(e *Engine) *refresher {
	return &refresher{
		engine: e, store: e.store, clock: e.cfg.Clock,
		onError: e.cfg.logError("refresh the plan"),
		wake:    make(chan struct{}, 1),
		loading: make(chan struct{}, 1),
		loads:   make(map[int64]map[string]*keptLoad),
		plans:   []*loadedPlan{{plan: &Plan{}, base: &Snapshot{}}},
	}
}

// poll refreshes every RefreshInterval until ctx is done.
func (r *refresher) poll(ctx context.Context) {
	interval := r.engine.cfg.RefreshInterval
	for interval > 0 {
		timer, stop := r.clock.Timer(interval)
		select {
		case <-ctx.Done():
			stop()
			return
		case <-timer:
		}
		if err := r.refresh(ctx); err != nil && ctx.Err() == nil {
			r.onError(err)
		}
	}
}

// watch brings the snapshot up to date whenever something falls due, until ctx
// is done.
func (r *refresher) watch(ctx context.Context) {
	for {
		timer, stop := r.clock.Timer(r.untilDue())
		select {
		case <-ctx.Done():
			stop()
			return
		case <-r.wake:
			stop()
		case <-timer:
			if err := r.swap(); err != nil {
				r.onError(err)
			}
		}
	}
}

// forever is how long watch sleeps when nothing is due: long, and short enough
// for any clock.
const forever = 24 * time.Hour

// untilDue returns how long the snapshot stays right.
func (r *refresher) untilDue() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, wait := r.clock.Now(), forever
	consider := func(at time.Time) {
		if !at.IsZero() {
			wait = min(wait, at.Sub(now))
		}
	}
	consider(r.engine.snap.Load().next)
	for _, p := range r.plans[1:] {
		consider(p.plan.EffectiveAt)
	}
	return max(wait, 0)
}

// refresh asks the store for what is new and brings the snapshot up to date.
func (r *refresher) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.engine.cfg.StoreTimeout)
	defer cancel()
	select {
	case r.loading <- struct{}{}:
		defer func() { <-r.loading }()
	case <-ctx.Done():
		return ctx.Err()
	}
	err := r.load(ctx)
	if err == nil {
		err = r.swap()
	}
	r.mu.Lock()
	r.err = err
	if err == nil {
		r.refreshed = r.clock.Now()
	}
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
	return err
}

func (r *refresher) load(ctx context.Context) error {
	r.mu.Lock()
	known := r.known
	r.mu.Unlock()
	versions, err := r.store.PlansInEffect(ctx, PlansInEffectParams{At: r.clock.Now(), Known: known})
	if err != nil {
		return err
	}
	if err := r.adopt(versions); err != nil {
		return err
	}
	return r.loadKept(ctx)
}

// adopt takes over the plans that the store listed. A plan that cannot be used
// is refused whole: the engine goes on with what it has.
func (r *refresher) adopt(versions []PlanVersion) error {
	if len(versions) == 0 {
		return nil
	}
	now := r.clock.Now()
	var plans []*loadedPlan
	for _, v := range versions {
		base, err := Compile(v.Plan, now)
		if err != nil {
			return fmt.Errorf("plan version %d: %w", v.Version, err)
		}
		for _, handle := range r.engine.cfg.Params {
			if err := handle.check(base); err != nil {
				return fmt.Errorf("plan version %d: %w", v.Version, err)
			}
		}
		plans = append(plans, &loadedPlan{plan: v.Plan, base: base})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if versions[0].EffectiveAt.After(now) { // all of them take effect later
		plans = append([]*loadedPlan{r.plans[0]}, plans...)
	}
	for _, p := range plans {
		for _, old := range r.plans {
			if old.plan.Version == p.plan.Version {
				p.kept = old.kept
			}
		}
	}
	r.plans, r.known = plans, versions[len(versions)-1].Version
	return nil
}

// swap makes the plan for this instant the engine's snapshot, unless it is.
func (r *refresher) swap() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	current := r.current(now)
	old := r.engine.snap.Load()
	if old != nil && old.version == current.plan.Version && !due(old.next, now) && !old.keptDiffers(current.kept) {
		return nil
	}
	snap, err := compile(current.plan, now, current.kept)
	if err != nil {
		return err
	}
	r.engine.snap.Store(snap)
	return nil
}

// current returns the plan for an instant: the highest version whose time has
// come. It forgets the versions that this one has replaced.
func (r *refresher) current(now time.Time) *loadedPlan {
	for i := len(r.plans) - 1; i > 0; i-- {
		if !r.plans[i].plan.EffectiveAt.After(now) {
			r.plans = r.plans[i:]
			break
		}
	}
	return r.plans[0]
}

func due(boundary, now time.Time) bool { return !boundary.IsZero() && !now.Before(boundary) }

// keptDiffers reports whether the snapshot was compiled with other sets.
func (s *Snapshot) keptDiffers(sets map[string]*keptUnits) bool {
	for key, set := range sets {
		if e := s.experiments[key]; e != nil && e.kept != set {
			return true
		}
	}
	return false
}

// loadKept reads the exposed units that the plan in effect, and the one that
// comes next, keep in their treatments. Only what is new is read.
func (r *refresher) loadKept(ctx context.Context) error {
	r.mu.Lock()
	r.current(r.clock.Now())
	plans := append([]*loadedPlan(nil), r.plans[:min(2, len(r.plans))]...)
	r.mu.Unlock()

	for version := range r.loads {
		if version < plans[0].plan.Version {
			delete(r.loads, version)
		}
	}
	for _, p := range plans {
		for _, e := range p.base.experiments {
			if !e.wantsKept() {
				continue
			}
			if err := r.loadKeptOf(ctx, p, e); err != nil {
				return fmt.Errorf("units to keep in experiment %q: %w", e.key, err)
			}
		}
	}
	return nil
}

func (r *refresher) loadKeptOf(ctx context.Context, p *loadedPlan, e *snapExperiment) error {
	version := p.plan.Version
	if r.loads[version] == nil {
		r.loads[version] = make(map[string]*keptLoad)
	}
	load := r.loads[version][e.key]
	if load == nil {
		load = new(keptLoad)
		r.loads[version][e.key] = load
		r.flushOwn(ctx)
	}
	before := len(load.units)
	for x, err := range r.store.Exposed(ctx, ExposedParams{Experiment: e.key, Phase: e.phase, After: load.after}) {
		if err != nil {
			return err
		}
		load.after = x.Sequence
		if t := e.index(x.Treatment); t >= 0 && e.moved(x.Hash, t) {
			load.units = append(load.units, keptUnit{x.Hash, uint8(t)})
		}
	}
	if len(load.units) == before {
		return nil
	}
	set := newKeptUnits(load.units)
	r.mu.Lock()
	defer r.mu.Unlock()
	sets := map[string]*keptUnits{e.key: set}
	for key, other := range p.kept {
		if key != e.key {
			sets[key] = other
		}
	}
	p.kept = sets
	return nil
}

// flushOwn writes this process's own exposures before the units to keep are
// listed for the first time. A store that does not answer is not waited for.
func (r *refresher) flushOwn(ctx context.Context) {
	if r.engine.snap.Load() == nil {
		return // Open: nothing has been recorded
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	//lint:ignore errcheck what stays behind comes with a later refresh
	_, _ = r.engine.flusher.flush(ctx)
}

func (r *refresher) status(s *EngineStatus) {
	snap := r.engine.snap.Load()
	s.Version = snap.version
	s.Kept = make(map[string]int)
	for key, e := range snap.experiments {
		if n := e.kept.Len(); n > 0 {
			s.Kept[key] = n
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Newest, s.Refreshed, s.RefreshErr = r.known, r.refreshed, r.err
}

// errStuck is what Close adds when a call of the store does not end with its
// context.
var errStuck = errors.New("strata: the store does not return although its context is done; a goroutine is left behind")
