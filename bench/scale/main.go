// Scale measures how strata's costs grow: with layers, experiments, parameters,
// conditions, units with stored treatments, goroutines that track, events stored, days
// reported, engines that share a database. The growth that is expected stands in the code
// beside each curve, and the run says whether it was found.
//
//	go -C bench run ./scale                      all curves that need no Postgres
//	go -C bench run ./scale -postgres            those that do, on a server of its own
//	go -C bench run ./scale -curves '^all'       some
//	go -C bench run ./scale -plots DIRECTORY     and a plot of each, as SVG
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/strataxp/strata/bench/internal/machine"
	"github.com/strataxp/strata/internal/page"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "scale:", err)
		}
		os.Exit(1)
	}
}

func run(args []string, out, notes io.Writer) error {
	flags := flag.NewFlagSet("scale", flag.ContinueOnError)
	flags.SetOutput(notes)
	postgres := flags.Bool("postgres", false, "measure what needs Postgres, on a server that this starts, instead of the rest")
	chosen := flags.String("curves", "", "a regular expression that the names of curves match")
	upTo := flags.Int("upto", 0, "leave out sizes above this one; 0 means none")
	plots := flags.String("plots", "", "a directory for plots")
	if err := flags.Parse(args); err != nil {
		return err
	}
	choose, err := regexp.Compile(*chosen)
	if err != nil {
		return fmt.Errorf("-curves: %w", err)
	}
	curves, stop := inMemory(), func() error { return nil }
	if *postgres {
		if curves, stop, err = onPostgres(); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(out, "- %s\n\n", machine.Line(time.Now()))
	for i := range curves {
		if c := &curves[i]; err == nil && choose.MatchString(c.name) {
			err = report(out, c, *upTo, *plots)
		}
	}
	return errors.Join(err, stop())
}

// table has a column for the value of each, where values are expected to grow.
func table(c *curve, points []point) string {
	each := c.exponent > 0
	text := fmt.Sprintf("| %s | %s |", c.size, c.unit.quantity())
	rule := "\n|--:|--:|"
	if each {
		text, rule = text+" each |", rule+"--:|"
	}
	text += rule + "\n"
	for _, p := range points {
		text += fmt.Sprintf("| %s | %s |", page.Thousands(int64(p.size)), c.unit.text(p.value))
		if each {
			text += fmt.Sprintf(" %s |", c.unit.text(p.value/float64(p.size)))
		}
		text += "\n"
	}
	return text
}

// report measures a curve and writes it as Markdown.
func report(out io.Writer, c *curve, upTo int, plots string) error {
	points, err := c.run(upTo)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("### %s\n\nExpected: %s.\n\n", c.title, c.expected) + table(c, points)
	if found := growth(points); !math.IsNaN(found) {
		text += fmt.Sprintf("\nFound: grows as the power %.2f of the size, expected %.1f.\n", found, c.exponent)
	}
	if _, err := fmt.Fprintln(out, text); err != nil || plots == "" {
		return err
	}
	return os.WriteFile(filepath.Join(plots, c.name+".svg"), []byte(plot(c, points)), 0o644)
}
