package strata

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/stats"
)

// The statistical quality of assignment. Ids, salts and seeds are fixed, so
// each test always gives the same answer; what is said about false alarms is
// the probability that a fair hash would fail for another choice of salts.
// Together that is about 1 in 200: change a salt, and a failure may be chance;
// change the hash, and it is not.

// family is a kind of ids. A weak hash shows first with ids that are alike.
type family struct {
	name   string
	id     func(i int) string
	hashes []uint64
}

var families = sync.OnceValue(func() []family {
	random := rand.New(rand.NewPCG(1, 2))
	list := []family{
		{name: "sequential integers", id: strconv.Itoa},
		{name: "UUIDs", id: func(int) string {
			a, b := random.Uint64(), random.Uint64()
			return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>52, b&0xffffffffffff)
		}},
		{name: "e-mail addresses", id: func(i int) string { return fmt.Sprintf("user%d@example.com", i) }},
		{name: "short strings", id: func(i int) string { // a, b, …, aa, ba, …
			text := []byte{}
			for i++; i > 0; i = (i - 1) / 26 {
				text = append(text, byte('a'+(i-1)%26))
			}
			return string(text)
		}},
	}
	n := 1 << 18 // four families: 1,048,576 ids
	if testing.Short() {
		n = 1 << 15
	}
	for f := range list {
		list[f].hashes = make([]uint64, n)
		for i := range n {
			list[f].hashes[i] = hashID(list[f].id(i))
		}
	}
	return list
})

// allHashes are the hashes of all families together.
func allHashes() (all []uint64) {
	for _, f := range families() {
		all = append(all, f.hashes...)
	}
	return all
}

// groupsOf sorts hashes into n equal groups by bucket (or treatments of equal
// weight) under a seed. It is excused from the race detector, which would make
// these loops ten times slower and has nothing to find in them.
//
//go:norace
func groupsOf(hashes []uint64, seed uint64, n uint64) []uint8 {
	groups := make([]uint8, len(hashes))
	for i, h := range hashes {
		groups[i] = uint8(scale(mix(h, seed), NumBuckets) * n / NumBuckets)
	}
	return groups
}

// crossTable counts the pairs of groups.
//
//go:norace
func crossTable(a, b []uint8, rows, columns int) [][]int64 {
	counts := make([]int64, rows*columns)
	for i := range a {
		counts[int(a[i])*columns+int(b[i])]++
	}
	table := make([][]int64, rows)
	for r := range table {
		table[r] = counts[r*columns : (r+1)*columns]
	}
	return table
}

//go:norace
func bucketCounts(hashes []uint64, seed uint64) []int64 {
	counts := make([]int64, NumBuckets)
	for _, h := range hashes {
		counts[bucketOf(h, seed)]++
	}
	return counts
}

func equalWeights(n int) []float64 {
	weights := make([]float64, n)
	for i := range weights {
		weights[i] = 1
	}
	return weights
}

// fair requires a p-value that is neither too small nor suspiciously good.
// False alarm: twice the bound.
func fair(t *testing.T, test stats.Test, bound float64, format string, args ...any) {
	t.Helper()
	require.Empty(t, test.Reason, format, args)
	what := fmt.Sprintf(format, args...)
	require.Greater(t, test.PValue, bound, "%s: chi-square %v with %v degrees of freedom", what, test.Statistic, test.DF)
	require.Less(t, test.PValue, 1-bound, "%s: too even, chi-square %v with %v degrees of freedom", what, test.Statistic, test.DF)
}

// Every family falls evenly into the 10,000 buckets, under three salts.
// False alarm: 12 tests at 2e-5.
func TestQualityBucketsAreUniform(t *testing.T) {
	seed.OneGoroutine(t)
	for _, f := range families() {
		for _, salt := range []string{"ui", "search", ""} {
			counts := bucketCounts(f.hashes, layerSeed(salt))
			if testing.Short() { // too few ids for 10,000 cells: join ten buckets
				for i := range 1000 {
					for j := 1; j < 10; j++ {
						counts[i] += counts[i+1000*j]
					}
				}
				counts = counts[:1000]
			}
			r := stats.SampleRatio(counts, equalWeights(len(counts)))
			fair(t, r.Test, 1e-5, "%s, salt %q", f.name, salt)
		}
	}
}

// Any two of 50 layers cut traffic independently, though their salts are alike:
// 1,225 tables of 10 by 10 groups of buckets over a million ids. Their p-values
// must be uniform as a whole, and none too small.
// False alarm: 1e-3 each.
func TestQualityLayersAreIndependent(t *testing.T) {
	seed.OneGoroutine(t)
	const layers = 50
	hashes := allHashes()
	var groups [layers][]uint8
	for l := range layers {
		groups[l] = groupsOf(hashes, layerSeed(fmt.Sprintf("layer-%d", l)), 10)
	}
	var p []float64
	for x := range layers {
		for y := range x {
			test := stats.ChiSquareTable(crossTable(groups[x], groups[y], 10, 10))
			require.Empty(t, test.Reason)
			require.Greater(t, test.PValue, 1e-3/1225, "layers %d and %d", y, x)
			p = append(p, test.PValue)
		}
	}
	require.Len(t, p, 1225)
	ks := stats.KolmogorovSmirnovUniform(p)
	require.Greater(t, ks.PValue, 1e-3, "the p-values of the pairs are not uniform: D = %v", ks.Statistic)
}

// Which bucket a unit has says nothing about its treatment, also when layer
// and experiment have the same salt: 100 groups of buckets by 4 treatments, and
// the treatments within a single percent of the traffic.
// False alarm: 40 tests at 2e-5.
func TestQualityBucketAndTreatmentAreIndependent(t *testing.T) {
	hashes := allHashes()
	for i := range 20 {
		salt := fmt.Sprintf("cta-%d", i)
		buckets := groupsOf(hashes, layerSeed(salt), 100)
		drawn := groupsOf(hashes, experimentSeed(salt, 0), 4)
		table := crossTable(buckets, drawn, 100, 4)
		fair(t, stats.ChiSquareTable(table), 1e-5, "salt %q", salt)
		fair(t, stats.SampleRatio(table[i], equalWeights(4)).Test, 1e-5, "percent %d, salt %q", i, salt)
	}
}

// Units that a domain lets in fall evenly into the buckets of the layers
// inside, whichever of the domain's buckets they came by: domains of 1 %, 10 %
// and half of the traffic.
// False alarm: 24 tests at 2e-5.
func TestQualityNestedDomainsAreIndependent(t *testing.T) {
	seed.OneGoroutine(t)
	hashes := allHashes()
	for i, percent := range []int{1, 10, 50} {
		for j := range 4 {
			outer := layerSeed(fmt.Sprintf("outer-%d", i))
			var inside []uint64
			for _, h := range hashes {
				if bucketOf(h, outer) < percent*NumBuckets/100 {
					inside = append(inside, h)
				}
			}
			in := groupsOf(inside, layerSeed(fmt.Sprintf("inner-%d-%d", i, j)), 20)
			// The group by which they came in, as a tenth of the domain.
			by := make([]uint8, len(inside))
			for k, h := range inside {
				by[k] = uint8(bucketOf(h, outer) * 10 / (percent * NumBuckets / 100))
			}
			table := crossTable(by, in, 10, 20)
			fair(t, stats.ChiSquareTable(table), 1e-5, "domain of %d %%, layer %d", percent, j)
			column := make([]int64, 20)
			for _, row := range table {
				for c, n := range row {
					column[c] += n
				}
			}
			fair(t, stats.SampleRatio(column, equalWeights(20)).Test, 1e-5, "inside a domain of %d %%, layer %d", percent, j)
		}
	}
}

// A new phase is a new draw: the treatments of any two of eight phases are
// independent.
// False alarm: 28 tests at 2e-5.
func TestQualityPhasesAreIndependent(t *testing.T) {
	hashes := allHashes()
	var drawn [8][]uint8
	for phase := range drawn {
		drawn[phase] = groupsOf(hashes, experimentSeed("cta-color", phase), 3)
		for earlier := range phase {
			fair(t, stats.ChiSquareTable(crossTable(drawn[earlier], drawn[phase], 3, 3)), 1e-5, "phases %d and %d", earlier, phase)
		}
	}
}

// Treatments get their shares, whatever the weights.
// False alarm: 16 tests at 2e-5.
func TestQualityTreatmentsGetTheirShares(t *testing.T) {
	for _, f := range families() {
		for _, weights := range [][]float64{{1, 1}, {1, 2, 3}, {9, 1}, {3, 1, 7, 2, 11, 5, 13}} {
			var ends []uint32
			sum := uint32(0)
			for _, w := range weights {
				sum += uint32(w)
				ends = append(ends, sum)
			}
			seed := experimentSeed(fmt.Sprint(weights), 0)
			counts := make([]int64, len(weights))
			for _, h := range f.hashes {
				counts[pick(ends, mix(h, seed))]++
			}
			fair(t, stats.SampleRatio(counts, weights).Test, 1e-5, "%s, weights %v", f.name, weights)
		}
	}
}

// Strict avalanche: flipping any bit of the hash or of the seed flips each bit
// of the mix with probability 1/2. 16,384 samples of each of 2·64·64 pairs of
// bits; the bound is 5.5 standard deviations.
// False alarm: 8,192 pairs at 4e-8, or 3e-4.
func TestQualityAvalanche(t *testing.T) {
	const n = 1 << 14
	bound := 5.5 * math.Sqrt(0.25/n)
	for name, flip := range map[string]func(h, seed, bit uint64) uint64{
		"hash": func(h, seed, bit uint64) uint64 { return mix(h^bit, seed) },
		"seed": func(h, seed, bit uint64) uint64 { return mix(h, seed^bit) },
	} {
		for in := range 64 {
			flips := flipped(rand.New(rand.NewPCG(uint64(in), uint64(len(name)))), n, func(h, seed uint64) uint64 { return flip(h, seed, 1<<in) })
			for out, k := range flips {
				require.InDelta(t, 0.5, float64(k)/n, bound, "bit %d of the %s on bit %d", in, name, out)
			}
		}
	}
}

// flipped counts how often each bit of the mix changes.
//
//go:norace
func flipped(random *rand.Rand, n int, changed func(h, seed uint64) uint64) (flips [64]int) {
	for range n {
		h, seed := random.Uint64(), random.Uint64()
		for diff := mix(h, seed) ^ changed(h, seed); diff != 0; diff &= diff - 1 {
			flips[bits.TrailingZeros64(diff)]++
		}
	}
	return flips
}
