package storetest

import (
	"context"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
)

var exposureCases = []testCase{
	{"Exposed/OneEntryForEachUnit", oneEntryForEachUnit},
	{"Exposed/TreatmentOfTheFirstExposure", treatmentOfTheFirstExposure},
	{"Exposed/OnlyOfTheExperimentAndPhase", exposedOfThePhase},
	{"Exposed/LeavesOutOtherSystems", leavesOutOtherSystems},
	{"Exposed/AfterAnotherSystem", exposedAfterAnotherSystem},
	{"Exposed/HashesAreWhole", hashesAreWhole},
	{"Exposed/InTheOrderLearnedAfterAnEntry", exposedAfter},
	{"Exposed/FollowingItMissesNobody", followingMissesNobody},
	{"Exposed/MayBeLeftEarly", exposedLeftEarly},
	{"Exposed/ErrorEndsTheSequence", errorEndsTheSequence},
}

// listExposed lists the units exposed in the experiment's phase 0, and checks
// that their sequence rises.
func listExposed(t require.TestingT, s strata.Store, after int64) []strata.ExposedUnit {
	var list []strata.ExposedUnit
	last := after
	for x, err := range s.Exposed(background, strata.ExposedParams{Experiment: experiment, After: after}) {
		require.NoError(t, err)
		require.Greater(t, x.Sequence, last, "sequences rise from entry to entry, above After")
		last = x.Sequence
		list = append(list, x)
	}
	return list
}

// requireExposed checks who is listed, by user and treatment, in order.
func requireExposed(t *testing.T, s strata.Store, pairs ...string) {
	t.Helper()
	type entry struct {
		hash      uint64
		treatment string
	}
	var want, got []entry
	for pair := range slices.Chunk(pairs, 2) {
		want = append(want, entry{hash(pair[0]), pair[1]})
	}
	for _, x := range listExposed(t, s, 0) {
		got = append(got, entry{x.Hash, x.Treatment})
	}
	require.Equal(t, want, got)
}

func oneEntryForEachUnit(t *testing.T, s strata.Store) {
	requireExposed(t, s)
	w := newWriter(s)
	w.write(t, exposure("ada", control, start), exposure("ada", control, start), exposure("grace", variant, start))
	w.write(t, exposure("grace", variant, at(time.Hour)), exposure("ada", control, at(-time.Hour)), exposure("ken", control, start))
	write(t, s, exposure("ken", control, at(time.Minute)))
	requireExposed(t, s, "ada", control, "grace", variant, "ken", control)
}

func treatmentOfTheFirstExposure(t *testing.T, s strata.Store) {
	w := newWriter(s)
	w.write(t, exposure("ada", control, start), exposure("grace", control, start))
	w.write(t, exposure("ada", variant, at(time.Microsecond)), exposure("grace", variant, at(-time.Microsecond)))
	requireExposed(t, s, "ada", control, "grace", variant)
}

// elsewhere moves an exposure to another experiment or phase.
func elsewhere(r strata.Record, experiment string, phase int) strata.Record {
	x := r.Event.(strata.Exposure)
	x.Experiment, x.Phase = experiment, phase
	r.Event = x
	return r
}

func exposedOfThePhase(t *testing.T, s strata.Store) {
	ada := exposure("ada", control, start)
	write(t, s, ada, elsewhere(exposure("grace", variant, start), experiment, 1),
		elsewhere(exposure("ken", variant, start), "another", 0), elsewhere(exposure("ada", variant, start), experiment, 2))
	requireExposed(t, s, "ada", control)
	for _, params := range []strata.ExposedParams{{Experiment: "none"}, {Experiment: experiment, Phase: 7}} {
		for x, err := range s.Exposed(t.Context(), params) {
			require.Fail(t, "nobody was exposed", "%+v: %+v, %v", params, x, err)
		}
	}
}

func leavesOutOtherSystems(t *testing.T, s strata.Store) {
	external := exposure("grace", variant, start)
	x := external.Event.(strata.Exposure)
	x.Bucket, x.Hash, x.External = -1, 0, true
	external.Event = x
	write(t, s, exposure("ada", control, start), external, exposure("ken", variant, start))
	requireExposed(t, s, "ada", control, "ken", variant)
	require.EqualValues(t, 2, results(t, s).Treatments[variant].Units, "in results they count")
}

// A unit that another system recorded, and that had been assigned here before,
// is new to those who list what came since.
func exposedAfterAnotherSystem(t *testing.T, s strata.Store) {
	external := exposure("grace", variant, at(time.Hour))
	x := external.Event.(strata.Exposure)
	x.Bucket, x.Hash, x.External = -1, 0, true
	external.Event = x
	write(t, s, external, exposure("ada", control, start))
	list := listExposed(t, s, 0)
	require.Len(t, list, 1)
	write(t, s, exposure("grace", variant, start))
	list = listExposed(t, s, list[0].Sequence)
	require.Len(t, list, 1)
	require.Equal(t, hash("grace"), list[0].Hash)
	require.Len(t, listExposed(t, s, 0), 2, "one entry for each unit")
	require.EqualValues(t, 1, results(t, s).Treatments[variant].Units)
}

func hashesAreWhole(t *testing.T, s strata.Store) {
	var records []strata.Record
	want := []uint64{0, 1, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64, 1<<53 + 1}
	for i, h := range want {
		r := exposure(name("u", i), control, start)
		x := r.Event.(strata.Exposure)
		x.Hash, x.Bucket = h, 0
		r.Event = x
		records = append(records, r)
	}
	write(t, s, records...)
	var got []uint64
	for _, x := range listExposed(t, s, 0) {
		got = append(got, x.Hash)
	}
	require.Equal(t, want, got)
}

func exposedAfter(t *testing.T, s strata.Store) {
	w := newWriter(s)
	for i := range 5 {
		w.write(t, exposure(name("u", 2*i), control, at(-time.Duration(i)*time.Hour)), exposure(name("u", 2*i+1), variant, start))
	}
	all := listExposed(t, s, 0)
	require.Len(t, all, 10)
	for i, x := range all {
		require.Equal(t, hash(name("u", i)), x.Hash, "entries are in the order in which the store learned of them")
		require.Positive(t, x.Sequence)
		require.Equal(t, all[i+1:], append([]strata.ExposedUnit{}, listExposed(t, s, x.Sequence)...))
	}
	last := all[9].Sequence
	w.write(t, exposure("u3", variant, at(-time.Hour)), exposure("new", variant, at(-time.Hour)))
	list := listExposed(t, s, last)
	require.Len(t, list, 1, "a unit that is known does not come again")
	require.Equal(t, hash("new"), list[0].Hash)
}

// followingMissesNobody reads on from the last entry seen while writers add
// others: an entry must not turn up behind one that was read already.
func followingMissesNobody(t *testing.T, s strata.Store) {
	const writers, batches, size = 4, 25, 3
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			w := newWriter(s)
			for j := range batches {
				var records []strata.Record
				for k := range size {
					records = append(records, exposure(name("u", (i*batches+j)*size+k), control, start))
				}
				w.write(assertion{t}, records...)
			}
		})
	}
	written := make(chan struct{})
	go func() { all.Wait(); close(written) }()

	seen, last := make(map[uint64]bool), int64(0)
	for done := false; !done; {
		select {
		case <-written:
			done = true // and once more, for those that came since
		default:
		}
		for _, x := range listExposed(t, s, last) {
			require.False(t, seen[x.Hash], "a unit came twice")
			seen[x.Hash], last = true, x.Sequence
		}
	}
	require.Len(t, seen, writers*batches*size, "units turned up behind entries that were read")
}

func exposedLeftEarly(t *testing.T, s strata.Store) {
	w := newWriter(s)
	for i := range 20 {
		w.write(t, exposure(name("u", i), control, start))
	}
	for range 20 { // whatever an unfinished sequence held would run out
		for _, err := range s.Exposed(t.Context(), strata.ExposedParams{Experiment: experiment}) {
			require.NoError(t, err)
			break
		}
		w.write(t, exposure("ada", control, start))
	}
	require.Len(t, listExposed(t, s, 0), 21)
}

func errorEndsTheSequence(t *testing.T, s strata.Store) {
	var records []strata.Record
	for i := range 3_000 {
		records = append(records, exposure(name("u", i), control, start))
	}
	write(t, s, records...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	entries, ended := 0, false
	for _, err := range s.Exposed(ctx, strata.ExposedParams{Experiment: experiment}) {
		require.False(t, ended, "the sequence went on behind an error")
		if err != nil {
			require.ErrorIs(t, err, ctx.Err())
			ended = true
		}
		if entries++; entries == 2 {
			cancel()
		}
	}
	require.True(t, ended, "the sequence ended without an error although its context was done; it had %d entries", entries)
}
