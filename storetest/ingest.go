package storetest

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
)

var ingestCases = []testCase{
	{"Ingest/MovesTheCursorToTheLastIndex", ingestMovesTheCursor},
	{"Ingest/RepeatedBatchIsRefusedWithTheCursor", repeatedBatchIsRefused},
	{"Ingest/OverlappingBatchIsRefusedWhole", overlappingBatchIsRefused},
	{"Ingest/GapMustBeDeclared", gapMustBeDeclared},
	{"Ingest/EmptyBatchChangesNothing", emptyBatchChangesNothing},
	{"Ingest/AllOrNothing", ingestAllOrNothing},
	{"Ingest/StreamsAreIndependent", streamsAreIndependent},
	{"Ingest/OrderCountsOnce", orderCountsOnce},
	{"Ingest/OrderIsUniqueWithinItsTenant", orderIsUniqueWithinItsTenant},
	{"Ingest/ForcedOrderMakesNoRepeat", forcedOrderMakesNoRepeat},
	{"Ingest/EarliestExposureWins", earliestExposureWins},
	{"Ingest/TakesEverythingThatEnginesAccept", takesEverything},
}

// refused checks that the store refuses a batch and says where the stream is.
func refused(t require.TestingT, s strata.Store, b strata.Batch, last int64) {
	err := s.Ingest(background, b)
	require.ErrorIs(t, err, strata.ErrCursor, "batch %d…%d behind %d with gap %d", b.First, b.Last(), last, b.Gap)
	var at *strata.CursorError
	require.True(t, errors.As(err, &at), "the error is no *strata.CursorError: %v", err)
	require.Equal(t, strata.CursorError{Stream: b.Stream, First: b.First, Last: last}, *at)
	require.Equal(t, last, cursor(t, s, b.Stream), "a refused batch moved the cursor")
}

// requireSignups checks how many signups the user "ada" has, whom the case
// exposed to the control.
func requireSignups(t require.TestingT, s strata.Store, want int64) {
	r := results(t, s, signups)
	require.EqualValues(t, 1, r.Treatments[control].Units)
	requireUnits(t, r, control, signups.Key, want)
}

func ingestMovesTheCursor(t *testing.T, s strata.Store) {
	w := newWriter(s)
	for _, size := range []int{1, 3, 1, 20} {
		before := w.last
		w.write(t, slices.Repeat([]strata.Record{signup("ada", start)}, size)...)
		require.Equal(t, before+int64(size), cursor(t, s, w.stream))
	}
	write(t, s, exposure("ada", control, start))
	requireSignups(t, s, 25)
}

func repeatedBatchIsRefused(t *testing.T, s strata.Store) {
	w := newWriter(s)
	first := w.batch(exposure("ada", control, start), signup("ada", start))
	w.write(t, first.Records...)
	refused(t, s, first, 2)
	second := w.batch(signup("ada", start), signup("ada", start))
	w.write(t, second.Records...)
	for range 3 {
		refused(t, s, first, 4)
		refused(t, s, second, 4)
	}
	requireSignups(t, s, 3)
	w.write(t, signup("ada", start))
	requireSignups(t, s, 4)
}

func overlappingBatchIsRefused(t *testing.T, s strata.Store) {
	w := newWriter(s)
	w.write(t, exposure("ada", control, start), signup("ada", start))
	overlap := w.batch(signup("ada", start), signup("ada", start))
	for overlap.First = 1; overlap.First <= 2; overlap.First++ {
		refused(t, s, overlap, 2)
	}
	requireSignups(t, s, 1)
}

func gapMustBeDeclared(t *testing.T, s strata.Store) {
	w := newWriter(s)
	w.write(t, exposure("ada", control, start), signup("ada", start))
	behind := func(first, gap int64) strata.Batch {
		return strata.Batch{Stream: w.stream, First: first, Gap: gap, Records: []strata.Record{signup("ada", start)}}
	}
	refused(t, s, behind(6, 0), 2)
	refused(t, s, behind(6, 2), 2) // one short
	refused(t, s, behind(6, 4), 2) // one too many
	refused(t, s, behind(3, 1), 2)
	refused(t, s, behind(2, -1), 2) // a gap is no way back
	refused(t, s, behind(math.MinInt64, math.MaxInt64-2), 2)
	requireSignups(t, s, 1)

	require.NoError(t, s.Ingest(t.Context(), behind(6, 3)))
	require.EqualValues(t, 6, cursor(t, s, w.stream))
	requireSignups(t, s, 2)
	refused(t, s, behind(6, 3), 6)

	require.NoError(t, s.Ingest(t.Context(), strata.Batch{Stream: w.stream, First: 11, Gap: 4}), "an empty batch may declare a gap")
	require.EqualValues(t, 10, cursor(t, s, w.stream))
	require.NoError(t, s.Ingest(t.Context(), behind(11, 0)))
	requireSignups(t, s, 3)
}

func emptyBatchChangesNothing(t *testing.T, s strata.Store) {
	w := newWriter(s)
	require.NoError(t, s.Ingest(t.Context(), w.batch()))
	require.Zero(t, cursor(t, s, w.stream))
	w.write(t, exposure("ada", control, start), signup("ada", start))
	require.NoError(t, s.Ingest(t.Context(), w.batch()))
	require.EqualValues(t, 2, cursor(t, s, w.stream))
	w.write(t, signup("ada", start))
	requireSignups(t, s, 2)
}

// ingestAllOrNothing refuses batches for their place, and stops others after
// each look that the store takes at their context.
func ingestAllOrNothing(t *testing.T, s strata.Store) {
	const size = 40
	w := newWriter(s)
	w.write(t, exposure("ada", control, start))
	fresh := w.batch(slices.Repeat([]strata.Record{signup("ada", start)}, size)...)
	fresh.First++
	refused(t, s, fresh, 1)
	requireSignups(t, s, 0)

	var done int64
	for looks := 0; ; looks++ {
		require.Less(t, looks, 1_000, "Ingest looks at its context without end")
		batch := w.batch(slices.Repeat([]strata.Record{signup("ada", start)}, size)...)
		ctx := endsAfter(t.Context(), looks)
		err := s.Ingest(ctx, batch)
		switch last := cursor(t, s, w.stream); last {
		case w.last:
			require.ErrorIs(t, err, ctx.Err(), "a batch that is not stored has an error")
		case batch.Last():
			done, w.last = done+size, last
			refused(t, s, batch, last)
		default:
			require.Failf(t, "half a batch", "the cursor is %d, neither %d nor %d", last, w.last, batch.Last())
		}
		requireSignups(t, s, done)
		if err == nil {
			return
		}
	}
}

func streamsAreIndependent(t *testing.T, s strata.Store) {
	a, b := newWriter(s), newWriter(s)
	a.write(t, exposure("ada", control, start), signup("ada", start))
	require.Zero(t, cursor(t, s, b.stream))
	b.write(t, signup("ada", start))
	a.write(t, signup("ada", start))
	require.EqualValues(t, 3, cursor(t, s, a.stream))
	require.EqualValues(t, 1, cursor(t, s, b.stream))
	requireSignups(t, s, 3)
}

func orderCountsOnce(t *testing.T, s strata.Store) {
	w := newWriter(s)
	w.write(t, exposure("ada", control, start), order("ada", "o1", 500, start))
	w.write(t, order("ada", "o1", 500, start), order("ada", "o2", 70, start), order("ada", "o2", 70, start)) // later, and within a batch
	write(t, s, order("ada", "o1", 500, at(time.Minute)))                                                    // through another stream
	r := results(t, s, orders, revenue)
	requireUnits(t, r, control, orders.Key, 2)
	requireUnits(t, r, control, revenue.Key, 570)
	require.EqualValues(t, 3, r.RepeatedOrders)

	write(t, s, order("grace", "o2", 70, start), order("grace", "o3", 8, start), exposure("grace", variant, start)) // by another unit
	r = results(t, s, revenue)
	requireUnits(t, r, variant, revenue.Key, 8)
	requireUnits(t, r, control, revenue.Key, 570)
	require.EqualValues(t, 4, r.RepeatedOrders)
}

func orderIsUniqueWithinItsTenant(t *testing.T, s strata.Store) {
	write(t, s, exposure("ada", control, start))
	for _, tenant := range []string{"", "acme", "globex", "acme"} {
		r := order("ada", "o1", 100, start)
		r.Unit.Tenant = tenant
		write(t, s, r)
	}
	r := results(t, s, revenue)
	requireUnits(t, r, control, revenue.Key, 300)
	require.EqualValues(t, 1, r.RepeatedOrders)
}

func forcedOrderMakesNoRepeat(t *testing.T, s strata.Store) {
	forced := order("ada", "o1", 100, start)
	forced.Forced = true
	write(t, s, exposure("ada", control, start), forced, order("ada", "o1", 100, start), forced)
	r := results(t, s, revenue)
	requireUnits(t, r, control, revenue.Key, 100)
	require.Zero(t, r.RepeatedOrders)
}

func earliestExposureWins(t *testing.T, s strata.Store) {
	write(t, s, signup("ada", at(time.Hour)), signup("ada", at(2*time.Hour)), signup("ada", at(3*time.Hour)))
	w := newWriter(s)
	for _, c := range []struct{ exposed, counts time.Duration }{
		{2 * time.Hour, 2}, {3 * time.Hour, 2}, {time.Hour, 3}, {2 * time.Hour, 3}, {90 * time.Minute, 3},
	} {
		w.write(t, exposure("ada", control, at(c.exposed)))
		r := results(t, s, signups)
		require.EqualValues(t, 1, r.Treatments[control].Units, "repeated exposures are one unit")
		requireUnits(t, r, control, signups.Key, int64(c.counts))
	}
	require.Zero(t, results(t, s).Contradictions, "the same treatment again is no contradiction")
}

// takesEverything stores the largest events that an engine lets through.
func takesEverything(t *testing.T, s strata.Store) {
	long := func(n int) string { return strings.Repeat("é", n/2) }
	unit := strata.Unit{User: long(500), Device: long(500), Session: "s ' \" \\ \t\n", Tenant: "🙂", Request: "r\u2028"}
	properties := map[string]any{"s": long(1000), "b": true, "i": math.MaxInt, "i64": int64(math.MinInt64), "f": -math.MaxFloat64, "é": ""}
	items := slices.Repeat([]strata.Item{{SKU: long(200), Quantity: -1_000_000_000, Price: 1_000_000_000_000_000}}, 500)
	const most = 1_000_000_000_000_000
	var records []strata.Record
	for _, e := range []strata.Event{
		strata.Exposure{Time: start, Experiment: experiment, Treatment: control, Diversion: strata.ByUser, Bucket: 9_999, Hash: math.MaxUint64, Version: math.MaxInt64},
		strata.PageView{Time: start, Page: long(2000), Referrer: long(2000)},
		strata.Click{Time: start, Target: long(500), Page: "\\N"},
		strata.Purchase{Time: start, OrderID: long(200), Total: -most, Discount: most, Currency: "EUR", Items: items},
		strata.Purchase{Time: start, OrderID: "o\x01", Total: 1, Currency: "EUR"},
		strata.Conversion{Time: at(24 * time.Hour), Goal: long(200), Value: math.SmallestNonzeroFloat64},
		strata.Custom{Time: start, EventName: "e\x7f", Value: math.Pi, Properties: properties},
		strata.Custom{Time: at(25 * 365 * -24 * time.Hour), EventName: "before the exposure"},
	} {
		records = append(records, strata.Record{Unit: unit, Event: e})
	}
	write(t, s, records...)

	count := func(key string, kind strata.Kind, name string) strata.Metric {
		return strata.Metric{Key: key, Type: strata.MetricCount, Measure: strata.Measure{Event: kind, Name: name}}
	}
	sum := func(v strata.MeasureValue, currency string) strata.Metric {
		return strata.Metric{Key: string(v), Type: strata.MetricSum, Measure: strata.Measure{Event: strata.KindPurchase, Value: v, Currency: currency}}
	}
	r := results(t, s,
		count("pages", strata.KindPageView, long(2000)), count("clicks", strata.KindClick, long(500)),
		count("goals", strata.KindConversion, long(200)), count("custom", strata.KindCustom, "e\x7f"),
		count("early", strata.KindCustom, "before the exposure"),
		sum(strata.ValueTotal, "EUR"), sum(strata.ValueDiscount, "EUR"), sum(strata.ValueItems, ""),
		strata.Metric{Key: "pi", Type: strata.MetricSum, Measure: strata.Measure{Event: strata.KindCustom, Value: strata.ValueAmount}})
	for key, want := range map[string]int64{
		"pages": 1, "clicks": 1, "goals": 1, "custom": 1, "early": 0,
		"total": 1 - most, "discount": most, "items": -500_000_000_000,
	} {
		requireUnits(t, r, control, key, want)
	}
	require.Equal(t, math.Pi, r.Treatments[control].Metrics["pi"].Moments[0].Mean(0), "a float comes back as it was")
}
