package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/oracle"
)

var planCases = []testCase{
	{"PutPlan/ReturnsTheVersionBehindTheNewest", putReturnsTheNextVersion},
	{"PutPlan/StaleBaseConflictsAndChangesNothing", staleBaseConflicts},
	{"PutPlan/DoesNotValidate", putDoesNotValidate},
	{"PutPlan/OneOfRacingPublishersWins", oneOfRacingPublishersWins},
	{"Plan/ReturnsEveryStoredVersionAsItWasPut", planReturnsEveryVersion},
	{"Plan/ZeroStandsForTheNewest", zeroStandsForTheNewest},
	{"Plan/ErrNotFoundWhereThereIsNone", planNotFound},
	{"PlansInEffect/EmptyStoreReturnsNothing", emptyStoreHasNoPlans},
	{"PlansInEffect/HighestVersionWhoseTimeHasCome", highestVersionInEffect},
	{"PlansInEffect/LaterVersionsFollowInAscendingOrder", laterVersionsFollow},
	{"PlansInEffect/MissingWhereEveryVersionIsLater", noVersionInEffect},
	{"PlansInEffect/NothingNewIsEmpty", nothingNewIsEmpty},
	{"PlansInEffect/AnotherVersionOfTheNumberIsNew", anotherOfTheNumber},
	{"PlansInEffect/AgreesWithAnyHistory", plansInEffectAgree},
	{"PlanHistory/NewestFirstWithoutPlans", historyNewestFirst},
	{"PlanHistory/AtMostLimit", historyLimit},
}

// planBasedOn makes a plan that differs from those of other versions by the
// number of its parameters.
func planBasedOn(base int64, effective time.Time) *strata.Plan {
	p := &strata.Plan{Version: base, EffectiveAt: effective}
	for i := range base + 1 {
		p.Parameters = append(p.Parameters, strata.Parameter{Key: fmt.Sprintf("p%d", i), Type: strata.TypeBool, Default: false})
	}
	return p
}

// publish stores a plan as the version behind base, which must be the newest.
func publish(t *testing.T, s strata.Store, base int64, effective time.Time) {
	t.Helper()
	version, err := s.PutPlan(t.Context(), strata.PutPlanParams{
		Plan: planBasedOn(base, effective), Author: fmt.Sprintf("author %d", base+1),
		Message: "Überarbeitet: №" + fmt.Sprint(base+1), At: at(time.Duration(base) * time.Minute),
	})
	require.NoError(t, err)
	require.Equal(t, base+1, version)
}

// plansInEffect returns the versions that are in effect at an instant or later.
func plansInEffect(t *testing.T, s strata.Store, when time.Time, known int64) []int64 {
	t.Helper()
	list, err := s.PlansInEffect(t.Context(), strata.PlansInEffectParams{At: when, Known: known})
	require.NoError(t, err)
	var versions []int64
	for _, v := range list {
		require.NotNil(t, v.Plan, "PlansInEffect returns plans")
		require.Equal(t, v.Version, v.Plan.Version, "a plan's Version is that of its entry")
		require.Len(t, v.Plan.Parameters, int(v.Version), "version %d has the plan of another", v.Version)
		versions = append(versions, v.Version)
	}
	return versions
}

func history(t *testing.T, s strata.Store, limit int) []strata.PlanVersion {
	t.Helper()
	list, err := s.PlanHistory(t.Context(), strata.PlanHistoryParams{Limit: limit})
	require.NoError(t, err)
	return list
}

// summary has a line for each version of a history.
func summary(list []strata.PlanVersion) []string {
	var lines []string
	for _, v := range list {
		lines = append(lines, fmt.Sprintf("%d by %q: %q at %s, effective %s", v.Version, v.Author, v.Message, stamp(v.At), stamp(v.EffectiveAt)))
	}
	return lines
}

func putReturnsTheNextVersion(t *testing.T, s strata.Store) {
	for base := range int64(3) {
		publish(t, s, base, time.Time{})
	}
}

func staleBaseConflicts(t *testing.T, s strata.Store) {
	try := func(base int64) {
		before := summary(history(t, s, 0))
		_, err := s.PutPlan(t.Context(), strata.PutPlanParams{Plan: planBasedOn(base, time.Time{}), Author: "late", At: start})
		require.ErrorIs(t, err, strata.ErrConflict, "based on %d with %d versions stored", base, len(before))
		require.Equal(t, before, summary(history(t, s, 0)), "a refused plan changed the history")
	}
	try(1)
	publish(t, s, 0, time.Time{})
	publish(t, s, 1, time.Time{})
	for _, base := range []int64{-1, 0, 1, 3} {
		try(base)
	}
	newest, err := s.Plan(t.Context(), strata.PlanParams{})
	require.NoError(t, err)
	require.EqualValues(t, 2, newest.Version)
	require.Len(t, newest.Plan.Parameters, 2)
	publish(t, s, 2, time.Time{})
}

func putDoesNotValidate(t *testing.T, s strata.Store) {
	plan := &strata.Plan{Experiments: []strata.Experiment{{Key: "lost", Layer: "no such layer"}}}
	require.Error(t, plan.Validate())
	_, err := s.PutPlan(t.Context(), strata.PutPlanParams{Plan: plan, Author: "a", Message: "m", At: start})
	require.NoError(t, err)
}

func oneOfRacingPublishersWins(t *testing.T, s strata.Store) {
	const publishers = 8
	for base := range int64(rounds(8)) {
		var won atomic.Int64
		var all sync.WaitGroup
		for range publishers {
			all.Go(func() {
				version, err := s.PutPlan(t.Context(), strata.PutPlanParams{Plan: planBasedOn(base, time.Time{}), Author: "a", At: start})
				if errors.Is(err, strata.ErrConflict) {
					return
				}
				assert.NoError(t, err)
				assert.Equal(t, base+1, version)
				won.Add(1)
			})
		}
		all.Wait()
		require.EqualValues(t, 1, won.Load(), "of %d publishers of one version this many succeeded", publishers)
		require.Len(t, history(t, s, 0), int(base+1))
	}
}

func planReturnsEveryVersion(t *testing.T, s strata.Store) {
	var want []string
	for base := range int64(3) {
		plan := fullPlan(t)
		plan.Version = base
		plan.Experiments[0].Description = fmt.Sprintf("version %d", base+1)
		_, err := s.PutPlan(t.Context(), strata.PutPlanParams{Plan: plan, Author: "Žofie", Message: "why: \"so\"\n\\ 東京 🙂", At: at(time.Duration(base) * time.Microsecond)})
		require.NoError(t, err)
		plan.Version = base + 1
		want = append(want, canonical(t, plan))
	}
	for i, text := range want {
		v, err := s.Plan(t.Context(), strata.PlanParams{Version: int64(i + 1)})
		require.NoError(t, err)
		require.EqualValues(t, i+1, v.Version)
		require.Equal(t, "Žofie", v.Author)
		require.Equal(t, "why: \"so\"\n\\ 東京 🙂", v.Message)
		oracle.RequireTime(t, at(time.Duration(i)*time.Microsecond), v.At, "when it was published")
		oracle.RequireTime(t, at(time.Hour), v.EffectiveAt, "when it takes effect")
		require.Equal(t, text, canonical(t, v.Plan))
	}
}

// fullPlan has something in most fields, numbers beyond 2⁵³ included.
func fullPlan(t *testing.T) *strata.Plan {
	t.Helper()
	plan, err := strata.ParsePlan([]byte(`{
		"parameters": [
			{"key": "limit", "type": "int", "default": 9007199254740993},
			{"key": "color", "type": "string", "default": "größer als 🙂"},
			{"key": "on", "type": "bool", "default": false},
			{"key": "rate", "type": "float", "default": 0.1},
			{"key": "doc", "type": "json", "default": {"b": [1, null, {"c": ""}], "a": true}}],
		"domains": [{"key": "lab", "layer": "ui", "buckets": "9000-9999"}],
		"layers": [{"key": "ui", "diversion": "user", "parameters": ["color"]}],
		"experiments": [{"key": "cta", "layer": "ui", "buckets": "0-4999,6000", "draining": "5000",
			"treatments": [{"key": "grey", "weight": 1}, {"key": "green", "weight": 3, "values": {"color": "green"}}],
			"earlier": [{"weights": [{"treatment": "grey", "weight": 1}]}], "metrics": ["m"]}],
		"metrics": [{"key": "m", "type": "ratio", "measure": {"event": "purchase", "value": "total", "currency": "EUR"},
			"denominator": {"event": "purchase"}, "window": "72h0m0s"}]
	}`))
	require.NoError(t, err)
	plan.EffectiveAt = at(time.Hour)
	return plan
}

// canonical is a plan's JSON after a round trip.
func canonical(t *testing.T, p *strata.Plan) string {
	t.Helper()
	p, err := p.Clone()
	require.NoError(t, err)
	p.EffectiveAt = p.EffectiveAt.UTC()
	data, err := json.MarshalIndent(p, "", " ")
	require.NoError(t, err)
	return string(data)
}

func zeroStandsForTheNewest(t *testing.T, s strata.Store) {
	for base := range int64(2) {
		publish(t, s, base, at(time.Hour)) // whether or not it is in effect
		v, err := s.Plan(t.Context(), strata.PlanParams{})
		require.NoError(t, err)
		require.Equal(t, base+1, v.Version)
		require.Equal(t, base+1, v.Plan.Version)
	}
}

func planNotFound(t *testing.T, s strata.Store) {
	try := func(version int64) {
		_, err := s.Plan(t.Context(), strata.PlanParams{Version: version})
		require.ErrorIs(t, err, strata.ErrNotFound, "version %d", version)
	}
	try(0)
	try(1)
	publish(t, s, 0, time.Time{})
	try(2)
	try(-1)
}

func emptyStoreHasNoPlans(t *testing.T, s strata.Store) {
	require.Empty(t, plansInEffect(t, s, start, 0))
	require.Empty(t, plansInEffect(t, s, start, 3), "the caller knows versions of a store that was emptied")
	require.Empty(t, history(t, s, 0))
}

func highestVersionInEffect(t *testing.T, s strata.Store) {
	publish(t, s, 0, time.Time{})
	publish(t, s, 1, at(2*time.Hour))
	publish(t, s, 2, at(time.Hour))
	require.Equal(t, []int64{1, 2, 3}, plansInEffect(t, s, at(time.Hour-time.Microsecond), 0))
	require.Equal(t, []int64{3}, plansInEffect(t, s, at(time.Hour), 0), "EffectiveAt is not after At, although equal")
	require.Equal(t, []int64{3}, plansInEffect(t, s, at(3*time.Hour), 0), "a lower version never comes back")
	publish(t, s, 3, time.Time{})
	require.Equal(t, []int64{4}, plansInEffect(t, s, start, 0), "zero means at once")
}

func laterVersionsFollow(t *testing.T, s strata.Store) {
	publish(t, s, 0, time.Time{})
	publish(t, s, 1, start)
	publish(t, s, 2, at(2*time.Hour))
	publish(t, s, 3, at(time.Hour))
	require.Equal(t, []int64{2, 3, 4}, plansInEffect(t, s, at(time.Minute), 0))
	require.Equal(t, []int64{2, 3, 4}, plansInEffect(t, s, at(time.Minute), 3), "3 is not the newest")
}

func noVersionInEffect(t *testing.T, s strata.Store) {
	publish(t, s, 0, at(2*time.Hour))
	publish(t, s, 1, at(time.Hour))
	require.Equal(t, []int64{1, 2}, plansInEffect(t, s, start, 0))
	require.Equal(t, []int64{2}, plansInEffect(t, s, at(time.Hour), 0))
}

// anotherOfTheNumber asks as an engine does whose newest plan was lost in a
// failover, and published anew.
func anotherOfTheNumber(t *testing.T, s strata.Store) {
	publish(t, s, 0, time.Time{})
	publish(t, s, 1, time.Time{})
	when := history(t, s, 1)[0].At
	for name, c := range map[string]struct {
		knownAt time.Time
		new     bool
	}{
		"published then":               {when, false},
		"published then, to the digit": {when.Add(time.Nanosecond).In(time.FixedZone("", 3600)), false},
		"whenever it was published":    {time.Time{}, false},
		"published a moment before":    {when.Add(-time.Microsecond), true},
		"published later":              {when.Add(time.Hour), true},
	} {
		list, err := s.PlansInEffect(t.Context(), strata.PlansInEffectParams{At: start, Known: 2, KnownAt: c.knownAt})
		require.NoError(t, err)
		require.Equal(t, c.new, len(list) > 0, name)
	}
	list, err := s.PlansInEffect(t.Context(), strata.PlansInEffectParams{At: start, Known: 3, KnownAt: when})
	require.NoError(t, err)
	require.Len(t, list, 1, "a version that was lost")
}

func nothingNewIsEmpty(t *testing.T, s strata.Store) {
	publish(t, s, 0, time.Time{})
	require.Empty(t, plansInEffect(t, s, start, 1))
	publish(t, s, 1, at(time.Hour))
	require.Empty(t, plansInEffect(t, s, start, 2))
	require.Equal(t, []int64{1, 2}, plansInEffect(t, s, start, 1))
}

func plansInEffectAgree(t *testing.T, s strata.Store) {
	random := newRandom(t)
	const hours = 6
	var effective []time.Time
	for base := range int64(12) {
		when := at(time.Duration(random.IntN(hours)) * time.Hour)
		if random.IntN(4) == 0 {
			when = time.Time{}
		}
		effective = append(effective, when)
		publish(t, s, base, when)
		for h := -1; h <= hours; h++ {
			now := at(time.Duration(h) * time.Hour)
			require.Equal(t, versionsFrom(effective, now), plansInEffect(t, s, now, base), "at %v of %v", now, effective)
		}
	}
}

// versionsFrom lists the version in effect and all higher ones.
func versionsFrom(effective []time.Time, now time.Time) []int64 {
	var versions []int64
	for i, when := range effective {
		if !when.After(now) {
			versions = nil
		}
		versions = append(versions, int64(i+1))
	}
	return versions
}

func historyNewestFirst(t *testing.T, s strata.Store) {
	for base := range int64(3) {
		publish(t, s, base, at(time.Duration(base)*time.Hour))
	}
	list := history(t, s, 0)
	require.Len(t, list, 3)
	for i, v := range list {
		version := int64(3 - i)
		require.Equal(t, version, v.Version)
		require.Nil(t, v.Plan, "a history has no plans")
		require.Equal(t, fmt.Sprintf("author %d", version), v.Author)
		require.Equal(t, "Überarbeitet: №"+fmt.Sprint(version), v.Message)
		oracle.RequireTime(t, at(time.Duration(version-1)*time.Minute), v.At, "when it was published")
		oracle.RequireTime(t, at(time.Duration(version-1)*time.Hour), v.EffectiveAt, "when it takes effect")
	}
}

func historyLimit(t *testing.T, s strata.Store) {
	for base := range int64(4) {
		publish(t, s, base, time.Time{})
	}
	for limit, want := range map[int]int{0: 4, 1: 1, 3: 3, 4: 4, 9: 4} {
		list := history(t, s, limit)
		require.Len(t, list, want, "limit %d", limit)
		require.EqualValues(t, 4, list[0].Version, "limit %d", limit)
	}
}
