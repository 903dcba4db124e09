package stats

import "math"

// logitBeta is the distribution of log(X/(1−X)) for X ~ Beta(a, b). On that
// scale every Beta distribution is log-concave and smooth, also those that
// are infinite at 0 or 1; a and b may be anything from 1e-6 to 1e18.
func logitBeta(a, b float64) logConcave {
	n := a + b
	p, q := a/n, b/n
	return logConcave{
		mode:  math.Log(a / b),
		scale: math.Sqrt(1/a + 1/b),
		log: func(v float64) float64 {
			if math.Abs(v) < 1e-3 { // the cumulants, where the two terms below cancel
				c := p * q
				return -n * c * v * v * (1.0/2 + v*((q-p)/6+v*((1-6*c)/24+v*(q-p)*(1-12*c)/120)))
			}
			if v > 0 {
				return -b*v - n*math.Log1p(q*math.Expm1(-v))
			}
			return a*v - n*math.Log1p(p*math.Expm1(v))
		},
		slope: func(v float64) float64 {
			if v > 0 {
				e := math.Expm1(-v)
				return n * p * q * e / (1 + q*e)
			}
			e := math.Expm1(v)
			return -n * p * q * e / (1 + p*e)
		},
	}
}

// betaBelow is P(X < x) and P(X > x) for X ~ Beta(a, b), each with its own
// relative precision of about 1e-11. gonum's incomplete beta function stops
// after 300 terms of its continued fraction, too early from about a = 1e5 on.
func betaBelow(x, a, b float64) (below, above float64) {
	switch {
	case x <= 0:
		return 0, 1
	case x >= 1:
		return 1, 0
	}
	d := logitBeta(a, b)
	at := math.Log(x) - math.Log1p(-x)
	edges := d.edges()
	density := func(u float64) float64 { return math.Exp(d.log(u - d.mode)) }
	var lower, upper []float64
	for _, e := range edges {
		if e < at {
			lower = append(lower, e)
		} else {
			upper = append(upper, e)
		}
	}
	left := integrate(panels(append(lower, at)), density)
	right := integrate(panels(append([]float64{at}, upper...)), density)
	switch { // x beyond the 25th edge: all that is left there is below 1e-130
	case len(lower) == 0:
		return 0, 1
	case len(upper) == 0:
		return 1, 0
	}
	return left / (left + right), right / (left + right)
}
