package stats

import (
	"fmt"
	"math"
	"slices"
)

// KolmogorovSmirnovUniform tests whether values in [0, 1], such as p-values
// or hash buckets scaled to that range, come from the uniform distribution.
// Statistic is D, the largest distance between the sample's distribution
// function and the diagonal.
//
// The p-value is the asymptotic one at (√n + 0.12 + 0.11/√n)·D: M. A.
// Stephens, "Use of the Kolmogorov–Smirnov, Cramér–von Mises and related
// statistics without extensive tables", JRSS B 32 (1970), within 15%
// of the exact one from n = 5 on. It is for continuous values: ties, as from few
// buckets, make D too large.
//
// There is no test, with a reason, below 5 values and when one is not in
// [0, 1]. It sorts a copy of the values.
func KolmogorovSmirnovUniform(values []float64) Test {
	if len(values) < 5 {
		return noTest(fmt.Sprintf("%d values, the approximation needs 5", len(values)))
	}
	for i, v := range values {
		if !(v >= 0 && v <= 1) {
			return noTest(fmt.Sprintf("value %d is %v, not between 0 and 1", i, v))
		}
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	n := float64(len(sorted))
	d := 0.0
	for i, v := range sorted {
		d = max(d, v-float64(i)/n, float64(i+1)/n-v)
	}
	root := math.Sqrt(n)
	return newTest(d, 0, kolmogorovSurvival((root+0.12+0.11/root)*d))
}

// kolmogorovSurvival is P(K > x) of Kolmogorov's distribution. The two
// series are the same function; each is used where it converges in a few
// terms without cancellation (Marsaglia, Tsang and Wang, "Evaluating
// Kolmogorov's distribution", J. Stat. Software 8(18), 2003).
func kolmogorovSurvival(x float64) float64 {
	if x < 0.2 {
		return 1 // the distribution function is below 1e-12
	}
	sum := 0.0
	if x < 1 {
		for j := 1.0; j < 12; j += 2 {
			sum += math.Exp(-j * j * math.Pi * math.Pi / (8 * x * x))
		}
		return 1 - math.Sqrt(2*math.Pi)/x*sum
	}
	sign := 1.0
	for j := 1.0; j < 12; j++ {
		sum += sign * math.Exp(-2*j*j*x*x)
		sign = -sign
	}
	return 2 * sum
}
