package strata

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/strataxp/strata/internal/audience"
)

// Snapshot is a plan compiled for reading, as it stands at one instant. It is
// immutable and safe for concurrent use.
//
// An engine swaps snapshots atomically; [Compile] makes one by itself, for
// tools that assign without recording anything. Size: below 2 kB an
// experiment, kept units aside.
type Snapshot struct {
	serial  uint64 // unique in this process, so that handles can cache positions
	version int64
	at      time.Time // what it was compiled for
	next    time.Time // when the schedules want another one; zero means never

	places  uint8                // how many diversions are in use, 1 at least
	diverts [numDiversions]uint8 // their indexes in diversions, the commonest first

	root        snapDomain
	params      []snapParam
	paramIndex  map[string]int32
	experiments experimentIndex
	breakdowns  map[string][]string // by experiment, where there are any
}

// Version returns the version of the plan.
func (s *Snapshot) Version() int64 { return s.version }

// Next returns the instant at which a schedule makes this snapshot outdated, or
// the zero time.
func (s *Snapshot) Next() time.Time { return s.next }

// snapLayer is a layer, compiled.
//
// The owner of each bucket is a number of 0, 1, 2, 4, 8 or 16 bits in table,
// as few as the layer's number of owners allows: ten thousand layers with one
// experiment each take 12 MB and not 200, and a hundred of them stay in the
// second-level cache.
type snapLayer struct {
	sole  *snapSlot // the owner of all buckets, where there is such a one
	div   uint8     // index in diversions
	place uint8     // where the snapshot has that diversion in diverts

	seed  uint64
	table []uint64
	mask  uint64
	bits  uint32
	slots []snapSlot
	key   string
	in    *snapDomain // the domain it lies in; the snapshot's root has no key
	pos   int         // where in the domain
	path  []snapStep  // the domains on the way from the root
	snap  *Snapshot
}

// slotKind says what a unit in a slot's buckets may expect.
type slotKind uint8

const (
	slotFree     slotKind = iota // nobody's
	slotOpen                     // an experiment's, for everybody
	slotReserved                 // an experiment's; the ramp has not opened it
	slotDraining                 // an experiment's, for kept units only
	slotDomain                   // a domain's, for everybody
	slotDomainDraining
)

// snapSlot is an owner of buckets.
type snapSlot struct {
	layer  *snapLayer
	exp    *snapExperiment
	domain *snapDomain
	kind   slotKind
	forced bool // made by Force
	plain  bool // nothing but the experiment's usual draw decides
}

// snapDomain is a domain, compiled; the root domain is one.
type snapDomain struct {
	key     string
	above   *snapLayer // the layer that it is nested in; nil for the root
	layers  []*snapLayer
	usual   []usualLayer         // by layer
	byParam map[int32]*snapLayer // the layer inside that leads to a parameter's owner
}

// slot returns the owner of a bucket.
func (l *snapLayer) slot(bucket int) *snapSlot {
	i := uint32(bucket) * l.bits
	return &l.slots[l.table[i>>6]>>(i&63)&l.mask]
}

// openSlot is the slot of the buckets in which an experiment takes units in.
func openSlot(e *snapExperiment) snapSlot {
	return snapSlot{
		layer: e.layer, kind: slotOpen, exp: e,
		plain: e.drawn && e.running && !e.closed && e.audience == nil && e.kept == nil,
	}
}

// snapParam is a parameter, compiled.
type snapParam struct {
	key    string
	kind   ParamType
	def    value
	layer  *snapLayer // the layer of the root domain that leads to the owner, or nil
	launch *snapLayer // the launch layer that owns it, or nil
}

// snapExperiment is an experiment, compiled. What reading its treatment needs in the
// usual case is on its first cache line.
type snapExperiment struct {
	key        string
	usual      draw            // where drawn is set
	treatments []snapTreatment // behind the experiment's own, that of a shared control
	place      uint8           // its layer's
	drawn      bool            // there are two treatments, for usual to choose from
	alone      bool            // usual decides for every unit with the layer's id
	shares     bool            // there is a control

	seed     uint64
	ends     []uint32 // cumulative weights
	layer    *snapLayer
	audience *audience.Program
	earlier  []snapAllocation
	keep     *keepRange // nil where there is nobody to keep
	kept     *keptUnits

	touches []touch
	sharers []*snapExperiment // running experiments that use this one's control
	control *snapExperiment   // whose control this one uses, or nil

	phase int

	running         bool // status and schedule let units in or keep them
	live            bool // status does, schedule aside
	closed          bool // intake is closed
	unopened        bool // the ramp has opened no bucket yet
	draft           bool
	audienceChanged bool // an earlier allocation had another audience
}

// snapTreatment is a treatment, compiled.
type snapTreatment struct {
	key  string
	mark uint64 // tells the treatment's marks in the exposure filter from others
}

// snapStep is a domain on the way from the root to a layer.
type snapStep struct {
	layer  *snapLayer
	domain *snapDomain
	drains bool // the domain has draining buckets
}

// drains reports whether some domain on the way to the layer has draining
// buckets.
func (l *snapLayer) drains() bool {
	return slices.ContainsFunc(l.path, func(s snapStep) bool { return s.drains })
}

// touch is a parameter that an experiment sets in at least one treatment.
type touch struct {
	param  int32
	values []*value // by treatment; nil where the treatment does not set it
}

// snapAllocation is an earlier division of an experiment's units. Its order is
// that of its own time: index says where each of its treatments stands today.
type snapAllocation struct {
	ends  []uint32
	index []int
}

// index returns the index of a treatment of the experiment's own, or -1.
func (e *snapExperiment) index(treatment string) int {
	for i := range e.ends {
		if e.treatments[i].key == treatment {
			return i
		}
	}
	return -1
}

// names lists the keys of the treatments, for messages.
func (e *snapExperiment) names() string {
	keys := make([]string, len(e.treatments))
	for i := range e.treatments {
		keys[i] = e.treatments[i].key
	}
	return strings.Join(keys, ", ")
}

// has reports whether a unit can be in that treatment, shared control included.
func (e *snapExperiment) has(treatment string) bool {
	return e.index(treatment) >= 0 || e.control != nil && treatment == e.treatments[e.sharedTreatment()].key
}

// sharedTreatment is the index that stands for the shared control.
func (e *snapExperiment) sharedTreatment() int { return len(e.ends) }

// touch returns what the experiment does to a parameter, or nil.
func (e *snapExperiment) touch(param int32) *touch {
	for i := range e.touches {
		if e.touches[i].param == param {
			return &e.touches[i]
		}
	}
	return nil
}

// snapshotSerial numbers the snapshots of this process. It is the only
// package-level variable that changes, and nothing but identity depends on it.
var snapshotSerial atomic.Uint64
