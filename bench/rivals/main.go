// Command rivals measures how long assignment takes in this process, by strata and by the
// libraries that a Go program would use instead of it, all doing the same work through
// their public interfaces, and beside the physical floor. Run it as
//
//	go -C bench run ./rivals
//
// with -help for the flags. Everything is measured in one process, in interleaved rounds,
// so that ratios hold on a machine that others use too.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"time"
)

func main() {
	err := run(os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "rivals:", err)
		os.Exit(1)
	}
}

// errMissed means that a target does not hold.
var errMissed = errors.New("a target is missed")

// options are the command line.
type options struct {
	harness             harness
	workloads, subjects *regexp.Regexp
	markdown, check     bool
}

func parseOptions(args []string, notes io.Writer) (*options, error) {
	o := &options{harness: harness{notes: notes}}
	flags := flag.NewFlagSet("rivals", flag.ContinueOnError)
	flags.SetOutput(notes)
	flags.IntVar(&o.harness.rounds, "rounds", 60, "how often everything is sampled")
	flags.DurationVar(&o.harness.sample, "sample", 20*time.Millisecond, "about how long a sample takes")
	flags.Uint64Var(&o.harness.seed, "seed", 0, "of the order in a round; 0 means a new one")
	workloads := flags.String("workloads", "", "a regular expression: measure these only")
	subjects := flags.String("subjects", "", "a regular expression: measure these libraries only")
	flags.BoolVar(&o.markdown, "markdown", false, "print tables in Markdown")
	flags.BoolVar(&o.check, "check", false, "exit with 1 unless strata's targets hold")
	err := flags.Parse(args)
	if err == nil {
		o.workloads, err = regexp.Compile(*workloads)
	}
	if err == nil {
		o.subjects, err = regexp.Compile(*subjects)
	}
	if err == nil && (o.harness.rounds < 1 || o.harness.sample <= 0) {
		err = fmt.Errorf("%d rounds of %v are nothing to measure; use positive numbers", o.harness.rounds, o.harness.sample)
	}
	if o.harness.seed == 0 {
		o.harness.seed = rand.Uint64()
	}
	return o, err
}

func run(args []string, out, notes io.Writer) error {
	o, err := parseOptions(args, notes)
	if err != nil {
		return err
	}
	note(notes, "loading and checking\n")
	b, err := newBench(o.workloads, o.subjects)
	if err != nil {
		return err
	}
	if err := errors.Join(o.harness.measure(b.tasks), b.close()); err != nil {
		return err
	}
	return o.report(out, b.tasks)
}

// report prints everything that was found.
func (o *options) report(out io.Writer, tasks []*task) error {
	var text strings.Builder
	writeHeader(&text, &o.harness, time.Now())
	for _, w := range workloads() {
		if o.workloads.MatchString(w.name) {
			t := newTable(&w, tasks)
			t.write(&text, o.markdown)
		}
	}
	writeFooter(&text, o.subjects.MatchString)
	fmt.Fprintln(&text)
	kept := writeTargets(&text, targets(tasks))
	if _, err := io.WriteString(out, text.String()); err != nil {
		return err
	}
	if o.check && !kept {
		return errMissed
	}
	return nil
}

// note tells people how far it is. That they cannot be told changes nothing.
func note(notes io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(notes, format, args...)
}
