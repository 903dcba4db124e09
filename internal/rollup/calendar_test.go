package rollup_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/rollup"
	"github.com/strataxp/strata/internal/seed"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	require.NoError(t, err)
	return z
}

// Zones whose days are odd: two midnights, no midnight, a day that was skipped,
// half hours, a clock put back a minute behind midnight.
var oddZones = []string{"UTC", "Europe/Berlin", "America/Sao_Paulo", "America/Havana", "Pacific/Apia", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns", "Atlantic/Azores", "Antarctica/Casey"}

// The oracle is the latest date that the standard library has for the instant or
// one up to three hours before it: clocks that are put back across midnight do
// not bring the day before back.
func TestDayIsTheDateInTheZone(t *testing.T) {
	seed.OneGoroutine(t)
	for _, name := range oddZones {
		z, r := zone(t, name), rand.New(rand.NewPCG(seed.Of(t), 1))
		c := rollup.NewCalendar(z)
		near := time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC)
		for range 20_000 {
			switch r.IntN(4) {
			case 0: // anywhere
				near = time.Unix(r.Int64N(4e9)-1e9, 0)
			case 1: // a change of clocks
				if _, change := near.In(z).ZoneBounds(); !change.IsZero() && change.Year() < 2038 {
					near = change
				}
			}
			at := near.Add(time.Duration(r.Int64N(int64(6*time.Hour))) - 3*time.Hour).Truncate(time.Microsecond)
			require.Equal(t, date(at, z), c.Day(at.UnixMicro()).String(), "%s in %s", at.UTC(), name)
		}
	}
}

func date(at time.Time, z *time.Location) string {
	begun := at.In(z).Format(time.DateOnly)
	if change, _ := at.In(z).ZoneBounds(); at.Sub(change) < 3*time.Hour {
		begun = max(begun, change.Add(-1).In(z).Format(time.DateOnly))
	}
	return begun
}

func TestDaysFollowEachOther(t *testing.T) {
	seed.OneGoroutine(t)
	for _, name := range oddZones {
		c := rollup.NewCalendar(zone(t, name))
		for d := rollup.Day(12_000); d < 19_000; d++ {
			begin, end := c.Begin(d), c.End(d)
			if c.Day(begin.UnixMicro()) != d {
				require.Equal(t, "Pacific/Apia 2011-12-30", fmt.Sprint(name, " ", d), "this day was skipped, and no other")
				continue
			}
			require.Less(t, c.Day(begin.UnixMicro()-1), d, "%s %s", name, d)
			require.Equal(t, d, c.Day(end.UnixMicro()-1), "%s %s", name, d)
			require.Less(t, d, c.Day(end.UnixMicro()), "%s %s", name, d)
		}
	}
}

func TestDayWithoutAMidnight(t *testing.T) {
	c := rollup.NewCalendar(zone(t, "America/Sao_Paulo"))
	const day = rollup.Day(17_454) // 2017-10-15, when clocks went from 0:00 to 1:00
	begin := time.Date(2017, 10, 15, 3, 0, 0, 0, time.UTC)
	require.Equal(t, "2017-10-15", day.String())
	require.True(t, begin.Equal(c.Begin(day)), "%s", c.Begin(day))
	require.Equal(t, day, c.Day(begin.UnixMicro()))
	require.Equal(t, day-1, c.Day(begin.UnixMicro()-1))
	require.Equal(t, 23*time.Hour, c.End(day).Sub(begin))
}

func TestFarTimes(t *testing.T) {
	c := rollup.NewCalendar(nil)
	for _, year := range []int{1, 1582, 1969, 2000, 9999} {
		at := time.Date(year, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
		day := c.Day(at.UnixMicro())
		require.Equal(t, at.Format(time.DateOnly), day.String())
		require.Equal(t, day+1, c.Day(at.UnixMicro()+1))
		require.True(t, c.End(day).Equal(at.Add(time.Microsecond)))
	}
}
