package stats

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func init() {
	addRunners(map[string]func(*testing.T, json.RawMessage) outputs{
		"proportion_single_ci": runSingleProportion,
		"proportion_ci":        runProportionInterval,
		"proportion_pooled_z":  runPooledZ,
		"fisher_exact":         runFisher,
		"one_sided":            runOneSided,
		"non_inferiority":      runNonInferiority,
	})
}

type shareInput struct{ N, Sum int64 }

func (s shareInput) share() Share { return Share{Successes: s.Sum, Units: s.N} }

func runSingleProportion(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct {
		shareInput
		Alpha float64
	}](t, data)
	w, c := in.share().Wilson(1-in.Alpha), in.share().ClopperPearson(1-in.Alpha)
	require.Empty(t, w.Reason+c.Reason)
	return outputs{
		"estimate": w.Value, "wilson_lower": w.Low, "wilson_upper": w.High,
		"clopper_pearson_lower": c.Low, "clopper_pearson_upper": c.High,
	}
}

func runProportionInterval(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct {
		Control, Treatment shareInput
		Alpha              float64
		CIMethod           string `json:"ci_method"`
	}](t, data)
	c, tr, level := in.Control.share(), in.Treatment.share(), 1-in.Alpha
	var e Estimate
	switch in.CIMethod {
	case "newcombe", "newcomb":
		e = NewcombeDifference(c, tr, level)
	case "agresti_caffo", "agresti-caffo":
		e = AgrestiCaffoDifference(c, tr, level)
	case "wald":
		e = Compare(c.Group(), tr.Group(), Options{Level: level, Reference: Normal}).Difference
	default:
		t.Fatalf("unknown interval method %q", in.CIMethod)
	}
	require.Empty(t, e.Reason)
	return results(e, Test{})
}

func runPooledZ(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct{ Control, Treatment shareInput }](t, data)
	c, tr := in.Control.share(), in.Treatment.share()
	z := PooledZ(c, tr)
	require.Empty(t, z.Reason)
	return outputs{
		"estimate": tr.value() - c.value(), "se_pooled": pooledSE(c, tr),
		"statistic": z.Statistic, "z": z.Statistic, "chi2": z.Statistic * z.Statistic, "p_value": z.PValue,
	}
}

func runFisher(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct{ Control, Treatment shareInput }](t, data)
	test := FisherExact(in.Control.share(), in.Treatment.share())
	require.Empty(t, test.Reason)
	return outputs{"p_value": test.PValue}
}

func runOneSided(t *testing.T, data json.RawMessage) outputs {
	in := decode[twoArmInput](t, data)
	c, tr := in.groups(t)
	o := in.options(t)
	got := CompareOneSided(c, tr, o)
	require.Empty(t, got.Greater.Reason)
	e, df := got.DifferenceAtLeast, got.Greater.DF
	if !in.Relative {
		return oneSidedOutputs(got, e)
	}
	// GrowthBook's one-sided lift: by the delta method, with the degrees of
	// freedom of the difference.
	lift := DeltaLift(c, tr, 1)
	reference := df
	if df == 0 {
		reference = math.Inf(1)
	}
	critical := tCritical(2*in.Alpha, reference)
	got.Greater, got.Less = testDifference(lift.Value, lift.SE, reference).sides()
	got.DifferenceAtLeast, got.DifferenceAtMost = symmetric(lift.Value, lift.SE, critical).sides()
	return oneSidedOutputs(got, lift)
}

func oneSidedOutputs(got OneSided, e Estimate) outputs {
	return outputs{
		"estimate": e.Value, "se": e.SE, "df": got.Greater.DF, "statistic": got.Greater.Statistic,
		"p_greater": got.Greater.PValue, "p_less": got.Less.PValue,
		"lower_bound": got.DifferenceAtLeast.Low, "upper_bound": got.DifferenceAtMost.High,
	}
}

func runNonInferiority(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct {
		twoArmInput
		RelativeMargin float64 `json:"relative_margin"`
		AbsoluteMargin float64 `json:"absolute_margin"`
		Direction      string  `json:"preferred_direction"`
	}](t, data)
	c, tr := in.groups(t)
	if in.Distribution == "" {
		in.Distribution = "z" // Spotify's
	}
	margin := Margin{Absolute: in.AbsoluteMargin, Relative: in.RelativeMargin, Fixed: true}
	switch in.Direction {
	case "", "increase":
	case "decrease":
		margin.Decrease = true
	default:
		t.Fatalf("unknown direction %q", in.Direction)
	}
	got := NonInferiority(c, tr, margin, in.options(t))
	require.Empty(t, got.Test.Reason)
	bound := got.Bound.Low
	if margin.Decrease {
		bound = got.Bound.High
	}
	return outputs{
		"estimate": got.Bound.Value, "se": got.Bound.SE, "null": got.Null, "df": got.Test.DF,
		"z": got.Test.Statistic, "statistic": got.Test.Statistic, "p_value": got.Test.PValue, "bound": bound,
	}
}
