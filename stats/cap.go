package stats

import (
	"fmt"
	"math"
	"slices"
)

// CapOptions choose where [Cap] cuts. One of At and Percentile is used.
type CapOptions struct {
	// At is the largest value that stands, in the metric's own unit.
	At float64

	// Percentile cuts at this quantile of all arms' values together, 0.999
	// for the 99.9th percentile. Zero means At is used.
	Percentile float64

	// Type is the kind of quantile. Zero means Continuous.
	Type QuantileType

	// IgnoreZeros takes the quantile of the values that are not 0.
	IgnoreZeros bool
}

// Capped is what [Cap] made of the arms.
type Capped struct {
	// Cap is the value above which all was cut.
	Cap float64

	// Arms are the moments per arm after the cut, in the order given, and
	// Units how many units of each were cut.
	Arms  []Moments
	Units []int64
}

// Cap cuts per-unit totals at one value for all arms, so that a few extreme
// units do not decide the result (winsorisation of the upper tail). A
// percentile is found on all arms together: a cap per arm, or of the control
// alone, would be an effect by itself. It changes the question to one about
// capped totals, so declare it beforehand. Cap totals of units, not events.
//
// It fails with [ErrValue] for NaN and infinities, when there are no values or
// options make no sense, and with a percentile when all values are 0 and
// zeros are ignored. It sorts a copy of all values when there is a percentile.
func Cap(arms [][]float64, options CapOptions) (Capped, error) {
	at, err := options.cap(arms)
	if err != nil {
		return Capped{}, err
	}
	c := Capped{Cap: at, Arms: make([]Moments, len(arms)), Units: make([]int64, len(arms))}
	for i, values := range arms {
		for _, v := range values {
			if v > at {
				v = at
				c.Units[i]++
			}
			if err := c.Arms[i].Add(v); err != nil {
				return Capped{}, err
			}
		}
	}
	return c, nil
}

func (o CapOptions) cap(arms [][]float64) (float64, error) {
	if o.Percentile == 0 {
		if !isFinite(o.At) {
			return 0, fmt.Errorf("%w: a cap of %v", ErrValue, o.At)
		}
		return o.At, nil
	}
	if o.At != 0 {
		return 0, fmt.Errorf("%w: a cap both at %v and at percentile %v", ErrValue, o.At, o.Percentile)
	}
	values := slices.Concat(arms...)
	if o.IgnoreZeros {
		values = slices.DeleteFunc(values, func(v float64) bool { return v == 0 })
	}
	return SampleQuantile(values, o.Percentile, o.Type)
}

// GroupTrimmed is an arm's mean without the share trim, from 0 to below 0.5,
// of its lowest and as many of its highest values, as an arm of [Compare]:
// Yuen's test, K. K. Yuen, "The two-sample trimmed t for unequal population
// variances", Biometrika 61 (1974). N is the number of values left and
// Variance makes Variance/N the squared standard error from the winsorised
// variance. It answers a question about typical units; for revenue, where the
// extreme units pay, that is rarely the one asked. It fails as
// [SampleQuantile] does.
func GroupTrimmed(values []float64, trim float64) (Group, error) {
	if !(trim >= 0 && trim < 0.5) {
		return Group{}, fmt.Errorf("%w: trimming a share of %v, want 0 to below 0.5", ErrValue, trim)
	}
	sorted, err := sortedFinite(values)
	if err != nil {
		return Group{}, err
	}
	n := len(sorted)
	g := int(math.Floor(trim * float64(n)))
	var kept, winsorised Moments
	for i, v := range sorted {
		if i >= g && i < n-g {
			if err := kept.Add(v); err != nil {
				return Group{}, err
			}
		}
		if err := winsorised.Add(sorted[min(max(i, g), n-g-1)]); err != nil {
			return Group{}, err
		}
	}
	left := GroupMean(kept, 0)
	if left.Reason == "" {
		left.Variance = winsorised.Comoment(0, 0) / float64(left.N-1)
	}
	return left.checked(), nil
}
