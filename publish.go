package strata

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Policy says what becomes of units that were exposed to a running experiment
// and that a change of plan would move.
type Policy string

const (
	// Keep holds exposed units in the treatment that they met first. Units
	// that were not exposed follow the newest allocation. Buckets taken away
	// drain: they stay with the experiment, closed to newcomers, until it is
	// over. It is the zero value.
	Keep Policy = ""

	// Fresh lets everybody follow the newest allocation. Exposed units that
	// move meet a second treatment and leave the analysis; a new phase is
	// usually the better answer.
	Fresh Policy = "fresh"
)

// PublishOptions say who publishes what for which reason.
type PublishOptions struct {
	Author  string // required: who answers for the change
	Message string // required: why

	// Moves names every running experiment whose units the plan may move, and
	// what becomes of the exposed ones. What [Diff] reports as moving and is
	// not named here is refused with [ErrMovesUnits]. Starting a phase,
	// stopping and closing intake say by themselves what they do, and need no
	// mention.
	Moves map[string]Policy

	// MaxKept bounds how many units a snapshot may hold in their treatments,
	// over all experiments; beyond it publishing fails with [ErrTooManyKept].
	// A unit takes about 10 bytes in every process. Zero means DefaultMaxKept.
	MaxKept int

	// Clock is where time comes from. Nil means the system's clock.
	Clock Clock
}

// DefaultMaxKept is the default of [PublishOptions.MaxKept]: 50 MB.
const DefaultMaxKept = 5_000_000

// Publish validates a plan and stores it as the next version, for ever. The
// plan's Version must be the newest stored one (0 for the first): otherwise
// somebody else was faster, and the error matches [ErrConflict].
//
// Publish writes the plan's bookkeeping: which buckets drain, how units were
// drawn before, and the ledger of buckets given back. What the caller put there
// is replaced. The plan passed in is not changed; the stored version is
// returned, for the next change to build on.
func Publish(ctx context.Context, store Store, plan *Plan, opts PublishOptions) (*Plan, error) {
	if err := opts.validate(plan); err != nil {
		return nil, err
	}
	clock := opts.Clock
	if clock == nil {
		clock = systemClock{}
	}
	now := clock.Now()
	before, err := newest(ctx, store)
	if err != nil {
		return nil, err
	}
	if before.Version != plan.Version {
		return nil, fmt.Errorf("%w: it is based on %d, the newest is %d; load that, apply the change again and publish it", ErrConflict, plan.Version, before.Version)
	}
	next, err := plan.Clone()
	if err != nil {
		return nil, err
	}
	if err := next.Validate(); err != nil {
		return nil, err
	}
	if err := settle(before, next, opts.Moves, now); err != nil {
		return nil, err
	}
	if err := next.Validate(); err != nil {
		return nil, fmt.Errorf("together with what the published plan %d keeps: %w", before.Version, err)
	}
	if err := checkKept(ctx, store, next, opts.MaxKept, now); err != nil {
		return nil, err
	}
	version, err := store.PutPlan(ctx, PutPlanParams{Plan: next, Author: opts.Author, Message: opts.Message, At: now})
	if err != nil {
		return nil, err
	}
	next.Version = version
	return next, nil
}

// Publish is the function [Publish] with the engine's store and clock, followed
// by [Engine.Refresh]. Where the plan is stored but the refresh fails, the error
// comes with the stored plan.
func (e *Engine) Publish(ctx context.Context, plan *Plan, opts PublishOptions) (*Plan, error) {
	if opts.Clock == nil {
		opts.Clock = e.cfg.Clock
	}
	stored, err := Publish(ctx, e.store, plan, opts)
	if err != nil {
		return nil, err
	}
	if err := e.Refresh(ctx); err != nil {
		return stored, fmt.Errorf("strata: version %d is published, but this process cannot load it: %w", stored.Version, err)
	}
	return stored, nil
}

func (o *PublishOptions) validate(plan *Plan) error {
	var errs []error
	if plan == nil {
		errs = append(errs, fmt.Errorf("%w: the plan is nil", ErrInvalidPlan))
	}
	if o.Author == "" {
		errs = append(errs, fmt.Errorf("%w: PublishOptions.Author is empty; say who publishes", ErrInvalidPlan))
	}
	if o.Message == "" {
		errs = append(errs, fmt.Errorf("%w: PublishOptions.Message is empty; say why", ErrInvalidPlan))
	}
	for key, policy := range o.Moves {
		if policy != Keep && policy != Fresh {
			errs = append(errs, fmt.Errorf("%w: PublishOptions.Moves[%q] = %q; use Keep or Fresh", ErrInvalidPlan, key, policy))
		}
	}
	return errors.Join(errs...)
}

// newest returns the newest stored plan, or an empty one.
func newest(ctx context.Context, store PlanStore) (*Plan, error) {
	v, err := store.Plan(ctx, PlanParams{})
	if errors.Is(err, ErrNotFound) {
		return &Plan{}, nil
	}
	if err != nil {
		return nil, err
	}
	return v.Plan, nil
}

// settle writes into the next plan what follows from the one before: draining
// buckets, earlier allocations and the ledger. It refuses moves that nobody
// asked for.
func settle(before, next *Plan, policies map[string]Policy, now time.Time) error {
	next.Ledger = before.Ledger
	for i := range next.Experiments {
		next.Experiments[i].Draining, next.Experiments[i].Earlier = Buckets{}, nil
	}
	for i := range next.Domains {
		next.Domains[i].Draining = Buckets{}
	}
	at := now
	if next.EffectiveAt.After(now) {
		at = next.EffectiveAt
	}
	s := &settling{
		before: before, next: next, at: at, policies: policies,
		oldTree: newTree(before), newTree: newTree(next), moves: make(map[string]Move),
		olds: experimentsByKey(before), news: experimentsByKey(next),
	}
	for _, m := range Diff(before, next, at) {
		s.moves[m.Experiment] = m
	}
	if err := s.refuseUnasked(); err != nil {
		return err
	}
	if err := s.experiments(); err != nil {
		return err
	}
	s.domains()
	return nil
}

type settling struct {
	before, next     *Plan
	at               time.Time
	policies         map[string]Policy
	oldTree, newTree *tree
	olds, news       map[string]*Experiment
	moves            map[string]Move
}

func (s *settling) refuseUnasked() error {
	var unasked []Move
	for i := range s.before.Experiments {
		key := s.before.Experiments[i].Key
		m, moving := s.moves[key]
		_, asked := s.policies[key]
		gone := s.news[key] == nil
		if moving && m.Moves() && !asked && !m.NewPhase && (!m.Stopping || gone) {
			unasked = append(unasked, m)
		}
	}
	if len(unasked) > 0 {
		return &MoveError{Moves: unasked}
	}
	return nil
}

func (s *settling) experiments() error {
	for i := range s.before.Experiments {
		old := &s.before.Experiments[i]
		now := s.news[old.Key]
		switch {
		case now == nil:
			s.next.release(old.Layer, old.Key, old.Phase, old.Buckets.Union(old.Draining), s.at)
		case now.Status == StatusStopped || now.Phase != old.Phase || !old.Status.live():
			s.over(old, now)
		case s.policies[old.Key] == Fresh:
			gone := old.Buckets.Union(old.Draining)
			if now.Layer == old.Layer {
				gone = gone.Minus(now.Buckets)
			}
			s.next.release(old.Layer, old.Key, old.Phase, gone, s.at)
		default:
			if err := s.keep(old, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// over gives back the buckets of a phase that ended, and notes those that a new
// phase goes on with: its units felt the phase before.
func (s *settling) over(old, now *Experiment) {
	held := old.Buckets.Union(old.Draining)
	if old.Status.live() || now.Status == StatusStopped {
		s.next.release(old.Layer, old.Key, old.Phase, held, s.at)
	}
	if now.Status == StatusStopped {
		now.Buckets = Buckets{}
	}
}

// keep carries on what the experiment promised its exposed units, and adds what
// this change takes away.
func (s *settling) keep(old, now *Experiment) error {
	if m := s.moves[old.Key]; m.Moves() && !s.sameDraw(old, now) {
		return &PlanError{Problems: []Problem{{
			Path: fmt.Sprintf("experiments[%d]", slices.IndexFunc(s.next.Experiments, func(e Experiment) bool { return e.Key == now.Key })),
			Cure: fmt.Sprintf("experiment %q gets another layer, salt, diversion or domain while it runs, so everybody is drawn anew and nobody can be kept; raise its phase, or ask for Fresh", now.Key),
		}}}
	}
	now.Draining = old.Buckets.Union(old.Draining).Minus(now.Buckets)
	now.Earlier = old.Earlier
	if was := old.allocation(); !now.drawsLike(was) {
		now.Earlier = append(slices.Clone(old.Earlier), was)
	}
	return nil
}

// sameDraw reports whether ids hash as before on the whole way to the
// experiment, so that only sets and weights changed.
func (s *settling) sameDraw(old, now *Experiment) bool {
	if old.salt() != now.salt() {
		return false
	}
	return slices.Equal(cuts(s.oldTree, old), cuts(s.newTree, now))
}

// cuts lists the hashes on the way to an experiment, its own layer's last.
func cuts(t *tree, e *Experiment) []cut {
	l := t.layers[e.Layer]
	path, err := t.path(l)
	if err != nil {
		return nil
	}
	var list []cut
	for _, step := range path {
		list = append(list, cutOf(step.layer))
	}
	return append(list, cutOf(l))
}

// allocation returns how the experiment draws at present.
func (e *Experiment) allocation() Allocation {
	a := Allocation{Audience: e.Audience}
	for i := range e.Treatments {
		a.Weights = append(a.Weights, Weight{e.Treatments[i].Key, e.Treatments[i].Weight})
	}
	return a
}

func (e *Experiment) drawsLike(a Allocation) bool {
	return slices.EqualFunc(e.allocation().Weights, a.Weights, func(x, y Weight) bool { return x == y }) && e.Audience == a.Audience
}

// domains lets buckets drain that were taken from a domain in which units are
// kept, and gives back the others. A domain drains as a whole.
func (s *settling) domains() {
	for i := range s.before.Domains {
		old := &s.before.Domains[i]
		now := s.next.Domain(old.Key)
		gone := old.Buckets.Union(old.Draining)
		if now != nil && now.Layer == old.Layer {
			gone = gone.Minus(now.Buckets)
			if s.keepsInside(now) {
				now.Draining = gone
				continue
			}
		}
		s.next.release(old.Layer, old.Key, 0, gone, s.at)
	}
}

// keepsInside reports whether an experiment in or below the domain ran before
// and goes on, in the same phase, keeping its units.
func (s *settling) keepsInside(d *Domain) bool {
	for i := range s.next.Experiments {
		now := &s.next.Experiments[i]
		old := s.olds[now.Key]
		if old == nil || !old.Status.live() || !now.Status.live() || old.Phase != now.Phase || s.policies[now.Key] == Fresh {
			continue
		}
		path, err := s.newTree.path(s.newTree.layers[now.Layer])
		if err == nil && slices.ContainsFunc(path, func(p step) bool { return p.domain.Key == d.Key }) {
			return true
		}
	}
	return false
}

// checkKept counts the exposed units that the plan would keep.
func checkKept(ctx context.Context, store ExposureStore, plan *Plan, limit int, now time.Time) error {
	if limit == 0 {
		limit = DefaultMaxKept
	}
	snap, err := compile(plan, now, nil)
	if err != nil {
		return err
	}
	total := 0
	for i := range plan.Experiments {
		e := snap.experiments[plan.Experiments[i].Key]
		if !e.wantsKept() {
			continue
		}
		for x, err := range store.Exposed(ctx, ExposedParams{Experiment: e.key, Phase: e.phase}) {
			if err != nil {
				return err
			}
			if t := e.index(x.Treatment); t >= 0 && e.moved(x.Hash, t) {
				total++
			}
			if total > limit {
				return fmt.Errorf("%w: experiment %q and those before it keep more than %d; start a new phase, or raise PublishOptions.MaxKept", ErrTooManyKept, e.key, limit)
			}
		}
	}
	return nil
}
