package strata

import (
	"fmt"
	"maps"
)

// forcing is what QA imposed on an assignment: treatments, and the layers' slots
// that lead to them.
type forcing struct {
	treatments map[*snapExperiment]int
	slots      map[*snapLayer]*snapSlot
}

// Force returns a copy of the assignment in which the unit has the given
// treatment, whatever its bucket, the audience and the schedule say: for trying
// a treatment out. The domains on the way to the experiment are entered, and
// what the unit would have had in those layers instead is gone.
//
// A visit with a forced treatment is not a sample of anything: the copy records
// no exposures at all, and events tracked through it are marked and count in no
// metric. Force fails when the snapshot has no such experiment or treatment.
func (a *Assignment) Force(experiment, treatment string) (*Assignment, error) {
	if a == nil || a.snap == nil {
		return a, fmt.Errorf("%w: experiment %q: the assignment is empty", ErrNotFound, experiment)
	}
	e := a.snap.experiments.find(experiment)
	if e == nil {
		return a, fmt.Errorf("%w: experiment %q", ErrNotFound, experiment)
	}
	index := e.index(treatment)
	if index < 0 {
		return a, fmt.Errorf("%w: experiment %q has no treatment %q of its own", ErrNotFound, experiment, treatment)
	}
	f := &forcing{treatments: map[*snapExperiment]int{}, slots: map[*snapLayer]*snapSlot{}}
	if a.forced != nil {
		f.treatments, f.slots = maps.Clone(a.forced.treatments), maps.Clone(a.forced.slots)
	}
	f.treatments[e] = index
	f.slots[e.layer] = &snapSlot{layer: e.layer, kind: slotOpen, exp: e, forced: true} // not plain: draw looks at the forced treatment
	for _, step := range e.layer.path {
		f.slots[step.layer] = &snapSlot{layer: step.layer, kind: slotDomain, domain: step.domain, forced: true}
	}
	forced := *a
	forced.forced = f
	return &forced, nil
}

// Forced reports whether any treatment was forced, so that nothing of this
// assignment counts.
func (a *Assignment) Forced() bool { return a != nil && a.forced != nil }
