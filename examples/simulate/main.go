// Simulate tries a plan before it is launched, on visitors of a made-up shop:
//
//	go run ./examples/simulate
//	go run ./examples/simulate -aa
//	go run ./examples/simulate -plan plan.json -model model.json -hopes hopes.json -html out.html
//
// A plan is what strata.ParsePlan reads, a model what sim.ParseModel reads. The
// hopes say where visitors meet each experiment and what treatments change;
// plan.json, model.json and hopes.json beside this file are what is tried where
// nothing else is named. It prints what the plan would find, how soon, and whether
// the answers would be right.
package main

import (
	"context"
	_ "embed" // for the files that are tried by default
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/sim"
)

//go:embed plan.json
var defaultPlan []byte

//go:embed model.json
var defaultModel []byte

//go:embed hopes.json
var defaultHopes []byte

// hopes are what is believed of the experiments of a plan.
type hopes struct {
	Meets   map[string]string `json:"meets"`
	Effects []sim.Effect      `json:"effects"`
}

// arguments are those of the command line.
type arguments struct {
	plan, model, hopes string // files; empty for those that are built in
	html, json         string // files to write; empty for none
	options            sim.Options
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("simulate: ")
	var a arguments
	flag.StringVar(&a.plan, "plan", "", "file of the plan")
	flag.StringVar(&a.model, "model", "", "file of the model of visitors")
	flag.StringVar(&a.hopes, "hopes", "", "file that says where visitors meet experiments, and what treatments change")
	flag.StringVar(&a.html, "html", "", "also write a page to this file")
	flag.StringVar(&a.json, "json", "", "also write the findings as JSON to this file")
	flag.IntVar(&a.options.Runs, "runs", 20, "how often the plan is run")
	flag.IntVar(&a.options.Visitors, "visitors", 4_000, "first visits in each run")
	flag.IntVar(&a.options.Days, "days", 0, "how long experiments run; 0 for the end of their schedules, or 14")
	flag.Uint64Var(&a.options.Seed, "seed", 1, "where random numbers come from")
	flag.BoolVar(&a.options.AA, "aa", false, "leave all effects out: what is found is false")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, a, os.Stdout, os.Stderr); err != nil {
		log.Print(err)
		os.Exit(1)
	}
}

// run tries the plan, prints what it finds to out and how far it is to progress.
func run(ctx context.Context, a arguments, out, progress io.Writer) error {
	plan, model, err := a.read()
	if err != nil {
		return err
	}
	a.options.Progress = func(done, total int) { showProgress(progress, done, total) }
	findings, err := sim.Run(ctx, plan, model, a.options)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprint(out, findings); err != nil {
		return err
	}
	return errors.Join(write(a.html, findings.WriteHTML), write(a.json, func(w io.Writer) error {
		return json.NewEncoder(w).Encode(findings)
	}))
}

// read reads the three files.
func (a *arguments) read() (*strata.Plan, *sim.Model, error) {
	planText, err := fileOr(a.plan, defaultPlan)
	modelText, err2 := fileOr(a.model, defaultModel)
	built := defaultHopes
	if a.plan != "" {
		built = []byte("{}") // those that are built in are about the plan that is
	}
	hopesText, err3 := fileOr(a.hopes, built)
	if err := errors.Join(err, err2, err3); err != nil {
		return nil, nil, err
	}
	plan, err := strata.ParsePlan(planText)
	model, err2 := sim.ParseModel(modelText)
	if err := errors.Join(err, err2); err != nil {
		return nil, nil, err
	}
	var h hopes
	dec := json.NewDecoder(strings.NewReader(string(hopesText)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&h); err != nil {
		return nil, nil, fmt.Errorf("the hopes cannot be read: %w", err)
	}
	if dec.More() {
		return nil, nil, errors.New("the hopes cannot be read: there is text behind them")
	}
	a.options.Meets, a.options.Effects = h.Meets, h.Effects
	return plan, model, nil
}

func fileOr(name string, built []byte) ([]byte, error) {
	if name == "" {
		return built, nil
	}
	return os.ReadFile(name)
}

// write writes a file, unless it has no name.
func write(name string, content func(io.Writer) error) error {
	if name == "" {
		return nil
	}
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(content(file), file.Close())
}

// showProgress draws a bar.
func showProgress(w io.Writer, done, total int) {
	const width = 40
	filled := width * done / total
	bar := strings.Repeat("█", filled) + strings.Repeat("░", width-filled)
	_, _ = fmt.Fprintf(w, "\r%s %d of %d", bar, done, total)
	if done == total {
		_, _ = fmt.Fprint(w, "\n\n")
	}
}
