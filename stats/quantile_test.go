package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The discrete quantile is the first value with enough values at or below it.
func TestDiscreteQuantileByCounting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-9, 9), 1, 40).Draw(t, "values")
		hundredths := rapid.IntRange(0, 100).Draw(t, "p")
		got, err := SampleQuantile(values, float64(hundredths)/100, Discrete)
		require.NoError(t, err)
		sorted := slices.Sorted(slices.Values(values))
		want := sorted[0]
		for i, v := range sorted {
			if want = v; (i+1)*100 >= hundredths*len(sorted) {
				break
			}
		}
		require.Equal(t, want, got)
		between, err := SampleQuantile(values, float64(hundredths)/100, Continuous)
		require.NoError(t, err)
		require.True(t, sorted[0] <= between && between <= sorted[len(sorted)-1])
	})
}

func TestQuantilesRefuse(t *testing.T) {
	for _, c := range []struct {
		values []float64
		p      float64
		kind   QuantileType
	}{{nil, 0.5, 0}, {[]float64{1}, -0.1, 0}, {[]float64{1}, math.NaN(), 0}, {[]float64{math.NaN()}, 0.5, 0}, {[]float64{1}, 0.5, 4}} {
		_, err := SampleQuantile(c.values, c.p, c.kind)
		require.ErrorIs(t, err, ErrValue)
	}
	for _, nu := range []float64{0, 1, math.NaN()} {
		_, err := NewOrderStatistics([]float64{1, 2}, nu)
		require.ErrorIs(t, err, ErrValue)
		_, err = GroupQuantile([][]float64{{1, 2}}, nu)
		require.ErrorIs(t, err, ErrValue)
	}
	_, err := NewOrderStatistics([]float64{math.Inf(1)}, 0.5)
	require.ErrorIs(t, err, ErrValue)
	_, err = GroupTrimmed([]float64{1}, 0.5)
	require.ErrorIs(t, err, ErrValue)
	_, err = GroupTrimmed([]float64{math.NaN()}, 0.1)
	require.ErrorIs(t, err, ErrValue)

	fine := OrderStatistics{N: 1000, Nu: 0.9, Quantile: 5, Low: 4, High: 6}
	require.Empty(t, fine.Group().Reason)
	for reason, change := range map[string]func(*OrderStatistics){
		"needs more than 35": func(o *OrderStatistics) { o.N = 34 },
		"not in order":       func(o *OrderStatistics) { o.Low = 7 },
		"between 0 and 1":    func(o *OrderStatistics) { o.Nu = 1 },
		"critical value":     func(o *OrderStatistics) { o.Z = -1 },
		"no units":           func(o *OrderStatistics) { o.N = 0 },
	} {
		o := fine
		change(&o)
		require.Contains(t, o.Group().Reason, reason)
		require.NotEmpty(t, o.GroupClustered(Moments{}).Reason)
	}
}

// Simulated: the standard error of a quantile, of independent values and of
// values in clusters, is near what repeated samples show.
func TestQuantileErrorsMatchSimulation(t *testing.T) {
	const seed, rounds = 20260722, 400
	random := rand.New(rand.NewPCG(seed, 1))
	for _, perUnit := range []int{1, 8} {
		var seen Moments
		claimed := 0.0
		for range rounds {
			units := make([][]float64, 400/perUnit)
			for u := range units {
				level := random.NormFloat64()
				for range perUnit {
					units[u] = append(units[u], math.Exp(level+0.5*random.NormFloat64()))
				}
			}
			g, err := GroupQuantile(units, 0.75)
			require.NoError(t, err)
			require.NoError(t, seen.Add(g.Mean))
			claimed += g.SE() / rounds
		}
		require.InEpsilon(t, math.Sqrt(seen.Variance(0)), claimed, 0.12, "seed %d, %d events per unit", seed, perUnit)
	}
}

func TestCap(t *testing.T) {
	arms := [][]float64{{0, 1, 2, 3, 100}, {0, 0, 5, 200}}
	got, err := Cap(arms, CapOptions{At: 4})
	require.NoError(t, err)
	require.Equal(t, []int64{1, 2}, got.Units)
	require.InDelta(t, 2, got.Arms[0].Mean(0), 1e-12)
	require.Equal(t, []float64{0, 1, 2, 3, 100}, arms[0], "the caller's values stay")

	zeros, err := Cap(arms, CapOptions{Percentile: 0.5, Type: Discrete})
	require.NoError(t, err)
	nonzero, err := Cap(arms, CapOptions{Percentile: 0.5, Type: Discrete, IgnoreZeros: true})
	require.NoError(t, err)
	require.Equal(t, []float64{2, 3}, []float64{zeros.Cap, nonzero.Cap})

	for _, o := range []CapOptions{{At: math.NaN()}, {At: 1, Percentile: 0.5}, {Percentile: 2}, {Percentile: 0.9, Type: 9}} {
		_, err := Cap(arms, o)
		require.ErrorIs(t, err, ErrValue)
	}
	_, err = Cap([][]float64{{0, 0}}, CapOptions{Percentile: 0.9, IgnoreZeros: true})
	require.ErrorIs(t, err, ErrValue)
	_, err = Cap([][]float64{{math.NaN()}}, CapOptions{At: 3})
	require.ErrorIs(t, err, ErrValue)
}

// R: yuen in WRS2 and by hand, values 1…9 and 50 with 20% off either end.
func TestGroupTrimmed(t *testing.T) {
	g, err := GroupTrimmed([]float64{50, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 0.2)
	require.NoError(t, err)
	require.Equal(t, int64(6), g.N)
	require.InDelta(t, 5.5, g.Mean, 1e-12)
	// winsorised: 3 3 3 4 5 6 7 8 8 8, sum of squares around 5.5 is 42.5
	require.InDelta(t, 42.5/(6*5), g.meanVariance(), 1e-12)
	none, err := GroupTrimmed([]float64{1, 5, 7, 9}, 0)
	require.NoError(t, err)
	require.Equal(t, GroupMean(momentsOf(t, Column([]float64{1, 5, 7, 9})), 0), none)
	_, err = GroupTrimmed(nil, 0.1)
	require.NoError(t, err)
}
