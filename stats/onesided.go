package stats

import (
	"fmt"
	"math"
)

// OneSided is what [CompareOneSided] found.
type OneSided struct {
	// Level is the confidence level of each bound by itself, 0 if it was
	// unusable.
	Level float64 `json:"level"`

	// Greater tests that the treatment mean is not larger than the control
	// mean, Less that it is not smaller: a small p-value of Greater is
	// evidence for an increase. The two p-values add up to 1.
	Greater Test `json:"greater"`
	Less    Test `json:"less"`

	// DifferenceAtLeast and DifferenceAtMost are the difference with an
	// interval that is open above or below.
	DifferenceAtLeast Estimate `json:"difference_at_least"`
	DifferenceAtMost  Estimate `json:"difference_at_most"`

	// LiftAtLeast and LiftAtMost are the same for the lift, by Fieller. They
	// are on the same side of 0 as those of the difference.
	LiftAtLeast Estimate `json:"lift_at_least"`
	LiftAtMost  Estimate `json:"lift_at_most"`
}

// CompareOneSided is [Compare] for a question with a direction. The direction
// must have been chosen before the data were seen; choosing the side that
// looks better doubles the error rate. Options.Level is that of one bound: a
// one-sided 95% bound is an end of a two-sided 90% interval.
func CompareOneSided(control, treatment Group, options Options) OneSided {
	o := options.withDefaults()
	if problem := o.oneSidedProblem(); problem != "" {
		difference, lift := checkArms(control, treatment).without(problem)
		return OneSided{
			Greater: noTest(difference.Reason), Less: noTest(difference.Reason),
			DifferenceAtLeast: difference, DifferenceAtMost: difference, LiftAtLeast: lift, LiftAtMost: lift,
		}
	}
	r := OneSided{Level: o.Level}
	o.Level = 1 - 2*(1-o.Level)
	two := Compare(control, treatment, o)
	r.DifferenceAtLeast, r.DifferenceAtMost = two.Difference.sides()
	r.LiftAtLeast, r.LiftAtMost = two.Lift.sides()
	r.Greater, r.Less = two.Test.sides()
	return r
}

// oneSidedProblem says what is wrong with the options of a one-sided method.
func (o Options) oneSidedProblem() string {
	if p := o.problem(); p != "" {
		return p
	}
	if !(o.Level > 0.5) {
		return fmt.Sprintf("the one-sided confidence level %v is not above 0.5", o.Level)
	}
	return ""
}

// without is the point estimates of arms that reason keeps from intervals.
func (a twoArms) without(reason string) (difference, lift Estimate) {
	if a.reason == "" {
		a.reason = reason
	}
	if lift, _ = a.noLift(); a.noValue {
		return noValue(a.reason), lift
	}
	return noInterval(a.difference(), a.reason), lift
}

// sides are the two half-open intervals of which e's is the intersection.
func (e Estimate) sides() (atLeast, atMost Estimate) {
	atLeast, atMost = e, e
	if e.Reason == "" {
		atLeast.High, atMost.Low = math.Inf(1), math.Inf(-1)
	}
	return atLeast, atMost
}

// sides are the one-sided tests of a two-sided t or z test.
func (t Test) sides() (greater, less Test) {
	if t.Reason != "" {
		return t, t
	}
	df := t.DF
	if df == 0 {
		df = math.Inf(1)
	}
	return newTest(t.Statistic, t.DF, tUpperTail(t.Statistic, df)),
		newTest(t.Statistic, t.DF, tUpperTail(-t.Statistic, df))
}

// tUpperTail is P(T > t) for df degrees of freedom, +Inf meaning normal.
func tUpperTail(t, df float64) float64 {
	p := tTwoSided(t, df) / 2
	if t < 0 {
		return 1 - p
	}
	return p
}
