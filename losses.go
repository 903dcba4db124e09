package strata

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
)

// Under overload events are shed by unit, not by arrival: a unit loses all
// events of a class or none, so that those kept are whole, and as the choice goes
// by a hash that is independent of buckets and treatments, no treatment loses
// more than another. Page views, clicks and custom events are one class,
// exposures, purchases and conversions the other, which has more room.

// shedding says which units are shed at present. The share of them rises with
// what the buffer holds and falls only when it has run empty: who was spared
// stays whole.
type shedding struct {
	common, reserved atomic.Uint64 // units with a hash below it are shed; 0 … 1<<32
}

// Shedding of a class begins when so much of the buffer is in use, and covers
// everybody at the second mark. Below shedNobody all are taken in again.
const (
	shedCommonFrom, shedCommonAll     = 0.5, 0.7
	shedReservedFrom, shedReservedAll = 0.85, 1.0

	shedNobody = 0.25
)

// sheds reports whether an event of the unit must be given up for want of room.
func (b *budget) sheds(u *Unit, code int) bool {
	threshold, from, all := &b.common, shedCommonFrom, shedCommonAll
	if reserved(code) {
		threshold, from, all = &b.reserved, shedReservedFrom, shedReservedAll
	}
	t := threshold.Load()
	if fill := b.fill(); fill > from {
		share := uint64(min((fill-from)/(all-from), 1) * (1 << 32))
		for share > t && !threshold.CompareAndSwap(t, share) {
			t = threshold.Load()
		}
		t = max(t, share)
	}
	return t > 0 && shedHash(u)>>32 < t
}

// relax ends shedding when there is room enough.
func (b *budget) relax() {
	if b.fill() < shedNobody {
		b.common.Store(0)
		b.reserved.Store(0)
	}
}

// shedSeed makes the choice of units independent of all draws of treatments,
// and the same in every process: one that sheds spares the same units as another.
var shedSeed = hashID("strata/shed\x00")

// shedHash is that of the id that stands for the unit: events of one user are
// shed or kept together, whatever devices they came from.
func shedHash(u *Unit) uint64 { return mix(hashID(u.primary()), shedSeed) }

// Refused counts events that were not taken in, by reason.
type Refused struct {
	Invalid int64 // refused with ErrInvalidEvent
	Shed    int64 // refused with ErrBufferFull, as their unit was chosen when load had to be shed
	Full    int64 // refused with ErrBufferFull, as there was no room at all
}

// losses counts what one lane did not take in, in all. They are stored with the
// lane's batches.
type losses struct {
	mu         sync.Mutex
	events     [numKindCodes]Refused
	units      map[unitLoss]int64
	generation int64 // rises with every loss
}

type unitLoss struct {
	experiment string
	phase      int
	treatment  string
}

// refuse counts an event and returns what its caller is told.
func (l *losses) refuse(code int, reason LossReason) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.generation++
	switch n := &l.events[code]; reason {
	case LossShed:
		n.Shed++
		return errShed[code]
	case LossFull:
		n.Full++
		return errFull[code]
	default:
		n.Invalid++
		return nil
	}
}

// addUnit counts a unit that has lost events.
func (l *losses) addUnit(key unitLoss) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.units == nil {
		l.units = make(map[unitLoss]int64)
	}
	l.units[key]++
	l.generation++
}

// addTo adds the counts of events to those of other lanes.
func (l *losses) addTo(refused map[Kind]Refused) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for code, n := range l.events {
		if n != (Refused{}) {
			sum := refused[kindCodes[code]]
			sum.Invalid, sum.Shed, sum.Full = sum.Invalid+n.Invalid, sum.Shed+n.Shed, sum.Full+n.Full
			refused[kindCodes[code]] = sum
		}
	}
}

// since returns the totals where there was a loss since a generation, else nil.
func (l *losses) since(generation int64) (*Losses, int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.generation == generation {
		return nil, generation
	}
	var all Losses
	for code := codeExposure; code < numKindCodes; code++ { // what is no event at all has no kind
		n := l.events[code]
		for _, r := range [...]LostEvents{{kindCodes[code], LossInvalid, n.Invalid}, {kindCodes[code], LossShed, n.Shed}, {kindCodes[code], LossFull, n.Full}} {
			if r.Events > 0 {
				all.Events = append(all.Events, r)
			}
		}
	}
	for key, n := range l.units {
		all.Units = append(all.Units, LostUnits{key.experiment, key.phase, key.treatment, n})
	}
	slices.SortFunc(all.Units, func(a, b LostUnits) int {
		return cmp.Or(cmp.Compare(a.Experiment, b.Experiment), cmp.Compare(a.Phase, b.Phase), cmp.Compare(a.Treatment, b.Treatment))
	})
	return &all, l.generation
}

// lostUnits remembers which units were counted, each in each experiment that it
// was exposed to.
type lostUnits struct {
	mu   sync.Mutex
	seen map[uint64]struct{}
}

// maxLostUnits bounds what is remembered to some megabytes. Units beyond are not
// counted any more: the tests of balance have enough by then.
const maxLostUnits = 1 << 17

// first reports whether a mark is new.
func (s *lostUnits) first(mark uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.seen[mark]; known || len(s.seen) == maxLostUnits {
		return false
	}
	if s.seen == nil {
		s.seen = make(map[uint64]struct{})
	}
	s.seen[mark] = struct{}{}
	return true
}

// noteLostUnit counts the unit as one that has lost an event, once in each
// experiment that it was exposed to by this process. It runs under overload
// only, and allocates when a unit loses its first event.
func (e *Engine) noteLostUnit(u *Unit, l *losses) {
	a := Assignment{unit: *u, hashed: e.snap.Load().hashed(u)} // on the stack, also where Assign is not inlined
	for d := range a.All() {
		exp := d.exp()
		if exp == nil || d.treatment < 0 || d.reason == ReasonForced {
			continue
		}
		t := &exp.treatments[d.treatment]
		if mark := exp.mark(d.hash, int(d.treatment)); e.filter.seen(mark) && e.lost.first(mark) {
			l.addUnit(unitLoss{exp.key, exp.phase, t.key})
		}
	}
}
