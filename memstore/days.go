package memstore

import (
	"context"
	"slices"
	"time"

	"github.com/strataxp/strata"
)

// history is a unit with its events in the order of time.
type history struct {
	unit   *exposed
	events []strata.Record
	seen   int                 // how many of the events the totals are of; -1 before the first
	totals []strata.UnitTotals // by metric
}

func newHistory(e *exposed, events []strata.Record) history {
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b strata.Record) int { return a.Event.At().Compare(b.Event.At()) })
	return history{unit: e, events: sorted, seen: -1}
}

// days adds up the results as they stood at the end of each day on which a unit
// was exposed or did something.
func days(ctx context.Context, params *strata.ResultsParams, past []history) ([]strata.DayResults, error) {
	var list []strata.DayResults
	for _, day := range daysOf(params, past) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		end := strata.NextDay(day, params.Zone)
		t := newTally(params)
		for i := range past {
			h := &past[i]
			if !h.unit.first.Time.Before(end) {
				continue
			}
			h.advance(end, params)
			if err := t.add(h.unit, h.totals, atEnd(end, params.At)); err != nil {
				return nil, err
			}
		}
		if len(t.arms) > 0 {
			list = append(list, strata.DayResults{Day: day, Treatments: t.results()})
		}
	}
	return list, nil
}

// atEnd is the instant at which a day's units are immature or not.
func atEnd(end, at time.Time) time.Time {
	if at.Before(end) {
		return at // the zero time too: no unit is immature
	}
	return end
}

// advance takes the events before an instant into the totals.
func (h *history) advance(end time.Time, params *strata.ResultsParams) {
	n := max(h.seen, 0)
	for n < len(h.events) && h.events[n].Event.At().Before(end) {
		n++
	}
	if n != h.seen {
		h.totals = evaluate(params, h.unit, h.events[:n])
		h.seen = n
	}
}

// daysOf lists the days on which anything happened, in ascending order.
func daysOf(params *strata.ResultsParams, past []history) []time.Time {
	seen := make(map[time.Time]bool)
	var list []time.Time
	note := func(at time.Time) {
		if day := strata.DayOf(at, params.Zone); !seen[day] {
			seen[day] = true
			list = append(list, day)
		}
	}
	for i := range past {
		note(past[i].unit.first.Time)
		for j := range past[i].events {
			note(past[i].events[j].Event.At())
		}
		for k := range params.Metrics { // a window that ends makes a unit mature
			end := past[i].unit.first.Time.Add(time.Duration(params.Metrics[k].Window))
			if !end.After(params.At) {
				note(end)
			}
		}
	}
	slices.SortFunc(list, time.Time.Compare)
	return list
}
