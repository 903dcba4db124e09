package stats

import (
	"fmt"
	"math"
)

// SequentialSampleRatio tests the sample ratio as often as one likes, with a
// Dirichlet mixture over the true shares: Lindon and Malek, "Anytime-valid
// inference for multinomial count data", NeurIPS 2022, equation 6. Only the
// cumulative counts matter, not the batches they came in, so counts of shards
// and days add up. The zero value is ready to use.
type SequentialSampleRatio struct {
	// Concentration is the sum of the Dirichlet parameters, which are
	// proportional to the weights: how close to the weights the alternatives
	// are, as if that many units had been seen. Zero means
	// DefaultConcentration. Chosen before the first look.
	Concentration float64

	// Dirichlet gives the parameters one by one instead, one for each
	// weight; the Concentration is then unused. Each must be positive where
	// the weight is.
	Dirichlet []float64
}

// DefaultConcentration is the Concentration of the zero
// [SequentialSampleRatio], that of Optimizely's ssrm.
const DefaultConcentration = 10_000

// Look is the test of the cumulative counts at one look. Statistic is the log
// Bayes factor against the weights; its inverse is the p-value, which stays
// below α at any look with probability at most α. Expected and Leaked are as
// in [SampleRatio]; unlike there, no count is too small.
func (s SequentialSampleRatio) Look(cumulative []int64, weights []float64) SampleRatioResult {
	if r := badRatio(cumulative, weights); r != "" {
		return SampleRatioResult{Test: noTest(r)}
	}
	prior, r := s.prior(weights)
	if r != "" {
		return SampleRatioResult{Test: noTest(r)}
	}
	result := SampleRatioResult{Expected: make([]float64, len(weights))}
	var weight, units, total float64
	arms := 0
	for i, w := range weights {
		if w == 0 {
			result.Leaked += cumulative[i]
			continue
		}
		arms++
		weight += w
		units += float64(cumulative[i])
		total += prior[i]
	}
	if arms < 2 {
		result.Test = noTest("fewer than two arms have a positive weight")
		return result
	}
	// log BF = log Γ(A)/Γ(A+n) ∏ Γ(a+c)/Γ(a) − Σ c log p, rearranged into
	// deviances so that nothing large cancels.
	log := halfLog(total+units) - halfLog(total) + stirlingError(total) - stirlingError(total+units)
	for i, w := range weights {
		if w > 0 {
			share := w / weight
			result.Expected[i] = share * units
			a, c := prior[i], float64(cumulative[i])
			log += deviance(a+c, share*(total+units)) - deviance(a, share*total) +
				halfLog(a) - halfLog(a+c) + stirlingError(a+c) - stirlingError(a)
		}
	}
	result.Test = newTest(log, 0, math.Exp(-log))
	return result
}

func halfLog(x float64) float64 { return math.Log(x) / 2 }

// Looks is the test at each of a history of cumulative counts, oldest first.
// Statistic is that of the look, PValue the smallest p-value up to it: a
// mismatch once found stays found. A look whose counts fall below those before
// has no test, with a reason, and says nothing for the ones after it.
func (s SequentialSampleRatio) Looks(history [][]int64, weights []float64) []SampleRatioResult {
	out := make([]SampleRatioResult, len(history))
	smallest := 1.0
	for i, counts := range history {
		if i > 0 && fell(history[i-1], counts) {
			out[i].Test = noTest(fmt.Sprintf("a count of look %d is below that of the look before: counts must be cumulative", i))
			continue
		}
		out[i] = s.Look(counts, weights)
		if out[i].Reason == "" {
			smallest = min(smallest, out[i].PValue)
			out[i].PValue = smallest
		}
	}
	return out
}

func fell(before, after []int64) bool {
	for i := range min(len(before), len(after)) {
		if after[i] < before[i] {
			return true
		}
	}
	return false
}

// prior is the Dirichlet parameter of each arm, or a reason.
func (s SequentialSampleRatio) prior(weights []float64) (prior []float64, reason string) {
	if s.Dirichlet != nil {
		if len(s.Dirichlet) != len(weights) {
			return nil, fmt.Sprintf("%d Dirichlet parameters for %d weights", len(s.Dirichlet), len(weights))
		}
		for i, a := range s.Dirichlet {
			if weights[i] > 0 && !validPrior(a) {
				return nil, fmt.Sprintf("the Dirichlet parameter %v of arm %d is not in the range of 1e-6 to 1e15", a, i)
			}
		}
		return s.Dirichlet, ""
	}
	k := s.Concentration
	if k == 0 {
		k = DefaultConcentration
	}
	total := 0.0
	for _, w := range weights {
		total += w
	}
	prior = make([]float64, len(weights))
	for i, w := range weights {
		prior[i] = k * (w / total)
		if w > 0 && !validPrior(prior[i]) {
			return nil, fmt.Sprintf("the concentration %v gives arm %d the Dirichlet parameter %v, not in the range of 1e-6 to 1e15", k, i, prior[i])
		}
	}
	return prior, ""
}

func validPrior(a float64) bool { return a >= 1e-6 && a <= 1e15 }
