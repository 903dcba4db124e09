package memstore

import (
	"context"
	"fmt"
	"time"

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
	results.Latest = p.latest
	all := newTally(&params)
	segments := make(map[string]*tally)
	evaluators := evaluatorsOf(&params)
	var past []history
	var facts []strata.Fact
	for i, e := range p.exposed {
		if i%1024 == 0 && ctx.Err() != nil {
			return strata.Results{}, ctx.Err()
		}
		var repeats int64
		facts, repeats = s.factsOf(e.unit, facts[:0])
		results.Latest = latest(results.Latest, facts)
		if e.contradiction {
			results.Contradictions++
			continue
		}
		results.RepeatedOrders += repeats
		totals := evaluate(evaluators, e, facts)
		if err := all.add(e, totals, params.At); err != nil {
			return strata.Results{}, err
		}
		if params.Attribute != "" {
			if err := segmentOf(segments, e, &params).add(e, totals, params.At); err != nil {
				return strata.Results{}, err
			}
		}
		if params.Daily {
			past = append(past, newHistory(e, facts, evaluators))
		}
	}
	results.Treatments = all.results()
	for value, t := range segments {
		if results.Segments == nil {
			results.Segments = make(map[string]map[string]strata.TreatmentResults)
		}
		results.Segments[value] = t.results()
	}
	var err error
	results.Days, err = days(ctx, &params, past)
	return results, err
}

func segmentOf(segments map[string]*tally, e *exposed, params *strata.ResultsParams) *tally {
	value := e.first.Attributes[params.Attribute]
	if segments[value] == nil {
		segments[value] = newTally(params)
	}
	return segments[value]
}

// latest returns when the last of a unit's events happened, or what was later.
func latest(at time.Time, facts []strata.Fact) time.Time {
	if n := len(facts); n > 0 {
		if last := time.UnixMicro(facts[n-1].At).UTC(); last.After(at) {
			return last
		}
	}
	return at
}

// evaluatorsOf makes the metrics ready.
func evaluatorsOf(params *strata.ResultsParams) []*strata.Evaluator {
	list := make([]*strata.Evaluator, len(params.Metrics))
	for i := range params.Metrics {
		list[i] = strata.NewEvaluator(&params.Metrics[i], params.Until)
	}
	return list
}

// evaluate returns what a unit contributes to each metric.
func evaluate(evaluators []*strata.Evaluator, e *exposed, facts []strata.Fact) []strata.UnitTotals {
	totals := make([]strata.UnitTotals, len(evaluators))
	for i, v := range evaluators {
		evaluation := v.Begin(e.first.Time)
		evaluation.Add(facts...)
		totals[i] = evaluation.Totals()
	}
	return totals
}

// factsOf collects what a unit did, in order, without orders tracked again.
func (s *Store) factsOf(unit unitKey, into []strata.Fact) (facts []strata.Fact, repeats int64) {
	for _, i := range s.byUnit[unit] {
		if s.events[i].repeat {
			repeats++
			continue
		}
		into = append(into, s.events[i].Fact)
	}
	strata.SortFacts(into)
	return into, repeats
}

// tally adds up units by treatment.
type tally struct {
	params *strata.ResultsParams
	arms   map[string]*arm
}

func newTally(params *strata.ResultsParams) *tally {
	return &tally{params: params, arms: make(map[string]*arm)}
}

// add counts a unit in, as it stands at an instant.
func (t *tally) add(e *exposed, totals []strata.UnitTotals, at time.Time) error {
	a := t.arms[e.first.Treatment]
	if a == nil {
		a = newArm(t.params.Metrics)
		t.arms[e.first.Treatment] = a
	}
	if first := &a.units.FirstExposure; a.units.Units == 0 || e.first.Time.Before(*first) {
		*first = e.first.Time
	}
	if last := &a.units.LastExposure; e.first.Time.After(*last) {
		*last = e.first.Time
	}
	a.units.Units++
	for i := range totals {
		m := &t.params.Metrics[i]
		if m.Immature(e.first.Time, at) {
			a.metrics[i].immature++
			if t.params.CompleteWindows {
				continue
			}
		}
		if err := a.metrics[i].add(&totals[i], m.Type == strata.MetricFunnel); err != nil {
			return fmt.Errorf("memstore: metric %q, unit %q: %w", m.Key, e.unit.id, err)
		}
	}
	return nil
}

func (t *tally) results() map[string]strata.TreatmentResults {
	out := make(map[string]strata.TreatmentResults, len(t.arms))
	for treatment, a := range t.arms {
		out[treatment] = a.results(t.params.Metrics)
	}
	return out
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
	immature      int64
	otherCurrency int64
}

func newArm(metrics []strata.Metric) *arm {
	a := &arm{metrics: make([]metricSums, len(metrics))}
	for i := range metrics {
		a.metrics[i].exact = make([]stats.Sums, max(1, len(metrics[i].Steps)))
	}
	return a
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

func (a *arm) results(metrics []strata.Metric) strata.TreatmentResults {
	out := a.units
	out.Metrics = make(map[string]strata.MetricResults, len(metrics))
	for i := range metrics {
		sums := &a.metrics[i]
		r := strata.MetricResults{Immature: sums.immature, OtherCurrency: sums.otherCurrency}
		if sums.moments.N() > 0 {
			r.Moments = []stats.Moments{sums.moments}
		} else {
			for j := range sums.exact {
				r.Moments = append(r.Moments, sums.exact[j].Moments())
			}
		}
		out.Metrics[metrics[i].Key] = r
	}
	return out
}
