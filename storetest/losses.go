package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
)

var lossCases = []testCase{
	{"Losses/CountInResults", lossesCount},
	{"Losses/SentAgainAddNothing", lossesSentAgain},
	{"Losses/HigherTotalWins", higherTotalWins},
	{"Losses/AddUpOverStreams", lossesAddUp},
	{"Losses/AtMostTheUnits", lossesAtMostTheUnits},
	{"Losses/OfTheExperimentAndPhase", lossesOfThePhase},
	{"Losses/BatchOfNothingElseIsStored", lossesAlone},
	{"Losses/AllOrNothing", lossesAllOrNothing},
	{"Losses/AreNotOfDaysAndSegments", lossesOfDaysAndSegments},
	{"Losses/AgreeWithAnySequenceOfBatches", anySequenceOfLosses},
	{"Ingest/GapMayHaveAReason", gapMayHaveAReason},
}

// lostUnits are losses of units of the experiment's phase 0.
func lostUnits(treatment string, units int64) *strata.Losses {
	return &strata.Losses{
		Events: []strata.LostEvents{
			{Kind: strata.KindPageView, Reason: strata.LossShed, Events: 3 * units},
			{Kind: strata.KindPageView, Reason: strata.LossFull, Events: units},
			{Kind: strata.KindPurchase, Reason: strata.LossInvalid, Events: 1},
		},
		Units: []strata.LostUnits{{Experiment: experiment, Treatment: treatment, Units: units}},
	}
}

// lose stores losses with the next records.
func (w *writer) lose(t require.TestingT, lost *strata.Losses, records ...strata.Record) {
	b := w.batch(records...)
	b.Losses = lost
	require.NoError(t, w.store.Ingest(background, b))
	w.last = b.Last()
}

// exposeAll exposes n units to each of the treatments.
func exposeAll(t require.TestingT, s strata.Store, n int) {
	var records []strata.Record
	for i := range n {
		records = append(records, exposure(name("c", i), control, start), exposure(name("v", i), variant, start))
	}
	write(t, s, records...)
}

// requireShed checks how many units of the treatments lost events.
func requireShed(t require.TestingT, s strata.Store, inControl, inVariant int64) {
	for _, metrics := range [][]strata.Metric{nil, {signups}} {
		r := results(t, s, metrics...)
		require.Equal(t, inControl, r.Treatments[control].Shed, "units of the control that lost events")
		require.Equal(t, inVariant, r.Treatments[variant].Shed, "units of the variant that lost events")
	}
}

func lossesCount(t *testing.T, s strata.Store) {
	exposeAll(t, s, 9)
	requireShed(t, s, 0, 0)
	w := newWriter(s)
	w.lose(t, lostUnits(variant, 4), signup("ada", start))
	requireShed(t, s, 0, 4)
	w.lose(t, lostUnits(control, 2), signup("ada", start), signup("ada", start))
	requireShed(t, s, 2, 4)
	w.write(t, signup("ada", start))
	requireShed(t, s, 2, 4) // a batch without losses takes none back
	require.Zero(t, results(t, s).Treatments[control].Uncertain)
}

func lossesSentAgain(t *testing.T, s strata.Store) {
	exposeAll(t, s, 9)
	w := newWriter(s)
	for range 3 {
		w.lose(t, lostUnits(control, 3), signup("ada", start))
		w.lose(t, lostUnits(control, 3))
		requireShed(t, s, 3, 0)
	}
}

func higherTotalWins(t *testing.T, s strata.Store) {
	exposeAll(t, s, 9)
	w := newWriter(s)
	for _, c := range []struct{ sent, stands int64 }{{2, 2}, {5, 5}, {4, 5}, {5, 5}, {7, 7}} {
		w.lose(t, lostUnits(control, c.sent), signup("ada", start))
		requireShed(t, s, c.stands, 0)
	}
}

func lossesAddUp(t *testing.T, s strata.Store) {
	exposeAll(t, s, 9)
	a, b := newWriter(s), newWriter(s)
	a.lose(t, lostUnits(control, 3), signup("ada", start))
	b.lose(t, lostUnits(control, 2), signup("ada", start))
	requireShed(t, s, 5, 0)
	both := lostUnits(control, 4)
	both.Units = append(both.Units, lostUnits(variant, 1).Units...)
	b.lose(t, both)
	requireShed(t, s, 7, 1)
}

// lossesAtMostTheUnits: a unit that lost events in two processes counts twice,
// and one whose exposure was lost is in no treatment.
func lossesAtMostTheUnits(t *testing.T, s strata.Store) {
	w := newWriter(s)
	w.lose(t, lostUnits(control, 7), signup("ada", start))
	require.Empty(t, results(t, s).Treatments, "losses alone make no treatment")
	exposeAll(t, s, 4)
	requireShed(t, s, 4, 0)
	newWriter(s).lose(t, lostUnits(variant, 4), signup("ada", start))
	newWriter(s).lose(t, lostUnits(variant, 1), signup("ada", start))
	requireShed(t, s, 4, 4)
	write(t, s, exposure("one more", control, start))
	requireShed(t, s, 5, 4)
}

func lossesOfThePhase(t *testing.T, s strata.Store) {
	exposeAll(t, s, 9)
	other := lostUnits(control, 5)
	other.Units = append(other.Units, other.Units[0], other.Units[0])
	other.Units[0].Experiment, other.Units[1].Phase, other.Units[2].Treatment = "another", 1, "another"
	w := newWriter(s)
	w.lose(t, other, signup("ada", start))
	requireShed(t, s, 0, 0)
	w.lose(t, lostUnits(control, 1))
	requireShed(t, s, 1, 0)
	write(t, s, elsewhere(exposure("ada", control, start), experiment, 1))
	r, err := s.Results(t.Context(), strata.ResultsParams{Experiment: experiment, Phase: 1})
	require.NoError(t, err)
	require.EqualValues(t, 1, r.Treatments[control].Shed)
}

// lossesAlone stores losses without records, of a stream that is known and of
// one that is not.
func lossesAlone(t *testing.T, s strata.Store) {
	exposeAll(t, s, 9)
	w := newWriter(s)
	w.lose(t, lostUnits(control, 2))
	requireShed(t, s, 2, 0)
	require.Zero(t, cursor(t, s, w.stream))
	w.write(t, signup("c0", start), signup("c0", start))
	w.lose(t, lostUnits(control, 3))
	requireShed(t, s, 3, 0)
	require.EqualValues(t, 2, cursor(t, s, w.stream))
	require.NoError(t, s.Ingest(t.Context(), strata.Batch{Stream: w.stream, First: 6, Gap: 3, Losses: lostUnits(control, 4)}))
	w.last = 5
	requireShed(t, s, 4, 0)
	w.write(t, signup("c0", start))
	require.EqualValues(t, 6, cursor(t, s, w.stream))
	requireUnits(t, results(t, s, signups), control, signups.Key, 3, 0, 0, 0, 0, 0, 0, 0, 0)
}

// lossesAllOrNothing refuses batches for their place, and stops others.
func lossesAllOrNothing(t *testing.T, s strata.Store) {
	exposeAll(t, s, 9)
	w := newWriter(s)
	w.lose(t, lostUnits(control, 1), signup("ada", start))
	for _, first := range []int64{1, 3} {
		b := strata.Batch{Stream: w.stream, First: first, Losses: lostUnits(control, 8)}
		refused(t, s, b, 1)
		b.Records = []strata.Record{signup("ada", start)}
		refused(t, s, b, 1)
	}
	requireShed(t, s, 1, 0)
	for looks := 0; ; looks++ {
		require.Less(t, looks, 1_000, "Ingest looks at its context without end")
		b := w.batch()
		b.Losses = lostUnits(control, 6)
		err := s.Ingest(endsAfter(t.Context(), looks), b)
		if err == nil {
			requireShed(t, s, 6, 0)
			return
		}
		shed := results(t, s).Treatments[control].Shed
		require.Contains(t, []int64{1, 6}, shed) // an error may come behind the fact
	}
}

func lossesOfDaysAndSegments(t *testing.T, s strata.Store) {
	x := exposure("ada", control, start)
	e := x.Event.(strata.Exposure)
	e.Attributes = map[string]string{"country": "DE"}
	x.Event = e
	w := newWriter(s)
	w.lose(t, lostUnits(control, 1), x, exposure("grace", control, at(48*time.Hour)))
	r, err := s.Results(t.Context(), strata.ResultsParams{Experiment: experiment, Attribute: "country", Metrics: []strata.Metric{signups}})
	require.NoError(t, err)
	require.EqualValues(t, 1, r.Treatments[control].Shed)
	require.NotEmpty(t, r.Segments)
	for value, treatments := range r.Segments {
		require.Zero(t, treatments[control].Shed, "segment %q", value)
	}
	r, err = s.Results(t.Context(), strata.ResultsParams{Experiment: experiment, Daily: true, Metrics: []strata.Metric{signups}})
	require.NoError(t, err)
	require.EqualValues(t, 1, r.Treatments[control].Shed)
	require.NotEmpty(t, r.Days)
	for _, day := range r.Days {
		require.Zero(t, day.Treatments[control].Shed, "day %s", stamp(day.Day))
	}
}

// anySequenceOfLosses compares with the simplest model: the highest total that
// each stream has told.
func anySequenceOfLosses(t *testing.T, s strata.Store) {
	const units = 12
	exposeAll(t, s, units)
	random := newRandom(t)
	writers := []*writer{newWriter(s), newWriter(s), newWriter(s)}
	told := make(map[*writer]map[string]int64)
	for _, w := range writers {
		told[w] = make(map[string]int64)
	}
	var refusals, alone, lower int
	for range rounds(160) {
		w, treatment, total := writers[random.IntN(len(writers))], []string{control, variant}[random.IntN(2)], random.Int64N(units/2)
		b := w.batch(slices.Repeat([]strata.Record{signup("ada", start)}, random.IntN(3))...)
		b.Losses = lostUnits(treatment, total)
		if random.IntN(4) == 0 {
			b.First += 1 + random.Int64N(2)
			refused(t, s, b, w.last)
			refusals++
			continue
		}
		w.lose(t, b.Losses, b.Records...)
		if len(b.Records) == 0 {
			alone++
		}
		if total < told[w][treatment] {
			lower++
		}
		told[w][treatment] = max(told[w][treatment], total)
		var sums [2]int64
		for _, w := range writers {
			sums[0], sums[1] = sums[0]+told[w][control], sums[1]+told[w][variant]
		}
		requireShed(t, s, min(sums[0], units), min(sums[1], units))
	}
	require.NotZero(t, refusals, "no batch was refused")
	require.NotZero(t, alone, "no losses came alone")
	require.NotZero(t, lower, "no total was lower than before")
}

func gapMayHaveAReason(t *testing.T, s strata.Store) {
	w := newWriter(s)
	w.write(t, exposure("ada", control, start))
	for _, reason := range []string{"a failover took them; the spool had them no more", "ünlesbar: \"segment 7\"\n", ""} {
		b := w.batch(signup("ada", start))
		b.First, b.Gap, b.GapReason = b.First+3, 3, reason
		require.NoError(t, s.Ingest(t.Context(), b))
		refused(t, s, b, b.Last())
		w.last = b.Last()
	}
	require.EqualValues(t, 13, cursor(t, s, w.stream))
	requireSignups(t, s, 3)
}
