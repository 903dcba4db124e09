package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/strataxp/strata"
)

// source is a file of a recorded experiment: the plan that describes it, and how
// to read a line.
type source struct {
	columns    []string // by which the file is known
	experiment string
	plan       func() (*strata.Plan, error)
	read       func(row) (unit strata.Unit, treatment string, events []strata.Event, err error)
}

var sources = []*source{
	{columns: []string{"userid", "version", "retention_1", "retention_7"}, experiment: "gate", plan: cookieCatsPlan, read: readCookieCats},
	{columns: []string{"segment", "visit", "conversion", "spend"}, experiment: "e-mail", plan: hillstromPlan, read: readHillstrom},
}

func sourceOf(header []string) (*source, error) {
	for _, s := range sources {
		if !slices.ContainsFunc(s.columns, func(c string) bool { return !slices.Contains(header, c) }) {
			return s, nil
		}
	}
	return nil, fmt.Errorf("neither Cookie Cats nor Hillstrom: the columns are %s", strings.Join(header, ", "))
}

// later is when what a unit did is taken to have happened.
var later = exposedAt.Add(24 * time.Hour)

// over is when the experiments ended, as they had planned to.
var over = strata.Schedule{End: later.Add(24 * time.Hour)}

func goal(name string) strata.Metric {
	return strata.Metric{Key: name, Type: strata.MetricConversion, Measure: strata.Measure{Event: strata.KindConversion, Name: name}}
}

func cookieCatsPlan() (*strata.Plan, error) {
	b := strata.NewPlan()
	b.Metric(goal("retained-day-7"))
	b.Metric(goal("retained-day-1"))
	b.Metric(strata.Metric{Key: "rounds", Type: strata.MetricSum,
		Measure: strata.Measure{Event: strata.KindCustom, Name: "rounds", Value: strata.ValueAmount}})
	b.Layer("game", strata.ByUser).Experiment("gate", 0).
		Describe("Cookie Cats: does the first gate stand better at level 30 or at level 40?").
		Treatment("gate_30", 1, nil).
		Treatment("gate_40", 1, nil).
		Metrics("retained-day-7", "retained-day-1", "rounds").
		Running().
		Schedule(over)
	return b.Build()
}

func readCookieCats(r row) (strata.Unit, string, []strata.Event, error) {
	rounds, err := strconv.ParseFloat(r.get("sum_gamerounds"), 64)
	if err != nil {
		return strata.Unit{}, "", nil, err
	}
	events := []strata.Event{strata.Custom{Time: later, EventName: "rounds", Value: rounds}}
	if r.get("retention_1") == "TRUE" {
		events = append(events, strata.Conversion{Time: later, Goal: "retained-day-1"})
	}
	if r.get("retention_7") == "TRUE" {
		events = append(events, strata.Conversion{Time: later, Goal: "retained-day-7"})
	}
	return strata.Unit{User: r.get("userid")}, r.get("version"), events, nil
}

func hillstromPlan() (*strata.Plan, error) {
	b := strata.NewPlan()
	b.Metric(goal("visit"))
	b.Metric(strata.Metric{Key: "conversion", Type: strata.MetricConversion, Measure: strata.Measure{Event: strata.KindPurchase}})
	b.Metric(strata.Metric{Key: "spend", Type: strata.MetricSum,
		Measure: strata.Measure{Event: strata.KindPurchase, Value: strata.ValueTotal, Currency: "USD"}})
	b.Layer("campaign", strata.ByUser).Experiment("e-mail", 0).
		Describe("Hillstrom: does an e-mail with men's or women's merchandise bring visits and sales?").
		Treatment("none", 1, nil).
		Treatment("mens", 1, nil).
		Treatment("womens", 1, nil).
		Metrics("visit", "conversion", "spend").
		Running().
		Schedule(over)
	return b.Build()
}

func readHillstrom(r row) (strata.Unit, string, []strata.Event, error) {
	treatment, known := map[string]string{"No E-Mail": "none", "Mens E-Mail": "mens", "Womens E-Mail": "womens"}[r.get("segment")]
	if !known {
		return strata.Unit{}, "", nil, fmt.Errorf("unknown segment %q", r.get("segment"))
	}
	spend, err := strconv.ParseFloat(r.get("spend"), 64)
	if err != nil {
		return strata.Unit{}, "", nil, err
	}
	customer := fmt.Sprintf("customer-%d", r.number) // the file has no ids
	var events []strata.Event
	if r.get("visit") == "1" {
		events = append(events, strata.Conversion{Time: later, Goal: "visit"})
	}
	if r.get("conversion") == "1" {
		events = append(events, strata.Purchase{Time: later, OrderID: customer, Total: int64(math.Round(100 * spend)), Currency: "USD"})
	}
	return strata.Unit{User: customer}, treatment, events, nil
}
