package stats

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func init() {
	addRunners(map[string]func(*testing.T, json.RawMessage) outputs{
		"post_stratification":       runPostStratification,
		"post_stratification_ratio": runPostStratification,
		"post_stratification_cuped": runPostStratificationCUPED,
	})
}

func runPostStratification(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct {
		Strata       []struct{ Control, Treatment armInput }
		Relative     bool
		Distribution string
		Alpha        float64
	}](t, data)
	strata := make([]Stratum, len(in.Strata))
	ratio := false
	for i, s := range in.Strata {
		strata[i] = Stratum{s.Control.moments(t), s.Treatment.moments(t)}
		ratio = ratio || s.Control.NumSum != ""
	}
	if ratio {
		return stratifiedOutputs(t, PostStratifyRatio(strata), in.Relative, in.Alpha)
	}
	return stratifiedOutputs(t, PostStratify(strata), in.Relative, in.Alpha)
}

func runPostStratificationCUPED(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct {
		Strata   []struct{ Control, Treatment covariateArm }
		Relative bool
		Alpha    float64
	}](t, data)
	strata := make([]Stratum, len(in.Strata))
	for i, s := range in.Strata {
		strata[i] = Stratum{s.Control.moments(t), s.Treatment.moments(t)}
	}
	return stratifiedOutputs(t, PostStratifyCUPED(strata), in.Relative, in.Alpha)
}

// stratifiedOutputs has the normal interval and test that GrowthBook reports.
func stratifiedOutputs(t *testing.T, r StratifiedResult, relative bool, alpha float64) outputs {
	t.Helper()
	require.Empty(t, r.Means.Reason)
	if alpha == 0 {
		alpha = 0.05
	}
	critical := NormalQuantile(1 - alpha/2)
	e := r.Means.Difference(critical)
	if relative {
		e = r.Means.DeltaLift(critical)
	}
	require.Empty(t, e.Reason)
	z := e.Value / e.SE
	out := results(e, newTest(z, 0, 2*normalSurvival(max(z, -z))))
	out["z"] = z
	out["se_conditional_on_strata_sizes"] = r.ConditionalSE
	return out
}
