package stats

// CUPEDRatio is [CUPED] for ratios of sums: variables 0 and 1 of the moments
// are the metric's numerator and denominator, 2 and 3 those of the same ratio
// before the experiment. Both ratios are linearised by the delta method
// (Deng, Xu, Kohavi and Walker 2013, appendix B) and the linear parts adjusted
// as means are. The linearisation is at each arm's own ratios for variances
// and for [PooledWithin] and [PerArm], and at the ratio of both arms together
// for the slope of [PooledTotal], as in tea-tasting.
func CUPEDRatio(control, treatment Moments, options CUPEDOptions) CUPEDResult {
	p := cupedProblem{
		options:   options.withDefaults(),
		unadjustC: GroupRatio(control, 0, 1),
		unadjustT: GroupRatio(treatment, 0, 1),
	}
	both, err := mergedMoments(control, treatment)
	switch {
	case err != nil:
		return p.refuse(1, "the arms do not fit together: "+err.Error())
	case both.K() != 4:
		return p.refuse(1, "a ratio with its covariate needs 4 variables")
	}
	before := checkArms(GroupRatio(control, 2, 3), GroupRatio(treatment, 2, 3))
	if before.noValue {
		return p.refuse(1, "before the experiment: "+before.reason)
	}
	p.control, p.treatment, p.both = sampleOfRatios(control), sampleOfRatios(treatment), sampleOfRatios(both)
	p.within = p.control.plus(1, p.treatment, 1)
	p.balance = []Test{Balance(before.control, before.treatment)}
	return p.solve()
}
