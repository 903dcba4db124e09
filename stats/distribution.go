package stats

import (
	"math"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"
)

// NormalQuantile is the value that a standard normal variable stays below
// with probability p: −Inf at 0, +Inf at 1, NaN for p outside [0, 1].
// NormalQuantile(0.975) = 1.9599… is the critical value of a two-sided 95%
// interval.
func NormalQuantile(p float64) float64 {
	if !(p >= 0 && p <= 1) {
		return math.NaN()
	}
	return mathext.NormalQuantile(p)
}

// StudentsTQuantile is the value that a Student t variable with df degrees of
// freedom stays below with probability p. df may be any positive number, +Inf
// gives the normal quantile. It is NaN for p outside [0, 1] and df that is not
// positive. The relative error is below 1e-11 for df from 1 to 1e12 and p down
// to 1e-100; close to 1, p itself has no more digits. It takes a few
// microseconds.
func StudentsTQuantile(p, df float64) float64 {
	switch {
	case !(p >= 0 && p <= 1) || !(df > 0):
		return math.NaN()
	case p < 0.5:
		return -tCritical(2*p, df)
	default:
		return tCritical(2*(1-p), df)
	}
}

// normalSurvival is P(Z > x). distuv's own Survival is 0 from x = 8.5 on; the
// mirrored CDF keeps full relative precision.
func normalSurvival(x float64) float64 { return distuv.UnitNormal.CDF(-x) }

// chiSquareSurvival is P(X > x) for df degrees of freedom, by the upper
// incomplete gamma function: 1 − CDF is 0 from about x = 100 on.
func chiSquareSurvival(x, df float64) float64 {
	return distuv.ChiSquared{K: df}.Survival(x)
}

// hillDF is the degrees of freedom above which tTwoSided uses Hill's
// expansion: there its error is below 1e-12 for every p that float64 can
// hold, and smaller than that of the incomplete beta function.
const hillDF = 1e4

// tTwoSided is P(|T| > |t|) for df degrees of freedom, +Inf meaning normal.
// Both tails are computed as such, never as 1 − CDF.
func tTwoSided(t, df float64) float64 {
	t = math.Abs(t)
	switch {
	case t > 1e150:
		return 0 // below 1e-150 for any df of at least 1; t² would overflow
	case math.IsInf(df, 1):
		return 2 * normalSurvival(t)
	case df > hillDF:
		return 2 * normalSurvival(hillNormal(t, df))
	case t < 0.5:
		// Near 1 the complement is the small number.
		return 1 - mathext.RegIncBeta(0.5, df/2, t*t/(df+t*t))
	default:
		return mathext.RegIncBeta(df/2, 0.5, df/(df+t*t))
	}
}

// hillNormal is the normal deviate with the same tail as t, from G. W. Hill,
// "Algorithm 395: Student's t-distribution", CACM 13 (1970), 617–619.
func hillNormal(t, df float64) float64 {
	a := df - 0.5
	b := 48 * a * a
	z2 := a * math.Log1p(t*(t/df))
	z4 := z2 * z2
	return math.Sqrt(z2) * (1 + (z2+3)/b - (4*z2*z4+33*z4+240*z2+855)/(10*b*(b+0.8*z4+100)))
}

// tCritical is the t ≥ 0 with P(|T| > t) = alpha.
//
// gonum's inverse incomplete beta is off by a tenth at alpha = 1e-15, so this
// is Newton's method for log P as a function of log t. That function is
// decreasing and concave, which makes the iteration converge from any start.
// The result is the inverse of tTwoSided, so that a p-value and an interval
// agree. The start is the Cornish–Fisher expansion (Abramowitz and Stegun
// 26.7.5).
func tCritical(alpha, df float64) float64 {
	switch {
	case alpha <= 0:
		return math.Inf(1)
	case alpha >= 1:
		return 0
	}
	z := -mathext.NormalQuantile(alpha / 2)
	if math.IsInf(df, 1) {
		return z
	}
	z3, z5 := z*z*z, z*z*z*z*z
	t := z + (z3+z)/(4*df) + (5*z5+16*z3+3*z)/(96*df*df)
	for range 50 {
		p := tTwoSided(t, df)
		step := math.Log(p/alpha) * p / (2 * t * tDensity(t, df))
		if !isFinite(step) {
			break // P is out of float64's range; this t is all there is
		}
		t *= math.Exp(step)
		if math.Abs(step) < 1e-9 {
			break // the error after a step is about its square
		}
	}
	return t
}

func tDensity(t, df float64) float64 {
	if df > hillDF {
		return math.Exp(-(df+1)/2*math.Log1p(t*(t/df))) / math.Sqrt(2*math.Pi)
	}
	return distuv.StudentsT{Sigma: 1, Nu: df}.Prob(t)
}
