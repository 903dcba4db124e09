package strata

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// This file is the part of the refresher that learns which units a plan keeps:
// from the store, and from this process's own latest exposures.

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

// recentExposure is an exposure of this process that a coming switch of plan may
// have to keep, and that may not have reached the store by then.
type recentExposure struct {
	hash      uint64
	treatment string
	version   int64
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
		for e := range p.base.experiments.all() {
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

// ready reports whether the units that a plan keeps have been read.
func (r *refresher) ready(p *loadedPlan) bool {
	for e := range p.base.experiments.all() {
		if e.wantsKept() && (r.loads[e.keptKey()] == nil || !r.loads[e.keptKey()].complete) {
			return false
		}
	}
	return true
}

// takeRecent adds this process's latest exposures to what a plan keeps.
func (r *refresher) takeRecent(p *loadedPlan) {
	for e := range p.base.experiments.all() {
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
	for e := range p.base.experiments.all() {
		if e.wantsKept() {
			if load := r.loads[e.keptKey()]; load != nil && load.set != nil {
				sets[e.key] = load.set
			}
		}
	}
	return sets
}

// keptDiffers reports whether the snapshot was compiled with other sets.
func (s *Snapshot) keptDiffers(sets map[string]*keptUnits) bool {
	for key, set := range sets {
		if e := s.experiments.find(key); e != nil && e.kept != set {
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
		for _, e := range p.base.experiments.sorted() {
			if !e.wantsKept() || wanted[e.keptKey()] {
				continue
			}
			wanted[e.keptKey()] = true
			if !flushed {
				r.flushOwn(ctx)
				flushed = true
			}
			if err := r.loadKeptOf(ctx, p.base, e); err != nil {
				errs = append(errs, fmt.Errorf("units to keep in experiment %q: %w", e.key, err))
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
			return &storeError{err}
		}
		list = append(list, x)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	load.after, load.complete = after, true
	load.add(e, list)
	return nil
}

// readKeptAnew has the units to keep read from the beginning. What is known of them
// goes on until then: nobody moves meanwhile. The lock is held.
func (r *refresher) readKeptAnew() {
	for _, load := range r.loads {
		load.after, load.complete = make(map[string]int64), false
	}
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
	_, _ = r.engine.Flush(ctx)
}
