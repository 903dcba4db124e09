package main

import (
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestFigures(t *testing.T) {
	f := figures{least: []float64{9, 8, 11}, nanos: []float64{30, 10, 20, 50, 40}, allocs: []float64{2, 1, 3}}
	require.Equal(t, 8.0, f.best())
	require.Equal(t, 30.0, f.median())
	require.InDelta(t, 46.0/14.0, f.spread(), 1e-12)
	require.Equal(t, 1.0, f.allocations())
	require.Equal(t, []float64{30, 10, 20, 50, 40}, f.nanos, "the rounds stay in their order")

	f = figures{nanos: []float64{1, 2}}
	require.Equal(t, 1.5, f.median())

	f = figures{}
	require.Zero(t, f.best()+f.median()+f.spread()+f.allocations())
}

func TestQuantilesAreInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(0, 1e9), 1, 30).Draw(t, "values")
		low := rapid.Float64Range(0, 1).Draw(t, "low")
		high := rapid.Float64Range(low, 1).Draw(t, "high")
		require.Equal(t, slices.Min(values), quantile(values, 0))
		require.Equal(t, slices.Max(values), quantile(values, 1))
		require.LessOrEqual(t, quantile(values, low), quantile(values, high)*(1+1e-12))
	})
}

func TestEverythingIsSampledOnceARound(t *testing.T) {
	h := &harness{rounds: 3, sample: time.Microsecond, seed: 1, notes: io.Discard}
	tasks := make([]*task, 4)
	prepared, done := make([]int, 4), make([]int, 4)
	for i := range tasks {
		tasks[i] = &task{
			most:    2,
			prepare: func(n int) { prepared[i] += n },
			run:     func(n int) error { done[i] += n; return nil },
		}
	}
	require.NoError(t, h.measure(tasks))
	for i, x := range tasks {
		require.Len(t, x.figures.nanos, 3)
		require.Len(t, x.figures.allocs, 3)
		require.LessOrEqual(t, x.operations*x.slices, 2, "most is not kept")
		require.Equal(t, prepared[i], done[i])
	}
	require.NotEqual(t, shuffled(20, 1, 0), shuffled(20, 1, 1), "rounds have one order")
	require.Equal(t, shuffled(20, 1, 0), shuffled(20, 1, 0), "a seed repeats its order")
}

func TestAFailureEndsTheRun(t *testing.T) {
	broken := errors.New("broken")
	h := &harness{rounds: 1, sample: time.Microsecond, notes: io.Discard}
	err := h.measure([]*task{{run: func(int) error { return broken }}})
	require.ErrorIs(t, err, broken)
}

func TestSamplesTakeAboutTheirTime(t *testing.T) {
	h := &harness{sample: time.Millisecond}
	x := &task{run: inTurn(loopFloor(unitIDs()))}
	require.NoError(t, h.calibrate(x))
	require.Greater(t, x.operations, 50, "a loop over 100 seeds takes less than 20 µs")

	h.sample = 20 * time.Millisecond
	require.NoError(t, h.calibrate(x))
	require.Greater(t, x.slices, 5)
	require.NoError(t, x.sample())
	require.LessOrEqual(t, x.figures.best(), x.figures.median(), "the best slice is not slower than all of them")
}

func TestEveryOperationIsDoneOnce(t *testing.T) {
	for n := range 9 {
		units := make(chan int, 1024)
		run := inTurn(inParallel(func(from, n int) {
			for i := range n {
				units <- from + i
			}
		}))
		require.NoError(t, run(n))
		require.NoError(t, run(5))
		close(units)
		var all []int
		for unit := range units {
			all = append(all, unit)
		}
		slices.Sort(all)
		require.Len(t, all, n+5)
		for i, unit := range all {
			require.Equal(t, i, unit, "the second call goes on behind the first")
		}
	}
}

// The floor must draw as strata does: half each.
func TestFloorsDraw(t *testing.T) {
	heads := 0
	for i := range uint64(100_000) {
		heads += int(second(i, 12345))
	}
	require.Less(t, deviation(heads, 100_000), 5.0)
}
