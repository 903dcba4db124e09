package stats

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func init() {
	addRunners(map[string]func(*testing.T, json.RawMessage) outputs{
		"multiple_testing":   runMultipleTesting,
		"dunnett":            runDunnett,
		"alpha_allocation":   runAlphaAllocation,
		"adjusted_ci_from_p": runAdjustedInterval,
	})
}

func runMultipleTesting(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct {
		PValues []float64 `json:"p_values"`
	}](t, data)
	out := outputs{}
	for c := NoCorrection; c <= BenjaminiYekutieli; c++ {
		adjusted, err := Adjust(c, in.PValues)
		require.NoError(t, err)
		out[c.String()] = adjusted
	}
	out["bh"], out["by"] = out["benjamini_hochberg"], out["benjamini_yekutieli"]
	return out
}

func runDunnett(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct {
		ControlN     int64   `json:"control_n"`
		TreatmentNs  []int64 `json:"treatment_ns"`
		Z            []float64
		Alpha, Level float64
	}](t, data)
	got := Dunnett(in.Z, in.ControlN, in.TreatmentNs, 1-in.Alpha)
	require.Empty(t, got.Reason)
	var p []float64
	for _, test := range got.Tests {
		p = append(p, test.PValue)
	}
	return outputs{"critical_z": got.Critical, "adjusted_p": p}
}

func runAlphaAllocation(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct {
		Alpha            float64
		PrimaryShare     float64 `json:"primary_share"`
		PrimaryMetrics   int     `json:"primary_metrics"`
		SecondaryMetrics int     `json:"secondary_metrics"`
		TreatmentArms    int     `json:"treatment_arms"`
		Guardrails       int     `json:"guardrail_metrics"`
		Power            float64
	}](t, data)
	got, err := AlphaAllocation{
		Alpha: in.Alpha, PrimaryShare: in.PrimaryShare, Power: in.Power,
		PrimaryMetrics: in.PrimaryMetrics, SecondaryMetrics: in.SecondaryMetrics,
		Guardrails: in.Guardrails, Treatments: in.TreatmentArms,
	}.Allocate()
	require.NoError(t, err)
	return outputs{
		"primary_alpha": got.Primary, "primary_alpha_per_arm": got.PrimaryPerArm,
		"secondary_alpha": got.Secondary, "secondary_alpha_per_arm": got.SecondaryPerArm,
		"guardrail_alpha": got.Guardrail, "adjusted_power": got.Power,
	}
}

func runAdjustedInterval(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct {
		AdjustedP float64 `json:"adjusted_p"`
		Estimate  float64
		CI        [2]float64
		Alpha     float64
	}](t, data)
	got := AdjustedInterval(Estimate{Value: in.Estimate, Low: in.CI[0], High: in.CI[1]}, in.AdjustedP, 1-in.Alpha)
	require.Empty(t, got.Reason)
	return outputs{"implied_sd": got.SE, "ci_lower": got.Low, "ci_upper": got.High}
}
