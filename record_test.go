package strata_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
)

func TestCheckRecord(t *testing.T) {
	now := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	ada := strata.Unit{User: "ada"}
	exposure := func(change func(*strata.Exposure)) strata.Event {
		x := strata.Exposure{Time: now, Experiment: "e", Treatment: "t", Diversion: strata.ByUser, Bucket: -1}
		change(&x)
		return x
	}
	for field, r := range map[string]strata.Record{
		"":           {Unit: ada, Event: exposure(func(x *strata.Exposure) { x.Attributes = map[string]string{"country": "", "plan": "ü"} })},
		"Time":       {Unit: ada, Event: strata.PageView{Page: "/"}},
		"Time ":      {Unit: ada, Event: exposure(func(x *strata.Exposure) { x.Time = now.AddDate(0, 0, 2) })},
		"Page":       {Unit: ada, Event: strata.PageView{Time: now}},
		"Event":      {Unit: ada},
		"Unit":       {Event: strata.PageView{Time: now, Page: "/"}},
		"Unit ":      {Unit: strata.Unit{Device: "d"}, Event: exposure(func(*strata.Exposure) {})},
		"Unit.User":  {Unit: strata.Unit{User: "\x00"}, Event: exposure(func(*strata.Exposure) {})},
		"Experiment": {Unit: ada, Event: exposure(func(x *strata.Exposure) { x.Experiment = "" })},
		"Treatment":  {Unit: ada, Event: exposure(func(x *strata.Exposure) { x.Treatment = strings.Repeat("t", 101) })},
		"Phase":      {Unit: ada, Event: exposure(func(x *strata.Exposure) { x.Phase = -1 })},
		"Bucket":     {Unit: ada, Event: exposure(func(x *strata.Exposure) { x.Bucket = strata.NumBuckets })},
		"Version":    {Unit: ada, Event: exposure(func(x *strata.Exposure) { x.Version = -1 })},
		"Diversion":  {Unit: ada, Event: exposure(func(x *strata.Exposure) { x.Diversion = "" })},
		"Attributes": {Unit: ada, Event: exposure(func(x *strata.Exposure) { x.Attributes = map[string]string{"": "x"} })},
	} {
		err := strata.CheckRecord(&r, now)
		if field == "" {
			require.NoError(t, err)
			continue
		}
		var refused *strata.EventError
		require.ErrorAs(t, err, &refused, field)
		require.Equal(t, strings.TrimSpace(field), refused.Field)
		require.ErrorIs(t, err, strata.ErrInvalidEvent)
	}
}
