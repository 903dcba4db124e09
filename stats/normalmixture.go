package stats

import (
	"fmt"
	"math"
)

// NormalMixture is the two-sided normal mixture boundary of Howard, Ramdas,
// McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic
// confidence sequences", Annals of Statistics 49 (2021), equation 14: a sum
// with intrinsic variance v stays within ±Bound(v) for ever with probability
// Level. [ConfidenceSequence] is the same boundary in units of a mean and its
// standard error, with ρ there being 1/Rho per unit of variance; use this
// type for sums with a known sub-Gaussian variance.
type NormalMixture struct {
	// Level is the confidence level, above 0 and below 1. Zero means 0.95.
	Level float64

	// TuningV is the intrinsic variance at which the boundary is narrowest.
	// Required.
	TuningV float64
}

func (m NormalMixture) problem() string {
	if r := badLevel(m.Level); r != "" {
		return r
	}
	if !(m.TuningV > 0) || !isFinite(m.TuningV) {
		return fmt.Sprintf("the tuning %v is not a positive variance", m.TuningV)
	}
	return ""
}

func (m NormalMixture) withDefaults() NormalMixture {
	if m.Level == 0 {
		m.Level = 0.95
	}
	return m
}

// Rho is the mixture's precision, in units of variance:
// TuningV/(−2 log α + log(1 − 2 log α)). It is 0 when the options are
// unusable.
func (m NormalMixture) Rho() float64 {
	m = m.withDefaults()
	if m.problem() != "" {
		return 0
	}
	l := -2 * math.Log(1-m.Level)
	return m.TuningV / (l + math.Log1p(l))
}

// Bound is the boundary for a sum of intrinsic variance v ≥ 0, in the sum's
// unit: √((v+ρ) log((v+ρ)/(ρ α²))). It is 0 when v or the options are
// unusable.
func (m NormalMixture) Bound(v float64) float64 {
	m = m.withDefaults()
	if m.cannot(v) != "" {
		return 0
	}
	rho := m.Rho()
	bound := math.Sqrt(v+rho) * math.Sqrt(math.Log1p(v/rho)-2*math.Log(1-m.Level))
	return min(bound, math.MaxFloat64)
}

// Test is the test that a sum s of intrinsic variance v has no drift.
// Statistic is the logarithm of the mixture likelihood ratio, a martingale
// under the null hypothesis; the p-value is its inverse and valid at every
// look.
func (m NormalMixture) Test(s, v float64) Test {
	m = m.withDefaults()
	if r := m.cannot(v); r != "" {
		return noTest(r)
	}
	rho := m.Rho()
	log := s/(v+rho)*s/2 - math.Log1p(v/rho)/2
	return newTest(log, 0, math.Exp(-log))
}

func (m NormalMixture) cannot(v float64) string {
	if r := m.problem(); r != "" {
		return r
	}
	if !(v >= 0) || !isFinite(v) {
		return fmt.Sprintf("the variance %v is not a number of at least 0", v)
	}
	return ""
}
