package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var everyCorrection = []Correction{
	NoCorrection, Bonferroni, Holm, Hochberg, Hommel, Sidak, HolmSidak, BenjaminiHochberg, BenjaminiYekutieli,
}

// drawPValues draws from a few values too, so that ties happen.
func drawPValues(t *rapid.T) []float64 {
	one := rapid.OneOf(
		rapid.Float64Range(0, 1), rapid.Float64Range(0, 0.02),
		rapid.SampledFrom([]float64{0, 1e-300, 0.01, 0.025, 0.05, 0.5, 1}),
	)
	return rapid.SliceOfN(one, 1, 12).Draw(t, "p")
}

// The interval at the adjusted level excludes the null value exactly when the
// adjusted p-value is at most alpha, for every correction.
func TestAdjustedLevelsAgreeWithAdjustedPValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPValues(t)
		alpha := rapid.SampledFrom([]float64{0.01, 0.05, 0.2, 0.5}).Draw(t, "alpha")
		for _, c := range everyCorrection {
			adjusted, err := Adjust(c, p)
			require.NoError(t, err)
			levels, err := AdjustedLevels(c, p, alpha)
			require.NoError(t, err)
			for i := range p {
				require.GreaterOrEqual(t, levels[i], 1-alpha-1e-15, "%v", c)
				// 1 − level has rounding of its own; p-values between two
				// float64 levels are beyond it.
				if math.Abs(p[i]-(1-levels[i])) > 1e-15 {
					require.Equal(t, adjusted[i] <= alpha, p[i] <= 1-levels[i], "%v of %v at %v", c, p, alpha)
				}
			}
		}
	})
}

// Which method finds at least what which other finds, and permutations.
func TestCorrectionsAreOrdered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPValues(t)
		adjusted := map[Correction][]float64{}
		for _, c := range everyCorrection {
			var err error
			adjusted[c], err = Adjust(c, p)
			require.NoError(t, err)
			reversed := slices.Clone(p)
			slices.Reverse(reversed)
			back, err := Adjust(c, reversed)
			require.NoError(t, err)
			slices.Reverse(back)
			require.Equal(t, adjusted[c], back, "%v depends on the order", c)
		}
		chains := [][]Correction{
			{Bonferroni, Holm, Hochberg, Hommel, BenjaminiHochberg, NoCorrection},
			{Bonferroni, Sidak, HolmSidak, NoCorrection},
			{BenjaminiYekutieli, BenjaminiHochberg},
		}
		for _, chain := range chains {
			for i := 1; i < len(chain); i++ {
				for k := range p {
					require.GreaterOrEqual(t, adjusted[chain[i-1]][k], adjusted[chain[i]][k]-1e-15, "%v after %v", chain[i], chain[i-1])
				}
			}
		}
	})
}

// Hommel's procedure is the closure of Simes' test: by brute force over all
// subsets.
func TestHommelIsTheClosureOfSimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPValues(t)
		if len(p) > 8 {
			p = p[:8]
		}
		want := slices.Clone(p)
		for subset := 1; subset < 1<<len(p); subset++ {
			var in []float64
			for i := range p {
				if subset>>i&1 == 1 {
					in = append(in, p[i])
				}
			}
			slices.Sort(in)
			simes := math.Inf(1)
			for k, v := range in {
				simes = min(simes, v*float64(len(in))/float64(k+1))
			}
			for i := range p {
				if subset>>i&1 == 1 {
					want[i] = max(want[i], simes)
				}
			}
		}
		got, err := Adjust(Hommel, p)
		require.NoError(t, err)
		require.InDeltaSlice(t, want, got, 1e-12)
	})
}

func TestAdjustRefuses(t *testing.T) {
	for _, p := range []float64{math.NaN(), -1e-9, 1.0000001, math.Inf(1)} {
		_, err := Adjust(Holm, []float64{0.5, p})
		require.ErrorIs(t, err, ErrValue)
		_, err = AdjustedLevels(Holm, []float64{p}, 0.05)
		require.ErrorIs(t, err, ErrValue)
	}
	_, err := Adjust(99, nil)
	require.ErrorIs(t, err, ErrValue)
	for _, alpha := range []float64{0, 1, math.NaN()} {
		_, err = AdjustedLevels(Holm, []float64{0.5}, alpha)
		require.ErrorIs(t, err, ErrValue)
	}
	for _, c := range everyCorrection {
		got, err := Adjust(c, nil)
		require.NoError(t, err)
		require.Empty(t, got)
		input := []float64{0.04, 0.01}
		_, err = Adjust(c, input)
		require.NoError(t, err)
		require.Equal(t, []float64{0.04, 0.01}, input, "the input stays as it was")
	}
}

func TestAdjustedInterval(t *testing.T) {
	e := Estimate{Value: 0.05, SE: 0.025, Low: 0.001, High: 0.099}
	require.Equal(t, e, AdjustedInterval(e, 0.04, 0), "never narrower")
	wide := AdjustedInterval(e, 0.3, 0.95)
	require.Less(t, wide.Low, 0.0)
	require.True(t, wide.Contains(e.Value))
	require.Contains(t, AdjustedInterval(e, 1, 0).Reason, "no bounded interval")
	require.Contains(t, AdjustedInterval(e, 0, 0).Reason, "not in (0, 1]")
	require.Contains(t, AdjustedInterval(e, 0.3, 5).Reason, "level 5")
	missing := noInterval(3, "why")
	require.Equal(t, missing, AdjustedInterval(missing, 0.3, 0))
}

func TestDunnettAgainstSimulation(t *testing.T) {
	if testing.Short() {
		t.Skip("simulation")
	}
	seed := uint64(5)
	r := rand.New(rand.NewPCG(seed, 4))
	control, treatments := 1000.0, []int64{1000, 100, 50_000, 2000}
	d := newDunnett(control, treatments)
	const runs = 200_000
	for _, c := range []float64{1.5, 2, 2.4} {
		exceed := 0
		for range runs {
			shared := r.NormFloat64()
			largest := 0.0
			for i := range treatments {
				largest = max(largest, math.Abs(d.shared[i]*shared+d.own[i]*r.NormFloat64()))
			}
			if largest > c {
				exceed++
			}
		}
		require.InDelta(t, d.exceeds(c), float64(exceed)/runs, 5*math.Sqrt(0.25/runs), "c = %v, seed %d", c, seed)
	}
}

func TestDunnettProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.IntRange(1, 6).Draw(t, "treatments")
		z := rapid.SliceOfN(rapid.Float64Range(-9, 9), k, k).Draw(t, "z")
		units := rapid.SliceOfN(rapid.Int64Range(1, 1e9), k, k).Draw(t, "units")
		control := rapid.Int64Range(1, 1e9).Draw(t, "control")
		level := rapid.Float64Range(0.5, 0.999).Draw(t, "level")
		got := Dunnett(z, control, units, level)
		require.Empty(t, got.Reason)
		require.GreaterOrEqual(t, got.Critical, NormalQuantile((1+level)/2)-1e-9)
		require.LessOrEqual(t, got.Critical, -NormalQuantile((1-level)/2/float64(k))+1e-9, "Bonferroni is conservative")
		for i, test := range got.Tests {
			single := 2 * normalSurvival(math.Abs(z[i]))
			require.GreaterOrEqual(t, test.PValue, single*(1-1e-9))
			require.LessOrEqual(t, test.PValue, min(1, float64(k)*single)*(1+1e-9))
			if math.Abs(test.PValue-(1-level)) > 1e-8 {
				require.Equal(t, test.PValue <= 1-level, math.Abs(z[i]) >= got.Critical)
			}
		}
	})
}

func TestDunnettReasons(t *testing.T) {
	one := []int64{10}
	for reason, got := range map[string]DunnettResult{
		"level 2":         Dunnett([]float64{1}, 10, one, 2),
		"2 z values":      Dunnett([]float64{1, 2}, 10, one, 0),
		"0 treatments":    Dunnett(nil, 10, nil, 0),
		"control: 0":      Dunnett([]float64{1}, 0, one, 0),
		"treatment 0: -1": Dunnett([]float64{1}, 10, []int64{-1}, 0),
		"z is NaN":        Dunnett([]float64{math.NaN()}, 10, one, 0),
	} {
		require.Contains(t, got.Reason, reason)
	}
	far := Dunnett([]float64{40, 1e200}, 10, []int64{10, 10}, 0)
	require.Positive(t, far.Tests[0].PValue)
	require.Positive(t, far.Tests[1].PValue)
}

func TestAlphaAllocation(t *testing.T) {
	got, err := AlphaAllocation{}.Allocate()
	require.NoError(t, err)
	require.Equal(t, 0.05, got.Primary, "one primary metric has it all")
	require.Zero(t, got.Secondary)
	require.Zero(t, got.Guardrail)
	require.InDelta(t, 0.8, got.Power, 1e-12)

	got, err = AlphaAllocation{PrimaryMetrics: 2, SecondaryMetrics: 3, PrimaryShare: 0.6, Guardrails: 4, Treatments: 2}.Allocate()
	require.NoError(t, err)
	require.InDelta(t, 0.05, 2*got.Primary+3*got.Secondary, 1e-12, "nothing is lost")
	require.InDelta(t, 0.015, got.Primary, 1e-12)
	require.InDelta(t, 0.0075, got.PrimaryPerArm, 1e-12)
	require.Equal(t, 0.05, got.Guardrail)
	require.InDelta(t, 1-0.2/5, got.Power, 1e-12)

	got, err = AlphaAllocation{SecondaryMetrics: 4}.Allocate()
	require.NoError(t, err)
	require.InDelta(t, 0.0125, got.Secondary, 1e-12)
	for _, bad := range []AlphaAllocation{
		{Alpha: 2}, {Alpha: math.NaN()}, {PrimaryShare: -1}, {Power: 1}, {Guardrails: -1}, {Treatments: -1},
	} {
		_, err := bad.Allocate()
		require.ErrorIs(t, err, ErrValue)
	}
}
