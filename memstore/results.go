package memstore

import (
	"context"
	"fmt"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/stats"
)

// Results implements [strata.ResultStore] by adding up the raw events of every
// exposed unit.
func (s *Store) Results(ctx context.Context, params strata.ResultsParams) (strata.Results, error) {
	if err := ctx.Err(); err != nil {
		return strata.Results{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	results := strata.Results{Treatments: make(map[string]strata.TreatmentResults)}
	p := s.phases[phaseKey{params.Experiment, params.Phase}]
	if p == nil {
		return results, nil
	}
	arms := make(map[string]*arm)
	var events []strata.Record
	for i, e := range p.exposed {
		if i%1024 == 0 && ctx.Err() != nil {
			return strata.Results{}, ctx.Err()
		}
		if e.contradiction {
			results.Contradictions++
			continue
		}
		a := arms[e.first.Treatment]
		if a == nil {
			a = newArm(params.Metrics)
			arms[e.first.Treatment] = a
		}
		var repeats int64
		events, repeats = s.eventsOf(e.unit, events[:0])
		results.RepeatedOrders += repeats
		if err := a.add(e, params.Metrics, events); err != nil {
			return strata.Results{}, err
		}
	}
	for key, a := range arms {
		done, err := a.results(params.Metrics)
		if err != nil {
			return strata.Results{}, err
		}
		results.Treatments[key] = done
	}
	return results, nil
}

// eventsOf collects a unit's events, without orders tracked again.
func (s *Store) eventsOf(unit unitKey, into []strata.Record) (events []strata.Record, repeats int64) {
	for _, i := range s.byUnit[unit] {
		if s.events[i].repeat {
			repeats++
			continue
		}
		into = append(into, s.events[i].Record)
	}
	return into, repeats
}

// arm adds up one treatment.
type arm struct {
	units   strata.TreatmentResults
	metrics []metricSums
}

// metricSums adds up one metric: integers exactly, everything else in floats.
// One of the two stays empty, as the metric's values are of one sort.
type metricSums struct {
	exact         []stats.Sums // one for each step of a funnel; else one
	moments       stats.Moments
	otherCurrency int64
}

func newArm(metrics []strata.Metric) *arm {
	a := &arm{metrics: make([]metricSums, len(metrics))}
	for i := range metrics {
		a.metrics[i].exact = make([]stats.Sums, max(1, len(metrics[i].Steps)))
	}
	return a
}

func (a *arm) add(e *exposed, metrics []strata.Metric, events []strata.Record) error {
	at := e.first.Time
	if a.units.Units == 0 || at.Before(a.units.FirstExposure) {
		a.units.FirstExposure = at
	}
	if at.After(a.units.LastExposure) {
		a.units.LastExposure = at
	}
	a.units.Units++
	for i := range metrics {
		totals := metrics[i].Evaluate(at, events)
		if err := a.metrics[i].add(&totals, metrics[i].Type == strata.MetricFunnel); err != nil {
			return fmt.Errorf("memstore: metric %q, unit %q: %w", metrics[i].Key, e.unit.id, err)
		}
	}
	return nil
}

func (m *metricSums) add(t *strata.UnitTotals, funnel bool) error {
	m.otherCurrency += t.OtherCurrency
	switch {
	case t.Variables == 0:
		return nil
	case funnel:
		for i := range t.Variables {
			if err := m.exact[i].Add(t.Integers[i]); err != nil {
				return err
			}
		}
		return nil
	case t.Exact:
		return m.exact[0].Add(t.Integers[:t.Variables]...)
	default:
		return m.moments.Add(t.Floats[:t.Variables]...)
	}
}

func (a *arm) results(metrics []strata.Metric) (strata.TreatmentResults, error) {
	out := a.units
	out.Metrics = make(map[string]strata.MetricResults, len(metrics))
	for i := range metrics {
		sums := &a.metrics[i]
		r := strata.MetricResults{OtherCurrency: sums.otherCurrency}
		if sums.moments.N() > 0 {
			r.Moments = []stats.Moments{sums.moments}
		} else {
			for j := range sums.exact {
				r.Moments = append(r.Moments, sums.exact[j].Moments())
			}
		}
		out.Metrics[metrics[i].Key] = r
	}
	return out, nil
}
