package stats

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestBootstrapIsTheSameForAnyNumberOfWorkers(t *testing.T) {
	arms := [][][]float64{Column([]float64{1, 5, 2, 8, 0, 3}), Column([]float64{2, 2, 9, 4})}
	one := Bootstrap(arms, MeanDifference, BootstrapOptions{Resamples: 501, Seed: 7, Workers: 1})
	require.Empty(t, one.Reason)
	for _, workers := range []int{2, 3, 16, 600} {
		require.Equal(t, one, Bootstrap(arms, MeanDifference, BootstrapOptions{Resamples: 501, Seed: 7, Workers: workers}))
	}
	require.NotEqual(t, one, Bootstrap(arms, MeanDifference, BootstrapOptions{Resamples: 501, Seed: 8}))
}

// The ideal bootstrap's SE of a mean has a closed form, and the drawn one
// comes near the ideal one.
func TestBootstrapExactClosedForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-9, 9), 2, 8).Draw(t, "values")
		m := momentsOf(t, Column(values))
		if m.Comoment(0, 0) < 1e-6 {
			t.Skip("values hardly vary")
		}
		e := BootstrapExact([][][]float64{Column(values)}, armMean, 0.9)
		require.InEpsilon(t, math.Sqrt(m.Comoment(0, 0))/float64(len(values)), e.SE, 1e-9)
		requireSoundEstimate(t, e)
	})
	arms := [][][]float64{Column([]float64{1, 5, 2, 8, 0}), Column([]float64{2, 2, 9, 4, 5})}
	exact, drawn := BootstrapExact(arms, MeanDifference, 0.95), Bootstrap(arms, MeanDifference, BootstrapOptions{Resamples: 20_000, Seed: 3})
	require.InEpsilon(t, exact.SE, drawn.SE, 0.02)
	require.InDelta(t, exact.Low, drawn.Low, 0.3)
	require.InDelta(t, exact.High, drawn.High, 0.3)
}

func TestBootstrapRefuses(t *testing.T) {
	two := [][][]float64{Column([]float64{1, 2}), Column([]float64{3, 5})}
	for reason, e := range map[string]Estimate{
		"no arms":          Bootstrap(nil, MeanDifference, BootstrapOptions{}),
		"arm 1: no units":  Bootstrap([][][]float64{two[0], nil}, MeanDifference, BootstrapOptions{}),
		"has 2 values":     Bootstrap([][][]float64{two[0], {{1, 2}}}, MeanDifference, BootstrapOptions{}),
		"units is not":     Bootstrap([][][]float64{Column([]float64{0}), two[1]}, MeanLift, BootstrapOptions{}),
		"a resample is":    Bootstrap([][][]float64{Column([]float64{0, 1}), two[1]}, MeanLift, BootstrapOptions{}),
		"no resample":      Bootstrap([][][]float64{Column([]float64{1}), Column([]float64{2})}, MeanLift, BootstrapOptions{}),
		"1 resamples":      Bootstrap(two, MeanLift, BootstrapOptions{Resamples: 1}),
		"-1 workers":       Bootstrap(two, MeanLift, BootstrapOptions{Workers: -1}),
		"level 9":          Bootstrap(two, MeanLift, BootstrapOptions{Level: 9}),
		"level 0":          BootstrapExact(two, MeanLift, 0),
		"more than":        BootstrapExact([][][]float64{Column(make([]float64, 40)), two[1]}, MeanDifference, 0.95),
		"arm 0: no units":  BootstrapExact([][][]float64{nil}, armMean, 0.95),
		"has 0 values":     BootstrapExact([][][]float64{{{}}}, armMean, 0.95),
		"differs from ano": BootstrapExact([][][]float64{Column([]float64{4, 4})}, armMean, 0.95),
	} {
		require.Contains(t, e.Reason, reason)
		requireSoundEstimate(t, e)
	}
	ratio := Bootstrap([][][]float64{{{1, 2}, {3, 4}, {2, 5}}, {{1, 1}, {3, 2}, {2, 5}}}, RatioDifference, BootstrapOptions{})
	require.Empty(t, ratio.Reason)
	require.InDelta(t, 6.0/8-6.0/11, ratio.Value, 1e-12)
}
