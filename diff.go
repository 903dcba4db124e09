package strata

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Move says what a change of plan does to the units of one experiment, by
// allocation alone: units that are kept in their treatment are the exception
// that [Publish] arranges.
//
// The four shares are parts of all units that have the layer's id. They are
// exact: computed from bucket sets and weights, with no unit looked at.
type Move struct {
	Experiment string `json:"experiment"`

	Stays   float64 `json:"stays"`   // in the experiment before and after, with the same treatment
	Changes float64 `json:"changes"` // in the experiment before and after, with another treatment
	Enters  float64 `json:"enters"`  // in the experiment only after
	Leaves  float64 `json:"leaves"`  // in the experiment only before

	// AudienceChanged means that units may also enter and leave by the
	// condition; how many, only their attributes tell. The shares are those of
	// the units that match both.
	AudienceChanged bool `json:"audience_changed,omitempty"`

	// NewPhase means that everybody is drawn anew, with statistics of their own.
	NewPhase bool `json:"new_phase,omitempty"`

	// SharedControl means that units of the experiment's shared control move:
	// the shares are those of the experiment's own treatments.
	SharedControl bool `json:"shared_control,omitempty"`

	// Stopping means that the experiment is stopped, closed to newcomers or
	// gone in the new plan.
	Stopping bool `json:"stopping,omitempty"`
}

// Moves reports whether a unit that was in the experiment can find itself
// elsewhere: with another treatment, or outside.
func (m Move) Moves() bool {
	return m.Changes > 0 || m.Leaves > 0 || m.AudienceChanged || m.SharedControl
}

func (m Move) String() string {
	var notes []string
	for _, n := range []struct {
		on   bool
		text string
	}{{m.AudienceChanged, "audience changed"}, {m.NewPhase, "new phase"}, {m.SharedControl, "its shared control moves"}, {m.Stopping, "stops or closes"}} {
		if n.on {
			notes = append(notes, n.text)
		}
	}
	suffix := ""
	if len(notes) > 0 {
		suffix = " (" + strings.Join(notes, ", ") + ")"
	}
	return fmt.Sprintf("%s: %s change treatment, %s leave, %s enter, %s stay%s",
		m.Experiment, percent(m.Changes), percent(m.Leaves), percent(m.Enters), percent(m.Stays), suffix)
}

func percent(share float64) string { return fmt.Sprintf("%.4g %%", share*100) }

// Diff compares two plans as they assign at an instant, and returns a [Move] for
// every experiment that assigned under the old plan or assigns under the new
// one, in the order of the new plan and then of the old one. Both plans must be
// valid.
func Diff(before, after *Plan, at time.Time) []Move {
	old, now := newTree(before), newTree(after)
	var moves []Move
	seen := make(map[string]bool, len(after.Experiments))
	olds := experimentsByKey(before)
	for i := range after.Experiments {
		e := &after.Experiments[i]
		seen[e.Key] = true
		if m, any := diffExperiment(old, now, olds[e.Key], e, at); any {
			moves = append(moves, m)
		}
	}
	for i := range before.Experiments {
		e := &before.Experiments[i]
		if m, any := diffExperiment(old, now, e, nil, at); any && !seen[e.Key] {
			moves = append(moves, m)
		}
	}
	markSharers(moves, olds, after)
	return moves
}

// markSharers notes, for experiments that share a control, that the control
// moves.
func markSharers(moves []Move, olds map[string]*Experiment, after *Plan) {
	disturbed := make(map[string]bool)
	for _, m := range moves {
		disturbed[m.Experiment] = m.Moves() || m.NewPhase || m.Stopping
	}
	news := experimentsByKey(after)
	for i := range moves {
		old, now := olds[moves[i].Experiment], news[moves[i].Experiment]
		if old != nil && now != nil && old.SharedControl != "" {
			moves[i].SharedControl = disturbed[old.SharedControl] || old.SharedControl != now.SharedControl
		}
	}
}

func experimentsByKey(p *Plan) map[string]*Experiment {
	m := make(map[string]*Experiment, len(p.Experiments))
	for i := range p.Experiments {
		m[p.Experiments[i].Key] = &p.Experiments[i]
	}
	return m
}

// diffExperiment compares one experiment; either side may be missing. any is
// false when it assigns nobody on both sides.
func diffExperiment(oldTree, newTree *tree, old, now *Experiment, at time.Time) (m Move, any bool) {
	wasIn, isIn := admission(oldTree, old, at), admission(newTree, now, at)
	if len(wasIn) == 0 && len(isIn) == 0 {
		return m, false
	}
	before, after, both := wasIn.share(), isIn.share(), sharedBy(wasIn, isIn)
	same := 0.0
	if both > 0 {
		same = sameTreatment(oldTree, newTree, old, now)
	}
	m.Stays, m.Changes = both*same, both*(1-same)
	m.Enters, m.Leaves = after-both, before-both
	if now != nil {
		m.Experiment = now.Key
	} else {
		m.Experiment = old.Key
	}
	if len(wasIn) > 0 {
		m.Stopping = now == nil || now.Status == StatusStopped || now.Status == StatusIntakeClosed && old.Status == StatusRunning
		m.NewPhase = now != nil && now.Phase != old.Phase
		m.AudienceChanged = now != nil && now.Audience != old.Audience
	}
	return m, true
}

// cut is what one layer demands of a unit: that its bucket lie in the set.
type cut struct {
	seed      uint64
	diversion Diversion
}

// admitted is what it takes to be drawn into an experiment: a bucket set for
// each layer on the way. Different cuts are independent. Empty means nobody.
type admitted map[cut]Buckets

func admission(t *tree, e *Experiment, at time.Time) admitted {
	if e == nil || e.Status != StatusRunning || !e.Schedule.running(at) {
		return nil
	}
	layer := t.layers[e.Layer]
	open := e.openBuckets(at)
	if layer == nil || open.IsEmpty() {
		return nil
	}
	path, err := t.path(layer)
	if err != nil {
		return nil
	}
	need := admitted{cutOf(layer): open}
	for _, s := range path {
		if s.domain.Buckets.IsEmpty() {
			return nil
		}
		need[cutOf(s.layer)] = s.domain.Buckets
	}
	return need
}

func cutOf(l *Layer) cut {
	i, _ := l.Diversion.index()
	return cut{layerSeed(l.salt()), diversions[i]}
}

// share is the part of all units that is admitted.
func (a admitted) share() float64 { return sharedBy(a, a) }

// sharedBy is the part of all units that both admit. The factors are multiplied
// in one fixed order, because rounding depends on it: what is equal must come
// out equal, or a move of 10⁻¹⁷ of the units would be reported.
func sharedBy(a, b admitted) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	share := 1.0
	for _, c := range commonCuts(a, b) {
		share *= float64(a.at(c).Intersect(b.at(c)).Len()) / NumBuckets
	}
	return share
}

// commonCuts lists the cuts that a or b makes, in an order of their own.
func commonCuts(a, b admitted) []cut {
	var list []cut
	for c := range a {
		list = append(list, c)
	}
	for c := range b {
		if _, both := a[c]; !both {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(x, y cut) int {
		return cmp.Or(cmp.Compare(x.seed, y.seed), cmp.Compare(x.diversion, y.diversion))
	})
	return list
}

// at returns what a cut lets through: everything where it is not made.
func (a admitted) at(c cut) Buckets {
	if set, made := a[c]; made {
		return set
	}
	return AllBuckets()
}

// sameTreatment is the part of the units in both that draw the same treatment.
// Under the same seed a unit's draw is one point between 0 and 1, so the answer
// is how far the two divisions of that interval agree; under different seeds
// the draws are independent. Treatments are the same when their keys are.
func sameTreatment(oldTree, newTree *tree, old, now *Experiment) float64 {
	wOld, wNew := old.totalWeight(), now.totalWeight()
	sameSeed := old.salt() == now.salt() && old.Phase == now.Phase &&
		cutOf(oldTree.layers[old.Layer]).diversion == cutOf(newTree.layers[now.Layer]).diversion
	same := int64(0)
	from := int64(0)
	for i := range old.Treatments {
		to := from + int64(old.Treatments[i].Weight)
		if j := now.treatment(old.Treatments[i].Key); j >= 0 {
			a, b := now.interval(j)
			if sameSeed {
				same += max(0, min(to*wNew, b*wOld)-max(from*wNew, a*wOld))
			} else {
				same += (to - from) * (b - a)
			}
		}
		from = to
	}
	return float64(same) / float64(wOld*wNew)
}

// interval returns the part of [0, totalWeight) that draws treatment i.
func (e *Experiment) interval(i int) (from, to int64) {
	for j := range i {
		from += int64(e.Treatments[j].Weight)
	}
	return from, from + int64(e.Treatments[i].Weight)
}
