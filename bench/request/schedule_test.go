package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var someStart = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

func TestRequestsAreDueAtAConstantRate(t *testing.T) {
	s := newSchedule(someStart, 3, 2*time.Second)
	require.Equal(t, 6, s.total)
	require.Equal(t, someStart, s.due(0))
	require.Equal(t, someStart.Add(666_666_666), s.due(2))
	require.Equal(t, someStart.Add(time.Second), s.due(3), "nothing drifts")
	require.Equal(t, someStart.Add(2*time.Second), s.end())
	require.Zero(t, s.dueBy(someStart.Add(-1)))
}

// At the instant of a request it is due, and not a nanosecond before.
func TestWhatIsDueIsWhatTheScheduleSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSchedule(someStart, rapid.IntRange(1, 100_000).Draw(t, "rate"), time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "length")))
		if s.total == 0 {
			return
		}
		i := rapid.IntRange(0, s.total-1).Draw(t, "request")
		require.Equal(t, i+1, s.dueBy(s.due(i)))
		require.Equal(t, i, s.dueBy(s.due(i).Add(-1)))
		require.True(t, i == 0 || s.due(i).After(s.due(i-1)))
		require.Equal(t, s.total, s.dueBy(s.end().Add(time.Hour)))
	})
}
