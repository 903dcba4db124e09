package stats

import (
	"encoding/json"
	"maps"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func init() {
	addRunners(map[string]func(*testing.T, json.RawMessage) outputs{
		"winsorize":          runWinsorize,
		"sample_quantile":    runSampleQuantile,
		"quantile_diff":      runQuantileDiff,
		"quantile_clustered": runQuantileClustered,
	})
}

func quantileType(t *testing.T, name string) QuantileType {
	t.Helper()
	names := map[string]QuantileType{"": Continuous, "cont": Continuous, "7": Continuous, "disc": Discrete, "1": Discrete}
	kind, ok := names[name]
	require.True(t, ok, "unknown quantile type %q", name)
	return kind
}

func runWinsorize(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct {
		ControlValues   []float64 `json:"control_values"`
		TreatmentValues []float64 `json:"treatment_values"`
		AbsoluteCap     float64   `json:"absolute_cap"`
		Percentile      float64
		QuantileType    string `json:"quantile_type"`
		IgnoreZeros     bool   `json:"ignore_zeros"`
		Distribution    string
		Alpha           float64
	}](t, data)
	got, err := Cap([][]float64{in.ControlValues, in.TreatmentValues}, CapOptions{
		At: in.AbsoluteCap, Percentile: in.Percentile, Type: quantileType(t, in.QuantileType), IgnoreZeros: in.IgnoreZeros,
	})
	require.NoError(t, err)
	two := twoArmInput{Distribution: in.Distribution, Alpha: in.Alpha}
	c := Compare(GroupMean(got.Arms[0], 0), GroupMean(got.Arms[1], 0), two.options(t))
	out := results(c.Difference, c.Test)
	sums := func(m Moments) outputs {
		n := float64(m.N())
		return outputs{"n": n, "sum": n * m.Mean(0), "sum_squares": m.Comoment(0, 0) + n*m.Mean(0)*m.Mean(0)}
	}
	maps.Copy(out, outputs{
		"cap":                  got.Cap,
		"control_capped_units": float64(got.Units[0]), "treatment_capped_units": float64(got.Units[1]),
		"control": sums(got.Arms[0]), "treatment": sums(got.Arms[1]),
	})
	return out
}

func runSampleQuantile(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct {
		Values []float64
		P      float64
		Type   json.Number
	}](t, data)
	q, err := SampleQuantile(in.Values, in.P, quantileType(t, string(in.Type)))
	require.NoError(t, err)
	return outputs{"quantile": q}
}

func runQuantileDiff(t *testing.T, data json.RawMessage) outputs {
	type arm struct {
		N     int64
		NStar int64 `json:"n_star"`
		Nu    float64
		Hat   float64 `json:"quantile_hat"`
		Lower float64 `json:"quantile_lower"`
		Upper float64 `json:"quantile_upper"`
	}
	in := decode[struct {
		Control, Treatment arm
		Relative           bool
		Distribution       string
		Alpha              float64
	}](t, data)
	group := func(a arm) Group {
		return OrderStatistics{
			N: a.N, WidthN: a.NStar, Nu: a.Nu, Quantile: a.Hat, Low: a.Lower, High: a.Upper, Engine: true,
		}.Group()
	}
	if in.Distribution == "" {
		in.Distribution = "z"
	}
	two := twoArmInput{Distribution: in.Distribution, Alpha: in.Alpha}
	c := Compare(group(in.Control), group(in.Treatment), two.options(t))
	require.Empty(t, c.Difference.Reason)
	if !in.Relative {
		return results(c.Difference, c.Test)
	}
	e := DeltaLift(group(in.Control), group(in.Treatment), NormalQuantile(1-in.Alpha/2))
	return results(e, newTest(e.Value/e.SE, 0, tTwoSided(e.Value/e.SE, math.Inf(1))))
}

func runQuantileClustered(t *testing.T, data json.RawMessage) outputs {
	type arm struct {
		Events     int64 `json:"n_events"`
		Units      int64 `json:"n_units"`
		Quantile   float64
		Lower      float64  `json:"quantile_lower"`
		Upper      float64  `json:"quantile_upper"`
		Indicators armInput `json:"indicator_sums"`
	}
	in := decode[struct {
		Nu, Alpha          float64
		Relative           bool
		Control, Treatment arm
	}](t, data)
	out := outputs{}
	groups := map[string]Group{}
	for name, a := range map[string]arm{"control": in.Control, "treatment": in.Treatment} {
		o := OrderStatistics{
			N: a.Events, Nu: in.Nu, Quantile: a.Quantile, Low: a.Lower, High: a.Upper, Z: NormalQuantile(1 - in.Alpha/2),
		}
		iid, clustered := o.Group(), o.GroupClustered(a.Indicators.moments(t))
		require.Empty(t, iid.Reason+clustered.Reason)
		require.Equal(t, a.Units, clustered.N)
		groups[name] = clustered
		out[name+"_var_iid"], out[name+"_var"] = iid.meanVariance(), clustered.meanVariance()
		out[name+"_design_effect"] = clustered.meanVariance() / iid.meanVariance()
	}
	e := Compare(groups["control"], groups["treatment"], Options{Level: 1 - in.Alpha, Reference: Normal})
	maps.Copy(out, results(e.Difference, e.Test))
	if in.Relative {
		lift := DeltaLift(groups["control"], groups["treatment"], NormalQuantile(1-in.Alpha/2))
		maps.Copy(out, results(lift, testDifference(lift.Value, lift.SE, math.Inf(1))))
	}
	return out
}
