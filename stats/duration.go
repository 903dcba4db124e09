package stats

import (
	"fmt"
	"math"
)

// Duration is how long an experiment takes.
type Duration struct {
	// Days is whole days until there are enough units, Weeks those rounded
	// up to whole weeks, which is what to plan.
	Days  int `json:"days"`
	Weeks int `json:"weeks"`
}

// DurationOf is how long it takes for arms arms to have unitsPerArm units each
// when dailyUnits new units appear a day, of which a share allocation, above 0
// to 1, takes part. Plan whole weeks: weekdays differ. Most products see fewer
// new units each day, as the same ones return; then it is a lower bound. It
// fails with [ErrValue] beyond a thousand years.
func DurationOf(unitsPerArm float64, arms int, dailyUnits, allocation float64) (Duration, error) {
	if err := positiveNumbers(map[string]float64{"units per arm": unitsPerArm, "daily units": dailyUnits, "allocation": allocation}); err != nil {
		return Duration{}, err
	}
	if arms < 2 || allocation > 1 {
		return Duration{}, fmt.Errorf("%w: %d arms with a share of %v", ErrValue, arms, allocation)
	}
	days := math.Ceil(math.Ceil(unitsPerArm) * float64(arms) / (dailyUnits * allocation))
	if !(days <= 365_000) {
		return Duration{}, fmt.Errorf("%w: more than a thousand years", ErrValue)
	}
	return Duration{Days: int(days), Weeks: (int(days) + 6) / 7}, nil
}

// WeekPower is a row of [WeeklyPower].
type WeekPower struct {
	// Units is the number of units per arm by then.
	Units float64 `json:"units"`

	// Power is that to show the lift.
	Power float64 `json:"power"`

	// MDE is the smallest lift that can be shown, 0 when NoMDE is set: there
	// are too few units to show any.
	MDE   float64 `json:"mde,omitempty"`
	NoMDE bool    `json:"no_mde,omitempty"`
}

// WeeklyPower is the power and the smallest lift that can be shown after each
// week, with unitsPerWeek new units spread evenly over arms arms; see
// [PowerLift] and [MDELift]. Weeks is at most 1000.
func WeeklyPower(mean, variance, lift, unitsPerWeek float64, arms, weeks int, plan PowerPlan) ([]WeekPower, error) {
	if arms < 2 || weeks < 1 || weeks > 1000 {
		return nil, fmt.Errorf("%w: %d arms for %d weeks", ErrValue, arms, weeks)
	}
	rows := make([]WeekPower, weeks)
	for i := range rows {
		n := unitsPerWeek * float64(i+1) / float64(arms)
		power, err := PowerLift(mean, variance, n, lift, plan)
		if err != nil {
			return nil, err
		}
		mde, err := MDELift(mean, variance, n, plan)
		rows[i] = WeekPower{Units: n, Power: power, MDE: mde, NoMDE: err != nil}
	}
	return rows, nil
}

// Midway is what is known in the middle of an experiment, for
// [AdditionalSample].
type Midway struct {
	// SE is the standard error of the effect so far, and Effect the one that
	// is to be shown, both absolute or both relative.
	SE, Effect float64

	// PriorMean and PriorVariance are those of a normal prior for the
	// effect; a zero PriorVariance is no prior. With one the result is
	// significant when the posterior's interval excludes 0.
	PriorMean, PriorVariance float64

	// Critical is a sequential method's critical value when there are growth
	// times as many units as now. Nil means the plan's own. It is not used
	// with a prior.
	Critical func(growth float64) float64
}

// AdditionalSample is the factor f for which f times the units that there are,
// added to them, bring the power to plan.Power: 0 when it is there already. It
// takes the standard error to fall with the square root of the units, and the
// true effect to be Effect whatever was observed. It fails with [ErrValue]
// when f would be above a hundred million.
func AdditionalSample(midway Midway, plan PowerPlan) (float64, error) {
	plan, err := plan.checked()
	if err != nil {
		return 0, err
	}
	if err := positiveNumbers(map[string]float64{"the standard error": midway.SE, "|the effect|": math.Abs(midway.Effect)}); err != nil {
		return 0, err
	}
	if !isFinite(midway.PriorMean) || !(midway.PriorVariance >= 0) || !isFinite(midway.PriorVariance) {
		return 0, fmt.Errorf("%w: a prior of %v and %v", ErrValue, midway.PriorMean, midway.PriorVariance)
	}
	power := func(factor float64) float64 { return midway.power(1+factor, plan) }
	if power(0) >= plan.Power {
		return 0, nil
	}
	factor, ok := solveRising(power, plan.Power)
	if !ok || factor > 1e8 {
		return 0, fmt.Errorf("%w: no feasible number of units reaches the power", ErrValue)
	}
	return factor, nil
}

// power with growth times as many units.
func (m Midway) power(growth float64, plan PowerPlan) float64 {
	se := m.SE / math.Sqrt(growth)
	center, edge := 0.0, plan.critical()
	if m.PriorVariance > 0 {
		v := se * se
		center = se * m.PriorMean / m.PriorVariance
		edge *= math.Sqrt(1 + v/m.PriorVariance)
	} else if m.Critical != nil {
		edge = m.Critical(growth)
	}
	z := math.Abs(m.Effect) / se
	power := normalSurvival(edge - center - z)
	if !plan.OneSided {
		power += normalSurvival(edge + center + z)
	}
	return power
}
