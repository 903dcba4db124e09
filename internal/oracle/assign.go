package oracle

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/oracle/spec"
)

// Held tells what a unit was exposed to first in a phase of an experiment: the
// treatment, and the version of the plan that assigned it. It knows as much as
// the plan may know, which is what had reached the store when the plan was
// switched to. ok is false for units that were not exposed.
type Held func(experiment string, phase int, id string) (treatment string, version int64, ok bool)

// passage is how a unit comes to a layer.
type passage int

const (
	barred   passage = iota // it is not in the layer's domain, or lacks an id
	draining                // by buckets that are closed to newcomers
	free                    // like everybody
)

// Treatments returns, by the key of the experiment, the treatments that the plan
// gives a unit at an instant. Experiments that it is not in are missing. held may
// be nil, which is as if nobody had been exposed. EffectiveAt is not looked at:
// the caller knows which plan is in force.
func (p *Plan) Treatments(at time.Time, u *strata.Unit, held Held) map[string]string {
	out := make(map[string]string)
	for _, e := range p.experiments {
		if treatment := e.treatment(at, u, held); treatment != "" {
			out[e.Key] = treatment
		}
	}
	return out
}

// idOf returns the id that a diversion hashes, or "".
func idOf(u *strata.Unit, d strata.Diversion) (string, error) {
	switch d {
	case strata.ByTenant:
		return u.Tenant, nil
	case strata.ByUser, "":
		return u.User, nil
	case strata.ByDevice:
		return u.Device, nil
	case strata.BySession:
		return u.Session, nil
	case strata.ByRequest:
		return u.Request, nil
	}
	return "", fmt.Errorf("there is no diversion %q; use one of the By constants", d)
}

// arrives tells how a unit comes to the layer, and in which of its buckets it
// is.
func (l *layer) arrives(u *strata.Unit) (how passage, id string, bucket int) {
	id, err := idOf(u, l.Diversion)
	if err != nil || id == "" {
		return barred, "", 0
	}
	how = free
	if d := l.within; d != nil {
		above, _, b := d.layer.arrives(u)
		switch {
		case above != barred && d.buckets.has(b):
			how = above
		case above != barred && d.draining.has(b):
			how = draining
		default:
			return barred, "", 0
		}
	}
	return how, id, spec.Bucket(id, l.salt)
}

// treatment returns what the experiment gives the unit, or "".
func (e *experiment) treatment(at time.Time, u *strata.Unit, held Held) string {
	if e.Status != strata.StatusRunning && e.Status != strata.StatusIntakeClosed || !e.inSchedule(at) {
		return ""
	}
	how, id, bucket := e.layer.arrives(u)
	if how == barred || !e.buckets.has(bucket) && !e.draining.has(bucket) {
		return ""
	}
	if how == draining || e.draining.has(bucket) || e.Status == strata.StatusIntakeClosed {
		return e.kept(id, held) // closed to newcomers
	}
	if !e.rampedUp(at, bucket) {
		return ""
	}
	if e.audience(u.Attributes) != yes {
		if slices.ContainsFunc(e.earlier, e.otherAudience) {
			return e.kept(id, held)
		}
		return ""
	}
	newest := e.newest.draw(e, id)
	for _, was := range e.earlier {
		if was.draw(e, id) != newest {
			return cmp.Or(e.kept(id, held), newest)
		}
	}
	return newest
}

// otherAudience tells whether an allocation had another audience than the
// newest.
func (e *experiment) otherAudience(was allocation) bool { return was.audience != e.Audience }

// draw returns the treatment that an allocation gives a unit of its audience in
// the experiment's buckets, or "" where all weights are 0.
func (a *allocation) draw(e *experiment, id string) string {
	i := spec.Treatment(id, e.salt, e.Phase, a.weights)
	if i < 0 {
		return ""
	}
	return a.treatments[i]
}

// kept returns the treatment that a unit was exposed to under one of the versions
// that are kept, or "".
func (e *experiment) kept(id string, held Held) string {
	if held == nil {
		return ""
	}
	treatment, version, ok := held(e.Key, e.Phase, id)
	if !ok || version < e.History.KeepFrom || version >= e.History.KeepBefore {
		return ""
	}
	if !slices.Contains(e.newest.treatments, treatment) {
		return ""
	}
	return treatment
}

// inSchedule tells whether the instant is at or after the start, and before the
// end.
func (e *experiment) inSchedule(at time.Time) bool {
	s := e.Schedule
	begun := s.Start.IsZero() || !at.Before(s.Start)
	over := !s.End.IsZero() && !at.Before(s.End)
	return begun && !over
}

// rampedUp tells whether the ramp has opened a bucket: some step of those that
// have come has.
func (e *experiment) rampedUp(at time.Time, bucket int) bool {
	if len(e.Schedule.Ramp) == 0 {
		return true
	}
	for _, step := range e.Schedule.Ramp {
		if !at.Before(step.At) && spec.RampOpens(bucket, e.salt, step.Share) {
			return true
		}
	}
	return false
}
