package stats

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// Two-sided tail probabilities of Student's t, computed with mpmath's
// incomplete beta function at 40 digits.
var tTails = []struct{ df, t, p float64 }{
	{1, 1e-8, 0.99999999363380228},
	{1, 0.3, 0.81445284184451531},
	{1, 1.96, 0.30034289177603314},
	{1, 8, 0.079166848321131084},
	{1, 1e6, 6.3661977236736914e-7},
	{2.5, 1e-8, 0.99999999276382552},
	{2.5, 1.96, 0.16294756447281399},
	{2.5, 8, 0.0076566441310434466},
	{2.5, 1e6, 1.4386794381628477e-15},
	{57.3, 1e-8, 0.99999999205588852},
	{57.3, 1.96, 0.054865269822812525},
	{57.3, 37, 1.0778389229020997e-41},
	{1000, 0.3, 0.76423950416724404},
	{1000, 1.96, 0.050273184955748714},
	{1000, 37, 1.7300788809913061e-189},
	{9999, 1.96, 0.050023523005210205},
	{9999, 8, 1.3821353438287645e-15},
	{9999, 37, 5.6448926189504024e-281},
	{10001, 1e-8, 0.99999999202135384},
	{10001, 1.96, 0.050023517459010527},
	{10001, 8, 1.3821064050174886e-15},
	{10001, 37, 5.600461708946965e-281},
	{1e6, 1.96, 0.049996067585269787},
	{1e6, 37, 1.8299730861802263e-299},
	{1e9, 1.96, 0.049995790573729591},
	{1e9, 8, 1.2441934284454763e-15},
	{1e9, 37, 1.1456516857555139e-299},
	{1e12, 1.96, 0.049995790296718157},
	{1e12, 37, 1.1451147818207014e-299},
}

func TestStudentsTTails(t *testing.T) {
	for _, c := range tTails {
		require.InEpsilon(t, c.p, tTwoSided(c.t, c.df), 5e-12, "df %v, t %v", c.df, c.t)
		require.Equal(t, tTwoSided(c.t, c.df), tTwoSided(-c.t, c.df))
		if c.t >= 0.3 { // below, p has no digits left for t
			require.InEpsilon(t, c.t, tCritical(c.p, c.df), 1e-11, "df %v, p %v", c.df, c.p)
		}
	}
}

// The p-value and the critical value must be inverses of each other, or
// intervals and tests would disagree.
func TestTCriticalInvertsTheTail(t *testing.T) {
	for _, df := range []float64{1, 1.3, 2, 5, 30, 1e3, hillDF, hillDF + 1, 1e6, 1e9, math.Inf(1)} {
		for _, alpha := range []float64{1e-100, 1e-15, 1e-6, 1e-3, 0.05, 0.5, 0.51, 0.9, 0.999} {
			c := tCritical(alpha, df)
			require.InEpsilon(t, alpha, tTwoSided(c, df), 1e-11, "alpha %v, df %v, critical %v", alpha, df, c)
		}
	}
}

func TestQuantiles(t *testing.T) {
	require.InEpsilon(t, 1.959963984540054, NormalQuantile(0.975), 1e-15)
	require.InEpsilon(t, 12.706204736174698, StudentsTQuantile(0.975, 1), 1e-12)
	require.InEpsilon(t, -12.706204736174698, StudentsTQuantile(0.025, 1), 1e-12)
	require.Equal(t, NormalQuantile(0.975), StudentsTQuantile(0.975, math.Inf(1)))
	require.Zero(t, StudentsTQuantile(0.5, 3))
	require.Equal(t, math.Inf(1), StudentsTQuantile(1, 3))
	require.Equal(t, math.Inf(-1), StudentsTQuantile(0, 3))
	for _, bad := range [][2]float64{{-0.1, 3}, {1.1, 3}, {math.NaN(), 3}, {0.5, 0}, {0.5, -1}, {0.5, math.NaN()}} {
		require.True(t, math.IsNaN(StudentsTQuantile(bad[0], bad[1])), "%v", bad)
	}
	require.True(t, math.IsNaN(NormalQuantile(1.5)))
	require.True(t, math.IsNaN(NormalQuantile(math.NaN())))
}

// gonum's survival functions would say 0 at these points.
func TestTailsDoNotVanish(t *testing.T) {
	require.InEpsilon(t, 4.906713927148187e-198, normalSurvival(30), 1e-11)
	require.InEpsilon(t, 1.523970604832106e-23, chiSquareSurvival(100, 1), 1e-10)
	require.Positive(t, newTest(1e200, 5, tTwoSided(1e200, 5)).PValue)
}

func TestKolmogorovSurvival(t *testing.T) {
	// Quantiles of the limiting distribution, N. Smirnov, Annals of
	// Mathematical Statistics 19 (1948), to the four digits tables give.
	for x, p := range map[float64]float64{1.2238: 0.10, 1.3581: 0.05, 1.6276: 0.01, 0.8276: 0.5} {
		require.InDelta(t, p, kolmogorovSurvival(x), 1e-4, "x %v", x)
	}
	require.InDelta(t, kolmogorovSurvival(math.Nextafter(1, 0)), kolmogorovSurvival(1), 1e-14, "the two series meet")
	require.InDelta(t, kolmogorovSurvival(math.Nextafter(0.2, 0)), kolmogorovSurvival(0.2), 1e-11)
}

// Exact critical values of D for small samples: L. H. Miller, "Table of
// percentage points of Kolmogorov statistics", JASA 51 (1956).
func TestKolmogorovSmirnovUniform(t *testing.T) {
	for _, c := range []struct {
		n    int
		d, p float64
	}{
		{5, 0.56328, 0.05}, {10, 0.40925, 0.05}, {20, 0.29408, 0.05}, {5, 0.66853, 0.01}, {10, 0.48893, 0.01}, {20, 0.35241, 0.01},
	} {
		values := make([]float64, c.n)
		for i := range c.n { // the sample runs ahead of the diagonal by d
			values[c.n-1-i] = max(0, float64(i+1)/float64(c.n)-c.d)
		}
		got := KolmogorovSmirnovUniform(values)
		require.Empty(t, got.Reason)
		require.InDelta(t, c.d, got.Statistic, 1e-12)
		require.InDelta(t, c.p, got.PValue, 0.15*c.p, "n %d, D %v", c.n, c.d)
	}

	even := make([]float64, 100)
	for i := range even {
		even[i] = (float64(i) + 0.5) / 100
	}
	got := KolmogorovSmirnovUniform(even)
	require.InDelta(t, 0.005, got.Statistic, 1e-12)
	require.Equal(t, 1.0, got.PValue)

	for _, bad := range [][]float64{nil, {0.1, 0.2, 0.3, 0.4}, {0.1, 0.2, 0.3, 0.4, 1.1}, {0.1, 0.2, 0.3, 0.4, math.NaN()}} {
		got := KolmogorovSmirnovUniform(bad)
		require.NotEmpty(t, got.Reason, fmt.Sprint(bad))
		require.Equal(t, 1.0, got.PValue)
	}
	late := KolmogorovSmirnovUniform([]float64{0.9, 0.91, 0.95, 0.99, 1})
	require.InDelta(t, 0.9, late.Statistic, 1e-12, "the sample lags behind the diagonal")
}
