package stats

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestOneSidedBoundsAgreeWithTheirTests(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, tr := drawArms(t)
		o := drawOptions(t)
		o.Level = rapid.Float64Range(0.51, 0.9999).Draw(t, "one-sided level")
		got := CompareOneSided(c, tr, o)
		require.InDelta(t, 1, got.Greater.PValue+got.Less.PValue, 1e-12)
		alpha := 1 - o.Level
		if math.Min(math.Abs(got.Greater.PValue-alpha), math.Abs(got.Less.PValue-alpha)) < 1e-9 {
			t.Skip("rounding decides")
		}
		require.Equal(t, got.Greater.PValue <= alpha, got.DifferenceAtLeast.Low > 0)
		require.Equal(t, got.Less.PValue <= alpha, got.DifferenceAtMost.High < 0)
		require.Equal(t, math.Inf(1), got.DifferenceAtLeast.High)
		require.Equal(t, math.Inf(-1), got.DifferenceAtMost.Low)
		if got.LiftAtLeast.Reason == "" {
			require.Equal(t, got.Greater.PValue <= alpha, got.LiftAtLeast.Low > 0)
			require.Equal(t, got.Less.PValue <= alpha, got.LiftAtMost.High < 0)
		}
	})
	for _, level := range []float64{0.5, 0.2, 1, math.NaN(), -3} {
		got := CompareOneSided(Group{N: 9, Mean: 1, Variance: 1}, Group{N: 9, Mean: 2, Variance: 1}, Options{Level: level})
		require.Contains(t, got.Greater.Reason, "level")
		require.Equal(t, 1.0, got.DifferenceAtLeast.Value)
		require.Equal(t, 1.0, got.LiftAtMost.Value)
		require.Zero(t, got.Level)
	}
}

// A relative margin is kept exactly when Fieller's bound says so, a fixed or
// absolute one when the bound of the difference does.
func TestNonInferiorityAgreesWithTheBounds(t *testing.T) {
	shown := 0
	rapid.Check(t, func(t *rapid.T) {
		c, tr := drawArms(t)
		o := Options{Level: rapid.Float64Range(0.6, 0.999).Draw(t, "level"), Reference: Normal}
		m := Margin{
			Relative: rapid.Float64Range(0.001, 0.9).Draw(t, "margin"),
			Decrease: rapid.Bool().Draw(t, "decrease"), Fixed: rapid.Bool().Draw(t, "fixed"),
		}
		got := NonInferiority(c, tr, m, o)
		require.Empty(t, got.Test.Reason)
		if math.Abs(got.Test.PValue-(1-o.Level)) < 1e-9 {
			t.Skip("rounding decides")
		}
		if got.Shown() {
			shown++
		}
		if m.Fixed {
			require.Equal(t, got.Shown(), !got.Bound.Contains(got.Null), "%+v", got)
			return
		}
		lift := FiellerLift(c, tr, tCritical(2*(1-o.Level), math.Inf(1)))
		if lift.Reason != "" {
			t.Skip(lift.Reason)
		}
		if m.Decrease {
			require.Equal(t, got.Shown(), lift.High < m.Relative, "%+v %+v", got, lift)
		} else {
			require.Equal(t, got.Shown(), lift.Low > -m.Relative, "%+v %+v", got, lift)
		}
	})
	require.Positive(t, shown)
}

func TestNonInferiorityRefuses(t *testing.T) {
	a, b := Group{N: 90, Mean: 10, Variance: 4}, Group{N: 80, Mean: 10.1, Variance: 5}
	for reason, c := range map[string]struct {
		margin  Margin
		options Options
	}{
		"no margin":        {Margin{}, Options{}},
		"two margins":      {Margin{Absolute: 1, Relative: 1}, Options{}},
		"margin -1":        {Margin{Absolute: -1}, Options{}},
		"margin NaN":       {Margin{Relative: math.NaN()}, Options{}},
		"level 0.4":        {Margin{Absolute: 1}, Options{Level: 0.4}},
		"distribution 5":   {Margin{Absolute: 1}, Options{Reference: 5}},
		"margin leaves no": {Margin{Relative: 1}, Options{}},
	} {
		treatment := b
		if reason == "margin leaves no" {
			treatment.Variance = 0
			reason = "leaves nothing"
		}
		got := NonInferiority(a, treatment, c.margin, c.options)
		require.Contains(t, got.Test.Reason, reason)
		require.False(t, got.Shown())
		requireSoundEstimate(t, got.Bound)
	}
	require.Contains(t, NonInferiority(a, Group{}, Margin{Absolute: 1}, Options{}).Test.Reason, "treatment: no units")
	require.Contains(t, NonInferiorBound(a, b, Margin{Absolute: 1}, -2).Reason, "critical")
	require.True(t, NonInferiorBound(a, Group{}, Margin{Absolute: 1}, 2).NoValue)
	pooled := NonInferiority(a, b, Margin{Absolute: 1}, Options{Reference: PooledT})
	require.Equal(t, 168.0, pooled.Test.DF)
	require.True(t, pooled.Shown())
}
