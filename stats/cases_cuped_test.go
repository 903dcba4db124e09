package stats

import (
	"encoding/json"
	"maps"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func init() {
	addRunners(map[string]func(*testing.T, json.RawMessage) outputs{
		"cuped_mean":         runCUPEDMean,
		"cuped_multivariate": runCUPEDMean,
		"cuped_ratio":        runCUPEDRatio,
		"cuped_theta":        runCUPEDTheta,
		"cuped_lin_hc2":      runCUPEDLin,
	})
}

// covariateArm is an arm with covariates, in either of the cases' forms.
type covariateArm struct {
	N             int64
	YSum          json.Number     `json:"y_sum"`
	YSumSquares   json.Number     `json:"y_sum_squares"`
	XSum          json.Number     `json:"x_sum"`
	XSumSquares   json.Number     `json:"x_sum_squares"`
	XYSum         json.Number     `json:"xy_sum"`
	Sums          []json.Number   `json:"sums"`
	CrossProducts [][]json.Number `json:"cross_products"`
}

func (a covariateArm) moments(t *testing.T) Moments {
	t.Helper()
	sums, products := texts(a.YSum, a.XSum), texts(a.YSumSquares, a.XYSum, a.XSumSquares)
	if a.Sums != nil {
		sums, products = texts(a.Sums...), nil
		for i, row := range a.CrossProducts {
			products = append(products, texts(row[:i+1]...)...)
		}
	}
	m, err := MomentsFromDecimals(a.N, sums, products)
	require.NoError(t, err)
	return m
}

type cupedInput struct {
	Control      covariateArm
	Treatment    covariateArm
	ThetaRule    string `json:"theta_rule"`
	Theta        *float64
	Thetas       []float64
	Relative     bool
	Distribution string
	Alpha        float64
}

func (in cupedInput) options(t *testing.T) CUPEDOptions {
	t.Helper()
	rules := map[string]ThetaRule{
		"": PooledTotal, "pooled_total": PooledTotal, "pooled": PooledTotal, "pooled_sample": PooledTotal,
		"pooled_sample_linearised": PooledTotal, "pooled_within": PooledWithin, "ancova": PooledWithin,
		"sum_of_arm_covariances": PooledWithin, "per_arm": PerArm, "lin": PerArm, "separate": PerArm, "fixed": FixedTheta,
	}
	rule, ok := rules[in.ThetaRule]
	require.True(t, ok, "unknown theta rule %q", in.ThetaRule)
	o := CUPEDOptions{Rule: rule, NoGuards: true, Theta: in.Thetas}
	if in.Theta != nil {
		o.Rule, o.Theta = FixedTheta, []float64{*in.Theta}
	}
	return o
}

func (in cupedInput) compareOptions(t *testing.T) Options {
	t.Helper()
	two := twoArmInput{Distribution: in.Distribution, Alpha: in.Alpha}
	if two.Alpha == 0 {
		two.Alpha = 0.05
	}
	return two.options(t)
}

// outputs are the numbers of the adjusted comparison. engineGradient asks for
// the gradient that GrowthBook uses for means, see engineLiftSE.
func (in cupedInput) outputs(t *testing.T, r CUPEDResult, control, treatment Group) outputs {
	t.Helper()
	o := in.compareOptions(t)
	got := Compare(r.Control, r.Treatment, o)
	require.Empty(t, got.Difference.Reason)
	out := results(got.Difference, got.Test)
	if in.Relative {
		lift := r.Baseline.DeltaLift(1)
		require.Empty(t, lift.Reason)
		out = in.scaled(t, lift.Value, lift.SE, got.Test.DF)
	}
	df := got.Test.DF
	if df == 0 {
		df = math.Inf(1)
	}
	unadjusted := Compare(control, treatment, o)
	more := outputs{
		"p_less": tUpperTail(-out["statistic"].(float64), df), "p_greater": tUpperTail(out["statistic"].(float64), df),
		"control_adjusted_variance": r.Control.Variance, "treatment_adjusted_variance": r.Treatment.Variance,
		"control_adjusted": r.Control.Mean, "treatment_adjusted": r.Treatment.Mean,
		"unadjusted_difference": unadjusted.Difference.Value, "unadjusted_se": unadjusted.Difference.SE,
		"pooled_correlation": r.Correlation, "variance_reduction": r.VarianceReduction,
	}
	maps.Copy(out, more)
	return out
}

// scaled is a normal estimate with the interval and test of df degrees.
func (in cupedInput) scaled(t *testing.T, value, se, df float64) outputs {
	t.Helper()
	reference := df
	if df == 0 {
		reference = math.Inf(1)
	}
	e := symmetric(value, se, tCritical(1-in.compareOptions(t).Level, reference))
	out := results(e, testDifference(value, se, reference))
	out["df"] = df
	return out
}

func runCUPEDMean(t *testing.T, data json.RawMessage) outputs {
	in := decode[cupedInput](t, data)
	c, tr := in.Control.moments(t), in.Treatment.moments(t)
	r := CUPED(c, tr, in.options(t))
	out := in.outputs(t, r, GroupMean(c, 0), GroupMean(tr, 0))
	if len(r.ControlTheta) == 1 && in.Relative && r.Reason == "" {
		lift := out["estimate"].(float64)
		full := out["se"]
		df := out["df"].(float64)
		maps.Copy(out, in.scaled(t, lift, engineLiftSE(r, c, tr), df))
		out["se_full_gradient"] = full
	}
	out["theta_control"], out["theta_treatment"] = r.ControlTheta[0], r.TreatmentTheta[0]
	if out["theta"] = r.ControlTheta; len(r.ControlTheta) == 1 && in.Control.Sums == nil {
		out["theta"] = r.ControlTheta[0]
	}
	return out
}

// engineLiftSE is GrowthBook's SE of the lift of a mean: the gradient of
// Baseline.DeltaLift with the unadjusted instead of the adjusted treatment
// mean in it. It takes equal covariate means for granted.
func engineLiftSE(r CUPEDResult, c, tr Moments) float64 {
	theta := r.ControlTheta[0]
	ratio := tr.Mean(0) / c.Mean(0)
	fromControl := ratio*ratio*c.Variance(0) - 2*theta*ratio*c.Covariance(0, 1) + theta*theta*c.Variance(1)
	v := fromControl/float64(c.N()) + r.Treatment.Variance/float64(tr.N())
	return math.Sqrt(v) / math.Abs(c.Mean(0))
}

func runCUPEDRatio(t *testing.T, data json.RawMessage) outputs {
	in := decode[cupedInput](t, data)
	c, tr := in.Control.moments(t), in.Treatment.moments(t)
	r := CUPEDRatio(c, tr, in.options(t))
	out := in.outputs(t, r, GroupRatio(c, 0, 1), GroupRatio(tr, 0, 1))
	out["theta"] = r.ControlTheta[0]
	return out
}

func runCUPEDTheta(t *testing.T, data json.RawMessage) outputs {
	in := decode[cupedInput](t, data)
	c, tr := in.Control.moments(t), in.Treatment.moments(t)
	out := outputs{}
	for name, rule := range map[string]ThetaRule{"pooled_total": PooledTotal, "pooled_within": PooledWithin, "lin": PerArm} {
		r := CUPED(c, tr, CUPEDOptions{Rule: rule, NoGuards: true})
		d := Compare(r.Control, r.Treatment, Options{}).Difference
		out["theta_"+name] = r.ControlTheta[0]
		out["estimate_"+name], out["se_"+name] = d.Value, d.SE
		if rule == PerArm {
			out["theta_control"], out["theta_treatment"] = r.ControlTheta[0], r.TreatmentTheta[0]
			out["se_lin_separate_residuals"] = d.SE
		}
	}
	return out
}

func runCUPEDLin(t *testing.T, data json.RawMessage) outputs {
	in := decode[cupedInput](t, data)
	r := CUPED(in.Control.moments(t), in.Treatment.moments(t), CUPEDOptions{Rule: PerArm, NoGuards: true})
	d := Compare(r.Control, r.Treatment, Options{}).Difference
	require.Empty(t, strings.TrimSpace(r.Reason))
	return outputs{"estimate": d.Value, "se_hc2": d.SE, "se": d.SE}
}
