package stats_test

import (
	"fmt"

	"github.com/strataxp/strata/stats"
)

// Look every day without spoiling the error rate.
func ExampleAnytime() {
	sequence := stats.ConfidenceSequence{TuningN: 20_000}
	control := stats.Group{N: 8000, Mean: 10, Variance: 16}
	treatment := stats.Group{N: 8000, Mean: 10.3, Variance: 17}

	c := stats.Anytime(control, treatment, sequence)
	fmt.Printf("difference %.2f, %.2f to %.2f, p = %.4f\n", c.Difference.Value, c.Difference.Low, c.Difference.High, c.Test.PValue)
	fmt.Printf("lift %.1f%%, %.1f%% to %.1f%%\n", 100*c.Lift.Value, 100*c.Lift.Low, 100*c.Lift.High)
	fmt.Printf("%.2f standard errors to either side\n", sequence.Multiplier(16_000))

	// Output:
	// difference 0.30, 0.10 to 0.50, p = 0.0002
	// lift 3.0%, 1.0% to 5.0%
	// 3.04 standard errors to either side
}

// What was found at an earlier look stays found.
func ExampleLookHistory() {
	m := stats.MSPRT{MixingVariance: 0.04}
	var history stats.LookHistory
	for _, mean := range []float64{10.1, 10.4, 10.2} {
		n := int64(1000 * (len(history) + 1))
		history = append(history, stats.AnytimeMSPRT(
			stats.Group{N: n, Mean: 10, Variance: 9}, stats.Group{N: n, Mean: mean, Variance: 9}, m))
	}
	for i, p := range history.PValues() {
		fmt.Printf("look %d: p = %.4f, so far %.4f\n", i+1, history[i].Test.PValue, p)
	}
	d := history.Difference()
	fmt.Printf("difference %.2f, %.2f to %.2f\n", d.Value, d.Low, d.High)

	// Output:
	// look 1: p = 1.0000, so far 1.0000
	// look 2: p = 0.0016, so far 0.0016
	// look 3: p = 0.1526, so far 0.0016
	// difference 0.20, 0.11 to 0.44
}

// A test with a planned size, looked at when the team has time.
func ExampleGroupSequential_Next() {
	g := stats.GroupSequential{Planned: 20_000}
	var looks []stats.Boundary
	for _, units := range []float64{6_000, 13_000, 21_500} {
		looks = g.Next(looks, units).Looks
	}
	for _, b := range looks {
		fmt.Printf("at %.0f units: stop at |z| of %.3f, spent %.4f\n", b.Information, b.Critical, b.Spent)
	}
	fmt.Println("stopped at look", g.Stopped(looks, []float64{1.5, 2.7, 2.9}))

	// Output:
	// at 6000 units: stop at |z| of 3.929, spent 0.0001
	// at 13000 units: stop at |z| of 2.548, spent 0.0109
	// at 21500 units: stop at |z| of 1.995, spent 0.0500
	// stopped at look 1
}

// What looking at a fixed test every day for two weeks does.
func ExamplePeekingErrorRate() {
	rate, err := stats.PeekingErrorRate(14, 0.95)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%.1f%% false positives instead of 5%%\n", 100*rate)

	// Output:
	// 22.0% false positives instead of 5%
}

func ExampleCrossingProbabilities() {
	c := stats.CrossingProbabilities([]float64{0.5, 1}, []float64{2.963, 1.969}, 2.8, false)
	fmt.Printf("power %.3f, after the first look %.3f, expected size %.2f\n", c.Power, c.Upper[0], c.Information)

	// Output:
	// power 0.798, after the first look 0.163, expected size 0.92
}

func ExampleHybrid() {
	h := stats.Hybrid{Sequence: stats.ConfidenceSequence{TuningN: 10_000}}
	control := stats.Group{N: 5000, Mean: 10, Variance: 16}
	treatment := stats.Group{N: 5000, Mean: 10.21, Variance: 17}
	fmt.Println("while running:", h.Running(control, treatment).Significant())
	fmt.Println("at the end:", h.AtEnd(control, treatment).Significant())

	// Output:
	// while running: false
	// at the end: true
}

// The t statistic of a regression coefficient, looked at as often as one likes.
func ExampleAnytimeLinear() {
	a := stats.AnytimeLinear{G: 100}
	fmt.Printf("p = %.4f\n", a.Test(0.9, 0.3, 997, 1000).PValue)

	// Output:
	// p = 0.0564
}

func ExampleSequentialSampleRatio() {
	looks := stats.SequentialSampleRatio{}.Looks(
		[][]int64{{5120, 4880}, {10_330, 9_670}, {15_510, 14_490}}, []float64{1, 1})
	for _, r := range looks {
		fmt.Printf("p = %.2g\n", r.PValue)
	}

	// Output:
	// p = 0.34
	// p = 0.0012
	// p = 4.5e-06
}

func ExampleSampleRatioExact() {
	r := stats.SampleRatioExact([]int64{14, 3}, []float64{1, 1})
	fmt.Printf("p = %.4f\n", r.PValue)

	// Output:
	// p = 0.0127
}

func ExampleBayesLift() {
	p := stats.BayesLift(
		stats.Group{N: 4000, Mean: 10, Variance: 90}, stats.Group{N: 4000, Mean: 10.5, Variance: 95},
		stats.NormalPrior{SD: 0.05}, 0.95)
	fmt.Printf("lift %.1f%%, %.1f%% to %.1f%%\n", 100*p.Effect.Value, 100*p.Effect.Low, 100*p.Effect.High)
	fmt.Printf("better with probability %.3f, shipping loses %.3f%%\n", p.Win, 100*p.LossShip)

	// Output:
	// lift 4.2%, 0.2% to 8.1%
	// better with probability 0.981, shipping loses 0.014%
}

func ExampleBayesShare() {
	r := stats.BayesShare(stats.Share{Successes: 510, Units: 10_000}, stats.Share{Successes: 570, Units: 10_050}, stats.BetaPrior{})
	fmt.Printf("better with probability %.3f, shipping loses %.6f\n", r.Win, r.LossShip)

	// Output:
	// better with probability 0.963, shipping loses 0.000046
}

func ExampleProbabilityBest() {
	b := stats.ProbabilityBest([]float64{0.1, 0.112, 0.105}, []float64{0.004, 0.005, 0.0045})
	fmt.Printf("%.3f\n", b.Probability)

	// Output:
	// [0.017 0.840 0.144]
}

// Correct for four metrics, and show intervals that agree.
func ExampleAdjustedLevels() {
	p := []float64{0.004, 0.03, 0.012, 0.6}
	adjusted, err := stats.Adjust(stats.Holm, p)
	if err != nil {
		panic(err)
	}
	levels, err := stats.AdjustedLevels(stats.Holm, p, 0.05)
	if err != nil {
		panic(err)
	}
	for i := range p {
		fmt.Printf("p %.3f, adjusted %.3f, interval at %.2f%%\n", p[i], adjusted[i], 100*levels[i])
	}

	// Output:
	// p 0.004, adjusted 0.016, interval at 98.75%
	// p 0.030, adjusted 0.060, interval at 97.50%
	// p 0.012, adjusted 0.036, interval at 98.33%
	// p 0.600, adjusted 0.600, interval at 97.50%
}

func ExampleDunnett() {
	d := stats.Dunnett([]float64{2.3, 1.1, 2.6}, 1000, []int64{1000, 1000, 1000}, 0.95)
	fmt.Printf("|z| above %.3f; p = %.4f, %.4f, %.4f\n", d.Critical, d.Tests[0].PValue, d.Tests[1].PValue, d.Tests[2].PValue)

	// Output:
	// |z| above 2.349; p = 0.0566, 0.5541, 0.0255
}

func ExampleAlphaAllocation() {
	a, err := stats.AlphaAllocation{PrimaryMetrics: 1, SecondaryMetrics: 4, Treatments: 2, Guardrails: 3}.Allocate()
	if err != nil {
		panic(err)
	}
	fmt.Printf("primary %.4f, secondary %.6f, guardrail %.2f, power %.2f\n", a.PrimaryPerArm, a.SecondaryPerArm, a.Guardrail, a.Power)

	// Output:
	// primary 0.0125, secondary 0.003125, guardrail 0.05, power 0.95
}
