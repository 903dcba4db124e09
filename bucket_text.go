package strata

import (
	"encoding/json"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// String returns the text form; the empty set is "".
func (s Buckets) String() string { return string(s.text()) }

func (s Buckets) text() []byte {
	var out []byte
	for from := s.next(0, true); from < NumBuckets; {
		to := s.next(from, false)
		if len(out) > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, int64(from), 10)
		if to-from > 1 {
			out = append(out, '-')
			out = strconv.AppendInt(out, int64(to-1), 10)
		}
		from = s.next(to, true)
	}
	return out
}

// next returns the first bucket from b on that is in the set, or is not, and
// NumBuckets where there is none.
func (s Buckets) next(b int, in bool) int {
	if s.words == nil {
		return NumBuckets
	}
	flip := uint64(0)
	if !in {
		flip = ^uint64(0)
	}
	for i := b >> 6; i < bucketWords; i++ {
		w := s.words[i] ^ flip
		if i == b>>6 {
			w &= ^uint64(0) << (b & 63)
		}
		if w != 0 {
			return min(i<<6+bits.TrailingZeros64(w), NumBuckets)
		}
	}
	return NumBuckets
}

// ParseBuckets reads the text form described at [Buckets]. The error names the
// part that is wrong and matches [ErrInvalidPlan].
func ParseBuckets(text string) (Buckets, error) {
	switch text {
	case "":
		return Buckets{}, nil
	case allBucketsText: // what most experiments that have a layer of their own say
		return allBuckets, nil
	}
	words := make([]uint64, bucketWords)
	for part := range strings.SplitSeq(text, ",") {
		from, to, err := parseBucketRange(strings.TrimSpace(part))
		if err != nil {
			return Buckets{}, err
		}
		if b := addRange(words, from, to+1); b >= 0 {
			return Buckets{}, fmt.Errorf("%w: bucket %d is named twice in %q", ErrInvalidPlan, b, abbreviate(text))
		}
	}
	return Buckets{words}, nil
}

var allBucketsText = allBuckets.String()

// addRange adds the buckets from … to-1, which is at least one. It returns the
// first one that was there already, or -1.
func addRange(words []uint64, from, to int) int {
	for i := from >> 6; i <= (to-1)>>6; i++ {
		more := rangeBits(i, from, to)
		if twice := words[i] & more; twice != 0 {
			return i<<6 + bits.TrailingZeros64(twice)
		}
		words[i] |= more
	}
	return -1
}

func parseBucketRange(part string) (from, to int, err error) {
	lo, hi, isRange := strings.Cut(part, "-")
	if !isRange {
		hi = lo
	}
	from, okFrom := parseBucket(lo)
	to, okTo := parseBucket(hi)
	if !okFrom || !okTo || from > to {
		return 0, 0, fmt.Errorf("%w: %q is not a bucket (0-%d) or an ascending range such as \"0-499\"",
			ErrInvalidPlan, abbreviate(part), NumBuckets-1)
	}
	return from, to, nil
}

// parseBucket accepts plain digits only: no sign, no underscore, no base.
func parseBucket(s string) (n int, ok bool) {
	for i := range len(s) {
		digit := int(s[i]) - '0'
		if digit < 0 || digit > 9 {
			return 0, false
		}
		if n = 10*n + digit; n >= NumBuckets {
			return 0, false
		}
	}
	return n, s != ""
}

// MarshalText writes the text form.
func (s Buckets) MarshalText() ([]byte, error) { return s.text(), nil }

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
