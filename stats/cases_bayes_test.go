package stats

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func init() {
	addRunners(map[string]func(*testing.T, json.RawMessage) outputs{
		"bayes_normal":          runBayesNormal,
		"bayes_normal_absolute": runBayesNormalAbsolute,
		"bayes_beta_binomial":   runBayesShare,
		"bayes_gamma_poisson":   runBayesCount,
		"bayes_prob_best":       runProbabilityBest,
		"dist.beta_cdf":         runBetaCDF,
	})
}

type bayesNormalInput struct {
	Estimate, SE, Alpha   float64
	ControlMean           float64  `json:"control_mean"`
	PriorMean             float64  `json:"prior_mean"`
	PriorVariance         *float64 `json:"prior_variance"` // null is flat
	PriorMeanRelative     float64  `json:"prior_mean_relative"`
	PriorVarianceRelative *float64 `json:"prior_variance_relative"`
}

func normalPriorOf(mean float64, variance *float64) NormalPrior {
	if variance == nil {
		return NormalPrior{}
	}
	return NormalPrior{Mean: mean, SD: math.Sqrt(*variance)}
}

func posteriorOutputs(t *testing.T, p Posterior) outputs {
	t.Helper()
	require.Empty(t, p.Effect.Reason)
	return outputs{
		"posterior_mean": p.Effect.Value, "posterior_sd": p.Effect.SE,
		"chance_to_win": p.Win, "ci_lower": p.Effect.Low, "ci_upper": p.Effect.High,
		"loss_if_keep_control": p.LossKeep, "loss_if_ship_treatment": p.LossShip,
	}
}

func runBayesNormal(t *testing.T, data json.RawMessage) outputs {
	in := decode[bayesNormalInput](t, data)
	return posteriorOutputs(t, NormalPosterior(in.Estimate, in.SE, normalPriorOf(in.PriorMean, in.PriorVariance), 1-in.Alpha))
}

func runBayesNormalAbsolute(t *testing.T, data json.RawMessage) outputs {
	in := decode[bayesNormalInput](t, data)
	prior := normalPriorOf(in.PriorMeanRelative, in.PriorVarianceRelative).OnDifference(in.ControlMean)
	return posteriorOutputs(t, NormalPosterior(in.Estimate, in.SE, prior, 1-in.Alpha))
}

func rateOutputs(t *testing.T, r RatePosterior) outputs {
	t.Helper()
	require.Empty(t, r.Reason)
	return outputs{
		"prob_treatment_better":  r.Win,
		"loss_if_ship_treatment": r.LossShip, "loss_if_keep_control": r.LossKeep,
		"control_posterior_mean": r.ControlMean, "treatment_posterior_mean": r.TreatmentMean,
	}
}

func runBayesShare(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct {
		Control, Treatment struct{ Sum, N int64 }
		PriorAlpha         float64 `json:"prior_alpha"`
		PriorBeta          float64 `json:"prior_beta"`
	}](t, data)
	return rateOutputs(t, BayesShare(
		Share{in.Control.Sum, in.Control.N}, Share{in.Treatment.Sum, in.Treatment.N},
		BetaPrior{in.PriorAlpha, in.PriorBeta}))
}

func runBayesCount(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct {
		Control, Treatment Events
		PriorShape         float64 `json:"prior_shape"`
		PriorRate          float64 `json:"prior_rate"`
	}](t, data)
	return rateOutputs(t, BayesCount(in.Control, in.Treatment, GammaPrior{in.PriorShape, in.PriorRate}))
}

func runProbabilityBest(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct{ Means, SDs []float64 }](t, data)
	got := ProbabilityBest(in.Means, in.SDs)
	require.Empty(t, got.Reason)
	return outputs{"prob_best": got.Probability, "expected_loss": got.Loss}
}

func runBetaCDF(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct{ X, Alpha, Beta float64 }](t, data)
	below, above := betaTails(in.X, 1-in.X, in.Alpha, in.Beta)
	return outputs{"cdf": below, "sf": above}
}
