package stats

import (
	"fmt"
	"math"
)

// Crossing is how often, and where, a sequential test stops.
type Crossing struct {
	// Upper and Lower are, for each look, the probability to stop there at
	// the upper or the lower boundary.
	Upper, Lower []float64

	// Power and WrongSide are the sums of Upper and Lower: the chance to
	// find a positive drift, and to declare a negative one.
	Power, WrongSide float64

	// Information is the expected share of information at the end, where a
	// test that never stops goes on to its last look.
	Information float64

	// Reason says in words why there are no numbers. Empty when there are.
	Reason string
}

// CrossingProbabilities are those of a test that stops when |z| is at or above
// critical[i] at a share fractions[i] of the information, where z has
// expectation drift·√fraction. drift is the expectation of z at the planned
// end: effect/SE there, 0 without an effect, Φ⁻¹(1−α/2) + Φ⁻¹(power) for the
// effect that a fixed-sample test was planned for. A one-sided test stops for
// large z only. It is the recursion of Armitage, McPherson and Rowe (1969) and
// good to about ten digits.
func CrossingProbabilities(fractions, critical []float64, drift float64, oneSided bool) Crossing {
	if r := badCrossing(fractions, critical, drift); r != "" {
		return Crossing{Reason: r}
	}
	n := len(fractions)
	out := Crossing{Upper: make([]float64, n), Lower: make([]float64, n)}
	w := startWalk(drift)
	running := 1.0
	for i, t := range fractions {
		next := 0.0
		if i+1 < n {
			next = fractions[i+1]
		}
		if !oneSided {
			out.Lower[i] = w.below(t, -critical[i]*math.Sqrt(t))
		}
		out.Upper[i] = w.stop(t, critical[i], oneSided, next)
		out.Power += out.Upper[i]
		out.WrongSide += out.Lower[i]
		out.Information += t * (out.Upper[i] + out.Lower[i])
		running -= out.Upper[i] + out.Lower[i]
	}
	out.Power, out.WrongSide = min(out.Power, 1), min(out.WrongSide, 1)
	out.Information += fractions[n-1] * max(running, 0)
	return out
}

func badCrossing(fractions, critical []float64, drift float64) string {
	switch n := len(fractions); {
	case n != len(critical):
		return fmt.Sprintf("%d boundaries for %d looks", len(critical), n)
	case n == 0 || n > maxLooks:
		return fmt.Sprintf("%d looks, want 1 to %d", n, maxLooks)
	case !(math.Abs(drift) <= 1000):
		return fmt.Sprintf("the drift %v is not between -1000 and 1000", drift)
	}
	before := 0.0
	for i, t := range fractions {
		if !(t > 0) || !isFinite(t) || !(t-before >= minGain*t) {
			return fmt.Sprintf("look %d is at a share %v of the information after %v, want at least %v more", i, t, before, minGain*t)
		}
		if t > 1e6 {
			return fmt.Sprintf("look %d is at %v times the planned information", i, t)
		}
		if !(critical[i] > 0) {
			return fmt.Sprintf("the boundary %v of look %d is not positive", critical[i], i)
		}
		before = t
	}
	return ""
}

// Crossing is how often the test with these boundaries stops where, for a
// drift as in [CrossingProbabilities] at Fraction 1. Skipped looks are passed
// over and have probability 0.
func (g GroupSequential) Crossing(looks []Boundary, drift float64) Crossing {
	var fractions, critical []float64
	for _, b := range looks {
		if !b.Skipped {
			fractions, critical = append(fractions, b.Fraction), append(critical, b.Critical)
		}
	}
	c := CrossingProbabilities(fractions, critical, drift, g.OneSided)
	if c.Reason != "" || len(fractions) == len(looks) {
		return c
	}
	upper, lower := make([]float64, len(looks)), make([]float64, len(looks))
	k := 0
	for i, b := range looks {
		if !b.Skipped {
			upper[i], lower[i] = c.Upper[k], c.Lower[k]
			k++
		}
	}
	c.Upper, c.Lower = upper, lower
	return c
}
