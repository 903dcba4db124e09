package memstore_test

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/memstore"
)

// losing changes a batch before it stores it.
type losing struct {
	*memstore.Store
	change func(*memstore.Store, *strata.Batch)
}

func (s losing) Ingest(ctx context.Context, batch strata.Batch) error {
	if batch.Losses != nil {
		batch.Losses = &strata.Losses{Events: batch.Losses.Events, Units: slices.Clone(batch.Losses.Units)}
	}
	s.change(s.Store, &batch)
	return s.Store.Ingest(ctx, batch)
}

func losingBy(change func(*memstore.Store, *strata.Batch)) func(*memstore.Store) strata.Store {
	return func(s *memstore.Store) strata.Store { return losing{s, change} }
}

func noLosses(_ *memstore.Store, b *strata.Batch) { b.Losses = nil }

// emptyIsNothing takes losses only along with records.
func emptyIsNothing(_ *memstore.Store, b *strata.Batch) {
	if len(b.Records) == 0 {
		b.Losses = nil
	}
}

// addedLosses takes totals for what was lost since the last batch.
func addedLosses(s *memstore.Store, b *strata.Batch) {
	for _, before := range s.Losses(b.Stream).Units {
		for i := range unitsOf(b) {
			if u := &b.Losses.Units[i]; u.Experiment == before.Experiment && u.Phase == before.Phase && u.Treatment == before.Treatment {
				u.Units += before.Units
			}
		}
	}
}

func onePhaseLost(_ *memstore.Store, b *strata.Batch) {
	for i := range unitsOf(b) {
		b.Losses.Units[i].Experiment, b.Losses.Units[i].Phase = "checkout", 0
	}
}

func unitsOf(b *strata.Batch) []strata.LostUnits {
	if b.Losses == nil {
		return nil
	}
	return b.Losses.Units
}

// shedding answers with other numbers of units that lost events.
type shedding struct {
	*memstore.Store
	mu     *sync.Mutex
	latest map[string]int64                                         // what was sent last, by treatment
	answer func(s shedding, key string, t *strata.TreatmentResults) // nil means to spoil days and segments
}

func sheddingBy(answer func(s shedding, key string, t *strata.TreatmentResults)) func(*memstore.Store) strata.Store {
	return func(s *memstore.Store) strata.Store {
		return shedding{s, new(sync.Mutex), make(map[string]int64), answer}
	}
}

func (s shedding) Ingest(ctx context.Context, batch strata.Batch) error {
	err := s.Store.Ingest(ctx, batch)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range unitsOf(&batch) {
		if err == nil {
			s.latest[u.Treatment] = u.Units
		}
	}
	return err
}

func (s shedding) Results(ctx context.Context, params strata.ResultsParams) (strata.Results, error) {
	r, err := s.Store.Results(ctx, params)
	s.mu.Lock()
	defer s.mu.Unlock()
	spoil := func(treatments map[string]strata.TreatmentResults) {
		for key, t := range treatments {
			if s.answer != nil {
				s.answer(s, key, &t)
			} else {
				t.Shed = 1
			}
			treatments[key] = t
		}
	}
	if s.answer != nil {
		spoil(r.Treatments)
		return r, err
	}
	for _, treatments := range r.Segments {
		spoil(treatments)
	}
	return r, err
}

// lastSent knows what was sent last, by whichever stream.
func lastSent(s shedding, key string, t *strata.TreatmentResults) {
	t.Shed = min(s.latest[key], t.Units)
}

// unbounded has more units that lost events than units.
func unbounded(s shedding, key string, t *strata.TreatmentResults) {
	if s.latest[key] > t.Units {
		t.Shed = s.latest[key]
	}
}

// hastyLosses keeps the losses of a batch that it then refuses.
type hastyLosses struct{ *memstore.Store }

func (s hastyLosses) Ingest(ctx context.Context, batch strata.Batch) error {
	err := s.Store.Ingest(ctx, batch)
	if errors.Is(err, strata.ErrCursor) && batch.Losses != nil {
		last, _ := s.Cursor(ctx, strata.CursorParams{Stream: batch.Stream})
		_ = s.Store.Ingest(ctx, strata.Batch{Stream: batch.Stream, First: last + 1, Losses: batch.Losses})
	}
	return err
}

// noReasons refuses gaps with a reason.
type noReasons struct{ *memstore.Store }

var errReason = errors.New("this store has no room for reasons")

func (s noReasons) Ingest(ctx context.Context, batch strata.Batch) error {
	if batch.GapReason != "" {
		return errReason
	}
	return s.Store.Ingest(ctx, batch)
}
