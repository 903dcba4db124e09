package pgstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/strataxp/strata"
)

// outboxRecord is an event as the outbox holds it: nothing of it is rounded.
type outboxRecord struct {
	Kind     strata.Kind   `json:"kind"`
	Time     time.Time     `json:"time"`
	Unit     outboxUnit    `json:"unit"`
	Name     string        `json:"name,omitempty"` // page, target, goal or name of the event
	Page     string        `json:"page,omitempty"` // of a click
	Referrer string        `json:"referrer,omitempty"`
	OrderID  string        `json:"order_id,omitempty"`
	Total    int64         `json:"total,omitempty"`
	Discount int64         `json:"discount,omitempty"`
	Currency string        `json:"currency,omitempty"`
	Items    []itemDetails `json:"items,omitempty"`
	Value    *float64      `json:"value,omitempty"`

	Properties map[string]any `json:"properties,omitempty"`
}

type outboxUnit struct {
	User    string `json:"user,omitempty"`
	Device  string `json:"device,omitempty"`
	Session string `json:"session,omitempty"`
	Tenant  string `json:"tenant,omitempty"`
	Request string `json:"request,omitempty"`
}

func newOutboxUnit(u strata.Unit) outboxUnit {
	return outboxUnit{u.User, u.Device, u.Session, u.Tenant, u.Request}
}

// newOutboxRecord fails for what applications do not track.
func newOutboxRecord(u *strata.Unit, event strata.Event, now time.Time) (*outboxRecord, error) {
	r := outboxRecord{Time: now, Unit: newOutboxUnit(*u)}
	switch e := event.(type) {
	case strata.PageView:
		r.Name, r.Referrer = e.Page, e.Referrer
	case strata.Click:
		r.Name, r.Page = e.Target, e.Page
	case strata.Purchase:
		r.OrderID, r.Total, r.Discount, r.Currency = e.OrderID, e.Total, e.Discount, e.Currency
		for _, item := range e.Items {
			r.Items = append(r.Items, itemDetails(item))
		}
	case strata.Conversion:
		r.Name, r.Value = e.Goal, &e.Value
	case strata.Custom:
		r.Name, r.Value, r.Properties = e.EventName, &e.Value, e.Properties
	default:
		return nil, &strata.EventError{Field: "Event", Value: fmt.Sprintf("%T", event), Cure: "pass a PageView, Click, Purchase, Conversion or Custom by value"}
	}
	r.Kind = event.Kind()
	if at := event.At(); !at.IsZero() {
		r.Time = at
	}
	r.Time = r.Time.Truncate(time.Microsecond).UTC()
	return &r, nil
}

// record returns what a store receives.
func (r *outboxRecord) record() (strata.Record, error) {
	record := strata.Record{Unit: strata.Unit{User: r.Unit.User, Device: r.Unit.Device, Session: r.Unit.Session, Tenant: r.Unit.Tenant, Request: r.Unit.Request}}
	var value float64
	if r.Value != nil {
		value = *r.Value
	}
	at := r.Time.Truncate(time.Microsecond).UTC()
	switch r.Kind {
	case strata.KindPageView:
		record.Event = strata.PageView{Time: at, Page: r.Name, Referrer: r.Referrer}
	case strata.KindClick:
		record.Event = strata.Click{Time: at, Target: r.Name, Page: r.Page}
	case strata.KindPurchase:
		p := strata.Purchase{Time: at, OrderID: r.OrderID, Total: r.Total, Discount: r.Discount, Currency: r.Currency}
		for _, item := range r.Items {
			p.Items = append(p.Items, strata.Item(item))
		}
		record.Event = p
	case strata.KindConversion:
		record.Event = strata.Conversion{Time: at, Goal: r.Name, Value: value}
	case strata.KindCustom:
		record.Event = strata.Custom{Time: at, EventName: r.Name, Value: value, Properties: r.Properties}
	default:
		return strata.Record{}, fmt.Errorf("%w: kind %q", errUnstorable, r.Kind)
	}
	return record, nil
}

// decodeOutbox reads what TrackTx wrote. A field that it does not know, as a
// newer program may write, makes the event unreadable rather than poorer.
func decodeOutbox(document []byte) (strata.Record, error) {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	d.DisallowUnknownFields()
	var r outboxRecord
	if err := d.Decode(&r); err != nil {
		return strata.Record{}, err
	}
	if err := restoreNumbers(r.Properties); err != nil {
		return strata.Record{}, err
	}
	return r.record()
}

// restoreNumbers gives properties the types that they had: a number is an
// integer where it is written as one and fits, for then it is written so again.
func restoreNumbers(properties map[string]any) error {
	for key, v := range properties {
		number, ok := v.(json.Number)
		if !ok {
			continue
		}
		if i, err := strconv.ParseInt(number.String(), 10, 64); err == nil {
			properties[key] = i
			continue
		}
		f, err := number.Float64()
		if err != nil {
			return err
		}
		properties[key] = f
	}
	return nil
}
