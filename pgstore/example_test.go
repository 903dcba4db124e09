package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/pgstore"
)

// What a program does that has not looked at the database before: the schema
// is made, a plan is published, and an engine assigns and records. What
// needs a server is compiled here and not run.
func Example() {
	ctx := context.Background()
	store, err := pgstore.Open(ctx, "postgres://app:secret@db:5432/shop?sslmode=require", pgstore.Config{})
	if err != nil {
		log.Fatal(err) // says what to do about it, and never the password
	}
	defer store.Close()

	b := strata.NewPlan()
	b.String("cta.color", "grey")
	b.Metric(strata.Metric{Key: "buyers", Type: strata.MetricConversion, Measure: strata.Measure{Event: strata.KindPurchase}})
	b.Layer("ui", strata.ByUser, "cta.color").Experiment("cta-color", 1).
		Treatment("grey", 1, nil).
		Treatment("green", 1, strata.Values{"cta.color": "green"}).
		Metrics("buyers").
		Running()
	plan, err := b.Build()
	if err != nil {
		log.Fatal(err)
	}
	if _, err := strata.Publish(ctx, store, plan, strata.PublishOptions{Author: "ada", Message: "green or grey"}); err != nil {
		log.Fatal(err)
	}

	color := strata.StringParam("cta.color", "grey") // once, at package level
	eng, err := strata.Open(ctx, store, strata.Config{Params: []strata.Handle{color}})
	if err != nil {
		log.Fatal(err)
	}
	defer eng.Close(ctx)
	a := eng.Assign(strata.Unit{User: "user-17"})
	fmt.Println(color.Get(a)) // reading exposes
	if err := a.Track(strata.PageView{Page: "/"}); err != nil {
		log.Print(err)
	}
}

// Where the application may not change tables, the one who deploys migrates
// and grants.
func ExampleRolesSQL() {
	statements, err := pgstore.RolesSQL("strata", "", "analyst")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(statements)
	// Output:
	// -- Reports: everything, and only to read.
	// grant usage on schema "strata" to "analyst";
	// grant select on all tables in schema "strata" to "analyst";
	// alter default privileges in schema "strata" grant select on tables to "analyst";
	// grant execute on function "strata".exposures_of(bytea[]) to "analyst";
}

// The store shares the program's pool, and the order and what the experiment
// hears of it are one transaction.
func ExampleStore_TrackTx() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, "postgres://app:secret@db:5432/shop")
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	store, err := pgstore.New(ctx, pool, pgstore.Config{NoMigrate: true})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `insert into orders (id, total) values ($1, $2)`, "o-17", 49_99); err != nil {
			return err
		}
		return store.TrackTx(ctx, tx, strata.Unit{User: "user-17"}, strata.Purchase{OrderID: "o-17", Total: 49_99, Currency: "EUR"})
	})
	if err != nil {
		log.Print(err) // then neither is there
	}
}

// A report by a role that may only read, which says how far it is behind.
func ExampleStore_Freshness() {
	ctx := context.Background()
	store, err := pgstore.Open(ctx, "postgres://analyst:secret@db:5432/shop", pgstore.Config{ReadOnly: true})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	fresh, err := store.Freshness(ctx)
	if err != nil {
		log.Fatal(err)
	}
	if fresh.Batches > 0 || fresh.Outbox > 0 {
		fmt.Printf("%d batches and %d orders are not in it yet\n", fresh.Batches, fresh.Outbox)
	}
	report, err := strata.NewReport(ctx, store, "cta-color", strata.ReportOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(report)
}

// A history of another system, which goes on where it was broken off.
func ExampleStore_Import() {
	ctx := context.Background()
	store, err := pgstore.Open(ctx, "postgres://app:secret@db:5432/shop", pgstore.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	var orders iter.Seq2[strata.Record, error] = func(yield func(strata.Record, error) bool) {
		// For each line of the file, in an order that stays:
		yield(strata.Record{
			Unit:  strata.Unit{User: "user-17"},
			Event: strata.Purchase{Time: time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC), OrderID: "o-1", Total: 49_99, Currency: "EUR"},
		}, nil)
	}
	result, err := store.Import(ctx, orders, pgstore.ImportParams{Name: "orders of 2024"})
	var bad *pgstore.ImportError
	switch {
	case errors.As(err, &bad):
		log.Fatalf("line %d: %v", bad.Record, bad.Err)
	case err != nil:
		log.Fatal(err)
	}
	fmt.Println(result.Stored, "stored,", result.Skipped, "were there")
}

// A person asks to be forgotten.
func ExampleStore_Forget() {
	ctx := context.Background()
	store, err := pgstore.Open(ctx, "postgres://app:secret@db:5432/shop", pgstore.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	gone, err := store.Forget(ctx, strata.Unit{User: "user-17", Device: "device-4"})
	if err != nil {
		log.Fatal(err) // nothing is forgotten then: it is one transaction
	}
	fmt.Println(gone.Events, "events and", gone.Exposures, "exposures are gone")
}
