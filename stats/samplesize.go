package stats

import (
	"fmt"
	"math"
)

// SampleSize is how many units two arms need, not rounded.
type SampleSize struct {
	Control   float64 `json:"control"`
	Treatment float64 `json:"treatment"`
}

// Total is the units of both arms, each rounded up.
func (s SampleSize) Total() float64 { return math.Ceil(s.Control) + math.Ceil(s.Treatment) }

// SampleSizeMean is how many units show an effect of effect with a standard
// deviation sd per unit, by the normal distribution and without the far tail:
//
//	n_C = (z_{1−α/2} + z_power)² sd²/effect² (1 + 1/ratio),  n_T = ratio·n_C.
//
// correlation, from −1 to 1, is that of the metric with the covariates that
// [CUPED] will use, 0 for none: n falls by its square. For a relative effect
// multiply it by the mean.
func SampleSizeMean(sd, effect, correlation float64, plan PowerPlan) (SampleSize, error) {
	plan, err := plan.checked()
	if err != nil {
		return SampleSize{}, err
	}
	effect = math.Abs(effect)
	if err := positiveNumbers(map[string]float64{"sd": sd, "the effect": effect}); err != nil {
		return SampleSize{}, err
	}
	if !(math.Abs(correlation) < 1) {
		return SampleSize{}, fmt.Errorf("%w: a correlation of %v", ErrValue, correlation)
	}
	z := plan.critical() + NormalQuantile(plan.Power)
	n := z * z * (sd / effect) * (sd / effect) * (1 + 1/plan.Ratio) * (1 - correlation*correlation)
	s := SampleSize{Control: n, Treatment: n * plan.Ratio}
	if !isFinite(s.Total()) {
		return SampleSize{}, fmt.Errorf("%w: %s", ErrValue, outOfRange)
	}
	return s, nil
}

// ProportionFormula is how the noise of a difference of shares is reckoned.
type ProportionFormula int

const (
	// PooledNull uses the pooled share if there is no effect and both shares
	// if there is: R's power.prop.test. It is the default.
	PooledNull ProportionFormula = iota

	// Unpooled uses both shares throughout, as [Compare] will.
	Unpooled

	// Arcsine stabilises the variance: Cohen's h, R's pwr.2p.test.
	Arcsine

	// ControlNull uses the control's share for both arms if there is no
	// effect: Evan Miller's calculator.
	ControlNull
)

// SampleSizeProportion is how many units each of two equal arms needs, not
// rounded, to show the change of a share from pControl to pTreatment. The
// formulas differ by a few percent; none counts the far tail.
func SampleSizeProportion(pControl, pTreatment float64, formula ProportionFormula, plan PowerPlan) (float64, error) {
	plan, err := plan.proportions(pControl, pTreatment)
	if err != nil {
		return 0, err
	}
	if pControl == pTreatment {
		return 0, fmt.Errorf("%w: no difference between %v and %v", ErrValue, pControl, pTreatment)
	}
	d := pTreatment - pControl
	zA, zB := plan.critical(), NormalQuantile(plan.Power)
	alternative := pControl*(1-pControl) + pTreatment*(1-pTreatment)
	null := alternative
	switch formula {
	case PooledNull:
		null = pooledNull(pControl, pTreatment)
	case Unpooled:
	case Arcsine:
		d = 2*math.Asin(math.Sqrt(pTreatment)) - 2*math.Asin(math.Sqrt(pControl))
		null, alternative = 2, 2
	case ControlNull:
		null = 2 * pControl * (1 - pControl)
	default:
		return 0, fmt.Errorf("%w: formula %d is unknown", ErrValue, formula)
	}
	root := (zA*math.Sqrt(null) + zB*math.Sqrt(alternative)) / d
	return root * root, nil
}

// pooledNull is twice the binomial variance at the mean of two shares.
func pooledNull(a, b float64) float64 { return (a + b) * (1 - (a+b)/2) }

func (p PowerPlan) proportions(pControl, pTreatment float64) (PowerPlan, error) {
	for _, v := range []float64{pControl, pTreatment} {
		if !(v >= 0 && v <= 1) {
			return p, fmt.Errorf("%w: %v is not a share", ErrValue, v)
		}
	}
	if pooledNull(pControl, pTreatment) <= 0 {
		return p, fmt.Errorf("%w: shares of %v and %v do not vary", ErrValue, pControl, pTreatment)
	}
	p, err := p.checked()
	if err == nil && p.Ratio != 1 {
		err = fmt.Errorf("%w: shares are planned for arms of equal size", ErrValue)
	}
	return p, err
}

// PowerProportion is the power with n units per arm to show the change of a
// share by [PooledNull], with both tails of a two-sided test.
func PowerProportion(n, pControl, pTreatment float64, plan PowerPlan) (float64, error) {
	plan, err := plan.proportions(pControl, pTreatment)
	if err != nil {
		return 0, err
	}
	if err := positiveNumbers(map[string]float64{"n": n}); err != nil {
		return 0, err
	}
	alternative := pControl*(1-pControl) + pTreatment*(1-pTreatment)
	if alternative == 0 {
		return 1, nil // 0 against 100%
	}
	shift := math.Sqrt(n) * math.Abs(pTreatment-pControl)
	edge := plan.critical() * math.Sqrt(pooledNull(pControl, pTreatment))
	power := normalSurvival((edge - shift) / math.Sqrt(alternative))
	if !plan.OneSided {
		power += normalSurvival((edge + shift) / math.Sqrt(alternative))
	}
	return min(power, 1), nil
}

// PowerLift is the power with n units per arm to show a relative lift of a
// metric with a mean and a variance per unit, by the delta method with equal
// variances, whose error grows with the lift: GrowthBook's.
func PowerLift(mean, variance, n, lift float64, plan PowerPlan) (float64, error) {
	if err := positiveNumbers(map[string]float64{"|mean|": math.Abs(mean), "variance": variance, "n": n}); err != nil {
		return 0, err
	}
	if !isFinite(lift) {
		return 0, fmt.Errorf("%w: a lift of %v", ErrValue, lift)
	}
	relative := math.Sqrt(variance) / math.Abs(mean) / math.Sqrt(n)
	return PowerZ(lift, relative*math.Sqrt(1+(1+lift)*(1+lift)), plan)
}

// MDELift is the smallest relative lift for which [PowerLift] reaches
// plan.Power, not counting the far tail. It fails when there is none: when n
// is not above K²·variance/mean², with K the sum of both normal quantiles.
func MDELift(mean, variance, n float64, plan PowerPlan) (float64, error) {
	plan, err := plan.checked()
	if err != nil {
		return 0, err
	}
	if err := positiveNumbers(map[string]float64{"|mean|": math.Abs(mean), "variance": variance, "n": n}); err != nil {
		return 0, err
	}
	k := plan.critical() + NormalQuantile(plan.Power)
	if k <= 0 {
		return 0, nil // the power is below alpha's without an effect
	}
	// (lift)² = s (1 + (1+lift)²) is (1−s) lift² − 2 s lift − 2 s = 0
	relative := k * math.Sqrt(variance) / math.Abs(mean) / math.Sqrt(n)
	s := relative * relative
	if !(s < 1) {
		return 0, fmt.Errorf("%w: %.3g units per arm, no lift can be shown with %.3g or fewer", ErrValue, n, n*s)
	}
	return (s + math.Sqrt(s*(2-s))) / (1 - s), nil
}
