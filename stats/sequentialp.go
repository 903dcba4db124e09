package stats

import (
	"fmt"
	"math"
)

// Test is the test after looks at the given information with the given z: its
// p-value is the smallest α at which one of the looks so far has crossed its
// boundary. So it agrees with the decision at every level, as long as larger
// levels have lower boundaries: that may fail at a look which adds very little
// information to the one before. It is the
// sequential p-value of Q. Liu and K. M. Anderson, "On adaptive extensions of
// group sequential trials for clinical investigations", JASA 103 (2008). Statistic is the last
// z. Boundaries are computed as in [GroupSequential.Boundaries]; Level plays
// no part. A p-value above 0.999 is reported as 1, one below 1e-14 as that.
//
// It solves for α with some fifteen sets of boundaries: 5 ms for 5 looks, 0.1 s
// for 20 (BenchmarkGroupSequentialTest).
func (g GroupSequential) Test(information, z []float64) Test {
	g = g.withDefaults()
	if len(information) != len(z) {
		return noTest(fmt.Sprintf("%d z values for %d looks", len(z), len(information)))
	}
	for i, v := range z {
		if !isFinite(v) {
			return noTest(fmt.Sprintf("z of look %d is %v", i, v))
		}
	}
	if _, r := g.times(nil, information); r != "" {
		return noTest(r)
	}
	// how far the best look is short of its boundary: falls as α rises
	short := func(logAlpha float64) float64 {
		least := math.Inf(1)
		for i, b := range g.solve(math.Exp(logAlpha), nil, information).Looks {
			least = min(least, b.Critical-g.extent(z[i]))
		}
		return least
	}
	low, high := math.Log(1e-14), math.Log(0.999)
	last := z[len(z)-1]
	if short(high) > 0 {
		return newTest(last, 0, 1)
	}
	return newTest(last, 0, math.Exp(solveFalling(short, low, high)))
}

// extent is how far z goes in the direction that stops the test.
func (g GroupSequential) extent(z float64) float64 {
	if g.OneSided {
		return z
	}
	return math.Abs(z)
}

// Stopped is the first of the looks at which z is at or beyond its boundary,
// −1 if there is none. There may be fewer z values than looks.
func (g GroupSequential) Stopped(looks []Boundary, z []float64) int {
	for i := range min(len(looks), len(z)) {
		if g.extent(z[i]) >= looks[i].Critical {
			return i
		}
	}
	return -1
}
