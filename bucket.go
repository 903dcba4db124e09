package strata

import (
	"math/bits"
	"slices"
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// # The specification of assignment
//
// This comment is normative: whoever follows it, in any language, gets the
// same answers as this package. It is frozen by testdata/golden.json.
//
// All arithmetic is on unsigned 64-bit integers and wraps. xxh64 is XXH64 with
// seed 0 over the UTF-8 bytes of its argument. "\x00" is one zero byte, and
// decimal(n) is n in decimal digits without sign, space or leading zeros.
//
//	h        = xxh64(id)                       id is never empty
//	mix(h,s) : v = h XOR s
//	           v = v XOR (v >> 30);  v = v * 0xBF58476D1CE4E5B9
//	           v = v XOR (v >> 27);  v = v * 0x94D049BB133111EB
//	           v = v XOR (v >> 31)
//	scale(x,n) = the high 64 bits of the 128-bit product x * n
//
// Seeds. A salt that is empty in the plan is replaced by the key of the layer
// or experiment before it gets here; the functions themselves accept an empty
// salt.
//
//	layerSeed(salt)             = xxh64("strata/layer\x00" + salt)
//	experimentSeed(salt, phase) = xxh64("strata/experiment\x00" + salt + "\x00" + decimal(phase))
//	rampSeed(salt)              = xxh64("strata/ramp\x00" + salt)
//
// Decisions.
//
//	bucket(id, layer)         = scale(mix(h, layerSeed), 10000)            0 … 9999
//	treatment(id, experiment) = the first i with scale(mix(h, experimentSeed), W) < w0 + … + wi
//	                            where w are the weights and W is their sum
//	rampPoint(bucket)         = scale(mix(xxh64(decimal(bucket)), rampSeed), 1000000)
//	a ramp step of share p opens the buckets with rampPoint < round(p * 1000000)
//	                            p is an IEEE 754 double, round goes to the nearest
//	                            integer, halves away from zero
//
// The finaliser is variant 13 of David Stafford, "Better Bit Mixing" (2011),
// which Java's SplittableRandom uses: Steele, Lea and Flood, "Fast Splittable
// Pseudorandom Number Generators", OOPSLA 2014. Bucket and treatment come from
// different seeds, so that which buckets an experiment owns says nothing about
// which treatment a unit draws.

// NumBuckets is how many buckets a layer's traffic is cut into. One bucket is
// 0.01 % of the layer's units.
const NumBuckets = 10_000

const rampScale = 1_000_000

// mix combines the hash of an id with a seed into 64 uniform bits.
func mix(h, seed uint64) uint64 {
	v := h ^ seed
	v = (v ^ v>>30) * 0xBF58476D1CE4E5B9
	v = (v ^ v>>27) * 0x94D049BB133111EB
	return v ^ v>>31
}

// scale maps x uniformly to 0 … n-1 (Lemire 2019, "Fast Random Integer
// Generation in an Interval", section 3, without the rejection step: the bias
// is below n/2⁶⁴).
func scale(x, n uint64) uint64 {
	hi, _ := bits.Mul64(x, n)
	return hi
}

func hashID(id string) uint64          { return xxhash.Sum64String(id) }
func bucketOf(h, seed uint64) int      { return int(scale(mix(h, seed), NumBuckets)) }
func layerSeed(salt string) uint64     { return xxhash.Sum64String("strata/layer\x00" + salt) }
func rampSeed(salt string) uint64      { return xxhash.Sum64String("strata/ramp\x00" + salt) }
func rampPoint(b int, s uint64) uint64 { return scale(mix(hashID(strconv.Itoa(b)), s), rampScale) }

func experimentSeed(salt string, phase int) uint64 {
	return xxhash.Sum64String("strata/experiment\x00" + salt + "\x00" + strconv.Itoa(phase))
}

// Buckets is an immutable set of buckets, numbers from 0 to [NumBuckets]-1.
// The zero value is the empty set. Methods never change the receiver. A
// non-empty set takes 1.25 kB; every operation costs a pass over 157 words.
//
// Its text and JSON form is a list of numbers and inclusive ranges, as in
// "0-499,700,9000-9999"; it is written sorted and with the fewest ranges, and
// read in any order. A number that is out of range or named twice is an error.
type Buckets struct {
	words []uint64 // nil, or bucketWords long and not all zero
}

const bucketWords = (NumBuckets + 63) / 64

// AllBuckets returns the set of all [NumBuckets] buckets.
func AllBuckets() Buckets { return allBuckets }

// allBuckets is shared by everybody who means all, as sets never change.
var allBuckets = newRange(0, NumBuckets)

// BucketRange returns the buckets from, from+1, …, to-1, cut to the valid
// range. It is empty when to <= from.
func BucketRange(from, to int) Buckets {
	from, to = max(from, 0), min(to, NumBuckets)
	switch {
	case to <= from:
		return Buckets{}
	case to-from == NumBuckets:
		return allBuckets
	}
	return newRange(from, to)
}

// newRange makes the set of from to to-1, which must be valid and not empty.
func newRange(from, to int) Buckets {
	words := make([]uint64, bucketWords)
	for first := from >> 6; first <= (to-1)>>6; first++ {
		words[first] = rangeBits(first, from, to)
	}
	return Buckets{words}
}

// rangeBits returns which bits of a word, by its index, lie in from … to-1. The
// two must have a bucket of that word in common.
func rangeBits(word, from, to int) uint64 {
	mask := ^uint64(0)
	if low := from - word<<6; low > 0 {
		mask <<= low
	}
	if past := (word+1)<<6 - to; past > 0 {
		mask &= ^uint64(0) >> past
	}
	return mask
}

// BucketList returns the set of the given buckets. Numbers outside 0 …
// NumBuckets-1 are left out.
func BucketList(list ...int) Buckets {
	return collectBuckets(func(add func(int)) {
		for _, b := range list {
			if b >= 0 && b < NumBuckets {
				add(b)
			}
		}
	})
}

// collectBuckets builds a set from whatever fill adds; fill must stay in range.
func collectBuckets(fill func(add func(int))) Buckets {
	words := make([]uint64, bucketWords)
	fill(func(b int) { words[b>>6] |= 1 << (b & 63) })
	return normalized(words)
}

// normalized keeps the representation unique: the empty set has no words, so
// that sets can be compared with reflect.DeepEqual.
func normalized(words []uint64) Buckets {
	for _, w := range words {
		if w != 0 {
			return Buckets{words}
		}
	}
	return Buckets{}
}

// Len returns the number of buckets in the set.
func (s Buckets) Len() int {
	if s.words != nil && &s.words[0] == &allBuckets.words[0] {
		return NumBuckets // without counting: a plan of 10,000 layers asks as often
	}
	n := 0
	for _, w := range s.words {
		n += bits.OnesCount64(w)
	}
	return n
}

// IsEmpty reports whether the set has no bucket.
func (s Buckets) IsEmpty() bool { return s.words == nil }

// IsZero is IsEmpty; it lets JSON leave out empty sets.
func (s Buckets) IsZero() bool { return s.words == nil }

// Contains reports whether b is in the set.
func (s Buckets) Contains(b int) bool {
	return s.words != nil && b >= 0 && b < NumBuckets && s.words[b>>6]&(1<<(b&63)) != 0
}

// Equal reports whether both sets hold the same buckets.
func (s Buckets) Equal(t Buckets) bool { return slices.Equal(s.words, t.words) }

// Union returns the buckets that are in s or in t.
func (s Buckets) Union(t Buckets) Buckets {
	switch {
	case s.words == nil:
		return t
	case t.words == nil:
		return s
	}
	words := make([]uint64, bucketWords)
	for i := range words {
		words[i] = s.words[i] | t.words[i]
	}
	return Buckets{words}
}

// Intersect returns the buckets that are in both s and t.
func (s Buckets) Intersect(t Buckets) Buckets {
	if !s.meets(t) {
		return Buckets{}
	}
	words := make([]uint64, bucketWords)
	for i := range words {
		words[i] = s.words[i] & t.words[i]
	}
	return Buckets{words}
}

// meets reports whether the sets have a bucket in common.
func (s Buckets) meets(t Buckets) bool {
	if s.words == nil || t.words == nil {
		return false
	}
	for i, w := range s.words {
		if w&t.words[i] != 0 {
			return true
		}
	}
	return false
}

// Minus returns the buckets of s that are not in t.
func (s Buckets) Minus(t Buckets) Buckets {
	if !s.meets(t) {
		return s
	}
	words := make([]uint64, bucketWords)
	for i := range words {
		words[i] = s.words[i] &^ t.words[i]
	}
	return normalized(words)
}

// All iterates over the buckets in ascending order.
func (s Buckets) All() func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for i, w := range s.words {
			for ; w != 0; w &= w - 1 {
				if !yield(i<<6 + bits.TrailingZeros64(w)) {
					return
				}
			}
		}
	}
}
