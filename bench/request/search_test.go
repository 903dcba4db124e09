package main

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheLadderRisesByAFifth(t *testing.T) {
	rates := ladder(300, 1000)
	require.Equal(t, []int{300, 360, 432, 518, 621, 745, 894}, rates)
	require.Empty(t, ladder(300, 200))
}

// The search stops at the first rate that two of three trials say no to.
func TestTheHighestRateThatHolds(t *testing.T) {
	var tried []int
	limit := func(most int) func(int) (bool, error) {
		tried = nil
		return func(rate int) (bool, error) {
			tried = append(tried, rate)
			return rate <= most, nil
		}
	}
	best, err := highest([]int{100, 200, 300, 400}, limit(250))
	require.NoError(t, err)
	require.Equal(t, 200, best)
	require.Equal(t, []int{100, 100, 200, 200, 300, 300}, tried)
	best, err = highest([]int{100, 200}, limit(50))
	require.NoError(t, err)
	require.Zero(t, best)
	best, err = highest([]int{100, 200}, limit(1000))
	require.NoError(t, err)
	require.Equal(t, 200, best)
}

func TestTwoOfThreeDecide(t *testing.T) {
	for answers, want := range map[string]bool{"yy": true, "nn": false, "yny": true, "nyy": true, "nyn": false, "ynn": false} {
		n := 0
		got, err := twoOfThree(1, func(int) (bool, error) {
			n++
			return answers[n-1] == 'y', nil
		})
		require.NoError(t, err)
		require.Equal(t, want, got, answers)
		require.Len(t, answers, n)
	}
	broken := errors.New("broken")
	_, err := highest([]int{1}, func(int) (bool, error) { return true, broken })
	require.ErrorIs(t, err, broken)
}

func TestHolds(t *testing.T) {
	good := func() *outcome {
		return &outcome{before: timesOf(time.Millisecond), during: newTimes(), sent: 100, answered: 100, length: time.Second, took: time.Second}
	}
	require.True(t, holds(good()))
	for _, spoil := range []func(*outcome){
		func(o *outcome) { o.errors = 1 },
		func(o *outcome) { o.during.add(11 * time.Millisecond) },
		func(o *outcome) { o.took = 1100 * time.Millisecond },
		func(o *outcome) { o.answered = 98 },
	} {
		o := good()
		spoil(o)
		require.False(t, holds(o))
	}
	require.Zero(t, (&outcome{}).achieved())
}
