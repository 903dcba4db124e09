package strata

// Assignment is what a snapshot gives one unit. Making one has no side effect;
// reading a parameter or treatment through it records the exposure, once per
// unit and experiment. Everything that is read through one assignment comes
// from one snapshot, whatever is published meanwhile.
//
// It never changes: it may be kept for the length of a request, in its context for
// example, and used by several goroutines. nil and the zero value assign nothing.
// Methods take about as long as hashing the id, and allocate only when an exposure is
// recorded.
type Assignment struct {
	engine *Engine
	forced *forcing
	unit   Unit
	hashed
}

// hashed is what a snapshot makes of a unit: the hashes of the ids that its layers divert
// by, the commonest diversion first. 0 stands for a hash that is not there. It has four
// fields so that it travels in registers, and an assignment is written where the caller
// keeps it; see docs/decisions/0023-assignment-by-pointer.md.
type hashed struct {
	snap                 *Snapshot
	first, second, third uint64
}

// Assign decides nothing yet: it hashes the unit's ids, each once. The
// assignment records no exposures; use [Engine.Assign] where it should.
func (s *Snapshot) Assign(u Unit) *Assignment {
	return &Assignment{unit: u, hashed: s.hashed(&u)}
}

// hashed hashes the ids that some layer diverts by. Most plans divert by user alone, or
// by user and device.
func (s *Snapshot) hashed(u *Unit) hashed {
	h := hashed{snap: s}
	if id := u.id(int(s.diverts[0])); id != "" {
		h.first = hashID(id)
	}
	if s.places == 1 {
		return h
	}
	if id := u.id(int(s.diverts[1])); id != "" {
		h.second = hashID(id)
	}
	if s.places == 2 {
		return h
	}
	if id := u.id(int(s.diverts[2])); id != "" {
		h.third = hashID(id)
	}
	return h
}

// hash returns the hash of the id in one of the snapshot's places, false when the unit
// lacks it.
func (a *Assignment) hash(place uint8) (uint64, bool) {
	var h uint64
	switch place {
	case 0:
		h = a.first
	case 1:
		h = a.second
	case 2:
		h = a.third
	}
	if h != 0 {
		return h, true
	}
	return a.hashAnew(place)
}

// hashAnew is hash for what is not at hand: there is no id, or its hash is 0, or the
// snapshot uses a fourth diversion or a fifth.
func (a *Assignment) hashAnew(place uint8) (uint64, bool) {
	id := a.unit.id(int(a.snap.diverts[place]))
	if id == "" {
		return 0, false
	}
	return hashID(id), true
}

// Unit returns the unit that was assigned.
func (a *Assignment) Unit() Unit {
	if a == nil {
		return Unit{}
	}
	return a.unit
}

// Version returns the plan version that the assignment comes from, 0 for the
// zero assignment.
func (a *Assignment) Version() int64 {
	if a == nil || a.snap == nil {
		return 0
	}
	return a.snap.version
}

// Treatment returns the key of the unit's treatment in an experiment, and
// records the exposure. It returns "" when the unit is not in the experiment or
// there is no such experiment: show the default then, it is not a failure.
func (a *Assignment) Treatment(experiment string) string {
	e, t, _ := a.find(experiment)
	if t < 0 {
		return ""
	}
	a.expose(e, t)
	return e.treatments[t].key
}

// Peek is [Assignment.Treatment] without the exposure.
func (a *Assignment) Peek(experiment string) string {
	e, t, _ := a.find(experiment)
	if t < 0 {
		return ""
	}
	return e.treatments[t].key
}

// Expose records that the unit met its treatment, without reading anything: the
// server decides and the browser confirms. It reports whether the unit is in
// the experiment.
func (a *Assignment) Expose(experiment string) bool { return a.Treatment(experiment) != "" }

// find decides one experiment. The treatment is negative when there is none.
func (a *Assignment) find(experiment string) (*snapExperiment, int, Reason) {
	if a == nil || a.snap == nil {
		return nil, -1, ReasonNotRunning
	}
	e := a.snap.experiments.find(experiment)
	if e == nil {
		return nil, -1, ReasonNotRunning
	}
	if e.alone && a.forced == nil {
		if h, ok := a.hash(e.place); ok {
			return e, e.usual.treatment(h), ReasonAssigned
		}
	}
	return a.findInLayer(e)
}

// findInLayer decides an experiment that shares its layer, lies in a domain, or admits
// not everybody.
func (a *Assignment) findInLayer(e *snapExperiment) (*snapExperiment, int, Reason) {
	keptOnly := false
	for _, step := range e.layer.path {
		slot := a.slot(step.layer)
		if slot == nil {
			return e, -1, ReasonNoID
		}
		if slot.domain != step.domain {
			return e, -1, ReasonNotInBucket
		}
		keptOnly = keptOnly || slot.kind == slotDomainDraining
	}
	slot := a.slot(e.layer)
	switch {
	case slot == nil:
		return e, -1, ReasonNoID
	case slot.exp == e:
		t, reason := a.draw(slot, keptOnly)
		return e, t, reason
	case slot.exp != nil && slot.exp == e.control:
		return a.findShared(e, slot, keptOnly)
	default:
		return e, -1, ReasonNotInBucket
	}
}

// findShared decides e for a unit in the experiment whose control e shares.
func (a *Assignment) findShared(e *snapExperiment, slot *snapSlot, keptOnly bool) (*snapExperiment, int, Reason) {
	t, reason := a.draw(slot, keptOnly)
	switch {
	case t != 0:
		return e, -1, ReasonNotInBucket
	case !e.running:
		return e, -1, ReasonNotRunning
	default:
		return e, e.sharedTreatment(), reason
	}
}

// slot returns the owner of the unit's bucket in a layer, or nil when the unit
// lacks the layer's id.
func (a *Assignment) slot(l *snapLayer) *snapSlot {
	if a.forced != nil {
		if s := a.forced.slots[l]; s != nil {
			return s
		}
	}
	h, ok := a.hash(l.place)
	switch {
	case !ok:
		return nil
	case l.sole != nil:
		return l.sole
	default:
		return l.slot(bucketOf(h, l.seed))
	}
}

// draw decides the treatment of a unit whose bucket belongs to an experiment.
func (a *Assignment) draw(slot *snapSlot, keptOnly bool) (int, Reason) {
	if slot.plain && !keptOnly {
		h, _ := a.hash(slot.exp.place)
		return slot.exp.usual.treatment(h), ReasonAssigned
	}
	return a.drawSlow(slot, keptOnly)
}

func (a *Assignment) drawSlow(slot *snapSlot, keptOnly bool) (int, Reason) {
	e := slot.exp
	if a.forced != nil {
		if t, ok := a.forced.treatments[e]; ok {
			return t, ReasonForced
		}
	}
	if !e.running || slot.kind == slotReserved {
		return -1, ReasonNotRunning
	}
	h, _ := a.hash(e.place)
	if keptOnly || e.closed || slot.kind == slotDraining {
		return held(e, h, -1, ReasonIntakeClosed)
	}
	if e.audience != nil && !e.audience.Match(a.unit.Attributes) {
		if e.audienceChanged {
			return held(e, h, -1, ReasonAudience)
		}
		return -1, ReasonAudience
	}
	x := mix(h, e.seed)
	t := pick(e.ends, x)
	if e.kept != nil && e.drewOtherwise(x, t) {
		return held(e, h, t, ReasonAssigned)
	}
	return t, ReasonAssigned
}

// held looks a unit up among the kept ones; the other results stand for units
// that are not.
func held(e *snapExperiment, h uint64, t int, reason Reason) (int, Reason) {
	if kept, ok := e.kept.find(h); ok {
		return kept, ReasonHeld
	}
	return t, reason
}

// drewOtherwise reports whether an earlier allocation gave the unit another
// treatment than t. Only such units can have been kept away from t.
func (e *snapExperiment) drewOtherwise(x uint64, t int) bool {
	for i := range e.earlier {
		if e.earlier[i].index[pick(e.earlier[i].ends, x)] != t {
			return true
		}
	}
	return e.audienceChanged
}

// idle reports whether meeting a treatment says nothing: an experiment that
// admits nobody admits nobody to a control that it shares either, and it learns
// nothing while that control does not run.
func (e *snapExperiment) idle(t int) bool {
	return e.shares && (!e.control.running || (e.closed || e.unopened) && t == e.sharedTreatment())
}

// expose records an exposure unless this process did so before.
func (a *Assignment) expose(e *snapExperiment, t int) {
	if a.engine == nil || a.forced != nil || e.shares && e.idle(t) {
		return
	}
	h, _ := a.hash(e.place)
	if x := e.mark(h, t); !a.engine.filter.seen(x) {
		a.engine.recordExposure(a, e, e.treatments[t].key, x)
	}
}

// exposeParam records the exposures that reading a parameter brings about: that
// of the experiment that owns it here, and, for a unit in a shared control,
// that of every experiment that compares itself with it.
func (a *Assignment) exposeParam(e *snapExperiment, t int) {
	a.expose(e, t)
	if t == 0 {
		for _, sharer := range e.sharers {
			a.expose(sharer, sharer.sharedTreatment())
		}
	}
}

// param resolves a parameter: the experiment's value, else the launch's, else
// the default.
func (a *Assignment) param(index int32, expose bool) *value {
	p := &a.snap.params[index]
	keptOnly := false
	for l := p.layer; l != nil; {
		slot := a.slot(l)
		switch {
		case slot == nil:
			l = nil
		case slot.exp != nil:
			if v := a.touched(slot, index, keptOnly, expose); v != nil {
				return v
			}
			l = nil
		case slot.domain != nil:
			keptOnly = keptOnly || slot.kind == slotDomainDraining
			l = slot.domain.byParam[index]
		default:
			l = nil
		}
	}
	if p.launch != nil {
		if slot := a.slot(p.launch); slot != nil && slot.exp != nil {
			if v := a.touched(slot, index, false, expose); v != nil {
				return v
			}
		}
	}
	return &p.def
}

// touched returns what the owner of a slot sets a parameter to for this unit,
// or nil when it leaves it alone. Only an experiment that sets the parameter in
// some treatment is exposed.
func (a *Assignment) touched(slot *snapSlot, index int32, keptOnly, expose bool) *value {
	e := slot.exp
	touch := e.touch(index)
	if touch == nil {
		return nil
	}
	t, _ := a.draw(slot, keptOnly)
	if t < 0 {
		return nil
	}
	if expose {
		a.exposeParam(e, t)
	}
	return touch.values[t]
}

// decide is what a slot means for the unit.
func (a *Assignment) decide(slot *snapSlot, keptOnly bool) drawn {
	switch {
	case slot == nil:
		return drawn{-1, ReasonNoID}
	case slot.exp != nil:
		t, reason := a.draw(slot, keptOnly)
		return drawn{int16(t), reason}
	case slot.domain != nil:
		return drawn{-1, ReasonDomain}
	default:
		return drawn{-1, ReasonNotInBucket}
	}
}
