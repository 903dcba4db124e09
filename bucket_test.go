package strata

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawBuckets draws a set twice: as Buckets and as a map.
func drawBuckets(t *rapid.T, name string) (Buckets, map[int]bool) {
	model := make(map[int]bool)
	for _, b := range rapid.SliceOfN(rapid.IntRange(0, NumBuckets-1), 0, 30).Draw(t, name) {
		model[b] = true
	}
	if rapid.Bool().Draw(t, name+" has a range") {
		from := rapid.IntRange(0, NumBuckets).Draw(t, "from")
		for b := from; b < min(from+rapid.IntRange(0, NumBuckets).Draw(t, "length"), NumBuckets); b++ {
			model[b] = true
		}
	}
	var list []int
	for b := range model {
		list = append(list, b)
	}
	return BucketList(list...), model
}

func sameBuckets(t require.TestingT, model map[int]bool, set Buckets) {
	var want []int
	for b := range model {
		want = append(want, b)
	}
	slices.Sort(want)
	require.Equal(t, want, slices.Collect(set.All()))
	require.Equal(t, len(want), set.Len())
	require.Equal(t, len(want) == 0, set.IsEmpty())
	require.Equal(t, len(want) == 0, set.IsZero())
	for _, b := range []int{-1, 0, 63, 64, 9999, 10000, 1 << 40} {
		require.Equal(t, model[b], set.Contains(b))
	}
}

func TestBucketsAgainstMaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, inA := drawBuckets(t, "a")
		b, inB := drawBuckets(t, "b")
		union, both, minus := map[int]bool{}, map[int]bool{}, map[int]bool{}
		for x := range inA {
			union[x] = true
			if inB[x] {
				both[x] = true
			} else {
				minus[x] = true
			}
		}
		for x := range inB {
			union[x] = true
		}
		sameBuckets(t, inA, a)
		sameBuckets(t, union, a.Union(b))
		sameBuckets(t, both, a.Intersect(b))
		sameBuckets(t, minus, a.Minus(b))
		sameBuckets(t, inA, a) // operations change nobody
		require.Equal(t, len(minus) == 0 && len(union) == len(inA), a.Equal(b))
		require.Equal(t, a, a.Minus(b).Union(a.Intersect(b)), "equal sets have equal representations")

		again, err := ParseBuckets(a.String())
		require.NoError(t, err)
		require.Equal(t, a, again)
		text, err := json.Marshal(a)
		require.NoError(t, err)
		var read Buckets
		require.NoError(t, json.Unmarshal(text, &read))
		require.Equal(t, a, read)
	})
}

// Ranges are set word by word: at every place of a word's border they hold what a
// list of the same buckets holds, and two that overlap are found out.
func TestRangesAgainstLists(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		border := rapid.Custom(func(t *rapid.T) int {
			at := 64*rapid.IntRange(0, bucketWords).Draw(t, "word") + rapid.IntRange(-2, 2).Draw(t, "off")
			return min(max(at, 0), NumBuckets)
		})
		from, to := border.Draw(t, "from"), border.Draw(t, "to")
		var list []int
		for b := from; b < to; b++ {
			list = append(list, b)
		}
		set := BucketRange(from, to)
		require.Equal(t, BucketList(list...), set)
		again, err := ParseBuckets(set.String())
		require.NoError(t, err)
		require.Equal(t, set, again)
		if extra := border.Draw(t, "extra"); from < to && extra < NumBuckets {
			more, err := ParseBuckets(fmt.Sprintf("%d-%d,%d", from, to-1, extra))
			if set.Contains(extra) {
				require.ErrorContains(t, err, fmt.Sprintf("bucket %d is named twice", extra))
			} else {
				require.Equal(t, BucketList(append(list, extra)...), more)
			}
		}
	})
}

func TestBucketsAsText(t *testing.T) {
	for _, c := range []struct{ in, out string }{
		{"", ""},
		{"0", "0"},
		{"9999", "9999"},
		{"0-9999", "0-9999"},
		{"1,0", "0-1"},
		{"5-6,7,9, 0-2 ", "0-2,5-7,9"},
		{"63,64,65-127,128", "63-128"},
		{"7-7", "7"},
		{"007", "7"},
	} {
		set, err := ParseBuckets(c.in)
		require.NoError(t, err, c.in)
		require.Equal(t, c.out, set.String())
	}
	require.Equal(t, AllBuckets(), BucketRange(-5, 20000))
	require.Equal(t, Buckets{}, BucketRange(5, 5))
	require.Equal(t, Buckets{}, BucketRange(7, 5))
	require.Equal(t, Buckets{}, BucketList(-1, NumBuckets, math.MaxInt))
	require.Equal(t, "0-9999", AllBuckets().String())
	n := 0
	for range AllBuckets().All() {
		if n++; n == 5 {
			break
		}
	}
	require.Equal(t, 5, n)
}

func TestBucketsThatDoNotParse(t *testing.T) {
	for text, piece := range map[string]string{
		"10000": `"10000" is not a bucket`, "-1": "is not a bucket", "1-": "is not a bucket", "-": "is not a bucket",
		"5-4": "ascending range", "1-2-3": "is not a bucket", "a": "is not a bucket", ",": "is not a bucket", "1,,2": "is not a bucket",
		"+1": "is not a bucket", "1_0": "is not a bucket", "0x10": "is not a bucket", "1.5": "is not a bucket", "１": "is not a bucket",
		"3,1-5": "bucket 3 is named twice", "0,0": "bucket 0 is named twice", "99999999999999999999": "is not a bucket", "1 - 2": "is not a bucket",
	} {
		_, err := ParseBuckets(text)
		require.ErrorIs(t, err, ErrInvalidPlan, text)
		require.ErrorContains(t, err, piece, text)
		require.Less(t, len(err.Error()), 250)
	}
	_, err := ParseBuckets(strings.Repeat("x", 1<<20))
	require.Less(t, len(err.Error()), 250, "errors stay short")
	var set Buckets
	for _, text := range []string{`[1,2]`, `7`, `{"a":1}`, `true`} {
		require.ErrorContains(t, json.Unmarshal([]byte(text), &set), "buckets must be a string", text)
	}
	set = BucketList(1)
	require.Error(t, set.UnmarshalText([]byte("x")))
	require.Equal(t, BucketList(1), set, "a failure changes nothing")
}

// Whatever parses prints in a form that parses to the same set and prints the
// same again.
func FuzzParseBuckets(f *testing.F) {
	for _, seed := range []string{"", "0", "0-9999", "1,3,5-7", "9999,0", " 1 , 2 ", "1-", "a", "0-9999,5", "00000000000001"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, err := ParseBuckets(text)
		if err != nil {
			require.ErrorIs(t, err, ErrInvalidPlan)
			require.Equal(t, Buckets{}, set)
			return
		}
		again, err := ParseBuckets(set.String())
		require.NoError(t, err)
		require.Equal(t, set, again)
		require.Equal(t, set.String(), again.String())
	})
}

// scale cuts the 64-bit range into n equal parts, ends included.
func TestScaleAtItsBoundaries(t *testing.T) {
	for _, n := range []uint64{1, 2, 3, 10, NumBuckets, rampScale, 1 << 28} {
		require.Zero(t, scale(0, n))
		require.Equal(t, n-1, scale(math.MaxUint64, n))
		for i := uint64(1); i < min(n, 1000); i++ {
			first := firstOf(i, n)
			require.Equal(t, i, scale(first, n), "n %d, part %d", n, i)
			require.Equal(t, i-1, scale(first-1, n), "n %d, part %d", n, i)
		}
	}
}

// firstOf is the smallest x with scale(x, n) = i: i·2⁶⁴/n, rounded up.
func firstOf(i, n uint64) uint64 {
	lo, hi := uint64(0), uint64(math.MaxUint64)
	for lo < hi {
		if mid := lo + (hi-lo)/2; scale(mid, n) >= i {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

func TestPickAtItsBoundaries(t *testing.T) {
	for _, c := range []struct {
		ends  []uint32
		sizes []uint64
	}{
		{[]uint32{1, 2}, []uint64{1, 1}},
		{[]uint32{1, 3, 6}, []uint64{1, 2, 3}},
		{[]uint32{9, 10}, []uint64{9, 1}},
		{[]uint32{0, 1}, []uint64{0, 1}},
		{[]uint32{1, 1, 2}, []uint64{1, 0, 1}},
		{[]uint32{1, 1}, []uint64{1, 0}},
		{[]uint32{1 << 28, 1<<28 + 1<<20}, []uint64{1 << 28, 1 << 20}},
	} {
		total := uint64(c.ends[len(c.ends)-1])
		from := uint64(0)
		for i, size := range c.sizes {
			if size == 0 {
				continue
			}
			require.Equal(t, i, pick(c.ends, firstOf(from, total)), "%v", c.ends)
			from += size
			if from < total {
				require.Equal(t, i, pick(c.ends, firstOf(from, total)-1), "%v", c.ends)
			}
		}
		require.Equal(t, lastWithWeight(c.sizes), pick(c.ends, math.MaxUint64))
	}
}

func lastWithWeight(sizes []uint64) int {
	last := 0
	for i, size := range sizes {
		if size > 0 {
			last = i
		}
	}
	return last
}

// The fast draw of two treatments is the draw of the specification.
func TestTheFastDrawIsTheDraw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weight := rapid.OneOf(rapid.Uint32Range(0, 10), rapid.Uint32Range(0, 1<<20))
		a, b := weight.Draw(t, "a"), weight.Draw(t, "b")
		d, ok := newDraw(rapid.Uint64().Draw(t, "seed"), a, a+b)
		require.Equal(t, b > 0, ok)
		if !ok {
			return
		}
		// Where the treatments meet, and anywhere.
		for _, x := range []uint64{d.below - 1, d.below, d.below + 1, 0, math.MaxUint64, rapid.Uint64().Draw(t, "x")} {
			h := unmix(x) ^ d.seed
			require.Equal(t, x, mix(h, d.seed))
			require.Equal(t, pick([]uint32{a, a + b}, x), d.treatment(h), "x = %d", x)
		}
	})
}

// unmix is the inverse of mix with seed 0.
func unmix(x uint64) uint64 {
	x ^= x>>31 ^ x>>62
	x *= 0x319642B2D24D8EC3 // 1 / 0x94D049BB133111EB modulo 2⁶⁴
	x ^= x>>27 ^ x>>54
	x *= 0x96DE1B173F119089 // 1 / 0xBF58476D1CE4E5B9 modulo 2⁶⁴
	return x ^ x>>30 ^ x>>60
}

// The packed table of owners says of each bucket what the sets say, at every
// width.
func TestPackOwners(t *testing.T) {
	for _, c := range []struct{ owners, bits int }{{0, 0}, {1, 1}, {2, 2}, {3, 2}, {4, 4}, {15, 4}, {16, 8}, {255, 8}, {256, 16}, {10000, 16}} {
		sets := make([]Buckets, c.owners)
		want := make([]int, NumBuckets)
		if c.owners > 0 {
			lists := make([][]int, c.owners)
			for b := range NumBuckets {
				if o := b * 7919 % (c.owners + 1) % c.owners; b%5 != 0 || c.owners == NumBuckets {
					if c.owners == NumBuckets {
						o = b
					}
					lists[o] = append(lists[o], b)
					want[b] = o + 1
				}
			}
			for i := range sets {
				sets[i] = BucketList(lists[i]...)
			}
		}
		bits, mask, table := packOwners(sets)
		require.Equal(t, c.bits, int(bits), "%d owners", c.owners)
		l := snapLayer{bits: bits, mask: mask, table: table, slots: make([]snapSlot, c.owners+1)}
		for b, owner := range want {
			require.Same(t, &l.slots[owner], l.slot(b), "%d owners, bucket %d", c.owners, b)
		}
	}
	bits, _, table := packOwners([]Buckets{AllBuckets()})
	require.Zero(t, bits, "one owner of everything needs no table")
	require.Equal(t, []uint64{1}, table)
}
