package strata

import (
	"fmt"
	"reflect"
	"slices"
	"time"
)

// forgetBookkeeping clears what Publish writes.
func (p *Plan) forgetBookkeeping() {
	p.Ledger, p.Retired = nil, nil
	for i := range p.Experiments {
		e := &p.Experiments[i]
		e.Draining, e.Earlier, e.History = Buckets{}, nil, History{}
	}
	for i := range p.Domains {
		p.Domains[i].Draining = Buckets{}
	}
}

// settle writes into the next plan what follows from the one before: draining
// buckets, earlier allocations, histories and the ledger. It refuses moves that
// nobody asked for, and what cannot be kept.
func settle(before, next *Plan, policies map[string]Policy, now time.Time) error {
	next.Ledger, next.Retired = before.Ledger, before.Retired
	at := now
	if next.EffectiveAt.After(now) {
		at = next.EffectiveAt
	}
	s := &settling{
		before: before, next: next, at: at, policies: policies, version: before.Version + 1,
		oldTree: newTree(before), newTree: newTree(next), moves: make(map[string]Move),
		olds: experimentsByKey(before), news: experimentsByKey(next),
	}
	for _, m := range Diff(before, next, at) {
		s.moves[m.Experiment] = m
	}
	if err := s.refuseUnasked(); err != nil {
		return err
	}
	s.experiments()
	s.domains()
	s.retire()
	s.begin()
	if len(s.problems) > 0 {
		return &PlanError{Problems: s.problems}
	}
	return nil
}

type settling struct {
	before, next     *Plan
	version          int64 // that next will have
	at               time.Time
	policies         map[string]Policy
	oldTree, newTree *tree
	olds, news       map[string]*Experiment
	moves            map[string]Move
	problems         []Problem
}

// refuse notes that an experiment of the next plan cannot be as it is.
func (s *settling) refuse(e *Experiment, field, format string, args ...any) {
	i := slices.IndexFunc(s.next.Experiments, func(x Experiment) bool { return x.Key == e.Key })
	s.problems = append(s.problems, Problem{
		Path: fmt.Sprintf("experiments[%d].%s", i, field),
		Cure: fmt.Sprintf("experiment %q ", e.Key) + fmt.Sprintf(format, args...),
	})
}

func (s *settling) refuseUnasked() error {
	for key := range s.policies {
		if s.olds[key] == nil {
			return fmt.Errorf("%w: PublishOptions.Moves names %q, which plan version %d does not have", ErrInvalidPlan, key, s.before.Version)
		}
	}
	var unasked []Move
	for i := range s.before.Experiments {
		key := s.before.Experiments[i].Key
		m, moving := s.moves[key]
		_, asked := s.policies[key]
		says := m.NewPhase || m.Stopping && s.news[key] != nil // by itself, what it does
		if moving && m.Moves() && !asked && !says {
			unasked = append(unasked, m)
		}
	}
	if len(unasked) > 0 {
		return &MoveError{Moves: unasked}
	}
	return nil
}

func (s *settling) experiments() {
	for i := range s.before.Experiments {
		old := &s.before.Experiments[i]
		now := s.news[old.Key]
		policy, asked := s.policies[old.Key]
		switch {
		case now == nil:
			if asked && policy == Keep && old.Status.live() {
				s.problems = append(s.problems, Problem{Path: "experiments", Cure: fmt.Sprintf(
					"experiment %q is removed while it runs, so nobody can be kept; close its intake, or ask for Fresh", old.Key)})
			}
			s.release(old, Buckets{})
		case now.Phase < old.Phase:
			s.refuse(now, "phase", "was in phase %d before; phases only rise", old.Phase)
		case now.Phase > old.Phase:
			s.release(old, Buckets{})
			s.refuseOrphans(old, now)
		case now.Status == StatusStopped:
			s.release(old, Buckets{})
			now.History = old.History
			if end := old.Schedule.End; old.Status != StatusStopped && (end.IsZero() || s.at.Before(end)) {
				now.History.StoppedEarly = now.History.Begun
			}
			s.refuseOrphans(old, now)
		case old.Status == StatusStopped && old.History.Begun:
			s.refuse(now, "status", "was stopped, and its units have moved on; raise its phase to start again")
		case policy == Fresh && asked && s.drawsAnew(old, now):
			s.fresh(old, now)
		default:
			s.keep(old, now)
		}
		if now != nil && now.Status == StatusStopped {
			now.Buckets = Buckets{}
		}
	}
}

// release gives buckets of a phase back, except those that it still holds.
func (s *settling) release(old *Experiment, held Buckets) {
	if old.History.Begun {
		s.next.release(old.Layer, old.Key, old.Phase, old.Buckets.Union(old.Draining).Minus(held), s.at)
	}
}

// refuseOrphans refuses to take a control from experiments that share it and go
// on.
func (s *settling) refuseOrphans(old, now *Experiment) {
	for i := range s.next.Experiments {
		e := &s.next.Experiments[i]
		was := s.olds[e.Key]
		if was != nil && was.SharedControl == old.Key && was.Status.live() && e.Status.live() && e.Phase == was.Phase {
			s.refuse(now, "status", "is the control of experiment %q, which goes on; stop that first, or raise its phase too", e.Key)
		}
	}
}

// drawsAnew reports whether Fresh makes any difference to a phase: the change moves
// units, or others are kept that it would let go. Where it makes none, later changes
// go on keeping everybody who was exposed.
func (s *settling) drawsAnew(old, now *Experiment) bool {
	keeps := old.History.KeepBefore > 0 || len(old.Earlier) > 0 || !old.Draining.IsEmpty()
	same := now.drawsLike(old.allocation()) && old.Buckets.Minus(now.Buckets).IsEmpty() && s.cannotKeep(old, now) == ""
	return keeps || !same || s.moves[old.Key].Moves()
}

// fresh lets everybody follow the newest allocation.
func (s *settling) fresh(old, now *Experiment) {
	held := Buckets{}
	if now.Layer == old.Layer {
		held = now.Buckets
	}
	s.release(old, held)
	now.History = s.carried(old, now)
	now.History.KeepFrom, now.History.KeepBefore = s.version, 0
}

// carried is the history of a phase that goes on.
func (s *settling) carried(old, now *Experiment) History {
	if old.History.Begun && old.Analysis.PlannedUnits != now.Analysis.PlannedUnits {
		s.refuse(now, "analysis.planned_units", "has begun with %d planned units, and choosing another number by its results would void them; raise its phase", old.Analysis.PlannedUnits)
	}
	h := old.History
	h.EndMoved = h.Begun && (h.EndMoved || !old.Schedule.End.Equal(now.Schedule.End))
	h.AnalysisChanged = h.Begun && (h.AnalysisChanged || s.analysisChanged(old, now))
	h.Resized = h.Begun && (h.Resized || !old.Buckets.Equal(now.Buckets))
	return h
}

// analysisChanged reports whether other metrics decide, or a metric means
// something else. New secondary metrics change nothing.
func (s *settling) analysisChanged(old, now *Experiment) bool {
	if !slices.Equal(old.primary(), now.primary()) {
		return true
	}
	return slices.ContainsFunc(old.Metrics, func(key string) bool {
		was, is := s.before.Metric(key), s.next.Metric(key)
		if was == nil || is == nil {
			return was != is
		}
		a, b := *was, *is
		a.Description, b.Description = "", ""
		return !reflect.DeepEqual(a, b)
	})
}

// keep carries on what the experiment promised its exposed units, and adds what
// this change takes away.
func (s *settling) keep(old, now *Experiment) {
	now.History = s.carried(old, now)
	if !old.History.Begun {
		return
	}
	if why := s.cannotKeep(old, now); why != "" {
		s.refuse(now, "phase", "%s; raise its phase, or ask for Fresh in PublishOptions.Moves", why)
		return
	}
	now.Draining = old.Buckets.Union(old.Draining).Minus(now.Buckets)
	now.Earlier = old.Earlier
	if was := old.allocation(); !now.drawsLike(was) {
		now.Earlier = append(slices.Clone(old.Earlier), was)
	}
	closing := now.Status == StatusIntakeClosed && old.Status != StatusIntakeClosed
	if s.moves[old.Key].Moves() || closing || !now.Draining.Equal(old.Draining) || len(now.Earlier) > len(old.Earlier) {
		now.History.KeepBefore = s.version
	}
}

// cannotKeep says why units that were exposed in this phase could not go on as
// they do, or nothing.
func (s *settling) cannotKeep(old, now *Experiment) string {
	_, asked := s.policies[old.Key]
	switch {
	case !s.sameDraw(old, now):
		return "gets another layer, salt, diversion or domain in the middle of a phase, so everybody is drawn anew and nobody can be kept"
	case asked && !now.Status.live():
		return "is neither running nor closed to newcomers in this plan, so nobody can be kept"
	case asked && now.Schedule.narrower(old.Schedule, s.at):
		return "gets a schedule that leaves out units it had let in, so they cannot be kept (narrow its buckets instead)"
	}
	return ""
}

// narrower reports whether a schedule lets fewer units in than another at an
// instant.
func (s Schedule) narrower(than Schedule, at time.Time) bool {
	if !than.running(at) {
		return false
	}
	return !s.running(at) || s.open(at) < than.open(at)
}

// retire remembers experiments that are gone, and refuses to mix them with new
// ones of the same key.
func (s *settling) retire() {
	for i := range s.next.Experiments {
		now := &s.next.Experiments[i]
		for _, r := range s.next.Retired {
			if r.Experiment == now.Key && now.Phase <= r.Phase && s.olds[now.Key] == nil {
				s.refuse(now, "phase", "had the same key as one that ran up to phase %d; choose another key, or a higher phase", r.Phase)
			}
		}
	}
	for i := range s.before.Experiments {
		old := &s.before.Experiments[i]
		if s.news[old.Key] != nil || !old.History.Begun {
			continue
		}
		list := slices.DeleteFunc(slices.Clone(s.next.Retired), func(r Retired) bool { return r.Experiment == old.Key })
		s.next.Retired = append(list, Retired{old.Key, old.Phase})
	}
}

// begin notes which phases run from this version on.
func (s *settling) begin() {
	for i := range s.next.Experiments {
		if e := &s.next.Experiments[i]; e.Status.live() {
			e.History.Begun = true
		}
	}
}

// sameDraw reports whether ids hash as before on the whole way to the
// experiment, so that only sets and weights changed.
func (s *settling) sameDraw(old, now *Experiment) bool {
	if old.salt() != now.salt() {
		return false
	}
	return slices.Equal(cuts(s.oldTree, old), cuts(s.newTree, now))
}

// cuts lists the hashes on the way to an experiment, its own layer's last.
func cuts(t *tree, e *Experiment) []cut {
	l := t.layers[e.Layer]
	path, err := t.path(l)
	if err != nil {
		return nil
	}
	var list []cut
	for _, step := range path {
		list = append(list, cutOf(step.layer))
	}
	return append(list, cutOf(l))
}

// allocation returns how the experiment draws at present.
func (e *Experiment) allocation() Allocation {
	a := Allocation{Audience: e.Audience}
	for i := range e.Treatments {
		a.Weights = append(a.Weights, Weight{e.Treatments[i].Key, e.Treatments[i].Weight})
	}
	return a
}

func (e *Experiment) drawsLike(a Allocation) bool {
	return slices.EqualFunc(e.allocation().Weights, a.Weights, func(x, y Weight) bool { return x == y }) && e.Audience == a.Audience
}

// domains lets buckets drain that were taken from a domain in which units are
// kept, and gives back the others. A domain drains as a whole.
func (s *settling) domains() {
	for i := range s.before.Domains {
		old := &s.before.Domains[i]
		now := s.next.Domain(old.Key)
		gone := old.Buckets.Union(old.Draining)
		if now != nil && now.Layer == old.Layer {
			gone = gone.Minus(now.Buckets)
			if s.keepsInside(now) {
				now.Draining = gone
				continue
			}
		}
		s.next.release(old.Layer, old.Key, 0, gone, s.at)
	}
}

// keepsInside reports whether an experiment in or below the domain ran before
// and goes on, in the same phase, keeping its units.
func (s *settling) keepsInside(d *Domain) bool {
	for i := range s.next.Experiments {
		now := &s.next.Experiments[i]
		old := s.olds[now.Key]
		if old == nil || !old.Status.live() || !now.Status.live() || old.Phase != now.Phase || s.policies[now.Key] == Fresh {
			continue
		}
		path, err := s.newTree.path(s.newTree.layers[now.Layer])
		if err == nil && slices.ContainsFunc(path, func(p step) bool { return p.domain.Key == d.Key }) {
			return true
		}
	}
	return false
}
