package stats

import (
	"fmt"
	"math"
)

// AdjustedLevels are the confidence levels at which each hypothesis' own
// interval agrees with its adjusted p-value: the interval at the i-th level
// excludes the null value exactly when Adjust gives at most alpha. Levels are
// in the order of the input, and have the form 1 − α_i with α_i at most alpha.
//
//   - Bonferroni and Sidak: α/m and 1 − (1−α)^(1/m). All m intervals hold
//     together with probability 1 − α (Šidák: if independent).
//   - Holm: α/(m−k+1) for the k-th smallest p-value if it is rejected,
//     α/(m−r) for the others where r are rejected; HolmSidak alike. Hochberg:
//     α/(m−r+1) and α/(m−r). Hommel: one α/j for all. The chance that any
//     interval wrongly excludes its null value is at most α. That is weaker
//     than holding together: each interval covers with at least 1 − α by
//     itself, and rejected ones are narrower than Bonferroni's.
//   - BenjaminiHochberg: α·R/m for R ≥ 1 rejected, α/m for none, and
//     BenjaminiYekutieli divides that by 1 + 1/2 + … + 1/m. Of the
//     intervals that are reported because they were rejected, a share of at
//     most α misses its true value in expectation: Y. Benjamini and D.
//     Yekutieli, "False discovery rate–adjusted multiple confidence
//     intervals", JASA 100 (2005).
//   - NoCorrection: α for all.
//
// The error is [ErrValue] where Adjust has one, and for alpha outside (0, 1).
func AdjustedLevels(c Correction, p []float64, alpha float64) ([]float64, error) {
	if !(alpha > 0 && alpha < 1) {
		return nil, fmt.Errorf("%w: alpha is %v, not between 0 and 1", ErrValue, alpha)
	}
	adjusted, err := Adjust(c, p)
	if err != nil {
		return nil, err
	}
	rejected := 0
	for _, a := range adjusted {
		if a <= alpha {
			rejected++
		}
	}
	order := ascending(p)
	levels := make([]float64, len(p))
	for k, i := range order {
		a := c.levelAt(k, rejected, p, order, alpha)
		if adjusted[i] <= alpha { // rounding must not make the two disagree
			a = max(a, p[i])
		} else if p[i] <= a {
			a = math.Nextafter(p[i], 0)
		}
		levels[i] = 1 - a
	}
	return levels, nil
}

// levelAt is α_i for the k-th smallest p-value, counted from 0.
func (c Correction) levelAt(k, rejected int, p []float64, order []int, alpha float64) float64 {
	m := len(p)
	divisor := float64(m - min(k, rejected)) // of a step-down procedure
	switch c {
	case Bonferroni:
		return alpha / float64(m)
	case Sidak:
		return sidakLevel(alpha, float64(m))
	case Holm:
		return alpha / divisor
	case HolmSidak:
		return sidakLevel(alpha, divisor)
	case Hochberg:
		if k < rejected {
			return alpha / float64(m-rejected+1)
		}
		return alpha / float64(m-rejected)
	case Hommel:
		return alpha / float64(hommelDivisor(p, order, alpha))
	case BenjaminiHochberg:
		return alpha * float64(max(rejected, 1)) / float64(m)
	case BenjaminiYekutieli:
		return alpha * float64(max(rejected, 1)) / (float64(m) * harmonic(m))
	default:
		return alpha
	}
}

func sidakLevel(alpha, n float64) float64 { return -math.Expm1(math.Log1p(-alpha) / n) }

// hommelDivisor is the largest j for which p_(m−j+k) > kα/j for k = 1..j, the
// number that Hommel's procedure divides α by; 1 if there is none.
func hommelDivisor(p []float64, order []int, alpha float64) int {
	m := len(p)
	for j := m; j > 1; j-- {
		all := true
		for k := 1; k <= j && all; k++ {
			all = p[order[m-j+k-1]] > float64(k)*alpha/float64(j)
		}
		if all {
			return j
		}
	}
	return 1
}

// AdjustedInterval widens an interval until it agrees with an adjusted
// p-value, as GrowthBook does: it takes the standard deviation for which the
// estimate would have that p-value, |value|/z_{1−p/2}, and keeps the interval
// it was given where that is wider. It holds no coverage that could be stated;
// [AdjustedLevels] does. level is that of the interval, zero means 0.95.
//
// There is no interval when the estimate has none, when the p-value is not in
// (0, 1], and when it is 1, which fits no finite width.
func AdjustedInterval(e Estimate, adjustedP, level float64) Estimate {
	if level == 0 {
		level = 0.95
	}
	switch {
	case e.NoValue || e.Reason != "":
		return e
	case !(adjustedP > 0 && adjustedP <= 1):
		return noInterval(e.Value, fmt.Sprintf("the adjusted p-value %v is not in (0, 1]", adjustedP))
	case badLevel(level) != "":
		return noInterval(e.Value, badLevel(level))
	}
	z := -NormalQuantile(adjustedP / 2)
	if z <= 0 {
		return noInterval(e.Value, "an adjusted p-value of 1 fits no bounded interval")
	}
	wide := symmetric(e.Value, math.Abs(e.Value)/z, -NormalQuantile((1-level)/2))
	if wide.Reason == "" && wide.High-wide.Low <= e.High-e.Low {
		return e
	}
	return wide
}
