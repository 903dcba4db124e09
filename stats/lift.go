package stats

import "math"

// DeltaLift is the relative lift, difference divided by |control mean|, with
// the interval Value ± critical·SE. SE comes from the delta method,
//
//	SE² = v_T/m_C² + v_C m_T²/m_C⁴,
//
// with the squared standard errors v of the two means m: Deng, Knoblich and
// Lu, "Applying the Delta Method in Metric Analytics", KDD 2018, section 3.
// critical is a quantile such as NormalQuantile(0.975), or the multiplier of
// a sequential method.
//
// The interval is symmetric, which the lift's distribution is not, and may
// exclude 0 where the absolute difference is not significant, and the other
// way round; [FiellerLift] does neither. It is here to compare with engines
// that use it and because some methods need a normal estimate with an SE.
// With few and skewed values it is too short: where 2% of 2,000 units spend
// lognormal amounts of sigma 1.5, some 40 an arm, 95% intervals cover 87%
// (TestSimulationCoverageOfLifts).
//
// It is not estimable when the control mean is 0, and has no interval when
// neither arm varies or critical is not a positive number.
func DeltaLift(control, treatment Group, critical float64) Estimate {
	a := checkArms(control, treatment)
	if e, ok := a.noLift(); !ok {
		return e
	}
	if !validCritical(critical) {
		return noInterval(a.lift(), badCritical)
	}
	rC, rT := a.relativeVariances()
	return symmetric(a.lift(), math.Sqrt(rT+rC), critical)
}

// relativeVariances are the parts of the delta method's SE² of the lift that
// the two arms contribute.
func (a twoArms) relativeVariances() (control, treatment float64) {
	vC, vT := a.variances()
	m := a.control.Mean
	ratio := a.treatment.Mean / m
	return vC / m / m * ratio * ratio, vT / m / m
}

// LogLift is the relative lift with an interval built on the log scale,
//
//	exp(log(m_T/m_C) ± critical·SE) − 1,  SE² = v_T/m_T² + v_C/m_C²,
//
// as tea-tasting does. SE is that of the logarithm. The interval stays above
// −100%. Like that of [DeltaLift] it may disagree with the test of the
// absolute difference. Where DeltaLift's intervals cover 87%, for 40 buyers an
// arm with skewed amounts, 95% intervals of LogLift cover 90%.
//
// It has no interval when the means do not have the same sign or one is 0,
// when neither arm varies, or when critical is not a positive number.
// With negative means, as everywhere in this package, a larger treatment mean
// is a positive lift.
func LogLift(control, treatment Group, critical float64) Estimate {
	a := checkArms(control, treatment)
	if e, ok := a.noLift(); !ok {
		return e
	}
	ratio := a.treatment.Mean / a.control.Mean
	switch {
	case !validCritical(critical):
		return noInterval(a.lift(), badCritical)
	case !(ratio > 0):
		return noInterval(a.lift(), "a log scale needs means of the same sign, neither of them 0")
	}
	vC, vT := a.variances()
	mC, mT := a.control.Mean, a.treatment.Mean
	se := math.Sqrt(vT/mT/mT + vC/mC/mC)
	center, half := math.Log(ratio), critical*se
	e := Estimate{Value: a.lift(), SE: se, Low: math.Expm1(center - half), High: math.Expm1(center + half)}
	return e.oriented(a.control.Mean).checked()
}

// oriented turns an interval for m_T/m_C − 1 into one for the lift, which
// has the opposite sign when the baseline is negative.
func (e Estimate) oriented(baseline float64) Estimate {
	if baseline < 0 {
		e.Low, e.High = -e.High, -e.Low
	}
	return e
}

const badCritical = "the critical value is not a positive number"

func validCritical(c float64) bool { return c > 0 && isFinite(c) }
