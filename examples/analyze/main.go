// Analyze reports on an experiment from sums that you have already, without
// strata's engine or store:
//
//	go run ./examples/analyze examples/analyze/checkout.json
//	go run ./examples/analyze -html report.html -json report.json examples/analyze/checkout.json
//
// The file names treatments, the control first, and metrics, and gives for each
// metric and treatment the number of units n with their sum and sum of squares,
// or their successes; -help describes all of it, and checkout.json is an
// example.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/strataxp/strata"
)

const format = `
The file is JSON. Sums are per treatment over units: add up each user's events
first, and then the users' totals and the squares of those. Numbers may be
written as text ("123456789012345678.90") to keep all digits.

  experiment      a name
  description     what was tried
  treatments      list, the control first:
    key             a name
    weight          its share by design; equal where all are missing
    units           how many were exposed, for the sample ratio; default: the
                    largest n of its metrics
    shed, uncertain how many of the units lost events, or may have
  primary         keys of the metrics that decide; default: the first one
  planned_units   how many units the experiment was planned for
  metrics         list:
    key             a name
    type            conversion, count, sum or ratio
    currency        of sums of money, which are then in minor units (cents)
    direction       increase (default) or decrease
    minimum_effect  smallest relative lift worth knowing of, 0.02 for 2 %
    guardrail       true for a metric that must not get worse by more than
    margin          this relative loss, 0.01 for 1 %
    treatments      sums by treatment key:
      n               units
      successes       for a conversion
      sum, sum_squares              for a count or sum
      num_sum, num_sum_squares, den_sum, den_sum_squares, num_den_products
                                    for a ratio
      pre_sum, pre_sum_squares, pre_products
                    of a conversion, count or sum: the same units before the
                    experiment, and the sum of the products of before and after
  days            optional list, oldest first: how the sums stood at its end
    day             2026-03-01
    metrics         sums by metric key and treatment key, as above
`

func main() {
	log.SetFlags(0)
	log.SetPrefix("analyze: ")
	var o output
	flag.StringVar(&o.html, "html", "", "also write a page to this file")
	flag.StringVar(&o.json, "json", "", "also write the report as JSON to this file, - for standard output instead of text")
	level := flag.Float64("level", 0.95, "confidence level of intervals")
	ended := flag.Bool("ended", false, "the experiment ended when it was planned to, and this is the only look")
	flag.Usage = func() {
		// Where even this cannot be printed, nobody can be told.
		_, _ = fmt.Fprintln(flag.CommandLine.Output(), "usage: analyze [flags] file.json")
		flag.PrintDefaults()
		_, _ = fmt.Fprint(flag.CommandLine.Output(), format)
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	opts := strata.ReportOptions{Level: *level, Inference: strata.AlwaysValid}
	if *ended {
		opts.Inference = strata.OneLook
	}
	report, err := analyze(flag.Arg(0), opts)
	if err == nil {
		err = o.write(os.Stdout, report)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// analyze reports on the file at path.
func analyze(path string, opts strata.ReportOptions) (*strata.Report, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	in, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	plan, err := in.plan()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	results, err := in.results()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	opts.Clock = in.clock()
	return strata.ReportOn(plan, in.key(), results, opts)
}

// output says where a report goes.
type output struct{ html, json string }

func (o output) write(text io.Writer, r *strata.Report) error {
	if o.json == "-" {
		encoder := json.NewEncoder(text)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	if _, err := fmt.Fprint(text, r); err != nil {
		return err
	}
	if o.json != "" {
		data, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.json, append(data, '\n'), 0o600); err != nil {
			return err
		}
	}
	if o.html == "" {
		return nil
	}
	file, err := os.Create(o.html)
	if err != nil {
		return err
	}
	return errors.Join(r.WriteHTML(file), file.Close())
}
