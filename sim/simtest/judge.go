package simtest

import (
	"fmt"
	"slices"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/oracle"
	"github.com/strataxp/strata/internal/oracle/spec"
)

// firstMeeting is what a unit met first in a phase of an experiment, and all that
// it met then.
type firstMeeting struct {
	under     *publication
	treatment string
	version   int64
	at        time.Time
	unit      strata.Unit
	moved     bool    // it has met another treatment since, for a good reason
	chance    float64 // of the control, where its treatment was drawn for it
	bought    bool
	meetings  []exposed
}

// judge compares a decision with what the documentation promises. It returns false
// for what cannot be judged.
func (w *world) judge(p *process, u *strata.Unit, key string, a *strata.Assignment, treatment string) bool {
	local := time.Now().Add(p.slot.Skew)
	pub := w.planOf(p, a.Version())
	if pub == nil {
		w.fail("agreement", "process %s has version %d, which nobody published", p.name, a.Version())
		return false
	}
	if pub.plan.EffectiveAt.After(local) {
		w.fail("agreement", "process %s has version %d at %v, before its time %v", p.name, a.Version(), local, pub.plan.EffectiveAt)
	}
	e := pub.plan.Experiment(key)
	who := subject{key, e.Phase, idOf(u, pub.plan.Layer(e.Layer).Diversion)}
	if who.id == "" {
		if treatment != "" {
			w.fail("assignment", "a unit without an id gets %q of %s", treatment, key)
		}
		return false
	}
	if st := p.eng.Status(); treatment == "" && slices.Contains(st.Withheld, key) {
		w.hits.add("an experiment is withheld", 1)
		return false // the store alone knows whom to keep, and does not answer
	}
	strict, late := w.knows(p, who)
	if allowed := allowed(pub, local, u, who, strict, append(again(w.first[who], pub, key), late...)); !slices.Contains(allowed, treatment) {
		w.fail("assignment", "process %s, version %d: %v gets %q of %s (phase %d), not one of %q; known %+v, not known %+v",
			p.name, a.Version(), idsOf(u), treatment, key, e.Phase, allowed, strict, late)
	}
	w.judgeMove(p, u, who, pub, local, treatment, len(late) > 0)
	return true
}

// planOf returns what a process has as a version: one that a failover has taken
// since, where the process cannot know better; nil where there is none.
func (w *world) planOf(p *process, version int64) *publication {
	if lost := w.lost[version]; lost != nil && !p.link.heardSince(lost.gone) {
		return lost
	}
	return w.plans[version]
}

// knows returns the exposure by which a process must keep a unit, if any, and
// others that it need not know of.
func (w *world) knows(p *process, who subject) (strict *exposed, late []exposed) {
	known := w.knowledge(p)
	stored := w.cluster.has(who)
	for i, x := range stored {
		if x.stored.Before(known) && (strict == nil || x.time.Before(strict.time)) {
			strict = &stored[i]
		}
	}
	if f := w.first[who]; f != nil {
		for _, m := range f.meetings {
			if !slices.ContainsFunc(stored, func(x exposed) bool {
				return x.treatment == m.treatment && !x.time.After(m.time) && x.stored.Before(known)
			}) {
				late = append(late, m)
			}
		}
	}
	return strict, late
}

// knowledge returns up to when the process must know what was stored: its last
// refresh that succeeded began then.
func (w *world) knowledge(p *process) time.Time {
	refreshed := p.eng.Status().Refreshed.Add(-p.slot.Skew)
	return p.link.askedBefore(refreshed)
}

// allowed returns the treatments that a unit may get.
func allowed(pub *publication, local time.Time, u *strata.Unit, who subject, strict *exposed, late []exposed) (list []string) {
	give := func(x *exposed) {
		var held oracle.Held
		if x != nil {
			held = func(experiment string, phase int, id string) (string, int64, bool) {
				return x.treatment, x.version, who == subject{experiment, phase, id}
			}
		}
		list = append(list, pub.oracle.Treatments(local, u, held)[who.experiment])
	}
	give(strict)
	for i := range late {
		give(&late[i])
	}
	return list
}

// again lists what a unit met after units of the experiment had been drawn anew: a
// process goes by its own latest exposures too, the store by the first.
func again(f *firstMeeting, pub *publication, experiment string) (list []exposed) {
	from := pub.plan.Experiment(experiment).History.KeepFrom
	if f == nil || from == 0 || f.version >= from {
		return nil
	}
	for _, m := range f.meetings {
		if m.version >= from {
			list = append(list, m)
		}
	}
	return list
}

// judgeMove checks, by what authors asked for and nothing else, that nobody who
// met a treatment meets another one, or leaves. uncertain means that the process
// need not know of some exposure of the unit.
func (w *world) judgeMove(p *process, u *strata.Unit, who subject, pub *publication, local time.Time, treatment string, uncertain bool) {
	f := w.first[who]
	if f == nil {
		if treatment != "" {
			f = &firstMeeting{under: pub, treatment: treatment, version: pub.plan.Version, at: time.Now(), unit: idsOf(u)}
			w.first[who] = f
			w.byID[who.id] = append(w.byID[who.id], who)
			w.tally.drawn(w, u, who, f, pub.plan.Experiment(who.experiment))
		}
		return
	}
	if f.treatment == treatment || f.moved {
		return
	}
	// Nobody is kept by a plan that a failover takes.
	older := pub.plan.Version < f.version || !f.under.gone.IsZero() || !pub.gone.IsZero()
	if treatment == "" && !uncertain && !older && w.mayLeave(f, u, who, pub, local) {
		return
	}
	if older || uncertain || w.asked(who, f.version, pub.plan.Version) {
		f.moved = f.moved || treatment != ""
		return
	}
	w.fail("stickiness", "process %s, version %d: %v met %q of %s (phase %d) %v ago under version %d, and gets %q now",
		p.name, pub.plan.Version, idsOf(u), f.treatment, who.experiment, who.phase, time.Since(f.at), f.version, treatment)
}

// mayLeave tells whether a unit that met a treatment may get none: the experiment
// is over, or the unit comes another way, with other ids.
func (w *world) mayLeave(f *firstMeeting, u *strata.Unit, who subject, pub *publication, local time.Time) bool {
	e := pub.plan.Experiment(who.experiment)
	live := e.Status == strata.StatusRunning || e.Status == strata.StatusIntakeClosed
	s := e.Schedule
	over := local.Before(s.Start) || !s.End.IsZero() && !local.Before(s.End)
	return !live || over || f.unit.User != u.User || f.unit.Device != u.Device
}

// asked tells whether an author asked for units of an experiment to be moved,
// behind one version and up to another.
func (w *world) asked(who subject, after, upTo int64) bool {
	for version := after + 1; version <= upTo; version++ {
		pub := w.plans[version]
		if pub == nil { // lost again
			continue
		}
		if pub.moves[who.experiment] == strata.Fresh {
			return true
		}
		if pub.meant.Experiment(who.experiment).Phase != who.phase {
			return true
		}
	}
	return false
}

// exposure is what is recorded when a unit meets a treatment.
func (w *world) exposure(u *strata.Unit, e *strata.Experiment, layer *strata.Layer, version int64, treatment string, at time.Time) strata.Exposure {
	id, salt := idOf(u, layer.Diversion), layer.Salt
	if salt == "" {
		salt = layer.Key
	}
	by := layer.Diversion
	if by == "" {
		by = strata.ByUser
	}
	x := strata.Exposure{
		Time: at, Experiment: e.Key, Phase: e.Phase, Treatment: treatment, Diversion: by,
		Bucket: spec.Bucket(id, salt), Hash: spec.XXH64(id), Version: version,
	}
	for _, name := range e.Analysis.Breakdowns {
		if value, ok := u.Attributes[name]; ok {
			if x.Attributes == nil {
				x.Attributes = make(map[string]string)
			}
			x.Attributes[name] = fmt.Sprint(value)
		}
	}
	return x
}

// checkLayers checks that a unit is in one experiment of a layer at most.
func (w *world) checkLayers(p *process, a *strata.Assignment) {
	pub := w.planOf(p, a.Version())
	if pub == nil {
		return
	}
	in := make(map[string]string)
	for i := range pub.plan.Experiments {
		e := &pub.plan.Experiments[i]
		if a.Peek(e.Key) == "" {
			continue
		}
		if other := in[e.Layer]; other != "" {
			w.fail("exclusivity", "process %s, version %d: a unit is in %s and in %s of layer %s", p.name, a.Version(), other, e.Key, e.Layer)
		}
		in[e.Layer] = e.Key
	}
}

// waiting returns the versions whose time has not been looked at yet.
func (w *world) waiting() (list []int64) {
	for version, pub := range w.plans {
		if !pub.plan.EffectiveAt.IsZero() && !pub.probed {
			list = append(list, version)
		}
	}
	slices.Sort(list)
	return list
}

// agree checks that each process has the newest plan that it must have.
func (w *world) agree() {
	for _, s := range w.slots {
		if s.now == nil {
			continue
		}
		known, local := w.knowledge(s.now), time.Now().Add(s.Skew)
		st := s.now.eng.Status()
		if st.RefreshErr != nil && s.now.link.heardSince(known) {
			continue // it has heard of newer plans, and cannot read whom they keep
		}
		must := int64(0)
		for version, pub := range w.plans {
			if pub.at.Before(known) && !pub.plan.EffectiveAt.After(local.Add(-time.Millisecond)) {
				must = max(must, version)
			}
		}
		if st.Version < must {
			w.fail("agreement", "process %s has version %d and must have %d; its last refresh began %v ago", s.now.name, st.Version, must, time.Since(known))
		}
	}
}

// checkDiff compares what Diff says of a change with what it does to some units.
func (w *world) checkDiff(version int64) {
	before, after := w.plans[version-1], w.plans[version]
	if before == nil {
		return
	}
	at := time.Now()
	if after.plan.EffectiveAt.After(at) {
		at = after.plan.EffectiveAt
	}
	moves := make(map[string]strata.Move)
	for _, m := range strata.Diff(before.plan, after.plan, at) {
		moves[m.Experiment] = m
	}
	for i := range 40 {
		id := fmt.Sprintf("sample-%d-%d", version, i)
		u := strata.Unit{User: id, Device: id, Session: id, Attributes: map[string]any{"country": []string{"DE", "AT", "FR"}[i%3], "device": "phone"}}
		was, is := before.oracle.Treatments(at, &u, nil), after.oracle.Treatments(at, &u, nil)
		for key := range meets {
			m := moves[key]
			if m.NewPhase || m.AudienceChanged {
				continue
			}
			a, b := was[key], is[key]
			if a != b && (a == "" && m.Enters == 0 || b == "" && m.Leaves == 0 || a != "" && b != "" && m.Changes == 0) {
				w.fail("diff", "version %d: unit %s goes from %q to %q of %s, and Diff says %v", version, id, a, b, key, m)
			}
		}
	}
}
