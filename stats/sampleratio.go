package stats

import (
	"encoding/json"
	"fmt"
)

// SampleRatioResult is the outcome of [SampleRatio]. Test.Statistic is
// Pearson's chi-square.
type SampleRatioResult struct {
	Test

	// Expected is the number of units each arm should have, in the order of
	// the observed counts; 0 for arms of weight 0. Nil when the counts or
	// weights are unusable.
	Expected []float64

	// Leaked is how many units were seen in arms of weight 0, which should
	// have none. They take no part in the test.
	Leaked int64
}

// SampleRatio tests whether the numbers of units per arm fit the weights the
// experiment was to have, by Pearson's chi-square. A small p-value (0.001 is
// the usual alarm) is a sample ratio mismatch: units were lost or counted
// twice in a way that depends on the arm, and no other result of the
// experiment can be trusted. Count the units that are analysed, after every
// filter.
//
// Weights need not add up to 1. An arm of weight 0 adds no degree of freedom;
// units found there are Leaked.
//
// There is no test, with a reason, when fewer than two arms have a positive
// weight; when expected counts are too small for the chi-square distribution,
// that is any below 1 or more than a fifth of them below 5 (W. G. Cochran,
// "Some methods for strengthening the common χ² tests", Biometrics 10, 1954);
// and when a count or weight is negative or not a number, or their numbers
// differ.
func SampleRatio(observed []int64, weights []float64) SampleRatioResult {
	if reason := badRatio(observed, weights); reason != "" {
		return SampleRatioResult{Test: noTest(reason)}
	}
	result := SampleRatioResult{Expected: make([]float64, len(observed))}
	var weight, units float64
	arms := 0
	for i, w := range weights {
		if w == 0 {
			result.Leaked += observed[i]
			continue
		}
		arms++
		weight += w
		units += float64(observed[i])
	}
	cells := make([]cell, 0, arms)
	for i, w := range weights {
		if w > 0 {
			result.Expected[i] = w / weight * units
			cells = append(cells, cell{float64(observed[i]), result.Expected[i]})
		}
	}
	if arms < 2 {
		result.Test = noTest("fewer than two arms have a positive weight")
		return result
	}
	result.Test = chiSquareTest(cells, arms-1)
	return result
}

// badRatio says why counts and weights cannot be used, or nothing.
func badRatio(observed []int64, weights []float64) string {
	if len(observed) != len(weights) {
		return fmt.Sprintf("%d counts for %d weights", len(observed), len(weights))
	}
	total := 0.0
	for i, w := range weights {
		if !(w >= 0) || !isFinite(w) {
			return fmt.Sprintf("the weight %v of arm %d is not a number of at least 0", w, i)
		}
		if observed[i] < 0 {
			return fmt.Sprintf("the count %d of arm %d is negative", observed[i], i)
		}
		total += w
	}
	if !isFinite(total) {
		return "the weights exceed the range of float64"
	}
	return ""
}

// sampleRatioJSON is the wire form of SampleRatioResult.
type sampleRatioJSON struct {
	testJSON
	Expected []float64 `json:"expected"`
	Leaked   int64     `json:"leaked,omitempty"`
}

// MarshalJSON writes the test's fields and those of its own in one object.
func (r SampleRatioResult) MarshalJSON() ([]byte, error) {
	return json.Marshal(sampleRatioJSON{r.Test.wire(), r.Expected, r.Leaked})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *SampleRatioResult) UnmarshalJSON(data []byte) error {
	var wire sampleRatioJSON
	if err := json.Unmarshal(data, &wire); err != nil {
		return fmt.Errorf("stats: sample ratio: %w", err)
	}
	test, err := wire.test()
	if err != nil {
		return err
	}
	*r = SampleRatioResult{Test: test, Expected: wire.Expected, Leaked: wire.Leaked}
	return nil
}
