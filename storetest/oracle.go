package storetest

import (
	"math/big"
	"slices"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/stats"
)

// oracle computes results from raw records, in the order in which they arrived,
// as the documentation says: slowly, in fractions, and with nothing of
// Metric.Evaluate.
type oracle []strata.Record

// deeds are what each of some units did.
type deeds map[subject][]strata.Event

// subject is a unit by the id that an experiment diverts by.
type subject struct {
	diversion strata.Diversion
	id        string
}

// exposures returns the exposures of a phase by unit.
func (o oracle) exposures(params strata.ResultsParams) map[subject][]strata.Exposure {
	found := make(map[subject][]strata.Exposure)
	for _, r := range o {
		if x, ok := r.Event.(strata.Exposure); ok && x.Experiment == params.Experiment && x.Phase == params.Phase {
			who := subject{x.Diversion, r.Unit.ID(x.Diversion)}
			found[who] = append(found[who], x)
		}
	}
	return found
}

// events returns what a unit did, without forced events and orders tracked
// again, and how many of the latter there were.
func (o oracle) events(who subject) (events []strata.Event, repeats int64) {
	type orderKey struct{ tenant, order string }
	seen := make(map[orderKey]bool)
	for _, r := range o {
		if r.Forced || r.Event.Kind() == strata.KindExposure {
			continue
		}
		mine := r.Unit.ID(who.diversion) == who.id
		if p, ok := r.Event.(strata.Purchase); ok {
			key := orderKey{r.Unit.Tenant, p.OrderID}
			if seen[key] {
				if mine {
					repeats++
				}
				continue
			}
			seen[key] = true
		}
		if mine {
			events = append(events, r.Event)
		}
	}
	return events, repeats
}

// armTotals collects the units of a treatment, and their values by metric.
type armTotals struct {
	results           strata.TreatmentResults
	units             map[string][][]*big.Rat // by metric key, for each unit its variables
	foreign, immature map[string]int64
}

// results returns what a store must return.
func (o oracle) results(params strata.ResultsParams) strata.Results {
	out := strata.Results{Segments: make(map[string]map[string]strata.TreatmentResults)}
	exposures, events := o.exposures(params), make(deeds)
	for who, list := range exposures {
		did, repeats := o.events(who)
		out.Latest = last(out.Latest, list, did)
		if slices.ContainsFunc(list, func(x strata.Exposure) bool { return x.Treatment != list[0].Treatment }) {
			out.Contradictions++
			delete(exposures, who)
			continue
		}
		events[who] = did
		out.RepeatedOrders += repeats
	}
	out.Treatments = events.treatments(params, exposures, time.Time{})
	if params.Attribute != "" {
		for value, units := range segments(params, exposures) {
			out.Segments[value] = events.treatments(params, units, time.Time{})
		}
	}
	if params.Daily {
		out.Days = events.days(params, exposures)
	}
	return out
}

// last returns the time of the last of a unit's exposures and of what it did,
// or what was later.
func last(at time.Time, exposures []strata.Exposure, did []strata.Event) time.Time {
	for _, x := range exposures {
		did = append(did, x)
	}
	for _, e := range did {
		if e.At().After(at) {
			at = e.At()
		}
	}
	return at
}

// changes returns the instants at which results may change.
func (d deeds) changes(params strata.ResultsParams, exposures map[subject][]strata.Exposure) []time.Time {
	var list []time.Time
	for who, xs := range exposures {
		exposed := earliest(xs).Time
		list = append(list, exposed)
		for _, e := range d[who] {
			list = append(list, e.At())
		}
		for _, m := range params.Metrics { // a window that ends makes a unit mature
			list = append(list, exposed.Add(time.Duration(m.Window)))
		}
	}
	return list
}

// days goes through the days on which anything changed.
func (d deeds) days(params strata.ResultsParams, exposures map[subject][]strata.Exposure) []strata.DayResults {
	zone := params.Zone
	if zone == nil {
		zone = time.UTC
	}
	var begins []time.Time
	for _, when := range d.changes(params, exposures) {
		year, month, day := when.In(zone).Date()
		begins = append(begins, time.Date(year, month, day, 0, 0, 0, 0, zone))
	}
	slices.SortFunc(begins, time.Time.Compare)
	begins = slices.CompactFunc(begins, time.Time.Equal)
	var list []strata.DayResults
	for _, day := range begins {
		end := day.AddDate(0, 0, 1)
		exposedBefore := make(map[subject][]strata.Exposure)
		for who, xs := range exposures {
			if earliest(xs).Time.Before(end) {
				exposedBefore[who] = xs
			}
		}
		if len(exposedBefore) > 0 {
			list = append(list, strata.DayResults{Day: day, Treatments: d.treatments(params, exposedBefore, end)})
		}
	}
	return list
}

// segments divides units by the attribute of their earliest exposure.
func segments(params strata.ResultsParams, exposures map[subject][]strata.Exposure) map[string]map[subject][]strata.Exposure {
	out := make(map[string]map[subject][]strata.Exposure)
	for who, list := range exposures {
		value, first := "", earliest(list).Time
		for _, x := range list {
			if x.Time.Equal(first) {
				value = max(value, x.Attributes[params.Attribute])
			}
		}
		if out[value] == nil {
			out[value] = make(map[subject][]strata.Exposure)
		}
		out[value][who] = list
	}
	return out
}

func earliest(list []strata.Exposure) strata.Exposure {
	return slices.MinFunc(list, func(x, y strata.Exposure) int { return x.Time.Compare(y.Time) })
}

// treatments adds units up as they stood at an instant; the zero time is now.
func (d deeds) treatments(params strata.ResultsParams, units map[subject][]strata.Exposure, end time.Time) map[string]strata.TreatmentResults {
	arms := make(map[string]*armTotals)
	for who, list := range units {
		arm := arms[list[0].Treatment]
		if arm == nil {
			arm = &armTotals{units: make(map[string][][]*big.Rat), foreign: make(map[string]int64), immature: make(map[string]int64)}
			arms[list[0].Treatment] = arm
		}
		events := d[who]
		if !end.IsZero() {
			events = slices.DeleteFunc(slices.Clone(events), func(e strata.Event) bool { return !e.At().Before(end) })
		}
		arm.add(&params, earliest(list).Time, events, end)
	}
	out := make(map[string]strata.TreatmentResults)
	for treatment, arm := range arms {
		out[treatment] = arm.done(params.Metrics)
	}
	return out
}

func (a *armTotals) add(params *strata.ResultsParams, exposed time.Time, events []strata.Event, end time.Time) {
	if a.results.Units == 0 || exposed.Before(a.results.FirstExposure) {
		a.results.FirstExposure = exposed
	}
	if a.results.Units == 0 || exposed.After(a.results.LastExposure) {
		a.results.LastExposure = exposed
	}
	a.results.Units++
	for i := range params.Metrics {
		m := &params.Metrics[i]
		if immature(m, params.At, exposed, end) {
			a.immature[m.Key]++
			if params.CompleteWindows {
				continue
			}
		}
		events := events
		if m.Window == 0 && !params.Until.IsZero() {
			events = slices.DeleteFunc(slices.Clone(events), func(e strata.Event) bool { return !e.At().Before(params.Until) })
		}
		counted := within(m, exposed, events)
		if variables := valuesOf(m, exposed, counted); variables != nil {
			if m.PrePeriod > 0 {
				variables = append(variables, valuesOf(m, exposed, before(m, exposed, events))...)
			}
			a.units[m.Key] = append(a.units[m.Key], variables)
		}
		a.foreign[m.Key] += foreignPurchases(m, counted)
	}
}

// immature reports whether a unit's window goes beyond the instant of the
// report, or the end of the day where that comes first.
func immature(m *strata.Metric, at, exposed, end time.Time) bool {
	if m.Window == 0 || at.IsZero() {
		return false
	}
	closes := exposed.Add(time.Duration(m.Window))
	return closes.After(at) || !end.IsZero() && closes.After(end)
}

// before returns the events of the time before the exposure that counts.
func before(m *strata.Metric, exposed time.Time, events []strata.Event) []strata.Event {
	return slices.DeleteFunc(slices.Clone(events), func(e strata.Event) bool {
		ago := exposed.Sub(e.At())
		return ago <= 0 || ago > time.Duration(m.PrePeriod)
	})
}

func (a *armTotals) done(metrics []strata.Metric) strata.TreatmentResults {
	out := a.results
	out.Metrics = make(map[string]strata.MetricResults)
	for i := range metrics {
		m, units := &metrics[i], a.units[metrics[i].Key]
		r := strata.MetricResults{OtherCurrency: a.foreign[m.Key], Immature: a.immature[m.Key]}
		if m.Type == strata.MetricFunnel {
			for step := range m.Steps {
				r.Moments = append(r.Moments, moments(column(units, step)))
			}
		} else {
			r.Moments = []stats.Moments{moments(units)}
		}
		out.Metrics[m.Key] = r
	}
	return out
}

func column(units [][]*big.Rat, i int) [][]*big.Rat {
	var out [][]*big.Rat
	for _, u := range units {
		out = append(out, u[i:i+1])
	}
	return out
}
