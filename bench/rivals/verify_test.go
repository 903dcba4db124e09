package main

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// scripted is a subject that answers by a function of the unit's number and the
// experiment's.
type scripted struct {
	answer func(unit, experiment int) string
	all    func(unit int) (int, bool)
	units  map[string]int
	asked  int
}

func (s *scripted) One(id string) string { s.asked++; return s.answer(s.units[id], 0) }

func (s *scripted) Each(id string, n int) (on int) {
	for i := range n {
		on += count(s.answer(s.units[id], i))
	}
	return on
}

func (s *scripted) All(id string) (int, bool) { return s.all(s.units[id]) }
func (s *scripted) Close() error              { return errors.New("not needed") }

func choose(second bool) string {
	if second {
		return on
	}
	return off
}

func TestVerifyFindsWhatIsWrong(t *testing.T) {
	good := func(unit, experiment int) string { return choose(unit>>experiment&1 == 1) }
	none := func(int) (int, bool) { return 0, false }
	asks := 0
	for _, c := range []struct {
		name, problem string
		answer        func(unit, experiment int) string
		all           func(unit int) (int, bool)
	}{
		{"good", "", good, none},
		{"good with a call for all", "", good, func(u int) (int, bool) { return u&1 + u>>1&1, true }},
		{"everybody on", "away from half", func(int, int) string { return on }, none},
		{"a treatment that is none", "in place of on or off", func(int, int) string { return "ON" }, none},
		{"the same in both", "the same treatment", func(u, _ int) string { return good(u, 0) }, none},
		{"another answer the second time", "by a loop", func(u, e int) string {
			asks++
			return choose(asks%2 == 0)
		}, none},
		{"a call for all that differs", "one call for all", good, func(int) (int, bool) { return 7, true }},
	} {
		s := &scripted{answer: c.answer, all: c.all, units: map[string]int{}}
		ids := unitIDs()
		for i, id := range ids {
			s.units[id] = i
		}
		err := verify(s, Setup{Experiments: 2}, ids)
		if c.problem == "" {
			require.NoError(t, err, c.name)
		} else {
			require.ErrorContains(t, err, c.problem, c.name)
		}
	}
}

func TestVerifyFindsWhoIsNotOutside(t *testing.T) {
	s := &scripted{answer: func(int, int) string { return on }}
	require.ErrorContains(t, verify(s, Setup{Experiments: 1, Conditions: true, Outside: true}, unitIDs()), "outside the audience")
}

func TestIDsAreDistinct(t *testing.T) {
	units := &strangers{next: &met}
	units.prepare(500)
	seen := map[string]bool{}
	for _, id := range append(append(unitIDs(), units.take(200)...), units.take(300)...) {
		require.Len(t, id, 36)
		seen[id] = true
	}
	units.prepare(10)
	for _, id := range units.ids {
		require.False(t, seen[id], "an id is met twice")
	}
	require.Len(t, seen, unitCount+500)
}
