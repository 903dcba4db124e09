// Replay reads a real experiment that others ran and published, records who was
// in which treatment and what they did, and prints strata's report on it:
//
//	go run ./examples/replay -data cookie_cats.csv.gz
//
// It understands two files by their columns: Cookie Cats (a mobile game moved
// its first gate from level 30 to level 40) and Hillstrom (a retailer mailed
// men's or women's merchandise, or nothing).
package main

import (
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/memstore"
)

func main() {
	data := flag.String("data", "", "path of cookie_cats.csv.gz or hillstrom.csv.gz")
	flag.Parse()
	if *data == "" {
		flag.Usage()
		os.Exit(2)
	}
	report, err := replay(context.Background(), *data, func(units int) { fmt.Fprintf(os.Stderr, "\r%d units", units) })
	fmt.Fprintln(os.Stderr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(report)
}

// exposedAt is when every unit is taken to have met its treatment; the files do
// not say. What they did came a day later.
var exposedAt = time.Date(2020, 1, 1, 12, 0, 0, 0, time.UTC)

// replay runs the file at path through an engine and reports. It tells progress
// how many units it has taken in.
func replay(ctx context.Context, path string, progress func(units int)) (report *strata.Report, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	rows, err := openCSV(file, path)
	if err != nil {
		return nil, err
	}
	header, err := rows.Read()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	source, err := sourceOf(header)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	eng, err := open(ctx, source)
	if err != nil {
		return nil, err
	}
	defer func() {
		_, closeErr := eng.Close(ctx)
		err = errors.Join(err, closeErr)
	}()
	if err := record(ctx, eng, source, rows, header, progress); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return eng.Report(ctx, source.experiment, strata.ReportOptions{})
}

func openCSV(file io.Reader, path string) (*csv.Reader, error) {
	if !strings.HasSuffix(path, ".gz") {
		return csv.NewReader(file), nil
	}
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return csv.NewReader(unzipped), nil
}

// open publishes the source's plan to a new store and opens an engine on it.
// The experiment owns no buckets: somebody else assigned its units.
func open(ctx context.Context, source *source) (*strata.Engine, error) {
	plan, err := source.plan()
	if err != nil {
		return nil, err
	}
	store := memstore.New()
	if _, err := strata.Publish(ctx, store, plan, strata.PublishOptions{Author: "replay", Message: "recorded experiment"}); err != nil {
		return nil, err
	}
	return strata.Open(ctx, store, strata.Config{})
}

// record takes the rows in, one unit each.
func record(ctx context.Context, eng *strata.Engine, source *source, rows *csv.Reader, header []string, progress func(units int)) error {
	column := make(map[string]int)
	for i, name := range header {
		column[name] = i
	}
	for n := 1; ; n++ {
		cells, err := rows.Read()
		if err == io.EOF {
			progress(n - 1)
			return nil
		}
		if err != nil {
			return err
		}
		row := row{number: n, cells: cells, column: column}
		if err := recordRow(eng, source, row); err != nil {
			return fmt.Errorf("row %d: %w", n, err)
		}
		if n%5000 == 0 { // the buffer is bounded: let the store keep up
			progress(n)
			if _, err := eng.Flush(ctx); err != nil {
				return err
			}
		}
	}
}

func recordRow(eng *strata.Engine, source *source, r row) error {
	unit, treatment, events, err := source.read(r)
	if err != nil {
		return err
	}
	err = eng.RecordExposure(strata.ExternalExposure{Unit: unit, Experiment: source.experiment, Treatment: treatment, Time: exposedAt})
	for _, event := range events {
		err = errors.Join(err, eng.Track(unit, event))
	}
	return err
}

// row is a line of the file, by column name.
type row struct {
	number int
	cells  []string
	column map[string]int
}

func (r row) get(name string) string { return r.cells[r.column[name]] }
