package stats

import (
	"fmt"
	"math"
)

// Reference is the distribution that a difference in units of its standard
// error is held against.
type Reference int

const (
	// WelchT is Student's t with the Welch–Satterthwaite degrees of freedom,
	// for arms with different variances. It is the default.
	WelchT Reference = iota

	// PooledT is Student's t with one variance common to both arms. A
	// treatment that changes the variance makes it wrong, the more so the
	// more the arms differ in size.
	PooledT

	// Normal is the standard normal distribution with both variances taken
	// as known. It needs large arms; it is there to compare with engines
	// that use it.
	Normal
)

// Options choose how [Compare] compares. The zero value is a 95% Welch test.
type Options struct {
	// Level is the confidence level of the intervals, above 0 and below 1.
	// Zero means 0.95.
	Level float64

	// Reference is the reference distribution. Zero means WelchT.
	Reference Reference
}

func (o Options) withDefaults() Options {
	if o.Level == 0 {
		o.Level = 0.95
	}
	return o
}

// problem says what is wrong with the options, or nothing.
func (o Options) problem() string {
	switch {
	case !(o.Level > 0 && o.Level < 1):
		return fmt.Sprintf("the confidence level %v is not between 0 and 1", o.Level)
	case o.Reference < WelchT || o.Reference > Normal:
		return fmt.Sprintf("reference distribution %d is unknown", o.Reference)
	}
	return ""
}

// Comparison is what [Compare] found. Each part may be missing with a reason
// of its own while the others stand.
type Comparison struct {
	// Level is the confidence level of both intervals, 0 if it was unusable.
	Level float64 `json:"level"`

	// Difference is the treatment mean minus the control mean, in the
	// metric's own unit.
	Difference Estimate `json:"difference"`

	// Test is the two-sided test of no difference, on the absolute scale.
	Test Test `json:"test"`

	// Lift is the difference divided by |control mean|, 0.1 for 10%, with
	// Fieller's interval. It contains 0 exactly when Test.PValue is above
	// 1 − Level. See [FiellerLift].
	Lift Estimate `json:"lift"`
}

// Significant reports whether the test could be done and its p-value is at
// most 1 − Level. Then 0 is in neither interval.
func (c Comparison) Significant() bool {
	return c.Test.Reason == "" && c.Test.PValue <= 1-c.Level
}

// Compare estimates the effect of a treatment against a control: the
// difference of the two means, the p-value that there is none, and the
// relative lift.
//
// It never fails: what cannot be estimated carries a reason. With one unit
// in an arm, or when neither arm varies, the difference and the lift are
// numbers without intervals, and there is no p-value. With a control mean of
// 0 there is no lift, but the difference and the p-value stand. With a
// control mean that is not significantly different from 0 the lift has no
// bounded interval. The level is for one look at a fixed sample: reading
// results daily until one is significant finds far more than 1 − Level by
// chance.
//
// It takes about 3 µs (BenchmarkCompare, a shared cloud core) and does not
// allocate unless there is a reason to write.
func Compare(control, treatment Group, options Options) Comparison {
	o := options.withDefaults()
	arms := checkArms(control, treatment)
	c := Comparison{Level: o.Level}
	if p := o.problem(); p != "" {
		c.Level = 0
		if arms.reason == "" {
			arms.reason = p
		}
	}
	switch {
	case arms.noValue:
		c.Difference = noValue(arms.reason)
	case arms.reason != "":
		c.Difference = noInterval(arms.difference(), arms.reason)
	}
	if arms.reason != "" {
		c.Test = noTest(arms.reason)
		c.Lift, _ = arms.noLift()
		return c
	}
	if o.Reference == PooledT {
		arms = arms.pooled()
	}
	df := arms.df(o.Reference)
	critical := tCritical(1-o.Level, df)
	c.Difference = symmetric(arms.difference(), arms.se(), critical)
	c.Test = testDifference(arms.difference(), arms.se(), df)
	c.Lift = FiellerLift(arms.control, arms.treatment, critical)
	return c
}

// df is the degrees of freedom of a reference distribution, +Inf if normal.
func (a twoArms) df(r Reference) float64 {
	switch r {
	case PooledT:
		return float64(a.control.N-1) + float64(a.treatment.N-1)
	case Normal:
		return math.Inf(1)
	default:
		vC, vT := a.variances()
		return welchDF(vC, a.control.N, vT, a.treatment.N)
	}
}

// testDifference is the two-sided t test, or the z test for infinite df.
func testDifference(difference, se, df float64) Test {
	t := difference / se
	p := tTwoSided(t, df)
	if math.IsInf(df, 1) {
		df = 0
	}
	return newTest(t, df, p)
}
