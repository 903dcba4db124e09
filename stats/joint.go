package stats

import (
	"fmt"
	"math"
)

// Joint is a control mean and a treatment mean that were estimated together
// and so may depend on each other, as [PostStratify] and [MainEffect] make
// them. Two arms that share no unit and no weight are two [Group] values
// instead. The zero value has nothing to compare.
type Joint struct {
	// N is the number of units of both arms.
	N int64

	// Control and Treatment are the two means. They are meaningless when
	// NoMeans is set.
	Control, Treatment float64

	// ControlVariance and TreatmentVariance are the squared standard errors
	// of the two means (not variances per unit), Covariance that of the pair.
	// They are 0 and meaningless when Reason is set.
	ControlVariance, TreatmentVariance, Covariance float64

	// DF is the degrees of freedom of the difference's standard error, at
	// least 1, or 0 for the normal distribution.
	DF float64

	// Reason says in words why the variances are missing, and with NoMeans
	// the means. Empty when they are there.
	Reason  string
	NoMeans bool
}

// noJoint is a pair of means of which nothing is known.
func noJoint(reason string) Joint { return Joint{Reason: reason, NoMeans: true} }

// differenceVariance is the squared standard error of the difference.
func (j Joint) differenceVariance() float64 {
	return j.ControlVariance + j.TreatmentVariance - 2*j.Covariance
}

// checked returns j with a reason where it needs one, whoever made it.
func (j Joint) checked() Joint {
	switch v := j.differenceVariance(); {
	case j.NoMeans && j.Reason == "":
		j.Reason = "the means are not known"
	case j.NoMeans:
	case j.N <= 0:
		j.Reason, j.NoMeans = noUnits, true
	case !isFinite(j.Control) || !isFinite(j.Treatment) || !isFinite(j.Treatment-j.Control):
		j.Reason, j.NoMeans = outOfRange, true
	case j.Reason != "":
	case !isFinite(v) || !isFinite(j.DF) || !isFinite(j.Covariance):
		j.Reason = outOfRange
	case j.ControlVariance < 0 || j.TreatmentVariance < 0 || v < 0 || j.DF < 1 && j.DF != 0:
		j.Reason = "the variances are not those of two means"
	case v == 0:
		j.Reason = "neither arm varies, so the difference has no standard error"
	}
	if j.Reason != "" {
		j.ControlVariance, j.TreatmentVariance, j.Covariance, j.DF = 0, 0, 0, 0
	}
	if j.NoMeans {
		j.Control, j.Treatment = 0, 0
	}
	return j
}

// Difference is the treatment mean minus the control mean, in the metric's
// own unit, with the interval Value ± critical·SE. critical is a quantile such
// as NormalQuantile(0.975), or the multiplier of a sequential method.
func (j Joint) Difference(critical float64) Estimate {
	j = j.checked()
	value := j.Treatment - j.Control
	switch {
	case j.NoMeans:
		return noValue(j.Reason)
	case j.Reason != "":
		return noInterval(value, j.Reason)
	case !validCritical(critical):
		return noInterval(value, badCritical)
	}
	return symmetric(value, math.Sqrt(j.differenceVariance()), critical)
}

// noLift says why there is no interval for the lift; ok means there may be.
func (j Joint) noLift(critical float64) (e Estimate, ok bool) {
	switch {
	case j.NoMeans:
		return noValue(j.Reason), false
	case j.Control == 0:
		return noValue("the control mean is 0, so there is no relative lift"), false
	case j.Reason != "":
		return noInterval(j.lift(), j.Reason), false
	case !validCritical(critical):
		return noInterval(j.lift(), badCritical), false
	}
	return Estimate{}, true
}

func (j Joint) lift() float64 { return (j.Treatment - j.Control) / math.Abs(j.Control) }

// DeltaLift is the difference divided by |control mean| with the interval of
// the delta method, Value ± critical·SE. It may disagree with the difference
// on whether there is an effect; [Joint.Lift] does not.
func (j Joint) DeltaLift(critical float64) Estimate {
	j = j.checked()
	if e, ok := j.noLift(critical); !ok {
		return e
	}
	ratio := j.Treatment / j.Control
	variance := j.TreatmentVariance - 2*ratio*j.Covariance + ratio*ratio*j.ControlVariance
	return symmetric(j.lift(), math.Sqrt(max(variance, 0))/math.Abs(j.Control), critical)
}

// Lift is the difference divided by |control mean| with Fieller's interval
// for dependent means: all R − 1 for which
//
//	(m_T − R m_C)² ≤ critical² (v_T − 2 R cov + R² v_C),
//
// E. C. Fieller, "Some problems in interval estimation", JRSS B 16 (1954). It
// contains 0 exactly when the difference with the same critical value does.
// What is said of [FiellerLift] holds here too.
func (j Joint) Lift(critical float64) Estimate {
	j = j.checked()
	if e, ok := j.noLift(critical); !ok {
		return e
	}
	c := critical * math.Sqrt(j.ControlVariance) / j.Control
	g := c * c
	if !(g < 1) {
		return noInterval(j.lift(), fmt.Sprintf(
			"the control mean is not significantly different from 0 (Fieller's g is %.3g, not below 1), so the lift is unbounded", g))
	}
	low, high := j.fiellerRoots(critical, g)
	e := Estimate{Value: j.lift(), Low: low, High: high}
	return e.oriented(j.Control).checked()
}

// fiellerRoots solves (1−g) r² − 2(ρ+h) r + (ρ² − critical² s²) = 0 for
// r = R − 1, with ρ = m_T/m_C − 1, h = critical²(v_C − cov)/m_C² and s =
// SE/|m_C|; see the method of the same name of two independent arms.
func (j Joint) fiellerRoots(critical, g float64) (low, high float64) {
	m := j.Control
	d, half := j.Treatment-m, critical*math.Sqrt(j.differenceVariance())
	rho := d / m
	last := (math.Abs(d) - half) / math.Abs(m) * ((math.Abs(d) + half) / math.Abs(m))
	h := g - critical*(j.Covariance/m)*(critical/m)
	root := math.Sqrt(max(0, (rho+h)*(rho+h)-(1-g)*last))
	q := rho + h + math.Copysign(root, rho+h)
	if q == 0 {
		return 0, 0
	}
	r1, r2 := q/(1-g), last/q
	// ρ solves the equation with 0 variance: rounding must not exclude it.
	return min(r1, r2, rho), max(r1, r2, rho)
}

// Compare is [Compare] for means that depend on each other. With [WelchT] the
// reference distribution is Student's t with DF degrees of freedom if there
// are any; [PooledT] is for groups only.
func (j Joint) Compare(options Options) Comparison {
	o := options.withDefaults()
	j = j.checked()
	c := Comparison{Level: o.Level}
	problem := o.problem()
	switch {
	case problem != "":
		c.Level = 0
	case o.Reference == PooledT:
		problem = "a pooled variance needs two separate arms"
	}
	if problem != "" && j.Reason == "" {
		j.Reason = problem
	}
	df := math.Inf(1)
	if o.Reference == WelchT && j.DF > 0 {
		df = j.DF
	}
	critical := 1.0 // not used where there is a reason
	if j.Reason == "" {
		critical = tCritical(1-o.Level, df)
	}
	c.Difference = j.Difference(critical)
	c.Lift = j.Lift(critical)
	c.Test = noTest(j.Reason)
	if j.Reason == "" {
		c.Test = testDifference(c.Difference.Value, math.Sqrt(j.differenceVariance()), df)
	}
	return c
}
