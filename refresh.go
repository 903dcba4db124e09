package strata

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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

	mu        sync.Mutex    // guards what follows; never held during a call of the store
	plans     []*loadedPlan // the plan in effect, then those that take effect later
	loads     map[keptKey]*keptLoad
	known     int64 // newest version seen in the store
	refreshed time.Time
	err       error
	refused   error // why a plan that takes effect later cannot be used

	recentMu sync.Mutex // held by requests, so never for longer than an append
	recent   map[keptKey][]recentExposure
}

// recentExposure is an exposure of this process that a coming switch of plan may
// have to keep, and that may not have reached the store by then.
type recentExposure struct {
	hash      uint64
	treatment string
	version   int64
}

// loadedPlan is a plan version in this process.
type loadedPlan struct {
	plan *Plan
	base *Snapshot // compiled without kept units
}

// keptKey identifies a set of kept units. Versions of the plan that do not
// change how an experiment draws share its set, so that publishing something
// else waits for nothing.
type keptKey struct {
	experiment string
	phase      int
	keep       keepRange
}

// keptLoad is how far a set of kept units has been read.
type keptLoad struct {
	after    map[string]int64 // by experiment that the exposures are of
	units    []keptUnit
	set      *keptUnits
	complete bool // the store's whole list was read at least once
}

func (e *snapExperiment) keptKey() keptKey { return keptKey{e.key, e.phase, *e.keep} }

func newRefresher(e *Engine) *refresher {
	return &refresher{
		engine: e, store: e.store, clock: e.cfg.Clock,
		onError: e.cfg.logError("refresh the plan"),
		wake:    make(chan struct{}, 1),
		loading: make(chan struct{}, 1),
		loads:   make(map[keptKey]*keptLoad),
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

// forever is how long watch sleeps when nothing is due. It looks at the clock
// again after that, in case the machine slept or the clock was set.
const forever = time.Minute

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
	select {
	case r.loading <- struct{}{}:
		defer func() { <-r.loading }()
	case <-ctx.Done():
		return ctx.Err()
	}
	err := errors.Join(r.load(ctx), r.swap()) // what could be loaded takes effect
	r.mu.Lock()
	if err == nil {
		r.refreshed = r.clock.Now()
	}
	err = errors.Join(err, r.refused)
	r.err = err
	r.mu.Unlock()
	signal(r.wake)
	return err
}

func (r *refresher) load(ctx context.Context) error {
	r.mu.Lock()
	known := r.known
	r.mu.Unlock()
	asking, cancel := r.limit(ctx)
	versions, err := r.store.PlansInEffect(asking, PlansInEffectParams{At: r.clock.Now(), Known: known})
	cancel()
	if err != nil {
		return err
	}
	if err := r.adopt(versions); err != nil {
		return err
	}
	return r.loadKept(ctx)
}

// limit bounds one call of the store.
func (r *refresher) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, r.engine.cfg.StoreTimeout)
}

// adopt takes over the plans that the store listed. When the one in effect
// cannot be used the engine goes on with what it has; one that takes effect
// later is left out, and the error stands until another version is known.
func (r *refresher) adopt(versions []PlanVersion) error {
	if len(versions) == 0 {
		return nil
	}
	now := r.clock.Now()
	var plans []*loadedPlan
	var refused error
	for _, v := range versions {
		base, err := r.usable(v, now)
		switch {
		case err == nil:
			plans = append(plans, &loadedPlan{v.Plan, base})
		case v.EffectiveAt.After(now):
			refused = errors.Join(refused, err)
		default:
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	// The plan of today goes on until the next one can replace it.
	r.plans = append(r.plans[:1:1], slices.DeleteFunc(plans, func(p *loadedPlan) bool { return p.plan.Version == r.plans[0].plan.Version })...)
	r.known, r.refused = versions[len(versions)-1].Version, refused
	r.watchExposures()
	return nil
}

// usable compiles a version and checks it against the program's handles.
func (r *refresher) usable(v PlanVersion, now time.Time) (*Snapshot, error) {
	base, err := Compile(v.Plan, now)
	if err != nil {
		return nil, fmt.Errorf("plan version %d: %w", v.Version, err)
	}
	for _, handle := range r.engine.cfg.Params {
		if err := handle.check(base); err != nil {
			return nil, fmt.Errorf("plan version %d: %w", v.Version, err)
		}
	}
	return base, nil
}

// watchExposures makes the engine note its own exposures to experiments that a
// plan which takes effect later keeps units of: at the switch they may not have
// reached the store.
func (r *refresher) watchExposures() {
	recent := make(map[keptKey][]recentExposure)
	watched := make(map[string][]keptKey)
	r.recentMu.Lock()
	defer r.recentMu.Unlock()
	for _, p := range r.plans[1:] {
		for _, e := range p.base.experiments {
			if !e.wantsKept() {
				continue
			}
			key := e.keptKey()
			recent[key] = r.recent[key]
			for _, from := range p.base.sources(e) {
				watched[from.key] = append(watched[from.key], key)
			}
		}
	}
	r.recent = recent
	if len(watched) == 0 {
		r.engine.watched.Store(nil)
		return
	}
	r.engine.watched.Store(&watched)
}

// noteExposure remembers an exposure that a coming switch may have to keep.
func (r *refresher) noteExposure(keys []keptKey, x recentExposure) {
	r.recentMu.Lock()
	defer r.recentMu.Unlock()
	for _, key := range keys {
		if list, wanted := r.recent[key]; wanted {
			r.recent[key] = append(list, x)
		}
	}
}

// swap makes the plan for this instant the engine's snapshot, unless it is.
func (r *refresher) swap() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	current := r.current(now)
	old := r.engine.snap.Load()
	sets := r.sets(current)
	if old != nil && old.version == current.plan.Version && !due(old.next, now) && !old.keptDiffers(sets) {
		return nil
	}
	snap, err := compile(current.plan, now, sets)
	if err != nil {
		return err
	}
	r.engine.snap.Store(snap)
	return nil
}

// current returns the plan for an instant: the highest version whose time has
// come, and whose units to keep are known. It forgets the versions that this one
// has replaced.
func (r *refresher) current(now time.Time) *loadedPlan {
	for i := len(r.plans) - 1; i > 0; i-- {
		if p := r.plans[i]; !p.plan.EffectiveAt.After(now) && r.ready(p) {
			r.takeRecent(p)
			r.plans = r.plans[i:]
			r.watchExposures()
			break
		}
	}
	return r.plans[0]
}

// ready reports whether the units that a plan keeps have been read.
func (r *refresher) ready(p *loadedPlan) bool {
	for _, e := range p.base.experiments {
		if e.wantsKept() && (r.loads[e.keptKey()] == nil || !r.loads[e.keptKey()].complete) {
			return false
		}
	}
	return true
}

// takeRecent adds this process's latest exposures to what a plan keeps.
func (r *refresher) takeRecent(p *loadedPlan) {
	for _, e := range p.base.experiments {
		if !e.wantsKept() {
			continue
		}
		key := e.keptKey()
		r.recentMu.Lock()
		recent := r.recent[key]
		r.recentMu.Unlock()
		var list []exposedTo
		for _, x := range recent {
			if t := e.index(x.treatment); t >= 0 {
				list = append(list, exposedTo{keptUnit{x.hash, uint8(t)}, x.version})
			}
		}
		r.loads[key].add(e, list)
	}
}

// add takes exposures into the set, if they are such as to be kept.
func (l *keptLoad) add(e *snapExperiment, list []exposedTo) {
	added := false
	for _, x := range list {
		if e.moved(x) {
			l.units = append(l.units, x.keptUnit)
			added = true
		}
	}
	if added {
		l.set = newKeptUnits(l.units)
	}
}

func (r *refresher) sets(p *loadedPlan) map[string]*keptUnits {
	sets := make(map[string]*keptUnits)
	for _, e := range p.base.experiments {
		if e.wantsKept() {
			if load := r.loads[e.keptKey()]; load != nil && load.set != nil {
				sets[e.key] = load.set
			}
		}
	}
	return sets
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

// loadKept reads the exposed units that the plan in effect, and those that come,
// keep in their treatments. Only what is new is read. An experiment whose list
// fails does not hold up the others.
func (r *refresher) loadKept(ctx context.Context) error {
	r.mu.Lock()
	plans := slices.Clone(r.plans)
	r.mu.Unlock()
	wanted := make(map[keptKey]bool)
	flushed := false
	var errs []error
	for _, p := range plans {
		for _, name := range sortedKeys(p.base.experiments) {
			e := p.base.experiments[name]
			if !e.wantsKept() || wanted[e.keptKey()] {
				continue
			}
			wanted[e.keptKey()] = true
			if !flushed {
				r.flushOwn(ctx)
				flushed = true
			}
			if err := r.loadKeptOf(ctx, p.base, e); err != nil {
				errs = append(errs, fmt.Errorf("units to keep in experiment %q: %w", name, err))
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.loads, func(key keptKey, _ *keptLoad) bool { return !wanted[key] })
	return errors.Join(errs...)
}

func (r *refresher) loadKeptOf(ctx context.Context, base *Snapshot, e *snapExperiment) error {
	ctx, cancel := r.limit(ctx)
	defer cancel()
	r.mu.Lock()
	load := r.loads[e.keptKey()]
	if load == nil {
		load = &keptLoad{after: make(map[string]int64)}
		r.loads[e.keptKey()] = load
	}
	after := maps.Clone(load.after)
	r.mu.Unlock()

	var list []exposedTo
	for x, err := range base.keptOf(ctx, r.store, e, after) {
		if err != nil {
			return err
		}
		list = append(list, x)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	load.after, load.complete = after, true
	load.add(e, list)
	return nil
}

// flushOwn writes this process's own exposures before the units to keep are
// listed. A store that does not answer is not waited for.
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
