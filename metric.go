package strata

import (
	"fmt"
	"time"
)

// Metric is a definition over a unit's events after its first exposure. The
// unit of analysis is the unit: events are added up per unit first, and the
// estimate and its error come from those totals.
type Metric struct {
	Key         string     `json:"key"`
	Description string     `json:"description,omitempty"`
	Type        MetricType `json:"type"`

	// Measure says which events count and what is added up. For a ratio it is
	// the numerator. A funnel uses Steps instead.
	Measure Measure `json:"measure,omitzero"`

	// Denominator of a ratio.
	Denominator *Measure `json:"denominator,omitempty"`

	// Steps of a funnel, in order.
	Steps []Step `json:"steps,omitempty"`

	// Window is how long after a unit's first exposure its events count: from
	// the instant of exposure (included) to exposure plus Window (excluded).
	// Zero means up to the end of the experiment's schedule, if it has one.
	Window Duration `json:"window,omitempty"`

	// Direction says which way is good: increase (the default) or decrease.
	Direction Direction `json:"direction,omitempty"`

	// Cap is the largest total that one unit can contribute to a count or sum,
	// in the measure's own unit: events, minor units of money. It limits what one heavy user does to the
	// error. Zero means no cap.
	Cap float64 `json:"cap,omitempty"`

	// PrePeriod is how long before a unit's first exposure its events are added
	// up as well, in the same way, as a covariate: from exposure minus PrePeriod
	// (included) to the exposure (excluded). Where a unit's past tells its
	// future, that makes intervals narrower (CUPED), and costs nothing else.
	// Units without a past count as 0, in all treatments alike. For
	// conversions, counts, sums and ratios. Zero means none.
	PrePeriod Duration `json:"pre_period,omitempty"`

	// MinimumEffect is the smallest lift worth knowing of, relative to the
	// control: 0.02 for 2 %. Verdicts say "no difference" when anything larger
	// is ruled out, and estimate how long that will take. Zero means
	// DefaultMinimumEffect.
	MinimumEffect float64 `json:"minimum_effect,omitempty"`

	// Guardrail marks a metric that is watched for harm and not hoped to move.
	Guardrail bool `json:"guardrail,omitempty"`

	// Margin is the loss, relative to the control, that a guardrail tolerates:
	// it holds when a larger one is ruled out (a test of non-inferiority). Zero
	// means DefaultMargin.
	Margin float64 `json:"margin,omitempty"`
}

// Defaults of a [Metric].
const (
	DefaultMinimumEffect = 0.05
	DefaultMargin        = 0.02
)

func (m *Metric) minimumEffect() float64 { return orDefault(m.MinimumEffect, DefaultMinimumEffect) }

func (m *Metric) margin() float64 { return orDefault(m.Margin, DefaultMargin) }

// MetricType says how a [Metric] turns events into one value per unit.
type MetricType string

// The types of a metric.
const (
	// MetricConversion is 1 for a unit with a matching event, else 0.
	MetricConversion MetricType = "conversion"
	// MetricCount is the number of a unit's matching events.
	MetricCount MetricType = "count"
	// MetricSum is the sum of a value over a unit's matching events.
	MetricSum MetricType = "sum"
	// MetricMean is the mean of a value over a unit's matching events. Units
	// without one have no value and are left out; the report warns when a
	// treatment changes how many those are. Prefer a ratio where events should
	// weigh the same.
	MetricMean MetricType = "mean"
	// MetricRatio is the sum over units of one measure, divided by the sum over
	// units of another: order value, click-through rate.
	MetricRatio MetricType = "ratio"
	// MetricFunnel is, for each step, 1 for a unit that got so far, over all
	// exposed units.
	MetricFunnel MetricType = "funnel"
)

// Measure selects events and says what is added up over them.
type Measure struct {
	// Event is the kind of event that counts.
	Event Kind `json:"event"`

	// Name narrows to one page, click target, conversion goal or custom event
	// name. Empty means all.
	Name string `json:"name,omitempty"`

	// Value is what is added up. Empty means the number of events; see
	// the Value constants for the others.
	Value MeasureValue `json:"value,omitempty"`

	// Currency is the three-letter code of the purchases that count. Money of
	// different currencies is never added; purchases in another currency are
	// counted in the report's notes. Required when Value is total or discount.
	Currency string `json:"currency,omitempty"`
}

// IsZero reports whether nothing is selected.
func (m Measure) IsZero() bool { return m == Measure{} }

// MeasureValue is what a [Measure] adds up.
type MeasureValue string

// What a measure can add up.
const (
	// ValueNumber is 1 an event. It is the zero value.
	ValueNumber MeasureValue = ""
	// ValueAmount is the Value of a conversion or custom event.
	ValueAmount MeasureValue = "value"
	// ValueTotal is a purchase's Total, in minor units of its currency.
	ValueTotal MeasureValue = "total"
	// ValueDiscount is a purchase's Discount, in minor units of its currency.
	ValueDiscount MeasureValue = "discount"
	// ValueItems is the number of pieces in a purchase.
	ValueItems MeasureValue = "items"
)

// Step is one step of a funnel. A unit takes it by the first matching event at
// or after the step before (the first step: at or after the exposure).
type Step struct {
	Event Kind   `json:"event"`
	Name  string `json:"name,omitempty"` // as in [Measure]

	// Within is how long after the step before the event counts; the end is
	// excluded. Zero means no limit but the metric's window.
	Within Duration `json:"within,omitempty"`
}

// Direction says which way a metric should move.
type Direction string

// The directions. The zero value means the same as Increase.
const (
	Increase Direction = "increase"
	Decrease Direction = "decrease"
)

// Duration is a [time.Duration] whose text and JSON form is Go's: "72h".
type Duration time.Duration

// String is the form of [time.Duration.String].
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes the form of [time.Duration.String].
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what [time.ParseDuration] reads.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%w: %q is not a duration such as \"72h\" or \"30m\"", ErrInvalidPlan, abbreviate(string(text)))
	}
	*d = Duration(parsed)
	return nil
}
