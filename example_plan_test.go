package strata_test

import (
	"fmt"
	"time"

	"github.com/strataxp/strata"
)

// A plan with one experiment on half of the traffic.
func ExampleNewPlan() {
	b := strata.NewPlan()
	b.String("cta.color", "grey")
	b.Metric(strata.Metric{Key: "buyers", Type: strata.MetricConversion, Measure: strata.Measure{Event: strata.KindPurchase}})

	ui := b.Layer("ui", strata.ByUser, "cta.color")
	ui.Experiment("cta-color", 0.5).
		Describe("Does a green button sell more than a grey one?").
		Audience(`country in ["DE", "AT"]`).
		Treatment("grey", 1, nil).
		Treatment("green", 1, strata.Values{"cta.color": "green"}).
		Metrics("buyers").
		Running()

	plan, err := b.Build()
	if err != nil {
		panic(err)
	}
	e := plan.Experiment("cta-color")
	fmt.Println(e.Key, "has", e.Buckets.Len(), "buckets of layer", e.Layer)
	fmt.Println(plan.Free("ui").Len(), "are free")
	// Output:
	// cta-color has 5000 buckets of layer ui
	// 5000 are free
}

// The JSON form is strict: a mistyped field is an error, with its path.
func ExampleParsePlan() {
	plan, err := strata.ParsePlan([]byte(`{
		"parameters": [{"key": "cta.color", "type": "string", "default": "grey"}],
		"layers": [{"key": "ui", "parameters": ["cta.color"]}],
		"experiments": [{
			"key": "cta-color", "layer": "ui", "status": "running", "buckets": "0-4999",
			"treatments": [
				{"key": "grey", "weight": 1},
				{"key": "green", "weight": 1, "values": {"cta.color": "green"}}
			]
		}]
	}`))
	if err != nil {
		panic(err)
	}
	fmt.Println(plan.Experiment("cta-color").Buckets.Len(), "buckets")

	_, err = strata.ParsePlan([]byte(`{"layers": [{"key": "ui", "slat": "2025-06"}]}`))
	fmt.Println(err)
	// Output:
	// 5000 buckets
	// strata: invalid plan, 1 problem(s):
	//   layers[0].slat: unknown field; the fields here are key, description, domain, salt, diversion, parameters, launch
}

// Every problem is listed, with its path, what was found there, and a cure.
func ExamplePlan_Validate() {
	plan := &strata.Plan{
		Parameters: []strata.Parameter{{Key: "items per page", Type: strata.TypeInt, Default: "20"}},
		Layers:     []strata.Layer{{Key: "ui", Diversion: "cookie"}},
		Experiments: []strata.Experiment{
			{Key: "colors", Layer: "ui", Buckets: strata.BucketRange(0, 5000), Treatments: []strata.Treatment{{Key: "grey", Weight: 1}, {Key: "green", Weight: 1}}},
			{Key: "sizes", Layer: "ui", Buckets: strata.BucketRange(4000, 6000), Treatments: []strata.Treatment{{Key: "small", Weight: 1}, {Key: "large", Weight: -1}}},
		},
	}
	fmt.Println(plan.Validate())
	// Output:
	// strata: invalid plan, 6 problem(s):
	//   parameters[0].key = "items per page": use at most 100 letters, digits, '.', '_' and '-', starting with a letter or digit
	//   parameters[0].default = "20": expected an integer of 64 bits, found a string
	//   layers[0].diversion = "cookie": use tenant, user, device, session or request
	//   experiments[1].buckets = "4000-4999": these buckets of layer "ui" belong to experiment "colors" already; choose free ones (Plan.Free lists them)
	//   experiments[1].treatments[1].weight = -1: weights are integers from 0 to 1048576
	//   experiments[1].treatments = 0: the weights must sum to something from 1 to 268435456; equal weights of 1 split evenly
}

// What a change of plan does to units, before anybody publishes it.
func ExampleDiff() {
	now := time.Date(2025, 6, 2, 12, 0, 0, 0, time.UTC)
	b := strata.NewPlan()
	ui := b.Layer("ui", strata.ByUser)
	ui.Experiment("colors", 0.2).Treatment("grey", 1, nil).Treatment("green", 1, nil).Running()
	ui.Experiment("sizes", 0.2).Treatment("small", 1, nil).Treatment("large", 1, nil).Running()
	before, err := b.Build()
	if err != nil {
		panic(err)
	}

	after, err := before.Clone()
	if err != nil {
		panic(err)
	}
	if err := after.Widen("colors", 1000); err != nil { // moves nobody
		panic(err)
	}
	after.Experiment("sizes").Treatments[0].Weight = 3 // half of "large" becomes "small"

	for _, m := range strata.Diff(before, after, now) {
		fmt.Println(m)
		fmt.Println("  moves units:", m.Moves())
	}
	// Output:
	// colors: 0 % change treatment, 0 % leave, 10 % enter, 20 % stay
	//   moves units: false
	// sizes: 5 % change treatment, 0 % leave, 0 % enter, 15 % stay
	//   moves units: true
}

// A snapshot assigns without a store and records nothing: for tools, tests and
// simulations.
func ExampleSnapshot_Assign() {
	b := strata.NewPlan()
	b.String("cta.color", "grey")
	b.Layer("ui", strata.ByUser, "cta.color").
		Experiment("cta-color", 1).
		Audience(`country == "DE"`).
		Treatment("grey", 1, nil).
		Treatment("green", 1, strata.Values{"cta.color": "green"}).
		Running()
	plan, err := b.Build()
	if err != nil {
		panic(err)
	}
	snap, err := strata.Compile(plan, time.Now())
	if err != nil {
		panic(err)
	}

	ctaColor := strata.StringParam("cta.color", "grey") // once, at package level
	for _, u := range []strata.Unit{
		{User: "ada", Attributes: map[string]any{"country": "DE"}},
		{User: "grace", Attributes: map[string]any{"country": "DE"}},
		{User: "ken", Attributes: map[string]any{"country": "US"}},
		{Device: "a phone"},
	} {
		a := snap.Assign(u)
		for d := range a.All() {
			fmt.Println(d, "reads", ctaColor.Peek(a))
		}
	}
	// Output:
	// ui: cta-color=green (assigned, bucket 8731) reads green
	// ui: cta-color=grey (assigned, bucket 5465) reads grey
	// ui: cta-color: nothing (audience, bucket 9740) reads grey
	// ui: (no id) reads grey
}
