package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Each solver inverts its power function.
func TestPowerSolversInvertPower(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := PowerPlan{
			Alpha: rapid.Float64Range(0.001, 0.2).Draw(t, "alpha"),
			Power: rapid.Float64Range(0.5, 0.99).Draw(t, "power"), OneSided: rapid.Bool().Draw(t, "one-sided"),
			Ratio:       rapid.Float64Range(0.2, 5).Draw(t, "ratio"),
			Comparisons: rapid.IntRange(1, 4).Draw(t, "comparisons"),
		}
		n, sd := rapid.Float64Range(10, 3000).Draw(t, "n"), rapid.Float64Range(0.1, 9).Draw(t, "sd")
		mde, err := MDEOfT(n, n*plan.Ratio, sd, plan)
		require.NoError(t, err)
		power, err := PowerT(n, n*plan.Ratio, mde, sd, plan)
		require.NoError(t, err)
		require.InDelta(t, plan.Power, power, 1e-7)
		units, err := UnitsOfT(mde, sd, plan)
		require.NoError(t, err)
		require.InEpsilon(t, n*(1+plan.Ratio), units, 1e-4)

		size, err := SampleSizeMean(sd, mde, 0, plan)
		require.NoError(t, err)
		z, err := PowerZ(mde, sd*math.Sqrt(1/size.Control+1/size.Treatment), plan)
		require.NoError(t, err)
		require.InDelta(t, plan.Power, z, 0.01, "the far tail is all that differs")
		require.InEpsilon(t, units, size.Control+size.Treatment, 0.6)

		half, err := SampleSizeMean(sd, mde, math.Sqrt(0.5), plan)
		require.NoError(t, err)
		require.InEpsilon(t, size.Treatment/2, half.Treatment, 1e-9)
	})
}

func TestLiftAndShareSolversInvertPower(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := PowerPlan{OneSided: true, Power: rapid.Float64Range(0.5, 0.95).Draw(t, "power")}
		n := rapid.Float64Range(1000, 1e6).Draw(t, "n")
		mde, err := MDELift(-3, 4, n, plan)
		require.NoError(t, err)
		power, err := PowerLift(-3, 4, n, mde, plan)
		require.NoError(t, err)
		require.InDelta(t, plan.Power, power, 1e-9)

		p1, p2 := rapid.Float64Range(0.01, 0.5).Draw(t, "p1"), rapid.Float64Range(0.51, 0.99).Draw(t, "p2")
		need, err := SampleSizeProportion(p1, p2, PooledNull, plan)
		require.NoError(t, err)
		power, err = PowerProportion(need, p1, p2, plan)
		require.NoError(t, err)
		require.InDelta(t, plan.Power, power, 1e-9)

		m := Midway{SE: rapid.Float64Range(0.1, 2).Draw(t, "se"), Effect: 1, PriorVariance: rapid.SampledFrom([]float64{0, 1, 4}).Draw(t, "prior")}
		f, err := AdditionalSample(m, plan)
		require.NoError(t, err)
		if f > 0 {
			require.InDelta(t, plan.Power, m.power(1+f, plan.withDefaults()), 1e-9)
		}
	})
}

// The power of the t test is how often it is significant in simulated data.
func TestPowerTMatchesSimulation(t *testing.T) {
	const seed, rounds = 20260723, 4000
	random := rand.New(rand.NewPCG(seed, 2))
	significant := 0.0
	for range rounds {
		var c, tr Moments
		for range 12 {
			require.NoError(t, c.Add(random.NormFloat64()))
		}
		for range 8 {
			require.NoError(t, tr.Add(1.2+random.NormFloat64()))
		}
		if Compare(GroupMean(c, 0), GroupMean(tr, 0), Options{Reference: PooledT}).Significant() {
			significant++
		}
	}
	power, err := PowerT(12, 8, 1.2, 1, PowerPlan{})
	require.NoError(t, err)
	require.InDelta(t, power, significant/rounds, 4*math.Sqrt(power*(1-power)/rounds), "seed %d", seed)
}

func TestPowerTNearsTheNormal(t *testing.T) {
	for _, effect := range []float64{0, 0.001, 0.003} {
		exact, err := PowerT(4.9e6, 4.9e6, effect, 1, PowerPlan{})
		require.NoError(t, err)
		beyond, err := PowerT(5.1e6, 4.7e6*1.0001, effect, 1, PowerPlan{})
		require.NoError(t, err)
		require.InDelta(t, exact, beyond, 0.003)
	}
	none, err := PowerT(50, 50, 0, 1, PowerPlan{})
	require.NoError(t, err)
	require.InDelta(t, 0.05, none, 1e-9)
	sure, err := PowerT(50, 50, 1e9, 1, PowerPlan{})
	require.NoError(t, err)
	require.Equal(t, 1.0, sure)
}

// Where the series of the noncentral t ends, what follows continues it.
func TestPowerTIsContinuousAtItsSwitch(t *testing.T) {
	for _, n := range []float64{1.5, 2, 4, 50, 400} {
		for _, alpha := range []float64{0.05, 1e-3, 1e-8} {
			plan := PowerPlan{Alpha: alpha}.withDefaults()
			sd := 1 / math.Sqrt(2/n) // so that the effect is the shift
			below, above := plan.powerT(n, n, 29.999, sd), plan.powerT(n, n, 30.001, sd)
			require.InDelta(t, below, above, 1e-3, "n %v alpha %v", n, alpha)
		}
	}
}

func TestPlanningRefusesNonsense(t *testing.T) {
	nan := math.NaN()
	check := func(_ any, err error) {
		t.Helper()
		require.ErrorIs(t, err, ErrValue)
	}
	for _, p := range []PowerPlan{{Alpha: -1}, {Alpha: nan}, {Power: 1}, {Ratio: -1}, {Inflation: math.Inf(1)}, {Comparisons: -1}} {
		check(PowerT(9, 9, 1, 1, p))
		check(PowerZ(1, 1, p))
		check(MDEOfT(9, 9, 1, p))
		check(UnitsOfT(1, 1, p))
		check(SampleSizeMean(1, 1, 0, p))
		check(SampleSizeProportion(0.1, 0.2, PooledNull, p))
		check(PowerProportion(9, 0.1, 0.2, p))
		check(PowerLift(1, 1, 9, 1, p))
		check(MDELift(1, 1, 900, p))
		check(AdditionalSample(Midway{SE: 1, Effect: 1}, p))
		check(WeeklyPower(1, 1, 1, 900, 2, 2, p))
	}
	for _, v := range []float64{0, -1, nan, math.Inf(1)} {
		check(PowerZ(1, v, PowerPlan{}))
		check(PowerT(v, 9, 1, 1, PowerPlan{}))
		check(PowerT(9, 9, 1, v, PowerPlan{}))
		check(UnitsOfT(v*0, 1, PowerPlan{}))
		check(SampleSizeMean(v, 1, 0, PowerPlan{}))
		check(PowerProportion(v, 0.1, 0.2, PowerPlan{}))
		check(PowerLift(1, v, 1, 1, PowerPlan{}))
		check(MDELift(v*0, 1, 1, PowerPlan{}))
		check(DurationOf(v, 2, 1, 1))
		check(DurationOf(1, 2, v, 1))
		check(AdditionalSample(Midway{SE: v, Effect: 1}, PowerPlan{}))
	}
	check(PowerZ(nan, 1, PowerPlan{}))
	check(PowerT(1, 1, 1, 1, PowerPlan{}))
	check(SampleSizeMean(1, 1, 1, PowerPlan{}))
	check(SampleSizeMean(1e200, 1e-200, 0, PowerPlan{}))
	check(SampleSizeProportion(0.1, 0.1, PooledNull, PowerPlan{}))
	check(SampleSizeProportion(0, 0, PooledNull, PowerPlan{}))
	check(SampleSizeProportion(-0.1, 0.1, PooledNull, PowerPlan{}))
	check(SampleSizeProportion(0.1, 0.2, 9, PowerPlan{}))
	check(SampleSizeProportion(0.1, 0.2, PooledNull, PowerPlan{Ratio: 2}))
	check(MDELift(1, 100, 5, PowerPlan{}))
	check(PowerLift(1, 1, 1, nan, PowerPlan{}))
	check(DurationOf(1, 1, 1, 1))
	check(DurationOf(1, 2, 1, 2))
	check(DurationOf(1e300, 2, 1, 1))
	check(WeeklyPower(1, 1, 1, 1, 1, 1, PowerPlan{}))
	check(WeeklyPower(1, 1, 1, 1, 2, 1001, PowerPlan{}))
	check(AdditionalSample(Midway{SE: 1, Effect: 1, PriorVariance: -1}, PowerPlan{}))
	check(AdditionalSample(Midway{SE: 1, Effect: 1e-300}, PowerPlan{}))

	never := Midway{SE: 1, Effect: 1, Critical: func(float64) float64 { return math.Inf(1) }}
	check(AdditionalSample(never, PowerPlan{}))
	rows, err := WeeklyPower(1, 100, 0.1, 10, 2, 1, PowerPlan{})
	require.NoError(t, err)
	require.True(t, rows[0].NoMDE)
	all, err := PowerProportion(5, 0, 1, PowerPlan{})
	require.NoError(t, err)
	require.Equal(t, 1.0, all)
}

func FuzzPlanning(f *testing.F) {
	for i := range awkwardNumbers {
		f.Add(awkwardNumbers[i], awkwardNumbers[(i+1)%len(awkwardNumbers)], awkwardNumbers[(i+5)%len(awkwardNumbers)], awkwardNumbers[(i+8)%len(awkwardNumbers)], 0.05)
	}
	f.Add(100.0, 120.0, 0.3, 2.0, 0.01)
	f.Fuzz(func(t *testing.T, a, b, c, d, alpha float64) {
		for _, plan := range []PowerPlan{{Alpha: alpha}, {OneSided: true, Ratio: math.Abs(d)}, {Inflation: b, Power: alpha}} {
			sound := func(v float64, err error) {
				t.Helper()
				require.True(t, err != nil || isFinite(v) && v >= 0, "%v", v)
			}
			power := func(v float64, err error) {
				t.Helper()
				require.True(t, err != nil || v >= 0 && v <= 1, "%v", v)
			}
			power(PowerZ(a, b, plan))
			power(PowerT(a, b, c, d, plan))
			power(PowerProportion(a, b, c, plan))
			power(PowerLift(a, b, c, d, plan))
			sound(MDEOfT(a, b, c, plan))
			sound(UnitsOfT(a, b, plan))
			sound(MDELift(a, b, c, plan))
			sound(SampleSizeProportion(a, b, ProportionFormula(int(math.Mod(c, 5))), plan))
			sound(AdditionalSample(Midway{SE: a, Effect: b, PriorMean: c, PriorVariance: d}, plan))
			size, err := SampleSizeMean(a, b, c, plan)
			sound(size.Control, err)
			if duration, err := DurationOf(a, 2, b, c); err == nil {
				require.GreaterOrEqual(t, duration.Weeks*7, duration.Days)
			}
		}
	})
}
