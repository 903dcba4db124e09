package strata_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
	_ "time/tzdata" // a machine may have no zones

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/memstore"
)

// Reference cases of methods that are about events. The others are run in
// package stats, which says what they are.
var eventCases = map[string]func(*testing.T, json.RawMessage) any{
	"attribution":  runAttribution,
	"day_buckets":  runDayBuckets,
	"funnel":       runFunnel,
	"funnel_rates": runFunnelRates,
}

func TestReferenceCasesOfEvents(t *testing.T) {
	dir := os.Getenv("STRATA_CASES")
	if dir == "" {
		dir = filepath.Join("..", "shared", "cases")
	}
	data, err := os.ReadFile(filepath.Join(dir, "stats.json"))
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("STRATA_CASES") == "" {
		t.Skipf("no reference cases: STRATA_CASES is not set and %s does not exist", dir)
	}
	require.NoError(t, err)
	var cases []struct {
		ID, Method       string
		Inputs, Expected json.RawMessage
	}
	require.NoError(t, json.Unmarshal(data, &cases))
	ran := map[string]bool{}
	for _, c := range cases {
		run := eventCases[c.Method]
		if run == nil {
			continue
		}
		ran[c.Method] = true
		t.Run(c.Method+"/"+c.ID, func(t *testing.T) {
			got, err := json.Marshal(run(t, c.Inputs))
			require.NoError(t, err)
			require.JSONEq(t, string(c.Expected), string(got))
		})
	}
	require.Len(t, ran, len(eventCases))
}

func decodeCase[T any](t *testing.T, data json.RawMessage) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal(data, &v))
	return v
}

// tuple reads a list of values of several types.
func tuple(t *testing.T, data []json.RawMessage, into ...any) {
	t.Helper()
	require.Len(t, data, len(into))
	for i := range into {
		require.NoError(t, json.Unmarshal(data[i], into[i]))
	}
}

func runAttribution(t *testing.T, data json.RawMessage) any {
	in := decodeCase[struct {
		Exposures, Events    [][]json.RawMessage
		WindowHours          float64 `json:"window_hours"`
		MultipleExposureRule string  `json:"multiple_exposure_rule"`
	}](t, data)
	require.Equal(t, "exclude", in.MultipleExposureRule)
	store := memstore.New()
	var records []strata.Record
	for _, x := range in.Exposures {
		var user, treatment string
		var at time.Time
		tuple(t, x, &user, &treatment, &at)
		records = append(records, strata.Record{Unit: strata.Unit{User: user}, Event: strata.Exposure{
			Time: at, Experiment: "e", Treatment: treatment, Diversion: strata.ByUser, Bucket: -1}})
	}
	for i, x := range in.Events {
		var user string
		var total int64
		var at time.Time
		tuple(t, x, &user, &total, &at)
		records = append(records, strata.Record{Unit: strata.Unit{User: user}, Event: strata.Purchase{
			Time: at, OrderID: fmt.Sprint(i), Total: total, Currency: "EUR"}})
	}
	require.NoError(t, store.Ingest(t.Context(), strata.Batch{Stream: strata.StreamID{1}, First: 1, Records: records}))
	m := strata.Metric{Key: "revenue", Type: strata.MetricSum, Window: strata.Duration(in.WindowHours * float64(time.Hour)),
		Measure: strata.Measure{Event: strata.KindPurchase, Value: strata.ValueTotal, Currency: "EUR"}}
	r, err := store.Results(t.Context(), strata.ResultsParams{Experiment: "e", Metrics: []strata.Metric{m}})
	require.NoError(t, err)
	out := map[string]any{"multiple_exposure_units": r.Contradictions}
	for treatment, x := range r.Treatments {
		m := x.Metrics["revenue"].Moments[0]
		n, mean := float64(m.N()), m.Mean(0)
		out[treatment] = map[string]any{"n": n, "sum": n * mean, "sum_squares": m.Comoment(0, 0) + n*mean*mean}
	}
	return out
}

func runDayBuckets(t *testing.T, data json.RawMessage) any {
	in := decodeCase[struct {
		Timestamps []time.Time
		Zones      []string
	}](t, data)
	out := map[string]any{}
	for _, name := range in.Zones {
		zone, err := time.LoadLocation(name)
		require.NoError(t, err)
		days := map[string]int{}
		for _, at := range in.Timestamps {
			days[strata.DayOf(at, zone).Format(time.DateOnly)]++
		}
		out[name] = days
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	day := strata.DayOf(time.Date(2025, 3, 30, 12, 0, 0, 0, berlin), berlin)
	out["berlin_2025_03_30_hours"] = strata.NextDay(day, berlin).Sub(day).Hours()
	return out
}

func runFunnel(t *testing.T, data json.RawMessage) any {
	in := decodeCase[struct {
		Exposure time.Time
		Steps    []struct {
			Name          string
			WindowMinutes float64 `json:"window_minutes"`
		}
		Events [][]json.RawMessage
	}](t, data)
	m := strata.Metric{Key: "f", Type: strata.MetricFunnel}
	for _, s := range in.Steps {
		m.Steps = append(m.Steps, strata.Step{Event: strata.KindCustom, Name: s.Name, Within: strata.Duration(s.WindowMinutes * float64(time.Minute))})
	}
	var events []strata.Record
	for _, x := range in.Events {
		var name string
		var at time.Time
		tuple(t, x, &name, &at)
		events = append(events, strata.Record{Event: strata.Custom{Time: at, EventName: name}})
	}
	totals := m.Evaluate(in.Exposure, events)
	out := map[string]any{}
	for i, s := range in.Steps {
		out[s.Name] = totals.Integers[i]
	}
	return out
}

// runFunnelRates reports a funnel of which so many units took each step.
func runFunnelRates(t *testing.T, data json.RawMessage) any {
	in := decodeCase[struct {
		Exposed    int
		StepCounts []int `json:"step_counts"`
	}](t, data)
	funnel := strata.Metric{Key: "path", Type: strata.MetricFunnel}
	for i := range in.StepCounts {
		funnel.Steps = append(funnel.Steps, strata.Step{Event: strata.KindCustom, Name: fmt.Sprint(i)})
	}
	plan := colorPlan(1)
	plan.Metrics = []strata.Metric{funnel}
	plan.Experiments[0].Metrics = []string{"path"}
	eng, store := opened(t, plan)
	var records []strata.Record
	at := time.Now()
	for i := range in.Exposed {
		u := user(i)
		records = append(records, strata.Record{Unit: u, Event: strata.Exposure{
			Time: at, Experiment: "cta-color", Treatment: "grey", Diversion: strata.ByUser, Bucket: -1}})
		for step, n := range in.StepCounts {
			if i < n {
				records = append(records, strata.Record{Unit: u, Event: strata.Custom{Time: at, EventName: fmt.Sprint(step)}})
			}
		}
	}
	require.NoError(t, store.Ingest(t.Context(), strata.Batch{Stream: strata.StreamID{1}, First: 1, Records: records}))
	var unconditional, conditional []float64
	for _, s := range report(t, eng, "cta-color").Funnels[0].Steps {
		unconditional = append(unconditional, s.Counts[0].Share)
		conditional = append(conditional, s.Counts[0].OfPrevious)
	}
	return map[string]any{"unconditional": unconditional, "conditional": conditional}
}

// A day begins with the first instant that has its date, and the next one where
// it ends, whatever is done to the clocks at midnight.
func TestDaysOfZonesWithOddMidnights(t *testing.T) {
	seed.OneGoroutine(t)
	for name, days := range map[string][2]time.Time{
		"America/Sao_Paulo":    {time.Date(2018, 11, 1, 0, 0, 0, 0, time.UTC), time.Date(2018, 11, 8, 0, 0, 0, 0, time.UTC)}, // no midnight
		"America/Havana":       {time.Date(2025, 3, 6, 0, 0, 0, 0, time.UTC), time.Date(2025, 3, 12, 0, 0, 0, 0, time.UTC)},
		"Africa/Cairo":         {time.Date(2024, 4, 24, 0, 0, 0, 0, time.UTC), time.Date(2024, 4, 29, 0, 0, 0, 0, time.UTC)},
		"Asia/Beirut":          {time.Date(2024, 3, 29, 0, 0, 0, 0, time.UTC), time.Date(2024, 4, 2, 0, 0, 0, 0, time.UTC)},
		"America/Asuncion":     {time.Date(2024, 3, 22, 0, 0, 0, 0, time.UTC), time.Date(2024, 3, 26, 0, 0, 0, 0, time.UTC)}, // midnight twice
		"Atlantic/Azores":      {time.Date(2024, 10, 25, 0, 0, 0, 0, time.UTC), time.Date(2024, 10, 29, 0, 0, 0, 0, time.UTC)},
		"Europe/Berlin":        {time.Date(2025, 3, 28, 0, 0, 0, 0, time.UTC), time.Date(2025, 4, 1, 0, 0, 0, 0, time.UTC)},
		"Asia/Kathmandu":       {time.Date(2025, 3, 28, 0, 0, 0, 0, time.UTC), time.Date(2025, 4, 1, 0, 0, 0, 0, time.UTC)},
		"Australia/Lord_Howe":  {time.Date(2025, 4, 4, 0, 0, 0, 0, time.UTC), time.Date(2025, 4, 8, 0, 0, 0, 0, time.UTC)}, // half an hour
		"America/Scoresbysund": {time.Date(2024, 3, 29, 0, 0, 0, 0, time.UTC), time.Date(2024, 4, 2, 0, 0, 0, 0, time.UTC)},
	} {
		zone, err := time.LoadLocation(name)
		require.NoError(t, err)
		for at := days[0]; at.Before(days[1]); at = at.Add(7 * time.Minute) {
			begin, next := strata.DayOf(at, zone), strata.NextDay(at, zone)
			date := at.In(zone).Format(time.DateOnly)
			require.Equal(t, date, begin.Format(time.DateOnly), "%s, %s", name, at)
			require.NotEqual(t, date, begin.Add(-time.Nanosecond).Format(time.DateOnly), "%s, %s", name, at)
			require.False(t, at.Before(begin))
			require.True(t, at.Before(next), "%s, %s", name, at)
			require.Equal(t, begin, strata.DayOf(begin, zone))
			require.Equal(t, date, next.Add(-time.Nanosecond).Format(time.DateOnly), "%s, %s", name, at)
			require.Equal(t, next, strata.DayOf(next, zone))
		}
	}
}
