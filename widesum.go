package strata

import (
	"math"
	"math/bits"
)

// wideSum is a sum of integers in 128 bits, two's complement. It cannot
// overflow, so it does not depend on the order of what it adds: a sum that
// stopped at the ends of int64 on its way would. 9,223 orders of the largest
// amount by one unit are somebody's test, not a reason to wrap either.
type wideSum struct {
	high int64
	low  uint64
}

func (s *wideSum) add(n int64) {
	low, carry := bits.Add64(s.low, uint64(n), 0)
	s.low = low
	s.high += n>>63 + int64(carry)
}

// narrow reports whether the sum is in the range of int64.
func (s *wideSum) narrow() bool { return s.high == int64(s.low)>>63 }

// clamped returns the sum, or the end of int64 that is next to it.
func (s *wideSum) clamped() int64 {
	switch {
	case s.narrow():
		return int64(s.low)
	case s.high < 0:
		return math.MinInt64
	default:
		return math.MaxInt64
	}
}
