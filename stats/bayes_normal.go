package stats

import (
	"fmt"
	"math"
)

// NormalPrior is what is believed about an effect before the data, as a normal
// distribution. The zero value is flat: the data alone speak, and the chance
// to win is one minus the one-sided p-value, no better protected against
// peeking than that.
type NormalPrior struct {
	// Mean is the expected effect.
	Mean float64 `json:"mean"`

	// SD is the standard deviation of effects like this one, 0.3 for lifts
	// of ±30%. Zero is a flat prior, which ignores Mean.
	SD float64 `json:"sd"`
}

// OnDifference turns a prior on the relative lift into one on the absolute
// difference for a control mean: both numbers times |controlMean|.
func (p NormalPrior) OnDifference(controlMean float64) NormalPrior {
	m := math.Abs(controlMean)
	return NormalPrior{Mean: p.Mean * m, SD: p.SD * m}
}

func (p NormalPrior) problem() string {
	if !isFinite(p.Mean) || !(p.SD >= 0) || !isFinite(p.SD) {
		return fmt.Sprintf("a prior with mean %v and standard deviation %v is not one", p.Mean, p.SD)
	}
	return ""
}

// Posterior is what is believed about an effect after the data, on the scale
// of the effect: treatment better means larger.
type Posterior struct {
	// Level is the probability of the credible interval, 0 when
	// Effect.Reason is set.
	Level float64

	// Effect has the posterior mean, its standard deviation as SE, and the
	// central credible interval.
	Effect Estimate

	// Win is the probability that the treatment is better. It is ½ when
	// Effect.Reason is set.
	Win float64

	// LossShip is what shipping the treatment loses in expectation: the
	// expected shortfall where it is worse, 0 where it is better. LossKeep
	// is the same for keeping the control.
	LossShip, LossKeep float64
}

// NormalPosterior updates a prior with an estimate and its standard error,
// both taken as normal: the posterior's precision is the sum of the two, its
// mean the mean weighted by them. level is that of the credible interval, zero
// means 0.95. Chances and losses keep their relative precision as far as
// float64 reaches.
//
// Use it with an estimate of [DeltaLift] and a prior on the lift, or with a
// difference and [NormalPrior.OnDifference]; or [BayesLift] and
// [BayesDifference].
func NormalPosterior(value, se float64, prior NormalPrior, level float64) Posterior {
	if level == 0 {
		level = 0.95
	}
	r := badStandardError(value, se)
	if r == "" {
		r = prior.problem()
	}
	if r == "" {
		r = badLevel(level)
	}
	if r != "" {
		return noPosterior(noInterval(value, r))
	}
	mean, sd := value, se
	if prior.SD > 0 {
		big := math.Hypot(se, prior.SD)
		toData := prior.SD / big * (prior.SD / big)
		mean = toData*value + (1-toData)*prior.Mean
		sd = se * (prior.SD / big)
	}
	if sd == 0 {
		return noPosterior(noInterval(mean, outOfRange))
	}
	return normalPosterior(mean, sd, level)
}

func noPosterior(e Estimate) Posterior { return Posterior{Effect: e, Win: 0.5} }

func normalPosterior(mean, sd, level float64) Posterior {
	e := symmetric(mean, sd, -NormalQuantile((1-level)/2))
	if e.Reason != "" {
		return noPosterior(e)
	}
	z := mean / sd
	small := sd * normalLoss(math.Abs(z))
	large := min(small+math.Abs(mean), math.MaxFloat64)
	p := Posterior{Level: level, Effect: e, Win: normalSurvival(-z), LossShip: small, LossKeep: large}
	if mean < 0 {
		p.LossShip, p.LossKeep = large, small
	}
	return p
}

// normalLoss is E[max(Z−z, 0)] = φ(z) − z·P(Z > z) for z ≥ 0. In the tail
// the two terms cancel; there the continued fraction of Mills' ratio gives the
// difference directly.
func normalLoss(z float64) float64 {
	density := math.Exp(-z*z/2) / math.Sqrt(2*math.Pi)
	if z < 4 {
		return density - z*normalSurvival(z)
	}
	c := 0.0
	for k := 80.0; k >= 1; k-- {
		c = k / (z + c)
	}
	// Now P(Z > z) = φ/(z+c), so that φ − z·P = φ·c/(z+c).
	return density * (c / (z + c))
}

// BayesLift is the posterior of the relative lift, with a normal likelihood of
// the [DeltaLift] and its standard error, as GrowthBook, Eppo and PostHog
// compute it. prior is on the lift, level zero means 0.95.
func BayesLift(control, treatment Group, prior NormalPrior, level float64) Posterior {
	e := DeltaLift(control, treatment, 1)
	if e.Reason != "" {
		return noPosterior(e)
	}
	return NormalPosterior(e.Value, e.SE, prior, level)
}

// BayesDifference is the posterior of the absolute difference. prior is on the
// relative lift, as for [BayesLift], and rescaled by the control mean, so that
// both use the same belief.
func BayesDifference(control, treatment Group, prior NormalPrior, level float64) Posterior {
	arms := checkArms(control, treatment)
	switch {
	case arms.noValue:
		return noPosterior(noValue(arms.reason))
	case arms.reason != "":
		return noPosterior(noInterval(arms.difference(), arms.reason))
	case prior.SD > 0 && arms.control.Mean == 0:
		return noPosterior(noInterval(arms.difference(), "the control mean is 0, so a prior on the lift says nothing about the difference"))
	}
	return NormalPosterior(arms.difference(), arms.se(), prior.OnDifference(arms.control.Mean), level)
}
