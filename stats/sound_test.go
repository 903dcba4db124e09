package stats

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// requireSoundEstimate checks what every estimate promises: no NaN, an
// interval around its value, and JSON that reads back.
func requireSoundEstimate(t require.TestingT, e Estimate) {
	require.False(t, math.IsNaN(e.Value) || math.IsInf(e.Value, 0), "%+v", e)
	require.False(t, math.IsNaN(e.SE) || math.IsInf(e.SE, 0) || e.SE < 0, "%+v", e)
	require.False(t, e.NoValue && e.Reason == "", "%+v", e)
	if e.Reason == "" {
		require.LessOrEqual(t, e.Low, e.Value, "%+v", e)
		require.GreaterOrEqual(t, e.High, e.Value, "%+v", e)
		require.False(t, math.IsInf(e.Low, 0) && math.IsInf(e.High, 0), "%+v", e)
	}
	requireSoundJSON(t, e)
}

func requireSoundTest(t require.TestingT, test Test) {
	require.True(t, test.PValue > 0 && test.PValue <= 1, "%+v", test)
	require.True(t, isFinite(test.Statistic) && isFinite(test.DF), "%+v", test)
	requireSoundJSON(t, test)
}

func requireSoundComparison(t require.TestingT, c Comparison) {
	requireSoundEstimate(t, c.Difference)
	requireSoundEstimate(t, c.Lift)
	requireSoundTest(t, c.Test)
}

func requireSoundJoint(t require.TestingT, j Joint) {
	for _, v := range []float64{j.Control, j.Treatment, j.ControlVariance, j.TreatmentVariance, j.Covariance, j.DF} {
		require.True(t, isFinite(v), "%+v", j)
	}
	requireSoundJSON(t, j)
	requireSoundComparison(t, j.Compare(Options{}))
	requireSoundEstimate(t, j.DeltaLift(2))
	requireSoundEstimate(t, j.Difference(2))
}

func requireSoundCUPED(t require.TestingT, r CUPEDResult) {
	for _, v := range append(append([]float64{r.Correlation, r.VarianceReduction}, r.ControlTheta...), r.TreatmentTheta...) {
		require.True(t, isFinite(v), "%+v", r)
	}
	requireSoundJoint(t, r.Baseline)
	requireSoundComparison(t, Compare(r.Control, r.Treatment, Options{}))
	requireSoundJSON(t, r)
}

// requireSoundJSON checks that v can be written: NaN and infinities cannot.
func requireSoundJSON(t require.TestingT, v any) {
	_, err := json.Marshal(v)
	require.NoError(t, err, "%+v", v)
}

// awkwardNumbers are what goes wrong in floating point.
var awkwardNumbers = []float64{0, 1, -1, 0.5, 3, 1e-300, 1e300, -1e300, 1e160, -1e155, 5e-324, math.MaxFloat64, 1e16, math.Inf(1), math.Inf(-1), math.NaN()}

// fuzzGroup makes a group of numbers that a fuzzer found.
func fuzzGroup(n int64, mean, variance float64) Group {
	return Group{N: n, Mean: mean, Variance: variance}
}

func FuzzGroupMethods(f *testing.F) {
	for i, a := range awkwardNumbers {
		b := awkwardNumbers[(i*5+3)%len(awkwardNumbers)]
		f.Add(int64(100), a, math.Abs(b), int64(7), b, math.Abs(a), 0.95, 0.02)
		f.Add(int64(i), b, 2.0, int64(-i), a, 1e-300, a, b)
	}
	f.Fuzz(func(t *testing.T, n1 int64, m1, v1 float64, n2 int64, m2, v2, level, margin float64) {
		c, tr := fuzzGroup(n1, m1, v1), fuzzGroup(n2, m2, v2)
		for _, r := range []Reference{WelchT, PooledT, Normal, 9} {
			o := Options{Level: level, Reference: r}
			one := CompareOneSided(c, tr, o)
			for _, e := range []Estimate{one.DifferenceAtLeast, one.DifferenceAtMost, one.LiftAtLeast, one.LiftAtMost} {
				requireSoundEstimate(t, e)
			}
			requireSoundTest(t, one.Greater)
			requireSoundTest(t, one.Less)
			for _, m := range []Margin{{Absolute: margin}, {Relative: margin}, {Relative: margin, Decrease: true}, {Relative: margin, Fixed: true}} {
				got := NonInferiority(c, tr, m, o)
				requireSoundEstimate(t, got.Bound)
				requireSoundTest(t, got.Test)
				require.True(t, isFinite(got.Null))
			}
			e, test := InteractionRatio([2][2]Group{{c, tr}, {tr, c}}, o)
			requireSoundEstimate(t, e)
			requireSoundTest(t, test)
		}
		requireSoundTest(t, Balance(c, tr))
		requireSoundTest(t, Balance(c, tr, c))
		cells := [][]Group{{c, tr, c}, {tr, c, c}}
		requireSoundJoint(t, Interaction([2][2]Group{{c, tr}, {tr, tr}}))
		for _, w := range []LevelWeights{EqualWeights, PopulationWeights, 7} {
			requireSoundJoint(t, MainEffect(cells, false, 0, 1, w))
			requireSoundJoint(t, MainEffect(cells, true, 2, 1, w))
		}
		requireSoundTest(t, InteractionWald(cells))
		requireSoundTest(t, InteractionANOVA(cells).Test)
		requireSoundJSON(t, Interactions([]ExperimentPair{{"a", "b", cells}}))
		order := OrderStatistics{N: n1, Nu: level, Quantile: m1, Low: m2, High: v1, Z: v2, WidthN: n2}
		requireSoundComparison(t, Compare(order.Group(), tr, Options{Reference: Normal}))
		joint := Joint{N: n1, Control: m1, Treatment: m2, ControlVariance: v1, TreatmentVariance: v2, Covariance: margin, DF: level}
		requireSoundComparison(t, joint.Compare(Options{Level: level}))
		requireSoundEstimate(t, joint.Lift(level))
		requireSoundEstimate(t, joint.DeltaLift(level))
	})
}

func FuzzShares(f *testing.F) {
	f.Add(int64(0), int64(20), int64(3), int64(25), 0.95)
	f.Add(int64(9), int64(9), int64(0), int64(25), 0.5)
	f.Add(int64(5_000_000), int64(math.MaxInt64), int64(7), int64(math.MaxInt64), 1e-9)
	f.Add(int64(100), int64(1<<40), int64(90), int64(1<<20), 0.999999)
	f.Add(int64(-1), int64(4), int64(5), int64(4), math.NaN())
	f.Fuzz(func(t *testing.T, x1, n1, x2, n2 int64, level float64) {
		const most = 1 << 24 // Fisher's time grows with the square root
		if x1 > most || x2 > most {
			t.Skip("too slow for a fuzz target")
		}
		a, b := Share{x1, n1}, Share{x2, n2}
		for _, e := range []Estimate{
			a.Wilson(level), a.ClopperPearson(level), b.Wilson(level),
			NewcombeDifference(a, b, level), AgrestiCaffoDifference(a, b, level),
		} {
			requireSoundEstimate(t, e)
			if e.Reason == "" {
				require.True(t, e.Low >= -1.0000001 && e.High <= 1.0000001, "%+v", e)
			}
		}
		requireSoundTest(t, PooledZ(a, b))
		requireSoundTest(t, FisherExact(a, b))
		c := CompareProportions(a, b, Options{Level: level})
		requireSoundComparison(t, c.Comparison)
		requireSoundJSON(t, c)
	})
}

// FuzzMomentsMethods feeds units of awkward values to the methods on moments.
func FuzzMomentsMethods(f *testing.F) {
	for i := range awkwardNumbers {
		f.Add(awkwardNumbers[i], awkwardNumbers[(i+1)%len(awkwardNumbers)], awkwardNumbers[(i+4)%len(awkwardNumbers)], awkwardNumbers[(i+7)%len(awkwardNumbers)], uint8(i))
	}
	f.Fuzz(func(t *testing.T, a, b, c, d float64, n uint8) {
		var control, treatment Moments
		for i := range int(n % 12) {
			x := float64(i%3) - 1
			_ = control.Add(a*x, b+x, c*x*x, d) // values that do not fit are refused, the rest counts
			_ = treatment.Add(b*x*x, a-x, d+x, c)
		}
		strata := []Stratum{{control, treatment}, {treatment, control}, {control, Moments{}}}
		for _, noGuards := range []bool{false, true} {
			for _, rule := range []ThetaRule{PooledTotal, PooledWithin, PerArm, FixedTheta, 8} {
				o := CUPEDOptions{Rule: rule, NoGuards: noGuards, Theta: []float64{a, b, c}, MinUnits: 3}
				requireSoundCUPED(t, CUPED(control, treatment, o))
				o.Theta = []float64{d}
				requireSoundCUPED(t, CUPEDRatio(control, treatment, o))
			}
		}
		for _, r := range []StratifiedResult{PostStratify(strata), PostStratifyRatio(strata), PostStratifyCUPED(strata), PostStratify(nil)} {
			requireSoundJoint(t, r.Means)
			requireSoundJSON(t, r)
			require.True(t, isFinite(r.ConditionalSE))
		}
	})
}

func FuzzValues(f *testing.F) {
	for i := range awkwardNumbers {
		f.Add(awkwardNumbers[i], awkwardNumbers[(i+1)%len(awkwardNumbers)], awkwardNumbers[(i+5)%len(awkwardNumbers)], 0.9)
	}
	f.Fuzz(func(t *testing.T, a, b, c, p float64) {
		values := []float64{a, b, c, a, -b, c / 2}
		for _, kind := range []QuantileType{Continuous, Discrete, 5} {
			if q, err := SampleQuantile(values, p, kind); err == nil {
				require.True(t, isFinite(q))
			}
			if got, err := Cap([][]float64{values, {b}}, CapOptions{Percentile: p, Type: kind, IgnoreZeros: true}); err == nil {
				require.True(t, isFinite(got.Cap))
			}
		}
		if g, err := GroupTrimmed(values, p/2); err == nil {
			requireSoundComparison(t, Compare(g, g, Options{}))
		}
		if g, err := GroupQuantile([][]float64{values, {c}, nil}, p); err == nil {
			requireSoundComparison(t, Compare(g, g, Options{}))
		}
		arms := [][][]float64{Column(values[:3]), Column(values[3:])}
		for _, s := range []ArmStatistic{MeanDifference, MeanLift} {
			requireSoundEstimate(t, Bootstrap(arms, s, BootstrapOptions{Resamples: 20, Workers: 2, Level: p}))
			requireSoundEstimate(t, BootstrapExact(arms, s, p))
		}
		if risk, err := FalsePositiveRisk(a, b, c); err == nil {
			require.True(t, risk >= 0 && risk <= 1)
		}
		require.GreaterOrEqual(t, UnitsForSkewness(a), int64(0))
		require.GreaterOrEqual(t, UnitsForShare(p), int64(0))
	})
}
