package sim_test

import (
	"context"
	"fmt"
	"log"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/sim"
)

// A plan is tried before it is launched: would it find what is hoped of a
// shorter checkout?
func ExampleRun() {
	b := strata.NewPlan()
	b.Metric(strata.Metric{Key: "buyers", Type: strata.MetricConversion, Measure: strata.Measure{Event: strata.KindPurchase}})
	b.Layer("checkout", strata.ByDevice).Experiment("one-page", 1).
		Treatment("off", 1, nil).Treatment("on", 1, nil).Metrics("buyers")
	plan, err := b.Build()
	if err != nil {
		log.Fatal(err)
	}
	findings, err := sim.Run(context.Background(), plan, sim.Shop(), sim.Options{
		Runs: 2, Visitors: 2_000, Days: 7, TruthVisitors: 800,
		Meets:   map[string]string{"one-page": "checkout"},
		Effects: []sim.Effect{{Experiment: "one-page", Treatment: "on", From: "checkout", To: "pay", Weight: 8}},
	})
	if err != nil {
		log.Fatal(err)
	}
	c := findings.Experiments[0].Comparisons[0]
	fmt.Printf("found in all runs: %v; the lift is above 20 %%: %v\n", c.Wins.Value == 1, c.True.Value > 0.2)
	// Output: found in all runs: true; the lift is above 20 %: true
}
