package simtest

import (
	"fmt"
	"slices"
	"time"

	"github.com/strataxp/strata"
)

// maxSkew is by how much a process's clock may be wrong.
const maxSkew = 2 * time.Second

// Meet implements sim.Site: a request in which an experiment's treatment is read.
func (w *world) Meet(at time.Time, u *strata.Unit, experiment string) string {
	w.serve(at)
	p := w.route(u)
	if p == nil {
		return "" // the application is down
	}
	w.requests++
	a := p.eng.Assign(*u)
	w.checkLayers(p, a)
	treatment := a.Treatment(experiment)
	w.trace.add("%s %v meets %s %d: %q", p.name, idsOf(u), experiment, a.Version(), treatment)
	if w.judge(p, u, experiment, a, treatment) && treatment != "" {
		w.met(p, u, experiment, a.Version(), treatment)
	}
	if hashOf(w.script.Seed, u.Session, experiment)%16 == 0 {
		w.force(p, u, experiment, a)
	}
	return treatment
}

// force has somebody try the control out in a visit, which counts nowhere.
func (w *world) force(p *process, u *strata.Unit, experiment string, a *strata.Assignment) {
	forced, err := a.Force(experiment, controlKey)
	if err != nil || forced.Treatment(experiment) != controlKey {
		w.fail("forced", "version %d: %s cannot be forced: %q, %v", a.Version(), experiment, forced.Treatment(experiment), err)
		return
	}
	e := strata.Custom{Time: time.Now().UTC().Add(p.slot.Skew), EventName: "add_to_cart", Value: float64(slices.Index(experimentKeys, experiment))}
	if err := forced.Track(e); err != nil {
		w.fail("track", "process %s refuses a forced event: %v", p.name, err)
		return
	}
	p.deeds = append(p.deeds, &deed{textOf(&strata.Record{Unit: *u, Forced: true, Event: e}), time.Now(), true})
}

// serve waits for the instant of a request. Where something took longer, requests
// follow each other a microsecond apart.
func (w *world) serve(at time.Time) {
	w.until(at)
	if time.Now().After(at) {
		rest(time.Now().Truncate(time.Microsecond).Add(time.Microsecond))
	}
}

// Do implements sim.Site: a request in which something is tracked.
func (w *world) Do(at time.Time, u *strata.Unit, e strata.Event) {
	w.serve(at)
	p := w.route(u)
	if p == nil {
		return
	}
	w.requests++
	if p.slot.index%2 == 1 {
		e, at = stamped(e, time.Time{}), time.Now().Add(p.slot.Skew) // by the engine's clock
	}
	w.track(p, u, e, at)
	if order, ok := e.(strata.Purchase); ok {
		w.tally.bought(w, u)
		if hashOf(w.script.Seed, order.OrderID)%8 == 0 { // the page is loaded again
			order.Time = at.Add(time.Microsecond)
			w.track(p, u, order, order.Time)
		}
	}
}

func (w *world) track(p *process, u *strata.Unit, e strata.Event, at time.Time) {
	w.trace.add("%s %v does %s", p.name, idsOf(u), e.Kind())
	if err := p.eng.Track(*u, e); err != nil {
		w.fail("track", "process %s refuses %+v of %v: %v", p.name, e, idsOf(u), err)
		return
	}
	p.deeds = append(p.deeds, &deed{textOf(&strata.Record{Unit: *u, Event: stamped(e, at)}), time.Now(), true})
}

// route returns the process that serves a unit's requests in this visit, mostly
// the same; nil where none runs.
func (w *world) route(u *strata.Unit) *process {
	n := len(w.slots)
	first := int(hashOf(w.script.Seed, u.Session) % uint64(n))
	if w.requests%7 == 0 {
		first++ // the load balancer thinks otherwise
	}
	for i := range n {
		if p := w.slots[(first+i)%n].now; p != nil {
			return p
		}
	}
	return nil
}

// met notes that a unit met a treatment in a process.
func (w *world) met(p *process, u *strata.Unit, key string, version int64, treatment string) {
	plan := w.planOf(p, version).plan
	e := plan.Experiment(key)
	layer := plan.Layer(e.Layer)
	who := subject{key, e.Phase, idOf(u, layer.Diversion)}
	x := w.exposure(u, e, layer, version, treatment, time.Now().Add(p.slot.Skew))
	again := p.met[meeting{who, treatment}]
	p.met[meeting{who, treatment}] = true
	p.deeds = append(p.deeds, &deed{textOf(&strata.Record{Unit: *u, Event: x}), time.Now(), !again})
	f := w.first[who]
	f.meetings = append(f.meetings, exposed{treatment, version, x.Time, time.Time{}})
}

// idsOf returns the ids of a unit, without what is known of it.
func idsOf(u *strata.Unit) strata.Unit {
	ids := *u
	ids.Attributes = nil
	return ids
}

// textOf says all of a record that is stored.
func textOf(r *strata.Record) string {
	u := &r.Unit
	return fmt.Sprintf("%s|%s|%s|%s|%s %v %T %+v", u.Tenant, u.User, u.Device, u.Session, u.Request, r.Forced, r.Event, stamped(r.Event, r.Event.At().UTC().Truncate(time.Microsecond)))
}

// stamped returns an event with another time.
func stamped(e strata.Event, at time.Time) strata.Event {
	switch e := e.(type) {
	case strata.PageView:
		e.Time = at
		return e
	case strata.Click:
		e.Time = at
		return e
	case strata.Purchase:
		e.Time = at
		return e
	case strata.Conversion:
		e.Time = at
		return e
	case strata.Custom:
		e.Time = at
		return e
	case strata.Exposure:
		e.Time = at
		return e
	}
	return e
}
