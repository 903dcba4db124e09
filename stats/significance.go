package stats

import (
	"encoding/json"
	"fmt"
	"math"
)

// Test is the outcome of one significance test, or the reason why there is
// none. The zero Reason is the good case.
type Test struct {
	// Statistic is the test's t, z, chi-square or D.
	Statistic float64

	// DF is the degrees of freedom, not always an integer; 0 for tests whose
	// reference distribution has none, such as the normal one.
	DF float64

	// PValue is the probability, if there is no effect, of a statistic at
	// least this extreme. It is never 0: what is below float64's range is
	// reported as its smallest positive number, 5e-324. It is 1 when Reason
	// is set, so that a forgotten check declares no effect.
	PValue float64

	// Reason says in words why the test could not be done and the numbers
	// above are missing. Empty when they are there.
	Reason string
}

// noTest is a test that could not be done.
func noTest(reason string) Test { return Test{PValue: 1, Reason: reason} }

// newTest keeps p in (0, 1] and turns overflow into a reason.
func newTest(statistic, df, p float64) Test {
	if !isFinite(statistic) || !isFinite(df) || math.IsNaN(p) {
		return noTest(outOfRange)
	}
	p = min(max(p, math.SmallestNonzeroFloat64), 1)
	return Test{Statistic: statistic, DF: df, PValue: p}
}

// testJSON is the wire form of Test: null is what is not known.
type testJSON struct {
	Statistic *float64 `json:"statistic"`
	DF        *float64 `json:"df,omitempty"`
	PValue    *float64 `json:"p_value"`
	Reason    string   `json:"reason,omitempty"`
}

func (t Test) wire() testJSON {
	known := t.Reason == ""
	return testJSON{
		Statistic: numberIf(known, t.Statistic),
		DF:        numberIf(known && t.DF != 0, t.DF),
		PValue:    numberIf(known, t.PValue),
		Reason:    t.Reason,
	}
}

func (w testJSON) test() (Test, error) {
	switch {
	case w.Reason != "":
		return noTest(w.Reason), nil
	case w.Statistic == nil || w.PValue == nil:
		return Test{}, fmt.Errorf("%w: test without p-value and reason", ErrValue)
	}
	return Test{Statistic: *w.Statistic, DF: numberOr(w.DF, 0), PValue: *w.PValue}, nil
}

// MarshalJSON writes null for the numbers of a test that could not be done.
func (t Test) MarshalJSON() ([]byte, error) { return json.Marshal(t.wire()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (t *Test) UnmarshalJSON(data []byte) error {
	var wire testJSON
	if err := json.Unmarshal(data, &wire); err != nil {
		return fmt.Errorf("stats: test: %w", err)
	}
	read, err := wire.test()
	if err != nil {
		return err
	}
	*t = read
	return nil
}
