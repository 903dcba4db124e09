package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/oracle"
)

var resultCases = []testCase{
	{"Results/EmptyWithoutExposures", emptyWithoutExposures},
	{"Results/UnitCountsInItsTreatment", unitCountsInItsTreatment},
	{"Results/ContradictionCountsInNoTreatment", contradictionCountsNowhere},
	{"Results/FirstAndLastExposure", firstAndLastExposure},
	{"Results/OnlyOfTheExperimentAndPhase", resultsOfThePhase},
	{"Results/EventsJoinByTheDiversion", eventsJoinByTheDiversion},
	{"Results/RepeatedOrdersOfUnitsThatCount", repeatedOrdersOfUnits},
	{"Results/LateRecordsCount", lateRecordsCount},
	{"Results/MetricsAreThoseAskedFor", metricsAreThoseAskedFor},
	{"Results/ImmatureUnitsAreCounted", immatureUnitsAreCounted},
	{"Results/CompleteWindowsLeaveImmatureUnitsOut", completeWindows},
	{"Results/UntilBoundsMetricsWithoutAWindow", untilBoundsMetricsWithoutAWindow},
	{"Results/LatestEventOfExposedUnits", latestEvent},
	{"Results/DaysShowHowTheyCameAbout", daysShow},
	{"Results/DaysOfTheZone", daysOfTheZone},
	{"Results/SegmentsByTheAttributeOfTheFirstExposure", segmentsByAttribute},
	{"Results/ForcedEventsCountInNoMetric", forcedEventsCountNowhere},
}

func emptyWithoutExposures(t *testing.T, s strata.Store) {
	requireEmpty := func() {
		r := results(t, s, signups, revenue)
		require.Empty(t, r.Treatments)
		require.Zero(t, r.Contradictions)
		require.Zero(t, r.RepeatedOrders)
	}
	requireEmpty()
	write(t, s, signup("ada", start), order("ada", "o1", 1, start), order("ada", "o1", 1, start),
		elsewhere(exposure("ada", control, start), "another", 0))
	requireEmpty()
}

func unitCountsInItsTreatment(t *testing.T, s strata.Store) {
	write(t, s,
		exposure("ada", control, start), exposure("grace", control, start), exposure("ken", variant, start),
		exposure("zoe", "no longer in the plan", start), exposure("eve", "empty", start),
		signup("ada", start), signup("ada", start), signup("ken", start), signup("zoe", start), signup("never exposed", start))
	r := results(t, s, signups)
	require.Len(t, r.Treatments, 4)
	requireUnits(t, r, control, signups.Key, 2, 0)
	requireUnits(t, r, variant, signups.Key, 1)
	requireUnits(t, r, "no longer in the plan", signups.Key, 1)
	requireUnits(t, r, "empty", signups.Key, 0)
	require.EqualValues(t, 2, r.Treatments[control].Units)
}

func contradictionCountsNowhere(t *testing.T, s strata.Store) {
	w := newWriter(s)
	w.write(t, exposure("ada", control, start), exposure("grace", control, start), exposure("ken", variant, start),
		signup("ada", start), signup("grace", start), order("ada", "o1", 1, start), order("ada", "o1", 1, start))
	require.Zero(t, results(t, s).Contradictions)

	w.write(t, exposure("ada", variant, at(time.Hour)))
	requireContradictions := func(n int64) {
		r := results(t, s, signups)
		require.Equal(t, n, r.Contradictions)
		require.Zero(t, r.RepeatedOrders, "its orders do not matter either")
		requireUnits(t, r, control, signups.Key, 1)
	}
	requireContradictions(1)
	w.write(t, exposure("ada", control, at(-time.Hour)), exposure("ada", variant, at(-2*time.Hour)), exposure("ada", "third", start))
	requireContradictions(1) // for ever, and once
	requireUnits(t, results(t, s, signups), variant, signups.Key, 0)
	w.write(t, exposure("ken", control, at(-time.Hour))) // the only one in its treatment
	requireContradictions(2)
	require.Len(t, results(t, s).Treatments, 1, "a treatment in which no unit counts is left out")
}

func firstAndLastExposure(t *testing.T, s strata.Store) {
	write(t, s, exposure("ada", control, at(time.Minute)), exposure("ada", control, at(9*time.Hour)),
		exposure("grace", control, at(time.Microsecond)), exposure("ken", control, at(2*time.Hour)),
		exposure("eve", control, at(-time.Hour)), exposure("eve", variant, at(5*time.Hour)), // counts nowhere
		exposure("zoe", variant, start))
	r := results(t, s)
	oracle.RequireTime(t, at(time.Microsecond), r.Treatments[control].FirstExposure, "of the unit exposed first")
	oracle.RequireTime(t, at(2*time.Hour), r.Treatments[control].LastExposure, "the first one of the unit exposed last")
	oracle.RequireTime(t, start, r.Treatments[variant].FirstExposure, "of the only unit")
	oracle.RequireTime(t, start, r.Treatments[variant].LastExposure, "of the only unit")
}

func resultsOfThePhase(t *testing.T, s strata.Store) {
	ada := exposure("ada", control, at(time.Hour))
	write(t, s, ada, elsewhere(exposure("ada", variant, start), experiment, 1), elsewhere(exposure("ada", variant, start), "another", 0),
		signup("ada", start), signup("ada", at(time.Hour)))
	for _, c := range []struct {
		experiment string
		phase      int
		treatment  string
		signups    int64
	}{{experiment, 0, control, 1}, {experiment, 1, variant, 2}, {"another", 0, variant, 2}} {
		r, err := s.Results(t.Context(), strata.ResultsParams{Experiment: c.experiment, Phase: c.phase, Metrics: []strata.Metric{signups}})
		require.NoError(t, err)
		require.Len(t, r.Treatments, 1)
		require.Zero(t, r.Contradictions)
		requireUnits(t, r, c.treatment, signups.Key, c.signups)
	}
}

// eventsJoinByTheDiversion has units with one id in common, and one string that
// is an id of two kinds.
func eventsJoinByTheDiversion(t *testing.T, s strata.Store) {
	full := strata.Unit{User: "x1", Device: "x2", Session: "x3", Tenant: "x4", Request: "x5"}
	diversions := map[strata.Diversion]strata.Unit{
		strata.ByUser: {User: "x1"}, strata.ByDevice: {Device: "x2"}, strata.BySession: {Session: "x3"},
		strata.ByTenant: {Tenant: "x4"}, strata.ByRequest: {Request: "x5"},
	}
	var records []strata.Record
	for d, alone := range diversions {
		x := exposure("", control, start)
		e := x.Event.(strata.Exposure)
		e.Experiment, e.Diversion = "by "+string(d), d
		records = append(records, strata.Record{Unit: full, Event: e})
		for range 2 {
			records = append(records, strata.Record{Unit: alone, Event: strata.Conversion{Time: start, Goal: "signup"}})
		}
	}
	for _, stranger := range []strata.Unit{{User: "x2"}, {Device: "x1"}, {Session: "x1", Request: "x4"}, {Tenant: "x5"}, {User: "x1 "}, {User: "X1"}} {
		records = append(records, strata.Record{Unit: stranger, Event: strata.Conversion{Time: start, Goal: "signup"}})
	}
	records = append(records, strata.Record{Unit: full, Event: strata.Conversion{Time: start, Goal: "signup"}})
	write(t, s, records...)
	for d := range diversions {
		r, err := s.Results(t.Context(), strata.ResultsParams{Experiment: "by " + string(d), Metrics: []strata.Metric{signups}})
		require.NoError(t, err)
		requireUnits(t, r, control, signups.Key, 3)
	}
}

func repeatedOrdersOfUnits(t *testing.T, s strata.Store) {
	write(t, s, exposure("ada", control, start),
		order("ada", "o1", 5, at(-time.Hour)), order("ada", "o1", 5, at(-time.Hour)), // before it was exposed
		order("ada", "o2", 7, start), order("ada", "o2", 7, start), order("ada", "o2", 7, at(time.Hour)),
		order("stranger", "o3", 9, start), order("stranger", "o3", 9, start))
	r := results(t, s, revenue)
	requireUnits(t, r, control, revenue.Key, 7)
	require.EqualValues(t, 3, r.RepeatedOrders)
}

// lateRecordsCount asks for results before and after records that change what
// was counted already.
func lateRecordsCount(t *testing.T, s strata.Store) {
	w := newWriter(s)
	w.write(t, signup("ada", at(2*time.Hour)), order("ada", "o1", 5, at(3*time.Hour)))
	require.Empty(t, results(t, s, signups).Treatments)
	requireSums := func(n, total int64, why string) {
		r := results(t, s, signups, revenue)
		requireUnits(t, r, control, signups.Key, n)
		requireUnits(t, r, control, revenue.Key, total)
		require.EqualValues(t, 1, r.Treatments[control].Units, why)
	}
	w.write(t, exposure("ada", control, at(time.Hour)))
	requireSums(1, 5, "an exposure after its conversion")
	w.write(t, signup("ada", at(time.Hour)), signup("ada", at(30*time.Minute)))
	requireSums(2, 5, "an event from the past")
	w.write(t, exposure("ada", control, start))
	requireSums(3, 5, "an earlier first exposure")
	w.write(t, exposure("ada", control, at(4*time.Hour)), order("ada", "o2", 70, start))
	requireSums(3, 75, "a later exposure changes nothing")
}

func metricsAreThoseAskedFor(t *testing.T, s strata.Store) {
	write(t, s, exposure("ada", control, start), signup("ada", start), signup("ada", at(time.Hour)), order("ada", "o1", 5, start))
	require.Empty(t, results(t, s).Treatments[control].Metrics)
	require.EqualValues(t, 1, results(t, s).Treatments[control].Units)

	changed := signups // the same key with another definition
	changed.Window = strata.Duration(time.Hour)
	added := revenue
	for range 2 {
		requireUnits(t, results(t, s, signups), control, signups.Key, 2)
		requireUnits(t, results(t, s, changed), control, signups.Key, 1)
		r := results(t, s, added, signups)
		require.Len(t, r.Treatments[control].Metrics, 2)
		requireUnits(t, r, control, revenue.Key, 5)
		added.Key = "revenue, again"
		requireUnits(t, results(t, s, added), control, added.Key, 5)
		added.Key = revenue.Key
	}
}

func forcedEventsCountNowhere(t *testing.T, s strata.Store) {
	forced := func(r strata.Record) strata.Record {
		r.Forced = true
		return r
	}
	click := strata.Click{Time: start, Target: "buy"}
	write(t, s, exposure("ada", control, start),
		forced(signup("ada", start)), forced(order("ada", "o1", 5, start)), forced(event("ada", click)), signup("ada", start))
	funnel := strata.Metric{Key: "funnel", Type: strata.MetricFunnel, Steps: []strata.Step{{Event: strata.KindClick}}}
	r := results(t, s, signups, orders, revenue, funnel)
	requireUnits(t, r, control, signups.Key, 1)
	requireUnits(t, r, control, orders.Key, 0)
	requireUnits(t, r, control, revenue.Key, 0)
	requireUnits(t, r, control, funnel.Key, 0)
}
