package strata_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/memstore"
)

// shop publishes a plan with one experiment to a store in memory and opens an
// engine on it.
func shop(ctx context.Context) (*strata.Engine, *memstore.Store) {
	store := memstore.New()
	if _, err := strata.Publish(ctx, store, colorPlan(1), strata.PublishOptions{Author: "ada", Message: "first"}); err != nil {
		panic(err)
	}
	eng, err := strata.Open(ctx, store, strata.Config{})
	if err != nil {
		panic(err)
	}
	return eng, store
}

// Read a parameter: the unit's treatment decides, and the exposure is recorded.
func ExampleEngine_Assign() {
	ctx := context.Background()
	eng, _ := shop(ctx)
	defer eng.Close(ctx)

	ctaColor := strata.StringParam("cta.color", "grey") // at package level in a program
	for _, id := range []string{"ada", "grace", "ken"} {
		a := eng.Assign(strata.Unit{User: id})
		fmt.Println(id, ctaColor.Get(a))
	}

	// A unit without the id that the layer diverts by is in nothing.
	a := eng.Assign(strata.Unit{Device: "phone"})
	fmt.Printf("%q\n", a.Treatment("cta-color"))

	// Output:
	// ada green
	// grace grey
	// ken grey
	// ""
}

// See what every layer decided, and why, without exposing anything.
func ExampleAssignment_All() {
	ctx := context.Background()
	eng, _ := shop(ctx)
	defer eng.Close(ctx)

	a := eng.Assign(strata.Unit{User: "ada"})
	for d := range a.All() {
		fmt.Println(d)
	}

	// Output:
	// ui: cta-color=green (assigned, bucket 8731)
}

// Try a treatment out. Nothing that a forced assignment does is counted.
func ExampleAssignment_Force() {
	ctx := context.Background()
	eng, _ := shop(ctx)
	defer eng.Close(ctx)

	a := eng.Assign(strata.Unit{User: "ada"})
	forced, err := a.Force("cta-color", "grey")
	fmt.Println(a.Peek("cta-color"), forced.Treatment("cta-color"), forced.Forced(), err)

	// Output:
	// green grey true <nil>
}

// Track what a unit does. Bad input is refused with the field's name.
func ExampleEngine_Track() {
	ctx := context.Background()
	eng, _ := shop(ctx)
	defer eng.Close(ctx)

	unit := strata.Unit{User: "ada"}
	err := eng.Track(unit, strata.Purchase{OrderID: "o-17", Total: 49_99, Currency: "EUR"})
	fmt.Println(err)

	err = eng.Track(unit, strata.Purchase{OrderID: "o-18", Total: 49_99, Currency: "euro"})
	var refused *strata.EventError
	fmt.Println(errors.As(err, &refused), refused.Field, "-", refused.Cure)

	// Output:
	// <nil>
	// true Currency - use three capital letters, such as EUR
}

// A change that would move units is refused until it is asked for by name.
func ExamplePublish() {
	ctx := context.Background()
	eng, store := shop(ctx)
	defer eng.Close(ctx)

	newest, err := store.Plan(ctx, strata.PlanParams{})
	if err != nil {
		panic(err)
	}
	plan := newest.Plan
	plan.Experiment("cta-color").Treatments[1].Weight = 3

	opts := strata.PublishOptions{Author: "ada", Message: "more green"}
	_, err = strata.Publish(ctx, store, plan, opts)
	var moves *strata.MoveError
	fmt.Println(errors.As(err, &moves), moves.Moves[0])

	opts.Moves = map[string]strata.Policy{"cta-color": strata.Keep}
	stored, err := strata.Publish(ctx, store, plan, opts)
	fmt.Println("version", stored.Version, err)

	// Output:
	// true cta-color: 25 % change treatment, 0 % leave, 0 % enter, 75 % stay
	// version 2 <nil>
}
