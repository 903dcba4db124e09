package stats

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mathext"
)

// Balance tests that the arms of an experiment had the same mean before it
// began: each group is an arm's mean of a variable that the treatment cannot
// have changed. A small p-value (0.001 is the usual alarm) means that the
// assignment was not random or that the variable was measured too late; then
// neither the variable nor the experiment can be trusted.
//
// Two arms are compared by Welch's t test. For more it is Welch's F test for
// unequal variances: B. L. Welch, "On the comparison of several mean values:
// an alternative approach", Biometrika 38 (1951); Statistic is then F and DF
// its second degrees of freedom, the first being the number of arms less 1.
// There is no test, with a reason, when an arm has no variance.
func Balance(arms ...Group) Test {
	if len(arms) < 2 {
		return noTest(fmt.Sprintf("%d arms, a comparison needs 2", len(arms)))
	}
	if len(arms) == 2 {
		return Compare(arms[0], arms[1], Options{}).Test
	}
	checked := make([]Group, len(arms))
	for i, g := range arms {
		checked[i] = g.checked()
		switch {
		case checked[i].Reason != "":
			return noTest(fmt.Sprintf("arm %d: %s", i, checked[i].Reason))
		case checked[i].Variance == 0:
			return noTest(fmt.Sprintf("arm %d does not vary", i))
		}
	}
	return welchF(checked)
}

// welchF is Welch's F over groups with variances.
func welchF(arms []Group) Test {
	smallest := arms[0].meanVariance()
	for _, g := range arms {
		smallest = min(smallest, g.meanVariance())
	}
	total := 0.0
	precision := make([]float64, len(arms)) // relative to the largest
	for i, g := range arms {
		precision[i] = smallest / g.meanVariance()
		total += precision[i]
	}
	// Sums over pairs rather than around a weighted mean: that mean is, to
	// the last digit, the mean of an arm that hardly varies.
	between, spread := 0.0, 0.0
	for i, g := range arms {
		rest := 0.0 // 1 − the arm's own share of the precision
		for j, other := range arms {
			if j == i {
				continue
			}
			rest += precision[j] / total
			d := (g.Mean - other.Mean) / math.Sqrt(smallest)
			between += max(precision[i], precision[j]) / total * min(precision[i], precision[j]) * d * d / 2
		}
		spread += rest * rest / float64(g.N-1)
	}
	k := float64(len(arms))
	f := between / (k - 1) / (1 + 2*(k-2)/(k*k-1)*spread)
	df2 := (k*k - 1) / (3 * spread)
	return newTest(f, df2, fSurvival(f, k-1, df2))
}

// fSurvival is P(F > f) for df1 and df2 degrees of freedom. With a df2 beyond
// 1e7 the chi-square limit is nearer than the incomplete beta function.
func fSurvival(f, df1, df2 float64) float64 {
	switch {
	case math.IsNaN(f) || math.IsNaN(df2):
		return math.NaN()
	case f <= 0:
		return 1
	case df1 == 1:
		return tTwoSided(math.Sqrt(f), df2)
	case df2 > 1e7:
		return chiSquareSurvival(df1*f, df1)
	}
	return mathext.RegIncBeta(df2/2, df1/2, df2/(df2+df1*f))
}
