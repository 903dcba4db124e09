package stats

// GroupAdjusted is an arm's mean of variable 0 of m, adjusted by its covariate,
// variable 1, with a slope theta that is known:
//
//	mean(y) − theta·(mean(x) − center),  s² = s²_y + theta² s²_x − 2 theta s_xy.
//
// With theta from [CUPED] on the latest results and center the mean of x over
// both arms it is what CUPED makes of the arm, for a hundredth of the cost: for
// the results of earlier days, or of many segments.
func GroupAdjusted(m Moments, theta, center float64) Group {
	if !m.has(1) {
		return noVariable(m.n, 1)
	}
	variance := m.covariance(0, 0)
	g := Group{N: m.n, Mean: m.mean[0] - theta*(m.mean[1]-center)}
	g.Variance = nonNegative(variance+theta*theta*m.covariance(1, 1)-2*theta*m.covariance(0, 1), variance)
	return g.checked()
}

// GroupRatioAdjusted is [GroupAdjusted] for a ratio with the variables of
// [CUPEDRatio]: center is the ratio before the experiment of both arms
// together. The variance per unit is that of the linearised difference R −
// theta·R_before.
func GroupRatioAdjusted(m Moments, theta, center float64) Group {
	g := GroupRatio(m, 0, 1)
	if !m.has(3) {
		return noVariable(m.n, 3)
	}
	before := GroupRatio(m, 2, 3)
	if g.Reason != "" || before.NoMean {
		if g.Reason == "" {
			g.Reason = "before the experiment: " + before.Reason
		}
		return g.checked()
	}
	d, dBefore := m.Mean(1), m.Mean(3)
	weights := [4]float64{1 / d, -g.Mean / d, -theta / dBefore, theta * before.Mean / dBefore}
	variance := 0.0
	for i, a := range weights {
		for j, b := range weights {
			variance += a * b * m.covariance(i, j)
		}
	}
	g.Variance = nonNegative(variance, g.Variance)
	g.Mean -= theta * (before.Mean - center)
	return g.checked()
}

// nonNegative is v, or 0 where rounding made it negative on the scale of its
// terms.
func nonNegative(v, scale float64) float64 {
	if v < 0 && v > -1e-9*scale {
		return 0
	}
	return v
}
