package oracle

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/strataxp/strata"
)

// numBuckets is how many buckets a layer has, as the specification says.
const numBuckets = 10_000

// buckets tells for each bucket whether it belongs to a set; nil is the empty
// set.
type buckets []bool

func (b buckets) has(bucket int) bool { return b != nil && b[bucket] }

// readBuckets reads the text form of a set: numbers and inclusive ranges, as in
// "0-499,700".
func readBuckets(text string) (buckets, error) {
	if text == "" {
		return nil, nil
	}
	set := make(buckets, numBuckets)
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			to = from
		}
		first, err := strconv.Atoi(from)
		if err != nil {
			return nil, fmt.Errorf("buckets %q: %q is no number; write numbers and ranges", text, from)
		}
		last, err := strconv.Atoi(to)
		if err != nil {
			return nil, fmt.Errorf("buckets %q: %q is no number; write numbers and ranges", text, to)
		}
		if first < 0 || last < first || last >= numBuckets {
			return nil, fmt.Errorf("buckets %q: %q is no range between 0 and %d; write the lower number first", text, part, numBuckets-1)
		}
		for b := first; b <= last; b++ {
			if set[b] {
				return nil, fmt.Errorf("buckets %q: %d is named twice; name it once", text, b)
			}
			set[b] = true
		}
	}
	return set, nil
}

// readBoth reads what an owner has, and what drains from it.
func readBoth(owned, draining strata.Buckets) (a, b buckets, err error) {
	if a, err = readBuckets(owned.String()); err != nil {
		return nil, nil, err
	}
	b, err = readBuckets(draining.String())
	return a, b, err
}
