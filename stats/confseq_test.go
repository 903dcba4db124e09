package stats

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func drawSequence(t *rapid.T) ConfidenceSequence {
	return ConfidenceSequence{
		Level:        rapid.Float64Range(0.5, 0.9999).Draw(t, "level"),
		TuningN:      rapid.Float64Range(1, 1e6).Draw(t, "tuning"),
		ExactRho:     rapid.Bool().Draw(t, "exact"),
		MinimumUnits: -1,
	}
}

// agrees checks what every comparison promises: the p-value, the interval of
// the difference and that of the lift say the same.
func agrees(t *rapid.T, c Comparison) {
	alpha := 1 - c.Level
	if c.Test.Reason != "" || math.Abs(c.Test.PValue-alpha) < 1e-9*alpha {
		t.Skip("no test, or p is the level to the last digits, where rounding decides")
	}
	require.Equal(t, c.Significant(), !c.Difference.Contains(0), "%+v", c)
	require.True(t, c.Difference.Contains(c.Difference.Value))
	if c.Lift.Reason == "" {
		require.Equal(t, c.Significant(), !c.Lift.Contains(0), "%+v", c)
		require.True(t, c.Lift.Contains(c.Lift.Value))
	}
}

func TestSequentialLiftContainsZeroExactlyWhenNotSignificant(t *testing.T) {
	significant := 0
	rapid.Check(t, func(t *rapid.T) {
		control, treatment := drawArms(t)
		treatment.Mean += 3 * (treatment.Mean - control.Mean) // intervals are wider here
		s := drawSequence(t)
		v := control.Variance / float64(control.N)
		for name, c := range map[string]Comparison{
			"sequence":   Anytime(control, treatment, s),
			"mixture":    AnytimeMSPRT(control, treatment, MSPRT{Level: s.Level, MixingVariance: v * rapid.Float64Range(0.01, 100).Draw(t, "tau")}),
			"statsig":    AnytimeStatsig(control, treatment, s.Level),
			"hybrid":     Hybrid{Sequence: s}.Running(control, treatment),
			"hybrid end": Hybrid{Sequence: s}.AtEnd(control, treatment),
		} {
			require.Empty(t, c.Test.Reason, name)
			agrees(t, c)
			if c.Significant() {
				significant++
			}
		}
	})
	require.Positive(t, significant)
}

func TestOneSidedSequenceAgreesWithItsTest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSequence(t)
		n := rapid.Int64Range(1, 1e7).Draw(t, "n")
		value := rapid.Float64Range(-8, 8).Draw(t, "value")
		lower, upper := s.LowerBound(value, 1, n), s.UpperBound(value, 1, n)
		p := s.TestGreater(value, 1, n).PValue
		require.InDelta(t, value-lower.Low, upper.High-value, 1e-9)
		if alpha := 1 - s.Level; math.Abs(p-alpha) > 1e-9*alpha {
			require.Equal(t, p <= alpha, lower.Low > 0)
		}
	})
}

// Both rules for ρ minimise the width near TuningN, the exact one exactly.
func TestExactRhoIsNarrowest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSequence(t)
		s.TuningN = math.Round(s.TuningN)
		n := int64(s.TuningN)
		s.ExactRho = true
		best := s.Multiplier(n)
		for _, factor := range []float64{0.5, 0.9, 1.1, 2} {
			other := s
			other.TuningN = math.Max(s.TuningN*factor, 1)
			require.GreaterOrEqual(t, other.Multiplier(n), best-1e-9)
		}
		s.ExactRho = false
		require.InEpsilon(t, best, s.Multiplier(n), 0.05)
	})
}

// The mixture test and the confidence sequence are one and the same for
// τ² = ρ·n·V, and so is Howard's boundary.
func TestMixturesAreTheSameSequence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSequence(t)
		s.ExactRho = false
		n := rapid.Int64Range(2, 1e7).Draw(t, "n")
		se := rapid.Float64Range(1e-3, 1e3).Draw(t, "se")
		value := se * rapid.Float64Range(-6, 6).Draw(t, "z")
		m := MSPRT{Level: s.Level, MixingVariance: s.RhoSquared() * float64(n) * se * se}
		require.InEpsilon(t, s.Multiplier(n), m.Multiplier(se), 1e-9)
		require.InEpsilon(t, s.Test(value, se, n).PValue, m.Test(value, se).PValue, 1e-8)
		h := NormalMixture{Level: s.Level, TuningV: s.TuningN}
		require.InEpsilon(t, s.Multiplier(n)*math.Sqrt(float64(n)), h.Bound(float64(n)), 1e-9)
	})
}

// With many degrees of freedom the linear model's sequence is the same too.
func TestAnytimeLinearIsTheSequenceForLargeSamples(t *testing.T) {
	s := ConfidenceSequence{}
	a := AnytimeLinear{}
	require.InEpsilon(t, s.Multiplier(1_000_000), a.Multiplier(1e9, 1_000_000), 1e-6)
	require.Greater(t, a.Multiplier(400, 402), s.Multiplier(402), "an estimated variance costs")
	require.Zero(t, a.Multiplier(1, 2), "unbounded")
	require.Contains(t, a.Estimate(1, 1, 1, 2).Reason, "unbounded")
	rapid.Check(t, func(t *rapid.T) {
		df := rapid.Float64Range(5, 1e6).Draw(t, "df")
		n := int64(df) + 2
		value := rapid.Float64Range(-8, 8).Draw(t, "t")
		e, test := a.Estimate(value, 1, df, n), a.Test(value, 1, df, n)
		if e.Reason == "" && math.Abs(test.PValue-0.05) > 1e-9 {
			require.Equal(t, test.PValue <= 0.05, !e.Contains(0))
		}
	})
}

// Over a simulated experiment with a look after every tenth unit the sequence
// keeps its level, and the fixed test does not.
func TestSequenceKeepsItsLevelUnderPeeking(t *testing.T) {
	if testing.Short() {
		t.Skip("simulation")
	}
	const runs, units = 2000, 4000
	seed := uint64(20261122)
	r := rand.New(rand.NewPCG(seed, 1))
	s := ConfidenceSequence{TuningN: 2000}
	sequence, fixed := 0, 0
	for range runs {
		sum := 0.0
		var found [2]bool
		for n := 1; n <= units; n++ {
			sum += r.NormFloat64()
			if n < 100 || n%10 != 0 {
				continue
			}
			z := sum / math.Sqrt(float64(n))
			found[0] = found[0] || math.Abs(z) >= s.Multiplier(int64(n))
			found[1] = found[1] || math.Abs(z) >= 1.96
		}
		if found[0] {
			sequence++
		}
		if found[1] {
			fixed++
		}
	}
	require.Less(t, float64(sequence)/runs, 0.05, "seed %d", seed)
	require.Greater(t, float64(fixed)/runs, 0.2, "seed %d", seed)
}

func TestAnytimeSaysWhatIsMissing(t *testing.T) {
	fine := Group{N: 500, Mean: 2, Variance: 1}
	few := Group{N: 99, Mean: 2.5, Variance: 1}
	for name, c := range map[string]struct {
		got    Comparison
		reason string
	}{
		"few units":       {Anytime(fine, few, ConfidenceSequence{}), "99 units in the smaller arm, a confidence sequence needs 100"},
		"own minimum":     {Anytime(fine, fine, ConfidenceSequence{MinimumUnits: 501}), "needs 501"},
		"bad minimum":     {Anytime(fine, fine, ConfidenceSequence{MinimumUnits: -2}), "negative"},
		"bad level":       {Anytime(fine, few, ConfidenceSequence{Level: 95, MinimumUnits: -1}), "level 95"},
		"vanishing level": {Anytime(fine, fine, ConfidenceSequence{Level: 1e-300}), "level 1e-300"},
		"bad tuning":      {Anytime(fine, fine, ConfidenceSequence{TuningN: math.NaN()}), "tuning NaN"},
		"no units":        {Anytime(fine, Group{}, ConfidenceSequence{}), "no units"},
		"no variance":     {Anytime(Group{N: 500, Mean: 1}, Group{N: 500, Mean: 2}, ConfidenceSequence{}), "neither arm varies"},
		"no mixture":      {AnytimeMSPRT(fine, fine, MSPRT{}), "mixing variance 0"},
		"statsig level":   {AnytimeStatsig(fine, fine, 2), "level 2"},
		"hybrid":          {Hybrid{}.Running(fine, few), "99 units"},
		"hybrid bad":      {Hybrid{Reference: 9}.AtEnd(fine, fine), "distribution 9"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, c.got.Difference.Reason, c.reason)
			require.Contains(t, c.got.Test.Reason, c.reason)
			require.NotEmpty(t, c.got.Lift.Reason)
			require.Equal(t, 1.0, c.got.Test.PValue)
			require.False(t, c.got.Significant())
			data, err := json.Marshal(c.got)
			require.NoError(t, err)
			var back Comparison
			require.NoError(t, json.Unmarshal(data, &back))
			require.Equal(t, c.got, back)
		})
	}
	require.Empty(t, Anytime(fine, few, ConfidenceSequence{MinimumUnits: -1}).Test.Reason)
	end := Hybrid{}.AtEnd(fine, few)
	require.Empty(t, end.Test.Reason, "the fixed half of the hybrid needs no minimum")
	require.InEpsilon(t, 2*Compare(fine, few, Options{}).Test.PValue, end.Test.PValue, 1e-12)
	require.Zero(t, Anytime(fine, fine, ConfidenceSequence{Level: 7}).Level)
}

// A hybrid's end is wider than one fixed test and narrower than the sequence.
func TestHybridLiesBetween(t *testing.T) {
	control, treatment := Group{N: 5000, Mean: 2, Variance: 1}, Group{N: 5000, Mean: 2.05, Variance: 1}
	width := func(c Comparison) float64 { return c.Difference.High - c.Difference.Low }
	h := Hybrid{Sequence: ConfidenceSequence{TuningN: 10_000}}
	fixed, sequence := Compare(control, treatment, Options{}), Anytime(control, treatment, h.Sequence)
	require.Less(t, width(fixed), width(h.AtEnd(control, treatment)))
	require.Less(t, width(h.AtEnd(control, treatment)), width(sequence))
	require.Less(t, width(sequence), width(h.Running(control, treatment)))
	require.Equal(t, 0.95, h.Running(control, treatment).Level)
}

func TestLookHistory(t *testing.T) {
	m := MSPRT{MixingVariance: 0.01}
	look := func(value, se float64) Comparison {
		return Comparison{Level: 0.95, Difference: m.Estimate(value, se), Test: m.Test(value, se), Lift: m.Estimate(value/10, se/10)}
	}
	missing := Comparison{Level: 0.95, Difference: noInterval(7, "too few"), Test: noTest("too few"), Lift: noValue("too few")}

	h := LookHistory{missing, look(0.3, 0.1), missing, look(0.2, 0.05), look(0.05, 0.04)}
	p := h.PValues()
	require.Equal(t, 1.0, p[0])
	require.IsDecreasing(t, []float64{p[0], p[1], p[3]})
	require.Equal(t, p[3], p[4], "what was found stays found")
	require.Equal(t, p[4], h.Test().PValue)
	require.Equal(t, h[3].Test, h.Test())
	d := h.Difference()
	require.Empty(t, d.Reason)
	require.Equal(t, h[3].Difference.Low, d.Low)
	require.Equal(t, h[4].Difference.High, d.High)
	require.True(t, d.Contains(d.Value))
	require.Zero(t, d.SE)

	require.Equal(t, "there is no look", LookHistory{}.Difference().Reason)
	require.Equal(t, "too few", LookHistory{missing}.Lift().Reason)
	require.NotEmpty(t, LookHistory{missing}.Test().Reason)
	apart := LookHistory{look(0, 0.01), look(1, 0.01)}
	require.Contains(t, apart.Difference().Reason, "no value in common")
	other := look(0, 1)
	other.Level = 0.9
	require.Contains(t, LookHistory{look(0, 1), other}.Difference().Reason, "do not combine")
	moved := LookHistory{look(0, 0.01), look(0.08, 0.02)}.Difference()
	require.Equal(t, moved.High, moved.Value, "the last value lies outside the first interval")
}
