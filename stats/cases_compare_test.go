package stats

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func init() {
	addRunners(map[string]func(*testing.T, json.RawMessage) outputs{
		"mean_diff":                 runMeanDiff,
		"mean_diff_degenerate":      runMeanDiffDegenerate,
		"relative_lift":             runRelativeLift,
		"relative_lift_degenerate":  runRelativeLiftDegenerate,
		"ratio_metric":              runRatioMetric,
		"ratio_single_arm":          runRatioSingleArm,
		"delta_variance":            runDeltaVariance,
		"p_value_by_scale":          runPValueByScale,
		"srm_chi2":                  runSampleRatio,
		"assignment_independence":   runIndependence,
		"variance_numerics":         runVarianceNumerics,
		"merge_moments":             runMergeMoments,
		"merge_comoments":           runMergeComoments,
		"aggregation":               runAggregation,
		"dist.normal_sf":            runNormalSurvival,
		"dist.normal_quantile":      runNormalQuantile,
		"dist.chi2_sf":              runChiSquareSurvival,
		"dist.t_sf":                 runTSurvival,
		"dist.t_critical_two_sided": runTCritical,
	})
}

func runMeanDiff(t *testing.T, data json.RawMessage) outputs {
	in := decode[twoArmInput](t, data)
	c, tr := in.groups(t)
	got := Compare(c, tr, in.options(t))
	require.Empty(t, got.Difference.Reason)
	return results(got.Difference, got.Test)
}

func runMeanDiffDegenerate(t *testing.T, data json.RawMessage) outputs {
	in := decode[twoArmInput](t, data)
	c, tr := in.groups(t)
	got := Compare(c, tr, Options{})
	return outputs{
		"estimable": got.Difference.Reason == "" && got.Test.Reason == "",
		"estimate":  got.Difference.Value,
	}
}

// relativeLift is the lift and its test on the lift's own scale, which the
// package does not offer: p-values are those of the absolute difference.
func relativeLift(t *testing.T, in twoArmInput) outputs {
	t.Helper()
	c, tr := in.groups(t)
	o := in.options(t)
	arms := checkArms(c, tr)
	df := arms.df(o.Reference)
	critical := tCritical(1-o.Level, df)
	switch in.CIMethod {
	case "delta":
		e := DeltaLift(c, tr, critical)
		return results(e, testDifference(e.Value, e.SE, df))
	case "log_delta":
		e := LogLift(c, tr, critical)
		return outputs{"estimate": e.Value, "se_log": e.SE, "df": df, "ci_lower": e.Low, "ci_upper": e.High}
	case "fieller":
		e := FiellerLift(c, tr, critical)
		return outputs{
			"estimate": e.Value, "df": df, "ci_lower": e.Low, "ci_upper": e.High,
			"g": arms.fiellerG(critical), "bounded": e.Reason == "",
		}
	}
	t.Fatalf("unknown interval method %q", in.CIMethod)
	return nil
}

func runRelativeLift(t *testing.T, data json.RawMessage) outputs {
	return relativeLift(t, decode[twoArmInput](t, data))
}

func runRelativeLiftDegenerate(t *testing.T, data json.RawMessage) outputs {
	in := decode[twoArmInput](t, data)
	c, tr := in.groups(t)
	got := Compare(c, tr, Options{})
	require.Empty(t, got.Difference.Reason)
	return outputs{"relative_estimable": !got.Lift.NoValue, "absolute_estimate": got.Difference.Value}
}

func runRatioMetric(t *testing.T, data json.RawMessage) outputs {
	in := decode[twoArmInput](t, data)
	c, tr := in.groups(t)
	var out outputs
	if in.Relative {
		out = relativeLift(t, in)
	} else {
		got := Compare(c, tr, in.options(t))
		require.Empty(t, got.Difference.Reason)
		out = results(got.Difference, got.Test)
	}
	maps.Copy(out, outputs{
		"control_ratio": c.Mean, "treatment_ratio": tr.Mean,
		"control_se": c.SE(), "treatment_se": tr.SE(),
	})
	return out
}

func runRatioSingleArm(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct{ Arm armInput }](t, data)
	m := in.Arm.moments(t)
	g := GroupRatio(m, 0, 1)
	// The wrong answer, which takes the events for independent 0/1 outcomes:
	// the case states it to show the difference.
	events := m.Mean(1) * float64(m.N())
	naive := math.Sqrt(g.Mean * (1 - g.Mean) / events)
	return outputs{"ratio": g.Mean, "se": g.SE(), "naive_event_se": naive}
}

func runDeltaVariance(t *testing.T, data json.RawMessage) outputs {
	in := decode[twoArmInput](t, data)
	c := Group{N: in.Control.N, Mean: in.Control.Mean, Variance: in.Control.Variance}
	tr := Group{N: in.Treatment.N, Mean: in.Treatment.Mean, Variance: in.Treatment.Variance}
	absolute := Compare(c, tr, Options{}).Difference.SE
	relative := DeltaLift(c, tr, 1).SE
	return outputs{"absolute": absolute * absolute, "relative": relative * relative}
}

func runPValueByScale(t *testing.T, data json.RawMessage) outputs {
	in := decode[twoArmInput](t, data)
	c, tr := in.groups(t)
	lift, log := DeltaLift(c, tr, 1), LogLift(c, tr, 1)
	arms := checkArms(c, tr)
	df := arms.df(WelchT) // of the absolute test, on every scale
	return outputs{
		"p_absolute":       Compare(c, tr, Options{}).Test.PValue,
		"p_relative_delta": testDifference(lift.Value, lift.SE, df).PValue,
		"p_log_ratio":      testDifference(math.Log1p(log.Value), log.SE, df).PValue,
	}
}

func runSampleRatio(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct {
		Observed []int64
		Weights  []float64
	}](t, data)
	got := SampleRatio(in.Observed, in.Weights)
	require.Empty(t, got.Reason)
	return outputs{"chi2": got.Statistic, "df": got.DF, "p_value": got.PValue}
}

func runIndependence(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct{ Table [][]int64 }](t, data)
	got := ChiSquareTable(in.Table)
	require.Empty(t, got.Reason)
	return outputs{"chi2": got.Statistic, "df": got.DF, "p_value": got.PValue}
}

func runVarianceNumerics(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct {
		N          int64
		Sum        string
		SumSquares string `json:"sum_squares"`
	}](t, data)
	m, err := MomentsFromDecimals(in.N, []string{in.Sum}, []string{in.SumSquares})
	require.NoError(t, err)
	return outputs{"mean": m.Mean(0), "variance": m.Variance(0)}
}

func runMergeMoments(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct {
		Parts []struct {
			N        int64
			Mean, M2 float64
		}
	}](t, data)
	var whole Moments
	for _, p := range in.Parts {
		part, err := NewMoments(p.N, []float64{p.Mean}, []float64{p.M2})
		require.NoError(t, err)
		require.NoError(t, whole.Merge(part))
	}
	return outputs{
		"n": float64(whole.N()), "mean": whole.Mean(0),
		"m2": whole.Comoment(0, 0), "variance": whole.Variance(0),
	}
}

func runMergeComoments(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct {
		Parts []struct {
			N     int64
			MeanX float64 `json:"mean_x"`
			MeanY float64 `json:"mean_y"`
			C     float64
		}
	}](t, data)
	var whole Moments
	for _, p := range in.Parts {
		// The case has no squares; |c| is the least that allows c.
		square := math.Abs(p.C)
		part, err := NewMoments(p.N, []float64{p.MeanX, p.MeanY}, []float64{square, p.C, square})
		require.NoError(t, err)
		require.NoError(t, whole.Merge(part))
	}
	return outputs{"covariance": whole.Covariance(0, 1)}
}

func runAggregation(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct{ Filter map[string]int64 }](t, data)
	file, err := os.ReadFile(filepath.Join(casesDir(t), "units.csv"))
	require.NoError(t, err)
	rows, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	require.NoError(t, err)

	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	names := []string{"orders", "sessions", "revenue_cents", "converted", "pre_orders"}
	var sums Sums
	for _, row := range rows[1:] {
		number := func(name string) int64 {
			v, err := strconv.ParseInt(row[column[name]], 10, 64)
			require.NoError(t, err)
			return v
		}
		keep := true
		for name, want := range in.Filter {
			keep = keep && number(name) == want
		}
		if !keep {
			continue
		}
		values := make([]int64, len(names))
		for i, name := range names {
			values[i] = number(name)
		}
		require.NoError(t, sums.Add(values...))
	}
	out := outputs{"n": float64(sums.N())}
	for i, a := range names {
		out[a+"_sum"] = integer(t, sums.Sum(i).Int64())
		out[a+"_sum_squares"] = integer(t, sums.Product(i, i).Int64())
		for j, b := range names {
			if i != j {
				out[a+"_"+b+"_products"] = integer(t, sums.Product(i, j).Int64())
			}
		}
	}
	return out
}

// integer is v as a float64, which must hold it exactly.
func integer(t *testing.T, v int64) float64 {
	t.Helper()
	require.Less(t, magnitude(v), uint64(1<<53))
	return float64(v)
}

type distributionInput struct{ X, P, DF, Alpha float64 }

func runNormalSurvival(t *testing.T, data json.RawMessage) outputs {
	return outputs{"sf": normalSurvival(decode[distributionInput](t, data).X)}
}

func runNormalQuantile(t *testing.T, data json.RawMessage) outputs {
	return outputs{"x": NormalQuantile(decode[distributionInput](t, data).P)}
}

func runChiSquareSurvival(t *testing.T, data json.RawMessage) outputs {
	in := decode[distributionInput](t, data)
	return outputs{"sf": chiSquareSurvival(in.X, in.DF)}
}

func runTSurvival(t *testing.T, data json.RawMessage) outputs {
	in := decode[distributionInput](t, data)
	require.GreaterOrEqual(t, in.X, 0.0)
	return outputs{"sf": tTwoSided(in.X, in.DF) / 2}
}

func runTCritical(t *testing.T, data json.RawMessage) outputs {
	in := decode[distributionInput](t, data)
	return outputs{"t": StudentsTQuantile(1-in.Alpha/2, in.DF)}
}
