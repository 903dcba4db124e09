package memstore_test

import (
	"context"
	"fmt"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/memstore"
)

// The handle of a parameter: made once, at package level.
var buttonColor = strata.StringParam("button.color", "grey")

// From a plan to a report, all in memory: publish, open an engine, let a
// hundred users visit, and see what they did.
func Example() {
	ctx := context.Background()
	b := strata.NewPlan()
	b.String("button.color", "grey")
	b.Metric(strata.Metric{Key: "signups", Type: strata.MetricConversion, Measure: strata.Measure{Event: strata.KindConversion, Name: "signup"}})
	b.Layer("ui", strata.ByUser, "button.color").Experiment("button", 1).
		Treatment("grey", 1, nil).
		Treatment("green", 1, strata.Values{"button.color": "green"}).
		Metrics("signups").
		Running()
	plan, err := b.Build()
	must(err)

	store := memstore.New()
	_, err = strata.Publish(ctx, store, plan, strata.PublishOptions{Author: "ada", Message: "does green sign more people up?"})
	must(err)
	eng, err := strata.Open(ctx, store, strata.Config{})
	must(err)
	defer eng.Close(ctx)

	for i := range 100 {
		a := eng.Assign(strata.Unit{User: fmt.Sprint("user-", i)})
		color := buttonColor.Get(a) // reading exposes
		if i%4 == 0 || color == "green" && i%4 == 1 {
			must(a.Track(strata.Conversion{Goal: "signup"}))
		}
	}
	report, err := eng.Report(ctx, "button", strata.ReportOptions{})
	must(err)
	for i, t := range report.Treatments {
		fmt.Printf("%s: %d users, %.0f %% signed up\n", t.Treatment, t.Units, 100*report.Metrics[0].Estimates[i].Estimate.Value)
	}

	// Output:
	// grey: 52 users, 33 % signed up
	// green: 48 users, 42 % signed up
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
