package storetest

import (
	"context"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/oracle"
	"github.com/strataxp/strata/stats"
)

// Cases about the ways in which results can be asked for.

// resultsOf asks for the experiment's phase 0 in some way.
func resultsOf(t require.TestingT, s strata.Store, params strata.ResultsParams) strata.Results {
	params.Experiment = experiment
	r, err := s.Results(context.Background(), params)
	require.NoError(t, err)
	return r
}

// signupsWithin counts sign-ups of a time after the exposure.
func signupsWithin(d time.Duration) strata.Metric {
	m := signups
	m.Window = strata.Duration(d)
	return m
}

func immatureUnitsAreCounted(t *testing.T, s strata.Store) {
	write(t, s, exposure("ada", control, start), exposure("grace", control, at(time.Microsecond)), exposure("ken", variant, at(time.Hour)),
		exposure("eve", control, start), exposure("eve", variant, start), signup("grace", at(time.Minute)))
	m := signupsWithin(time.Hour)
	for when, want := range map[time.Time][2]int64{
		{}: {0, 0}, at(time.Hour): {1, 1}, at(time.Hour - time.Microsecond): {2, 1}, at(2 * time.Hour): {0, 0},
	} {
		r := resultsOf(t, s, strata.ResultsParams{Metrics: []strata.Metric{m}, At: when})
		require.Equal(t, want[0], r.Treatments[control].Metrics[m.Key].Immature, "at %s", stamp(when))
		require.Equal(t, want[1], r.Treatments[variant].Metrics[m.Key].Immature, "at %s", stamp(when))
		requireUnits(t, r, control, m.Key, 0, 1) // they count all the same
	}
	forever := resultsOf(t, s, strata.ResultsParams{Metrics: []strata.Metric{signups}, At: at(time.Hour)})
	require.Zero(t, forever.Treatments[control].Metrics[signups.Key].Immature, "a metric without a window has no immature units")
}

func completeWindows(t *testing.T, s strata.Store) {
	write(t, s, exposure("ada", control, start), exposure("grace", control, at(time.Microsecond)), exposure("ken", variant, at(time.Hour)),
		signup("ada", start), signup("grace", at(time.Minute)))
	m := signupsWithin(time.Hour)
	r := resultsOf(t, s, strata.ResultsParams{Metrics: []strata.Metric{m}, At: at(time.Hour), CompleteWindows: true})
	requireUnits(t, r, control, m.Key, 1)
	requireUnits(t, r, variant, m.Key)
	require.EqualValues(t, 1, r.Treatments[control].Metrics[m.Key].Immature)
	require.EqualValues(t, 2, r.Treatments[control].Units, "an immature unit is one of the treatment's")
}

func untilBoundsMetricsWithoutAWindow(t *testing.T, s strata.Store) {
	write(t, s, exposure("ada", control, start), exposure("grace", control, at(2*time.Hour)),
		signup("ada", at(time.Hour-time.Microsecond)), signup("ada", at(time.Hour)), signup("grace", at(2*time.Hour)), view("ada", "/a", at(time.Hour)))
	within := signupsWithin(3 * time.Hour)
	within.Key = "within"
	r := resultsOf(t, s, strata.ResultsParams{Metrics: []strata.Metric{signups, within, path(0, "/a")}, Until: at(time.Hour), Daily: true})
	requireUnits(t, r, control, signups.Key, 1, 0)
	requireUnits(t, r, control, within.Key, 2, 1) // its own window says when it ends
	oracle.RequireMoments(t, []stats.Moments{oracle.Moments([][]*big.Rat{{new(big.Rat)}, {new(big.Rat)}})}, r.Treatments[control].Metrics[path(0, "/a").Key].Moments, true, "a funnel")
	requireUnits(t, strata.Results{Treatments: r.Days[len(r.Days)-1].Treatments}, control, signups.Key, 1, 0)
	require.EqualValues(t, 2, r.Treatments[control].Units, "units are counted whenever they were exposed")
}

func latestEvent(t *testing.T, s strata.Store) {
	require.True(t, results(t, s).Latest.IsZero())
	w := newWriter(s)
	requireLatest := func(hour int, why string, records ...strata.Record) {
		t.Helper()
		w.write(t, records...)
		oracle.RequireTime(t, at(time.Duration(hour)*time.Hour), results(t, s).Latest, why)
	}
	hour := func(n int) time.Time { return at(time.Duration(n) * time.Hour) }
	requireLatest(1, "an exposure is an event", exposure("ada", control, hour(1)), signup("never exposed", hour(9)))
	requireLatest(3, "whatever arrives first", signup("ada", hour(3)), signup("ada", hour(2)))
	requireLatest(4, "an exposure that is not the first", exposure("ada", control, hour(4)))
	requireLatest(4, "an earlier first exposure", exposure("ada", control, start))
	requireLatest(5, "before the exposure", exposure("eve", control, hour(5)), signup("eve", start))
	requireLatest(5, "a unit in contradiction", exposure("eve", variant, start))
	requireLatest(6, "and what it does", signup("eve", hour(6)))
	requireLatest(7, "an event that arrived before its unit was known", signup("ken", hour(7)), exposure("ken", control, start))
	forced := signup("ada", hour(9))
	forced.Forced = true
	requireLatest(8, "no repeat, and nothing forced", order("ada", "o1", 1, hour(8)), order("ada", "o1", 1, hour(9)), forced)
	requireLatest(8, "of the phase only", elsewhere(exposure("ada", control, hour(9)), experiment, 1))
}

func daysShow(t *testing.T, s strata.Store) {
	day := 24 * time.Hour
	write(t, s, exposure("ada", control, start), exposure("grace", control, at(2*day)), exposure("grace", control, at(day)),
		exposure("ken", variant, at(5*day)), exposure("eve", control, start), exposure("eve", variant, at(6*day)),
		signup("ada", at(day)), signup("ada", at(3*day)), signup("grace", at(3*day)), signup("grace", start), signup("eve", start))
	r := resultsOf(t, s, strata.ResultsParams{Metrics: []strata.Metric{signups}, Daily: true})
	stood := func(date int) strata.Results {
		out := strata.Results{}
		for _, d := range r.Days {
			require.Zero(t, d.Day.UTC().Sub(d.Day.UTC().Truncate(day)), "a day begins at midnight")
			if !d.Day.After(time.Date(2025, 3, date, 0, 0, 0, 0, time.UTC)) {
				out.Treatments = d.Treatments
			}
		}
		return out
	}
	for date, want := range map[int][]int64{1: {0}, 2: {1, 0}, 3: {1, 0}, 4: {2, 1}, 5: {2, 1}, 9: {2, 1}} {
		requireUnits(t, stood(date), control, signups.Key, want...)
		require.EqualValues(t, len(want), stood(date).Treatments[control].Units)
	}
	require.NotContains(t, stood(5).Treatments, variant)
	requireUnits(t, stood(6), variant, signups.Key, 0)
	require.Empty(t, results(t, s).Days, "they were not asked for")
}

func daysOfTheZone(t *testing.T, s strata.Store) {
	kiritimati := time.FixedZone("+14", 14*60*60)
	evening := time.Date(2025, 3, 29, 9, 59, 59, 0, time.UTC) // 23:59:59 there
	write(t, s, exposure("ada", control, evening), exposure("grace", control, evening.Add(time.Second)), signup("ada", evening.Add(time.Second)))
	r := resultsOf(t, s, strata.ResultsParams{Metrics: []strata.Metric{signups}, Daily: true, Zone: kiritimati})
	require.Len(t, r.Days, 2)
	for i, want := range [][]int64{{0}, {1, 0}} {
		oracle.RequireTime(t, time.Date(2025, 3, 29+i, 0, 0, 0, 0, kiritimati), r.Days[i].Day, "midnight in the zone")
		requireUnits(t, strata.Results{Treatments: r.Days[i].Treatments}, control, signups.Key, want...)
	}
}

func segmentsByAttribute(t *testing.T, s strata.Store) {
	from := func(id, country string, when time.Time) strata.Record {
		r := exposure(id, control, when)
		x := r.Event.(strata.Exposure)
		x.Attributes = map[string]string{"country": country, "plan": "free"}
		r.Event = x
		return r
	}
	ada := from("ada", "DE", at(time.Hour))
	write(t, s, ada, from("ada", "AT", start), from("ada", "CH", at(2*time.Hour)), from("grace", "DE", start), exposure("ken", control, start),
		from("eve", "DE", start), exposure("eve", variant, start), signup("ada", at(3*time.Hour)), signup("ken", start))
	ada.Event.(strata.Exposure).Attributes["country"] = "spoilt"
	params := strata.ResultsParams{Metrics: []strata.Metric{signups}, Attribute: "country"}
	for range 2 {
		r := resultsOf(t, s, params)
		require.Len(t, r.Segments, 3)
		for value, want := range map[string]int64{"AT": 1, "DE": 0, "": 1} {
			requireUnits(t, strata.Results{Treatments: r.Segments[value]}, control, signups.Key, want)
		}
		requireUnits(t, r, control, signups.Key, 1, 0, 1)
		clear(r.Segments["DE"])
	}
	for i, countries := range [][]string{{"AT", "DE", ""}, {"", "DE", "AT"}, {"DE", "", "AT"}} { // at one instant
		who := name("zoe", i)
		for _, country := range countries {
			if country == "" {
				write(t, s, exposure(who, variant, start))
			} else {
				r := from(who, country, start)
				x := r.Event.(strata.Exposure)
				x.Treatment = variant
				r.Event = x
				write(t, s, r)
			}
		}
	}
	require.EqualValues(t, 3, resultsOf(t, s, params).Segments["DE"][variant].Units, "the last in the order of bytes, however they arrive")

	params.Attribute = "shoe size"
	r := resultsOf(t, s, params)
	require.Len(t, r.Segments, 1, "units without the attribute")
	require.EqualValues(t, 3, r.Segments[""][control].Units)
	require.EqualValues(t, 3, r.Segments[""][variant].Units)
	require.Empty(t, results(t, s).Segments, "they were not asked for")
}
