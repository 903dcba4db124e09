package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Every curve on Postgres can be measured, at sizes that take a moment.
func TestCurvesOnPostgres(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a server")
	}
	curves, stop, err := onPostgresOf(extent{
		stored: []int{200, 1000}, chunk: 200, days: []int{30}, spread: 200, engines: []int{2}, idle: 510 * time.Millisecond, hasty: true,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, stop()) })
	for _, c := range curves {
		t.Run(c.name, func(t *testing.T) {
			if !strings.HasPrefix(c.name, "stored-") { // those share a database
				t.Parallel()
			}
			points, err := c.run(0)
			require.NoError(t, err)
			require.Len(t, points, len(c.sizes))
			for _, p := range points {
				require.Positive(t, p.value)
			}
			require.NotEmpty(t, c.expected)
		})
	}
}

// Units have ten events on average, of which a tenth are exposures and a fiftieth purchases.
func TestVisitsAreTheMixThatIsSaid(t *testing.T) {
	v := &visitor{days: storedDays}
	kinds, units := make(map[string]int), make(map[string]bool)
	const n = 10_000
	for range 2 {
		for _, r := range v.some(n / 2) {
			kinds[string(r.Event.Kind())]++
			units[r.Unit.User] = true
			require.False(t, r.Event.At().Before(began))
			require.True(t, r.Event.At().Before(began.AddDate(0, 0, storedDays)))
		}
	}
	require.Equal(t, n/unitEvents, kinds["exposure"])
	require.Equal(t, n/50, kinds["purchase"])
	require.Len(t, units, n/unitEvents)
	require.Equal(t, n/unitEvents, v.units)
}

func TestBusiestSpan(t *testing.T) {
	at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
	require.Equal(t, 3, busiest([]time.Time{at(250), at(0), at(199), at(100), at(201)}, 102*time.Millisecond))
	require.Equal(t, 1, busiest([]time.Time{at(0), at(100)}, 100*time.Millisecond))
	require.Zero(t, busiest(nil, time.Second))
}

func TestProcessorTimeIsThatOfAProcessAndItsChildren(t *testing.T) {
	require.Equal(t, 17, parentIn("42 (odd) name) S 17 42 42 0"))
	require.Zero(t, parentIn("42 (name)"))
	if _, err := os.Stat("/proc/self/schedstat"); err != nil {
		t.Skip("there is no /proc/self/schedstat")
	}
	own, err := processorTime(os.Getpid())
	require.NoError(t, err)
	require.Positive(t, spent(nil, own))
	require.Zero(t, spent(own, own))
	none, err := processorTime(-1)
	require.NoError(t, err)
	require.Empty(t, none)
}
