// Package memstore keeps everything in memory: plans, events, exposures. It is
// the store for tests, demonstrations, simulations and small tools. Nothing
// survives the process, and nothing is ever removed: an event takes some 150
// bytes. Of an event a [strata.Fact] is kept, and of a forced one nothing.
//
// Results are added up from all facts each time, at half a microsecond to one
// for each, by the definition in [strata.Metric.Evaluate]: slow for millions of
// events, and the yardstick for stores that are clever. Results by day take half
// a microsecond more for each event that changes a metric.
package memstore

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/rollup"
)

// Store is a [strata.Store] in memory. Make one with [New]; it is safe for
// concurrent use.
type Store struct {
	mu      sync.RWMutex
	plans   []strata.PlanVersion // plans[i] is version i+1
	cursors map[strata.StreamID]int64
	events  []event
	byUnit  map[unitKey][]int // positions in events
	orders  map[orderKey]bool
	phases  map[phaseKey]*phase
	losses  map[strata.StreamID]*losses
}

var _ strata.Store = (*Store)(nil)

// event is what is kept of a record other than an exposure.
type event struct {
	strata.Fact
	repeat bool // a purchase that was stored before
}

// unitKey is an id of a unit.
type unitKey struct {
	diversion strata.Diversion
	id        string
}

type orderKey struct{ tenant, order string }

type phaseKey struct {
	experiment string
	phase      int
}

// phase holds the exposures of one phase of an experiment, in the order in
// which the store learned of them.
type phase struct {
	exposed []*exposed // nil where a unit has moved behind the others
	byUnit  map[unitKey]*exposed
	latest  time.Time // of all exposures
}

// exposed is a unit's first exposure.
type exposed struct {
	unit          unitKey
	first         strata.Exposure
	contradiction bool
	at            int // position in the phase's list
}

var diversions = []strata.Diversion{strata.ByTenant, strata.ByUser, strata.ByDevice, strata.BySession, strata.ByRequest}

// New returns an empty store.
func New() *Store {
	return &Store{
		cursors: make(map[strata.StreamID]int64),
		byUnit:  make(map[unitKey][]int),
		orders:  make(map[orderKey]bool),
		phases:  make(map[phaseKey]*phase),
		losses:  make(map[strata.StreamID]*losses),
	}
}

// PutPlan implements [strata.PlanStore].
func (s *Store) PutPlan(ctx context.Context, params strata.PutPlanParams) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	plan, err := params.Plan.Clone()
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	newest := int64(len(s.plans))
	if plan.Version != newest {
		return 0, fmt.Errorf("%w: it is based on %d, the newest is %d", strata.ErrConflict, plan.Version, newest)
	}
	plan.Version++
	s.plans = append(s.plans, strata.PlanVersion{
		Version: plan.Version, EffectiveAt: plan.EffectiveAt,
		Author: params.Author, Message: params.Message, At: params.At, Plan: plan,
	})
	return plan.Version, nil
}

// Plan implements [strata.PlanStore].
func (s *Store) Plan(ctx context.Context, params strata.PlanParams) (strata.PlanVersion, error) {
	if err := ctx.Err(); err != nil {
		return strata.PlanVersion{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	version := params.Version
	if version == 0 {
		version = int64(len(s.plans))
	}
	if version < 1 || version > int64(len(s.plans)) {
		return strata.PlanVersion{}, fmt.Errorf("%w: plan version %d", strata.ErrNotFound, params.Version)
	}
	return detached(s.plans[version-1])
}

// detached gives a version a plan of its own.
func detached(v strata.PlanVersion) (strata.PlanVersion, error) {
	plan, err := v.Plan.Clone()
	v.Plan = plan
	return v, err
}

// PlansInEffect implements [strata.PlanStore].
func (s *Store) PlansInEffect(ctx context.Context, params strata.PlansInEffectParams) ([]strata.PlanVersion, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if n := len(s.plans); params.Known == int64(n) && (n == 0 || sameInstant(params.KnownAt, s.plans[n-1].At)) {
		return nil, nil
	}
	from := max(len(s.plans)-1, 0)
	for from > 0 && s.plans[from].EffectiveAt.After(params.At) {
		from--
	}
	var list []strata.PlanVersion
	for _, v := range s.plans[from:] {
		v, err := detached(v)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// sameInstant reports whether a version that was published at an instant is the one
// that is known, to the microsecond; zero stands for any.
func sameInstant(known, published time.Time) bool {
	return known.IsZero() || known.Truncate(time.Microsecond).Equal(published.Truncate(time.Microsecond))
}

// PlanHistory implements [strata.PlanStore].
func (s *Store) PlanHistory(ctx context.Context, params strata.PlanHistoryParams) ([]strata.PlanVersion, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := slices.Clone(s.plans)
	slices.Reverse(list)
	if params.Limit > 0 && params.Limit < len(list) {
		list = list[:params.Limit]
	}
	for i := range list {
		list[i].Plan = nil
	}
	return list, nil
}

// Ingest implements [strata.EventStore].
func (s *Store) Ingest(ctx context.Context, batch strata.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(batch.Records) == 0 && batch.Gap == 0 && batch.Losses == nil {
		return nil
	}
	last := s.cursors[batch.Stream]
	if batch.First < 1 || batch.Gap < 0 || batch.First-batch.Gap != last+1 {
		return &strata.CursorError{Stream: batch.Stream, First: batch.First, Last: last}
	}
	for _, r := range batch.Records {
		if x, ok := r.Event.(strata.Exposure); ok {
			s.expose(r.Unit, x)
		} else {
			s.add(r)
		}
	}
	s.lose(batch.Stream, batch.Losses)
	s.cursors[batch.Stream] = batch.Last()
	return nil
}

// Cursor implements [strata.EventStore].
func (s *Store) Cursor(ctx context.Context, params strata.CursorParams) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.cursors[params.Stream], nil
}

// list enters a unit behind all others.
func (p *phase) list(e *exposed) {
	e.at = len(p.exposed)
	p.exposed = append(p.exposed, e)
}

// expose keeps the earliest exposure, and notes another treatment.
func (s *Store) expose(unit strata.Unit, x strata.Exposure) {
	key := phaseKey{x.Experiment, x.Phase}
	p := s.phases[key]
	if p == nil {
		p = &phase{byUnit: make(map[unitKey]*exposed)}
		s.phases[key] = p
	}
	if x.Time.After(p.latest) {
		p.latest = x.Time
	}
	x.Attributes = maps.Clone(x.Attributes)
	id := unitKey{x.Diversion, unit.ID(x.Diversion)}
	e := p.byUnit[id]
	if e == nil {
		e = &exposed{unit: id, first: x}
		p.byUnit[id] = e
		p.list(e)
		return
	}
	e.contradiction = e.contradiction || e.first.Treatment != x.Treatment
	switch {
	case x.Time.Before(e.first.Time):
		if e.first.Bucket < 0 && x.Bucket >= 0 { // new to those who follow Exposed
			p.exposed[e.at] = nil
			p.list(e)
		}
		e.first = x
	case x.Time.Equal(e.first.Time):
		e.first.Attributes = rollup.JoinAttributes(e.first.Attributes, x.Attributes)
	}
}

// add keeps an event under each of the unit's ids. A forced one leaves no
// trace: it counts in no metric, and neither is a repeat nor makes any.
func (s *Store) add(r strata.Record) {
	if r.Forced {
		return
	}
	e := event{Fact: strata.NewFact(r.Event)}
	if p, ok := r.Event.(strata.Purchase); ok {
		key := orderKey{r.Unit.Tenant, p.OrderID}
		e.repeat = s.orders[key]
		s.orders[key] = true
	}
	s.events = append(s.events, e)
	for _, d := range diversions {
		if id := r.Unit.ID(d); id != "" {
			key := unitKey{d, id}
			s.byUnit[key] = append(s.byUnit[key], len(s.events)-1)
		}
	}
}

// Exposed implements [strata.ExposureStore].
func (s *Store) Exposed(ctx context.Context, params strata.ExposedParams) iter.Seq2[strata.ExposedUnit, error] {
	return func(yield func(strata.ExposedUnit, error) bool) {
		at := int(params.After)
		for {
			unit, next, err := s.exposedFrom(ctx, params, at)
			if err != nil {
				yield(strata.ExposedUnit{}, err)
				return
			}
			if next == 0 || !yield(unit, nil) {
				return
			}
			at = next
		}
	}
}

// exposedFrom returns the first entry at or behind position at, and the number
// of entries up to it; 0 when there is none. The lock is not held while the
// caller looks at an entry.
func (s *Store) exposedFrom(ctx context.Context, params strata.ExposedParams, at int) (strata.ExposedUnit, int, error) {
	if err := ctx.Err(); err != nil {
		return strata.ExposedUnit{}, 0, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	p := s.phases[phaseKey{params.Experiment, params.Phase}]
	if p == nil {
		return strata.ExposedUnit{}, 0, nil
	}
	for i := max(at, 0); i < len(p.exposed); i++ {
		e := p.exposed[i]
		if e == nil {
			continue
		}
		if x := e.first; x.Bucket >= 0 {
			return strata.ExposedUnit{Sequence: int64(i + 1), Hash: x.Hash, Treatment: x.Treatment, Version: x.Version}, i + 1, nil
		}
	}
	return strata.ExposedUnit{}, 0, nil
}
