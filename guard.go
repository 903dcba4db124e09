package strata

import (
	"context"
	"fmt"
	"iter"
	"runtime/debug"
)

// PanicError is what a panic in code that an engine was given becomes: in a
// store, or in a logger's handler. The host goes on; what was being done counts
// as failed.
type PanicError struct {
	Value any    // what was passed to panic
	Stack []byte // of the goroutine
}

func (e *PanicError) Error() string { return fmt.Sprintf("strata: panic: %v\n%s", e.Value, e.Stack) }

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// caught turns a panic into an error. It must be deferred itself.
func caught(err *error) { panicked(recover(), err) }

func panicked(v any, err *error) {
	if v != nil {
		*err = &PanicError{Value: v, Stack: debug.Stack()}
	}
}

// guarded is a store whose panics are errors: a goroutine of ours must not end
// the program.
type guarded struct{ store Store }

var _ Store = guarded{}

func (g guarded) PutPlan(ctx context.Context, params PutPlanParams) (version int64, err error) {
	defer caught(&err)
	return g.store.PutPlan(ctx, params)
}

func (g guarded) Plan(ctx context.Context, params PlanParams) (v PlanVersion, err error) {
	defer caught(&err)
	return g.store.Plan(ctx, params)
}

func (g guarded) PlansInEffect(ctx context.Context, params PlansInEffectParams) (list []PlanVersion, err error) {
	defer caught(&err)
	return g.store.PlansInEffect(ctx, params)
}

func (g guarded) PlanHistory(ctx context.Context, params PlanHistoryParams) (list []PlanVersion, err error) {
	defer caught(&err)
	return g.store.PlanHistory(ctx, params)
}

func (g guarded) Ingest(ctx context.Context, batch Batch) (err error) {
	defer caught(&err)
	return g.store.Ingest(ctx, batch)
}

func (g guarded) Cursor(ctx context.Context, params CursorParams) (last int64, err error) {
	defer caught(&err)
	return g.store.Cursor(ctx, params)
}

func (g guarded) Results(ctx context.Context, params ResultsParams) (r Results, err error) {
	defer caught(&err)
	return g.store.Results(ctx, params)
}

// Exposed passes on what the caller's loop does, its panics included, and turns
// only the store's own into an error.
func (g guarded) Exposed(ctx context.Context, params ExposedParams) iter.Seq2[ExposedUnit, error] {
	return func(yield func(ExposedUnit, error) bool) {
		inLoop, ended := false, false
		err := func() (err error) {
			defer func() {
				if !inLoop {
					panicked(recover(), &err)
				}
			}()
			for unit, err := range g.store.Exposed(ctx, params) {
				inLoop = true
				ended = !yield(unit, err)
				inLoop = false
				if ended {
					return nil
				}
			}
			return nil
		}()
		if err != nil && !ended {
			yield(ExposedUnit{}, err)
		}
	}
}
