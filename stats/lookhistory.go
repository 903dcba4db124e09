package stats

import "fmt"

// LookHistory is every look at one comparison since it started, oldest first
// and the present one last, all by the same anytime-valid method with the same
// options. With the history more can be said than the last look says alone:
// evidence once found is not lost when later data are less clear. A history
// with looks left out is still valid, only weaker.
//
// Looks of a fixed-sample method such as [Compare] make these results wrong.
// A look without a test or interval says nothing and is passed over.
type LookHistory []Comparison

// Test is the look with the smallest p-value so far, the oldest of equals:
// the always-valid p-value of Johari et al. (see [MSPRT]). There is none when no look has one.
func (h LookHistory) Test() Test {
	best := noTest("no look has a test")
	for _, look := range h {
		if look.Test.Reason == "" && (best.Reason != "" || look.Test.PValue < best.PValue) {
			best = look.Test
		}
	}
	return best
}

// PValues is, for each look, the smallest p-value up to it; 1 before the first
// look that has one.
func (h LookHistory) PValues() []float64 {
	out := make([]float64, len(h))
	for i := range h {
		out[i] = h[i : i+1].Test().PValue
	}
	return runningMinimum(out)
}

// Difference is the intersection of all intervals so far, which holds the true
// difference with the same probability as one of them. See
// [LookHistory.Lift] for the Value and for what goes missing.
func (h LookHistory) Difference() Estimate {
	return h.intersect(func(c Comparison) Estimate { return c.Difference })
}

// Lift is the intersection of the lift's intervals. Value is that of the last
// look, moved to the nearer end if it has left the intersection; there is no
// SE. It has no interval, with a reason, when no look has one, when the looks
// differ in their level, or when no value is in all intervals: then the effect
// is not the same over time, or the method's assumptions do not hold.
func (h LookHistory) Lift() Estimate {
	return h.intersect(func(c Comparison) Estimate { return c.Lift })
}

func (h LookHistory) intersect(part func(Comparison) Estimate) Estimate {
	out := noValue("there is no look")
	found, level := false, 0.0
	for _, look := range h {
		e := part(look)
		switch {
		case e.Reason != "" && found:
			continue
		case e.Reason != "":
			out = e
			continue
		case found && look.Level != level:
			return noInterval(e.Value, fmt.Sprintf("looks of levels %v and %v do not combine", level, look.Level))
		case !found:
			out, found, level = e, true, look.Level
		default:
			out.Low, out.High = max(out.Low, e.Low), min(out.High, e.High)
		}
		out.Value = e.Value
	}
	if !found {
		return out
	}
	if out.Low > out.High {
		return noInterval(out.Value, "the intervals of the looks have no value in common")
	}
	out.Value, out.SE = min(max(out.Value, out.Low), out.High), 0
	return out.checked()
}

// runningMinimum replaces each value by the smallest up to it.
func runningMinimum(p []float64) []float64 {
	for i := 1; i < len(p); i++ {
		p[i] = min(p[i], p[i-1])
	}
	return p
}
