package oracle

import (
	"fmt"
	"time"

	"github.com/strataxp/strata"
)

// event is what every event has.
type event struct {
	kind strata.Kind
	name string // page, click target, goal or custom name; a purchase has none
	at   time.Time
}

// read returns what an event is. It panics on a type that there is not.
func read(e strata.Event) event {
	switch e := e.(type) {
	case strata.Exposure:
		return event{strata.KindExposure, "", e.Time}
	case strata.PageView:
		return event{strata.KindPageView, e.Page, e.Time}
	case strata.Click:
		return event{strata.KindClick, e.Target, e.Time}
	case strata.Purchase:
		return event{strata.KindPurchase, "", e.Time}
	case strata.Conversion:
		return event{strata.KindConversion, e.Goal, e.Time}
	case strata.Custom:
		return event{strata.KindCustom, e.EventName, e.Time}
	}
	panic(fmt.Sprintf("oracle: no such type of event: %T", e))
}

func kindOf(e strata.Event) strata.Kind { return read(e).kind }
func nameOf(e strata.Event) string      { return read(e).name }
func timeOf(e strata.Event) time.Time   { return read(e).at }
