package stats

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// PowerPlan is what the functions that plan an experiment need to know
// besides its metric. The zero value is a two-sided test at 5% with a power of
// 80% and arms of equal size.
type PowerPlan struct {
	// Alpha is the probability of a significant result without an effect.
	// Zero means 0.05.
	Alpha float64

	// Power is the probability of a significant result to aim for. Zero
	// means 0.8.
	Power float64

	// OneSided tests in the direction of the effect only.
	OneSided bool

	// Ratio is the treatment's units per unit of control. Zero means 1.
	Ratio float64

	// Comparisons divides Alpha (Bonferroni): the number of treatments, or
	// of treatments times metrics. Zero means 1.
	Comparisons int

	// Inflation is how much wider the interval will be than that of a single
	// look, for a sequential method: its critical value at the planned end
	// over NormalQuantile(1 − Alpha/2). The power then counts the last look
	// only, a lower bound. Zero means 1.
	Inflation float64
}

func (p PowerPlan) withDefaults() PowerPlan {
	orElse := func(v *float64, missing float64) {
		if *v == 0 {
			*v = missing
		}
	}
	orElse(&p.Alpha, 0.05)
	orElse(&p.Power, 0.8)
	orElse(&p.Ratio, 1)
	orElse(&p.Inflation, 1)
	if p.Comparisons == 0 {
		p.Comparisons = 1
	}
	return p
}

// checked fills in the defaults and says what is wrong with the rest.
func (p PowerPlan) checked() (PowerPlan, error) {
	p = p.withDefaults()
	switch {
	case !(p.Alpha > 0 && p.Alpha < 1):
		return p, fmt.Errorf("%w: alpha is %v, want between 0 and 1", ErrValue, p.Alpha)
	case !(p.Power > 0 && p.Power < 1):
		return p, fmt.Errorf("%w: power is %v, want between 0 and 1", ErrValue, p.Power)
	case !(p.Ratio > 0) || !isFinite(p.Ratio):
		return p, fmt.Errorf("%w: ratio of arms is %v", ErrValue, p.Ratio)
	case !(p.Inflation > 0) || !isFinite(p.Inflation):
		return p, fmt.Errorf("%w: inflation is %v", ErrValue, p.Inflation)
	case p.Comparisons < 1:
		return p, fmt.Errorf("%w: %d comparisons", ErrValue, p.Comparisons)
	}
	return p, nil
}

// tails is the two-sided alpha with the same critical value.
func (p PowerPlan) tails() float64 {
	alpha := p.Alpha / float64(p.Comparisons)
	if p.OneSided {
		return min(1, 2*alpha)
	}
	return alpha
}

// critical is the z beyond which a result is significant.
func (p PowerPlan) critical() float64 { return p.Inflation * tCritical(p.tails(), math.Inf(1)) }

// positive checks numbers that must be finite and above 0.
func positiveNumbers(numbers map[string]float64) error {
	for name, v := range numbers {
		if !(v > 0) || !isFinite(v) {
			return fmt.Errorf("%w: %s is %v, want a positive number", ErrValue, name, v)
		}
	}
	return nil
}

// PowerZ is the probability of a significant result when the effect is
// effect and its standard error se, by the normal distribution. It counts
// both tails of a two-sided test: with no effect it is Alpha.
func PowerZ(effect, se float64, plan PowerPlan) (float64, error) {
	plan, err := plan.checked()
	if err != nil {
		return 0, err
	}
	if err := positiveNumbers(map[string]float64{"the standard error": se}); err != nil {
		return 0, err
	}
	if !isFinite(effect) {
		return 0, fmt.Errorf("%w: the effect is %v", ErrValue, effect)
	}
	return plan.powerZ(effect / se), nil
}

// powerZ is the power at an effect of so many standard errors.
func (p PowerPlan) powerZ(z float64) float64 {
	power := normalSurvival(p.critical() - math.Abs(z))
	if !p.OneSided {
		power += normalSurvival(p.critical() + math.Abs(z))
	}
	return min(power, 1)
}

// PowerT is the power of Student's t test with a standard deviation sd per
// unit common to both arms, exact for normal metrics, by the noncentral t
// distribution. nControl and nTreatment need not be integers; they must add
// up to more than 2. The effect has sd's unit. Inflation widens the critical
// value of t.
func PowerT(nControl, nTreatment, effect, sd float64, plan PowerPlan) (float64, error) {
	plan, err := plan.checked()
	if err != nil {
		return 0, err
	}
	if err := positiveNumbers(map[string]float64{"the control's units": nControl, "the treatment's units": nTreatment, "sd": sd}); err != nil {
		return 0, err
	}
	if !isFinite(effect) || nControl+nTreatment <= 2 {
		return 0, fmt.Errorf("%w: an effect of %v in %v units", ErrValue, effect, nControl+nTreatment)
	}
	return plan.powerT(nControl, nTreatment, effect, sd), nil
}

// normalDF is the degrees of freedom from which the noncentral t is the
// normal distribution to eight digits or more of the power.
const normalDF = 1e7

func (p PowerPlan) powerT(nControl, nTreatment, effect, sd float64) float64 {
	df := nControl + nTreatment - 2
	shift := math.Abs(effect) / sd / math.Sqrt(1/nControl+1/nTreatment)
	if df > normalDF || shift > 30 && df > 1000 {
		return p.powerZ(shift)
	}
	t := p.Inflation * tCritical(p.tails(), df)
	if shift > 30 {
		// Beyond the reach of the series; the noise is all in the estimate
		// of sd here.
		return 1 - chiSquareSurvival(df*(shift/t)*(shift/t), df)
	}
	// The mirrored distribution keeps the upper tail's digits.
	power := distuv.NoncentralT{Nu: df, Mu: -shift}.CDF(-t)
	if !p.OneSided {
		power += distuv.NoncentralT{Nu: df, Mu: shift}.CDF(-t)
	}
	return min(max(power, 0), 1)
}

// MDEOfT is the smallest effect, in sd's unit, for which [PowerT] reaches
// plan.Power.
func MDEOfT(nControl, nTreatment, sd float64, plan PowerPlan) (float64, error) {
	if _, err := PowerT(nControl, nTreatment, 0, sd, plan); err != nil {
		return 0, err
	}
	plan = plan.withDefaults()
	se := sd * math.Sqrt(1/nControl+1/nTreatment)
	mde, ok := solveRising(func(x float64) float64 { return plan.powerT(nControl, nTreatment, x*se, sd) }, plan.Power)
	if !ok {
		return 0, fmt.Errorf("%w: no effect reaches the power", ErrValue)
	}
	return mde * se, nil
}

// UnitsOfT is the total number of units, not rounded, for which [PowerT]
// reaches plan.Power at an effect, in arms of plan.Ratio.
func UnitsOfT(effect, sd float64, plan PowerPlan) (float64, error) {
	plan, err := plan.checked()
	if err != nil {
		return 0, err
	}
	effect = math.Abs(effect)
	if err := positiveNumbers(map[string]float64{"the effect": effect, "sd": sd}); err != nil {
		return 0, err
	}
	control := 1 / (1 + plan.Ratio)
	beyondTwo, ok := solveRising(func(x float64) float64 {
		return plan.powerT((2+x)*control, (2+x)*(1-control), effect, sd)
	}, plan.Power)
	if !ok {
		return 0, fmt.Errorf("%w: no number of units reaches the power", ErrValue)
	}
	return 2 + beyondTwo, nil
}

// solveRising is the x > 0 at which a rising function reaches target, by doubling
// and bisection; false if it does not below 2^100.
func solveRising(f func(float64) float64, target float64) (float64, bool) {
	low, high := 0.0, math.Exp2(-20)
	for !(f(high) >= target) {
		low = high
		if high *= 2; high > math.Exp2(100) {
			return 0, false
		}
	}
	for range 200 {
		middle := low + (high-low)/2
		if middle <= low || middle >= high {
			break
		}
		if f(middle) >= target {
			high = middle
		} else {
			low = middle
		}
	}
	return high, true
}
