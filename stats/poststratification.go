package stats

import (
	"fmt"
	"math"
)

// Stratum is the units of both arms that share a property from before the
// experiment, such as their country.
type Stratum struct {
	Control, Treatment Moments
}

// StratifiedResult is what [PostStratify] and its siblings found.
type StratifiedResult struct {
	// Means is the two post-stratified means, with the noise of the strata
	// sizes in their variances, or the reason why there are none.
	Means Joint `json:"means"`

	// ConditionalSE is the standard error of the difference for strata sizes
	// taken as fixed, 0 when Means has a Reason.
	ConditionalSE float64 `json:"conditional_se,omitempty"`

	// Strata is how many strata were used, Merged how many were added to the
	// largest one because an arm of theirs was empty or did not vary.
	Strata int `json:"strata"`
	Merged int `json:"merged"`
}

// PostStratify estimates the means of variable 0 in both arms as if each
// stratum had the same share of both, its share ν_k of all units:
//
//	m = Σ ν_k m_k,  difference = Σ ν_k (m_Tk − m_Ck).
//
// That takes out of the difference what strata explain of the metric, without
// stratified assignment. The squared standard error is the conditional Σ ν_k²
// (v_Tk + v_Ck) of L. W. Miratrix, J. S. Sekhon and B. Yu, "Adjusting treatment
// effect estimates by post-stratification in randomized experiments", JRSS B
// 75 (2013), and for shares that are a sample themselves plus the multinomial
// 1/n Var_ν(m_Tk − m_Ck), as in GrowthBook. See also H. Xie and J. Aurisset,
// "Improving the sensitivity of online controlled experiments", KDD 2016.
//
// The property must be known before the exposure, or not be changeable by the
// treatment. A stratum with less than two units or no variance in an arm is
// merged into the largest of the others; if none is left, all are one. Strata
// with a handful of units make variances unreliable: coarsen them first. DF is
// Satterthwaite's over all strata and arms; GrowthBook uses the normal
// distribution, [Normal] here.
func PostStratify(strata []Stratum) StratifiedResult {
	return stratify(strata, meanStratum)
}

// PostStratifyRatio is [PostStratify] for ratios of the sums of variables 0
// and 1: numerators and denominators are post-stratified, then divided, with
// the delta method for the variances.
func PostStratifyRatio(strata []Stratum) StratifiedResult {
	return stratify(strata, ratioStratum)
}

// PostStratifyCUPED is [PostStratify] with a regression in each stratum on
// the covariates, variables 1 and up,
//
//	y ~ 1 + treatment + x,
//
// with one residual variance for both arms and n − 2 − k degrees of freedom. A
// stratum's control mean is that at the mean covariate of its units. Strata
// whose covariates do not vary, or leave nothing unexplained, are taken
// without.
func PostStratifyCUPED(strata []Stratum) StratifiedResult {
	return stratify(strata, regressionStratum)
}

// stratumEstimate is the estimates of one stratum: means of the control, then
// of the treatment, each one number or numerator and denominator, and the
// covariances of these means.
type stratumEstimate struct {
	units float64
	mean  []float64
	cov   [][]float64

	// For Satterthwaite: parts of the difference's squared error, per degree
	// of freedom, for means.
	parts []satterthwaite
}

type satterthwaite struct{ variance, df float64 }

// estimator is how a stratum is estimated; it gives a reason where it cannot.
type estimator func(Stratum) (stratumEstimate, string)

func stratify(strata []Stratum, estimate estimator) StratifiedResult {
	estimates, merged, reason := mergeStrata(strata, estimate)
	if reason != "" {
		return StratifiedResult{Means: noJoint(reason)}
	}
	whole := combine(estimates)
	r := StratifiedResult{Means: whole.joint(), Strata: len(estimates), Merged: merged}
	if conditional := whole.onlyWithin().joint(); r.Means.Reason == "" && conditional.Reason == "" {
		r.ConditionalSE = math.Sqrt(conditional.differenceVariance())
	}
	return r
}

// mergeStrata estimates each stratum, those that cannot be estimated together
// with the largest that can.
func mergeStrata(strata []Stratum, estimate estimator) (good []stratumEstimate, merged int, reason string) {
	var rest Stratum
	largest, largestIn := -1, -1
	for i, s := range strata {
		e, why := estimate(s)
		if why != "" {
			if err := rest.add(s); err != nil {
				return nil, 0, fmt.Sprintf("stratum %d does not fit the others: %v", i, err)
			}
			merged++
			continue
		}
		good = append(good, e)
		if largest < 0 || e.units > good[largest].units {
			largest, largestIn = len(good)-1, i
		}
	}
	if merged == 0 && largest >= 0 {
		return good, 0, ""
	}
	if largest >= 0 {
		if err := rest.add(strata[largestIn]); err != nil {
			return nil, 0, fmt.Sprintf("strata do not fit together: %v", err)
		}
	}
	e, reason := estimate(rest)
	if reason != "" {
		return nil, 0, reason
	}
	if largest < 0 {
		return []stratumEstimate{e}, merged - 1, ""
	}
	good[largest] = e
	return good, merged, ""
}

func (s *Stratum) add(other Stratum) error {
	if err := s.Control.Merge(other.Control); err != nil {
		return err
	}
	return s.Treatment.Merge(other.Treatment)
}

// estimable says why an arm of the stratum has no mean with a variance.
func estimable(control, treatment Group) string {
	a := checkArms(control, treatment)
	switch {
	case a.control.Reason != "" || a.treatment.Reason != "":
		return a.reason
	case a.control.Variance == 0:
		return "control: no variance"
	case a.treatment.Variance == 0:
		return "treatment: no variance"
	}
	return a.reason
}

func meanStratum(s Stratum) (stratumEstimate, string) {
	c, t := GroupMean(s.Control, 0), GroupMean(s.Treatment, 0)
	if reason := estimable(c, t); reason != "" {
		return stratumEstimate{}, reason
	}
	e := newStratumEstimate(s, 2)
	e.mean[0], e.mean[1] = c.Mean, t.Mean
	e.cov[0][0], e.cov[1][1] = c.meanVariance(), t.meanVariance()
	e.parts = []satterthwaite{{e.cov[0][0], float64(c.N - 1)}, {e.cov[1][1], float64(t.N - 1)}}
	return e, ""
}

func ratioStratum(s Stratum) (stratumEstimate, string) {
	c, t := GroupRatio(s.Control, 0, 1), GroupRatio(s.Treatment, 0, 1)
	if reason := estimable(c, t); reason != "" {
		return stratumEstimate{}, reason
	}
	e := newStratumEstimate(s, 4)
	for arm, m := range []Moments{s.Control, s.Treatment} {
		for i := range 2 {
			e.mean[2*arm+i] = m.Mean(i)
			for j := range 2 {
				e.cov[2*arm+i][2*arm+j] = m.Covariance(i, j) / float64(m.n)
			}
		}
	}
	e.parts = []satterthwaite{{c.meanVariance(), float64(c.N - 1)}, {t.meanVariance(), float64(t.N - 1)}}
	return e, ""
}

func newStratumEstimate(s Stratum, means int) stratumEstimate {
	e := stratumEstimate{
		units: float64(s.Control.n) + float64(s.Treatment.n),
		mean:  make([]float64, means),
		cov:   squareMatrix(means),
	}
	return e
}

func squareMatrix(k int) [][]float64 {
	m := make([][]float64, k)
	for i := range m {
		m[i] = make([]float64, k)
	}
	return m
}
