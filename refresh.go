package strata

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// refresher keeps the engine's snapshot up to date. Goroutines share the work, so
// that a store that hangs delays nothing that memory can decide:
//
//   - poll asks the store for newer plans and for units to keep;
//   - follow has poll ask at once, where the store tells of new plans;
//   - watch switches to a plan at its EffectiveAt, and compiles anew when a
//     schedule says so.
type refresher struct {
	engine  *Engine
	store   Store
	clock   Clock
	onError func(error)
	wake    chan struct{} // what is due has changed; watch sleeps anew
	changed chan struct{} // the store tells of a new plan; poll refreshes

	loading chan struct{} // holds a token while one refresh talks to the store

	mu        sync.Mutex    // guards what follows; never held during a call of the store
	plans     []*loadedPlan // the plan in effect, then those that take effect later
	loads     map[keptKey]*keptLoad
	known     int64     // newest version seen in the store
	knownAt   time.Time // when it was published
	refreshed time.Time
	err       error
	refused   error         // why a plan that takes effect later cannot be used
	compiled  *loadedPlan   // what the engine's snapshot was made of
	unsaved   []PlanVersion // what Config.PlanFile does not have yet
	fileErr   error         // why it could not be written

	recentMu sync.Mutex // held by requests, so never for longer than an append
	recent   map[keptKey][]recentExposure
}

// loadedPlan is a plan version in this process.
type loadedPlan struct {
	plan  *Plan
	base  *Snapshot // compiled without kept units
	at    time.Time // when it was published
	saved time.Time // when the file that it comes from was written; zero from the store
}

// is reports whether p, from the store, is the plan that is in effect here: after a
// failover another one may have its number. One from a file is taken anew.
func (p *loadedPlan) is(current *loadedPlan) bool {
	return p.plan.Version == current.plan.Version && p.at.Equal(current.at) && current.saved.IsZero()
}

func newRefresher(e *Engine) *refresher {
	return &refresher{
		engine: e, store: e.store, clock: e.cfg.Clock,
		onError: e.cfg.logError("refresh the plan"),
		wake:    make(chan struct{}, 1),
		changed: make(chan struct{}, 1),
		loading: make(chan struct{}, 1),
		loads:   make(map[keptKey]*keptLoad),
		plans:   []*loadedPlan{emptyPlan()},
	}
}

// poll refreshes every RefreshInterval, and when the store tells of a plan, until
// ctx is done. What the store tells does not move the times at which it asks: they go by
// when the engine was opened, or else all engines would ask in the same moment from the
// first notice on.
func (r *refresher) poll(ctx context.Context) {
	interval := r.engine.cfg.RefreshInterval
	next := r.clock.Now().Add(interval)
	for {
		var timer <-chan time.Time
		stop := func() {}
		if interval > 0 {
			timer, stop = r.clock.Timer(min(interval, next.Sub(r.clock.Now()))) // whatever a clock does
		}
		select {
		case <-ctx.Done():
			stop()
			return
		case <-r.changed:
			stop()
		case <-timer:
			next = r.clock.Now().Add(interval)
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
		if at := p.plan.EffectiveAt; at.After(now) || r.ready(p) {
			consider(at)
		} // else: refresh switches, once the units to keep are known
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
	loaded := err == nil
	r.mu.Lock()
	if loaded {
		r.refreshed = r.clock.Now()
	}
	err = errors.Join(err, r.refused)
	r.err = err
	r.mu.Unlock()
	signal(r.wake)
	if loaded {
		r.save()
	}
	return err
}

func (r *refresher) load(ctx context.Context) error {
	r.mu.Lock()
	known, knownAt := r.known, r.knownAt
	r.mu.Unlock()
	asking, cancel := r.limit(ctx)
	start := r.clock.Now()
	versions, err := r.store.PlansInEffect(asking, PlansInEffectParams{At: start, Known: known, KnownAt: knownAt})
	cancel()
	r.engine.metrics.refresh.record(r.clock.Now().Sub(start))
	if err != nil {
		return &storeError{err}
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
	r.mu.Lock()
	fromFile := !r.plans[0].saved.IsZero() && r.known == 0
	r.mu.Unlock()
	if len(versions) == 0 && !fromFile {
		return nil
	}
	now := r.clock.Now()
	var plans []*loadedPlan
	var refused error
	for _, v := range versions {
		base, err := r.usable(v, now)
		switch {
		case err == nil:
			plans = append(plans, &loadedPlan{plan: v.Plan, base: base, at: v.At})
		case v.EffectiveAt.After(now):
			refused = errors.Join(refused, err)
		default:
			return err
		}
	}
	if fromFile && (len(plans) == 0 || plans[0].plan.EffectiveAt.After(now)) {
		plans = slices.Insert(plans, 0, emptyPlan()) // the store knows better than the file
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.knowsLost(versions) {
		r.readKeptAnew() // it may have the numbers of the next one
	}
	// The plan of today goes on until the next one can replace it.
	r.plans = append(r.plans[:1:1], slices.DeleteFunc(plans, func(p *loadedPlan) bool {
		return p.is(r.plans[0])
	})...)
	r.refused = refused
	if len(versions) > 0 {
		newest := versions[len(versions)-1]
		r.known, r.knownAt, r.unsaved = newest.Version, newest.At, versions
	}
	r.watchExposures()
	return nil
}

// knowsLost reports whether the store lacks the newest plan that this process has
// seen: a failover took it. The lock is held.
func (r *refresher) knowsLost(versions []PlanVersion) bool {
	if len(versions) == 0 {
		return false
	}
	return versions[len(versions)-1].Version < r.known || slices.ContainsFunc(versions, func(v PlanVersion) bool {
		return v.Version == r.known && !v.At.Equal(r.knownAt)
	})
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

// swap makes the plan for this instant the engine's snapshot, unless it is.
func (r *refresher) swap() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	current := r.current(now)
	old := r.engine.snap.Load()
	sets := r.sets(current)
	if old != nil && r.compiled == current && !due(old.next, now) && !old.keptDiffers(sets) {
		return nil
	}
	snap, err := compile(without(current.plan, r.withheld(current)), now, sets)
	if err != nil {
		return err
	}
	r.compiled = current
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

func due(boundary, now time.Time) bool { return !boundary.IsZero() && !now.Before(boundary) }

func (r *refresher) status(s *EngineStatus) {
	snap := r.engine.snap.Load()
	s.Version = snap.version
	s.Kept = make(map[string]int)
	for e := range snap.experiments.all() {
		if n := e.kept.Len(); n > 0 {
			s.Kept[e.key] = n
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Newest, s.Refreshed, s.RefreshErr = r.known, r.refreshed, r.err
	r.fileStatus(s)
}

// errStuck is what Close adds when a call of the store does not end with its
// context.
var errStuck = errors.New("strata: the store, or the disk of the spool, does not return although its context is done; a goroutine is left behind")
