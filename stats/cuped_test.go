package stats

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawHistory draws units of a metric that depends on k covariates.
func drawHistory(t *rapid.T, k int, label string) [][]float64 {
	n := rapid.IntRange(8, 60).Draw(t, label+" units")
	units := make([][]float64, n)
	for i := range units {
		unit := make([]float64, k+1)
		unit[0] = rapid.Float64Range(-5, 5).Draw(t, "noise")
		for j := 1; j <= k; j++ {
			unit[j] = rapid.Float64Range(0, 10).Draw(t, "covariate")
			unit[0] += float64(j) * unit[j]
		}
		units[i] = unit
	}
	return units
}

// The adjusted groups are those of the units' own y − theta·(x − x̄).
func TestCUPEDIsTheComparisonOfAdjustedUnits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.IntRange(1, 5).Draw(t, "covariates")
		rule := ThetaRule(rapid.IntRange(0, 1).Draw(t, "rule"))
		arms := [2][][]float64{drawHistory(t, k, "control"), drawHistory(t, k, "treatment")}
		c, tr := momentsOf(t, arms[0]), momentsOf(t, arms[1])
		both, err := mergedMoments(c, tr)
		require.NoError(t, err)
		r := CUPED(c, tr, CUPEDOptions{Rule: rule, NoGuards: true})
		require.Empty(t, r.Reason)
		requireSoundCUPED(t, r)
		for a, g := range []Group{r.Control, r.Treatment} {
			var want Moments
			for _, unit := range arms[a] {
				y := unit[0]
				for j, theta := range r.ControlTheta {
					y -= theta * (unit[j+1] - both.Mean(j+1))
				}
				require.NoError(t, want.Add(y))
			}
			require.InDelta(t, want.Mean(0), g.Mean, 1e-9)
			require.InDelta(t, want.Variance(0), g.Variance, 1e-8*(1+want.Variance(0)))
		}
		require.Equal(t, r.ControlTheta, r.TreatmentTheta)
		d := Compare(r.Control, r.Treatment, Options{}).Difference
		require.InDelta(t, d.Value, r.Baseline.Treatment-r.Baseline.Control, 1e-9)
	})
}

// No slope gives a smaller residual variance within an arm than its own.
func TestCUPEDPerArmMinimisesTheResiduals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.IntRange(1, 3).Draw(t, "covariates")
		c, tr := momentsOf(t, drawHistory(t, k, "control")), momentsOf(t, drawHistory(t, k, "treatment"))
		r := CUPED(c, tr, CUPEDOptions{Rule: PerArm, NoGuards: true})
		require.Empty(t, r.Reason)
		s := sampleOfMeans(c)
		for i := range k {
			for _, step := range []float64{-0.01, 0.01} {
				other := append([]float64(nil), r.ControlTheta...)
				other[i] += step
				require.GreaterOrEqual(t, s.adjusted(other), s.adjusted(r.ControlTheta)*(1-1e-9))
			}
		}
	})
}

func TestCUPEDRatioIsTheComparisonOfLinearisedUnits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) [][]float64 {
			unit := rapid.Custom(func(t *rapid.T) []float64 {
				before := float64(rapid.IntRange(1, 9).Draw(t, "events before"))
				events := float64(rapid.IntRange(1, 9).Draw(t, "events"))
				level := rapid.Float64Range(0, 3).Draw(t, "level")
				return []float64{
					events * (level + rapid.Float64Range(0, 1).Draw(t, "noise")), events,
					before * (level + rapid.Float64Range(0, 1).Draw(t, "noise before")), before,
				}
			})
			return rapid.SliceOfN(unit, 5, 40).Draw(t, label)
		}
		arms := [2][][]float64{draw("control"), draw("treatment")}
		c, tr := momentsOf(t, arms[0]), momentsOf(t, arms[1])
		r := CUPEDRatio(c, tr, CUPEDOptions{NoGuards: true})
		if r.Reason != "" {
			t.Skip(r.Reason)
		}
		theta := r.ControlTheta[0]
		for a, g := range []Group{r.Control, r.Treatment} {
			m := []Moments{c, tr}[a]
			ratio, before := m.Mean(0)/m.Mean(1), m.Mean(2)/m.Mean(3)
			var linear Moments
			for _, u := range arms[a] {
				require.NoError(t, linear.Add((u[0]-ratio*u[1])/m.Mean(1)-theta*(u[2]-before*u[3])/m.Mean(3)))
			}
			require.InDelta(t, linear.Variance(0), g.Variance, 1e-9*(1+g.Variance))
		}
	})
}

func TestCUPEDSaysWhyItDoesNotAdjust(t *testing.T) {
	units := func(n int, y, x func(i int) float64) Moments {
		var m Moments
		for i := range n {
			require.NoError(t, m.Add(y(i), x(i)))
		}
		return m
	}
	linear := func(i int) float64 { return float64(i % 17) }
	zigzag := func(i int) float64 { return float64(i%17) + float64(i%3) }
	shifted := func(i int) float64 { return float64(i%17) + 9 }
	flat := func(int) float64 { return 4 }
	noise := func(i int) float64 { return float64((i * i) % 7) }
	for name, c := range map[string]struct {
		control, treatment Moments
		options            CUPEDOptions
		reason             string
	}{
		"it adjusts":        {units(200, zigzag, linear), units(201, zigzag, linear), CUPEDOptions{}, ""},
		"few units":         {units(49, zigzag, linear), units(50, zigzag, linear), CUPEDOptions{}, "99 units"},
		"fewer allowed":     {units(49, zigzag, linear), units(50, zigzag, linear), CUPEDOptions{MinUnits: 50}, ""},
		"imbalance":         {units(200, zigzag, linear), units(200, zigzag, shifted), CUPEDOptions{}, "differs between the arms"},
		"imbalance allowed": {units(200, zigzag, linear), units(200, zigzag, shifted), CUPEDOptions{BalanceAlpha: 1e-300}, ""},
		"constant":          {units(200, zigzag, flat), units(200, zigzag, flat), CUPEDOptions{}, "no covariate varies"},
		"constant per arm":  {units(200, zigzag, flat), units(200, zigzag, func(int) float64 { return 5 }), CUPEDOptions{NoGuards: true}, "no covariate varies"},
		"makes it worse":    {units(200, noise, linear), units(200, noise, linear), CUPEDOptions{Rule: FixedTheta, Theta: []float64{3}}, "do not lower"},
		"two slopes":        {units(200, zigzag, linear), units(200, zigzag, linear), CUPEDOptions{Rule: FixedTheta, Theta: []float64{3, 1}}, "2 fixed slopes for 1"},
		"unknown rule":      {units(200, zigzag, linear), units(200, zigzag, linear), CUPEDOptions{Rule: 9}, "rule 9"},
		"no covariate":      {momentsOf(t, [][]float64{{1}, {2}}), momentsOf(t, [][]float64{{1}, {3}}), CUPEDOptions{}, "no covariate"},
		"other variables":   {units(9, zigzag, linear), momentsOf(t, [][]float64{{1}, {3}}), CUPEDOptions{}, "do not fit"},
		"empty arm":         {units(200, zigzag, linear), Moments{}, CUPEDOptions{}, "treatment: no units"},
		"both empty":        {Moments{}, Moments{}, CUPEDOptions{}, "no covariate"},
		"too few per arm":   {units(2, zigzag, linear), units(200, zigzag, linear), CUPEDOptions{Rule: PerArm, NoGuards: true}, "too few for 1 slopes"},
	} {
		t.Run(name, func(t *testing.T) {
			r := CUPED(c.control, c.treatment, c.options)
			requireSoundCUPED(t, r)
			if c.reason == "" {
				require.Empty(t, r.Reason)
				require.Positive(t, r.VarianceReduction)
				return
			}
			require.Contains(t, r.Reason, c.reason)
			require.Equal(t, GroupMean(c.control, 0), r.Control)
			require.Equal(t, GroupMean(c.treatment, 0), r.Treatment)
			require.Zero(t, r.VarianceReduction)
		})
	}
	r := CUPEDRatio(units(9, zigzag, linear), units(9, zigzag, linear), CUPEDOptions{})
	require.Contains(t, r.Reason, "4 variables")
}

// A covariate twice is as good as once.
func TestCUPEDLeavesOutWhatFollowsFromOthers(t *testing.T) {
	var once, twice, onceT, twiceT Moments
	for i := range 300 {
		x := float64(i % 11)
		y := 2*x + float64(i%5)
		require.NoError(t, once.Add(y, x))
		require.NoError(t, twice.Add(y, x, 3*x))
		require.NoError(t, onceT.Add(y+1, x))
		require.NoError(t, twiceT.Add(y+1, x, 3*x))
	}
	a, b := CUPED(once, onceT, CUPEDOptions{}), CUPED(twice, twiceT, CUPEDOptions{})
	require.Empty(t, a.Reason+b.Reason)
	require.InDelta(t, a.Control.Mean, b.Control.Mean, 1e-9)
	require.InEpsilon(t, a.Treatment.Variance, b.Treatment.Variance, 1e-9)
	require.Zero(t, b.ControlTheta[1])
}

func TestBalanceOfTwoArmsIsWelchs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawArms(t)
		if a.Variance == 0 || b.Variance == 0 {
			t.Skip("an arm does not vary")
		}
		want := Balance(a, b)
		f := welchF([]Group{a, b})
		require.InDelta(t, want.Statistic*want.Statistic, f.Statistic, 1e-9*(1+f.Statistic))
		require.InEpsilon(t, want.DF, f.DF, 1e-9)
		require.InEpsilon(t, want.PValue, f.PValue, 1e-6)
	})
	require.Contains(t, Balance(Group{N: 9, Variance: 1}).Reason, "1 arms")
	require.Contains(t, Balance(Group{N: 9, Variance: 1}, Group{N: 9}, Group{N: 9, Variance: 1}).Reason, "arm 1 does not vary")
	require.Contains(t, Balance(Group{N: 9, Variance: 1}, Group{}, Group{N: 9, Variance: 1}).Reason, "arm 1: no units")
}

// R: oneway.test(y ~ g, data.frame(y = c(1,2,3,4, 2,4,6,9,9, 1,1,5,3),
// g = rep(1:3, c(4,5,4)))).
func TestBalanceOfThreeArms(t *testing.T) {
	column := func(values ...float64) Group { return GroupMean(momentsOf(t, Column(values)), 0) }
	test := Balance(column(1, 2, 3, 4), column(2, 4, 6, 9, 9), column(1, 1, 5, 3))
	require.Empty(t, test.Reason)
	// Computed from Welch's formulas by hand.
	w := []float64{4 / (5.0 / 3), 5 / 9.5, 4 / (11.0 / 3)}
	total := w[0] + w[1] + w[2]
	center := (w[0]*2.5 + w[1]*6 + w[2]*2.5) / total
	between := (w[0]*math.Pow(2.5-center, 2) + w[1]*math.Pow(6-center, 2) + w[2]*math.Pow(2.5-center, 2)) / 2
	spread := math.Pow(1-w[0]/total, 2)/3 + math.Pow(1-w[1]/total, 2)/4 + math.Pow(1-w[2]/total, 2)/3
	require.InEpsilon(t, between/(1+2.0/8*spread), test.Statistic, 1e-12)
	require.InEpsilon(t, 8/(3*spread), test.DF, 1e-12)
}

func TestFSurvivalLimits(t *testing.T) {
	for _, df1 := range []float64{2, 5} {
		for _, f := range []float64{0.3, 1, 4, 30} {
			// near the switch to chi-square both forms agree
			require.InEpsilon(t, fSurvival(f, df1, 2e7), fSurvival(f, df1, 9e6), 1e-3)
		}
		require.Equal(t, 1.0, fSurvival(0, df1, 10))
	}
	// F(2, d) has the closed form (1 + 2f/d)^(−d/2).
	for _, d := range []float64{3, 50, 4000, 1e6} {
		for _, f := range []float64{0.01, 1, 12, 90} {
			require.InEpsilon(t, math.Exp(-d/2*math.Log1p(2*f/d)), fSurvival(f, 2, d), 1e-8, "f %v d %v", f, d)
		}
	}
}
