package stats

import "math"

// SmallCount is the number of successes or failures in an arm below which
// [CompareProportions] uses methods for small counts.
const SmallCount = 10

// CompareProportions is [Compare] for shares of units, made for few successes
// too.
//
// With at least [SmallCount] successes and as many failures in both arms it
// is Compare on binomial variances. Below, the p-value is Fisher's exact one
// and the interval of the difference is Newcombe's; Exact is set, the
// Reference of the options plays no part, and the lift has a value but no
// interval, for which there are too few events.
//
// Newcombe's interval and Fisher's test may disagree near the level, the test
// being the more cautious one. The interval gives way: it is widened to 0 when
// the test is not significant, and ends just before 0 when it is. So the
// interval of the difference contains 0 exactly when the p-value is above 1 −
// Level, as everywhere in this package.
func CompareProportions(control, treatment Share, options Options) ProportionComparison {
	o := options.withDefaults()
	plain := ProportionComparison{Comparison: Compare(control.Group(), treatment.Group(), options)}
	if !control.small() && !treatment.small() || o.problem() != "" {
		return plain
	}
	if control.problem() != "" || treatment.problem() != "" {
		return plain
	}
	test := FisherExact(control, treatment)
	if test.Reason != "" {
		return plain
	}
	c := Comparison{Level: o.Level, Test: test, Lift: plain.Lift}
	c.Difference = NewcombeDifference(control, treatment, o.Level).agreeing(test.PValue <= 1-o.Level)
	if !c.Lift.NoValue {
		c.Lift = noInterval(c.Lift.Value, "too few successes or failures for an interval of the lift")
	}
	return ProportionComparison{Comparison: c, Exact: true}
}

// ProportionComparison is what [CompareProportions] found.
type ProportionComparison struct {
	Comparison

	// Exact is set when there were too few successes or failures for the
	// normal approximation.
	Exact bool `json:"exact"`
}

func (s Share) small() bool {
	return s.Successes < SmallCount || s.Units-s.Successes < SmallCount
}

// agreeing moves the end that is nearer to 0 to the side of it where a test
// says it is.
func (e Estimate) agreeing(significant bool) Estimate {
	switch {
	case e.Reason != "":
	case !significant:
		e.Low, e.High = min(e.Low, 0), max(e.High, 0)
	case e.Value > 0 && e.Low <= 0:
		e.Low = math.SmallestNonzeroFloat64
	case e.Value < 0 && e.High >= 0:
		e.High = -math.SmallestNonzeroFloat64
	}
	return e
}
