package strata

import "math/bits"

// draw divides units between two treatments.
type draw struct {
	seed  uint64 // the experiment's
	below uint64 // mixed hashes below it draw the first treatment
}

// newDraw is the draw of an experiment of two treatments, of which the first has the
// share first/total; ok is false where it has everything.
//
// The specification scales the mixed hash x to total and compares: floor(x·total/2⁶⁴) <
// first. That is x·total < first·2⁶⁴, as first is whole, and so x < ceil(first·2⁶⁴/total),
// which costs no multiplication at the time of the request.
func newDraw(seed uint64, first, total uint32) (d draw, ok bool) {
	if first >= total {
		return draw{}, false
	}
	below, rest := bits.Div64(uint64(first), 0, uint64(total))
	if rest > 0 {
		below++ // first < total, so this is below 2⁶⁴
	}
	return draw{seed, below}, true
}

// treatment returns 0 or 1 for a unit. A branch would be mispredicted for every
// second one, which costs more than all the rest.
func (d *draw) treatment(h uint64) int {
	_, first := bits.Sub64(mix(h, d.seed), d.below, 0)
	return 1 - int(first)
}

// pick draws the treatment for a mixed hash: the first whose cumulative weight
// is above the scaled hash.
func pick(ends []uint32, x uint64) int {
	at := uint32(scale(x, uint64(ends[len(ends)-1])))
	for i, end := range ends {
		if at < end {
			return i
		}
	}
	return len(ends) - 1 // not reached: at is below the last end
}
