package stats

import "fmt"

// Estimate is the group's mean with the interval of Student's t at a
// confidence level: mean ± t·√(Variance/N) with N−1 degrees of freedom. It is
// an arm seen by itself; whether two arms differ is for [Compare] to say, and
// not for whether their intervals overlap.
func (g Group) Estimate(level float64) Estimate {
	g = g.checked()
	switch {
	case g.NoMean:
		return noValue(g.Reason)
	case g.Reason != "":
		return noInterval(g.Mean, g.Reason)
	case g.Variance == 0:
		return noInterval(g.Mean, "all units are alike, so there is no standard error")
	case !(level > 0 && level < 1):
		return noInterval(g.Mean, fmt.Sprintf("the confidence level %v is not between 0 and 1", level))
	}
	return symmetric(g.Mean, g.SE(), tCritical(1-level, float64(g.N-1)))
}
