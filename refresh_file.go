package strata

import (
	"context"
	"errors"
	"maps"
	"slices"
)

// This file is the part of the refresher that saves plans to Config.PlanFile, and
// starts from there while the store is down.

// storeError marks a failure of the store, as opposed to a plan that cannot be
// used.
type storeError struct{ error }

func (e *storeError) Unwrap() error { return e.error }

// unavailable reports whether an error says that the store does not answer.
func unavailable(err error) bool {
	_, failed := errors.AsType[*storeError](err)
	return failed && !errors.Is(err, ErrInvalidPlan)
}

// save writes the versions that the store listed last, unless the file has them.
// A failure costs nothing but the file.
func (r *refresher) save() {
	name := r.engine.cfg.PlanFile
	r.mu.Lock()
	versions := r.unsaved
	r.mu.Unlock()
	if name == "" || versions == nil {
		return
	}
	err := writePlanFile(name, r.clock.Now(), versions)
	r.mu.Lock()
	if r.fileErr = err; err == nil {
		r.unsaved = nil
	}
	r.mu.Unlock()
	if err != nil {
		r.onError(err)
	}
}

// resume starts from the plan file after the first refresh has failed. It
// returns nil if that worked, and otherwise why Open fails.
func (r *refresher) resume(ctx context.Context, cause error) error {
	name := r.engine.cfg.PlanFile
	if name == "" || !unavailable(cause) || errors.Is(ctx.Err(), context.Canceled) {
		return cause
	}
	saved, versions, err := readPlanFile(name)
	if err != nil {
		return errors.Join(cause, err)
	}
	now := r.clock.Now()
	plans := []*loadedPlan{emptyPlan()}
	plans[0].saved = saved
	for _, v := range versions {
		base, err := r.usable(v, now)
		waits := v.Plan.EffectiveAt.After(now)
		switch {
		case err == nil && waits:
			plans = append(plans, &loadedPlan{plan: v.Plan, base: base, saved: saved})
		case err == nil:
			plans = []*loadedPlan{{plan: v.Plan, base: base, saved: saved}}
		case !waits:
			return errors.Join(cause, err)
		}
	}
	r.mu.Lock()
	r.plans, r.known = plans, 0 // the store will be asked for everything
	r.mu.Unlock()
	if err := r.swap(); err != nil {
		return errors.Join(cause, err)
	}
	r.onError(cause)
	return nil
}

// emptyPlan is what is in effect where nothing was published.
func emptyPlan() *loadedPlan { return &loadedPlan{plan: &Plan{}, base: &Snapshot{}} }

// withheld returns the experiments of a plan that serve defaults, because the
// units that they keep are not known: some would be moved to another treatment.
// It has any only while the plan comes from the file. An experiment that shares
// the control of one that is withheld would lack it, and is withheld as well.
func (r *refresher) withheld(p *loadedPlan) map[string]bool {
	if p.saved.IsZero() {
		return nil
	}
	keys := make(map[string]bool)
	for e := range p.base.experiments.all() {
		if e.wantsKept() && (r.loads[e.keptKey()] == nil || !r.loads[e.keptKey()].complete) {
			keys[e.key] = true
		}
	}
	for _, e := range p.plan.Experiments {
		if keys[e.SharedControl] {
			keys[e.Key] = true
		}
	}
	return keys
}

// without returns a plan in which some experiments are stopped.
func without(p *Plan, keys map[string]bool) *Plan {
	if len(keys) == 0 {
		return p
	}
	reduced := *p
	reduced.Experiments = slices.Clone(p.Experiments)
	for i := range reduced.Experiments {
		if e := &reduced.Experiments[i]; keys[e.Key] {
			e.Status = StatusStopped
		}
	}
	return &reduced
}

// fileStatus says whether the plan comes from the file. The caller holds mu.
func (r *refresher) fileStatus(s *EngineStatus) {
	s.PlanFileErr = r.fileErr
	if p := r.plans[0]; !p.saved.IsZero() {
		s.FromFile = p.saved
		s.Withheld = slices.Sorted(maps.Keys(r.withheld(p)))
	}
}
