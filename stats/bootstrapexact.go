package stats

import (
	"fmt"
	"math"
)

// maxOutcomes bounds how many different resamples BootstrapExact looks at.
const maxOutcomes = 2_000_000

// BootstrapExact is the limit of [Bootstrap] for infinitely many resamples:
// it goes through every different resample of every arm with its probability.
// n units have (2n−1 choose n) of them, so it is for a handful of units: two
// arms of five have 15,876, two of six 213,444; one arm may have up to eleven.
// Beyond two million there is no interval, with a reason. Its use is to check
// formulas to the last digit.
func BootstrapExact(arms [][][]float64, statistic ArmStatistic, level float64) Estimate {
	point, reason := pointOf(arms, statistic)
	if reason != "" {
		return noValue(reason)
	}
	if reason := (Options{Level: level}).problem(); reason != "" {
		return noInterval(point, reason)
	}
	outcomes := 1.0
	for _, units := range arms {
		outcomes *= multisets(len(units))
	}
	if !(outcomes <= maxOutcomes) {
		return noInterval(point, fmt.Sprintf("%.3g different resamples, more than the %d that are looked at", outcomes, maxOutcomes))
	}
	e := enumeration{arms: arms, statistic: statistic, means: meansLike(arms)}
	e.draws = make([]weightedDraw, 0, int(outcomes))
	e.enter(0, 1)
	return spreadOf(point, e.draws, level, 1)
}

// multisets is the number of ways to draw n of n units with replacement when
// order does not matter, (2n−1 choose n).
func multisets(n int) float64 {
	ways := 1.0
	for i := 1; i <= n; i++ {
		ways *= float64(n+i-1) / float64(i)
	}
	return math.Round(ways)
}

type enumeration struct {
	arms      [][][]float64
	statistic ArmStatistic
	means     [][]float64
	draws     []weightedDraw
}

// enter goes through the resamples of arm and all after it; probability is
// that of what has been drawn in the arms before.
func (e *enumeration) enter(arm int, probability float64) {
	if arm == len(e.arms) {
		e.draws = append(e.draws, weightedDraw{e.statistic(e.means), probability})
		return
	}
	n := len(e.arms[arm])
	each := probability // n!/nⁿ
	for i := range n {
		each *= float64(i+1) / float64(n)
	}
	e.take(arm, 0, n, each, make([]float64, len(e.means[arm])))
}

// take draws unit some number of times, with left draws to go; sums is that of
// the units before.
func (e *enumeration) take(arm, unit, left int, probability float64, sums []float64) {
	units := e.arms[arm]
	if unit == len(units)-1 {
		for i, v := range units[unit] {
			e.means[arm][i] = (sums[i] + float64(left)*v) / float64(len(units))
		}
		for i := range left {
			probability /= float64(i + 1)
		}
		e.enter(arm+1, probability)
		return
	}
	next := append([]float64(nil), sums...)
	for times := 0; times <= left; times++ {
		if times > 0 {
			addTo(next, units[unit])
			probability /= float64(times)
		}
		e.take(arm, unit+1, left-times, probability, next)
	}
}
