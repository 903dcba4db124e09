package stats

import "math"

// stratified is estimates over all strata: like a stratumEstimate, with the
// covariance that the strata sizes add kept apart.
type stratified struct {
	units   float64
	mean    []float64
	within  [][]float64 // given the strata sizes
	between [][]float64 // from the strata sizes
	df      float64
}

// combine weighs strata by their shares of the units.
func combine(strata []stratumEstimate) stratified {
	k := len(strata[0].mean)
	s := stratified{mean: make([]float64, k), within: squareMatrix(k), between: squareMatrix(k)}
	for _, e := range strata {
		s.units += e.units
	}
	var variance, squares float64
	for _, e := range strata {
		share := e.units / s.units
		for i := range k {
			s.mean[i] += share * e.mean[i]
			for j := range k {
				s.within[i][j] += share * e.cov[i][j] * share
			}
		}
		for _, p := range e.parts {
			v := share * p.variance * share
			variance += v
			squares += v * (v / p.df)
		}
	}
	for _, e := range strata {
		share := e.units / s.units
		for i := range k {
			for j := range k {
				s.between[i][j] += share * (e.mean[i] - s.mean[i]) * (e.mean[j] - s.mean[j]) / s.units
			}
		}
	}
	if squares > 0 {
		s.df = variance * (variance / squares)
	}
	return s
}

// onlyWithin is the estimate for strata sizes that are taken as fixed.
func (s stratified) onlyWithin() stratified {
	s.between = squareMatrix(len(s.mean))
	return s
}

// joint is the two means, or the two ratios by the delta method.
func (s stratified) joint() Joint {
	k := len(s.mean)
	cov := squareMatrix(k)
	for i := range k {
		for j := range k {
			cov[i][j] = s.within[i][j] + s.between[i][j]
		}
	}
	j := Joint{N: int64(s.units), DF: s.df}
	var control, treatment []float64 // gradients
	if k == 2 {
		j.Control, j.Treatment = s.mean[0], s.mean[1]
		control, treatment = []float64{1, 0}, []float64{0, 1}
	} else {
		if s.mean[1] == 0 || s.mean[3] == 0 {
			return noJoint("the denominators sum to 0")
		}
		j.Control, j.Treatment = s.mean[0]/s.mean[1], s.mean[2]/s.mean[3]
		control = []float64{1 / s.mean[1], -j.Control / s.mean[1], 0, 0}
		treatment = []float64{0, 0, 1 / s.mean[3], -j.Treatment / s.mean[3]}
	}
	j.ControlVariance = notNegative(quadraticForm(cov, control))
	j.TreatmentVariance = notNegative(quadraticForm(cov, treatment))
	for i := range k {
		j.Covariance += control[i] * dotProduct(cov[i], treatment)
	}
	return j.checked()
}

func notNegative(v float64) float64 {
	if v < 0 {
		return 0
	}
	return v
}

// regressionStratum is the regression y ~ 1 + treatment + x of one stratum.
func regressionStratum(s Stratum) (stratumEstimate, string) {
	plain, reason := meanStratum(s)
	if reason != "" {
		return plain, reason
	}
	both, err := mergedMoments(s.Control, s.Treatment)
	if err != nil {
		return plain, err.Error()
	}
	if both.K() < 2 {
		return plain, "there is no covariate"
	}
	control, treatment, all := sampleOfMeans(s.Control), sampleOfMeans(s.Treatment), sampleOfMeans(both)
	within := control.plus(control.n-1, treatment, treatment.n-1)
	f := factorize(within.covariates())
	df := both.n - 2 - int64(f.rank)
	if f.rank == 0 || df < 1 {
		return plain, ""
	}
	theta := f.solve(within.withMetric())
	sigma2 := within.adjusted(theta) / float64(df)
	if !(sigma2 > 0) {
		return plain, ""
	}
	k := len(theta)
	shiftC, apart := make([]float64, k), make([]float64, k) // x̄_C − x̄ and x̄_T − x̄_C
	for i := range k {
		shiftC[i] = control.mean[i+1] - all.mean[i+1]
		apart[i] = treatment.mean[i+1] - control.mean[i+1]
	}
	effect := treatment.mean[0] - control.mean[0] - dotProduct(theta, apart)
	atMean := control.mean[0] - dotProduct(theta, shiftC)

	slopesOf := func(x []float64) []float64 { return f.solve(x) } // S⁻¹x, the noise of theta
	vControl := sigma2 * (1/control.n + dotProduct(shiftC, slopesOf(shiftC)))
	vEffect := sigma2 * (1/control.n + 1/treatment.n + dotProduct(apart, slopesOf(apart)))
	covEffect := sigma2 * (-1/control.n + dotProduct(shiftC, slopesOf(apart)))
	vControl += meanCovariateNoise(all, f, theta, sigma2)

	e := newStratumEstimate(s, 2)
	e.mean[0], e.mean[1] = atMean, atMean+effect
	e.cov[0][0] = vControl
	e.cov[0][1] = vControl + covEffect
	e.cov[1][0] = e.cov[0][1]
	e.cov[1][1] = vControl + 2*covEffect + vEffect
	e.parts = []satterthwaite{{vEffect, float64(df)}}
	return e, ""
}

// meanCovariateNoise is what the noise of the mean covariate adds to the
// variance of the mean at it: (θθ' + Var θ)·S_x/n. It is common to both arms.
func meanCovariateNoise(all covariateSample, f cholesky, theta []float64, sigma2 float64) float64 {
	s := all.covariates()
	noise := quadraticForm(s, theta)
	for i := range s {
		unit := make([]float64, len(s))
		unit[i] = 1
		noise += sigma2 * dotProduct(s[i], f.solve(unit))
	}
	return math.Max(0, noise) / all.n
}
