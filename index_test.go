package strata

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The index answers as a map does, whatever the keys look like.
func TestTheIndexIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.OneOf(rapid.StringN(0, 40, -1), rapid.StringMatching(`(experiment-of-){0,3}[ab]{0,9}`))
		keys := rapid.SliceOfNDistinct(key, 0, 60, rapid.ID).Draw(t, "keys")
		index, model := newExperimentIndex(len(keys)), map[string]*snapExperiment{}
		for _, k := range keys {
			e := &snapExperiment{key: k}
			index.add(e)
			model[k] = e
		}
		for _, k := range append(keys, rapid.SliceOfN(key, 0, 20).Draw(t, "others")...) {
			require.Same(t, model[k], index.find(strings.Clone(k)), "key %q", k)
		}
		require.Len(t, slices.Collect(index.all()), len(model))
		sorted := index.sorted()
		require.Len(t, sorted, len(model))
		require.True(t, slices.IsSortedFunc(sorted, func(a, b *snapExperiment) int { return strings.Compare(a.key, b.key) }))
	})
}

func TestTheZeroIndexHasNothing(t *testing.T) {
	var index experimentIndex
	for _, key := range []string{"", "a", "eight888", "more than eight"} {
		require.Nil(t, index.find(key))
	}
	require.Empty(t, index.sorted())
}

// Keys of the kinds that people write do not fall together: no look-up goes far.
func TestLookUpsAreShort(t *testing.T) {
	const n = 10_000
	for _, form := range []string{"%d", "exp-%d", "%06d", "checkout-%d-button-color", "a-rather-long-prefix-of-a-team/%08d/and-what-is-common-at-the-end"} {
		index := newExperimentIndex(n)
		for i := range n {
			index.add(&snapExperiment{key: fmt.Sprintf(form, i)})
		}
		steps, longest := 0, 0
		for at, e := range index.table {
			if e == nil {
				continue
			}
			home := int(hashKey(e.key) >> index.shift)
			d := (at - home + len(index.table)) % len(index.table)
			steps, longest = steps+d, max(longest, d)
		}
		require.Less(t, float64(steps)/n, 1.0, "form %q", form)
		require.Less(t, longest, 64, "form %q", form)
	}
}
