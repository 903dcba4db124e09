package oracle

import (
	"cmp"
	"math/big"
	"slices"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/stats"
)

// Results returns what a store must return for records, given in the order in
// which they arrived, as the documentation says: in fractions, each number
// rounded once at the end. The order matters to orders that were tracked again
// only: the first counts.
//
// It takes time in proportion to records, and with params.Daily to days times
// exposed units. It panics on a type of metric that there is not, and where a
// number passes the range of float64: nobody may go on with wrong answers.
func Results(records []strata.Record, params strata.ResultsParams) strata.Results {
	out := strata.Results{Segments: make(map[string]map[string]strata.TreatmentResults)}
	exposures := exposuresOf(records, params)
	did, repeats := deedsOf(records, exposures)
	for who, list := range exposures {
		out.Latest = last(out.Latest, list, did[who])
		if slices.ContainsFunc(list, func(x strata.Exposure) bool { return x.Treatment != list[0].Treatment }) {
			out.Contradictions++
			delete(exposures, who)
			continue
		}
		out.RepeatedOrders += repeats[who]
	}
	out.Treatments = did.treatments(params, exposures, time.Time{})
	if params.Attribute != "" {
		for value, units := range segments(params, exposures) {
			out.Segments[value] = did.treatments(params, units, time.Time{})
		}
	}
	if params.Daily {
		out.Days = did.days(params, exposures)
	}
	return out
}

// subject is a unit by the id that an experiment diverts by.
type subject struct {
	diversion strata.Diversion
	id        string
}

// subjectOf returns the unit of a record by one of its ids. It has no id where
// the record has none.
func subjectOf(r *strata.Record, d strata.Diversion) subject {
	id, err := idOf(&r.Unit, d)
	if err != nil {
		return subject{}
	}
	return subject{cmp.Or(d, strata.ByUser), id}
}

// exposuresOf returns the exposures of a phase by unit.
func exposuresOf(records []strata.Record, params strata.ResultsParams) map[subject][]strata.Exposure {
	found := make(map[subject][]strata.Exposure)
	for i := range records {
		x, ok := records[i].Event.(strata.Exposure)
		if ok && x.Experiment == params.Experiment && x.Phase == params.Phase {
			who := subjectOf(&records[i], x.Diversion)
			found[who] = append(found[who], x)
		}
	}
	return found
}

// deeds are what each of some units did.
type deeds map[subject][]strata.Event

// deedsOf returns what exposed units did, without forced events and orders
// tracked again, and how many of the latter each unit has. An event belongs to
// every id that it carries.
func deedsOf(records []strata.Record, exposures map[subject][]strata.Exposure) (deeds, map[subject]int64) {
	type orderKey struct{ tenant, order string }
	did, repeats, seen := make(deeds), make(map[subject]int64), make(map[orderKey]bool)
	for i := range records {
		r := &records[i]
		if _, isExposure := r.Event.(strata.Exposure); isExposure || r.Forced {
			continue
		}
		repeated := false
		if p, ok := r.Event.(strata.Purchase); ok {
			key := orderKey{r.Unit.Tenant, p.OrderID}
			repeated, seen[key] = seen[key], true
		}
		for _, d := range []strata.Diversion{strata.ByTenant, strata.ByUser, strata.ByDevice, strata.BySession, strata.ByRequest} {
			who := subjectOf(r, d)
			switch {
			case exposures[who] == nil:
			case repeated:
				repeats[who]++
			default:
				did[who] = append(did[who], r.Event)
			}
		}
	}
	return did, repeats
}

// armTotals collects the units of a treatment, and their values by metric.
type armTotals struct {
	results           strata.TreatmentResults
	units             map[string][][]*big.Rat // by metric key, for each unit its variables
	foreign, immature map[string]int64
}

// last returns the time of the last of a unit's exposures and of what it did,
// or what was later.
func last(at time.Time, exposures []strata.Exposure, did []strata.Event) time.Time {
	for _, x := range exposures {
		at = later(at, x.Time)
	}
	for _, e := range did {
		at = later(at, timeOf(e))
	}
	return at
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
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
			events = slices.DeleteFunc(slices.Clone(events), func(e strata.Event) bool { return !timeOf(e).Before(end) })
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
			events = slices.DeleteFunc(slices.Clone(events), func(e strata.Event) bool { return !timeOf(e).Before(params.Until) })
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
		ago := exposed.Sub(timeOf(e))
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
				r.Moments = append(r.Moments, Moments(column(units, step)))
			}
		} else {
			r.Moments = []stats.Moments{Moments(units)}
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
