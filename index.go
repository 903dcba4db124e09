package strata

import (
	"iter"
	"math/bits"
	"slices"
	"strings"
)

// experimentIndex finds experiments by key. It is a table of open addresses that is
// filled once and at most half full. Request handlers look up a name at every read,
// with a name that mostly hits: a map spends twice the time on being able to grow and on
// resisting keys that somebody chose to collide, which those of a plan are not.
type experimentIndex struct {
	shift uint8 // the upper 64-shift bits of a hash are the place
	table []*snapExperiment
}

// newExperimentIndex makes an index with room for n experiments.
func newExperimentIndex(n int) experimentIndex {
	size := bits.Len(uint(max(2*n, 2) - 1))
	return experimentIndex{shift: uint8(64 - size), table: make([]*snapExperiment, 1<<size)}
}

// add files an experiment under its key, which is not yet there.
func (x *experimentIndex) add(e *snapExperiment) {
	i := hashKey(e.key) >> x.shift
	for x.table[i] != nil {
		i = (i + 1) & uint64(len(x.table)-1)
	}
	x.table[i] = e
}

// find returns the experiment, or nil. The zero value has none.
func (x *experimentIndex) find(key string) *snapExperiment {
	table := x.table
	for i := hashKey(key) >> (x.shift & 63); i < uint64(len(table)); i = (i + 1) & uint64(len(table)-1) {
		if e := table[i]; e == nil || e.key == key {
			return e
		}
	}
	return nil
}

// all iterates over the experiments in no order that means anything.
func (x *experimentIndex) all() iter.Seq[*snapExperiment] {
	return func(yield func(*snapExperiment) bool) {
		for _, e := range x.table {
			if e != nil && !yield(e) {
				return
			}
		}
	}
}

// sorted returns the experiments by key.
func (x *experimentIndex) sorted() []*snapExperiment {
	return slices.SortedFunc(x.all(), func(a, b *snapExperiment) int { return strings.Compare(a.key, b.key) })
}

// hashKey mixes all bytes of a key, eight at a time; of the last ones some go in twice.
// Only the upper bits are good. It decides where a key lies in memory, nothing else.
func hashKey(key string) uint64 {
	const odd = 0x9E3779B97F4A7C15 // 2⁶⁴ divided by the golden ratio
	h := uint64(len(key))
	switch n := len(key); {
	case n >= 8:
	case n >= 4:
		return hashStep(h, load4(key)|load4(key[n-4:])<<32) * odd
	case n > 0:
		return hashStep(h, uint64(key[0])|uint64(key[n/2])<<8|uint64(key[n-1])<<16) * odd
	default:
		return 0
	}
	for i := 0; i < len(key)-8; i += 8 {
		h = hashStep(h, load8(key[i:]))
	}
	return hashStep(h, load8(key[len(key)-8:])) * odd
}

func hashStep(h, word uint64) uint64 {
	h = (h ^ word) * 0xBF58476D1CE4E5B9
	return h ^ h>>32
}

// load4 is a single load; s has at least four bytes.
func load4(s string) uint64 {
	_ = s[3]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}

// load8 is a single load; s has at least eight bytes.
func load8(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
