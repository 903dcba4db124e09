package stats

import (
	"fmt"
	"math"
	"slices"
)

// RatePosterior compares two rates after the data: shares of successes by
// [BayesShare], or counts per exposure by [BayesCount].
type RatePosterior struct {
	// ControlMean and TreatmentMean are the posterior means of the rates.
	ControlMean, TreatmentMean float64

	// Win is the probability that the treatment's rate is the larger one. It
	// is ½ when Reason is set.
	Win float64

	// LossShip is what shipping the treatment loses in expectation, in units
	// of the rate: E[max(control − treatment, 0)]. LossKeep is the same for
	// keeping the control.
	LossShip, LossKeep float64

	// Reason says in words why there are no numbers. Empty when there are.
	Reason string
}

// BetaPrior is the prior of a share: as if Alpha successes and Beta failures
// had been seen. The zero value is the uniform Beta(1, 1).
type BetaPrior struct {
	Alpha float64 `json:"alpha"`
	Beta  float64 `json:"beta"`
}

// BayesShare compares two shares with Beta posteriors. Chances and losses are
// those of E. Miller, "Formulas for Bayesian A/B testing" (2013), and C.
// Stucchio, "Bayesian A/B testing at VWO" (2015), computed as one-dimensional
// integrals on the logit scale: the cost, about 0.8 ms
// (BenchmarkBayesShare), does not grow with the counts, and the precision,
// about ten digits, is that of small ones up to 1e9 units.
//
// There is no result, with a reason, for impossible counts and for priors
// outside 1e-6 to 1e15.
func BayesShare(control, treatment Share, prior BetaPrior) RatePosterior {
	if prior == (BetaPrior{}) {
		prior = BetaPrior{1, 1}
	}
	if !validPrior(prior.Alpha) || !validPrior(prior.Beta) {
		return noRate(fmt.Sprintf("a Beta(%v, %v) prior is not in the range of 1e-6 to 1e15", prior.Alpha, prior.Beta))
	}
	for i, arm := range []Share{control, treatment} {
		if arm.Successes < 0 || arm.Units < arm.Successes {
			return noRate(fmt.Sprintf("%s: %d successes of %d units", armNames[i], arm.Successes, arm.Units))
		}
	}
	aC, bC := prior.posterior(control)
	aT, bT := prior.posterior(treatment)
	out := compareRates(logitBeta(aC, bC), logitBeta(aT, bT), func(u float64) float64 {
		e := math.Exp(-math.Abs(u))
		return e / ((1 + e) * (1 + e))
	})
	return out.withMeans(aC/(aC+bC), aT/(aT+bT))
}

func (p BetaPrior) posterior(s Share) (a, b float64) {
	return p.Alpha + float64(s.Successes), p.Beta + float64(s.Units-s.Successes)
}

// GammaPrior is the prior of a count per exposure: as if Shape events had been
// seen in an exposure of Rate. The zero value is Shape 1 and Rate 0, which is
// flat.
type GammaPrior struct {
	Shape float64 `json:"shape"`
	Rate  float64 `json:"rate"`
}

// Events is how many events an arm had in how much exposure, such as orders
// per user-day.
type Events struct {
	Count    int64
	Exposure float64
}

// BayesCount compares two Poisson rates with Gamma posteriors, in the way of
// [BayesShare]. The chance to win is I_{bA/(bA+bB)}(aA, aB) in Miller's
// formulas. Counts that vary more than Poisson's, as counts of users' events
// do, make it too sure: prefer [BayesLift].
//
// There is no result, with a reason, for impossible counts, exposures that are
// not positive, and priors outside 1e-6 to 1e15 or a negative Rate.
func BayesCount(control, treatment Events, prior GammaPrior) RatePosterior {
	if prior == (GammaPrior{}) {
		prior.Shape = 1
	}
	if !validPrior(prior.Shape) || !(prior.Rate == 0 || validPrior(prior.Rate)) {
		return noRate(fmt.Sprintf("a Gamma(%v, %v) prior is not in the range of 1e-6 to 1e15", prior.Shape, prior.Rate))
	}
	var shape, rate [2]float64
	for i, arm := range []Events{control, treatment} {
		if arm.Count < 0 || !(arm.Exposure > 0) || arm.Exposure > 1e300 || arm.Exposure < 1e-280 {
			return noRate(fmt.Sprintf("%s: %d events in an exposure of %v", armNames[i], arm.Count, arm.Exposure))
		}
		shape[i], rate[i] = prior.Shape+float64(arm.Count), prior.Rate+arm.Exposure
	}
	// Rates are integrated in units of the larger mode.
	unit := max(shape[0]/rate[0], shape[1]/rate[1])
	c := logGamma(shape[0], rate[0]*unit)
	t := logGamma(shape[1], rate[1]*unit)
	out := compareRates(c, t, math.Exp)
	out.LossShip, out.LossKeep = out.LossShip*unit, out.LossKeep*unit
	return out.withMeans(shape[0]/rate[0], shape[1]/rate[1])
}

// logGamma is the distribution of log X for X ~ Gamma(shape, rate).
func logGamma(shape, rate float64) logConcave {
	return logConcave{
		mode:  math.Log(shape / rate),
		scale: 1 / math.Sqrt(shape),
		log: func(v float64) float64 {
			if math.Abs(v) < 1e-3 { // where the two terms below cancel
				return -shape * v * v * (1.0/2 + v*(1.0/6+v*(1.0/24+v/120)))
			}
			return shape * (v - math.Expm1(v))
		},
		slope: func(v float64) float64 { return -shape * math.Expm1(v) },
		bends: []float64{-math.Log(rate)},
	}
}

// compareRates integrates over two distributions on a transformed scale whose
// derivative, dx/du, is width.
func compareRates(c, t logConcave, width func(u float64) float64) RatePosterior {
	edges := sortedEdges(append(c.edges(), t.edges()...))
	edges = around(slices.Concat(c.bends, t.bends), edges)
	nodes := panels(edges)
	tc, tt := c.tabulate(nodes), t.tabulate(nodes)
	var out RatePosterior
	lose := 0.0
	for i, n := range nodes {
		out.Win += n.weight * tc.density[i] * tt.above[i]
		lose += n.weight * tt.density[i] * tc.above[i]
		w := n.weight * width(n.x)
		out.LossShip += w * tt.below[i] * tc.above[i]
		out.LossKeep += w * tc.below[i] * tt.above[i]
	}
	if out.Win > lose { // the smaller one has the digits
		out.Win = 1 - lose
	}
	out.Win = min(max(out.Win, 0), 1)
	return out
}

// withMeans sets the means and makes the losses differ by just the difference
// of them; the smaller one has the digits.
func (p RatePosterior) withMeans(control, treatment float64) RatePosterior {
	p.ControlMean, p.TreatmentMean = control, treatment
	if treatment >= control {
		p.LossKeep = p.LossShip + (treatment - control)
	} else {
		p.LossShip = p.LossKeep + (control - treatment)
	}
	for _, v := range []float64{p.ControlMean, p.TreatmentMean, p.Win, p.LossShip, p.LossKeep} {
		if !isFinite(v) {
			return noRate(outOfRange)
		}
	}
	return p
}

var armNames = [2]string{"control", "treatment"}

func noRate(reason string) RatePosterior { return RatePosterior{Win: 0.5, Reason: reason} }
