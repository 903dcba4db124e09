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
	next.forgetBookkeeping()
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

// checkKept counts the exposed units that the plan keeps, if it is one that adds
// to them.
func checkKept(ctx context.Context, store ExposureStore, plan *Plan, limit int, now time.Time) error {
	adds := slices.ContainsFunc(plan.Experiments, func(e Experiment) bool { return e.History.KeepBefore > plan.Version })
	if !adds {
		return nil
	}
	if limit == 0 {
		limit = DefaultMaxKept
	}
	snap, err := compile(plan, now, nil)
	if err != nil {
		return err
	}
	total := 0
	for i := range plan.Experiments {
		e := snap.experiments.find(plan.Experiments[i].Key)
		for unit, err := range snap.keptOf(ctx, store, e, nil) {
			if err != nil {
				return err
			}
			if e.moved(unit) {
				total++
			}
			if total > limit {
				return fmt.Errorf("%w: experiment %q and those before it keep more than %d; start a new phase, or raise PublishOptions.MaxKept", ErrTooManyKept, e.key, limit)
			}
		}
	}
	return nil
}
