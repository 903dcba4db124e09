package stats

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Adjusting by a known slope is CUPED with a fixed slope.
func TestAdjustedGroupsAreThoseOfCUPED(t *testing.T) {
	sample := func(t *rapid.T, k int, name string) Moments {
		var m Moments
		for range rapid.IntRange(3, 30).Draw(t, name) {
			unit := make([]float64, k)
			for i := range unit {
				unit[i] = rapid.Float64Range(1, 50).Draw(t, "value")
			}
			require.NoError(t, m.Add(unit...))
		}
		return m
	}
	near := func(t *rapid.T, want, got Group) {
		require.Equal(t, want.N, got.N)
		require.InDelta(t, want.Mean, got.Mean, 1e-8)
		require.InDelta(t, want.Variance, got.Variance, 1e-6*(1+want.Variance))
	}
	rapid.Check(t, func(t *rapid.T) {
		theta := rapid.Float64Range(-0.9, 0.9).Draw(t, "theta")
		options := CUPEDOptions{Rule: FixedTheta, Theta: []float64{theta}, NoGuards: true}

		c, tr := sample(t, 2, "control"), sample(t, 2, "treatment")
		if want := CUPED(c, tr, options); want.Reason == "" {
			both := c
			require.NoError(t, both.Merge(tr))
			near(t, want.Control, GroupAdjusted(c, theta, both.Mean(1)))
			near(t, want.Treatment, GroupAdjusted(tr, theta, both.Mean(1)))
		}
		c, tr = sample(t, 4, "control"), sample(t, 4, "treatment")
		if want := CUPEDRatio(c, tr, options); want.Reason == "" {
			both := c
			require.NoError(t, both.Merge(tr))
			near(t, want.Control, GroupRatioAdjusted(c, theta, both.Mean(2)/both.Mean(3)))
			near(t, want.Treatment, GroupRatioAdjusted(tr, theta, both.Mean(2)/both.Mean(3)))
		}
	})
}

func TestAdjustedGroupsWithoutCovariates(t *testing.T) {
	var one Moments
	require.NoError(t, one.Add(1))
	require.Contains(t, GroupAdjusted(one, 1, 0).Reason, "no variable 1")
	require.Contains(t, GroupRatioAdjusted(one, 1, 0).Reason, "no variable")
	require.Equal(t, noUnits, GroupAdjusted(Moments{}, 1, 0).Reason)
}
