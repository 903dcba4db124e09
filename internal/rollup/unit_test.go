package rollup_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/rollup"
)

// Facts are in the one order, however they came, and AddFacts says from where on
// they are others: all before are earlier than any that is new.
func TestFactsAreInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var u rollup.Unit
		var all []strata.Fact
		for range rapid.IntRange(1, 5).Draw(t, "portions") {
			facts := rapid.SliceOfN(rapid.Custom(drawFact), 0, 5).Draw(t, "facts")
			strata.SortFacts(facts)
			all = append(all, facts...)
			was := slices.Clone(u.Facts)
			changed := u.AddFacts(facts)
			require.True(t, slices.Equal(was[:changed], u.Facts[:changed]))
			for _, old := range was[:changed] {
				require.True(t, len(facts) == 0 || old.At < facts[0].At)
			}
			require.True(t, changed == len(was) || was[changed].At >= facts[0].At, "no more than necessary changes")
		}
		strata.SortFacts(all)
		require.True(t, slices.Equal(all, u.Facts))
	})
}

func TestEarliestExposureIsKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var u rollup.Unit
		first, treatments := make(map[int32]int64), make(map[int32]map[int32]bool)
		for _, x := range rapid.SliceOfN(rapid.Custom(drawExposure), 1, 12).Draw(t, "exposures") {
			at, known := first[x.Subject]
			fresh, earliest := u.Expose(x)
			require.Equal(t, !known, fresh)
			require.Equal(t, !known || x.At < at, earliest)
			if earliest {
				first[x.Subject] = x.At
			}
			if fresh {
				treatments[x.Subject] = make(map[int32]bool)
			}
			treatments[x.Subject][x.Treatment] = true
		}
		require.Len(t, u.Exposures, len(first))
		for subject, at := range first {
			x := u.Exposed(subject)
			require.Equal(t, at, x.At)
			require.Equal(t, len(treatments[subject]) > 1, x.Contradiction)
		}
		require.Nil(t, u.Exposed(9))
		require.True(t, slices.IsSortedFunc(u.Exposures, func(a, b rollup.Exposure) int { return int(a.Subject - b.Subject) }))
	})
}

func TestClonesShareNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := drawUnit(t)
		facts, exposures := slices.Clone(u.Facts), slices.Clone(u.Exposures)
		c := u.Clone(3)
		take(&c, drawPortion(t))
		for i := range c.Exposures {
			c.Exposures[i].Treatment = 9
		}
		for i := range c.Facts {
			c.Facts[i].At = 9
		}
		require.Equal(t, facts, u.Facts)
		require.Equal(t, exposures, u.Exposures)
	})
}
