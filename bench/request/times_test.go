package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/page"
)

func timesOf(list ...time.Duration) *times {
	t := newTimes()
	for _, d := range list {
		t.add(d)
	}
	return t
}

func TestFigures(t *testing.T) {
	all := newTimes()
	for i := range time.Duration(1000) {
		all.add((i + 1) * time.Microsecond)
	}
	f := all.figures()
	require.Equal(t, 500*time.Microsecond, f.p50)
	require.Equal(t, 990*time.Microsecond, f.p99)
	require.Equal(t, 999*time.Microsecond, f.p999)
	require.Equal(t, time.Millisecond, f.max)
	require.Zero(t, newTimes().figures())

	half := figures{p50: f.p50 / 2, p99: f.p99 / 3}
	require.Equal(t, [4]float64{2, 3, 0, 0}, f.ratios(half), "0 where there is nothing to divide by")
}

// What is out of bounds counts at the bound, and is not left out.
func TestNothingIsLeftOut(t *testing.T) {
	all := timesOf(-time.Second, time.Hour)
	require.EqualValues(t, 2, all.count())
	require.InEpsilon(t, float64(longest), float64(all.figures().max), 0.001)
	all.merge(timesOf(time.Second))
	require.EqualValues(t, 3, all.count())
}

func TestBins(t *testing.T) {
	all := timesOf(0, 4900*time.Microsecond, 5100*time.Microsecond, 12*time.Millisecond, 41*time.Millisecond, 702*time.Millisecond)
	bins := all.bins()
	require.Equal(t, []int64{2, 1, 1, 0, 0, 0, 0, 0, 1}, bins[:9])
	require.Len(t, bins, 141)
	require.Equal(t, "0–5 ms: 2, 5–10 ms: 1, 10–15 ms: 1, 40 ms and more: 2", describe(bins))
	require.Equal(t, "0–5 ms: 1", describe(timesOf(time.Millisecond).bins()))
	require.Empty(t, describe(newTimes().bins()))
}

func TestMedian(t *testing.T) {
	require.Zero(t, median(nil))
	require.InDelta(t, 2, median([]float64{3, 1, 2}), 0)
	require.InDelta(t, 2.5, median([]float64{4, 1, 2, 3}), 0)
}

func TestThousands(t *testing.T) { require.Equal(t, "-1,234,567", page.Thousands(-1_234_567)) }
