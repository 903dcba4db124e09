package stats

import (
	"fmt"
	"math"
	"slices"
)

// QuantileType says which number between two neighbours is the quantile.
type QuantileType int

const (
	// Continuous interpolates linearly: type 7 of Hyndman and Fan, Postgres'
	// percentile_cont, the default of R and numpy. It is the default here.
	Continuous QuantileType = iota

	// Discrete is the smallest value with at least a share p of the values
	// at or below it: type 1, Postgres' percentile_disc.
	Discrete
)

// SampleQuantile is the value that a share p, from 0 to 1, of values lies at
// or below. R. J. Hyndman and Y. Fan, "Sample quantiles in statistical
// packages", The American Statistician 50 (1996). It sorts a copy. It fails
// with [ErrValue] when there are no values, and for NaN, infinities and a p
// outside [0, 1].
func SampleQuantile(values []float64, p float64, kind QuantileType) (float64, error) {
	if len(values) == 0 {
		return 0, fmt.Errorf("%w: no values", ErrValue)
	}
	if !(p >= 0 && p <= 1) {
		return 0, fmt.Errorf("%w: a quantile at %v, want 0 to 1", ErrValue, p)
	}
	if kind != Continuous && kind != Discrete {
		return 0, fmt.Errorf("%w: quantile type %d is unknown", ErrValue, kind)
	}
	sorted, err := sortedFinite(values)
	if err != nil {
		return 0, err
	}
	return quantileOf(sorted, p, kind), nil
}

func sortedFinite(values []float64) ([]float64, error) {
	for i, v := range values {
		if !isFinite(v) {
			return nil, fmt.Errorf("%w: value %d is %v", ErrValue, i, v)
		}
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return sorted, nil
}

// quantileOf is the quantile of sorted values.
func quantileOf(sorted []float64, p float64, kind QuantileType) float64 {
	n := float64(len(sorted))
	if kind == Discrete {
		// n·p may be an ulp above the integer that it stands for.
		at := math.Ceil(n*p - 4e-16*n)
		return sorted[int(min(max(at, 1), n))-1]
	}
	at := (n - 1) * p
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	f := at - float64(i)
	if step := sorted[i+1] - sorted[i]; isFinite(step) {
		return min(sorted[i]+step*f, sorted[i+1])
	}
	return sorted[i]*(1-f) + sorted[i+1]*f
}

// OrderStatistics is what the variance of a sample quantile can be estimated
// from: the quantile at Nu and those at Nu ∓ Z·√(Nu(1−Nu)/N). A database can
// compute the three.
type OrderStatistics struct {
	// N is the number of values, which for events is not that of units.
	N int64

	// Nu is the share below the quantile, 0.9 for the 90th percentile.
	Nu float64

	// Quantile, Low and High are the values at Nu and around it.
	Quantile, Low, High float64

	// Z is the critical value that Low and High are apart by. Zero means
	// NormalQuantile(0.975).
	Z float64

	// WidthN is the N in the distance of Low and High from Nu where it was
	// another, as in GrowthBook's capped n*. Zero means N.
	WidthN int64

	// Engine multiplies the variance by (N−1)/N, as GrowthBook does.
	Engine bool
}

// Group is the quantile as an arm of [Compare], for values that are one per
// unit. Its squared standard error is ((High − Low)/(2 Z))²: A. Deng, U.
// Knoblich and J. Lu, "Applying the Delta Method in Metric Analytics", KDD
// 2018, section 4. Hold it against the normal distribution; a quantile has no
// degrees of freedom.
//
// It has no variance when N is too small for Low and High to be inside the
// sample: N must be above Z²·Nu/(1−Nu) and Z²·(1−Nu)/Nu.
func (o OrderStatistics) Group() Group {
	v, reason := o.variance()
	if reason != "" {
		return Group{N: max(o.N, 0), Mean: o.Quantile, Reason: reason}.checked()
	}
	return Group{N: o.N, Mean: o.Quantile, Variance: v * float64(o.N)}.checked()
}

// GroupClustered is the quantile of events, several of which belong to one
// unit: Group's variance times the design effect, how much more the share of
// events below the quantile varies over units than over independent events.
// Variable 0 of indicators is a unit's number of events at or below Quantile,
// variable 1 its number of events. Deng, Knoblich and Lu 2018, section 4.3;
// S. Yao, R. Li and J. Lu, arXiv:2401.14549, algorithm 1. N of the group is
// the number of units.
func (o OrderStatistics) GroupClustered(indicators Moments) Group {
	v, reason := o.variance()
	share := GroupRatio(indicators, 0, 1)
	if reason == "" {
		reason = share.Reason
	}
	if reason != "" {
		return Group{N: max(indicators.n, 0), Mean: o.Quantile, Reason: reason}.checked()
	}
	effect := share.meanVariance() / (o.Nu * (1 - o.Nu) / float64(o.N))
	return Group{N: share.N, Mean: o.Quantile, Variance: v * effect * float64(share.N)}.checked()
}

// variance is the squared standard error of the quantile for independent
// values, or why there is none.
func (o OrderStatistics) variance() (v float64, reason string) {
	z, width := o.Z, o.WidthN
	if z == 0 {
		z = NormalQuantile(0.975)
	}
	if width == 0 {
		width = o.N
	}
	switch {
	case o.N < 1 || width < 1:
		return 0, noUnits
	case !(o.Nu > 0 && o.Nu < 1):
		return 0, fmt.Sprintf("the quantile at %v is not between 0 and 1", o.Nu)
	case !validCritical(z):
		return 0, badCritical
	case !isFinite(o.High) || !isFinite(o.Low) || o.Low > o.High || o.Low > o.Quantile || o.Quantile > o.High:
		return 0, "the values around the quantile are not in order"
	}
	odds := o.Nu / (1 - o.Nu)
	if need := z * z * max(odds, 1/odds); !(float64(o.N) > need) {
		return 0, fmt.Sprintf("%d values, the variance of this quantile needs more than %.0f", o.N, need)
	}
	half := (o.High - o.Low) / (2 * z)
	v = half * half * (float64(width) / float64(o.N))
	if o.Engine {
		v *= float64(o.N-1) / float64(o.N)
	}
	return v, ""
}

// NewOrderStatistics finds the three quantiles in values, by [Continuous].
// It sorts a copy, and fails as [SampleQuantile] does and for a nu that is not
// inside (0, 1).
func NewOrderStatistics(values []float64, nu float64) (OrderStatistics, error) {
	if !(nu > 0 && nu < 1) || len(values) == 0 {
		return OrderStatistics{}, fmt.Errorf("%w: the quantile at %v of %d values", ErrValue, nu, len(values))
	}
	sorted, err := sortedFinite(values)
	if err != nil {
		return OrderStatistics{}, err
	}
	z := NormalQuantile(0.975)
	half := z * math.Sqrt(nu*(1-nu)/float64(len(sorted)))
	return OrderStatistics{
		N: int64(len(sorted)), Nu: nu, Z: z,
		Quantile: quantileOf(sorted, nu, Continuous),
		Low:      quantileOf(sorted, max(0, nu-half), Continuous),
		High:     quantileOf(sorted, min(1, nu+half), Continuous),
	}, nil
}

// GroupQuantile is the quantile at nu of events as an arm of [Compare]; each
// element of units holds the events of one unit, none or more. It sorts all
// events, so that it costs more time and memory than anything else here. It
// fails as [NewOrderStatistics] does.
func GroupQuantile(units [][]float64, nu float64) (Group, error) {
	o, err := NewOrderStatistics(slices.Concat(units...), nu)
	if err != nil {
		return Group{}, err
	}
	var indicators Moments
	for _, events := range units {
		below := 0.0
		for _, v := range events {
			if v <= o.Quantile {
				below++
			}
		}
		if err := indicators.Add(below, float64(len(events))); err != nil {
			return Group{}, err
		}
	}
	return o.GroupClustered(indicators), nil
}
