package strata

import (
	"encoding/json"
	"fmt"
	"math/bits"
	"strconv"
	"strings"

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
func AllBuckets() Buckets { return BucketRange(0, NumBuckets) }

// BucketRange returns the buckets from, from+1, …, to-1, cut to the valid
// range. It is empty when to <= from.
func BucketRange(from, to int) Buckets {
	return collectBuckets(func(add func(int)) {
		for b := max(from, 0); b < min(to, NumBuckets); b++ {
			add(b)
		}
	})
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
func (s Buckets) Equal(t Buckets) bool { return s.Minus(t).IsEmpty() && t.Minus(s).IsEmpty() }

// Union returns the buckets that are in s or in t.
func (s Buckets) Union(t Buckets) Buckets {
	return combine(s, t, func(a, b uint64) uint64 { return a | b })
}

// Intersect returns the buckets that are in both s and t.
func (s Buckets) Intersect(t Buckets) Buckets {
	return combine(s, t, func(a, b uint64) uint64 { return a & b })
}

// Minus returns the buckets of s that are not in t.
func (s Buckets) Minus(t Buckets) Buckets {
	return combine(s, t, func(a, b uint64) uint64 { return a &^ b })
}

func combine(s, t Buckets, op func(a, b uint64) uint64) Buckets {
	words := make([]uint64, bucketWords)
	for i := range words {
		var a, b uint64
		if s.words != nil {
			a = s.words[i]
		}
		if t.words != nil {
			b = t.words[i]
		}
		words[i] = op(a, b)
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

// String returns the text form; the empty set is "".
func (s Buckets) String() string {
	var out strings.Builder
	first, last := -1, -1
	flush := func() {
		if first < 0 {
			return
		}
		if out.Len() > 0 {
			out.WriteByte(',')
		}
		out.WriteString(strconv.Itoa(first))
		if last > first {
			out.WriteByte('-')
			out.WriteString(strconv.Itoa(last))
		}
	}
	for b := range s.All() {
		if b == last+1 && first >= 0 {
			last = b
			continue
		}
		flush()
		first, last = b, b
	}
	flush()
	return out.String()
}

// ParseBuckets reads the text form described at [Buckets]. The error names the
// part that is wrong and matches [ErrInvalidPlan].
func ParseBuckets(text string) (Buckets, error) {
	if text == "" {
		return Buckets{}, nil
	}
	words := make([]uint64, bucketWords)
	for part := range strings.SplitSeq(text, ",") {
		from, to, err := parseBucketRange(strings.TrimSpace(part))
		if err != nil {
			return Buckets{}, err
		}
		for b := from; b <= to; b++ {
			if words[b>>6]&(1<<(b&63)) != 0 {
				return Buckets{}, fmt.Errorf("%w: bucket %d is named twice in %q", ErrInvalidPlan, b, abbreviate(text))
			}
			words[b>>6] |= 1 << (b & 63)
		}
	}
	return normalized(words), nil
}

func parseBucketRange(part string) (from, to int, err error) {
	lo, hi, isRange := strings.Cut(part, "-")
	if !isRange {
		hi = lo
	}
	from, errFrom := parseBucket(lo)
	to, errTo := parseBucket(hi)
	if errFrom != nil || errTo != nil || from > to {
		return 0, 0, fmt.Errorf("%w: %q is not a bucket (0-%d) or an ascending range such as \"0-499\"",
			ErrInvalidPlan, abbreviate(part), NumBuckets-1)
	}
	return from, to, nil
}

// parseBucket accepts plain digits only: no sign, no underscore, no base.
func parseBucket(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err == nil && n >= NumBuckets {
		err = strconv.ErrRange
	}
	return int(n), err
}

// MarshalText writes the text form.
func (s Buckets) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the text form.
func (s *Buckets) UnmarshalText(text []byte) error {
	set, err := ParseBuckets(string(text))
	if err == nil {
		*s = set
	}
	return err
}

// UnmarshalJSON reads the text form from a JSON string, and says what the form
// is when it finds something else.
func (s *Buckets) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("%w: buckets must be a string such as \"0-499,700\", not %s", ErrInvalidPlan, abbreviate(string(data)))
	}
	return s.UnmarshalText([]byte(text))
}

// abbreviate keeps error messages short when the input is not.
func abbreviate(s string) string {
	const limit = 60
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
