package stats

import (
	"errors"
	"fmt"
)

// MaxVariables is how many variables one [Moments] or [Sums] can hold:
// a numerator, a denominator and four covariates. It is a constant so that
// both are plain values, which copy and compare with = and ==.
const MaxVariables = 6

const maxPairs = MaxVariables * (MaxVariables + 1) / 2

// Errors that callers may branch on with [errors.Is]. They arrive wrapped in
// a text that names the offending number.
var (
	// ErrVariables means that two samples, or a sample and a unit, have
	// different numbers of variables, or that there are none or more than
	// MaxVariables.
	ErrVariables = errors.New("stats: wrong number of variables")

	// ErrValue means that a number is not finite, or that adding it would
	// leave the range of the type that counts it.
	ErrValue = errors.New("stats: value out of range")

	// ErrImpossible means that no sample has these statistics: a negative
	// number of units, a negative sum of squares, a covariance larger than
	// the variances allow.
	ErrImpossible = errors.New("stats: impossible statistics")
)

// pair is the place of the unordered pair (i, j) in a packed lower triangle:
// 00, 10, 11, 20, 21, 22, …. It does not depend on the number of variables.
func pair(i, j int) int {
	if i < j {
		i, j = j, i
	}
	return i*(i+1)/2 + j
}

// pairs is the number of unordered pairs of k variables, squares included.
func pairs(k int) int { return k * (k + 1) / 2 }

// joinVariables is the number of variables after k meets other, where 0 is
// a sample that has not seen a unit yet and takes any number.
func joinVariables(k, other int) (int, error) {
	switch {
	case other < 1 || other > MaxVariables:
		return 0, fmt.Errorf("%w: %d, want 1 to %d", ErrVariables, other, MaxVariables)
	case k != 0 && k != other:
		return 0, fmt.Errorf("%w: %d, want %d", ErrVariables, other, k)
	}
	return other, nil
}

// checkVariable panics when i is not one of k variables. A sample without
// units has no number of variables yet and takes any i below MaxVariables.
func checkVariable(i, k int) {
	if k == 0 {
		k = MaxVariables
	}
	if i < 0 || i >= k {
		panic(fmt.Sprintf("stats: variable %d of a sample of %d", i, k))
	}
}

// checkShape refuses slices of means or sums and of packed pairs that do not
// describe the same variables.
func checkShape(n int64, singles, packed int) error {
	if n < 0 {
		return fmt.Errorf("%w: n is %d", ErrImpossible, n)
	}
	if singles > MaxVariables || (singles == 0 && n > 0) {
		return fmt.Errorf("%w: %d, want 1 to %d", ErrVariables, singles, MaxVariables)
	}
	if want := pairs(singles); packed != want {
		return fmt.Errorf("%w: %d pairs for %d variables, want %d", ErrVariables, packed, singles, want)
	}
	return nil
}
