package stats_test

import (
	"fmt"

	"github.com/strataxp/strata/stats"
)

// visitor is the i-th made-up user: orders in the experiment and before it.
func visitor(i, gain int64) (orders, before int64) {
	before = i * 7 % 11
	return 2*before + i*13%5 + gain, before
}

// Adjust orders per user for the orders before the experiment.
func ExampleCUPED() {
	var control, treatment stats.Sums
	for i := range int64(500) {
		mustAddPair(&control, i, 0)
		mustAddPair(&treatment, i+3, i%2)
	}
	r := stats.CUPED(control.Moments(), treatment.Moments(), stats.CUPEDOptions{})
	plain := stats.Compare(stats.GroupMean(control.Moments(), 0), stats.GroupMean(treatment.Moments(), 0), stats.Options{})
	adjusted := stats.Compare(r.Control, r.Treatment, stats.Options{})

	fmt.Printf("theta %.2f, variance −%.0f%%\n", r.ControlTheta[0], 100*r.VarianceReduction)
	fmt.Printf("plain    %.2f ± %.2f\n", plain.Difference.Value, plain.Difference.SE)
	fmt.Printf("adjusted %.2f ± %.2f\n", adjusted.Difference.Value, adjusted.Difference.SE)

	// Output:
	// theta 2.00, variance −95%
	// plain    0.52 ± 0.41
	// adjusted 0.50 ± 0.09
}

func mustAddPair(s *stats.Sums, i, gain int64) {
	orders, before := visitor(i, gain)
	mustAdd(s, orders, before)
}

// Two countries that buy differently, of which one has more treatment by
// chance.
func ExamplePostStratify() {
	stratum := func(level, control, treatment int64) stats.Stratum {
		var s [2]stats.Sums
		for i := range control {
			mustAdd(&s[0], level+i%5)
		}
		for i := range treatment {
			mustAdd(&s[1], level+i%5+1)
		}
		return stats.Stratum{Control: s[0].Moments(), Treatment: s[1].Moments()}
	}
	r := stats.PostStratify([]stats.Stratum{stratum(10, 1000, 900), stratum(50, 500, 600)})
	c := r.Means.Compare(stats.Options{})
	fmt.Printf("difference %.2f, %.2f to %.2f\n", c.Difference.Value, c.Difference.Low, c.Difference.High)

	// Output:
	// difference 1.00, 0.90 to 1.10
}

// Three conversions of 40 against none of 38: too few for a normal interval.
func ExampleCompareProportions() {
	c := stats.CompareProportions(stats.Share{Successes: 0, Units: 38}, stats.Share{Successes: 3, Units: 40}, stats.Options{})
	fmt.Printf("%.1f%%, %.1f%% to %.1f%%, p = %.3f, exact %v\n",
		100*c.Difference.Value, 100*c.Difference.Low, 100*c.Difference.High, c.Test.PValue, c.Exact)

	// Output:
	// 7.5%, -2.9% to 19.9%, p = 0.241, exact true
}

// A share with its interval by itself.
func ExampleShare_Wilson() {
	e := stats.Share{Successes: 0, Units: 20}.Wilson(0.95)
	fmt.Printf("%.0f%%, at most %.1f%%\n", 100*e.Value, 100*e.High)

	// Output:
	// 0%, at most 16.1%
}

// Is latency, of which less is better, no more than 2% worse?
func ExampleNonInferiority() {
	control := stats.Group{N: 5000, Mean: 200, Variance: 2500}
	treatment := stats.Group{N: 5000, Mean: 201, Variance: 2500}
	r := stats.NonInferiority(control, treatment, stats.Margin{Relative: 0.02, Decrease: true}, stats.Options{})
	fmt.Printf("at most %.1f ms slower, %.0f ms would be too bad, p = %.4f, shown %v\n", r.Bound.High, r.Null, r.Test.PValue, r.Shown())

	// Output:
	// at most 2.6 ms slower, 4 ms would be too bad, p = 0.0015, shown true
}

func ExampleCompareOneSided() {
	control := stats.Group{N: 1000, Mean: 10, Variance: 25}
	treatment := stats.Group{N: 1000, Mean: 10.5, Variance: 25}
	r := stats.CompareOneSided(control, treatment, stats.Options{})
	fmt.Printf("at least %.2f more, p = %.3f\n", r.DifferenceAtLeast.Low, r.Greater.PValue)

	// Output:
	// at least 0.13 more, p = 0.013
}

// Cut everything above the 99th percentile of both arms together.
func ExampleCap() {
	control, treatment := make([]float64, 200), make([]float64, 200)
	for i := range control {
		control[i], treatment[i] = float64(i%10), float64(i%10)
	}
	treatment[0], treatment[1], treatment[2], control[3] = 5000, 900, 800, 700
	capped, err := stats.Cap([][]float64{control, treatment}, stats.CapOptions{Percentile: 0.99, Type: stats.Discrete})
	if err != nil {
		panic(err)
	}
	fmt.Printf("cap %.0f, units cut %v\n", capped.Cap, capped.Units)

	// Output:
	// cap 9, units cut [1 3]
}

// The 90th percentile of page load times, several per user.
func ExampleGroupQuantile() {
	users := make([][]float64, 300)
	for u := range users {
		for load := range u%4 + 1 {
			users[u] = append(users[u], float64(100+u*37%200+load))
		}
	}
	g, err := stats.GroupQuantile(users, 0.9)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%.0f ms, standard error %.1f\n", g.Mean, g.SE())

	// Output:
	// 282 ms, standard error 4.0
}

// Two experiments on the same users whose effects hinder each other.
func ExampleInteraction() {
	cell := func(mean float64) stats.Group { return stats.Group{N: 2000, Mean: mean, Variance: 4} }
	cells := [2][2]stats.Group{
		{cell(10), cell(10.3)},
		{cell(10.4), cell(10.2)},
	}
	c := stats.Interaction(cells).Compare(stats.Options{Reference: stats.Normal})
	fmt.Printf("%.1f, p = %.1e\n", c.Difference.Value, c.Test.PValue)

	// Output:
	// -0.5, p = 2.3e-08
}

func ExampleMainEffect() {
	cell := func(n int64, mean float64) stats.Group { return stats.Group{N: n, Mean: mean, Variance: 4} }
	cells := [][]stats.Group{
		{cell(500, 10), cell(500, 11), cell(500, 12)},
		{cell(500, 10.5), cell(500, 11.5), cell(500, 12.2)},
	}
	c := stats.MainEffect(cells, false, 0, 1, stats.EqualWeights).Compare(stats.Options{})
	fmt.Printf("%.1f, %.2f to %.2f\n", c.Difference.Value, c.Difference.Low, c.Difference.High)

	// Output:
	// 0.4, 0.26 to 0.54
}

// One idea in ten works: how many of the significant results are chance?
func ExampleFalsePositiveRisk() {
	risk, err := stats.FalsePositiveRisk(0.025, 0.8, 0.1)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%.0f%%\n", 100*risk)

	// Output:
	// 22%
}

// Hold an interval of the delta method against resampling.
func ExampleBootstrap() {
	control, treatment := make([]float64, 200), make([]float64, 200)
	for i := range control {
		control[i], treatment[i] = float64(i*i%13), float64(i*i%13+i%2)
	}
	e := stats.Bootstrap([][][]float64{stats.Column(control), stats.Column(treatment)}, stats.MeanDifference,
		stats.BootstrapOptions{Seed: 1})
	fmt.Printf("%.2f, standard error %.1f\n", e.Value, e.SE)

	// Output:
	// 0.50, standard error 0.4
}

// Revenue per user with a standard deviation of 45: how long to see 3% of 12,
// with a covariate that explains a third of it?
func ExampleSampleSizeMean() {
	n, err := stats.SampleSizeMean(45, 0.03*12, 0.577, stats.PowerPlan{})
	if err != nil {
		panic(err)
	}
	d, err := stats.DurationOf(n.Control, 2, 20_000, 1)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%.0f units, %d weeks\n", n.Total(), d.Weeks)

	// Output:
	// 327236 units, 3 weeks
}

func ExamplePowerT() {
	power, err := stats.PowerT(500, 500, 0.3, 2, stats.PowerPlan{})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%.1f%%\n", 100*power)

	// Output:
	// 65.9%
}
