package stats

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func init() {
	addRunners(map[string]func(*testing.T, json.RawMessage) outputs{
		"power_t":                  runPowerT,
		"power_t_from_stats":       runPowerTFromStats,
		"mde_t_from_stats":         runPowerTFromStats,
		"n_t_from_stats":           runPowerTFromStats,
		"power_proportion":         runPowerProportion,
		"power_relative_lift":      runPowerLift,
		"power_weekly_table":       runWeeklyPower,
		"sample_size_mean":         runSampleSizeMean,
		"sample_size_cuped":        runSampleSizeMean,
		"sample_size_proportion":   runSampleSizeProportion,
		"duration":                 runDuration,
		"additional_sample_factor": runAdditionalSample,
	})
}

// planInput is what the planning cases share.
type planInput struct {
	Alpha          float64
	Power          float64
	TargetPower    float64 `json:"target_power"`
	Alternative    string
	Ratio          float64
	SD             float64
	Mean           float64
	Variance       float64
	AbsoluteEffect float64 `json:"absolute_effect"`
	RelativeEffect float64 `json:"relative_effect"`
	AbsoluteMDE    float64 `json:"absolute_mde"`
	RelativeMDE    float64 `json:"relative_mde"`
	Rho            float64
	NControl       float64 `json:"n_control"`
	NTreatment     float64 `json:"n_treatment"`
	NTotal         float64 `json:"n_total"`
	NPerArm        float64 `json:"n_per_arm"`
	PControl       float64 `json:"p_control"`
	PTreatment     float64 `json:"p_treatment"`
	Arms           int
	Arm            *armInput
	Weeks          int
	UsersPerWeek   float64 `json:"users_per_week"`
	DailyNewUnits  float64 `json:"daily_new_units"`
	Allocation     float64
	BonferroniArms bool     `json:"bonferroni_arms"`
	TuningN        *float64 `json:"sequential_tuning_n"`
	TargetMDE      float64  `json:"target_mde_relative"`
	PriorMean      *float64 `json:"prior_mean"`
	PriorVariance  *float64 `json:"prior_variance"`
	Control        armInput
	Treatment      armInput
}

func (in planInput) plan(t *testing.T) PowerPlan {
	t.Helper()
	require.Contains(t, []string{"", "two-sided", "greater", "less", "larger", "smaller"}, in.Alternative)
	p := PowerPlan{
		Alpha: in.Alpha, Power: in.Power, Ratio: in.Ratio,
		OneSided: in.Alternative != "" && in.Alternative != "two-sided",
	}
	if in.TargetPower != 0 {
		p.Power = in.TargetPower
	}
	return p
}

// sequentialMultiplier is that of the asymptotic confidence sequence tuned to
// tuning units, at n units (statistics.md 1.9).
func sequentialMultiplier(n, tuning, alpha float64) float64 {
	r := (-2*math.Log(alpha) + math.Log(1-2*math.Log(alpha))) / tuning
	return math.Sqrt(2 * (n*r + 1) / (n * r) * math.Log(math.Sqrt(n*r+1)/alpha))
}

func runPowerT(t *testing.T, data json.RawMessage) outputs {
	in := decode[planInput](t, data)
	power, err := PowerT(in.NControl, in.NTreatment, in.AbsoluteEffect, in.SD, in.plan(t))
	require.NoError(t, err)
	return outputs{"power": power}
}

func runPowerTFromStats(t *testing.T, data json.RawMessage) outputs {
	in := decode[planInput](t, data)
	plan := in.plan(t)
	g := GroupMean(in.Arm.moments(t), 0)
	sd := math.Sqrt(g.Variance)
	effect := in.AbsoluteEffect
	if in.RelativeEffect != 0 {
		effect = in.RelativeEffect * g.Mean
	}
	ratio := plan.withDefaults().Ratio
	nC := in.NTotal / (1 + ratio)
	switch {
	case in.NTotal == 0:
		n, err := UnitsOfT(effect, sd, plan)
		require.NoError(t, err)
		return outputs{"n_total": n, "n_total_ceil": math.Ceil(n)}
	case effect == 0:
		mde, err := MDEOfT(nC, in.NTotal-nC, sd, plan)
		require.NoError(t, err)
		return outputs{"absolute_mde": mde, "relative_mde": mde / g.Mean}
	}
	power, err := PowerT(nC, in.NTotal-nC, effect, sd, plan)
	require.NoError(t, err)
	return outputs{"power": power}
}

func runPowerProportion(t *testing.T, data json.RawMessage) outputs {
	in := decode[planInput](t, data)
	plan := in.plan(t)
	power, err := PowerProportion(in.NPerArm, in.PControl, in.PTreatment, plan)
	require.NoError(t, err)
	plan.OneSided, plan.Alpha = true, plan.Alpha/2
	one, err := PowerProportion(in.NPerArm, in.PControl, in.PTreatment, plan)
	require.NoError(t, err)
	return outputs{"power": power, "power_one_tail": one}
}

func runPowerLift(t *testing.T, data json.RawMessage) outputs {
	in := decode[planInput](t, data)
	plan := in.plan(t)
	n := in.NTotal / float64(in.Arms)
	variance := in.Variance
	if in.TuningN != nil && *in.TuningN > 0 {
		// GrowthBook widens the error itself, for the power's term too; a
		// PowerPlan's Inflation widens the critical value only.
		inflation := sequentialMultiplier(2*n, *in.TuningN, in.Alpha) / NormalQuantile(1-in.Alpha/2)
		variance *= inflation * inflation
	}
	power, err := PowerLift(in.Mean, variance, n, in.RelativeEffect, plan)
	require.NoError(t, err)
	mde, err := MDELift(in.Mean, variance, n, plan)
	require.NoError(t, err)
	return outputs{"power": power, "relative_mde": mde}
}

func runWeeklyPower(t *testing.T, data json.RawMessage) outputs {
	in := decode[planInput](t, data)
	plan := in.plan(t)
	rows, err := WeeklyPower(in.Mean, in.Variance, in.RelativeEffect, in.UsersPerWeek, in.Arms, in.Weeks, plan)
	require.NoError(t, err)
	var power, mde []float64
	out := outputs{"first_week_powered": nil}
	for week, row := range rows {
		power, mde = append(power, row.Power), append(mde, row.MDE)
		if out["first_week_powered"] == nil && row.Power >= plan.withDefaults().Power {
			out["first_week_powered"] = float64(week + 1)
		}
	}
	out["power"], out["relative_mde"] = power, mde
	return out
}

func runSampleSizeMean(t *testing.T, data json.RawMessage) outputs {
	in := decode[planInput](t, data)
	effect := in.AbsoluteMDE
	if effect == 0 {
		effect = in.RelativeMDE * in.Mean
	}
	raw, err := SampleSizeMean(in.SD, effect, 0, in.plan(t))
	require.NoError(t, err)
	n, err := SampleSizeMean(in.SD, effect, in.Rho, in.plan(t))
	require.NoError(t, err)
	return outputs{
		"n_per_arm_raw": raw.Control, "n_per_arm": n.Control,
		"n_control": n.Control, "n_treatment": n.Treatment,
		"n_control_ceil": math.Ceil(n.Control), "n_treatment_ceil": math.Ceil(n.Treatment), "n_total_ceil": n.Total(),
	}
}

func runSampleSizeProportion(t *testing.T, data json.RawMessage) outputs {
	in := decode[planInput](t, data)
	out := outputs{}
	for name, formula := range map[string]ProportionFormula{
		"n_pooled_null": PooledNull, "n_evan_miller": ControlNull, "n_unpooled": Unpooled, "n_arcsine": Arcsine,
	} {
		n, err := SampleSizeProportion(in.PControl, in.PTreatment, formula, in.plan(t))
		require.NoError(t, err)
		out[name] = n
	}
	return out
}

func runDuration(t *testing.T, data json.RawMessage) outputs {
	in := decode[planInput](t, data)
	plan := in.plan(t)
	if in.BonferroniArms {
		plan.Comparisons = in.Arms - 1
	}
	effect := in.AbsoluteMDE
	if effect == 0 {
		effect = in.RelativeMDE * in.Mean
	}
	n, err := SampleSizeMean(in.SD, effect, in.Rho, plan)
	require.NoError(t, err)
	d, err := DurationOf(n.Control, in.Arms, in.DailyNewUnits, in.Allocation)
	require.NoError(t, err)
	return outputs{
		"n_per_arm": n.Control, "n_per_arm_ceil": math.Ceil(n.Control),
		"days": float64(d.Days), "weeks": float64(d.Weeks),
	}
}

func runAdditionalSample(t *testing.T, data json.RawMessage) outputs {
	in := decode[planInput](t, data)
	c, tr := GroupMean(in.Control.moments(t), 0), GroupMean(in.Treatment.moments(t), 0)
	lift := DeltaLift(c, tr, 1)
	require.Empty(t, lift.Reason)
	m := Midway{SE: lift.SE, Effect: in.TargetMDE}
	if in.PriorVariance != nil {
		m.PriorVariance = *in.PriorVariance
		if in.PriorMean != nil {
			m.PriorMean = *in.PriorMean
		}
	}
	if in.TuningN != nil && *in.TuningN > 0 {
		units := float64(c.N + tr.N)
		m.Critical = func(growth float64) float64 { return sequentialMultiplier(units*growth, *in.TuningN, in.Alpha) }
	}
	factor, err := AdditionalSample(m, in.plan(t))
	require.NoError(t, err)
	return outputs{"factor": factor}
}
