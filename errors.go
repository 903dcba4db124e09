package strata

import (
	"errors"
	"fmt"
	"strings"
)

// Errors that callers are expected to branch on. Match them with [errors.Is];
// they arrive wrapped in errors that say more.
var (
	// ErrInvalidPlan means a plan cannot be used. [PlanError] lists every
	// problem with its path.
	ErrInvalidPlan = errors.New("strata: invalid plan")

	// ErrConfig means [Config] holds a field that cannot be used. Every bad
	// field is named.
	ErrConfig = errors.New("strata: invalid config")

	// ErrConflict means that somebody else published since the version that
	// the plan is based on. Load the newest plan, apply the change again, and
	// publish that.
	ErrConflict = errors.New("strata: the plan is not based on the newest version")

	// ErrMovesUnits means that publishing would move units of a running
	// experiment that the caller did not name in [PublishOptions.Moves].
	// [MoveError] lists the experiments and shares.
	ErrMovesUnits = errors.New("strata: the plan moves units of a running experiment")

	// ErrTooManyKept means that more exposed units would have to be kept in
	// their treatment than a snapshot should carry. Start a new phase instead.
	ErrTooManyKept = errors.New("strata: too many units to keep")

	// ErrNotFound means the named plan version or experiment does not exist.
	ErrNotFound = errors.New("strata: not found")

	// ErrInvalidEvent means an event or exposure was refused and not recorded.
	// [EventError] names the field.
	ErrInvalidEvent = errors.New("strata: invalid event")

	// ErrBufferFull means an event was refused because the buffer is full. It
	// was counted; see [Engine.Status].
	ErrBufferFull = errors.New("strata: event buffer full")

	// ErrClosed means the engine was closed before the call.
	ErrClosed = errors.New("strata: engine is closed")

	// ErrCursor means a batch does not start where its stream's cursor
	// stands. [CursorError] carries the cursor.
	ErrCursor = errors.New("strata: batch does not continue its stream")

	// ErrFenced means that somebody has fenced a stream off: its writer must not
	// write any more. It keeps what it has, and says so.
	ErrFenced = errors.New("strata: the stream is fenced off")

	// ErrPermanent is matched by errors of a store that trying again will not
	// cure: a wrong password, a missing privilege, a column that was changed.
	// Somebody must act. The engine keeps what it has, tries again seldom, and
	// says so in [EngineStatus].
	ErrPermanent = errors.New("strata: this needs somebody to act")

	// ErrEvaluation means that the stored form of an [Evaluation] cannot be
	// used: it was cut off, changed, or written for another metric. Evaluate
	// the unit's facts anew.
	ErrEvaluation = errors.New("strata: invalid evaluation")
)

// PendingError is returned by [Engine.TrackDurable] for an event that was taken in
// and has not reached the level that was asked for: it is on its way, and must not
// be tracked again.
type PendingError struct {
	Reached, Wanted Level
	Err             error // the context's error or ErrClosed, and why writes fail
}

func (e *PendingError) Error() string {
	return fmt.Sprintf("strata: the event is %s, not %s yet: %v", e.Reached, e.Wanted, e.Err)
}

// Unwrap returns the reason.
func (e *PendingError) Unwrap() error { return e.Err }

// Problem is one thing that is wrong with a plan.
type Problem struct {
	Path  string // the field, as in the JSON form: "experiments[2].treatments[0].weight"
	Value any    // what was found there; nil when something is missing
	Cure  string // what is wrong and what to do about it
}

func (p Problem) String() string {
	if p.Value == nil {
		return p.Path + ": " + p.Cure
	}
	return fmt.Sprintf("%s = %s: %s", p.Path, abbreviate(fmt.Sprintf("%#v", p.Value)), p.Cure)
}

// PlanError lists every problem of a plan. It matches [ErrInvalidPlan].
type PlanError struct {
	Problems []Problem // never empty
}

// Error puts each problem on a line of its own.
func (e *PlanError) Error() string {
	lines := make([]string, 0, len(e.Problems)+1)
	lines = append(lines, fmt.Sprintf("%v, %d problem(s):", ErrInvalidPlan, len(e.Problems)))
	for _, p := range e.Problems {
		lines = append(lines, "  "+p.String())
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes every PlanError match [ErrInvalidPlan].
func (e *PlanError) Unwrap() error { return ErrInvalidPlan }

// ConfigError says which field of [Config] was refused and why. [Open] returns
// all of them joined; use [errors.As] for the first.
type ConfigError struct {
	Field string // as spelled in Config, for example "FlushInterval"
	Value any    // what was passed
	Cure  string // what is wrong and what to do about it
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("strata: Config.%s = %v: %s", e.Field, e.Value, e.Cure)
}

// Unwrap makes every ConfigError match [ErrConfig].
func (e *ConfigError) Unwrap() error { return ErrConfig }

// EventError says which field of an event was refused and why. It matches
// [ErrInvalidEvent].
type EventError struct {
	Field string // as spelled in the event's type, for example "OrderID"
	Value any    // what was passed, shortened
	Cure  string // what is wrong and what to do about it
}

func (e *EventError) Error() string {
	return fmt.Sprintf("%v: %s = %s: %s", ErrInvalidEvent, e.Field, abbreviate(fmt.Sprintf("%#v", e.Value)), e.Cure)
}

// Unwrap makes every EventError match [ErrInvalidEvent].
func (e *EventError) Unwrap() error { return ErrInvalidEvent }

// CursorError is returned by [EventStore.Ingest] for a batch that does not
// start right behind its stream's cursor. It matches [ErrCursor].
type CursorError struct {
	Stream StreamID
	First  int64 // the batch's first index
	Last   int64 // the stream's cursor: the last index stored
}

func (e *CursorError) Error() string {
	return fmt.Sprintf("%v: stream %v is at %d, the batch starts at %d", ErrCursor, e.Stream, e.Last, e.First)
}

// Unwrap makes every CursorError match [ErrCursor].
func (e *CursorError) Unwrap() error { return ErrCursor }

// MoveError lists the running experiments whose units a plan would move
// without having been asked to. It matches [ErrMovesUnits].
type MoveError struct {
	Moves []Move
}

func (e *MoveError) Error() string {
	lines := []string{ErrMovesUnits.Error() + "; name each in PublishOptions.Moves, or leave its buckets, weights, audience and layer as they are:"}
	for _, m := range e.Moves {
		lines = append(lines, "  "+m.String())
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes every MoveError match [ErrMovesUnits].
func (e *MoveError) Unwrap() error { return ErrMovesUnits }
