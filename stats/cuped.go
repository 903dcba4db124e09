package stats

import (
	"fmt"
	"math"
)

// ThetaRule says from which units the slope theta of [CUPED] is estimated.
type ThetaRule int

const (
	// PooledTotal takes both arms as one sample, as Deng et al. 2013,
	// GrowthBook, PostHog, Spotify and tea-tasting do. It is the default.
	PooledTotal ThetaRule = iota

	// PooledWithin takes deviations from each arm's own mean: the slope of
	// an analysis of covariance. For ratios it is the sum of both arms'
	// covariances over that of their variances, as in GrowthBook.
	PooledWithin

	// PerArm gives each arm its own slope: W. Lin, "Agnostic notes on
	// regression adjustments to experimental data", Annals of Applied
	// Statistics 7 (2013). With arms of different sizes and slopes it is
	// never worse than the others in large samples. Variances have the
	// divisor of a regression per arm, N less 1 and the number of covariates.
	PerArm

	// FixedTheta takes CUPEDOptions.Theta, for example from last month.
	FixedTheta
)

// CUPEDOptions choose how [CUPED] adjusts. The zero value is a good choice.
type CUPEDOptions struct {
	// Rule is where theta comes from. Zero means PooledTotal.
	Rule ThetaRule

	// Theta is the slope per covariate for FixedTheta, and ignored otherwise.
	Theta []float64

	// MinUnits is how many units both arms must have together. Zero means
	// DefaultCUPEDUnits.
	MinUnits int64

	// BalanceAlpha is the p-value below which a covariate that differs
	// between the arms is refused; it is divided by the number of
	// covariates. Zero means DefaultBalanceAlpha.
	BalanceAlpha float64

	// NoGuards adjusts without asking for MinUnits, balance, and a standard
	// error that falls. It is there to reproduce other engines.
	NoGuards bool
}

const (
	// DefaultCUPEDUnits is the number of units below which CUPED does not
	// adjust, as in Statsig.
	DefaultCUPEDUnits = 100

	// DefaultBalanceAlpha is GrowthBook's threshold for an imbalance before
	// the experiment.
	DefaultBalanceAlpha = 0.001
)

// CUPEDResult is two arms adjusted for what was known before the experiment.
type CUPEDResult struct {
	// Control and Treatment go where unadjusted groups would. Means are
	// those that the arms would have had with the same covariates,
	// mean − theta·(covariate mean − covariate mean of both arms). They are
	// the unadjusted groups when Reason is set.
	Control   Group `json:"control"`
	Treatment Group `json:"treatment"`

	// Baseline relates the adjusted difference to the control mean as
	// observed: Control is the unadjusted mean, Treatment that plus the
	// adjusted difference. GrowthBook reports its DeltaLift.
	Baseline Joint `json:"baseline"`

	// ControlTheta and TreatmentTheta are the slopes, one per covariate, 0
	// for covariates that were not used. They differ for PerArm only.
	ControlTheta   []float64 `json:"control_theta"`
	TreatmentTheta []float64 `json:"treatment_theta"`

	// Correlation of metric and covariates in both arms together, between
	// −1 and 1; with several covariates the multiple correlation.
	Correlation float64 `json:"correlation"`

	// VarianceReduction is the share of the difference's squared standard
	// error that the adjustment removed, 0.3 for 30%; 0 when Reason is set.
	VarianceReduction float64 `json:"variance_reduction"`

	// Reason says in words why nothing was adjusted. Empty when it was.
	Reason string `json:"reason,omitempty"`
}

// CUPED adjusts the means of two arms for covariates from before each unit's
// first exposure: variable 0 of the moments is the metric, the others, one to
// five, are the covariates. It removes what the covariates explain,
//
//	y − theta·x,
//
// and with it up to the squared correlation from the variance: A. Deng, Y. Xu,
// R. Kohavi and T. Walker, "Improving the Sensitivity of Online Controlled
// Experiments by Utilizing Pre-Experiment Data", WSDM 2013. Compare the groups
// of the result as any others. Theta counts as known in their variances, as in
// every engine named here; its own noise is of order 1/n. The two means share
// the common covariate mean, which cancels in the difference.
//
// A covariate measured after the exposure biases the result without a trace. A
// unit without history has a covariate of 0 in all arms alike; do not drop it.
//
// It refuses, and gives the unadjusted groups with a Reason, when there are
// too few units, when no covariate varies within an arm, when a covariate
// differs between the arms (see [Balance]), and when the standard error would
// not fall. In an experiment with several treatments call it once for each:
// the control's adjusted mean then differs between comparisons.
//
// It takes a few microseconds.
func CUPED(control, treatment Moments, options CUPEDOptions) CUPEDResult {
	p := cupedProblem{
		options:   options.withDefaults(),
		unadjustC: GroupMean(control, 0),
		unadjustT: GroupMean(treatment, 0),
	}
	both, err := mergedMoments(control, treatment)
	switch {
	case err != nil:
		return p.refuse(1, "the arms do not fit together: "+err.Error())
	case both.K() < 2:
		return p.refuse(1, "there is no covariate")
	}
	p.control, p.treatment, p.both = sampleOfMeans(control), sampleOfMeans(treatment), sampleOfMeans(both)
	p.within = p.control.plus(p.control.n-1, p.treatment, p.treatment.n-1)
	for i := 1; i < both.K(); i++ {
		p.balance = append(p.balance, Balance(GroupMean(control, i), GroupMean(treatment, i)))
	}
	return p.solve()
}

func mergedMoments(a, b Moments) (Moments, error) {
	err := a.Merge(b)
	return a, err
}

func (o CUPEDOptions) withDefaults() CUPEDOptions {
	if o.MinUnits == 0 {
		o.MinUnits = DefaultCUPEDUnits
	}
	if o.BalanceAlpha == 0 {
		o.BalanceAlpha = DefaultBalanceAlpha
	}
	return o
}

// cupedProblem is a comparison to be adjusted, of means or of ratios.
type cupedProblem struct {
	options                          CUPEDOptions
	unadjustC, unadjustT             Group
	control, treatment, both, within covariateSample
	balance                          []Test // one per covariate
}

// refuse is the unadjusted result.
func (p cupedProblem) refuse(covariates int, reason string) CUPEDResult {
	arms := checkArms(p.unadjustC, p.unadjustT)
	zeros := make([]float64, covariates)
	return CUPEDResult{
		Control: arms.control, Treatment: arms.treatment,
		Baseline:     independent(arms),
		ControlTheta: zeros, TreatmentTheta: append([]float64(nil), zeros...),
		Reason: reason,
	}
}

// independent is the joint estimate of two arms that share nothing.
func independent(a twoArms) Joint {
	if a.noValue {
		return noJoint(a.reason)
	}
	j := Joint{
		N:       a.control.N + a.treatment.N,
		Control: a.control.Mean, Treatment: a.treatment.Mean, Reason: a.reason,
	}
	if a.reason == "" {
		j.ControlVariance, j.TreatmentVariance = a.variances()
		j.DF = a.df(WelchT)
	}
	return j.checked()
}

func (p cupedProblem) solve() CUPEDResult {
	k := p.both.k - 1
	if arms := checkArms(p.unadjustC, p.unadjustT); arms.reason != "" {
		return p.refuse(k, arms.reason)
	}
	if reason := p.guard(); reason != "" {
		return p.refuse(k, reason)
	}
	thetaC, thetaT, reason := p.theta()
	if reason != "" {
		return p.refuse(k, reason)
	}
	r := CUPEDResult{
		Control:      Group{N: p.unadjustC.N, Mean: p.unadjustC.Mean - p.control.shift(thetaC, p.both), Variance: p.control.adjusted(thetaC)},
		Treatment:    Group{N: p.unadjustT.N, Mean: p.unadjustT.Mean - p.treatment.shift(thetaT, p.both), Variance: p.treatment.adjusted(thetaT)},
		ControlTheta: thetaC, TreatmentTheta: thetaT,
		Correlation: p.both.correlation(),
	}
	if p.options.Rule == PerArm {
		if r.Control, r.Treatment, reason = p.residual(r.Control, r.Treatment); reason != "" {
			return p.refuse(k, reason)
		}
	}
	before, after := checkArms(p.unadjustC, p.unadjustT), checkArms(r.Control, r.Treatment)
	share := after.se() / before.se()
	switch {
	case after.reason != "":
		return p.refuse(k, after.reason)
	case !(share < 1) && !p.options.NoGuards:
		return p.refuse(k, "the covariates do not lower the standard error")
	case !isFinite(share):
		return p.refuse(k, outOfRange)
	}
	r.VarianceReduction = 1 - share*share
	r.Baseline = p.baseline(after, thetaC)
	return r
}

// residual gives both arms the divisor of a regression of their own, whose
// slopes cost degrees of freedom: without them small arms look too certain.
func (p cupedProblem) residual(c, t Group) (control, treatment Group, reason string) {
	slopes := int64(p.both.k - 1)
	for _, g := range []*Group{&c, &t} {
		if g.N-1 <= slopes {
			return c, t, fmt.Sprintf("an arm of %d units has too few for %d slopes of its own", g.N, slopes)
		}
		g.Variance *= float64(g.N-1) / float64(g.N-1-slopes)
	}
	return c, t, ""
}

// baseline is the control mean as observed, with it plus the adjusted
// difference. Their covariance is that of the control's mean and covariates.
func (p cupedProblem) baseline(adjusted twoArms, thetaC []float64) Joint {
	vC, vT := p.unadjustC.meanVariance(), adjusted.treatment.meanVariance()
	n := p.control.n
	return Joint{
		N:                 p.unadjustC.N + p.unadjustT.N,
		Control:           p.unadjustC.Mean,
		Treatment:         p.unadjustC.Mean + adjusted.difference(),
		ControlVariance:   vC,
		TreatmentVariance: vT + quadraticForm(p.control.covariates(), thetaC)/n,
		Covariance:        dotProduct(thetaC, p.control.withMetric()) / n,
		DF:                adjusted.df(WelchT),
	}.checked()
}

// guard says why the covariates are not to be used, or nothing.
func (p cupedProblem) guard() string {
	o := p.options
	if _, rank := p.within.slopes(); rank == 0 {
		return "no covariate varies within the arms"
	}
	if o.NoGuards {
		return ""
	}
	if n := int64(p.both.n); n < o.MinUnits {
		return fmt.Sprintf("%d units in both arms, CUPED needs %d", n, o.MinUnits)
	}
	for i, test := range p.balance {
		if test.Reason == "" && test.PValue < o.BalanceAlpha/float64(len(p.balance)) {
			return fmt.Sprintf("covariate %d differs between the arms before the experiment (p = %.2g), so it cannot adjust them", i+1, test.PValue)
		}
	}
	return ""
}

// theta is the slopes of both arms, or why there are none.
func (p cupedProblem) theta() (control, treatment []float64, reason string) {
	switch o := p.options; o.Rule {
	case PooledTotal:
		control, _ = p.both.slopes()
	case PooledWithin:
		control, _ = p.within.slopes()
	case PerArm:
		control, _ = p.control.slopes()
		treatment, _ = p.treatment.slopes()
	case FixedTheta:
		if len(o.Theta) != p.both.k-1 {
			return nil, nil, fmt.Sprintf("%d fixed slopes for %d covariates", len(o.Theta), p.both.k-1)
		}
		control = append(control, o.Theta...)
	default:
		return nil, nil, fmt.Sprintf("theta rule %d is unknown", o.Rule)
	}
	if treatment == nil {
		treatment = append(treatment, control...)
	}
	for i := range control {
		if math.IsNaN(control[i]+treatment[i]) || math.IsInf(control[i], 0) || math.IsInf(treatment[i], 0) {
			return nil, nil, outOfRange
		}
	}
	return control, treatment, ""
}
