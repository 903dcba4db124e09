package stats

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func init() {
	addRunners(map[string]func(*testing.T, json.RawMessage) outputs{
		"asymptotic_cs":              runAsymptoticCS,
		"asymptotic_cs_multiplier":   runAsymptoticCSMultiplier,
		"asymptotic_cs_one_sided":    runAsymptoticCSOneSided,
		"normal_mixture_bound":       runNormalMixture,
		"msprt":                      runMSPRT,
		"msprt_path":                 runMSPRTPath,
		"msprt_statsig":              runMSPRTStatsig,
		"anytime_valid_t":            runAnytimeLinear,
		"group_sequential":           runGroupSequential,
		"group_sequential_classical": runWangTsiatis,
		"group_sequential_p":         runGroupSequentialP,
		"group_sequential_power":     runGroupSequentialPower,
		"peeking_inflation":          runPeeking,
		"srm_sequential":             runSequentialSampleRatio,
		"srm_exact_binomial":         runSampleRatioExact,
	})
}

// sequenceInput is the common shape of the cases with one estimate.
type sequenceInput struct {
	Estimate, SE float64
	NTotal       int64 `json:"n_total"`
	Alpha        float64
	TuningN      float64 `json:"tuning_n"`
	RhoRule      string  `json:"rho_rule"`
}

func (in sequenceInput) sequence(t *testing.T) ConfidenceSequence {
	t.Helper()
	require.Contains(t, []string{"", "approx", "exact"}, in.RhoRule)
	return ConfidenceSequence{Level: 1 - in.Alpha, TuningN: in.TuningN, ExactRho: in.RhoRule == "exact"}
}

func runAsymptoticCS(t *testing.T, data json.RawMessage) outputs {
	in := decode[sequenceInput](t, data)
	s := in.sequence(t)
	e := s.Estimate(in.Estimate, in.SE, in.NTotal)
	require.Empty(t, e.Reason)
	return outputs{
		"rho_squared": s.RhoSquared(), "multiplier": s.Multiplier(in.NTotal),
		"half_width": s.Multiplier(in.NTotal) * in.SE,
		"ci_lower":   e.Low, "ci_upper": e.High,
		"p_value": s.Test(in.Estimate, in.SE, in.NTotal).PValue,
	}
}

func runAsymptoticCSMultiplier(t *testing.T, data json.RawMessage) outputs {
	in := decode[sequenceInput](t, data)
	m := in.sequence(t).Multiplier(in.NTotal)
	return outputs{"multiplier": m, "ratio_to_fixed": m / NormalQuantile(1-in.Alpha/2)}
}

func runAsymptoticCSOneSided(t *testing.T, data json.RawMessage) outputs {
	in := decode[sequenceInput](t, data)
	s := in.sequence(t)
	lower := s.LowerBound(in.Estimate, in.SE, in.NTotal)
	upper := s.UpperBound(in.Estimate, in.SE, in.NTotal)
	require.Empty(t, lower.Reason+upper.Reason)
	return outputs{
		"rho_squared": s.oneSidedN(1),
		"half_width":  upper.High - in.Estimate,
		"lower_bound": lower.Low, "upper_bound": upper.High,
		"p_value": s.TestGreater(in.Estimate, in.SE, in.NTotal).PValue,
	}
}

func runNormalMixture(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct {
		V, S, Alpha float64
		VOpt        float64 `json:"v_opt"`
		AlphaOpt    float64 `json:"alpha_opt"`
	}](t, data)
	// The package tunes for the level it is used at; the case may not.
	tuned := NormalMixture{Level: 1 - in.AlphaOpt, TuningV: in.VOpt}
	used := NormalMixture{Level: 1 - in.Alpha, TuningV: 1}
	used.TuningV = tuned.Rho() / used.Rho()
	test := used.Test(in.S, in.V)
	return outputs{
		"rho": tuned.Rho(), "bound": used.Bound(in.V),
		"log_martingale": test.Statistic, "p_value": test.PValue,
	}
}

type msprtInput struct {
	Estimate, SE, Alpha float64
	TauSquared          float64 `json:"tau_squared"`
	Looks               []struct{ Estimate, SE float64 }
}

func runMSPRT(t *testing.T, data json.RawMessage) outputs {
	in := decode[msprtInput](t, data)
	m := MSPRT{Level: 1 - in.Alpha, MixingVariance: in.TauSquared}
	e := m.Estimate(in.Estimate, in.SE)
	return outputs{
		"log_lambda": m.LogLikelihoodRatio(in.Estimate, in.SE),
		"p_value":    m.Test(in.Estimate, in.SE).PValue,
		"half_width": m.Multiplier(in.SE) * in.SE,
		"ci_lower":   e.Low, "ci_upper": e.High,
	}
}

func runMSPRTPath(t *testing.T, data json.RawMessage) outputs {
	in := decode[msprtInput](t, data)
	m := MSPRT{Level: 0.95, MixingVariance: in.TauSquared}
	var h LookHistory
	for _, look := range in.Looks {
		h = append(h, Comparison{
			Level:      0.95,
			Difference: m.Estimate(look.Estimate, look.SE),
			Test:       m.Test(look.Estimate, look.SE),
		})
	}
	return outputs{"p_values": h.PValues(), "p_value": h.Test().PValue}
}

func runMSPRTStatsig(t *testing.T, data json.RawMessage) outputs {
	in := decode[twoArmInput](t, data)
	c := Group{N: in.Control.N, Mean: in.Control.Mean, Variance: in.Control.Variance}
	tr := Group{N: in.Treatment.N, Mean: in.Treatment.Mean, Variance: in.Treatment.Variance}
	got := AnytimeStatsig(c, tr, 1-in.Alpha)
	require.Empty(t, got.Difference.Reason)
	se := got.Difference.SE
	z := NormalQuantile(1 - in.Alpha/2)
	return outputs{
		"V":        se * se,
		"tau":      z * z * (c.Variance + tr.Variance) / float64(c.N+tr.N),
		"z_star":   (got.Difference.High - got.Difference.Value) / se,
		"estimate": got.Difference.Value, "p_value": got.Test.PValue,
		"ci_lower": got.Difference.Low, "ci_upper": got.Difference.High,
	}
}

func runAnytimeLinear(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct {
		TSquared float64 `json:"t_squared"`
		Nu       float64
		N        int64
		G, Alpha float64
	}](t, data)
	a := AnytimeLinear{Level: 1 - in.Alpha, G: in.G}
	test := a.Test(math.Sqrt(in.TSquared), 1, in.Nu, in.N)
	r := a.r(in.N)
	return outputs{
		"log_e": a.LogEValue(math.Sqrt(in.TSquared), in.Nu, in.N), "p_value": test.PValue,
		"t_radius": a.Multiplier(in.Nu, in.N),
		"z_radius": mixtureMultiplier(1/r-1, math.Log(in.Alpha)),
	}
}

type groupSequentialInput struct {
	Spending   string
	Gamma, Phi *float64
	Alpha      float64
	Sides      int
	Fractions  []float64 `json:"information_fractions"`
	Delta      float64
	Looks      int
	ObservedZ  []float64 `json:"observed_z"`
	CriticalZ  []float64 `json:"critical_z"`
	Drift      float64
}

func (in groupSequentialInput) design(t *testing.T) GroupSequential {
	t.Helper()
	names := map[string]SpendingFamily{
		"obrien_fleming": OBrienFleming, "of": OBrienFleming, "pocock": Pocock,
		"power": PowerSpending, "hwang_shih_decani": HwangShihDeCani, "hsd": HwangShihDeCani,
	}
	family, ok := names[in.Spending]
	require.True(t, ok, "unknown spending function %q", in.Spending)
	g := GroupSequential{OneSided: in.Sides == 1, Spending: Spending{Family: family}, Planned: 1}
	if in.Alpha != 0 {
		g.Level = 1 - in.Alpha
	}
	for _, shape := range []*float64{in.Gamma, in.Phi} {
		if shape != nil {
			g.Spending.Shape = *shape
		}
	}
	return g
}

func boundaryOutputs(looks []Boundary) outputs {
	var spent, critical, nominal []float64
	for _, b := range looks {
		spent, critical, nominal = append(spent, b.Spent), append(critical, b.Critical), append(nominal, b.NominalP)
	}
	return outputs{"cumulative_alpha_spent": spent, "critical_z": critical, "nominal_p": nominal}
}

func runGroupSequential(t *testing.T, data json.RawMessage) outputs {
	in := decode[groupSequentialInput](t, data)
	got := in.design(t).Boundaries(in.Fractions)
	require.Empty(t, got.Reason)
	return boundaryOutputs(got.Looks)
}

func runWangTsiatis(t *testing.T, data json.RawMessage) outputs {
	in := decode[groupSequentialInput](t, data)
	got := WangTsiatis{Level: 1 - in.Alpha, OneSided: in.Sides == 1, Delta: in.Delta}.Boundaries(in.Looks)
	require.Empty(t, got.Reason)
	return boundaryOutputs(got.Looks)
}

func runGroupSequentialP(t *testing.T, data json.RawMessage) outputs {
	in := decode[groupSequentialInput](t, data)
	got := in.design(t).Test(in.Fractions, in.ObservedZ)
	require.Empty(t, got.Reason)
	return outputs{"p_value": got.PValue}
}

func runGroupSequentialPower(t *testing.T, data json.RawMessage) outputs {
	in := decode[groupSequentialInput](t, data)
	got := CrossingProbabilities(in.Fractions, in.CriticalZ, in.Drift, in.Sides == 1)
	require.Empty(t, got.Reason)
	return outputs{
		"power_upper": got.Power, "wrong_side": got.WrongSide, "expected_information": got.Information,
		"stage_upper": got.Upper, "stage_lower": got.Lower,
	}
}

func runPeeking(t *testing.T, data json.RawMessage) outputs {
	in := decode[groupSequentialInput](t, data)
	rate, err := PeekingErrorRate(in.Looks, 1-in.Alpha)
	require.NoError(t, err)
	return outputs{"type_i_error": rate}
}

func runSequentialSampleRatio(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct {
		Cumulative        bool
		Batches           [][]int64
		NullProbabilities []float64 `json:"null_probabilities"`
		Weights           []float64
		DirichletAlpha    []float64 `json:"dirichlet_alpha"`
		Concentration     float64
	}](t, data)
	weights := in.NullProbabilities
	if weights == nil {
		weights = in.Weights
	}
	require.NotNil(t, weights)
	history := make([][]int64, len(in.Batches))
	for i, batch := range in.Batches {
		history[i] = append([]int64(nil), batch...)
		if !in.Cumulative && i > 0 {
			for j := range batch {
				history[i][j] += history[i-1][j]
			}
		}
	}
	s := SequentialSampleRatio{Concentration: in.Concentration, Dirichlet: in.DirichletAlpha}
	var factors, p []float64
	for _, look := range s.Looks(history, weights) {
		require.Empty(t, look.Reason)
		factors, p = append(factors, look.Statistic), append(p, look.PValue)
	}
	return outputs{"log_bayes_factors": factors, "p_values": p}
}

func runSampleRatioExact(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct {
		Observed []int64
		Weights  []float64
	}](t, data)
	got := SampleRatioExact(in.Observed, in.Weights)
	require.Empty(t, got.Reason)
	return outputs{"p_value": got.PValue}
}
