package stats

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func init() {
	addRunners(map[string]func(*testing.T, json.RawMessage) outputs{
		"bootstrap_check":       runBootstrapCheck,
		"bootstrap_exact":       runBootstrapExact,
		"bootstrap_exact_diff":  runBootstrapExactDiff,
		"bootstrap_exact_ratio": runBootstrapExactRatio,
	})
}

// runBootstrapCheck gives the delta method's SE, which the case wants within
// 3% of its own bootstrap, after holding it against this package's.
func runBootstrapCheck(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct {
		Control   []float64 `json:"control_values"`
		Treatment []float64 `json:"treatment_values"`
	}](t, data)
	arms := [][][]float64{Column(in.Control), Column(in.Treatment)}
	c, tr := GroupMean(momentsOf(t, arms[0]), 0), GroupMean(momentsOf(t, arms[1]), 0)
	delta := DeltaLift(c, tr, 1)
	require.Empty(t, delta.Reason)
	drawn := Bootstrap(arms, MeanLift, BootstrapOptions{Resamples: 20_000, Seed: 99})
	require.Empty(t, drawn.Reason)
	require.InEpsilon(t, delta.SE, drawn.SE, 0.03)
	return outputs{"bootstrap_se": delta.SE, "estimate": delta.Value, "delta_se": delta.SE}
}

func armMean(m [][]float64) float64 { return m[0][0] }

func runBootstrapExact(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct{ Values []float64 }](t, data)
	e := BootstrapExact([][][]float64{Column(in.Values)}, armMean, 0.95)
	require.Empty(t, e.Reason)
	return outputs{"estimate": e.Value, "bootstrap_se": e.SE, "ci_lower": e.Low, "ci_upper": e.High}
}

func runBootstrapExactDiff(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct {
		Control, Treatment []float64
		Alpha              float64
		Relative           bool
	}](t, data)
	if in.Alpha == 0 {
		in.Alpha = 0.05
	}
	var statistic ArmStatistic = MeanDifference
	if in.Relative {
		statistic = MeanLift
	}
	e := BootstrapExact([][][]float64{Column(in.Control), Column(in.Treatment)}, statistic, 1-in.Alpha)
	require.Empty(t, e.Reason)
	return outputs{"estimate": e.Value, "bootstrap_se": e.SE, "ci_lower": e.Low, "ci_upper": e.High}
}

func runBootstrapExactRatio(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct{ Num, Den []float64 }](t, data)
	units := make([][]float64, len(in.Num))
	for i := range units {
		units[i] = []float64{in.Num[i], in.Den[i]}
	}
	e := BootstrapExact([][][]float64{units}, func(m [][]float64) float64 { return m[0][0] / m[0][1] }, 0.95)
	require.Empty(t, e.Reason)
	delta := GroupRatio(momentsOf(t, units), 0, 1).SE()
	n := float64(len(units))
	return outputs{
		"ratio": e.Value, "bootstrap_se": e.SE, "delta_se": delta, "delta_se_n": delta * math.Sqrt((n-1)/n),
	}
}
