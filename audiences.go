package strata

import "github.com/strataxp/strata/internal/audience"

// audiences remembers conditions that were compiled already: experiments often have
// the same one, and parsing it is the dearest part of compiling them. Programs are
// immutable, so they can be shared. The zero value is empty.
type audiences map[string]compiledAudience

type compiledAudience struct {
	program *audience.Program
	err     error
}

// compile is [audience.Compile].
func (a *audiences) compile(text string) (*audience.Program, error) {
	if known, ok := (*a)[text]; ok {
		return known.program, known.err
	}
	if *a == nil {
		*a = make(audiences)
	}
	program, err := audience.Compile(text)
	(*a)[text] = compiledAudience{program, err}
	return program, err
}
