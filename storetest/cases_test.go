package storetest

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/oracle"
	"github.com/strataxp/strata/memstore"
)

// The reference cases about attribution, worked out by hand elsewhere: the
// oracle of the suite and the store in memory must both agree with them.

// referenceCase returns a case of stats.json.
func referenceCase[In, Out any](t *testing.T, id string) (in In, out Out) {
	t.Helper()
	dir := os.Getenv("STRATA_CASES")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "cases")
		if _, err := os.Stat(filepath.Join(dir, "stats.json")); errors.Is(err, fs.ErrNotExist) {
			t.Skipf("no reference cases: STRATA_CASES is not set and %s does not exist", dir)
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, "stats.json"))
	require.NoError(t, err)
	var cases []struct {
		ID               string
		Inputs, Expected json.RawMessage
	}
	require.NoError(t, json.Unmarshal(data, &cases))
	for _, c := range cases {
		if c.ID == id {
			require.NoError(t, json.Unmarshal(c.Inputs, &in))
			require.NoError(t, json.Unmarshal(c.Expected, &out))
			return in, out
		}
	}
	require.Failf(t, "no such case", "stats.json has no case %q", id)
	return in, out
}

// bothResults returns what the oracle and a store in memory make of records,
// by name. The store gets the records backwards.
func bothResults(t *testing.T, records []strata.Record, m strata.Metric) map[string]strata.Results {
	t.Helper()
	s := memstore.New()
	backwards := slices.Clone(records)
	slices.Reverse(backwards)
	write(t, s, backwards...)
	params := strata.ResultsParams{Experiment: experiment, Metrics: []strata.Metric{m}}
	return map[string]strata.Results{"oracle": oracle.Results(records, params), "memstore": results(t, s, m)}
}

// tuple is a JSON array of different things.
type tuple []any

func (p tuple) time(t *testing.T) time.Time {
	t.Helper()
	when, err := time.Parse(time.RFC3339, p[len(p)-1].(string))
	require.NoError(t, err)
	return when
}

func TestReferenceFirstExposure(t *testing.T) {
	type inputs struct {
		Exposures, Events []tuple
		WindowHours       int `json:"window_hours"`
	}
	type arm struct {
		N          int64
		Sum        float64
		SumSquares float64 `json:"sum_squares"`
	}
	in, want := referenceCase[inputs, map[string]json.RawMessage](t, "attribution-first-exposure")
	var records []strata.Record
	for _, x := range in.Exposures {
		records = append(records, exposure(x[0].(string), x[1].(string), x.time(t)))
	}
	for i, e := range in.Events {
		records = append(records, order(e[0].(string), name("o", i), int64(e[1].(float64)), e.time(t)))
	}
	m := revenue
	m.Window = strata.Duration(time.Duration(in.WindowHours) * time.Hour)
	for who, r := range bothResults(t, records, m) {
		var contradictions int64
		require.NoError(t, json.Unmarshal(want["multiple_exposure_units"], &contradictions))
		require.Equal(t, contradictions, r.Contradictions, who)
		require.Len(t, r.Treatments, 2, who)
		for _, treatment := range []string{"A", "B"} {
			var w arm
			require.NoError(t, json.Unmarshal(want[treatment], &w))
			got := r.Treatments[treatment].Metrics[m.Key].Moments[0]
			sum := got.Mean(0) * float64(got.N())
			require.Equal(t, w, arm{got.N(), sum, got.Comoment(0, 0) + sum*got.Mean(0)}, "%s, %s", who, treatment)
		}
	}
}

func TestReferenceFunnel(t *testing.T) {
	type inputs struct {
		Exposure time.Time
		Steps    []struct {
			Name          string
			WindowMinutes int `json:"window_minutes"`
		}
		Events []tuple
	}
	in, want := referenceCase[inputs, map[string]float64](t, "attribution-funnel")
	m := strata.Metric{Key: "funnel", Type: strata.MetricFunnel}
	for _, s := range in.Steps {
		m.Steps = append(m.Steps, strata.Step{Event: strata.KindCustom, Name: s.Name, Within: strata.Duration(time.Duration(s.WindowMinutes) * time.Minute)})
	}
	records := []strata.Record{exposure("ada", control, in.Exposure)}
	for _, e := range in.Events {
		records = append(records, event("ada", strata.Custom{Time: e.time(t), EventName: e[0].(string)}))
	}
	for who, r := range bothResults(t, records, m) {
		for i, s := range in.Steps {
			got := r.Treatments[control].Metrics[m.Key].Moments[i]
			require.Equal(t, want[s.Name], got.Mean(0), "%s, %s", who, s.Name)
		}
	}
}

func TestReferenceFunnelRates(t *testing.T) {
	type inputs struct {
		Exposed    int
		StepCounts []int `json:"step_counts"`
	}
	type rates struct{ Unconditional, Conditional []float64 }
	in, want := referenceCase[inputs, rates](t, "funnel-step-denominator")
	m := strata.Metric{Key: "funnel", Type: strata.MetricFunnel}
	for i := range in.StepCounts {
		m.Steps = append(m.Steps, strata.Step{Event: strata.KindPageView, Name: name("/", i)})
	}
	var records []strata.Record
	for n := range in.Exposed {
		id := name("u", n)
		records = append(records, exposure(id, control, start))
		for i, count := range in.StepCounts {
			if n < count {
				records = append(records, view(id, name("/", i), at(time.Duration(i)*time.Minute)))
			}
		}
	}
	for who, r := range bothResults(t, records, m) {
		reached := 1.0 // everybody
		for i, got := range r.Treatments[control].Metrics[m.Key].Moments {
			require.InEpsilon(t, want.Unconditional[i], got.Mean(0), 1e-12, "%s, step %d", who, i+1)
			require.InEpsilon(t, want.Conditional[i], got.Mean(0)/reached, 1e-12, "%s, step %d", who, i+1)
			reached = got.Mean(0)
		}
	}
}
