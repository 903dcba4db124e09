package stats

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func drawShare(label string, most int64) *rapid.Generator[Share] {
	return rapid.Custom(func(t *rapid.T) Share {
		n := rapid.Int64Range(1, most).Draw(t, label+" units")
		return Share{Successes: rapid.Int64Range(0, n).Draw(t, label+" successes"), Units: n}
	})
}

// exactFisher adds up the tables in exact arithmetic.
func exactFisher(a, b Share) float64 {
	choose := func(n, k int64) *big.Int { return new(big.Int).Binomial(n, k) }
	s := a.Successes + b.Successes
	ways := func(x int64) *big.Int { return new(big.Int).Mul(choose(a.Units, x), choose(b.Units, s-x)) }
	observed := ways(a.Successes)
	sum := new(big.Int)
	for x := max(0, s-b.Units); x <= min(s, a.Units); x++ {
		if w := ways(x); w.Cmp(observed) <= 0 {
			sum.Add(sum, w)
		}
	}
	p, _ := new(big.Rat).SetFrac(sum, choose(a.Units+b.Units, s)).Float64()
	return p
}

func TestFisherExactAddsUpTheTables(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawShare("control", 90).Draw(t, "control"), drawShare("treatment", 90).Draw(t, "treatment")
		require.InEpsilon(t, exactFisher(a, b), FisherExact(a, b).PValue, 1e-10)
		require.InEpsilon(t, FisherExact(a, b).PValue, FisherExact(b, a).PValue, 1e-10)
	})
	require.InEpsilon(t, exactFisher(Share{40, 2000}, Share{170, 2100}), FisherExact(Share{40, 2000}, Share{170, 2100}).PValue, 1e-10)
}

// In large samples the exact p-value nears that of the z test, also where
// differences of log factorials have no digits left.
func TestFisherExactNearsTheNormalTest(t *testing.T) {
	for _, scale := range []int64{1, 100, 10_000} {
		a := Share{Successes: 50_000 * scale, Units: 1_000_000 * scale}
		b := Share{Successes: a.Successes + int64(600*math.Sqrt(float64(scale))), Units: 1_000_000 * scale}
		require.InEpsilon(t, PooledZ(a, b).PValue, FisherExact(a, b).PValue, 0.02)
	}
}

// Clopper and Pearson's ends are where a binomial tail has half of alpha.
func TestClopperPearsonInvertsTheBinomialTails(t *testing.T) {
	tail := func(n, from, to int64, p float64) float64 {
		sum := 0.0
		for x := from; x <= to; x++ {
			l, _ := math.Lgamma(float64(n) + 1)
			lx, _ := math.Lgamma(float64(x) + 1)
			lr, _ := math.Lgamma(float64(n-x) + 1)
			sum += math.Exp(l - lx - lr + float64(x)*math.Log(p) + float64(n-x)*math.Log1p(-p))
		}
		return sum
	}
	rapid.Check(t, func(t *rapid.T) {
		s := drawShare("arm", 60).Draw(t, "share")
		alpha := rapid.SampledFrom([]float64{0.5, 0.05, 0.001, 1e-9}).Draw(t, "alpha")
		e, w := s.ClopperPearson(1-alpha), s.Wilson(1-alpha)
		requireSoundEstimate(t, e)
		requireSoundEstimate(t, w)
		half := (1 - (1 - alpha)) / 2
		if s.Successes > 0 {
			require.InEpsilon(t, half, tail(s.Units, s.Successes, s.Units, e.Low), 1e-6)
		} else {
			require.Zero(t, e.Low)
			require.Zero(t, w.Low)
		}
		if s.Successes < s.Units {
			require.InEpsilon(t, half, tail(s.Units, 0, s.Successes, e.High), 1e-3, "close to 1, High itself has few digits of its distance")
		} else {
			require.Equal(t, 1.0, e.High)
			require.Equal(t, 1.0, w.High)
		}
	})
}

// Wilson's ends are where the z test just rejects.
func TestWilsonInvertsTheScoreTest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawShare("arm", 1000).Draw(t, "share")
		e := s.Wilson(0.95)
		for _, end := range []float64{e.Low, e.High} {
			if end == 0 || end == 1 {
				continue
			}
			z := (s.value() - end) / math.Sqrt(end*(1-end)/float64(s.Units))
			require.InDelta(t, 1.959963984540054, math.Abs(z), 1e-6)
		}
	})
}

func TestProportionIntervalAgreesWithItsTest(t *testing.T) {
	exact := 0
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.SampledFrom([]int64{12, 60, 5000}).Draw(t, "size")
		a, b := drawShare("control", most).Draw(t, "control"), drawShare("treatment", most).Draw(t, "treatment")
		o := Options{Level: rapid.SampledFrom([]float64{0.8, 0.95, 0.999}).Draw(t, "level")}
		c := CompareProportions(a, b, o)
		requireSoundComparison(t, c.Comparison)
		if c.Test.Reason != "" || c.Difference.Reason != "" {
			return
		}
		if c.Exact {
			exact++
		}
		require.Equal(t, !c.Significant(), c.Difference.Contains(0), "%+v", c)
		require.Equal(t, a.small() || b.small(), c.Exact)
	})
	require.Positive(t, exact)
}

func TestProportionsSayWhatIsMissing(t *testing.T) {
	fine := Share{5, 10}
	require.Equal(t, Estimate{Value: 1, Low: math.SmallestNonzeroFloat64, High: 2}, Estimate{Value: 1, Low: -1, High: 2}.agreeing(true))
	require.Equal(t, Estimate{Value: -1, Low: -2, High: -math.SmallestNonzeroFloat64}, Estimate{Value: -1, Low: -2, High: 1}.agreeing(true))
	require.Equal(t, Estimate{Value: 1, Low: 0, High: 2}, Estimate{Value: 1, Low: 0.5, High: 2}.agreeing(false))
	for _, bad := range []Share{{}, {1, 0}, {-1, 4}, {5, 4}, {0, -3}} {
		require.True(t, bad.Wilson(0.95).NoValue)
		require.True(t, bad.ClopperPearson(0.95).NoValue)
		require.True(t, bad.Group().NoMean)
		require.True(t, NewcombeDifference(fine, bad, 0.95).NoValue)
		require.True(t, AgrestiCaffoDifference(bad, fine, 0.95).NoValue)
		require.NotEmpty(t, FisherExact(fine, bad).Reason)
		require.NotEmpty(t, PooledZ(bad, fine).Reason)
		c := CompareProportions(fine, bad, Options{})
		require.True(t, c.Difference.NoValue)
		require.False(t, c.Exact)
	}
	require.Contains(t, fine.Wilson(95).Reason, "level 95")
	require.Contains(t, NewcombeDifference(fine, fine, 0).Reason, "level 0")
	require.Contains(t, PooledZ(Share{0, 5}, Share{0, 9}).Reason, "alike")
	require.NotEmpty(t, CompareProportions(fine, fine, Options{Level: 2}).Difference.Reason)
	require.Equal(t, 1.0, FisherExact(Share{0, 5}, Share{0, 9}).PValue)
	require.NotEmpty(t, FisherExact(Share{0, math.MaxInt64}, Share{0, 9}).Reason)
}
