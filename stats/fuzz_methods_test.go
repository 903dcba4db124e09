package stats

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// The fuzz targets feed any numbers to a method and check that nothing that
// comes out is NaN, an infinity, a p-value outside (0, 1] or an interval
// without its own estimate. Infinite ends are for one-sided bounds only.

func soundEstimate(t *testing.T, e Estimate, oneSided bool) {
	t.Helper()
	_, err := json.Marshal(e)
	require.NoError(t, err)
	require.True(t, isFinite(e.Value) && isFinite(e.SE), "%+v", e)
	if e.Reason != "" {
		return
	}
	require.False(t, e.NoValue)
	require.True(t, e.Contains(e.Value), "%+v", e)
	if !oneSided {
		require.True(t, isFinite(e.Low) || isFinite(e.High), "%+v", e)
	}
}

func soundTest(t *testing.T, test Test) {
	t.Helper()
	require.True(t, test.PValue > 0 && test.PValue <= 1, "%+v", test)
	require.True(t, isFinite(test.Statistic) && isFinite(test.DF), "%+v", test)
	if test.Reason != "" {
		require.Equal(t, 1.0, test.PValue)
	}
}

func soundComparison(t *testing.T, c Comparison) {
	t.Helper()
	soundEstimate(t, c.Difference, false)
	soundEstimate(t, c.Lift, false)
	soundTest(t, c.Test)
	_, err := json.Marshal(c)
	require.NoError(t, err)
}

func sound(t *testing.T, low float64, values ...float64) {
	t.Helper()
	for i, v := range values {
		require.True(t, isFinite(v) && v >= low, "number %d is %v", i, v)
	}
}

func FuzzAnytime(f *testing.F) {
	inf, nan := math.Inf(1), math.NaN()
	f.Add(int64(100), 1.0, 2.0, int64(90), 1.5, 1.0, 0.95, 5000.0, true)
	f.Add(int64(0), nan, inf, int64(-1), -inf, -1.0, nan, 0.0, false)
	f.Add(int64(math.MaxInt64), 1e308, 1e308, int64(math.MaxInt64), -1e308, 5e-324, 1e-17, 1e30, true)
	f.Add(int64(2), 5e-324, 5e-324, int64(2), 0.0, 0.0, 1-1e-16, 1.0, false)
	f.Fuzz(func(t *testing.T, nC int64, mC, vC float64, nT int64, mT, vT, level, tuning float64, exact bool) {
		c, tr := Group{N: nC, Mean: mC, Variance: vC}, Group{N: nT, Mean: mT, Variance: vT}
		s := ConfidenceSequence{Level: level, TuningN: tuning, ExactRho: exact, MinimumUnits: -1}
		h := Hybrid{Sequence: s}
		history := LookHistory{
			Anytime(c, tr, s), AnytimeMSPRT(c, tr, MSPRT{Level: level, MixingVariance: tuning}),
			AnytimeStatsig(c, tr, level), h.Running(c, tr), h.AtEnd(c, tr), Anytime(tr, c, ConfidenceSequence{}),
		}
		for _, look := range history {
			soundComparison(t, look)
		}
		soundTest(t, history.Test())
		soundEstimate(t, history.Difference(), false)
		soundEstimate(t, history.Lift(), false)
		for _, p := range history.PValues() {
			require.True(t, p > 0 && p <= 1)
		}
		for _, prior := range []NormalPrior{{}, {Mean: mT, SD: tuning}} {
			for _, p := range []Posterior{BayesLift(c, tr, prior, level), BayesDifference(c, tr, prior, level)} {
				soundEstimate(t, p.Effect, false)
				sound(t, 0, p.Win, p.LossShip, p.LossKeep, 1-p.Win)
			}
		}
	})
}

func FuzzSequences(f *testing.F) {
	inf, nan := math.Inf(1), math.NaN()
	f.Add(1.0, 0.5, int64(1000), 0.95, 5000.0)
	f.Add(nan, inf, int64(-5), -1.0, nan)
	f.Add(1e308, 5e-324, int64(math.MaxInt64), 1e-300, 1e300)
	f.Add(-1e308, 1e308, int64(1), 0.9999999999999999, 5e-324)
	f.Fuzz(func(t *testing.T, value, se float64, n int64, level, tuning float64) {
		s := ConfidenceSequence{Level: level, TuningN: tuning}
		a := AnytimeLinear{Level: level, G: tuning}
		m := MSPRT{Level: level, MixingVariance: tuning}
		mix := NormalMixture{Level: level, TuningV: tuning}
		df := float64(n) - 2
		soundEstimate(t, s.Estimate(value, se, n), false)
		soundEstimate(t, s.LowerBound(value, se, n), true)
		soundEstimate(t, s.UpperBound(value, se, n), true)
		soundEstimate(t, a.Estimate(value, se, df, n), false)
		soundEstimate(t, m.Estimate(value, se), false)
		for _, test := range []Test{
			s.Test(value, se, n), s.TestGreater(value, se, n), a.Test(value, se, df, n),
			m.Test(value, se), mix.Test(value, se),
		} {
			soundTest(t, test)
		}
		sound(t, 0, s.Multiplier(n), s.RhoSquared(), a.Multiplier(df, n), m.Multiplier(se), mix.Rho(), mix.Bound(se))
		sound(t, -math.MaxFloat64, a.LogEValue(value, df, n), m.LogLikelihoodRatio(value, se))
		soundEstimate(t, AdjustedInterval(Estimate{Value: 1, Low: 0, High: 2}, value, level), false)
	})
}

func FuzzGroupSequential(f *testing.F) {
	inf, nan := math.Inf(1), math.NaN()
	f.Add(0.2, 0.5, 1.0, 0.95, 2.0, 0, false, 2.1)
	f.Add(nan, inf, -1.0, 2.0, nan, 9, true, nan)
	f.Add(5e-324, 1e-320, 1e308, 1e-16, 50.0, 3, true, -1e308)
	f.Add(0.99998, 0.99999, 1.0, 0.5, -50.0, 3, true, 40.0)
	f.Fuzz(func(t *testing.T, t1, t2, t3, level, shape float64, family int, oneSided bool, z float64) {
		g := GroupSequential{Level: level, OneSided: oneSided, Spending: Spending{SpendingFamily(family), shape}}
		times := []float64{t1, t2, t3}
		for _, got := range []Boundaries{
			g.Boundaries(times), g.Next(g.Boundaries(times[:2]).Looks, t3),
			WangTsiatis{Level: level, OneSided: oneSided, Delta: shape}.Boundaries(1 + family%7),
		} {
			_, err := json.Marshal(got)
			require.NoError(t, err)
			before := 0.0
			for _, b := range got.Looks {
				sound(t, 0, b.Critical, b.Fraction, b.Spent, b.NominalP, 1-b.NominalP, 1-b.Spent)
				require.GreaterOrEqual(t, b.Spent, before*(1-1e-9))
				before = b.Spent
			}
			g.Stopped(got.Looks, []float64{z, z, z})
			c := g.Crossing(got.Looks, z)
			sound(t, 0, c.Power, c.WrongSide, c.Information)
		}
		soundTest(t, g.Test(times, []float64{z, -z, z / 2}))
		c := CrossingProbabilities(times, []float64{z, z, z}, shape, oneSided)
		sound(t, 0, c.Power, c.WrongSide, c.Information)
		rate, _ := PeekingErrorRate(family%20, level)
		sound(t, 0, rate)
	})
}

func FuzzSampleRatios(f *testing.F) {
	f.Add(int64(50), int64(60), int64(0), 1.0, 1.0, 0.0, 10.0)
	f.Add(int64(-1), int64(math.MaxInt64), int64(math.MaxInt64), math.NaN(), math.Inf(1), 1e308, -1.0)
	f.Add(int64(1<<53), int64(1), int64(0), 1e-300, 1e300, 0.0, 1e15)
	f.Add(int64(999), int64(1), int64(3), 1e-17, 1.0, 0.0, 5e-324)
	f.Fuzz(func(t *testing.T, a, b, c int64, wa, wb, wc, k float64) {
		counts, weights := []int64{a, b, c}, []float64{wa, wb, wc}
		s := SequentialSampleRatio{Concentration: k}
		results := append(s.Looks([][]int64{{0, 0, 0}, counts, {1}}, weights),
			s.Look(counts, weights), SampleRatioExact(counts, weights), SampleRatioExact(counts[:2], weights[:2]),
			SequentialSampleRatio{Dirichlet: []float64{k, wa, wb}}.Look(counts, weights))
		for _, r := range results {
			soundTest(t, r.Test)
			_, err := json.Marshal(r)
			require.NoError(t, err)
		}
	})
}

func FuzzBayes(f *testing.F) {
	inf, nan := math.Inf(1), math.NaN()
	f.Add(int64(10), int64(100), int64(12), int64(110), 1.0, 1.0, 5.0, 6.0)
	f.Add(int64(-1), int64(3), int64(5), int64(4), nan, -1.0, inf, 0.0)
	f.Add(int64(0), int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64), 1e-6, 1e15, 1e-280, 1e300)
	f.Add(int64(0), int64(0), int64(1), int64(1), 1e-6, 1e-6, 1e300, 1e-280)
	f.Fuzz(func(t *testing.T, sC, nC, sT, nT int64, a, b, eC, eT float64) {
		for _, r := range []RatePosterior{
			BayesShare(Share{sC, nC}, Share{sT, nT}, BetaPrior{a, b}),
			BayesCount(Events{sC, eC}, Events{sT, eT}, GammaPrior{a, b}),
		} {
			sound(t, 0, r.Win, 1-r.Win, r.LossShip, r.LossKeep, r.ControlMean, r.TreatmentMean)
			_, err := json.Marshal(r)
			require.NoError(t, err)
		}
		p := NormalPosterior(a, b, NormalPrior{eC, eT}, 0.95)
		soundEstimate(t, p.Effect, false)
		sound(t, 0, p.Win, 1-p.Win, p.LossShip, p.LossKeep)
		best := ProbabilityBest([]float64{a, b, eC}, []float64{eT, math.Abs(a), 1})
		_, err := json.Marshal(best)
		require.NoError(t, err)
		sound(t, 0, best.Probability...)
		sound(t, 0, best.Loss...)
	})
}

func FuzzMultiplicity(f *testing.F) {
	nan := math.NaN()
	f.Add(0.01, 0.02, 0.9, 0.05, int64(100), int64(200), 2.1)
	f.Add(nan, -1.0, 2.0, nan, int64(0), int64(-1), nan)
	f.Add(0.0, 5e-324, 1.0, 1e-300, int64(1), int64(math.MaxInt64), 1e308)
	f.Add(1.0, 1.0, 1.0, 0.9999999999999999, int64(math.MaxInt64), int64(1), 38.0)
	f.Fuzz(func(t *testing.T, p1, p2, p3, alpha float64, control, treatment int64, z float64) {
		p := []float64{p1, p2, p3}
		for _, c := range everyCorrection {
			adjusted, err := Adjust(c, p)
			if err != nil {
				require.ErrorIs(t, err, ErrValue)
				continue
			}
			for i, v := range adjusted {
				require.True(t, v >= p[i]*(1-1e-15) && v <= 1, "%v: %v from %v", c, v, p[i])
			}
			if levels, err := AdjustedLevels(c, p, alpha); err == nil {
				for _, v := range levels {
					require.True(t, v > 0 && v <= 1, "%v: level %v", c, v)
				}
			}
		}
		got := Dunnett([]float64{z, 1, -z}, control, []int64{treatment, control, treatment}, 1-alpha)
		sound(t, 0, got.Critical)
		for _, test := range got.Tests {
			soundTest(t, test)
		}
		if a, err := (AlphaAllocation{Alpha: p1, PrimaryShare: p2, Power: p3}).Allocate(); err == nil {
			sound(t, 0, a.Primary, a.Secondary, a.Guardrail, a.Power, 1-a.Power)
		}
	})
}
