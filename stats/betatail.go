package stats

import (
	"math"
	"slices"
)

// logitBeta is the distribution of log(X/(1−X)) for X ~ Beta(a, b). On that
// scale every Beta distribution is log-concave and smooth, also those that
// are infinite at 0 or 1; a and b may be anything from 1e-6 to 1e18.
func logitBeta(a, b float64) logConcave {
	n := math.Log(a + b)
	return logConcave{
		mode:  math.Log(a / b),
		scale: math.Sqrt(1/a + 1/b),
		bends: []float64{-n, 0, n},
		log: func(v float64) float64 {
			if a > b {
				return logitShape(b, a, -v)
			}
			return logitShape(a, b, v)
		},
		slope: func(v float64) float64 {
			p, q := a/(a+b), b/(a+b)
			if v > 0 {
				e := math.Expm1(-v)
				return b * p * e / (1 + q*e)
			}
			e := math.Expm1(v)
			return -a * q * e / (1 + p*e)
		},
	}
}

// logitShape is the log density at a distance v from the mode, for a ≤ b:
// a v − n log(1 + p(eᵛ−1)), with n = a+b and p = a/n. The two terms are then
// of the size of a, the small number, where the density is not negligible.
func logitShape(a, b, v float64) float64 {
	n := a + b
	p, q := a/n, b/n
	switch {
	case math.Abs(v) < 1e-3: // the cumulants, where the two terms cancel
		return -a * q * v * v * (1.0/2 + v*((q-p)/6+v*((1-6*p*q)/24+v*(q-p)*(1-12*p*q)/120)))
	case v > 30:
		return -b*v - n*math.Log(p+q*math.Exp(-v))
	default:
		return a*v - n*math.Log1p(p*math.Expm1(v))
	}
}

// betaTails is P(X < x) and P(X > x) for X ~ Beta(a, b), each with its own
// relative precision of about 1e-11; y is 1 − x. gonum's incomplete beta
// function stops after 300 terms of its continued fraction, too early from
// about a = 1e5 on.
func betaTails(x, y, a, b float64) (below, above float64) {
	switch {
	case x <= 0:
		return 0, 1
	case y <= 0:
		return 1, 0
	}
	d := logitBeta(a, b)
	at := math.Log(x) - math.Log(y)
	edges := d.edges()
	cut, _ := slices.BinarySearch(edges, at)
	density := func(u float64) float64 { return math.Exp(d.log(u - d.mode)) }
	left := integrate(panels(append(slices.Clone(edges[:cut]), at)), density)
	right := integrate(panels(append([]float64{at}, edges[cut:]...)), density)
	return left / (left + right), right / (left + right)
}
