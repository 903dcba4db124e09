package strata

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// refresher keeps the engine's snapshot up to date: it asks the store for newer
// plans, switches to a plan at its EffectiveAt, compiles anew when a schedule
// says so, and brings in the units that a change of plan keeps.
type refresher struct {
	engine  *Engine
	store   Store
	clock   Clock
	onError func(error)
	wake    chan struct{} // what is due has changed

	mu        sync.Mutex // held for the whole of a refresh
	plans     []*Plan    // the plan in effect, then those that take effect later
	known     int64      // newest version seen in the store
	kept      map[int64]map[string]*keptLoad
	refreshed time.Time
	err       error
}

// keptLoad is how far the kept units of one experiment have been read, for one
// plan version.
type keptLoad struct {
	after int64
	units []keptUnit
	set   *keptUnits
}

func newRefresher(e *Engine) *refresher {
	return &refresher{
		engine: e, store: e.store, clock: e.cfg.Clock,
		onError: e.cfg.logError("refresh the plan"),
		wake:    make(chan struct{}, 1),
		plans:   []*Plan{{}},
		kept:    make(map[int64]map[string]*keptLoad),
	}
}

// run refreshes until ctx is done.
func (r *refresher) run(ctx context.Context) {
	for {
		timer, stop := r.clock.Timer(r.sleep())
		select {
		case <-ctx.Done():
			stop()
			return
		case <-r.wake:
			stop()
			continue // sleep anew
		case <-timer:
		}
		if err := r.tick(ctx); err != nil && ctx.Err() == nil {
			r.onError(err)
		}
	}
}

// now asks the store for what is new, on behalf of a caller, and lets the
// background loop know that something else may be due.
func (r *refresher) now(ctx context.Context) error {
	err := r.refresh(ctx)
	select {
	case r.wake <- struct{}{}:
	default:
	}
	return err
}

// forever is how long the refresher sleeps when nothing is due; long enough,
// and short enough for any clock.
const forever = 24 * time.Hour

// sleep returns how long nothing is due.
func (r *refresher) sleep() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.engine.cfg.RefreshInterval
	if d < 0 {
		d = forever
	}
	now := r.clock.Now()
	for _, due := range []time.Time{r.engine.snap.Load().next, r.pendingAt()} {
		if !due.IsZero() {
			d = min(d, due.Sub(now))
		}
	}
	return max(d, 0)
}

// pendingAt returns when the next plan takes effect, or the zero time.
func (r *refresher) pendingAt() time.Time {
	var at time.Time
	for _, p := range r.plans[1:] {
		if at.IsZero() || p.EffectiveAt.Before(at) {
			at = p.EffectiveAt
		}
	}
	return at
}

// tick does what is due. A switch that falls due happens first, from memory: a
// store that is slow or down must not delay it.
func (r *refresher) tick(ctx context.Context) error {
	now := r.clock.Now()
	r.mu.Lock()
	boundary := r.engine.snap.Load().next
	due := !boundary.IsZero() && !now.Before(boundary)
	if pending := r.pendingAt(); !pending.IsZero() && !now.Before(pending) {
		due = true
	}
	var err error
	if due {
		err = r.swap(now)
	}
	r.mu.Unlock()
	if r.engine.cfg.RefreshInterval < 0 {
		return err
	}
	return errors.Join(err, r.refresh(ctx))
}

// refresh asks the store for what is new.
func (r *refresher) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.engine.cfg.StoreTimeout)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.load(ctx)
	r.err = err
	if err == nil {
		r.refreshed = r.clock.Now()
	}
	return err
}

func (r *refresher) load(ctx context.Context) error {
	now := r.clock.Now()
	versions, err := r.store.PlansInEffect(ctx, PlansInEffectParams{At: now, Known: r.known})
	if err != nil {
		return err
	}
	if len(versions) > 0 {
		if err := r.adopt(versions, now); err != nil {
			return err
		}
	}
	if err := r.loadKept(ctx, now); err != nil {
		return err
	}
	return r.swap(now)
}

// adopt takes over the plans that the store listed. A plan that cannot be used
// is refused whole: the engine goes on with what it has.
func (r *refresher) adopt(versions []PlanVersion, now time.Time) error {
	var plans []*Plan
	if versions[0].EffectiveAt.After(now) {
		plans = append(plans, r.plans[0]) // all of them take effect later
	}
	for _, v := range versions {
		snap, err := Compile(v.Plan, now)
		if err != nil {
			return fmt.Errorf("plan version %d: %w", v.Version, err)
		}
		for _, handle := range r.engine.cfg.Params {
			if err := handle.check(snap); err != nil {
				return fmt.Errorf("plan version %d: %w", v.Version, err)
			}
		}
		plans = append(plans, v.Plan)
	}
	r.plans, r.known = plans, versions[len(versions)-1].Version
	return nil
}

// current drops plans that a later one in effect has replaced, and returns the
// plan for an instant: the highest version whose time has come.
func (r *refresher) current(now time.Time) *Plan {
	for i := len(r.plans) - 1; i > 0; i-- {
		if !r.plans[i].EffectiveAt.After(now) {
			r.plans = r.plans[i:]
			break
		}
	}
	for version := range r.kept {
		if version < r.plans[0].Version {
			delete(r.kept, version)
		}
	}
	return r.plans[0]
}

// swap compiles the plan for an instant and makes it the engine's snapshot.
func (r *refresher) swap(now time.Time) error {
	plan := r.current(now)
	old := r.engine.snap.Load()
	kept := r.sets(plan.Version)
	if old != nil && old.version == plan.Version && !due(old.next, now) && !old.keptDiffers(kept) {
		return nil
	}
	snap, err := compile(plan, now, kept)
	if err != nil {
		return err
	}
	r.engine.snap.Store(snap)
	return nil
}

func due(boundary, now time.Time) bool { return !boundary.IsZero() && !now.Before(boundary) }

func (r *refresher) sets(version int64) map[string]*keptUnits {
	sets := make(map[string]*keptUnits)
	for key, load := range r.kept[version] {
		if load.set != nil {
			sets[key] = load.set
		}
	}
	return sets
}

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
func (r *refresher) loadKept(ctx context.Context, now time.Time) error {
	r.current(now)
	for i, plan := range r.plans {
		if i > 1 {
			break
		}
		at := now
		if plan.EffectiveAt.After(now) {
			at = plan.EffectiveAt
		}
		snap, err := compile(plan, at, nil)
		if err != nil {
			return err
		}
		for _, e := range snap.experiments {
			if !e.wantsKept() {
				continue
			}
			if err := r.loadKeptOf(ctx, plan.Version, e); err != nil {
				return fmt.Errorf("units to keep in experiment %q: %w", e.key, err)
			}
		}
	}
	return nil
}

func (r *refresher) loadKeptOf(ctx context.Context, version int64, e *snapExperiment) error {
	if r.kept[version] == nil {
		r.kept[version] = make(map[string]*keptLoad)
	}
	load := r.kept[version][e.key]
	if load == nil {
		load = new(keptLoad)
		r.kept[version][e.key] = load
		r.flushOwn(ctx)
	}
	added := false
	for x, err := range r.store.Exposed(ctx, ExposedParams{Experiment: e.key, Phase: e.phase, After: load.after}) {
		if err != nil {
			return err
		}
		load.after = x.Sequence
		if t := e.index(x.Treatment); t >= 0 && e.moved(x.Hash, t) {
			load.units = append(load.units, keptUnit{x.Hash, uint8(t)})
			added = true
		}
	}
	if added {
		load.set = newKeptUnits(load.units)
	}
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
	_, _ = r.engine.flusher.flush(ctx) // what stays behind comes with a later refresh
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
