package stats_test

import (
	"encoding/json"
	"fmt"

	"github.com/strataxp/strata/stats"
)

// Compare revenue per user, in cents, between two arms.
func ExampleCompare() {
	var control, treatment stats.Sums
	for i := range int64(1000) {
		mustAdd(&control, 900+i%200)
		mustAdd(&treatment, 915+i%200)
	}
	c := stats.Compare(
		stats.GroupMean(control.Moments(), 0),
		stats.GroupMean(treatment.Moments(), 0),
		stats.Options{})

	fmt.Printf("difference %.1f cents, %.1f to %.1f\n", c.Difference.Value, c.Difference.Low, c.Difference.High)
	fmt.Printf("lift %.2f%%, %.2f%% to %.2f%%\n", 100*c.Lift.Value, 100*c.Lift.Low, 100*c.Lift.High)
	fmt.Printf("p = %.1e, significant %v\n", c.Test.PValue, c.Significant())

	// Output:
	// difference 15.0 cents, 9.9 to 20.1
	// lift 1.50%, 0.99% to 2.01%
	// p = 7.4e-09, significant true
}

// What cannot be estimated says why; the rest stands.
func ExampleCompare_notEstimable() {
	control := stats.Group{N: 500, Mean: 0, Variance: 0}
	treatment := stats.Group{N: 480, Mean: 0.05, Variance: 0.25}
	c := stats.Compare(control, treatment, stats.Options{})

	fmt.Printf("difference %.2f, p = %.3f\n", c.Difference.Value, c.Test.PValue)
	fmt.Println("lift:", c.Lift.Reason)
	data, err := json.Marshal(c.Lift)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(data))

	// Output:
	// difference 0.05, p = 0.029
	// lift: the control mean is 0, so there is no relative lift
	// {"value":null,"low":null,"high":null,"reason":"the control mean is 0, so there is no relative lift"}
}

// Revenue per order, where users were randomised and have several orders.
func ExampleGroupRatio() {
	var arm stats.Sums
	mustAdd(&arm, 3000, 2) // cents, orders
	mustAdd(&arm, 0, 0)
	mustAdd(&arm, 2000, 1)
	mustAdd(&arm, 4500, 2)
	g := stats.GroupRatio(arm.Moments(), 0, 1)
	fmt.Printf("%.0f cents per order, standard error %.0f\n", g.Mean, g.SE())

	// Output:
	// 1900 cents per order, standard error 247
}

// A user's total changed from 2 to 5: take the old one out, put the new in.
func ExampleSums_Remove() {
	var arm stats.Sums
	mustAdd(&arm, 2)
	mustAdd(&arm, 3)
	if err := arm.Remove(2); err != nil {
		panic(err)
	}
	mustAdd(&arm, 5)
	data, err := json.Marshal(arm)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(data))

	// Output:
	// {"n":2,"sums":["8"],"products":["34"]}
}

// Sums from a database, exact although float64 could not hold them.
func ExampleMomentsFromDecimals() {
	m, err := stats.MomentsFromDecimals(1000,
		[]string{"1000000002997"}, []string{"1000000005994000012977"})
	if err != nil {
		panic(err)
	}
	fmt.Printf("mean %.3f, variance %.5f\n", m.Mean(0), m.Variance(0))

	// Output:
	// mean 1000000002.997, variance 3.99899
}

// A 50:50 experiment that lost units of one arm.
func ExampleSampleRatio() {
	r := stats.SampleRatio([]int64{50500, 49500, 12}, []float64{1, 1, 0})
	fmt.Printf("chi-square %.1f, p = %.4f, leaked %d\n", r.Statistic, r.PValue, r.Leaked)

	// Output:
	// chi-square 10.0, p = 0.0016, leaked 12
}

func mustAdd(s *stats.Sums, values ...int64) {
	if err := s.Add(values...); err != nil {
		panic(err)
	}
}
