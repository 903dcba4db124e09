package memstore

import (
	"context"
	"fmt"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/rollup"
)

// Results implements [strata.ResultStore] by adding up the facts of every
// exposed unit.
func (s *Store) Results(ctx context.Context, params strata.ResultsParams) (strata.Results, error) {
	if err := ctx.Err(); err != nil {
		return strata.Results{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	tally := rollup.NewTally(&params)
	var newest time.Time
	asked := phaseKey{params.Experiment, params.Phase}
	if p := s.phases[asked]; p != nil {
		var err error
		if newest, err = s.addUp(ctx, tally, p); err != nil {
			return strata.Results{}, err
		}
	}
	results, err := tally.Results()
	results.Latest = newest
	s.shed(asked, results.Treatments)
	return results, err
}

// addUp takes the units of a phase into a tally, and returns when the last of
// their events happened.
func (s *Store) addUp(ctx context.Context, tally *rollup.Tally, p *phase) (newest time.Time, err error) {
	newest = p.latest
	var facts []strata.Fact
	for i, e := range p.exposed {
		if e == nil {
			continue
		}
		if i%1024 == 0 && ctx.Err() != nil {
			return newest, ctx.Err()
		}
		var repeats int64
		facts, repeats = s.factsOf(e.unit, facts[:0])
		newest = latest(newest, facts)
		x := rollup.Exposed{Treatment: e.first.Treatment, At: e.first.Time, Contradiction: e.contradiction, Attributes: e.first.Attributes}
		if err := tally.Add(x, facts, repeats); err != nil {
			return newest, fmt.Errorf("memstore: unit %q: %w", e.unit.id, err)
		}
	}
	return newest, nil
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
