// Import loads two histories of real shops into PostgreSQL, makes A/A tests of
// them and looks at what came out:
//
//	go run ./examples/import -data ../shared/data
//	go run ./examples/import -data ../shared/data -dsn postgres://user@host/database
//
// online_retail is a year of purchases of a gift shop, eshop_clothing_2008 the
// clicks of a clothing shop. Without -dsn it starts a private PostgreSQL and
// removes it again. Run again on the same database it stores nothing twice. It
// fails if a total is not the one that is published, to the penny.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgserver"
	"github.com/strataxp/strata/pgstore"
)

func main() {
	log.SetFlags(0)
	data := flag.String("data", cmp.Or(os.Getenv("STRATA_DATA"), "../shared/data"), "folder with online_retail.csv.gz and eshop_clothing_2008.csv.gz")
	dsn := flag.String("dsn", "", "connection string of a PostgreSQL; without it a private one is started")
	schema := flag.String("schema", "strata_import", "schema for the tables")
	flag.Parse()
	if err := run(context.Background(), *data, *dsn, *schema); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, data, dsn, schema string) (err error) {
	if dsn == "" {
		server, err := pgserver.Start(pgserver.Config{})
		if err != nil {
			return fmt.Errorf("%w\nor pass the connection string of a running server with -dsn", err)
		}
		defer func() { err = errors.Join(err, server.Discard()) }()
		dsn = server.DSN()
	}
	pool, err := pgxpool.New(ctx, dsn)
	if err != nil {
		return err
	}
	defer pool.Close()
	store, err := pgstore.New(ctx, pool, pgstore.Config{Schema: schema, NoRollup: true})
	if err != nil {
		return err
	}
	defer store.Close()
	if err := load(ctx, store, data); err != nil {
		return err
	}
	return look(ctx, store, tables{pool, schema})
}

// load imports both files and rolls them up.
func load(ctx context.Context, store *pgstore.Store, data string) error {
	eng, err := engine(ctx, store)
	if err != nil {
		return err
	}
	snapshot := eng.Snapshot()
	if _, err := eng.Close(ctx); err != nil {
		return err
	}
	treatmentIn := func(experiment string) func(strata.Unit) string {
		return func(u strata.Unit) string {
			a := snapshot.Assign(u)
			return a.Peek(experiment)
		}
	}
	invoices, err := readRetail(filepath.Join(data, "online_retail.csv.gz"))
	if err != nil {
		return err
	}
	if err := importAll(ctx, store, "online_retail", retailRecords(invoices, treatmentIn("retail"))); err != nil {
		return err
	}
	clicks := eshopRecords(filepath.Join(data, "eshop_clothing_2008.csv.gz"), treatmentIn("eshop"))
	if err := importAll(ctx, store, "eshop_clothing_2008", clicks); err != nil {
		return err
	}
	start := time.Now()
	batches, err := store.RollUp(ctx)
	fmt.Printf("rolled up %d batches in %.1f s\n\n", batches, time.Since(start).Seconds())
	return err
}

// engine opens an engine, which assigns by the plan; the first time it publishes
// that.
func engine(ctx context.Context, store strata.Store) (*strata.Engine, error) {
	_, err := store.Plan(ctx, strata.PlanParams{})
	if errors.Is(err, strata.ErrNotFound) {
		var p *strata.Plan
		if p, err = plan(); err == nil {
			_, err = strata.Publish(ctx, store, p, strata.PublishOptions{Author: "import", Message: "A/A tests over two histories"})
		}
	}
	if err != nil {
		return nil, err
	}
	return strata.Open(ctx, store, strata.Config{})
}

// importAll stores the records of a file, once.
func importAll(ctx context.Context, store *pgstore.Store, name string, records iter.Seq2[strata.Record, error]) error {
	result, err := store.Import(ctx, records, pgstore.ImportParams{Name: name, Progress: func(p pgstore.ImportProgress) {
		fmt.Fprintf(os.Stderr, "\r%s: %d records, %.0f a second", name, p.Stored, p.Rate)
	}})
	fmt.Fprintln(os.Stderr)
	fmt.Printf("%s: %s records stored in %.1f s, %s were there already\n", name, thousands(result.Stored), result.Elapsed.Seconds(), thousands(result.Skipped))
	return err
}
