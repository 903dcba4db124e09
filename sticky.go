package strata

import (
	"context"
	"iter"
	"math/bits"
	"slices"
	"sort"
	"sync/atomic"
)

// keptUnits is an immutable set of units that keep their treatment although the
// newest allocation would give them another one, or none: sorted hashes of
// their ids, and a treatment for each. About 10 bytes a unit. The nil set is
// empty.
type keptUnits struct {
	hashes     []uint64
	treatments []uint8  // index in the experiment's treatments
	index      []uint32 // index[i] is where hashes with the top bits i begin
	shift      uint     // 64 minus the number of those top bits
}

// keptUnit is one member of a set to be built.
type keptUnit struct {
	hash      uint64
	treatment uint8
}

// newKeptUnits builds a set. Of two entries with one hash the first counts:
// the first exposure wins.
func newKeptUnits(units []keptUnit) *keptUnits {
	if len(units) == 0 {
		return nil
	}
	units = slices.Clone(units)
	sort.SliceStable(units, func(i, j int) bool { return units[i].hash < units[j].hash })
	units = slices.CompactFunc(units, func(a, b keptUnit) bool { return a.hash == b.hash })

	k := &keptUnits{hashes: make([]uint64, len(units)), treatments: make([]uint8, len(units))}
	for i, u := range units {
		k.hashes[i], k.treatments[i] = u.hash, u.treatment
	}
	k.buildIndex()
	return k
}

// buildIndex makes one entry for about 16 hashes: hashes are uniform, so a
// look-up reads one entry and scans a cache line or two.
func (k *keptUnits) buildIndex() {
	topBits := uint(max(0, bits.Len(uint(len(k.hashes)))-4))
	k.shift = 64 - topBits
	k.index = make([]uint32, 1<<topBits+1)
	at := 0
	for i := range k.index {
		for at < len(k.hashes) && k.top(k.hashes[at]) < uint64(i) {
			at++
		}
		k.index[i] = uint32(at)
	}
}

// top returns the top bits of a hash; a shift by 64 is 0 in Go.
func (k *keptUnits) top(h uint64) uint64 { return h >> k.shift }

// find returns the treatment that a unit keeps.
func (k *keptUnits) find(h uint64) (treatment int, ok bool) {
	if k == nil {
		return 0, false
	}
	i := k.top(h)
	for at := k.index[i]; at < k.index[i+1]; at++ {
		if k.hashes[at] == h {
			return int(k.treatments[at]), true
		}
	}
	return 0, false
}

// Len returns the number of units.
func (k *keptUnits) Len() int {
	if k == nil {
		return 0
	}
	return len(k.hashes)
}

// keepRange says which exposures of a phase are kept: those by plan versions of
// at least from and below before; see History.
type keepRange struct{ from, before int64 }

// wantsKept reports whether some unit's treatment may depend on what it was
// exposed to before: only then does the engine ask the store.
func (e *snapExperiment) wantsKept() bool { return e.live && e.keep != nil }

// exposedTo is an exposure in terms of the experiment whose slot decides.
type exposedTo struct {
	keptUnit
	version int64 // of the plan that assigned
}

// keptOf lists the exposures that decide whom an experiment keeps: its own, and
// those by which experiments that share its control met that control. after
// holds, by experiment, how far earlier lists went, and is brought up to date;
// it may be nil.
func (s *Snapshot) keptOf(ctx context.Context, store ExposureStore, e *snapExperiment, after map[string]int64) iter.Seq2[exposedTo, error] {
	return func(yield func(exposedTo, error) bool) {
		if !e.wantsKept() {
			return
		}
		for _, from := range s.sources(e) {
			for x, err := range store.Exposed(ctx, ExposedParams{Experiment: from.key, Phase: from.phase, After: after[from.key]}) {
				if err != nil {
					yield(exposedTo{}, err)
					return
				}
				if after != nil {
					after[from.key] = x.Sequence
				}
				t := e.index(x.Treatment)
				if own := from == e; t < 0 || !own && t != 0 {
					continue
				}
				if !yield(exposedTo{keptUnit{x.Hash, uint8(t)}, x.Version}, nil) {
					return
				}
			}
		}
	}
}

// sources lists an experiment and those that share its control, which expose
// units to its first treatment.
func (s *Snapshot) sources(e *snapExperiment) []*snapExperiment {
	list := []*snapExperiment{e}
	for _, x := range s.experiments.sorted() {
		if x.control == e {
			list = append(list, x)
		}
	}
	return list
}

// moved reports whether the newest allocation might give an exposed unit
// something other than the treatment it was exposed to. It may say so of a
// unit that stays, which costs memory and changes nothing (a ramp may have
// opened the unit's bucket since e was compiled); it never overlooks one that
// moves.
func (e *snapExperiment) moved(x exposedTo) bool {
	if x.version < e.keep.from || x.version >= e.keep.before {
		return false
	}
	if e.closed || e.audienceChanged || e.layer.drains() {
		return true
	}
	if slot := e.layer.slot(bucketOf(x.hash, e.layer.seed)); slot.exp != e || slot.kind != slotOpen {
		return true
	}
	return pick(e.ends, mix(x.hash, e.seed)) != int(x.treatment)
}

// exposureFilter remembers which exposures this process has recorded, so that
// reading a parameter again costs a look and no event. It has a fixed size and
// no lock. It never claims to have seen what it has not (two different
// exposures share their 64 bits once in 10¹⁹); what it forgets is recorded
// again, and the store drops repeats.
type exposureFilter struct {
	sets []exposureSet
	mask uint64
}

// exposureMark tells a treatment's marks in the filter from those of others. It goes by key
// and not by position: when treatments change places, units meet another one.
//
// It goes through mix once more than ids do. Without that a unit with the id A in the
// treatment B would have the mark of B in A, and none at all in A: people do call tenants
// and treatments alike.
func exposureMark(seed uint64, treatment string) uint64 {
	const apart = 0x9E3779B97F4A7C15
	return mix(mix(hashID(treatment), apart), seed)
}

// mark is what the exposure filter knows an exposure by: for each treatment another
// permutation of the hashes of ids. It is never 0, which is an empty place.
func (e *snapExperiment) mark(h uint64, t int) uint64 {
	return max(1, mix(h, e.seed)^e.treatments[t].mark)
}

// exposureSet is one line of the filter. Four ways keep units that fall
// together from pushing each other out at every request.
type exposureSet [filterWays]atomic.Uint64

const (
	filterWays = 4

	// DefaultExposureFilter is the default of [Config.ExposureFilter].
	DefaultExposureFilter = 1 << 17
)

// newExposureFilter makes a filter for about n exposures, 8 bytes each, rounded
// up to a power of two.
func newExposureFilter(n int) *exposureFilter {
	sets := 1
	for sets*filterWays < n {
		sets *= 2
	}
	return &exposureFilter{sets: make([]exposureSet, sets), mask: uint64(sets - 1)}
}

// seen reports whether the exposure was noted.
func (f *exposureFilter) seen(x uint64) bool {
	set := &f.sets[x&f.mask]
	for i := range set {
		if set[i].Load() == x {
			return true
		}
	}
	return false
}

// note remembers an exposure, in place of an older one. Racing notes may lose
// one another, which only repeats an exposure.
func (f *exposureFilter) note(x uint64) {
	set := &f.sets[x&f.mask]
	for i := range set {
		if set[i].Load() == 0 {
			set[i].Store(x)
			return
		}
	}
	set[x>>40%filterWays].Store(x) // of one treatment, all marks may have the same uppermost bit
}
