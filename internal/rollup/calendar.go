package rollup

import (
	"math"
	"time"

	"github.com/strataxp/strata"
)

// Day is a calendar day: the days since 1970-01-01 of its date.
type Day int32

const secondsADay = 24 * 60 * 60

// Calendar tells on which day of a zone an instant lies. It remembers the last
// day that it was asked for, and is not safe for concurrent use.
type Calendar struct {
	zone       *time.Location
	from, to   int64 // microseconds; the day remembered
	remembered Day
}

// NewCalendar returns the calendar of a zone; nil means UTC.
func NewCalendar(zone *time.Location) *Calendar {
	if zone == nil {
		zone = time.UTC
	}
	return &Calendar{zone: zone}
}

// Day returns the day of an instant, given in microseconds since 1970.
func (c *Calendar) Day(at int64) Day {
	if c.from <= at && at < c.to {
		return c.remembered
	}
	begin := strata.DayOf(time.UnixMicro(at), c.zone)
	c.from, c.to = begin.UnixMicro(), strata.NextDay(begin, c.zone).UnixMicro()
	year, month, day := begin.Date()
	c.remembered = Day(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / secondsADay)
	return c.remembered
}

// Begin returns the first instant of a day.
func (c *Calendar) Begin(d Day) time.Time {
	year, month, day := d.date()
	return strata.DayOf(time.Date(year, month, day, 12, 0, 0, 0, c.zone), c.zone)
}

// End returns the first instant behind a day.
func (c *Calendar) End(d Day) time.Time { return strata.NextDay(c.Begin(d), c.zone) }

func (d Day) date() (int, time.Month, int) {
	return time.Unix(int64(d)*secondsADay, 0).UTC().Date()
}

// String is the date, as SQL writes it.
func (d Day) String() string { return time.Unix(int64(d)*secondsADay, 0).UTC().Format(time.DateOnly) }

// always is the calendar of a single, endless day.
func always() *Calendar {
	return &Calendar{zone: time.UTC, from: math.MinInt64, to: math.MaxInt64}
}
