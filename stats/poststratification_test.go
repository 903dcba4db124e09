package stats

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// One stratum is no stratification.
func TestOneStratumIsThePlainComparison(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, tr := momentsOf(t, drawHistory(t, 1, "control")), momentsOf(t, drawHistory(t, 1, "treatment"))
		plain := Compare(GroupMean(c, 0), GroupMean(tr, 0), Options{})
		r := PostStratify([]Stratum{{c, tr}})
		got := r.Means.Compare(Options{})
		require.InDelta(t, plain.Difference.Value, got.Difference.Value, 1e-12)
		require.InEpsilon(t, plain.Difference.SE, got.Difference.SE, 1e-12)
		require.InEpsilon(t, plain.Test.DF, got.Test.DF, 1e-9)
		require.InEpsilon(t, plain.Test.PValue, got.Test.PValue, 1e-9)
		require.InEpsilon(t, r.ConditionalSE, got.Difference.SE, 1e-12)
		require.Equal(t, plain.Lift.Reason == "", got.Lift.Reason == "")
		if plain.Lift.Reason == "" {
			require.InDelta(t, plain.Lift.Low, got.Lift.Low, 1e-9*(1+math.Abs(plain.Lift.Low)))
			require.InDelta(t, plain.Lift.High, got.Lift.High, 1e-9*(1+math.Abs(plain.Lift.High)))
		}
	})
}

// The joint lift contains 0 exactly when the difference does.
func TestJointLiftAgreesWithTheDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, tr := drawArms(t)
		correlation := rapid.Float64Range(-0.9, 0.9).Draw(t, "correlation")
		vC, vT := c.meanVariance(), tr.meanVariance()
		j := Joint{
			N: 100, Control: c.Mean, Treatment: tr.Mean, ControlVariance: vC, TreatmentVariance: vT,
			Covariance: correlation * math.Sqrt(vC*vT),
		}
		critical := rapid.Float64Range(0.5, 4).Draw(t, "critical")
		lift, difference := j.Lift(critical), j.Difference(critical)
		if lift.Reason != "" {
			t.Skip(lift.Reason)
		}
		z := math.Abs(difference.Value) / difference.SE
		if math.Abs(z-critical) < 1e-9 {
			t.Skip("rounding decides")
		}
		requireSoundEstimate(t, lift)
		require.Equal(t, difference.Contains(0), lift.Contains(0), "%+v %+v", difference, lift)
		// both ends solve the equation
		sign := math.Copysign(1, c.Mean)
		for _, end := range []float64{lift.Low, lift.High} {
			r := 1 + sign*end
			residual := tr.Mean - r*c.Mean
			v := vT - 2*r*j.Covariance + r*r*vC
			noise := 1e-7 * (math.Abs(tr.Mean) + math.Abs(r*c.Mean))
			require.InDelta(t, critical*math.Sqrt(math.Max(v, 0)), math.Abs(residual), 1e-6*critical*math.Sqrt(vT+r*r*vC)+noise)
		}
	})
}

// ols is the coefficients of a regression and their covariance matrix, by
// Gauss's elimination over the rows themselves.
func ols(t require.TestingT, x [][]float64, y []float64) (beta []float64, cov [][]float64) {
	k := len(x[0])
	a := squareMatrix(k)
	right := make([]float64, k)
	for r, row := range x {
		for i := range k {
			right[i] += row[i] * y[r]
			for j := range k {
				a[i][j] += row[i] * row[j]
			}
		}
	}
	inverse := squareMatrix(k)
	for i := range k {
		inverse[i][i] = 1
	}
	for i := range k {
		pivot := a[i][i]
		require.NotZero(t, pivot)
		for j := range k {
			a[i][j] /= pivot
			inverse[i][j] /= pivot
		}
		for r := range k {
			if r == i {
				continue
			}
			f := a[r][i]
			for j := range k {
				a[r][j] -= f * a[i][j]
				inverse[r][j] -= f * inverse[i][j]
			}
		}
	}
	beta = make([]float64, k)
	for i := range k {
		beta[i] = dotProduct(inverse[i], right)
	}
	rss := 0.0
	for r, row := range x {
		e := y[r] - dotProduct(row, beta)
		rss += e * e
	}
	for i := range k {
		for j := range k {
			inverse[i][j] *= rss / float64(len(x)-k)
		}
	}
	return beta, inverse
}

// Within one stratum the estimate is the treatment's coefficient.
func TestPostStratifyCUPEDIsARegression(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.IntRange(1, 3).Draw(t, "covariates")
		arms := [2][][]float64{drawHistory(t, k, "control"), drawHistory(t, k, "treatment")}
		var x [][]float64
		var y []float64
		for a, units := range arms {
			for _, u := range units {
				x = append(x, append([]float64{1, float64(a)}, u[1:]...))
				y = append(y, u[0])
			}
		}
		c, tr := momentsOf(t, arms[0]), momentsOf(t, arms[1])
		if s := sampleOfMeans(c).plus(c.Comoment(1, 1), sampleOfMeans(tr), 1); factorize(s.covariates()).rank < k {
			t.Skip("covariates that do not vary")
		}
		r := PostStratifyCUPED([]Stratum{{c, tr}})
		require.Empty(t, r.Means.Reason)
		beta, cov := ols(t, x, y)
		e := r.Means.Difference(1)
		require.InDelta(t, beta[1], e.Value, 1e-7*(1+math.Abs(beta[1])))
		require.InEpsilon(t, math.Sqrt(cov[1][1]), e.SE, 1e-6)
		require.InDelta(t, float64(len(y)-2-k), r.Means.DF, 1e-9)
	})
}

func TestStrataThatCannotBeEstimatedAreMerged(t *testing.T) {
	arm := func(values ...float64) Moments { return momentsOf(t, Column(values)) }
	big := Stratum{arm(1, 2, 3, 4, 5), arm(2, 3, 4, 5, 7)}
	small := Stratum{arm(1, 5, 3), arm(2, 9)}
	oneSided := Stratum{Moments{}, arm(4, 5)}
	constant := Stratum{arm(7, 7), arm(1, 2)}

	r := PostStratify([]Stratum{oneSided, small, big, constant})
	require.Empty(t, r.Means.Reason)
	require.Equal(t, [2]int{2, 2}, [2]int{r.Strata, r.Merged})
	require.Equal(t, int64(21), r.Means.N)
	whole := Stratum{arm(1, 2, 3, 4, 5, 7, 7), arm(2, 3, 4, 5, 7, 4, 5, 1, 2)}
	want := PostStratify([]Stratum{small, whole})
	require.InDelta(t, want.Means.Treatment-want.Means.Control, r.Means.Treatment-r.Means.Control, 1e-12)
	require.InEpsilon(t, want.ConditionalSE, r.ConditionalSE, 1e-12)

	lone := Stratum{arm(9), arm(4, 5)}
	r = PostStratify([]Stratum{lone, constant})
	require.Empty(t, r.Means.Reason, "together they can be estimated")
	require.Equal(t, 1, r.Strata)

	for _, strata := range [][]Stratum{nil, {{}}, {oneSided}, {{arm(1, 1), arm(1, 1)}}} {
		r = PostStratify(strata)
		require.NotEmpty(t, r.Means.Reason)
		require.True(t, r.Means.NoMeans)
		requireSoundJoint(t, r.Means)
	}
	require.NotEmpty(t, PostStratifyCUPED([]Stratum{big}).Means.Reason, "no covariate")
	require.NotEmpty(t, PostStratifyRatio([]Stratum{big}).Means.Reason, "no denominator")
	mixed := Stratum{momentsOf(t, [][]float64{{1, 2}}), arm(3)}
	require.Contains(t, PostStratify([]Stratum{big, mixed}).Means.Reason, "fit")
}

// With a large effect of the strata the adjusted error is much smaller.
func TestPostStratificationRemovesTheStrata(t *testing.T) {
	var strata []Stratum
	var c, tr Moments
	for s := range 5 {
		var stratum Stratum
		for i := range 40 + 7*s {
			require.NoError(t, stratum.Control.Add(float64(100*s+i%5)))
			require.NoError(t, stratum.Treatment.Add(float64(100*s+i%4+1)))
		}
		require.NoError(t, c.Merge(stratum.Control))
		require.NoError(t, tr.Merge(stratum.Treatment))
		strata = append(strata, stratum)
	}
	plain := Compare(GroupMean(c, 0), GroupMean(tr, 0), Options{}).Difference
	r := PostStratify(strata)
	require.Less(t, r.Means.Difference(1).SE, plain.SE/20)
	require.Less(t, r.ConditionalSE, r.Means.Difference(1).SE)
	require.Positive(t, r.Means.Covariance, "both means move with the strata sizes")
}
