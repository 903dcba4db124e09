package pgstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/memstore"
	"github.com/strataxp/strata/pgstore"
)

// resultsOf asks for everything that the plan measures, at a midnight.
func resultsOf(t testing.TB, s strata.ResultStore, plan *strata.Plan, experiment string) strata.Results {
	t.Helper()
	e := plan.Experiment(experiment)
	params := strata.ResultsParams{Experiment: experiment, At: benchStart.Add(62 * time.Hour), Until: e.Schedule.End, Daily: true}
	for _, key := range e.Metrics {
		params.Metrics = append(params.Metrics, *plan.Metric(key))
	}
	r, err := s.Results(t.Context(), params)
	require.NoError(t, err)
	return r
}

// A person who is forgotten leaves no trace in any table, and running
// experiments go on as if the person had never been there; closed ones stay as
// they were.
func TestForget(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(seed.Of(t), 0))
	dsn, schema := pgtest.Schema(t)
	s := open(t, dsn, schema)
	plan := shopPlan(0, random)
	plan.Experiments[1].Status = strata.StatusStopped
	_, err := s.PutPlan(t.Context(), strata.PutPlanParams{Plan: plan, Author: "ada", Message: "m", At: benchStart})
	require.NoError(t, err)
	records := (&shop{random: random}).records(1500)
	(&benchWriter{store: s, stream: strata.StreamID{1}}).write(t, records)
	gone := map[string]bool{"user-00000007": true, "user-00000008": true, "nobody": true}
	before := withoutExposureTimes(resultsOf(t, s, plan, "experiment1"))

	f, err := s.Forget(t.Context(), strata.Unit{User: "user-00000007"}, strata.Unit{User: "user-00000008"}, strata.Unit{User: "nobody"})
	require.NoError(t, err)
	require.EqualValues(t, 2, f.Units)
	require.Positive(t, f.Exposures)
	require.Equal(t, []string{"experiment1"}, f.Frozen)
	s.RequireNoTrace(t, "user-00000007", "user-00000008")

	// Another store that never heard of them, where their devices and orders stay.
	want := memstore.New()
	var kept []strata.Record
	for _, r := range records {
		x, exposure := r.Event.(strata.Exposure)
		if gone[r.Unit.User] {
			if exposure && x.Diversion == strata.ByUser {
				continue
			}
			r.Unit.User = ""
		}
		kept = append(kept, r)
	}
	(&benchWriter{store: want, stream: strata.StreamID{1}}).write(t, kept)
	for _, experiment := range []string{"experiment0", "experiment2"} {
		requireSame(t, resultsOf(t, want, plan, experiment), resultsOf(t, s, plan, experiment))
	}
	v, err := s.Verify(t.Context())
	require.NoError(t, err)
	require.True(t, v.OK(), "%v", v.Found)

	// What closed stays, also when the experiment leaves the plan.
	requireSame(t, before, withoutExposureTimes(resultsOf(t, s, plan, "experiment1")))
	later := shopPlan(1, random)
	later.Experiments = later.Experiments[:1]
	_, err = s.PutPlan(t.Context(), strata.PutPlanParams{Plan: later, Author: "ada", Message: "m", At: benchStart})
	require.NoError(t, err)
	(&benchWriter{store: s, stream: strata.StreamID{2}}).write(t, (&shop{random: random, orders: 10_000}).records(300))
	requireSame(t, before, withoutExposureTimes(resultsOf(t, s, plan, "experiment1")))
	_, err = s.RollUp(t.Context())
	require.NoError(t, err)
	v, err = s.Verify(t.Context())
	require.NoError(t, err)
	require.True(t, v.OK(), "%v", v.Found)
}

// withoutExposureTimes leaves out what rests on the exposures that are left.
func withoutExposureTimes(r strata.Results) strata.Results {
	for _, treatments := range append([]strata.DayResults{{Treatments: r.Treatments}}, r.Days...) {
		for key, x := range treatments.Treatments {
			x.FirstExposure, x.LastExposure = time.Time{}, time.Time{}
			treatments.Treatments[key] = x
		}
	}
	return r
}

// requireSame compares results but for the latest event.
func requireSame(t *testing.T, want, got strata.Results) {
	t.Helper()
	require.Equal(t, want.Treatments, got.Treatments)
	require.Equal(t, want.Contradictions, got.Contradictions)
	require.Equal(t, want.RepeatedOrders, got.RepeatedOrders)
	stood := make(map[time.Time]map[string]strata.TreatmentResults)
	for _, d := range got.Days {
		stood[d.Day] = d.Treatments
	}
	for _, d := range want.Days {
		if at, ok := stood[d.Day]; ok {
			require.Equal(t, d.Treatments, at, "day %s", d.Day)
		}
	}
}

func TestForgetNothing(t *testing.T) {
	t.Parallel()
	s := fresh(t)
	f, err := s.Forget(t.Context())
	require.NoError(t, err)
	require.Zero(t, f)
	f, err = s.Forget(t.Context(), strata.Unit{}, strata.Unit{User: "it's"})
	require.NoError(t, err)
	require.Zero(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Forget(ctx, strata.Unit{User: "ada"})
	require.ErrorIs(t, err, context.Canceled)
}

// With a key no id but the tenant's reaches the database, and everything works
// as without one.
func TestPseudonyms(t *testing.T) {
	t.Parallel()
	dsn, schema := pgtest.Schema(t)
	_, err := pgstore.Open(t.Context(), dsn, pgstore.Config{Schema: schema, PseudonymKey: []byte("short")})
	require.ErrorIs(t, err, strata.ErrConfig)
	s, err := pgstore.Open(t.Context(), dsn, pgstore.Config{Schema: schema, PseudonymKey: []byte("0123456789abcdef")})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	random := rand.New(rand.NewPCG(seed.Of(t), 0))
	plan := shopPlan(0, random)
	_, err = s.PutPlan(t.Context(), strata.PutPlanParams{Plan: plan, Author: "ada", Message: "m", At: benchStart})
	require.NoError(t, err)
	records := (&shop{random: random}).records(600)
	plain := memstore.New()
	for i, store := range []strata.EventStore{s, plain} {
		(&benchWriter{store: store, stream: strata.StreamID{byte(i + 1)}}).write(t, records)
	}
	for e := range 3 {
		experiment := fmt.Sprintf("experiment%d", e)
		requireSame(t, resultsOf(t, plain, plan, experiment), resultsOf(t, s, plan, experiment))
	}
	var ids []string
	for i := range 40 {
		ids = append(ids, fmt.Sprintf("user-%08d", i), fmt.Sprintf("device-%d", i))
	}
	s.RequireNoTrace(t, ids...)
	f, err := s.Forget(t.Context(), strata.Unit{User: "user-00000007"})
	require.NoError(t, err)
	require.EqualValues(t, 1, f.Units)
	x, err := s.Exposures(t.Context(), strata.Unit{User: "user-00000007"})
	require.NoError(t, err)
	require.Empty(t, x)
	x, err = s.Exposures(t.Context(), strata.Unit{User: "user-00000008", Device: "device-8"})
	require.NoError(t, err)
	require.NotEmpty(t, x)
}

// What was put aside is found whatever the id looks like in JSON.
func TestForgetDeadLetters(t *testing.T) {
	t.Parallel()
	dsn, schema := pgtest.Schema(t)
	s := open(t, dsn, schema)
	const id = `a&b<"ü">\ ` + "\u2028"
	bad := strata.Record{Unit: strata.Unit{User: id}, Event: strata.PageView{Time: benchStart, Page: "\x00"}}
	require.NoError(t, s.Ingest(t.Context(), strata.Batch{Stream: strata.StreamID{1}, First: 1, Records: []strata.Record{bad, {Unit: strata.Unit{User: "b"}, Event: bad.Event}}}))
	require.Len(t, query(t, dsn, "select * from "+quoted(schema)+".dead_letter"), 2)
	_, err := s.Forget(t.Context(), strata.Unit{User: id})
	require.NoError(t, err)
	require.Len(t, query(t, dsn, "select * from "+quoted(schema)+".dead_letter"), 1)
}
