package memstore

import (
	"context"
	"slices"
	"time"

	"github.com/strataxp/strata"
)

// history is a unit with what it did, in order.
type history struct {
	unit        *exposed
	facts       []strata.Fact
	seen        int // how many of the facts the evaluations have
	evaluations []strata.Evaluation
	totals      []strata.UnitTotals // by metric
}

func newHistory(e *exposed, facts []strata.Fact, evaluators []*strata.Evaluator) history {
	h := history{
		unit: e, facts: slices.Clone(facts),
		evaluations: make([]strata.Evaluation, len(evaluators)),
		totals:      make([]strata.UnitTotals, len(evaluators)),
	}
	for i, v := range evaluators {
		h.evaluations[i] = v.Begin(e.first.Time)
		h.totals[i] = h.evaluations[i].Totals()
	}
	return h
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
			h.advance(end)
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

// advance takes the facts before an instant into the totals.
func (h *history) advance(end time.Time) {
	n, before := h.seen, end.UnixMicro()
	for n < len(h.facts) && h.facts[n].At < before {
		n++
	}
	if n == h.seen {
		return
	}
	for i := range h.evaluations {
		h.evaluations[i].Add(h.facts[h.seen:n]...)
		h.totals[i] = h.evaluations[i].Totals()
	}
	h.seen = n
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
		for j := range past[i].facts {
			note(time.UnixMicro(past[i].facts[j].At))
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
