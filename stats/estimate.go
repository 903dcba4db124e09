package stats

import (
	"encoding/json"
	"fmt"
	"math"
)

// Estimate is a number with its interval, or the reason why it has none. The
// zero Reason is the good case.
type Estimate struct {
	// Value is the point estimate. It is meaningless when NoValue is set.
	Value float64

	// SE is the standard error of Value, 0 for methods that do not have one
	// (Fieller's).
	SE float64

	// Low and High bound the interval. A one-sided interval has −Inf or
	// +Inf on its open side. They and SE are meaningless when Reason is set.
	Low, High float64

	// Reason says in words why SE, Low and High are missing, for example
	// "control: 1 unit, a variance needs 2". Empty when they are there.
	Reason string

	// NoValue is set when not even Value can be had; Reason says why.
	NoValue bool
}

// Contains reports whether the interval is there and holds x; its ends belong
// to it.
func (e Estimate) Contains(x float64) bool {
	return e.Reason == "" && e.Low <= x && x <= e.High
}

// symmetric is the interval value ± critical·se.
func symmetric(value, se, critical float64) Estimate {
	half := critical * se
	return Estimate{Value: value, SE: se, Low: value - half, High: value + half}.checked()
}

// noValue is an estimate of which nothing is known.
func noValue(reason string) Estimate { return Estimate{Reason: reason, NoValue: true} }

// noInterval is an estimate of which only the point is known.
func noInterval(value float64, reason string) Estimate {
	return Estimate{Value: value, Reason: reason}.checked()
}

const outOfRange = "the numbers exceed the range of float64"

// checked turns what overflowed into a reason.
func (e Estimate) checked() Estimate {
	if !isFinite(e.Value) {
		return noValue(outOfRange)
	}
	if !isFinite(e.SE) || math.IsNaN(e.Low) || math.IsNaN(e.High) {
		return Estimate{Value: e.Value, Reason: outOfRange}
	}
	if math.IsInf(e.Low, 0) && math.IsInf(e.High, 0) {
		return Estimate{Value: e.Value, Reason: outOfRange}
	}
	return e
}

func isFinite(v float64) bool { return v-v == 0 }

// estimateJSON is the wire form of Estimate: null is what is not known.
type estimateJSON struct {
	Value  *float64 `json:"value"`
	SE     *float64 `json:"se,omitempty"`
	Low    *float64 `json:"low"`
	High   *float64 `json:"high"`
	Reason string   `json:"reason,omitempty"`
}

// MarshalJSON writes null for a number that is missing and for the open side
// of a one-sided interval; the output never holds NaN or an infinity.
func (e Estimate) MarshalJSON() ([]byte, error) {
	known := e.Reason == ""
	return json.Marshal(estimateJSON{
		Value:  numberIf(!e.NoValue, e.Value),
		SE:     numberIf(known && e.SE != 0, e.SE),
		Low:    numberIf(known, e.Low),
		High:   numberIf(known, e.High),
		Reason: e.Reason,
	})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (e *Estimate) UnmarshalJSON(data []byte) error {
	var wire estimateJSON
	if err := json.Unmarshal(data, &wire); err != nil {
		return fmt.Errorf("stats: estimate: %w", err)
	}
	if wire.Value == nil && wire.Reason == "" {
		return fmt.Errorf("%w: estimate without value and reason", ErrValue)
	}
	*e = Estimate{NoValue: wire.Value == nil, Value: numberOr(wire.Value, 0), Reason: wire.Reason}
	if wire.Reason == "" {
		e.SE = numberOr(wire.SE, 0)
		e.Low = numberOr(wire.Low, math.Inf(-1))
		e.High = numberOr(wire.High, math.Inf(1))
	}
	return nil
}

func numberIf(known bool, v float64) *float64 {
	if !known || !isFinite(v) {
		return nil
	}
	return &v
}

func numberOr(v *float64, missing float64) float64 {
	if v == nil {
		return missing
	}
	return *v
}
