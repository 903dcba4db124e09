package stats

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// bruteBinomial sums the definition.
func bruteBinomial(k, n int, p float64) float64 {
	pmf := func(i int) float64 {
		a, _ := math.Lgamma(float64(n + 1))
		b, _ := math.Lgamma(float64(i + 1))
		c, _ := math.Lgamma(float64(n - i + 1))
		return math.Exp(a - b - c + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	seen, sum := pmf(k), 0.0
	for i := range n + 1 {
		if v := pmf(i); v <= seen*(1+1e-7) {
			sum += v
		}
	}
	return min(sum, 1)
}

func TestExactSampleRatioAgainstTheSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 400).Draw(t, "n")
		k := rapid.IntRange(0, n).Draw(t, "k")
		w := rapid.SampledFrom([]float64{0.01, 0.1, 1.0 / 3, 0.5, 1, 2, 9}).Draw(t, "weight")
		got := SampleRatioExact([]int64{int64(k), int64(n - k)}, []float64{w, 1})
		require.Empty(t, got.Reason)
		want := bruteBinomial(k, n, w/(w+1))
		if want < 1e-290 {
			t.Skip("float64 has few digits there")
		}
		require.InEpsilon(t, want, got.PValue, 1e-8)
		other := SampleRatioExact([]int64{int64(n - k), 5, int64(k)}, []float64{1, 0, w})
		require.InEpsilon(t, got.PValue, other.PValue, 1e-9)
		require.EqualValues(t, 5, other.Leaked)
	})
}

// For huge counts it is the chi-square test.
func TestExactSampleRatioForHugeCounts(t *testing.T) {
	for _, n := range []int64{1e7, 1e9, 1 << 50} {
		half := n / 2
		shift := int64(1.5 * math.Sqrt(float64(n)))
		observed, weights := []int64{half - shift, n - half + shift}, []float64{1, 1}
		require.InEpsilon(t, SampleRatio(observed, weights).PValue, SampleRatioExact(observed, weights).PValue, 0.01, "n = %d", n)
	}
	far := SampleRatioExact([]int64{1e9, 0}, []float64{1, 1})
	require.Positive(t, far.PValue)
	require.Equal(t, 1.0, SampleRatioExact([]int64{500, 500}, []float64{1, 1}).PValue)
}

func TestExactSampleRatioReasons(t *testing.T) {
	for reason, got := range map[string]SampleRatioResult{
		"exactly two arms":         SampleRatioExact([]int64{1, 2, 3}, []float64{1, 1, 1}),
		"no units":                 SampleRatioExact([]int64{0, 0}, []float64{1, 1}),
		"negligible":               SampleRatioExact([]int64{1, 1}, []float64{1e-300, 1e300}),
		"1 counts for 2":           SampleRatioExact([]int64{1}, []float64{1, 1}),
		"more units":               SampleRatioExact([]int64{1 << 62, 1}, []float64{1, 1}),
		"fewer than two":           SequentialSampleRatio{}.Look([]int64{3, 0}, []float64{1, 0}),
		"negative":                 SequentialSampleRatio{}.Look([]int64{3, -1}, []float64{1, 1}),
		"concentration -1":         SequentialSampleRatio{Concentration: -1}.Look([]int64{3, 1}, []float64{1, 1}),
		"1 Dirichlet parameters":   SequentialSampleRatio{Dirichlet: []float64{1}}.Look([]int64{3, 1}, []float64{1, 1}),
		"Dirichlet parameter NaN":  SequentialSampleRatio{Dirichlet: []float64{1, math.NaN()}}.Look([]int64{3, 1}, []float64{1, 1}),
		"counts must be cumulativ": SequentialSampleRatio{}.Looks([][]int64{{5, 5}, {4, 6}}, []float64{1, 1})[1],
	} {
		require.Contains(t, got.Reason, reason)
		require.Equal(t, 1.0, got.PValue)
	}
}

// lgammaFactor is the definition of the log Bayes factor, which keeps its
// digits for small counts only.
func lgammaFactor(counts []int64, prior, shares []float64) float64 {
	l := func(x float64) float64 { v, _ := math.Lgamma(x); return v }
	var a, n, sum float64
	for i, c := range counts {
		a += prior[i]
		n += float64(c)
		sum += l(prior[i]+float64(c)) - l(prior[i]) - float64(c)*math.Log(shares[i])
	}
	return sum + l(a) - l(a+n)
}

func TestSequentialSampleRatioAgainstTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		arms := rapid.IntRange(2, 5).Draw(t, "arms")
		counts := rapid.SliceOfN(rapid.Int64Range(0, 3000), arms, arms).Draw(t, "counts")
		weights := rapid.SliceOfN(rapid.Float64Range(0.05, 1), arms, arms).Draw(t, "weights")
		prior := rapid.SliceOfN(rapid.Float64Range(0.01, 5000), arms, arms).Draw(t, "prior")
		total := 0.0
		for _, w := range weights {
			total += w
		}
		shares := make([]float64, arms)
		for i, w := range weights {
			shares[i] = w / total
		}
		got := SequentialSampleRatio{Dirichlet: prior}.Look(counts, weights)
		want := lgammaFactor(counts, prior, shares)
		require.Empty(t, got.Reason)
		require.InDelta(t, want, got.Statistic, 1e-8)
		leaky := SequentialSampleRatio{Dirichlet: append(prior, 0)}.Look(append(counts, 3), append(weights, 0))
		require.Equal(t, got.Test, leaky.Test)
		require.EqualValues(t, 3, leaky.Leaked)
	})
}

func TestSequentialSampleRatioKeepsWhatItFound(t *testing.T) {
	looks := SequentialSampleRatio{}.Looks([][]int64{{100, 100}, {7000, 6000}, {50_000, 50_000}}, []float64{1, 1})
	require.Equal(t, looks[1].PValue, looks[2].PValue)
	require.Less(t, looks[1].PValue, 1e-6)
	require.Negative(t, looks[2].Statistic)
	// A billion units in the planned ratio are no mismatch, and the factor is
	// that of a normal limit, ½ log(1 + n/A) too small to be one.
	exact := SequentialSampleRatio{}.Look([]int64{500_000_000, 500_000_000}, []float64{1, 1})
	require.InDelta(t, -0.5*math.Log1p(1e9/1e4), exact.Statistic, 1e-3)
}

// The quadrature agrees with gonum where gonum converges, and with itself at
// the other end everywhere.
func TestBetaTails(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := math.Exp(rapid.Float64Range(math.Log(1e-3), math.Log(1e9)).Draw(t, "log a"))
		b := math.Exp(rapid.Float64Range(math.Log(1e-3), math.Log(1e9)).Draw(t, "log b"))
		z := rapid.Float64Range(-5, 5).Draw(t, "z")
		mean := a / (a + b)
		x := mean + z*math.Sqrt(mean*(1-mean)/(a+b+1))
		if x <= 0 || x > 0.5 {
			t.Skip("outside, or where 1 − x has lost the digits")
		}
		below, above := betaTails(x, 1-x, a, b)
		require.InDelta(t, 1, below+above, 1e-12)
		mirrorBelow, mirrorAbove := betaTails(1-x, x, b, a)
		require.InDelta(t, below, mirrorAbove, 1e-9)
		require.InDelta(t, above, mirrorBelow, 1e-9)
		if a+b < 1e4 {
			require.InDelta(t, incompleteBeta(a, b, x), below, 1e-10)
		}
	})
}
