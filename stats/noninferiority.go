package stats

import (
	"fmt"
	"math"
)

// Margin is how much worse a treatment may be. One of Absolute and Relative
// must be positive, the other 0.
type Margin struct {
	// Absolute is in the metric's own unit.
	Absolute float64

	// Relative is a fraction of |control mean|, 0.02 for 2%.
	Relative float64

	// Decrease is set for metrics of which less is better, such as latency.
	Decrease bool

	// Fixed takes the margin that Relative makes of the observed control
	// mean for an exact number, as Spotify's confidence does. Otherwise the
	// test accounts for its noise. For a margin of 20% of the mean, 300 to
	// 400 units an arm, a test at 5% then has 3.7%, or with Decrease 6.6%.
	Fixed bool
}

// problem says why the margin cannot be used, or nothing.
func (m Margin) problem() string {
	for _, v := range []float64{m.Absolute, m.Relative} {
		if !(v >= 0) || !isFinite(v) {
			return fmt.Sprintf("the margin %v is not a positive number", v)
		}
	}
	switch {
	case m.Absolute == 0 && m.Relative == 0:
		return "there is no margin"
	case m.Absolute > 0 && m.Relative > 0:
		return "there are two margins"
	}
	return ""
}

// NonInferior is what [NonInferiority] found.
type NonInferior struct {
	// Level is the confidence level of Bound, 0 if it was unusable.
	Level float64 `json:"level"`

	// Null is the difference that is just too bad, −margin or, when less is
	// better, +margin, at the observed control mean. 0 when Test has a Reason.
	Null float64 `json:"null,omitempty"`

	// Test is one-sided; a small p-value says that the treatment is not
	// worse by as much as the margin.
	Test Test `json:"test"`

	// Bound is the difference with its bound on the side where it would be
	// too bad; the other side is open.
	Bound Estimate `json:"bound"`
}

// Shown reports whether the treatment was shown not to be worse by the margin.
func (n NonInferior) Shown() bool {
	return n.Test.Reason == "" && n.Test.PValue <= 1-n.Level
}

// NonInferiority tests that a treatment is not worse than the control by a
// margin that was declared beforehand, the question to ask of a guardrail: a
// difference that is "not significant" may just be badly measured.
//
// An absolute margin is tested on the difference. A relative margin δ is
// tested on m_T − (1−δ) m_C (for an increase and a positive control mean),
// with the control's noise in both terms, so that it is shown exactly when the
// bound of Fieller's one-sided interval for the lift is above −δ. With
// Margin.Fixed the margin is δ·|m_C| taken as exact: it is then shown exactly
// when Bound excludes Null. Options.Level is one-sided, zero means 0.95.
func NonInferiority(control, treatment Group, margin Margin, options Options) NonInferior {
	o := options.withDefaults()
	arms := checkArms(control, treatment)
	problem := o.oneSidedProblem()
	if problem != "" {
		o.Level = 0
	} else {
		problem = margin.problem()
	}
	if arms.reason != "" || problem != "" {
		bound, _ := arms.without(problem)
		return NonInferior{Level: o.Level, Test: noTest(bound.Reason), Bound: bound}
	}
	if o.Reference == PooledT {
		arms = arms.pooled()
	}
	critical := tCritical(2*(1-o.Level), arms.df(o.Reference))
	r := NonInferior{
		Level: o.Level,
		Null:  margin.null(arms),
		Test:  margin.test(arms, o.Reference),
		Bound: NonInferiorBound(arms.control, arms.treatment, margin, critical),
	}
	if r.Test.Reason != "" {
		r.Null = 0
	}
	return r
}

// null is the difference that is just too bad.
func (m Margin) null(a twoArms) float64 {
	size := m.Absolute + m.Relative*math.Abs(a.control.Mean)
	if m.Decrease {
		return size
	}
	return -size
}

// scale is the k for which m_T − k·m_C is 0 at the relative margin.
func (m Margin) scale(a twoArms) float64 {
	if a.control.Mean < 0 != m.Decrease {
		return 1 + m.Relative
	}
	return 1 - m.Relative
}

// test is the one-sided test of how far the arms are from the margin.
func (m Margin) test(a twoArms, r Reference) Test {
	distance := a.difference() - m.null(a)
	if !m.Fixed && m.Relative > 0 {
		k := m.scale(a)
		distance = a.treatment.Mean - k*a.control.Mean
		a.control.Variance *= k * k
	}
	if a.se() == 0 {
		return noTest("the treatment does not vary and the margin leaves nothing of the control")
	}
	greater, less := testDifference(distance, a.se(), a.df(r)).sides()
	if m.Decrease {
		return less
	}
	return greater
}

// NonInferiorBound is the difference with its bound on the side where it
// would be too bad, difference ∓ critical·SE, for a method with a critical
// value of its own, such as the one-sided multiplier of a sequential one. The
// treatment is shown to be non-inferior while the bound excludes the margin. A
// relative margin is held against the bound of [FiellerLift] with the same
// critical value, which accounts for the control's noise.
func NonInferiorBound(control, treatment Group, margin Margin, critical float64) Estimate {
	a := checkArms(control, treatment)
	switch {
	case a.noValue:
		return noValue(a.reason)
	case a.reason != "":
		return noInterval(a.difference(), a.reason)
	case !validCritical(critical):
		return noInterval(a.difference(), badCritical)
	}
	atLeast, atMost := symmetric(a.difference(), a.se(), critical).sides()
	if margin.Decrease {
		return atMost
	}
	return atLeast
}
