package stats

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The delta method is a linearisation: q is the sample variance of
// (num − R·den)/mean_den over the units.
func TestGroupRatioIsTheVarianceOfTheLinearisedUnits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		units := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) []float64 {
			return []float64{rapid.Float64Range(-9, 9).Draw(t, "num"), float64(rapid.IntRange(0, 20).Draw(t, "den"))}
		}), 2, 50).Draw(t, "units")
		m := momentsOf(t, units)
		g := GroupRatio(m, 0, 1)
		if g.NoMean {
			require.Zero(t, m.Mean(1))
			return
		}
		var linear Moments
		for _, u := range units {
			require.NoError(t, linear.Add((u[0]-g.Mean*u[1])/m.Mean(1)))
		}
		scale := (m.Variance(0) + g.Mean*g.Mean*m.Variance(1)) / m.Mean(1) / m.Mean(1)
		require.InDelta(t, linear.Variance(0), g.Variance, 1e-11*scale)
		require.InDelta(t, math.Sqrt(g.Variance/float64(len(units))), g.SE(), 1e-15*math.Sqrt(scale))
	})
}

func TestGroupRatioOfProportionalSumsDoesNotVary(t *testing.T) {
	var m Moments
	for i := range 1000 {
		den := 0.1 * float64(i%17)
		require.NoError(t, m.Add(0.3*den, den))
	}
	g := GroupRatio(m, 0, 1)
	require.Empty(t, g.Reason)
	require.Zero(t, g.Variance, "rounding is no variance")
	require.InDelta(t, 0.3, g.Mean, 1e-12)
}

func TestGroupReasons(t *testing.T) {
	one := momentsOf(t, [][]float64{{3, 0}})
	two := momentsOf(t, [][]float64{{3, 0}, {1, 0}})
	for name, c := range map[string]struct {
		group  Group
		reason string
		noMean bool
	}{
		"mean of nothing":      {GroupMean(Moments{}, 0), "no units", true},
		"proportion of none":   {GroupProportion(Moments{}, 0), "no units", true},
		"ratio of nothing":     {GroupRatio(Moments{}, 0, 1), "no units", true},
		"one unit":             {GroupMean(one, 0), "1 unit", false},
		"denominators are 0":   {GroupRatio(two, 0, 1), "denominators", true},
		"a share above 1":      {GroupProportion(two, 0), "share of 2", true},
		"nothing wrong":        {GroupMean(two, 0), "", false},
		"unknown without text": {Group{N: 4, NoMean: true}.checked(), "not known", true},
	} {
		require.Equal(t, c.noMean, c.group.NoMean, name)
		if c.reason == "" {
			require.Empty(t, c.group.Reason, name)
			require.Equal(t, 1.0, c.group.SE())
		} else {
			require.Contains(t, c.group.Reason, c.reason, name)
			require.Zero(t, c.group.SE(), name)
		}
		data, err := json.Marshal(c.group)
		require.NoError(t, err)
		var back Group
		require.NoError(t, json.Unmarshal(data, &back))
		require.Equal(t, c.group, back, "%s: %s", name, data)
	}
	for _, g := range []Group{GroupMean(two, 2), GroupProportion(two, -1), GroupRatio(two, 0, 7)} {
		require.True(t, g.NoMean)
		require.Contains(t, g.Reason, "no variable")
	}
}

func TestGroupProportionUsesTheBinomialVariance(t *testing.T) {
	var s Sums
	for i := range int64(10) {
		require.NoError(t, s.Add(i/7)) // 3 of 10
	}
	g := GroupProportion(s.Moments(), 0)
	require.InDelta(t, 0.21, g.Variance, 1e-15)
	require.InDelta(t, 0.21*10/9, GroupMean(s.Moments(), 0).Variance, 1e-15)
}
