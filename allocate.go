package strata

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Tenure is an entry of the ledger: who held which buckets of a layer, and
// until when. Of each bucket the ledger remembers its last holder only.
type Tenure struct {
	Layer   string    `json:"layer"`
	Holder  string    `json:"holder"`          // key of the experiment or domain
	Phase   int       `json:"phase,omitempty"` // of the experiment
	Buckets Buckets   `json:"buckets,omitzero"`
	Until   time.Time `json:"until"`
}

// Free returns the buckets of a layer that nobody owns: not open, not draining,
// not reserved by a draft. The buckets of stopped experiments are free.
func (p *Plan) Free(layer string) Buckets {
	free := AllBuckets()
	for i := range p.Domains {
		if d := &p.Domains[i]; d.Layer == layer {
			free = free.Minus(d.Buckets).Minus(d.Draining)
		}
	}
	for i := range p.Experiments {
		if e := &p.Experiments[i]; e.Layer == layer && e.Status != StatusStopped {
			free = free.Minus(e.Buckets).Minus(e.Draining)
		}
	}
	return free
}

// PickFree chooses n free buckets of a layer for the named owner: those that
// nobody ever held first, then those that rested longest, at random among
// equals. Random means drawn by hash of the layer's salt and the owner, so the
// same plan gives the same choice. It changes nothing. It fails when fewer
// than n are free.
func (p *Plan) PickFree(layer, owner string, n int) (Buckets, error) {
	l := p.Layer(layer)
	if l == nil {
		return Buckets{}, fmt.Errorf("%w: layer %q does not exist", ErrInvalidPlan, layer)
	}
	all := p.Free(layer)
	switch most := all.Len(); {
	case n < 0 || n > most:
		return Buckets{}, fmt.Errorf("%w: layer %q has %d free buckets, %d wanted; stop or narrow something, or use another layer",
			ErrInvalidPlan, layer, most, n)
	case n == most: // nothing to choose
		return all, nil
	case n == 0:
		return Buckets{}, nil
	}
	free := slices.Collect(all.All())
	since := p.released(layer)
	seed := hashID("strata/allocate\x00" + l.salt() + "\x00" + owner)
	slices.SortFunc(free, func(a, b int) int {
		return cmp.Or(cmp.Compare(since[a], since[b]), cmp.Compare(mix(uint64(a), seed), mix(uint64(b), seed)))
	})
	return BucketList(free[:n]...), nil
}

// released says since when each bucket of a layer is free, in microseconds since
// 1970; the least number means that nobody ever held it.
func (p *Plan) released(layer string) []int64 {
	since := make([]int64, NumBuckets)
	for b := range since {
		since[b] = math.MinInt64
	}
	for _, t := range p.Ledger {
		if t.Layer != layer {
			continue
		}
		for b := range t.Buckets.All() {
			since[b] = max(since[b], t.Until.UnixMicro())
		}
	}
	return since
}

// Widen gives an experiment n more buckets of its layer: first those of its own
// that drain, then free ones, chosen as by [Plan.PickFree]. It moves nobody.
func (p *Plan) Widen(experiment string, n int) error { return p.resizeExperiment(experiment, n, 1) }

// Narrow takes n buckets from an experiment, chosen at random as in
// [Plan.PickFree]. What becomes of the units in them is decided when the plan
// is published; see [PublishOptions].
func (p *Plan) Narrow(experiment string, n int) error { return p.resizeExperiment(experiment, n, -1) }

func (p *Plan) resizeExperiment(key string, n, sign int) error {
	e := p.Experiment(key)
	if e == nil {
		return fmt.Errorf("%w: experiment %q", ErrNotFound, key)
	}
	if n < 0 {
		return fmt.Errorf("%w: experiment %q cannot be changed by %d buckets; use a positive number", ErrInvalidPlan, key, n)
	}
	set, err := p.resize(e.Layer, e.Key, e.Buckets, e.Draining, e.Buckets.Len()+sign*n)
	if err != nil {
		return err
	}
	e.Buckets, e.Draining = set, e.Draining.Minus(set)
	return nil
}

// resize returns have, grown or shrunk to want buckets. It grows by the owner's
// draining buckets before free ones.
func (p *Plan) resize(layer, owner string, have, draining Buckets, want int) (Buckets, error) {
	if want < 0 {
		return Buckets{}, fmt.Errorf("%w: %q has %d buckets, cannot take %d", ErrInvalidPlan, owner, have.Len(), have.Len()-want)
	}
	surplus := have.Len() - want
	if surplus == 0 {
		return have, nil
	}
	if surplus > 0 {
		held := slices.Collect(have.All())
		seed := hashID("strata/narrow\x00" + owner)
		slices.SortFunc(held, func(a, b int) int { return cmp.Compare(mix(uint64(a), seed), mix(uint64(b), seed)) })
		return have.Minus(BucketList(held[:surplus]...)), nil
	}
	own := slices.Collect(draining.All())
	own = own[:min(want-have.Len(), len(own))]
	more, err := p.PickFree(layer, owner, want-have.Len()-len(own))
	return have.Union(BucketList(own...)).Union(more), err
}

// release notes in the ledger that holder gave buckets back.
func (p *Plan) release(layer, holder string, phase int, set Buckets, until time.Time) {
	if set.IsEmpty() {
		return
	}
	kept := p.Ledger[:0:0]
	for _, t := range p.Ledger {
		if t.Layer == layer {
			t.Buckets = t.Buckets.Minus(set)
		}
		if !t.Buckets.IsEmpty() {
			kept = append(kept, t)
		}
	}
	p.Ledger = append(kept, Tenure{Layer: layer, Holder: holder, Phase: phase, Buckets: set, Until: until})
}

// CarryOver returns the ledger's entries for buckets that the experiment holds
// now: whose treatments its units may still feel. Entries are cut to the shared
// buckets.
func (p *Plan) CarryOver(experiment string) []Tenure {
	e := p.Experiment(experiment)
	if e == nil {
		return nil
	}
	var list []Tenure
	for _, t := range p.Ledger {
		if t.Layer != e.Layer {
			continue
		}
		if shared := t.Buckets.Intersect(e.Buckets); !shared.IsEmpty() {
			t.Buckets = shared
			list = append(list, t)
		}
	}
	return list
}
