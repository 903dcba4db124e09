package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/strataxp/strata/internal/page"
)

// times are durations, kept with three digits: from a microsecond to two minutes. It
// is safe for concurrent use.
type times struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram // in microseconds
}

const longest = 2 * time.Minute

func newTimes() *times { return &times{h: hdrhistogram.New(1, longest.Microseconds(), 3)} }

// add takes one more. What is longer than two minutes counts as that.
func (t *times) add(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	//lint:ignore errcheck the value is within bounds
	_ = t.h.RecordValue(min(max(d, 0), longest).Microseconds())
}

// merge adds the durations of another one.
func (t *times) merge(o *times) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	t.h.Merge(o.h)
}

func (t *times) count() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.h.TotalCount()
}

// figures are the quantiles that are reported.
type figures struct{ p50, p99, p999, max time.Duration }

func (t *times) figures() figures {
	t.mu.Lock()
	defer t.mu.Unlock()
	micros := func(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
	if t.h.TotalCount() == 0 {
		return figures{}
	}
	return figures{micros(t.h.ValueAtQuantile(50)), micros(t.h.ValueAtQuantile(99)), micros(t.h.ValueAtQuantile(99.9)), micros(t.h.Max())}
}

func (f figures) list() []time.Duration { return []time.Duration{f.p50, f.p99, f.p999, f.max} }

// ratios divides each figure by that of another one; 0 where there is nothing to
// divide by.
func (f figures) ratios(by figures) (list [4]float64) {
	for i, d := range by.list() {
		if d > 0 {
			list[i] = float64(f.list()[i]) / float64(d)
		}
	}
	return list
}

// binWidth is that of the bins that a claim about the tail is made of.
const binWidth = 5 * time.Millisecond

// bins counts durations by 5 ms: how many are below 5 ms, below 10 ms and so on. Those
// that nobody needs, behind the slowest, are missing.
func (t *times) bins() (list []int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, bar := range t.h.Distribution() {
		if bar.Count == 0 {
			continue
		}
		i := int(time.Duration(bar.From) * time.Microsecond / binWidth)
		for len(list) <= i {
			list = append(list, 0)
		}
		list[i] += bar.Count
	}
	return list
}

// mostBins is how many bins are printed; what lies behind is one.
const mostBins = 8

// describe writes bins in a line: "0–5 ms: 1,000, 10–15 ms: 2".
func describe(bins []int64) string {
	var parts []string
	for i, n := range bins {
		if n == 0 {
			continue
		}
		from := i * int(binWidth.Milliseconds())
		if i >= mostBins {
			for _, more := range bins[i+1:] {
				n += more
			}
			parts = append(parts, fmt.Sprintf("%d ms and more: %s", mostBins*int(binWidth.Milliseconds()), page.Thousands(n)))
			break
		}
		parts = append(parts, fmt.Sprintf("%d–%d ms: %s", from, from+int(binWidth.Milliseconds()), page.Thousands(n)))
	}
	return strings.Join(parts, ", ")
}

// median is the middle one, or the mean of the two in the middle; 0 of none.
func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	list = slices.Sorted(slices.Values(list))
	n := len(list)
	return (list[(n-1)/2] + list[n/2]) / 2
}
