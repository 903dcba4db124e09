package strata

import "iter"

// All iterates over the decision of every layer on the unit's path: the layers
// of the root domain in the order of the plan, and behind a layer that led into
// a nested domain the layers of that domain. It records no exposure and
// allocates nothing.
func (a *Assignment) All() iter.Seq[Decision] {
	// The compiler makes a range over this a plain loop, and leaves out what its body does
	// not ask for, as long as yield is called in one place and the usual case calls nothing
	// else; see docs/decisions/0023-assignment-by-pointer.md.
	return func(yield func(Decision) bool) {
		var w walk
		for layers := w.begin(a); layers != nil; layers = w.turn(a) {
			for i := range layers {
				l := &layers[i]
				h := w.hash[l.place%walkPlaces]
				t := l.treatment(h)
				d := Decision{l.slot, l.met[t&1], h, drawn{int16(t), ReasonAssigned}}
				if h == 0 {
					d = w.decide(a, l.slot.layer)
				}
				if !yield(d) {
					return
				}
				if d.reason == ReasonDomain {
					break
				}
			}
		}
	}
}

// walk is a way through the layers of a unit. It does not hold the assignment, which
// would have to be allocated then.
type walk struct {
	hash     [walkPlaces]uint64 // by place; 0 where the usual draw does not decide
	domain   *snapDomain        // in which the walk is
	into     *snapDomain        // where it goes on
	keptOnly bool               // buckets on the way here are draining
}

const (
	walkPlaces   = 8 // a power of two, so that no index is out of range
	unusualPlace = walkPlaces - 1
)

// usualLayer is what [Assignment.All] needs of a layer of which all buckets belong to one
// experiment, and nothing but its usual draw decides. Those of a domain lie side by side
// and are read one after the other, which spares the processor a jump through memory for
// each layer.
type usualLayer struct {
	draw
	slot  *snapSlot         // where place is unusualPlace, any of the layer's
	met   [2]*snapTreatment // whichever the unit draws
	place uint8             // unusualPlace where there is more to it
}

// begin returns the layers of the root domain.
func (w *walk) begin(a *Assignment) []usualLayer {
	if a == nil || a.snap == nil {
		return nil
	}
	return w.enter(a, &a.snap.root)
}

// turn goes into the domain that the last layer led into, or else back to that from which
// the walk came here; nil is the end of the way.
func (w *walk) turn(a *Assignment) []usualLayer {
	if d := w.into; d != nil {
		w.into = nil
		return w.enter(a, d)
	}
	for above := w.domain.above; above != nil; above = w.domain.above {
		if rest := w.enter(a, above.in)[above.pos+1:]; len(rest) > 0 {
			return rest
		}
	}
	return nil
}

// enter makes d the domain in which the walk is, and returns its layers.
func (w *walk) enter(a *Assignment, d *snapDomain) []usualLayer {
	w.domain, w.keptOnly = d, false
	for above := d.above; above != nil; above = above.in.above {
		w.keptOnly = w.keptOnly || a.slot(above).kind == slotDomainDraining
	}
	w.hash = [walkPlaces]uint64{}
	if !w.keptOnly && a.forced == nil {
		w.hash[0], w.hash[1], w.hash[2] = a.first, a.second, a.third
	}
	return d.usual
}

// decide is the decision of a layer for which the usual draw is not all.
func (w *walk) decide(a *Assignment, l *snapLayer) Decision {
	slot := a.slot(l)
	h, _ := a.hash(l.place)
	d := Decision{slot: slot, hash: h, drawn: a.decide(slot, w.keptOnly)}
	switch {
	case slot == nil:
		d.slot = &l.slots[0]
	case d.treatment >= 0:
		d.met = &slot.exp.treatments[d.treatment]
	case d.reason == ReasonDomain:
		w.into = slot.domain
	}
	return d
}
