package stats

import (
	"fmt"
	"math"
)

// FalsePositiveRisk is the probability that there is no effect although a test
// was significant,
//
//	α(1−π) / (α(1−π) + power·π),
//
// when a share successRate π of the ideas tested has an effect: R. Kohavi, A.
// Deng and L. Vermeer, "A/B Testing Intuition Busters", KDD 2022. alpha is the
// probability of a significant result in the good direction when there is no
// effect, 0.025 for a two-sided test at 5%. It fails with [ErrValue] for
// numbers that are not probabilities and when nothing is ever significant.
func FalsePositiveRisk(alpha, power, successRate float64) (float64, error) {
	for _, p := range []float64{alpha, power, successRate} {
		if !(p >= 0 && p <= 1) {
			return 0, fmt.Errorf("%w: %v is not a probability", ErrValue, p)
		}
	}
	wrong, right := alpha*(1-successRate), power*successRate
	if wrong+right == 0 {
		return 0, fmt.Errorf("%w: no test is ever significant", ErrValue)
	}
	return wrong / (wrong + right), nil
}

// UnitsForSkewness is about how many units an arm needs until its mean is
// near enough to normal for a 95% interval, 355·skewness²: R. Kohavi, A. Deng,
// R. Longbotham and Y. Xu, "Seven Rules of Thumb for Web Site Experimenters",
// KDD 2014, rule 7. It is 0 for skewness that is not a number and at most
// 2^53. The rule is for one arm; a difference of arms of equal size and skew
// needs fewer.
func UnitsForSkewness(skewness float64) int64 {
	n := math.Ceil(355 * skewness * skewness)
	if !(n >= 0) {
		return 0
	}
	return int64(min(n, 1<<53))
}

// UnitsForShare is [UnitsForSkewness] for a share p of units, whose skewness
// is (1−2p)/√(p(1−p)); 0 when p is not inside (0, 1). At 1% it is 34439 units.
func UnitsForShare(p float64) int64 {
	if !(p > 0 && p < 1) {
		return 0
	}
	return UnitsForSkewness((1 - 2*p) / math.Sqrt(p*(1-p)))
}
