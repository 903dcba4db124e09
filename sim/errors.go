package sim

import (
	"errors"
	"fmt"
	"strings"

	"github.com/strataxp/strata"
)

// Errors that callers are expected to branch on, with [errors.Is].
var (
	// ErrInvalidModel means that a model cannot be played. [ModelError] lists
	// every problem with its path.
	ErrInvalidModel = errors.New("sim: invalid model")

	// ErrOptions means that options cannot be used, by themselves or with their
	// model. Every bad field is named.
	ErrOptions = errors.New("sim: invalid options")
)

// ModelError lists every problem of a model. It matches [ErrInvalidModel].
type ModelError struct {
	Problems []strata.Problem // never empty
}

// Error puts each problem on a line of its own.
func (e *ModelError) Error() string { return listed(ErrInvalidModel, e.Problems) }

// Unwrap makes every ModelError match [ErrInvalidModel].
func (e *ModelError) Unwrap() error { return ErrInvalidModel }

// OptionsError lists every problem of [TrafficOptions] or [Options]. It matches
// [ErrOptions].
type OptionsError struct {
	Problems []strata.Problem // never empty
}

// Error puts each problem on a line of its own.
func (e *OptionsError) Error() string { return listed(ErrOptions, e.Problems) }

// Unwrap makes every OptionsError match [ErrOptions].
func (e *OptionsError) Unwrap() error { return ErrOptions }

func listed(what error, problems []strata.Problem) string {
	lines := []string{fmt.Sprintf("%v, %d problem(s):", what, len(problems))}
	for _, p := range problems {
		lines = append(lines, "  "+p.String())
	}
	return strings.Join(lines, "\n")
}

// problems gathers what is wrong, so that a person who mends it needs one round.
type problems []strata.Problem

func (p *problems) report(path string, value any, format string, args ...any) {
	*p = append(*p, strata.Problem{Path: path, Value: value, Cure: fmt.Sprintf(format, args...)})
}

// check reports a value unless it is fine.
func (p *problems) check(fine bool, path string, value any, format string, args ...any) {
	if !fine {
		p.report(path, value, format, args...)
	}
}
