package stats

import (
	"fmt"
	"math"
)

// FiellerLift is the relative lift, difference divided by |control mean|,
// with Fieller's interval: all R − 1 for which
//
//	(m_T − R m_C)² ≤ critical² (v_T + R² v_C),
//
// with the squared standard errors v of the two means m. E. C. Fieller, "Some
// problems in interval estimation", JRSS B 16 (1954). critical is a quantile
// such as NormalQuantile(0.975), or the multiplier of a sequential method.
//
// At R = 1 that condition is |difference| ≤ critical·SE. So the interval
// contains 0 exactly when the absolute difference, tested with the same
// critical value, is not significant. It is not symmetric about Value and has
// no SE.
//
// It is bounded only when g = critical² v_C/m_C² is below 1: when the control
// mean itself is significantly different from 0. Otherwise there is no
// interval, and Reason gives g. It is not estimable when the control mean is
// 0, and has no interval when neither arm varies or critical is not a
// positive number. With a negative baseline a larger treatment mean is still
// a positive lift.
func FiellerLift(control, treatment Group, critical float64) Estimate {
	a := checkArms(control, treatment)
	if e, ok := a.noLift(); !ok {
		return e
	}
	if !validCritical(critical) {
		return noInterval(a.lift(), badCritical)
	}
	g := a.fiellerG(critical)
	if !(g < 1) {
		return noInterval(a.lift(), fmt.Sprintf(
			"the control mean is not significantly different from 0 (Fieller's g is %.3g, not below 1), so the lift is unbounded", min(g, math.MaxFloat64)))
	}
	low, high := a.fiellerRoots(critical, g)
	e := Estimate{Value: a.lift(), Low: low, High: high}.oriented(a.control.Mean)
	const rounding = 1e-6 // of the roots; beyond that a square has left the range
	slack := rounding * (1 + math.Abs(e.Value))
	if !isFinite(e.Low) || !isFinite(e.High) || e.Low > e.Value+slack || e.High < e.Value-slack {
		return noInterval(e.Value, outOfRange)
	}
	e.Low, e.High = min(e.Low, e.Value), max(e.High, e.Value)
	return e.checked()
}

// fiellerG is the squared ratio of the control mean's half interval to it.
func (a twoArms) fiellerG(critical float64) float64 {
	vC, _ := a.variances()
	r := critical * math.Sqrt(vC) / a.control.Mean
	return r * r
}

// fiellerRoots solves Fieller's equation for r = R − 1, divided by m_C²:
//
//	(1−g) r² − 2(ρ+g) r + (ρ² − critical² s²) = 0
//
// with ρ = m_T/m_C − 1 and s = SE/|m_C|. The equation is in r rather than R,
// and its last term a product, so that the sign at r = 0 is that of the test
// and small lifts keep their digits.
func (a twoArms) fiellerRoots(critical, g float64) (low, high float64) {
	m := a.control.Mean
	_, vT := a.variances()
	d, half := a.difference(), critical*a.se()
	rho := d / m
	last := (math.Abs(d) - half) / math.Abs(m) * ((math.Abs(d) + half) / math.Abs(m))
	treatment := critical * math.Sqrt(vT) / m
	root := math.Sqrt(g*(1+rho)*(1+rho) + (1-g)*treatment*treatment)
	// The root of larger size first, the other from their product.
	q := rho + g + math.Copysign(root, rho+g)
	r1, r2 := q/(1-g), last/q
	return min(r1, r2), max(r1, r2)
}
