package stats

import "math"

// twoArms is a control and a treatment that have been checked together.
type twoArms struct {
	control, treatment Group

	reason  string // why there is no standard error; empty when there is one
	noValue bool   // not even both means are there
}

// checkArms collects what is missing on either side.
func checkArms(control, treatment Group) twoArms {
	a := twoArms{control: control.checked(), treatment: treatment.checked()}
	a.noValue = a.control.NoMean || a.treatment.NoMean
	if r := a.control.Reason; r != "" {
		a.reason = "control: " + r
	}
	if r := a.treatment.Reason; r != "" {
		if a.reason != "" {
			a.reason += "; "
		}
		a.reason += "treatment: " + r
	}
	if a.reason == "" {
		switch se := a.se(); {
		case se == 0:
			a.reason = "neither arm varies, so the difference has no standard error"
		case !isFinite(se):
			a.reason = outOfRange
		}
	}
	return a
}

// variances are the squared standard errors of the two means.
func (a twoArms) variances() (control, treatment float64) {
	return a.control.meanVariance(), a.treatment.meanVariance()
}

func (a twoArms) difference() float64 { return a.treatment.Mean - a.control.Mean }

// se is the standard error of the difference.
func (a twoArms) se() float64 {
	vC, vT := a.variances()
	return math.Sqrt(vC + vT)
}

// lift is the difference relative to the size of the control mean, so that
// a larger treatment mean is a positive lift for negative baselines too.
func (a twoArms) lift() float64 { return a.difference() / math.Abs(a.control.Mean) }

// noLift says why the arms have no interval for the lift at all; ok is true
// when they may have one.
func (a twoArms) noLift() (e Estimate, ok bool) {
	switch {
	case a.noValue:
		return noValue(a.reason), false
	case a.control.Mean == 0:
		return noValue("the control mean is 0, so there is no relative lift"), false
	case a.reason != "":
		return noInterval(a.lift(), a.reason), false
	}
	return Estimate{}, true
}

// pooled gives both arms the common variance that Student's t test assumes.
func (a twoArms) pooled() twoArms {
	nC, nT := float64(a.control.N-1), float64(a.treatment.N-1)
	common := nC/(nC+nT)*a.control.Variance + nT/(nC+nT)*a.treatment.Variance
	a.control.Variance, a.treatment.Variance = common, common
	return a
}

// welchDF is the Welch–Satterthwaite degrees of freedom of a sum of two
// independent squared standard errors with n units each: B. L. Welch, "The
// generalization of 'Student's' problem", Biometrika 34 (1947). Working with
// shares of the sum keeps tiny and huge variances in range.
func welchDF(vC float64, nC int64, vT float64, nT int64) float64 {
	total := vC + vT
	sC, sT := vC/total, vT/total
	return 1 / (sC*sC/float64(nC-1) + sT*sT/float64(nT-1))
}
