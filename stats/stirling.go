package stats

import "math"

// stirlingError is log Γ(x) minus Stirling's (x−½) log x − x + ½ log 2π, for
// x > 0. C. Loader, "Fast and Accurate Computation of Binomial Probabilities"
// (2000), builds probabilities of huge counts from it: differences of lgamma
// itself would have no digits left.
func stirlingError(x float64) float64 {
	if x < 16 {
		g, _ := math.Lgamma(x)
		return g - ((x-0.5)*math.Log(x) - x + 0.5*math.Log(2*math.Pi))
	}
	y := 1 / (x * x)
	return (1.0/12 - y*(1.0/360-y*(1.0/1260-y*(1.0/1680-y/1188)))) / x
}

// deviance is x log(x/m) + m − x ≥ 0 for x ≥ 0 and m > 0, without
// cancellation where x is close to m (Loader's bd0).
func deviance(x, m float64) float64 {
	d := x - m
	if x == 0 || math.Abs(d) > 0.1*(x+m) {
		if x == 0 {
			return m
		}
		return x*math.Log(x/m) - d
	}
	v := d / (x + m)
	sum, term := d*v, 2*x*v
	for j := 3.0; j < 1000; j += 2 {
		term *= v * v
		next := sum + term/j
		if next == sum {
			break
		}
		sum = next
	}
	return sum
}

// logBinomial is the log probability of x successes in n trials with success
// probability p = 1 − q and 0 ≤ x ≤ n. Where p or q is 0, x must be what is
// certain then.
func logBinomial(x, n, p, q float64) float64 {
	switch {
	case p == 0 || q == 0:
		return 0
	case x == 0:
		return n * logShare(q, p)
	case x == n:
		return n * logShare(p, q)
	}
	return stirlingError(n) - stirlingError(x) - stirlingError(n-x) -
		deviance(x, n*p) - deviance(n-x, n*q) +
		0.5*(math.Log(n)-math.Log(2*math.Pi)-math.Log(x)-math.Log(n-x))
}

// logShare is log p, given q = 1 − p as well.
func logShare(p, q float64) float64 {
	if q < 0.5 {
		return math.Log1p(-q)
	}
	return math.Log(p)
}
