package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// load loads a library, and returns how many exposures it has told of.
func load(t *testing.T, a Adapter, s Setup, exposures bool) (Subject, *tally) {
	t.Helper()
	told := new(tally)
	if exposures {
		s.Exposures = told.add
	}
	subject, err := a.Load(s)
	require.NoError(t, err)
	return subject, told
}

func TestEveryLibraryDoesTheSameWork(t *testing.T) {
	for _, a := range adapters() {
		for _, exposures := range bothStates {
			for _, n := range []int{1, 3} {
				s := Setup{Experiments: n}
				subject, told := load(t, a, s, exposures)
				require.NoError(t, verify(subject, s, unitIDs()), a.Name())
				require.NoError(t, subject.Close(), a.Name())
				if exposures {
					require.GreaterOrEqual(t, told.n.Load(), int64(unitCount), a.Name())
				} else {
					require.Zero(t, told.n.Load(), a.Name())
				}
			}
		}
	}
}

func TestEveryLibraryAsksForTheAudience(t *testing.T) {
	for _, a := range adapters() {
		for _, outside := range []bool{false, true} {
			s := Setup{Experiments: 1, Conditions: true, Outside: outside}
			subject, _ := load(t, a, s, false)
			require.NoError(t, verify(subject, s, unitIDs()), "%s, outside %v", a.Name(), outside)
			require.NoError(t, subject.Close())
		}
	}
}

func TestEveryLibraryLoads(t *testing.T) {
	for _, a := range adapters() {
		l, err := a.Loading(20)
		require.NoError(t, err, a.Name())
		require.Greater(t, l.Bytes(), 20*100, a.Name())
		require.NoError(t, l.Load(), a.Name())
		require.NoError(t, l.Load(), a.Name())
		require.NoError(t, l.Close(), a.Name())
		require.NotEmpty(t, a.Remarks(), a.Name())
	}
}

// What is asked of a library must be what it gives: a unit that one call has on is on
// in the batch.
func TestBatchIsTheLoop(t *testing.T) {
	batches := 0
	for _, a := range adapters() {
		subject, _ := load(t, a, Setup{Experiments: 40}, false)
		for _, id := range unitIDs()[:8] {
			if on, ok := subject.All(id); ok {
				require.Equal(t, subject.Each(id, 40), on, a.Name())
				batches++
			}
		}
		require.NoError(t, subject.Close())
	}
	require.Equal(t, 4*8, batches, "four libraries have a call for all")
}
