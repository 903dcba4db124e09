package stats

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mathext"
)

// Share is how many units of an arm did something, such as convert.
type Share struct {
	// Successes is between 0 and Units.
	Successes int64 `json:"successes"`
	Units     int64 `json:"units"`
}

// problem says why s is no share, or nothing.
func (s Share) problem() string {
	switch {
	case s.Units == 0 && s.Successes == 0:
		return noUnits
	case s.Units <= 0 || s.Successes < 0 || s.Successes > s.Units:
		return fmt.Sprintf("%d successes of %d units are impossible", s.Successes, s.Units)
	}
	return ""
}

func (s Share) value() float64 { return float64(s.Successes) / float64(s.Units) }

// Group is the share as an arm of [Compare], with the binomial variance
// p(1−p); see [GroupProportion].
func (s Share) Group() Group {
	if reason := s.problem(); reason != "" {
		return Group{N: max(s.Units, 0), NoMean: true, Reason: reason}
	}
	p := s.value()
	return Group{N: s.Units, Mean: p, Variance: p * (1 - p)}.checked()
}

// Wilson is the share with the score interval of E. B. Wilson, "Probable
// inference, the law of succession, and statistical inference", JASA 22
// (1927): all p that a z test does not reject. It covers close to its level
// from a few units on, also at 0 and 100%, and stays in [0, 1]. It has no SE.
func (s Share) Wilson(level float64) Estimate {
	if e, ok := s.singleArm(level); !ok {
		return e
	}
	low, high := s.wilson(tCritical(1-level, math.Inf(1)))
	return Estimate{Value: s.value(), Low: low, High: high}
}

func (s Share) wilson(z float64) (low, high float64) {
	n, p := float64(s.Units), s.value()
	center := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	low, high = max(0, center-half), min(1, center+half)
	if s.Successes == 0 {
		low = 0
	}
	if s.Successes == s.Units {
		high = 1
	}
	return min(low, p), max(high, p)
}

// ClopperPearson is the share with the exact interval of C. J. Clopper and
// E. S. Pearson, "The use of confidence or fiducial limits illustrated in the
// case of the binomial", Biometrika 26 (1934). It covers at least its level
// for every p, and usually more: it is wider than [Share.Wilson].
func (s Share) ClopperPearson(level float64) Estimate {
	if e, ok := s.singleArm(level); !ok {
		return e
	}
	x, n, half := float64(s.Successes), float64(s.Units), (1-level)/2
	e := Estimate{Value: s.value(), Low: 0, High: 1}
	if s.Successes > 0 {
		e.Low = min(e.Value, shareQuantile(half, x, n-x+1))
	}
	if s.Successes < s.Units {
		e.High = max(e.Value, 1-shareQuantile(half, n-x, x+1))
	}
	return e.checked()
}

// shareQuantile is the x below which a beta variable stays with probability p,
// by bisection over the floating point numbers, to the last bits for every p:
// gonum's inverse is off by a tenth at p = 1e-15.
func shareQuantile(p, a, b float64) float64 {
	low, high := uint64(0), math.Float64bits(1)
	for high-low > 1 {
		middle := low + (high-low)/2
		if mathext.RegIncBeta(a, b, math.Float64frombits(middle)) < p {
			low = middle
		} else {
			high = middle
		}
	}
	return math.Float64frombits(high)
}

// singleArm says why a share has no interval at a level.
func (s Share) singleArm(level float64) (e Estimate, ok bool) {
	if reason := s.problem(); reason != "" {
		return noValue(reason), false
	}
	if reason := (Options{Level: level}).problem(); reason != "" {
		return noInterval(s.value(), reason), false
	}
	return Estimate{}, true
}

// twoShares says why two shares have no interval at a level.
func twoShares(control, treatment Share, level float64) (e Estimate, ok bool) {
	a := checkArms(control.Group(), treatment.Group())
	if a.noValue {
		return noValue(a.reason), false
	}
	if reason := (Options{Level: level}).problem(); reason != "" {
		return noInterval(a.difference(), reason), false
	}
	return Estimate{Value: treatment.value() - control.value()}, true
}

// NewcombeDifference is the treatment's share minus the control's with the
// interval that joins both arms' Wilson intervals: R. G. Newcombe, "Interval
// estimation for the difference between independent proportions", Statistics
// in Medicine 17 (1998), method 10. It is good with few or no successes in an
// arm, where the interval of [Compare] is too short. It has no SE.
func NewcombeDifference(control, treatment Share, level float64) Estimate {
	e, ok := twoShares(control, treatment, level)
	if !ok {
		return e
	}
	z := tCritical(1-level, math.Inf(1))
	lC, hC := control.wilson(z)
	lT, hT := treatment.wilson(z)
	pC, pT := control.value(), treatment.value()
	e.Low = e.Value - math.Hypot(pT-lT, hC-pC)
	e.High = e.Value + math.Hypot(hT-pT, pC-lC)
	return e.checked()
}

// AgrestiCaffoDifference is the treatment's share minus the control's with
// Wald's interval after one success and one failure are added to each arm: A.
// Agresti and B. Caffo, "Simple and effective confidence intervals for
// proportions and differences of proportions result from adding two successes
// and two failures", The American Statistician 54 (2000). Its center is not
// Value. SE is that of the enlarged arms; the ends stay within ±1.
func AgrestiCaffoDifference(control, treatment Share, level float64) Estimate {
	e, ok := twoShares(control, treatment, level)
	if !ok {
		return e
	}
	enlarged := func(s Share) (p, v float64) {
		n := float64(s.Units) + 2
		p = (float64(s.Successes) + 1) / n
		return p, p * (1 - p) / n
	}
	pC, vC := enlarged(control)
	pT, vT := enlarged(treatment)
	e.SE = math.Sqrt(vC + vT)
	half := tCritical(1-level, math.Inf(1)) * e.SE
	e.Low = min(e.Value, max(-1, pT-pC-half))
	e.High = max(e.Value, min(1, pT-pC+half))
	return e.checked()
}

// PooledZ is the z test of equal shares with the variance under that
// hypothesis, of both arms' common share; R's prop.test without correction is
// its square. It belongs to no interval in this package: an interval cannot
// assume that there is no effect. With few successes use [FisherExact].
func PooledZ(control, treatment Share) Test {
	a := checkArms(control.Group(), treatment.Group())
	if a.noValue {
		return noTest(a.reason)
	}
	se := pooledSE(control, treatment)
	if se == 0 {
		return noTest("all units of both arms are alike")
	}
	return testDifference(a.difference(), se, math.Inf(1))
}

// pooledSE is the standard error of the difference if both arms have the
// same share.
func pooledSE(control, treatment Share) float64 {
	nC, nT := float64(control.Units), float64(treatment.Units)
	successes := float64(control.Successes) + float64(treatment.Successes)
	failures := nC + nT - successes
	return math.Sqrt(successes / (nC + nT) * (failures / (nC + nT)) * (1/nC + 1/nT))
}
