package memstore_test

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/memstore"
)

// Stores with one fault each, for TestSuiteHasTeeth.

// stalePlans accepts a plan whatever version it is based on.
type stalePlans struct{ *memstore.Store }

func (s stalePlans) PutPlan(ctx context.Context, params strata.PutPlanParams) (int64, error) {
	list, err := s.PlanHistory(ctx, strata.PlanHistoryParams{})
	if err != nil {
		return 0, err
	}
	plan := *params.Plan
	plan.Version = int64(len(list))
	params.Plan = &plan
	return s.Store.PutPlan(ctx, params)
}

// newestPlan has the newest version in effect, whether or not its time has come.
type newestPlan struct{ *memstore.Store }

func (s newestPlan) PlansInEffect(ctx context.Context, params strata.PlansInEffectParams) ([]strata.PlanVersion, error) {
	list, err := s.Store.PlansInEffect(ctx, params)
	return list[max(len(list)-1, 0):], err
}

// aliasedPlans hands the same plan out to everybody.
type aliasedPlans struct {
	*memstore.Store
	plans *sync.Map
}

func (s aliasedPlans) Plan(ctx context.Context, params strata.PlanParams) (strata.PlanVersion, error) {
	v, err := s.Store.Plan(ctx, params)
	if err == nil {
		shared, _ := s.plans.LoadOrStore(v.Version, v.Plan)
		v.Plan = shared.(*strata.Plan)
	}
	return v, err
}

// oldestFirst lists the history from its beginning.
type oldestFirst struct{ *memstore.Store }

func (s oldestFirst) PlanHistory(ctx context.Context, params strata.PlanHistoryParams) ([]strata.PlanVersion, error) {
	list, err := s.Store.PlanHistory(ctx, params)
	slices.Reverse(list)
	return list, err
}

// noCursor stores every batch behind the last one, whatever its place.
type noCursor struct{ *memstore.Store }

func (s noCursor) Ingest(ctx context.Context, batch strata.Batch) error {
	last, err := s.Cursor(ctx, strata.CursorParams{Stream: batch.Stream})
	if err != nil {
		return err
	}
	batch.First, batch.Gap = last+1, 0
	return s.Store.Ingest(ctx, batch)
}

// anyGap accepts gaps that nobody declared.
type anyGap struct{ *memstore.Store }

func (s anyGap) Ingest(ctx context.Context, batch strata.Batch) error {
	last, err := s.Cursor(ctx, strata.CursorParams{Stream: batch.Stream})
	if err != nil {
		return err
	}
	if gap := batch.First - last - 1; gap > 0 {
		batch.Gap = gap
	}
	return s.Store.Ingest(ctx, batch)
}

// numbersOnly takes a version for known by its number.
type numbersOnly struct{ *memstore.Store }

func (s numbersOnly) PlansInEffect(ctx context.Context, params strata.PlansInEffectParams) ([]strata.PlanVersion, error) {
	params.KnownAt = time.Time{}
	return s.Store.PlansInEffect(ctx, params)
}

// racyCursor looks at the cursor in one step and stores in another.
type racyCursor struct {
	*memstore.Store
	dawdling *atomic.Bool
}

func (s racyCursor) Ingest(ctx context.Context, batch strata.Batch) error {
	last, err := s.Cursor(ctx, strata.CursorParams{Stream: batch.Stream})
	if err != nil {
		return err
	}
	if batch.First-batch.Gap == last+1 {
		if err := s.dawdle(ctx, batch.Stream, last); err != nil {
			return err
		}
		if last, err = s.Cursor(ctx, strata.CursorParams{Stream: batch.Stream}); err != nil {
			return err
		}
		batch.First = last + 1 + batch.Gap
	}
	return s.Store.Ingest(ctx, batch)
}

// dawdle lets one call at a time wait until another one has moved the cursor;
// after many looks at it there is none.
func (s racyCursor) dawdle(ctx context.Context, stream strata.StreamID, last int64) error {
	if !s.dawdling.CompareAndSwap(false, true) {
		return nil
	}
	defer s.dawdling.Store(false)
	for range 1_000_000 {
		now, err := s.Cursor(ctx, strata.CursorParams{Stream: stream})
		if err != nil || now != last {
			return err
		}
		runtime.Gosched()
	}
	return nil
}

// halfBatch leaves half of the records behind when it fails.
type halfBatch struct{ *memstore.Store }

func (s halfBatch) Ingest(ctx context.Context, batch strata.Batch) error {
	err := s.Store.Ingest(ctx, batch)
	if err != nil {
		_ = noCursor(s).Ingest(context.WithoutCancel(ctx), strata.Batch{Records: batch.Records[:len(batch.Records)/2]})
	}
	return err
}

// deaf does not notice that a context is done.
type deaf struct{ *memstore.Store }

func (s deaf) Ingest(ctx context.Context, batch strata.Batch) error {
	return s.Store.Ingest(context.WithoutCancel(ctx), batch)
}

// quietEnd ends a sequence without a word when the context is done.
type quietEnd struct{ *memstore.Store }

func (s quietEnd) Exposed(ctx context.Context, params strata.ExposedParams) iter.Seq2[strata.ExposedUnit, error] {
	return func(yield func(strata.ExposedUnit, error) bool) {
		for x, err := range s.Store.Exposed(ctx, params) {
			if err != nil || !yield(x, nil) {
				return
			}
		}
	}
}

// twice lists every exposed unit twice.
type twice struct{ *memstore.Store }

func (s twice) Exposed(ctx context.Context, params strata.ExposedParams) iter.Seq2[strata.ExposedUnit, error] {
	return func(yield func(strata.ExposedUnit, error) bool) {
		after := params.After
		params.After /= 2
		for x, err := range s.Store.Exposed(ctx, params) {
			x.Sequence = 2*x.Sequence - 1
			for range 2 {
				if x.Sequence > after && !yield(x, err) {
					return
				}
				x.Sequence++
			}
		}
	}
}

// signedHash loses the top bit of a hash.
type signedHash struct{ *memstore.Store }

func (s signedHash) Exposed(ctx context.Context, params strata.ExposedParams) iter.Seq2[strata.ExposedUnit, error] {
	return func(yield func(strata.ExposedUnit, error) bool) {
		for x, err := range s.Store.Exposed(ctx, params) {
			x.Hash &^= 1 << 63
			if !yield(x, err) {
				return
			}
		}
	}
}

// onePhase takes all phases of an experiment for one.
type onePhase struct{ mapped }

func (s onePhase) Results(ctx context.Context, params strata.ResultsParams) (strata.Results, error) {
	params.Phase = 0
	return s.Store.Results(ctx, params)
}

// otherWindow computes metrics with another window.
type otherWindow struct {
	*memstore.Store
	change func(strata.Duration) strata.Duration
}

func (s otherWindow) Results(ctx context.Context, params strata.ResultsParams) (strata.Results, error) {
	params.Metrics = slices.Clone(params.Metrics)
	for i := range params.Metrics {
		params.Metrics[i].Window = s.change(params.Metrics[i].Window)
	}
	return s.Store.Results(ctx, params)
}

// asking asks for other results than it was asked for.
type asking struct {
	*memstore.Store
	change func(*strata.ResultsParams)
}

func (s asking) Results(ctx context.Context, params strata.ResultsParams) (strata.Results, error) {
	params.Metrics = slices.Clone(params.Metrics)
	s.change(&params)
	return s.Store.Results(ctx, params)
}

func asks(change func(*strata.ResultsParams)) func(*memstore.Store) strata.Store {
	return func(s *memstore.Store) strata.Store { return asking{s, change} }
}

// outOfDate remembers the first answer.
type outOfDate struct {
	*memstore.Store
	answers *sync.Map
}

func (s outOfDate) Results(ctx context.Context, params strata.ResultsParams) (strata.Results, error) {
	r, err := s.Store.Results(ctx, params)
	if err != nil {
		return r, err
	}
	answer, _ := s.answers.LoadOrStore(fmt.Sprint(params.Experiment, params.Phase, len(params.Metrics)), r)
	return answer.(strata.Results), nil
}

// mapped changes each record before it stores it.
type mapped struct {
	*memstore.Store
	change func(*strata.Record)
}

func (s mapped) Ingest(ctx context.Context, batch strata.Batch) error {
	batch.Records = slices.Clone(batch.Records)
	for i := range batch.Records {
		s.change(&batch.Records[i])
	}
	return s.Store.Ingest(ctx, batch)
}

// changing makes a store that changes events of one type.
func changing[E strata.Event](change func(*E)) func(*memstore.Store) strata.Store {
	return func(s *memstore.Store) strata.Store {
		return mapped{s, func(r *strata.Record) {
			if e, ok := r.Event.(E); ok {
				change(&e)
				r.Event = e
			}
		}}
	}
}

var serial atomic.Int64

// uniqueOrder gives every purchase an order of its own.
func uniqueOrder(p *strata.Purchase) { p.OrderID = fmt.Sprint(p.OrderID, "#", serial.Add(1)) }

// firstAttributes has a unit keep what it said when it was first heard of at an
// instant.
type firstAttributes struct {
	*memstore.Store
	said *sync.Map
}

func (s firstAttributes) Ingest(ctx context.Context, batch strata.Batch) error {
	batch.Records = slices.Clone(batch.Records)
	for i, r := range batch.Records {
		if x, ok := r.Event.(strata.Exposure); ok {
			key := fmt.Sprint(x.Experiment, x.Phase, x.Diversion, r.Unit.ID(x.Diversion), x.Time)
			said, _ := s.said.LoadOrStore(key, x.Attributes)
			x.Attributes = said.(map[string]string)
			batch.Records[i].Event = x
		}
	}
	return s.Store.Ingest(ctx, batch)
}
