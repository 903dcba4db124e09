package stats

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/strataxp/strata/internal/seed"
)

func evenly(looks int) []float64 {
	out := make([]float64, looks)
	for i := range out {
		out[i] = float64(i+1) / float64(looks)
	}
	return out
}

func drawDesign(t *rapid.T) GroupSequential {
	g := GroupSequential{
		Level:    rapid.Float64Range(0.6, 0.999).Draw(t, "level"),
		OneSided: rapid.Bool().Draw(t, "one-sided"),
		Spending: Spending{Family: SpendingFamily(rapid.IntRange(0, 3).Draw(t, "family"))},
		Planned:  1,
	}
	if g.Spending.Family >= PowerSpending {
		g.Spending.Shape = rapid.Float64Range(0.5, 4).Draw(t, "shape")
	}
	return g
}

func drawTimes(t *rapid.T) []float64 {
	gaps := rapid.SliceOfN(rapid.Float64Range(1e-3, 1), 1, 8).Draw(t, "gaps")
	sum := 0.0
	for i := range gaps {
		sum += gaps[i]
		gaps[i] = sum
	}
	for i := range gaps {
		gaps[i] /= sum
	}
	return gaps
}

// The boundaries spend exactly the planned error rate, whichever looks there
// are: recomputed by the other routine, which does not solve for anything.
func TestBoundariesSpendTheErrorRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, times := drawDesign(t), drawTimes(t)
		got := g.Boundaries(times)
		require.Empty(t, got.Reason)
		last := got.Looks[len(got.Looks)-1]
		require.InEpsilon(t, 1-g.Level, last.Spent, 1e-9)
		c := g.Crossing(got.Looks, 0)
		require.Empty(t, c.Reason)
		sum := 0.0
		side := 1 - g.Level
		if !g.OneSided {
			side /= 2
		}
		for i, b := range got.Looks {
			sum += c.Upper[i]
			require.InDelta(t, g.Spending.Spent(times[i], side), sum, 1e-9)
			if !g.OneSided {
				require.InDelta(t, c.Upper[i], c.Lower[i], 1e-9)
			}
			require.LessOrEqual(t, b.Critical, float64(maxCritical))
			require.InEpsilon(t, g.bothSides(normalSurvival(b.Critical)), b.NominalP, 1e-12)
		}
	})
}

// Many looks right after each other are one look, and cost little.
func TestCrowdedLooks(t *testing.T) {
	seed.OneGoroutine(t)
	var times []float64
	for day := 1; day <= 5; day++ {
		at := float64(day) / 5
		times = append(times, at-3e-4, at-5e-5, at)
	}
	g := GroupSequential{Planned: 1}
	got := g.Boundaries(times)
	require.Empty(t, got.Reason)
	require.InEpsilon(t, 0.05, got.Looks[len(got.Looks)-1].Spent, 1e-9)
	c := g.Crossing(got.Looks, 0)
	require.InEpsilon(t, 0.05, c.Power+c.WrongSide, 1e-7)
	// A grid four times as fine must say the same: a walk with extra looks
	// at which nobody stops.
	var fine, critical []float64
	for i, at := range times {
		before := 0.0
		if i > 0 {
			before = times[i-1]
		}
		for k := range 4 {
			fine = append(fine, before+(at-before)*float64(k+1)/4)
			critical = append(critical, math.Inf(1))
		}
		critical[len(critical)-1] = got.Looks[i].Critical
	}
	again := CrossingProbabilities(fine, critical, 0, false)
	require.Empty(t, again.Reason)
	require.InEpsilon(t, 0.05, again.Power+again.WrongSide, 1e-7)
}

func TestBoundariesAgreeWithSimulation(t *testing.T) {
	if testing.Short() {
		t.Skip("simulation")
	}
	seed := uint64(7)
	r := rand.New(rand.NewPCG(seed, 2))
	times := []float64{0.1, 0.3, 0.35, 0.8, 1}
	g := GroupSequential{Level: 0.8, Spending: Spending{Family: Pocock}, Planned: 1}
	looks := g.Boundaries(times).Looks
	const drift, runs = 1.5, 200_000
	want := g.Crossing(looks, drift)
	upper := make([]float64, len(times))
	for range runs {
		b, before := 0.0, 0.0
		for i, at := range times {
			b += drift*(at-before) + math.Sqrt(at-before)*r.NormFloat64()
			before = at
			if z := b / math.Sqrt(at); math.Abs(z) >= looks[i].Critical {
				if z > 0 {
					upper[i]++
				}
				break
			}
		}
	}
	for i := range upper {
		require.InDelta(t, want.Upper[i], upper[i]/runs, 5*math.Sqrt(0.25/runs), "look %d, seed %d", i, seed)
	}
}

// A running experiment gets the boundaries of its design, look by look.
func TestNextFollowsTheDesign(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, times := drawDesign(t), drawTimes(t)
		want := g.Boundaries(times)
		var taken []Boundary
		for _, at := range times {
			next := g.Next(taken, at)
			require.Empty(t, next.Reason)
			require.Equal(t, append([]Boundary{}, taken...), next.Looks[:len(taken)])
			taken = next.Looks
		}
		for i, b := range taken {
			require.InDelta(t, want.Looks[i].Critical, b.Critical, 1e-8)
			require.InEpsilon(t, want.Looks[i].Spent, b.Spent, 1e-8)
		}
	})
}

// Overrunning the plan neither takes spent error rate back nor spends more
// than there is.
func TestNextAfterOverrun(t *testing.T) {
	g := GroupSequential{Level: 0.99, Spending: Spending{Family: PowerSpending}, Planned: 700}
	var taken []Boundary
	for _, units := range []float64{250, 450, 630, 630, 630.001, 810, 1200} {
		next := g.Next(taken, units)
		require.Empty(t, next.Reason)
		for i := range taken {
			require.Equal(t, taken[i], next.Looks[i], "a look keeps its boundary")
		}
		taken = next.Looks
	}
	require.InEpsilon(t, 0.01*math.Pow(250.0/700, 2), taken[0].Spent, 1e-9)
	for i := 1; i < len(taken); i++ {
		require.GreaterOrEqual(t, taken[i].Spent, taken[i-1].Spent*(1-1e-12))
	}
	require.True(t, taken[3].Skipped, "no gain")
	require.True(t, taken[4].Skipped, "less than 1e-5 of the plan")
	require.Equal(t, 8.0, taken[4].Critical)
	require.Equal(t, taken[2].Spent, taken[4].Spent)
	require.InEpsilon(t, 0.01, taken[5].Spent, 1e-9, "the plan is reached: all is spent")
	require.Equal(t, 8.0, taken[6].Critical, "and nothing is left")
	require.InEpsilon(t, 0.01, taken[6].Spent, 1e-9)

	data, err := json.Marshal(Boundaries{Looks: taken})
	require.NoError(t, err)
	var back Boundaries
	require.NoError(t, json.Unmarshal(data, &back))
	require.Equal(t, taken, back.Looks, "a history survives storage to the bit")
}

// The sequential p-value is at most α exactly when a boundary at α is crossed.
func TestSequentialPAgreesWithTheDecision(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, times := drawDesign(t), evenly(rapid.IntRange(1, 3).Draw(t, "looks"))
		g.Level = rapid.Float64Range(0.9, 0.999).Draw(t, "small level")
		z := make([]float64, len(times))
		for i := range z {
			z[i] = rapid.Float64Range(-4, 4).Draw(t, "z")
		}
		test := g.Test(times, z)
		require.Empty(t, test.Reason)
		alpha := 1 - g.Level
		if math.Abs(test.PValue-alpha) < 1e-6*alpha {
			t.Skip("at the level")
		}
		stopped := g.Stopped(g.Boundaries(times).Looks, z)
		require.Equal(t, test.PValue <= alpha, stopped >= 0, "p %v, alpha %v", test.PValue, alpha)
	})
}

func TestOneLookIsTheFixedTest(t *testing.T) {
	for _, family := range []SpendingFamily{OBrienFleming, Pocock, PowerSpending, HwangShihDeCani} {
		g := GroupSequential{Spending: Spending{Family: family}}
		require.InEpsilon(t, NormalQuantile(0.975), g.Boundaries([]float64{1234}).Looks[0].Critical, 1e-12)
		require.InEpsilon(t, 2*normalSurvival(2.3), g.Test([]float64{1}, []float64{-2.3}).PValue, 1e-9)
	}
	require.InEpsilon(t, NormalQuantile(0.975), WangTsiatis{}.Boundaries(1).Looks[0].Critical, 1e-9)
	rate, err := PeekingErrorRate(1, 0.95)
	require.NoError(t, err)
	require.InEpsilon(t, 0.05, rate, 1e-12)
	c := CrossingProbabilities([]float64{1}, []float64{1.96}, 2.8, false)
	require.InEpsilon(t, normalSurvival(1.96-2.8), c.Power, 1e-12)
	require.InEpsilon(t, normalSurvival(1.96+2.8), c.WrongSide, 1e-12)
	require.Equal(t, 1.0, c.Information)
}

// With equal increments the alternative parametrisations of one test agree:
// Hwang–Shih–DeCani at 0 and the power 1 are the same line.
func TestSpendingFamilies(t *testing.T) {
	linear := Spending{Family: HwangShihDeCani}
	power := Spending{Family: PowerSpending, Shape: 1}
	nearly := Spending{Family: HwangShihDeCani, Shape: 1e-9}
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.Float64Range(0, 1.2).Draw(t, "t")
		alpha := rapid.Float64Range(1e-6, 0.5).Draw(t, "alpha")
		require.InDelta(t, linear.Spent(at, alpha), power.Spent(at, alpha), 1e-15)
		require.InDelta(t, linear.Spent(at, alpha), nearly.Spent(at, alpha), 1e-8)
		for family := OBrienFleming; family <= HwangShihDeCani; family++ {
			s := Spending{Family: family, Shape: rapid.Float64Range(0.1, 10).Draw(t, "shape")}
			require.LessOrEqual(t, s.Spent(at, alpha), s.Spent(at+0.01, alpha))
			require.LessOrEqual(t, s.Spent(at, alpha), alpha)
		}
	})
	require.Zero(t, Spending{Family: 9}.Spent(0.5, 0.05))
	require.Zero(t, Spending{}.Spent(math.NaN(), 0.05))
	require.Zero(t, Spending{}.Spent(0.5, -1))
}

func TestGroupSequentialReasons(t *testing.T) {
	two := []float64{0.5, 1}
	nan := math.NaN()
	for reason, got := range map[string]Boundaries{
		"level 3":               GroupSequential{Level: 3}.Boundaries(two),
		"one-sided level":       GroupSequential{Level: 0.4, OneSided: true}.Boundaries(two),
		"spending family 7":     GroupSequential{Spending: Spending{Family: 7}}.Boundaries(two),
		"exponent NaN":          GroupSequential{Spending: Spending{Family: PowerSpending, Shape: nan}}.Boundaries(two),
		"shape 51":              GroupSequential{Spending: Spending{Family: HwangShihDeCani, Shape: 51}}.Boundaries(two),
		"planned information":   GroupSequential{Planned: -1}.Boundaries(two),
		"0 looks":               GroupSequential{}.Boundaries(nil),
		"1001 looks":            GroupSequential{}.Boundaries(evenly(1001)),
		"information 0 after":   GroupSequential{}.Boundaries([]float64{0, 1}),
		"information 0.5 after": GroupSequential{}.Boundaries([]float64{1, 0.5}),
		"information NaN":       GroupSequential{}.Boundaries([]float64{nan}),
		"boundary 0":            GroupSequential{Planned: 4}.Next([]Boundary{{Information: 1}}, 2),
		"0 looks, want":         WangTsiatis{}.Boundaries(0),
		"shape 3 is":            WangTsiatis{Delta: 3}.Boundaries(2),
		"one-sided level of":    WangTsiatis{Level: 0.5, OneSided: true}.Boundaries(2),
		"confidence level 2":    WangTsiatis{Level: 2}.Boundaries(2),
	} {
		require.Contains(t, got.Reason, reason)
		require.Nil(t, got.Looks)
	}
	require.Contains(t, GroupSequential{}.Test(two, []float64{1}).Reason, "1 z values for 2 looks")
	require.Contains(t, GroupSequential{}.Test(two, []float64{1, nan}).Reason, "z of look 1")
	require.Contains(t, GroupSequential{}.Test(nil, nil).Reason, "0 looks")
	for reason, c := range map[string]Crossing{
		"2 boundaries for 1": CrossingProbabilities([]float64{1}, two, 0, false),
		"0 looks":            CrossingProbabilities(nil, nil, 0, false),
		"drift":              CrossingProbabilities(two, two, nan, false),
		"look 1 is at":       CrossingProbabilities([]float64{1, 1}, two, 0, false),
		"boundary -1":        CrossingProbabilities([]float64{1}, []float64{-1}, 0, false),
		"planned":            CrossingProbabilities([]float64{1e9}, []float64{2}, 0, false),
	} {
		require.Contains(t, c.Reason, reason)
	}
	for _, looks := range []int{0, -1, 1001} {
		_, err := PeekingErrorRate(looks, 0.95)
		require.ErrorIs(t, err, ErrValue)
	}
	_, err := PeekingErrorRate(2, nan)
	require.ErrorIs(t, err, ErrValue)
}

func TestNamesOfFamiliesAndCorrections(t *testing.T) {
	for f := OBrienFleming; f <= HwangShihDeCani; f++ {
		data, err := json.Marshal(Spending{Family: f, Shape: 2})
		require.NoError(t, err)
		require.Contains(t, string(data), fmt.Sprintf("%q", f))
		var back Spending
		require.NoError(t, json.Unmarshal(data, &back))
		require.Equal(t, f, back.Family)
	}
	for c := NoCorrection; c <= BenjaminiYekutieli; c++ {
		text, err := c.MarshalText()
		require.NoError(t, err)
		var back Correction
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, c, back)
	}
	require.Equal(t, "unknown(9)", SpendingFamily(9).String())
	_, err := Correction(-1).MarshalText()
	require.ErrorIs(t, err, ErrValue)
	require.ErrorIs(t, new(SpendingFamily).UnmarshalText([]byte("haybittle")), ErrValue)
}
