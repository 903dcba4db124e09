package stats

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func drawGroup(label string) *rapid.Generator[Group] {
	return rapid.Custom(func(t *rapid.T) Group {
		scale := math.Pow(10, rapid.Float64Range(-6, 6).Draw(t, label+" scale"))
		return Group{
			N:        rapid.Int64Range(2, 1_000_000).Draw(t, label+" n"),
			Mean:     scale * rapid.Float64Range(-3, 3).Draw(t, label+" mean"),
			Variance: scale * scale * rapid.Float64Range(0.001, 10).Draw(t, label+" variance"),
		}
	})
}

func drawOptions(t *rapid.T) Options {
	return Options{
		Level:     rapid.Float64Range(0.5, 0.9999).Draw(t, "level"),
		Reference: Reference(rapid.IntRange(0, 2).Draw(t, "reference")),
	}
}

// drawArms draws two arms whose difference is of the order of its standard
// error, so that significant and other results both occur.
func drawArms(t *rapid.T) (control, treatment Group) {
	control = drawGroup("control").Draw(t, "control")
	treatment = control
	treatment.N = rapid.Int64Range(2, 1_000_000).Draw(t, "n")
	treatment.Variance *= rapid.Float64Range(0, 4).Draw(t, "variance ratio")
	se := math.Hypot(control.SE(), treatment.SE())
	treatment.Mean += se * rapid.Float64Range(-4, 4).Draw(t, "standardised difference")
	return control, treatment
}

func TestLiftContainsZeroExactlyWhenNotSignificant(t *testing.T) {
	var significant, not int
	rapid.Check(t, func(t *rapid.T) {
		control, treatment := drawArms(t)
		o := drawOptions(t)
		c := Compare(control, treatment, o)
		if c.Lift.Reason != "" {
			t.Skip("no bounded lift: " + c.Lift.Reason)
		}
		alpha := 1 - o.Level
		if math.Abs(c.Test.PValue-alpha) < 1e-9*alpha {
			t.Skip("p is the level to the last digits, where rounding decides")
		}
		require.Equal(t, c.Test.PValue > alpha, c.Lift.Contains(0), "%+v", c)
		require.Equal(t, c.Test.PValue > alpha, c.Difference.Contains(0), "%+v", c)
		require.Equal(t, c.Significant(), !c.Lift.Contains(0))
		require.True(t, c.Lift.Contains(c.Lift.Value), "%+v", c.Lift)
		if c.Significant() {
			significant++
		} else {
			not++
		}
	})
	require.Positive(t, significant)
	require.Positive(t, not)
}

// Both ends of Fieller's interval must solve his equation.
func TestFiellerEndsSolveTheEquation(t *testing.T) {
	bounded := 0
	rapid.Check(t, func(t *rapid.T) {
		control, treatment := drawArms(t)
		critical := rapid.Float64Range(0.5, 4).Draw(t, "critical")
		e := FiellerLift(control, treatment, critical)
		if e.Reason != "" {
			t.Skip(e.Reason)
		}
		bounded++
		sign := math.Copysign(1, control.Mean)
		for _, end := range []float64{e.Low, e.High} {
			r := 1 + sign*end
			residual := treatment.Mean - r*control.Mean
			se := math.Hypot(treatment.SE(), r*control.SE())
			noise := 1e-12 * (math.Abs(treatment.Mean) + math.Abs(r*control.Mean))
			require.InDelta(t, critical*se, math.Abs(residual), 1e-9*critical*se+noise)
		}
	})
	require.Positive(t, bounded, "every draw was unbounded")
}

func TestDifferenceIsAntisymmetric(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawArms(t)
		o := drawOptions(t)
		ab, ba := Compare(a, b, o), Compare(b, a, o)
		require.Equal(t, ab.Difference.Value, -ba.Difference.Value)
		require.Equal(t, ab.Difference.SE, ba.Difference.SE)
		require.InDelta(t, ab.Difference.Low, -ba.Difference.High, 1e-12*ab.Difference.SE)
		require.InEpsilon(t, ab.Test.PValue, ba.Test.PValue, 1e-9)
	})
}

// Flipping the sign of the metric flips the difference and, because the lift
// is relative to the size of the baseline, the lift.
func TestLiftFollowsTheMetricsSign(t *testing.T) {
	flip := func(g Group) Group { g.Mean = -g.Mean; return g }
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawArms(t)
		x := FiellerLift(a, b, 2)
		y := FiellerLift(flip(a), flip(b), 2)
		require.Equal(t, x.Reason, y.Reason)
		require.Equal(t, x.Value, -y.Value)
		require.Equal(t, [2]float64{x.Low, x.High}, [2]float64{-y.High, -y.Low})
		d, e := DeltaLift(a, b, 2), DeltaLift(flip(a), flip(b), 2)
		require.Equal(t, [2]float64{d.Low, d.High}, [2]float64{-e.High, -e.Low})
	})
	up := Compare(Group{N: 100, Mean: -10, Variance: 4}, Group{N: 100, Mean: -5, Variance: 4}, Options{})
	require.Equal(t, 0.5, up.Lift.Value)
	require.Positive(t, up.Lift.Low)
}

// With a control that is known much better than the treatment, all three
// intervals for the lift are the same.
func TestLiftIntervalsAgreeForAPreciseControl(t *testing.T) {
	control := Group{N: 1 << 40, Mean: 7, Variance: 2}
	treatment := Group{N: 1_000_000, Mean: 7.7, Variance: 5}
	f, d, l := FiellerLift(control, treatment, 2), DeltaLift(control, treatment, 2), LogLift(control, treatment, 2)
	for _, e := range []Estimate{f, d, l} {
		require.Empty(t, e.Reason)
		require.InDelta(t, 0.1, e.Value, 1e-12)
		require.InDelta(t, d.Low, e.Low, 1e-6)
		require.InDelta(t, d.High, e.High, 1e-6)
	}
	require.Greater(t, d.High-d.Low, 1e-4)
}

// Each row says which parts stand and what the reason must mention.
func TestCompareSaysWhatIsMissing(t *testing.T) {
	fine := Group{N: 100, Mean: 2, Variance: 1}
	type stands struct{ difference, interval, test, lift, liftInterval bool }
	all := stands{true, true, true, true, true}
	onlyValues := stands{difference: true, lift: true}
	for name, c := range map[string]struct {
		control, treatment Group
		options            Options
		want               stands
		reason             string
	}{
		"nothing missing":     {fine, Group{N: 50, Mean: 2.5, Variance: 2}, Options{}, all, ""},
		"one arm constant":    {fine, Group{N: 50, Mean: 2.5}, Options{}, all, ""},
		"empty treatment":     {fine, Group{}, Options{}, stands{}, "treatment: no units"},
		"both arms empty":     {Group{}, Group{}, Options{}, stands{}, "control: no units; treatment: no units"},
		"one unit":            {Group{N: 1, Mean: 3}, fine, Options{}, onlyValues, "control: 1 unit"},
		"no variance":         {Group{N: 9, Mean: 3}, Group{N: 9, Mean: 4}, Options{}, onlyValues, "neither arm varies"},
		"zero baseline":       {Group{N: 9, Variance: 1}, fine, Options{}, stands{true, true, true, false, false}, "control mean is 0"},
		"vague baseline":      {Group{N: 9, Mean: 0.1, Variance: 1}, fine, Options{}, stands{true, true, true, true, false}, "Fieller"},
		"NaN mean":            {fine, Group{N: 9, Mean: math.NaN(), Variance: 1}, Options{}, stands{}, "range of float64"},
		"negative variance":   {fine, Group{N: 9, Mean: 1, Variance: -1}, Options{}, onlyValues, "negative"},
		"difference overflow": {Group{N: 9, Mean: -1.7e308, Variance: 1}, Group{N: 9, Mean: 1.7e308, Variance: 1}, Options{}, stands{}, "range of float64"},
		"variance overflow":   {Group{N: 2, Mean: 1, Variance: 1.7e308}, Group{N: 2, Mean: 1, Variance: 1.7e308}, Options{}, stands{true, true, true, true, false}, "Fieller"},
		"bad level":           {fine, fine, Options{Level: 95}, onlyValues, "level 95"},
		"NaN level":           {fine, fine, Options{Level: math.NaN()}, onlyValues, "level NaN"},
		"bad reference":       {fine, fine, Options{Reference: 7}, onlyValues, "distribution 7"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Compare(c.control, c.treatment, c.options)
			require.Equal(t, c.want, stands{
				!got.Difference.NoValue, got.Difference.Reason == "", got.Test.Reason == "",
				!got.Lift.NoValue, got.Lift.Reason == "",
			}, "%+v", got)
			require.Contains(t, got.Difference.Reason+got.Lift.Reason, c.reason)
			if got.Test.Reason != "" {
				require.Equal(t, 1.0, got.Test.PValue)
				require.False(t, got.Significant())
			}

			data, err := json.Marshal(got)
			require.NoError(t, err)
			var back Comparison
			require.NoError(t, json.Unmarshal(data, &back))
			require.Equal(t, got, back)
		})
	}
}

func TestPValueIsNeverZero(t *testing.T) {
	for _, far := range []float64{1e3, 1e100, 1e160} {
		for _, r := range []Reference{WelchT, PooledT, Normal} {
			c := Compare(Group{N: 1e6, Mean: 1, Variance: 1}, Group{N: 1e6, Mean: far, Variance: 1}, Options{Reference: r})
			require.Empty(t, c.Test.Reason)
			require.Positive(t, c.Test.PValue)
			require.True(t, c.Significant())
		}
	}
}

// Welch's degrees of freedom lie between the smaller arm's and the pooled
// ones, also where squares of the variances leave float64.
func TestWelchDFBounds(t *testing.T) {
	for _, scale := range []float64{1e-300, 1e-160, 1, 1e160, 1e290} {
		df := welchDF(3*scale, 10, 2*scale, 20)
		require.InEpsilon(t, 25.0/(9.0/9+4.0/19), df, 1e-12, "scale %v", scale)
	}
	require.Equal(t, 19.0, welchDF(0, 10, 1, 20))
}

func TestLiftFunctionsGiveReasons(t *testing.T) {
	fine := Group{N: 100, Mean: 2, Variance: 1}
	for _, critical := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		for _, f := range []func(Group, Group, float64) Estimate{FiellerLift, DeltaLift, LogLift} {
			e := f(fine, fine, critical)
			require.Contains(t, e.Reason, "critical value")
			require.False(t, e.NoValue)
		}
	}
	e := LogLift(fine, Group{N: 100, Mean: -1, Variance: 1}, 2)
	require.Contains(t, e.Reason, "same sign")
	require.Equal(t, -1.5, e.Value)

	// log scale with both means negative: mirrored
	up := LogLift(Group{N: 100, Mean: -10, Variance: 1}, Group{N: 100, Mean: -5, Variance: 1}, 2)
	require.Empty(t, up.Reason)
	require.Equal(t, 0.5, up.Value)
	require.True(t, 0 < up.Low && up.Low < 0.5 && 0.5 < up.High)
}

func TestEstimateJSON(t *testing.T) {
	for text, e := range map[string]Estimate{
		`{"value":1,"se":0.5,"low":0,"high":2}`:                {Value: 1, SE: 0.5, Low: 0, High: 2},
		`{"value":1,"low":null,"high":2}`:                      {Value: 1, Low: math.Inf(-1), High: 2},
		`{"value":1,"low":null,"high":null,"reason":"r"}`:      {Value: 1, Reason: "r"},
		`{"value":null,"low":null,"high":null,"reason":"why"}`: {NoValue: true, Reason: "why"},
	} {
		data, err := json.Marshal(e)
		require.NoError(t, err)
		require.JSONEq(t, text, string(data))
		var back Estimate
		require.NoError(t, json.Unmarshal(data, &back))
		require.Equal(t, e, back)
	}
	data, err := json.Marshal(Estimate{Value: math.NaN(), SE: math.Inf(1), Low: math.NaN()})
	require.NoError(t, err, "not even a hand-made estimate puts NaN into JSON")
	require.NotContains(t, string(data), "NaN")
	require.Error(t, json.Unmarshal([]byte(`{"low":1}`), new(Estimate)))
	require.Error(t, json.Unmarshal([]byte(`{"statistic":1}`), new(Test)))
	require.Error(t, json.Unmarshal([]byte(`{"n":4,"mean":1}`), new(Group)))
}
