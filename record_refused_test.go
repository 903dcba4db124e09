package strata_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
)

func TestRecordsThatNoReportCouldUse(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	user := strata.Unit{User: "ada"}
	at := now.AddDate(-20, 0, 0)
	exposure := strata.Exposure{Time: at, Experiment: "e", Treatment: "a", Diversion: strata.ByUser, Bucket: -1}
	with := func(change func(*strata.Exposure)) strata.Exposure {
		x := exposure
		change(&x)
		return x
	}
	for name, test := range map[string]struct {
		unit  strata.Unit
		event strata.Event
		field string // "" for a good record
	}{
		"view":              {user, strata.PageView{Time: at, Page: "/"}, ""},
		"exposure":          {user, exposure, ""},
		"a day ahead":       {user, strata.Click{Time: now.Add(24 * time.Hour), Target: "x"}, ""},
		"two days ahead":    {user, strata.Click{Time: now.Add(48 * time.Hour), Target: "x"}, "Time"},
		"before 2000":       {user, strata.Click{Time: time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC), Target: "x"}, "Time"},
		"no time":           {user, strata.PageView{Page: "/"}, "Time"},
		"no unit":           {strata.Unit{}, strata.PageView{Time: at, Page: "/"}, "Unit"},
		"no event":          {user, nil, "Event"},
		"a pointer":         {user, &strata.PageView{Time: at, Page: "/"}, "Event"},
		"no page":           {user, strata.PageView{Time: at}, "Page"},
		"NUL":               {user, strata.PageView{Time: at, Page: "a\x00"}, "Page"},
		"not finite":        {user, strata.Custom{Time: at, EventName: "x", Value: math.NaN()}, "Value"},
		"no currency":       {user, strata.Purchase{Time: at, OrderID: "1", Total: 1}, "Currency"},
		"no experiment":     {user, with(func(x *strata.Exposure) { x.Experiment = "" }), "Experiment"},
		"no treatment":      {user, with(func(x *strata.Exposure) { x.Treatment = "" }), "Treatment"},
		"negative phase":    {user, with(func(x *strata.Exposure) { x.Phase = -1 }), "Phase"},
		"bucket":            {user, with(func(x *strata.Exposure) { x.Bucket = 10_000 }), "Bucket"},
		"no diversion":      {user, with(func(x *strata.Exposure) { x.Diversion = "" }), "Diversion"},
		"no id":             {user, with(func(x *strata.Exposure) { x.Diversion = strata.ByDevice }), "Unit"},
		"exposure, no time": {user, with(func(x *strata.Exposure) { x.Time = time.Time{} }), "Time"},
		"attribute":         {user, with(func(x *strata.Exposure) { x.Attributes = map[string]string{"a": strings.Repeat("x", 100_000)} }), "Attributes"},
	} {
		t.Run(name, func(t *testing.T) {
			err := strata.CheckRecord(&strata.Record{Unit: test.unit, Event: test.event}, now)
			if test.field == "" {
				require.NoError(t, err)
				return
			}
			var bad *strata.EventError
			require.ErrorAs(t, err, &bad)
			require.ErrorIs(t, err, strata.ErrInvalidEvent)
			require.Equal(t, test.field, bad.Field)
		})
	}
}

func TestCheckRecordDoesNotAllocate(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, event := range []strata.Event{
		strata.PageView{Time: now, Page: "/"},
		strata.Purchase{Time: now, OrderID: "1", Total: 1, Currency: "EUR"},
		strata.Exposure{Time: now, Experiment: "e", Treatment: "a", Diversion: strata.ByUser, Attributes: map[string]string{"a": "b"}},
	} {
		r := &strata.Record{Unit: strata.Unit{User: "ada"}, Event: event}
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if err := strata.CheckRecord(r, now); err != nil {
				t.Fatal(err)
			}
		}), "%T", event)
	}
}
