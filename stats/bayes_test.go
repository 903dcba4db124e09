package stats

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"
)

// incompleteBeta is gonum's, good for small a and b.
func incompleteBeta(a, b, x float64) float64 { return mathext.RegIncBeta(a, b, x) }

// millerWin is E. Miller's closed form of P(B > A) for an integer aB.
func millerWin(aA, bA, aB, bB float64) float64 {
	sum := 0.0
	for i := range int(aB) {
		k := float64(i)
		sum += math.Exp(mathext.Lbeta(aA+k, bA+bB) - math.Log(bB+k) - mathext.Lbeta(1+k, bB) - mathext.Lbeta(aA, bA))
	}
	return sum
}

func TestBayesShareAgainstTheClosedForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) Share {
			n := rapid.Int64Range(0, 3000).Draw(t, label+" units")
			return Share{rapid.Int64Range(0, n).Draw(t, label+" successes"), n}
		}
		prior := BetaPrior{float64(rapid.IntRange(1, 5).Draw(t, "alpha")), rapid.Float64Range(0.1, 5).Draw(t, "beta")}
		c, tr := draw("control"), draw("treatment")
		got := BayesShare(c, tr, prior)
		require.Empty(t, got.Reason)
		aC, bC := prior.posterior(c)
		aT, bT := prior.posterior(tr)
		win := millerWin(aC, bC, aT, bT)
		require.InDelta(t, win, got.Win, 1e-9)
		// Stucchio's expected loss, in the same closed form.
		keep := aT/(aT+bT)*millerWin(aC, bC, aT+1, bT) - aC/(aC+bC)*millerWin(aC+1, bC, aT, bT)
		require.InDelta(t, keep, got.LossKeep, 1e-9)
		require.InDelta(t, got.TreatmentMean-got.ControlMean, got.LossKeep-got.LossShip, 1e-12)

		swapped := BayesShare(tr, c, prior)
		require.InDelta(t, 1, got.Win+swapped.Win, 1e-9)
		require.InDelta(t, got.LossShip, swapped.LossKeep, 1e-12)
	})
}

func TestBayesCountAgainstTheClosedForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) Events {
			return Events{rapid.Int64Range(0, 2000).Draw(t, label+" count"), rapid.Float64Range(1, 1e4).Draw(t, label+" exposure")}
		}
		c, tr := draw("control"), draw("treatment")
		got := BayesCount(c, tr, GammaPrior{})
		aC, aT := float64(c.Count)+1, float64(tr.Count)+1
		require.Empty(t, got.Reason)
		require.InDelta(t, incompleteBeta(aC, aT, c.Exposure/(c.Exposure+tr.Exposure)), got.Win, 1e-9)
		require.InDelta(t, got.TreatmentMean-got.ControlMean, got.LossKeep-got.LossShip, 1e-9)
		require.True(t, got.LossKeep >= 0 && got.LossShip >= 0)
	})
}

// With a hundred million units the posteriors are normal to many digits.
func TestConjugateComparisonsOfHugeCounts(t *testing.T) {
	const n = 100_000_000
	share := BayesShare(Share{10_000_000, n}, Share{10_005_000, n}, BetaPrior{})
	p, q := 0.1, 0.10005
	se := math.Sqrt((p*(1-p) + q*(1-q)) / n)
	normal := NormalPosterior(q-p, se, NormalPrior{}, 0.95)
	require.InDelta(t, normal.Win, share.Win, 1e-5)
	require.InEpsilon(t, normal.LossShip, share.LossShip, 1e-3)
	require.InEpsilon(t, normal.LossKeep, share.LossKeep, 1e-3)

	count := BayesCount(Events{10_000_000, n}, Events{10_005_000, n}, GammaPrior{})
	normal = NormalPosterior(q-p, math.Sqrt((p+q)/n), NormalPrior{}, 0.95)
	require.InDelta(t, normal.Win, count.Win, 1e-5)
	require.InEpsilon(t, normal.LossShip, count.LossShip, 1e-3)

	same := BayesShare(Share{1 << 60, 1 << 61}, Share{1 << 60, 1 << 61}, BetaPrior{})
	require.InDelta(t, 0.5, same.Win, 1e-6)
}

// Extreme priors and separations: no underflow to nonsense, small losses keep
// their sign and size.
func TestConjugateTails(t *testing.T) {
	far := BayesShare(Share{100, 1000}, Share{300, 1000}, BetaPrior{})
	require.InEpsilon(t, 1, far.Win, 1e-12)
	require.Positive(t, far.LossShip)
	require.Less(t, far.LossShip, 1e-25)
	back := BayesShare(Share{300, 1000}, Share{100, 1000}, BetaPrior{})
	require.Positive(t, back.Win)
	require.Less(t, back.Win, 1e-25)
	jeffreys := BayesShare(Share{0, 0}, Share{0, 0}, BetaPrior{0.01, 0.01})
	require.InDelta(t, 0.5, jeffreys.Win, 1e-9)
	require.InEpsilon(t, 0.25, jeffreys.LossShip, 0.02, "two coins of 0 or 1: worse by 1 in a quarter of cases")
	skewed := BayesShare(Share{0, 1_000_000}, Share{1_000_000, 1_000_000}, BetaPrior{})
	require.Equal(t, 1.0, skewed.Win)
	require.InDelta(t, 1, skewed.LossKeep, 1e-5)
}

func TestBayesReasons(t *testing.T) {
	nan := math.NaN()
	fine := Group{N: 100, Mean: 2, Variance: 1}
	for reason, got := range map[string]Posterior{
		"standard error 0":   NormalPosterior(1, 0, NormalPrior{}, 0),
		"range of float64":   NormalPosterior(nan, 1, NormalPrior{}, 0),
		"prior with mean":    NormalPosterior(1, 1, NormalPrior{SD: -1}, 0),
		"level 2":            NormalPosterior(1, 1, NormalPrior{}, 2),
		"treatment: no":      BayesLift(fine, Group{}, NormalPrior{}, 0),
		"says nothing about": BayesDifference(Group{N: 9, Variance: 1}, fine, NormalPrior{SD: 1}, 0),
		"control mean is 0":  BayesLift(Group{N: 9, Variance: 1}, fine, NormalPrior{}, 0),
		"control: 1 unit":    BayesDifference(Group{N: 1, Mean: 1}, fine, NormalPrior{}, 0),
	} {
		require.Contains(t, got.Effect.Reason, reason)
		require.Equal(t, 0.5, got.Win)
		data, err := json.Marshal(got)
		require.NoError(t, err)
		require.Contains(t, string(data), `"win":null`)
		var back Posterior
		require.NoError(t, json.Unmarshal(data, &back))
		require.Equal(t, got, back)
	}
	for reason, got := range map[string]RatePosterior{
		"control: 3 successes of 2": BayesShare(Share{3, 2}, Share{}, BetaPrior{}),
		"treatment: -1 successes":   BayesShare(Share{}, Share{-1, 2}, BetaPrior{}),
		"Beta(NaN, 1)":              BayesShare(Share{}, Share{}, BetaPrior{nan, 1}),
		"control: 3 events":         BayesCount(Events{3, 0}, Events{1, 1}, GammaPrior{}),
		"treatment: 1 events":       BayesCount(Events{3, 1}, Events{1, math.Inf(1)}, GammaPrior{}),
		"Gamma(-1, 0)":              BayesCount(Events{3, 1}, Events{1, 1}, GammaPrior{Shape: -1}),
	} {
		require.Contains(t, got.Reason, reason)
		data, err := json.Marshal(got)
		require.NoError(t, err)
		require.Contains(t, string(data), `"win":null`)
		var back RatePosterior
		require.NoError(t, json.Unmarshal(data, &back))
		require.Equal(t, got, back)
	}
	for reason, got := range map[string]BestArm{
		"2 standard":         ProbabilityBest([]float64{1}, []float64{1, 1}),
		"1 arms":             ProbabilityBest([]float64{1}, []float64{1}),
		"arm 1: the standar": ProbabilityBest([]float64{1, 2}, []float64{1, nan}),
	} {
		require.Contains(t, got.Reason, reason)
	}
	require.Error(t, json.Unmarshal([]byte(`{}`), new(Posterior)))
	require.Error(t, json.Unmarshal([]byte(`{}`), new(RatePosterior)))
}

func TestNormalPosterior(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Float64Range(-3, 3).Draw(t, "value")
		se := rapid.Float64Range(0.01, 2).Draw(t, "se")
		prior := NormalPrior{rapid.Float64Range(-1, 1).Draw(t, "mean"), rapid.Float64Range(0.01, 100).Draw(t, "sd")}
		got := NormalPosterior(value, se, prior, 0.9)
		precision := 1/(se*se) + 1/(prior.SD*prior.SD)
		require.InDelta(t, (value/(se*se)+prior.Mean/(prior.SD*prior.SD))/precision, got.Effect.Value, 1e-9)
		require.InEpsilon(t, 1/math.Sqrt(precision), got.Effect.SE, 1e-9)
		require.InDelta(t, got.Effect.Value, got.LossKeep-got.LossShip, 1e-12)
		require.True(t, got.Effect.Contains(got.Effect.Value))
		require.True(t, got.LossShip >= 0 && got.LossKeep >= 0)
	})
	// The loss has its own digits where φ(z) − zΦ(−z) has none left: the
	// asymptotic series is good to z⁻⁸.
	for _, z := range []float64{20, 30, 37} {
		series := math.Exp(-z*z/2) / math.Sqrt(2*math.Pi) / (z * z) * (1 - 3/(z*z) + 15/(z*z*z*z) - 105/math.Pow(z, 6))
		require.InEpsilon(t, series, normalLoss(z), 1e-7)
	}
	require.InEpsilon(t, normalLoss(3.9999999), normalLoss(4), 1e-6)
	far := NormalPosterior(-50, 1, NormalPrior{}, 0)
	require.Equal(t, 50.0, far.LossShip)
	require.Zero(t, far.LossKeep, "1e-548 is below float64")
	flat := NormalPosterior(1, 1, NormalPrior{}, 0)
	vague := NormalPosterior(1, 1, NormalPrior{Mean: 3, SD: 1e9}, 0)
	require.InDelta(t, flat.Win, vague.Win, 1e-9)
}

// The same prior on both scales gives the same verdict when the control is
// known precisely.
func TestBayesDifferenceRescalesThePrior(t *testing.T) {
	control, treatment := Group{N: 1 << 40, Mean: -12.5, Variance: 1}, Group{N: 1000, Mean: -12.3, Variance: 9}
	prior := NormalPrior{Mean: 0.01, SD: 0.02}
	lift, difference := BayesLift(control, treatment, prior, 0), BayesDifference(control, treatment, prior, 0)
	require.InDelta(t, lift.Win, difference.Win, 1e-6)
	require.InEpsilon(t, 12.5*lift.Effect.Value, difference.Effect.Value, 1e-4)
	require.Equal(t, 0.95, lift.Level)
}

func TestProbabilityBest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.IntRange(2, 6).Draw(t, "arms")
		means := rapid.SliceOfN(rapid.Float64Range(-2, 2), k, k).Draw(t, "means")
		sds := rapid.SliceOfN(rapid.Float64Range(0.001, 3), k, k).Draw(t, "sds")
		got := ProbabilityBest(means, sds)
		require.Empty(t, got.Reason)
		sum := 0.0
		for i, p := range got.Probability {
			sum += p
			// E[max] is the same seen from every arm.
			require.InDelta(t, got.Loss[0]+means[0], got.Loss[i]+means[i], 1e-9)
		}
		require.InDelta(t, 1, sum, 1e-9)
		if k == 2 {
			pair := NormalPosterior(means[1]-means[0], math.Hypot(sds[0], sds[1]), NormalPrior{}, 0)
			require.InDelta(t, pair.Win, got.Probability[1], 1e-10)
			require.InDelta(t, pair.LossKeep, got.Loss[0], 1e-10)
		}
	})
}

func TestProbabilityBestAgainstSimulation(t *testing.T) {
	if testing.Short() {
		t.Skip("simulation")
	}
	seed := uint64(11)
	r := rand.New(rand.NewPCG(seed, 3))
	means, sds := []float64{1, 1.2, 0.8, 1.1}, []float64{0.1, 0.5, 1, 0.01}
	got := ProbabilityBest(means, sds)
	const runs = 400_000
	wins := make([]float64, len(means))
	for range runs {
		best, at := math.Inf(-1), 0
		for i := range means {
			if v := means[i] + sds[i]*r.NormFloat64(); v > best {
				best, at = v, i
			}
		}
		wins[at]++
	}
	for i := range wins {
		require.InDelta(t, got.Probability[i], wins[i]/runs, 5*math.Sqrt(0.25/runs), "arm %d, seed %d", i, seed)
	}
}

// The Beta density of the quadrature is that of the textbook.
func TestLogitBetaDensity(t *testing.T) {
	for _, ab := range [][2]float64{{0.3, 4}, {2, 2}, {50, 1}, {300, 9000}} {
		d, beta := logitBeta(ab[0], ab[1]), distuv.Beta{Alpha: ab[0], Beta: ab[1]}
		log := func(v float64) float64 {
			u := d.mode + v
			x := 1 / (1 + math.Exp(-u))
			return beta.LogProb(x) + math.Log(x) + math.Log1p(-x)
		}
		for _, v := range []float64{-1, -0.3, -9e-4, 9e-4, 1e-3, 0.4, 1} {
			require.InDelta(t, log(v)-log(0), d.log(v), 1e-8*(1+math.Abs(log(v))))
			require.InEpsilon(t, (d.log(v+1e-6)-d.log(v-1e-6))/2e-6, d.slope(v), 2e-2)
		}
	}
}
