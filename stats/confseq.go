package stats

import (
	"fmt"
	"math"
)

// ConfidenceSequence is an asymptotic confidence sequence: an interval and a
// p-value that stay valid however often one looks, and whenever one stops.
// The zero value is a 95% sequence that is narrowest at 5000 units.
//
//	half = SE·√( 2(nρ+1)/(nρ) · log(√(nρ+1)/α) )
//
// with α = 1 − Level, n the units of both arms and ρ the tuning below:
// Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit
// theory and asymptotic confidence sequences", arXiv:2103.06476, equations 9
// and 155. At n = TuningN a 95% interval is 1.55 times as wide as that of a
// fixed sample, at 10·TuningN 1.65 times. The sequence always covers with
// probability Level in the limit of many units; with few it does not, see [Anytime].
//
// All fields must be chosen before the first look and stay as they are:
// choosing the tuning by results makes the guarantee void.
type ConfidenceSequence struct {
	// Level is the confidence level, above 0 and below 1. Zero means 0.95.
	Level float64

	// TuningN is the number of units of both arms at which the interval is
	// narrowest relative to that of a fixed sample. Take the planned total.
	// Zero means 5000, as in GrowthBook.
	TuningN float64

	// ExactRho takes the exact minimiser for ρ, by Lambert's W. The default
	// is the approximation (−2 log α + log(1 − 2 log α))/TuningN that
	// GrowthBook and Eppo use; it is within a few per cent and makes no
	// visible difference.
	ExactRho bool

	// MinimumUnits is how many units each arm must have before [Anytime]
	// gives an interval: the sequence rests on the central limit theorem at
	// every look, the first included. Zero means DefaultMinimumUnits, −1
	// turns the check off: a sequence tuned for 10 units that is watched
	// from the second pair of normal units on finds an effect that is not
	// there in 15% of experiments instead of 5%.
	MinimumUnits int64
}

const (
	// DefaultTuningN is the TuningN of the zero [ConfidenceSequence].
	DefaultTuningN = 5000

	// DefaultMinimumUnits is the MinimumUnits of the zero
	// [ConfidenceSequence]: with 100 units per arm the estimated variance of
	// a normal metric has a standard error of about 14%. It is no guarantee for revenue or for rates below a few per cent.
	DefaultMinimumUnits = 100
)

func (s ConfidenceSequence) withDefaults() ConfidenceSequence {
	if s.Level == 0 {
		s.Level = 0.95
	}
	if s.TuningN == 0 {
		s.TuningN = DefaultTuningN
	}
	if s.MinimumUnits == 0 {
		s.MinimumUnits = DefaultMinimumUnits
	}
	return s
}

// problem says what is wrong with a sequence that has its defaults.
func (s ConfidenceSequence) problem() string {
	switch {
	case badLevel(s.Level) != "":
		return badLevel(s.Level)
	case !(s.TuningN >= 1 && s.TuningN <= 1e30):
		return fmt.Sprintf("the tuning %v is not between 1 and 1e30 units", s.TuningN)
	case s.MinimumUnits < -1:
		return fmt.Sprintf("the minimum of %d units is negative", s.MinimumUnits)
	}
	return ""
}

// badLevel says why a confidence level cannot be used, or nothing.
func badLevel(level float64) string {
	if alpha := 1 - level; alpha > 0 && alpha < 1 { // both as float64 has them
		return ""
	}
	return fmt.Sprintf("the confidence level %v is not between 0 and 1", level)
}

// RhoSquared is the tuning ρ per unit (ρ² in the paper, which gives its
// square root the name). It is 0 when the options are unusable.
func (s ConfidenceSequence) RhoSquared() float64 {
	s = s.withDefaults()
	if s.problem() != "" {
		return 0
	}
	return s.rho(1 - s.Level)
}

func (s ConfidenceSequence) rho(alpha float64) float64 {
	l := -2 * math.Log(alpha)
	if !s.ExactRho {
		return (l + math.Log1p(l)) / s.TuningN
	}
	return exactRho(l) / s.TuningN
}

// exactRho solves x − log(1+x) = l, which is x = −W₋₁(−e^(−l−1)) − 1, by
// Newton's method from Chatzigeorgiou's upper bound, from which it falls
// monotonically.
func exactRho(l float64) float64 {
	x := l + math.Sqrt(2*l)
	for range 100 {
		step := (x - math.Log1p(x) - l) * (1 + x) / x
		if !(step > 1e-15*x) {
			break
		}
		x -= step
	}
	return x
}

// Multiplier is how many standard errors the interval reaches to either side
// after nTotal units of both arms together: the place that 1.96 has for a
// fixed sample, to be passed on to [FiellerLift] or to a power calculation.
// It is 0 when the options are unusable or nTotal is below 1.
func (s ConfidenceSequence) Multiplier(nTotal int64) float64 {
	s = s.withDefaults()
	if s.problem() != "" || nTotal < 1 {
		return 0
	}
	alpha := 1 - s.Level
	nr := float64(nTotal) * s.rho(alpha)
	return math.Sqrt(2 * (1 + 1/nr) * (math.Log1p(nr)/2 - math.Log(alpha)))
}

// Estimate is value ± Multiplier·se, for an estimate with standard error se
// from nTotal units.
func (s ConfidenceSequence) Estimate(value, se float64, nTotal int64) Estimate {
	if r := s.cannot(value, se, nTotal); r != "" {
		return noInterval(value, r)
	}
	return symmetric(value, se, s.Multiplier(nTotal))
}

// cannot says why there is no sequence for an estimate, or nothing.
func (s ConfidenceSequence) cannot(value, se float64, nTotal int64) string {
	switch problem := s.withDefaults().problem(); {
	case problem != "":
		return problem
	case nTotal < 1:
		return fmt.Sprintf("%d units", nTotal)
	}
	return badStandardError(value, se)
}

// badStandardError says why a value with its standard error cannot be used.
func badStandardError(value, se float64) string {
	switch {
	case !isFinite(value):
		return outOfRange
	case !(se > 0) || !isFinite(se):
		return fmt.Sprintf("the standard error %v is not a positive number", se)
	}
	return ""
}

// Test is the two-sided test of no effect at this look; Statistic is z. Its
// p-value is at most 1 − Level exactly when Estimate's interval excludes 0.
// It is valid at every look, and so is the smallest of all looks so far, for
// which see [LookHistory].
func (s ConfidenceSequence) Test(value, se float64, nTotal int64) Test {
	if r := s.cannot(value, se, nTotal); r != "" {
		return noTest(r)
	}
	s = s.withDefaults()
	z := value / se
	nr := float64(nTotal) * s.rho(1-s.Level)
	return newTest(z, 0, math.Exp(math.Log1p(nr)/2-z*z/(2*(1+1/nr))))
}

// LowerBound is a one-sided sequence: with probability Level the true value
// stays above Low at all looks together; High is +Inf. Equation 134 of the
// paper, with ρ tuned for 2(1 − Level).
func (s ConfidenceSequence) LowerBound(value, se float64, nTotal int64) Estimate {
	return s.oneSided(value, se, nTotal, -1)
}

// UpperBound is [ConfidenceSequence.LowerBound] for the other side; Low is
// −Inf.
func (s ConfidenceSequence) UpperBound(value, se float64, nTotal int64) Estimate {
	return s.oneSided(value, se, nTotal, 1)
}

func (s ConfidenceSequence) oneSided(value, se float64, nTotal int64, side float64) Estimate {
	if r := s.cannot(value, se, nTotal); r != "" {
		return noInterval(value, r)
	}
	s = s.withDefaults()
	nr := s.oneSidedN(nTotal)
	c := math.Sqrt(2 * (1 + 1/nr) * math.Log1p(math.Sqrt(nr+1)/(2*(1-s.Level))))
	e := Estimate{Value: value, SE: se, Low: math.Inf(-1), High: math.Inf(1)}
	if side < 0 {
		e.Low = value - c*se
	} else {
		e.High = value + c*se
	}
	return e.checked()
}

// oneSidedN is n·ρ with the tuning of a one-sided sequence. From a level of
// one half down there is no such tuning, and the two-sided one serves.
func (s ConfidenceSequence) oneSidedN(nTotal int64) float64 {
	alpha := 1 - s.Level
	if alpha < 0.5 {
		alpha *= 2
	}
	return float64(nTotal) * s.rho(alpha)
}

// TestGreater is the one-sided test of no positive effect at this look. Its
// p-value is at most 1 − Level exactly when the LowerBound is above 0.
func (s ConfidenceSequence) TestGreater(value, se float64, nTotal int64) Test {
	if r := s.cannot(value, se, nTotal); r != "" {
		return noTest(r)
	}
	s = s.withDefaults()
	nr := s.oneSidedN(nTotal)
	z := value / se
	if z <= 0 {
		return newTest(z, 0, 1)
	}
	x := z * z / (2 * (1 + 1/nr))
	logP := math.Log1p(nr)/2 - math.Ln2 - x - math.Log(-math.Expm1(-x))
	return newTest(z, 0, math.Exp(min(logP, 0)))
}

// Anytime is [Compare] by a confidence sequence: the difference, the
// always-valid p-value, and Fieller's lift with the same multiplier, so that
// the lift excludes 0 exactly when the p-value is at most 1 − Level. Looking
// as often as one likes, and stopping when one likes, keeps the error rate.
//
// Besides what Compare cannot estimate, there is no interval and no p-value
// while an arm has fewer than MinimumUnits units. It takes about as long as
// Compare without its t quantile (BenchmarkAnytime).
func Anytime(control, treatment Group, s ConfidenceSequence) Comparison {
	s = s.withDefaults()
	arms := checkArms(control, treatment)
	if arms.reason == "" {
		arms.reason = s.tooFew(arms)
	}
	if r := s.problem(); r != "" {
		return arms.compareSequential(s.Level, r, 0, nil)
	}
	n := arms.units()
	return arms.compareSequential(s.Level, "", s.Multiplier(n), func(d, se float64) Test { return s.Test(d, se, n) })
}

func (s ConfidenceSequence) tooFew(a twoArms) string {
	if least := min(a.control.N, a.treatment.N); least < s.MinimumUnits {
		return fmt.Sprintf("%d units in the smaller arm, a confidence sequence needs %d", least, s.MinimumUnits)
	}
	return ""
}

// units is the number of units of both arms, at most the largest int64.
func (a twoArms) units() int64 {
	if sum := a.control.N + a.treatment.N; sum >= 0 {
		return sum
	}
	return math.MaxInt64
}

// compareSequential is a comparison by a critical multiplier and a test of
// its own. problem says what is wrong with the method's options.
func (a twoArms) compareSequential(level float64, problem string, multiplier float64, test func(d, se float64) Test) Comparison {
	c := Comparison{Level: level}
	if problem != "" {
		c.Level = 0
		if a.reason == "" {
			a.reason = problem
		}
	}
	if a.reason != "" {
		c.Test = noTest(a.reason)
		c.Lift, _ = a.noLift()
		c.Difference = noValue(a.reason)
		if !a.noValue {
			c.Difference = noInterval(a.difference(), a.reason)
		}
		return c
	}
	c.Difference = symmetric(a.difference(), a.se(), multiplier)
	c.Test = test(a.difference(), a.se())
	c.Lift = FiellerLift(a.control, a.treatment, multiplier)
	return c
}
