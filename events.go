package strata

import (
	"fmt"
	"math"
	"time"
	"unicode/utf8"
)

// Kind is the kind of an event.
type Kind string

// The kinds of events. Exposures are events too, recorded by reading and by
// [Engine.RecordExposure].
const (
	KindExposure   Kind = "exposure"
	KindPageView   Kind = "page_view"
	KindClick      Kind = "click"
	KindPurchase   Kind = "purchase"
	KindConversion Kind = "conversion"
	KindCustom     Kind = "custom"
)

// Event is one of [PageView], [Click], [Purchase], [Conversion] and [Custom], or,
// in what a store receives, an [Exposure].
//
// Every event has a Time: when it happened, zero meaning now. Times are kept in
// microseconds, and refused before 2000 and more than a day ahead.
type Event interface {
	// Kind returns the event's kind.
	Kind() Kind

	// Name returns what a [Measure] selects by within the kind: the page, the
	// target, the goal or the name. Purchases and exposures have none.
	Name() string

	// At returns the event's Time.
	At() time.Time
}

// PageView is a page or screen that the unit saw.
type PageView struct {
	Time     time.Time
	Page     string // required, at most 2,000 bytes: a path, a screen
	Referrer string // at most 2,000 bytes
}

// Click is a click or tap on something.
type Click struct {
	Time   time.Time
	Target string // required, at most 500 bytes: what was clicked
	Page   string // at most 2,000 bytes: where
}

// Purchase is an order. Money is integer minor units: 49_99 is 49.99 euros and
// 500 is 500 yen. An order counts once: stores drop a second purchase with the
// same Tenant and OrderID, so tracking it again on a reload is harmless. Track it
// with every id of the unit that experiments divert by, the first time: what is
// dropped adds nothing to what was stored. Where Time is given it must be exact: a
// time cut to the second may come before the exposure of the same second, and
// does not count. A
// refund is a purchase with a negative Total and an OrderID of its own.
type Purchase struct {
	Time     time.Time
	OrderID  string // required, at most 200 bytes, unique within the tenant
	Total    int64  // what was paid, discount taken off, in minor units; at most ±10¹⁵
	Discount int64  // what was taken off, in minor units; 0 … 10¹⁵
	Currency string // required: three capital letters (ISO 4217)
	Items    []Item // at most 500
}

// Item is a line of a [Purchase].
type Item struct {
	SKU      string // required, at most 200 bytes
	Quantity int64  // not 0; negative when it was returned; at most ±10⁹
	Price    int64  // of one piece, in minor units of the purchase; at most ±10¹⁵
}

// Conversion is a goal that the unit reached: signed up, subscribed.
type Conversion struct {
	Time  time.Time
	Goal  string  // required, at most 200 bytes
	Value float64 // finite, at most ±10¹⁵
}

// Custom is any other event.
type Custom struct {
	Time       time.Time
	EventName  string         // required, at most 200 bytes
	Value      float64        // finite, at most ±10¹⁵
	Properties map[string]any // at most 50 strings (1,000 bytes each), bools, integers, finite floats
}

// Kind returns KindPageView.
func (PageView) Kind() Kind { return KindPageView }

// Kind returns KindClick.
func (Click) Kind() Kind { return KindClick }

// Kind returns KindPurchase.
func (Purchase) Kind() Kind { return KindPurchase }

// Kind returns KindConversion.
func (Conversion) Kind() Kind { return KindConversion }

// Kind returns KindCustom.
func (Custom) Kind() Kind { return KindCustom }

// Name returns the page.
func (e PageView) Name() string { return e.Page }

// Name returns the target.
func (e Click) Name() string { return e.Target }

// Name returns "".
func (Purchase) Name() string { return "" }

// Name returns the goal.
func (e Conversion) Name() string { return e.Goal }

// Name returns the event's name.
func (e Custom) Name() string { return e.EventName }

// At returns when the page was seen.
func (e PageView) At() time.Time { return e.Time }

// At returns when the click happened.
func (e Click) At() time.Time { return e.Time }

// At returns when the order was placed.
func (e Purchase) At() time.Time { return e.Time }

// At returns when the goal was reached.
func (e Conversion) At() time.Time { return e.Time }

// At returns when it happened.
func (e Custom) At() time.Time { return e.Time }

// Exposure is the fact that a unit met its treatment. Stores keep one for each
// (experiment, phase, unit): the first wins, and a second treatment is a
// contradiction. Applications do not track it; see [Assignment.Treatment] and
// [Engine.RecordExposure].
type Exposure struct {
	Time       time.Time
	Experiment string
	Phase      int
	Treatment  string
	Diversion  Diversion // which of the unit's ids is the unit of analysis
	Bucket     int       // in the experiment's layer; -1 where none was drawn
	Hash       uint64    // of the unit's id, as bucket.go specifies; 0 with Bucket -1
	Version    int64     // of the plan that assigned
	External   bool      // recorded by RecordExposure

	// Attributes are what the unit said of itself when it was exposed: those
	// of [Analysis.Breakdowns], as text. Of several exposures of a unit those
	// of the earliest count; of several at that instant, for each attribute
	// the value that is last in the order of bytes. Nil where there are none.
	Attributes map[string]string
}

// Kind returns KindExposure.
func (Exposure) Kind() Kind { return KindExposure }

// Name returns "".
func (Exposure) Name() string { return "" }

// At returns when the unit met its treatment.
func (e Exposure) At() time.Time { return e.Time }

// Limits on what an event may hold.
const (
	maxIDBytes       = 500
	maxNameBytes     = 200
	maxTargetBytes   = 500
	maxPageBytes     = 2_000
	maxItems         = 500
	maxProperties    = 50
	maxPropertyBytes = 1_000
	maxMoney         = 1_000_000_000_000_000
	maxQuantity      = 1_000_000_000
	maxValue         = 1e15
	maxFuture        = 24 * time.Hour
)

// earliestEvent is the first time that an event may have; anything before is a
// clock that was never set.
var earliestEvent = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func refuse(field string, v any, format string, args ...any) error {
	return &EventError{Field: field, Value: v, Cure: fmt.Sprintf(format, args...)}
}

// checkUnit refuses units that no store could keep or join.
func checkUnit(u *Unit) error {
	if u.User == "" && u.Device == "" && u.Session == "" && u.Tenant == "" && u.Request == "" {
		return refuse("Unit", "", "has no id; give at least one of User, Device, Session, Tenant, Request")
	}
	for _, id := range [...]struct{ field, value string }{
		{"Unit.User", u.User}, {"Unit.Device", u.Device}, {"Unit.Session", u.Session}, {"Unit.Tenant", u.Tenant}, {"Unit.Request", u.Request},
	} {
		if err := checkText(id.field, id.value, maxIDBytes, false); err != nil {
			return err
		}
	}
	return nil
}

// checkText refuses what Postgres cannot store: text that is not UTF-8, or holds
// NUL. It must stay free of allocation for good input.
func checkText(field, s string, limit int, required bool) error {
	switch {
	case s == "" && required:
		return refuse(field, s, "is required")
	case len(s) > limit:
		return refuse(field, s, "has %d bytes, the limit is %d", len(s), limit)
	case !utf8.ValidString(s):
		return refuse(field, s, "is not valid UTF-8")
	}
	for i := 0; i < len(s); i++ {
		if s[i] == 0 {
			return refuse(field, s, "holds a NUL byte")
		}
	}
	return nil
}

func checkTime(t, now time.Time) error {
	if t.IsZero() {
		return nil
	}
	if t.Before(earliestEvent) || t.After(now.Add(maxFuture)) {
		return refuse("Time", t, "must lie between %d and a day from now; leave it zero for now", earliestEvent.Year())
	}
	return nil
}

func checkFinite(field string, f float64) error {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return refuse(field, f, "must be a finite number")
	}
	return nil
}

// checkValue bounds values that are added up: their squares must fit.
func checkValue(f float64) error {
	if err := checkFinite("Value", f); err != nil {
		return err
	}
	if math.Abs(f) > maxValue {
		return refuse("Value", f, "must lie between ±%g", float64(maxValue))
	}
	return nil
}

func checkRange(field string, v, low, high int64) error {
	if v < low || v > high {
		return refuse(field, v, "must lie between %d and %d", low, high)
	}
	return nil
}

func (e *PageView) check() error {
	return first(checkText("Page", e.Page, maxPageBytes, true), checkText("Referrer", e.Referrer, maxPageBytes, false))
}

func (e *Click) check() error {
	return first(checkText("Target", e.Target, maxTargetBytes, true), checkText("Page", e.Page, maxPageBytes, false))
}

func (e *Conversion) check() error {
	return first(checkText("Goal", e.Goal, maxNameBytes, true), checkValue(e.Value))
}

func (e *Purchase) check() error {
	err := first(
		checkText("OrderID", e.OrderID, maxNameBytes, true),
		checkRange("Total", e.Total, -maxMoney, maxMoney),
		checkRange("Discount", e.Discount, 0, maxMoney),
	)
	switch {
	case err != nil:
		return err
	case !validCurrency(e.Currency):
		return refuse("Currency", e.Currency, "use three capital letters, such as EUR")
	case len(e.Items) > maxItems:
		return refuse("Items", len(e.Items), "the limit is %d", maxItems)
	}
	for i := range e.Items {
		if err := e.Items[i].check(i); err != nil {
			return err
		}
	}
	return nil
}

func (it *Item) check(i int) error {
	if it.SKU == "" || len(it.SKU) > maxNameBytes || it.Quantity == 0 {
		return refuse(fmt.Sprintf("Items[%d]", i), *it, "needs a SKU of at most %d bytes and a Quantity other than 0", maxNameBytes)
	}
	return first(
		checkText("Items.SKU", it.SKU, maxNameBytes, true),
		checkRange("Items.Quantity", it.Quantity, -maxQuantity, maxQuantity),
		checkRange("Items.Price", it.Price, -maxMoney, maxMoney),
	)
}

func (e *Custom) check() error {
	if err := first(checkText("EventName", e.EventName, maxNameBytes, true), checkValue(e.Value)); err != nil {
		return err
	}
	if len(e.Properties) > maxProperties {
		return refuse("Properties", len(e.Properties), "the limit is %d", maxProperties)
	}
	for key, v := range e.Properties {
		if err := checkProperty(key, v); err != nil {
			return err
		}
	}
	return nil
}

func checkProperty(key string, v any) error {
	if err := checkText("Properties", key, maxNameBytes, true); err != nil {
		return err
	}
	field := "Properties[" + key + "]"
	switch v := v.(type) {
	case string:
		return checkText(field, v, maxPropertyBytes, false)
	case bool, int, int64:
		return nil
	case float64:
		return checkFinite(field, v)
	default:
		return refuse(field, v, "use a string, bool, int, int64 or float64, not a %T", v)
	}
}

// first returns the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
