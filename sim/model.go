package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/strictjson"
)

// Model says how visitors behave. Build it as a literal, with [ParseModel], or by
// changing [Shop]; check it with [Model.Validate]. A Model is data, and not safe
// for concurrent use while somebody changes it.
type Model struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`

	// Start is the key of the state in which every visit begins.
	Start string `json:"start"`

	// States are what a visit goes through. A state without transitions ends
	// it, and so does the 10,000th step.
	States []State `json:"states"`

	Baskets    Baskets     `json:"baskets,omitzero"`
	Returns    Returns     `json:"returns,omitzero"`
	Devices    Devices     `json:"devices,omitzero"`
	Seasons    Seasons     `json:"seasons,omitzero"`
	Heavy      Heavy       `json:"heavy,omitzero"`
	Bots       Bots        `json:"bots,omitzero"`
	Attributes []Attribute `json:"attributes,omitempty"`
}

// State is where a visitor is: a page, a step, the end of a visit.
type State struct {
	Key         string `json:"key"`
	Description string `json:"description,omitempty"`

	// Event is what arriving here tracks. The zero value tracks nothing.
	Event Track `json:"event,omitzero"`

	// Login is the chance, from 0 to 1, that a visitor with an account who is not
	// logged in yet logs in by arriving here. Its user is known from this very
	// step on, to the end of the visit.
	Login float64 `json:"login,omitempty"`

	// Next are the transitions from here. None ends the visit.
	Next []Transition `json:"next,omitempty"`

	// Pause is the time from arriving here to the next step. Zero means a
	// second.
	Pause LogNormal `json:"pause,omitzero"`
}

// Track says which event a step tracks.
type Track struct {
	// Kind is page_view, click, purchase, conversion or custom. Empty means that
	// nothing is tracked.
	Kind strata.Kind `json:"kind,omitempty"`

	// Name is the page, the click's target, the goal or the custom event's name.
	// Required for all but purchases, which have none.
	Name string `json:"name,omitempty"`

	// Value of a conversion or custom event.
	Value float64 `json:"value,omitempty"`
}

// IsZero reports whether nothing is tracked.
func (t Track) IsZero() bool { return t == Track{} }

// Transition leads from one state to another, or back to the same.
type Transition struct {
	To string `json:"to"`

	// Weight is how often this transition is taken, relative to the sum of those
	// of the state. It is above 0.
	Weight float64 `json:"weight"`
}

// LogNormal is a time that is log-normally distributed: half of all are shorter
// than Median, and the logarithm has the standard deviation Sigma. Sigma 0 means
// that all are the same.
type LogNormal struct {
	Median strata.Duration `json:"median"`
	Sigma  float64         `json:"sigma,omitempty"`
}

// IsZero reports whether nothing is said.
func (l LogNormal) IsZero() bool { return l == LogNormal{} }

// Baskets are what purchases are worth.
type Baskets struct {
	// Currency has three capital letters. Empty means EUR.
	Currency string `json:"currency,omitempty"`

	// Median is what half of the baskets are worth less than, before any
	// discount, in minor units: 45_00 is 45 euros. Sigma is the standard deviation
	// of the logarithm. A basket is worth at least one minor unit.
	Median float64 `json:"median,omitempty"`
	Sigma  float64 `json:"sigma,omitempty"`

	// Taste is which part of the logarithm's variance is the visitor's own, from 0
	// to 1: at 0.5 half of what baskets differ by is the same in all baskets of a
	// visitor. What somebody bought before then tells what they will buy.
	Taste float64 `json:"taste,omitempty"`

	// Discounts is the share of baskets that get a discount, and Discount the
	// part of the basket that is taken off, from 0 to below 1.
	Discounts float64 `json:"discounts,omitempty"`
	Discount  float64 `json:"discount,omitempty"`

	// Pieces is the mean number of pieces in a basket, at least 1 (one, and a
	// Poisson number of further ones). Zero means that purchases list no items.
	Pieces float64 `json:"pieces,omitempty"`
}

// Returns say who comes back.
type Returns struct {
	// Chance is the chance that a visit is followed by another one, from 0 to
	// below 1.
	Chance float64 `json:"chance,omitempty"`

	// Gap is the time from the end of a visit to the next one. It is required
	// where somebody comes back.
	Gap LogNormal `json:"gap,omitzero"`

	// Soon is the part of all returns, from 0 to 1, that come after SoonGap in
	// place of Gap: something was forgotten.
	Soon    float64   `json:"soon,omitempty"`
	SoonGap LogNormal `json:"soon_gap,omitzero"`
}

// Devices say on what visitors come, and whether they are known.
type Devices struct {
	// Shares are the relative numbers of visitors with one device, with two, and
	// so on, at most 8. Empty means that all have one.
	Shares []float64 `json:"shares,omitempty"`

	// Switch is the chance that a visitor with several devices comes back on
	// another one than the last, from 0 to 1.
	Switch float64 `json:"switch,omitempty"`

	// Accounts is the share of visitors who have an account, and so a user id once
	// they log in. See State.Login for when.
	Accounts float64 `json:"accounts,omitempty"`

	// Remembered is the chance that a visit begins logged in, on a device on which
	// the visitor has logged in before.
	Remembered float64 `json:"remembered,omitempty"`
}

// Seasons say when visitors come. Times are UTC. First visits follow both; of
// returns the hour does, where they are a day or more away, and quiet days are
// mostly avoided.
type Seasons struct {
	// Hours are the relative numbers of visits in the 24 hours of a day. Empty
	// means that all are the same.
	Hours []float64 `json:"hours,omitempty"`

	// Weekdays are the relative numbers of visits on the 7 days of a week, from
	// Sunday on, as [time.Weekday] counts. Empty means that all are the same.
	Weekdays []float64 `json:"weekdays,omitempty"`
}

// Heavy are the visitors who come more often and buy more than others.
type Heavy struct {
	// Share of all visitors, from 0 to 1.
	Share float64 `json:"share,omitempty"`

	// Chance that a visit is followed by another one, in place of Returns.Chance.
	Chance float64 `json:"chance,omitempty"`

	// Gap multiplies the time until then, and Basket what baskets are worth. Zero
	// means 1.
	Gap    float64 `json:"gap,omitempty"`
	Basket float64 `json:"basket,omitempty"`
}

// Bots are visitors that are programs. They never log in and never buy: no
// transition takes them to a state that tracks a purchase.
type Bots struct {
	// Share of all visitors, from 0 to 1.
	Share float64 `json:"share,omitempty"`

	// Chance that a visit is followed by another one, in place of Returns.Chance.
	Chance float64 `json:"chance,omitempty"`

	// Pace multiplies the time between steps. Linger divides the weight of
	// transitions that end the visit. Zero means 1.
	Pace   float64 `json:"pace,omitempty"`
	Linger float64 `json:"linger,omitempty"`
}

// Attribute is something that is known of a unit, for audiences and breakdowns.
type Attribute struct {
	Name string `json:"name"`

	// Of says what the value belongs to: "visitor" (also when empty), or "device"
	// for what each device of a visitor has its own of.
	Of string `json:"of,omitempty"`

	Values []AttributeValue `json:"values"`
}

// AttributeValue is a value with its relative frequency, above 0.
type AttributeValue struct {
	Value  any     `json:"value"` // a string, a bool or a number
	Weight float64 `json:"weight"`
}

// maxModelBytes bounds the JSON form of a model.
const maxModelBytes = 16 << 20

// ParseModel reads the JSON form of a model and validates it. It is strict: an
// unknown field, a field given twice and text after the document are errors. All
// problems of a kind are reported at once, in a [ModelError].
func ParseModel(data []byte) (*Model, error) {
	if len(data) > maxModelBytes {
		return nil, fmt.Errorf("%w: the document has %d bytes, the limit is %d", ErrInvalidModel, len(data), maxModelBytes)
	}
	m := new(Model)
	var list problems
	for _, p := range strictjson.Check(data, *m) {
		list.report(p.Path, nil, "%s", p.Cure)
	}
	if len(list) > 0 {
		return nil, &ModelError{Problems: list}
	}
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidModel, err)
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return m, nil
}

// clone copies what a traffic needs once its states are compiled.
func (m *Model) clone() Model {
	c := *m
	c.States = nil
	c.Attributes = slices.Clone(m.Attributes)
	for i := range c.Attributes {
		c.Attributes[i].Values = slices.Clone(c.Attributes[i].Values)
	}
	return c
}

// state returns the index of the state with that key, or -1.
func (m *Model) state(key string) int {
	for i := range m.States {
		if m.States[i].Key == key {
			return i
		}
	}
	return -1
}

// orOne is a factor of which zero means that nothing changes.
func orOne(factor float64) float64 {
	if factor == 0 {
		return 1
	}
	return factor
}

// pause is the time that a state takes.
func (s *State) pause() LogNormal {
	if s.Pause.IsZero() {
		return LogNormal{Median: strata.Duration(time.Second)}
	}
	return s.Pause
}
