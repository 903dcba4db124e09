package memstore_test

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/memstore"
)

// recalled computes results from all records at once, after a change to them.
type recalled struct {
	*memstore.Store
	change  func([]strata.Record) []strata.Record
	mu      *sync.Mutex
	records *[]strata.Record // in the order of arrival
}

func recalling(change func([]strata.Record) []strata.Record) func(*memstore.Store) strata.Store {
	return func(s *memstore.Store) strata.Store {
		return recalled{s, change, new(sync.Mutex), new([]strata.Record)}
	}
}

func (s recalled) Ingest(ctx context.Context, batch strata.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.Store.Ingest(ctx, batch)
	if err == nil {
		*s.records = append(*s.records, batch.Records...)
	}
	return err
}

func (s recalled) Results(ctx context.Context, params strata.ResultsParams) (strata.Results, error) {
	s.mu.Lock()
	records := s.change(slices.Clone(*s.records))
	s.mu.Unlock()
	changed := memstore.New()
	if err := changed.Ingest(ctx, strata.Batch{First: 1, Records: records}); err != nil {
		return strata.Results{}, err
	}
	return changed.Results(ctx, params)
}

// otherLatest has the latest event of the changed records, and is right
// otherwise.
type otherLatest struct{ recalled }

func (s otherLatest) Results(ctx context.Context, params strata.ResultsParams) (strata.Results, error) {
	r, err := s.Store.Results(ctx, params)
	if err != nil {
		return r, err
	}
	changed, err := s.recalled.Results(ctx, params)
	r.Latest = changed.Latest
	return r, err
}

// exposedUnit is a unit in an experiment's phase.
type exposedUnit struct {
	experiment string
	phase      int
	id         string
}

// exposures calls visit for each exposure, in the order of arrival.
func exposures(records []strata.Record, visit func(who exposedUnit, i int, x strata.Exposure)) {
	for i := range records {
		if x, ok := records[i].Event.(strata.Exposure); ok {
			visit(exposedUnit{x.Experiment, x.Phase, records[i].Unit.ID(x.Diversion)}, i, x)
		}
	}
}

// lastExposureWins dates each unit's exposures as the latest of them.
func lastExposureWins(records []strata.Record) []strata.Record {
	latest := make(map[exposedUnit]time.Time)
	exposures(records, func(who exposedUnit, _ int, x strata.Exposure) {
		if x.Time.After(latest[who]) {
			latest[who] = x.Time
		}
	})
	exposures(records, func(who exposedUnit, i int, x strata.Exposure) {
		x.Time = latest[who]
		records[i].Event = x
	})
	return records
}

// firstExposureOnly dates all of a unit's exposures as the first of them.
func firstExposureOnly(records []strata.Record) []strata.Record {
	first := make(map[exposedUnit]time.Time)
	exposures(records, func(who exposedUnit, _ int, x strata.Exposure) {
		if at, ok := first[who]; !ok || x.Time.Before(at) {
			first[who] = x.Time
		}
	})
	exposures(records, func(who exposedUnit, i int, x strata.Exposure) {
		x.Time = first[who]
		records[i].Event = x
	})
	return records
}

// firstArrivalWins takes the exposure that arrived first for the earliest.
func firstArrivalWins(records []strata.Record) []strata.Record {
	first := make(map[exposedUnit]time.Time)
	exposures(records, func(who exposedUnit, i int, x strata.Exposure) {
		if _, ok := first[who]; !ok {
			first[who] = x.Time
		}
		x.Time = first[who]
		records[i].Event = x
	})
	return records
}

// firstTreatmentWins counts contradictory units where they were seen first.
func firstTreatmentWins(records []strata.Record) []strata.Record {
	first := make(map[exposedUnit]string)
	exposures(records, func(who exposedUnit, i int, x strata.Exposure) {
		if _, ok := first[who]; !ok {
			first[who] = x.Treatment
		}
		x.Treatment = first[who]
		records[i].Event = x
	})
	return records
}

// nothingOfContradictions drops all that contradictory users did.
func nothingOfContradictions(records []strata.Record) []strata.Record {
	first, contradictory := make(map[exposedUnit]string), make(map[string]bool)
	exposures(records, func(who exposedUnit, _ int, x strata.Exposure) {
		if _, ok := first[who]; !ok {
			first[who] = x.Treatment
		}
		contradictory[who.id] = contradictory[who.id] || first[who] != x.Treatment
	})
	return slices.DeleteFunc(records, func(r strata.Record) bool { return contradictory[r.Unit.User] })
}

// nothingBeforeItsExposure drops what a user did when none of its exposures had
// arrived yet.
func nothingBeforeItsExposure(records []strata.Record) []strata.Record {
	known := make(map[string]bool)
	return slices.DeleteFunc(records, func(r strata.Record) bool {
		if r.Event.Kind() == strata.KindExposure {
			known[r.Unit.User] = true
		}
		return !known[r.Unit.User]
	})
}
