package strata_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/memstore"
)

// Bad input is refused with an error that names the field, and is counted.
func TestTrackRefusesBadInput(t *testing.T) {
	eng := open(t, memstore.New(), strata.Config{})
	good := strata.Unit{User: "ada"}
	purchase := func(change func(*strata.Purchase)) strata.Event {
		p := strata.Purchase{OrderID: "o", Total: 1, Currency: "EUR"}
		change(&p)
		return p
	}
	custom := func(key string, v any) strata.Event {
		return strata.Custom{EventName: "x", Properties: map[string]any{key: v}}
	}
	many := make(map[string]any)
	for i := range 51 {
		many[strings.Repeat("k", i+1)] = 1
	}
	for name, c := range map[string]struct {
		unit  strata.Unit
		event strata.Event
		field string
	}{
		"no id":                {strata.Unit{}, strata.PageView{Page: "/"}, "Unit"},
		"invalid UTF-8 id":     {strata.Unit{User: "\xff"}, strata.PageView{Page: "/"}, "Unit.User"},
		"NUL in id":            {strata.Unit{Device: "a\x00b"}, strata.PageView{Page: "/"}, "Unit.Device"},
		"long id":              {strata.Unit{Session: strings.Repeat("s", 501)}, strata.PageView{Page: "/"}, "Unit.Session"},
		"nil event":            {good, nil, "Event"},
		"pointer":              {good, &strata.PageView{Page: "/"}, "Event"},
		"exposure":             {good, strata.Exposure{}, "Event"},
		"no page":              {good, strata.PageView{}, "Page"},
		"long page":            {good, strata.PageView{Page: strings.Repeat("p", 2001)}, "Page"},
		"NUL in referrer":      {good, strata.PageView{Page: "/", Referrer: "\x00"}, "Referrer"},
		"no target":            {good, strata.Click{}, "Target"},
		"no goal":              {good, strata.Conversion{}, "Goal"},
		"NaN":                  {good, strata.Conversion{Goal: "g", Value: math.NaN()}, "Value"},
		"infinity":             {good, strata.Custom{EventName: "x", Value: math.Inf(-1)}, "Value"},
		"absurd value":         {good, strata.Custom{EventName: "x", Value: 1e200}, "Value"},
		"no name":              {good, strata.Custom{}, "EventName"},
		"1999":                 {good, strata.PageView{Page: "/", Time: time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC)}, "Time"},
		"year 300000":          {good, strata.PageView{Page: "/", Time: time.Date(300000, 1, 1, 0, 0, 0, 0, time.UTC)}, "Time"},
		"in two days":          {good, strata.PageView{Page: "/", Time: time.Now().Add(48 * time.Hour)}, "Time"},
		"no order id":          {good, purchase(func(p *strata.Purchase) { p.OrderID = "" }), "OrderID"},
		"no currency":          {good, purchase(func(p *strata.Purchase) { p.Currency = "" }), "Currency"},
		"small currency":       {good, purchase(func(p *strata.Purchase) { p.Currency = "eur" }), "Currency"},
		"currency sign":        {good, purchase(func(p *strata.Purchase) { p.Currency = "€" }), "Currency"},
		"absurd total":         {good, purchase(func(p *strata.Purchase) { p.Total = math.MaxInt64 }), "Total"},
		"negative discount":    {good, purchase(func(p *strata.Purchase) { p.Discount = -1 }), "Discount"},
		"too many items":       {good, purchase(func(p *strata.Purchase) { p.Items = make([]strata.Item, 501) }), "Items"},
		"item without SKU":     {good, purchase(func(p *strata.Purchase) { p.Items = []strata.Item{{Quantity: 1}} }), "Items[0]"},
		"item without number":  {good, purchase(func(p *strata.Purchase) { p.Items = []strata.Item{{SKU: "s"}} }), "Items[0]"},
		"item at a high price": {good, purchase(func(p *strata.Purchase) { p.Items = []strata.Item{{SKU: "s", Quantity: 1, Price: 1 << 62}} }), "Items.Price"},
		"nested property":      {good, custom("k", []int{1}), "Properties[k]"},
		"NaN property":         {good, custom("k", math.NaN()), "Properties[k]"},
		"NUL in a property":    {good, custom("k", "\x00"), "Properties[k]"},
		"empty property key":   {good, custom("", 1), "Properties"},
		"many properties":      {good, strata.Custom{EventName: "x", Properties: many}, "Properties"},
	} {
		t.Run(name, func(t *testing.T) {
			err := eng.Track(c.unit, c.event)
			require.ErrorIs(t, err, strata.ErrInvalidEvent)
			var refused *strata.EventError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, c.field, refused.Field)
			require.NotEmpty(t, refused.Cure)
			require.Less(t, len(err.Error()), 300, "messages stay short when the input is not")
		})
	}
	require.Positive(t, eng.Status().Refused[strata.KindPurchase].Invalid)
	require.Zero(t, eng.Status().Unwritten)
}

// Everything that the documentation allows comes out of the buffer as it went
// in, and what the caller does to its memory afterwards changes nothing.
func TestEventsArriveAsTheyWereTracked(t *testing.T) {
	store := newFaulty()
	var got []strata.Record
	store.onIngest(func(_ context.Context, b strata.Batch, _ func() error) error {
		got = append(got, b.Records...)
		return nil
	})
	eng := open(t, store, strata.Config{FlushInterval: -1})
	unit := strata.Unit{User: "ada", Device: "d", Session: "s", Tenant: "t", Request: "r", Attributes: map[string]any{"a": 1}}
	at := time.Date(2026, 2, 3, 4, 5, 6, 7_000, time.FixedZone("x", 3600))
	items := []strata.Item{{SKU: "a", Quantity: -2, Price: -1}, {SKU: "b", Quantity: 1 << 20, Price: 1 << 40}}
	properties := map[string]any{"s": "ü", "b": true, "i": 3, "j": int64(-4), "f": 1.5, "no": false}
	events := []strata.Event{
		strata.PageView{Time: at, Page: "/ü", Referrer: "https://x"},
		strata.Click{Time: at, Target: "buy", Page: "/"},
		strata.Purchase{Time: at, OrderID: "o", Total: -5, Discount: 1 << 49, Currency: "JPY", Items: items},
		strata.Conversion{Time: at, Goal: "g", Value: -1e15},
		strata.Custom{Time: at, EventName: "c", Value: 5e-324, Properties: properties},
	}
	for _, e := range events {
		require.NoError(t, eng.Track(unit, e))
	}
	items[0].SKU, properties["s"] = "changed", "changed"
	flush(t, eng)

	require.Len(t, got, len(events))
	wantUnit := unit
	wantUnit.Attributes = nil
	for _, r := range got {
		require.Equal(t, wantUnit, r.Unit)
		require.Equal(t, at.UTC(), r.Event.At())
		require.Equal(t, time.UTC, r.Event.At().Location())
	}
	require.Equal(t, strata.Purchase{Time: at.UTC(), OrderID: "o", Total: -5, Discount: 1 << 49, Currency: "JPY",
		Items: []strata.Item{{SKU: "a", Quantity: -2, Price: -1}, {SKU: "b", Quantity: 1 << 20, Price: 1 << 40}}}, got[2].Event)
	require.Equal(t, strata.Conversion{Time: at.UTC(), Goal: "g", Value: -1e15}, got[3].Event)
	require.Equal(t, map[string]any{"s": "ü", "b": true, "i": int64(3), "j": int64(-4), "f": 1.5, "no": false}, got[4].Event.(strata.Custom).Properties)
}

func TestTrackDoesNotAllocate(t *testing.T) {
	eng := benchEngine(t, benchPlan(1, ""))
	a := eng.Assign(user(1))
	a.Treatment("exp-0")
	n := testing.AllocsPerRun(2000, func() {
		_ = a.Track(strata.Purchase{OrderID: "o", Total: 1, Currency: "EUR"})
	})
	require.LessOrEqual(t, n, 1.0)
}
