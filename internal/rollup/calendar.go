package rollup

import (
	"time"

	"github.com/strataxp/strata"
)

// Day is a calendar day: the days since 1970-01-01 of its date.
type Day int32

const (
	secondsADay  = 24 * 60 * 60
	microsADay   = secondsADay * 1_000_000
	microsAnHour = microsADay / 24
)

// Calendar tells on which day of a zone an instant lies. It remembers days that
// it was asked for, and is not safe for concurrent use.
type Calendar struct {
	zone  *time.Location
	utc   bool
	known [64]knownDay // by hour
}

type knownDay struct {
	from, to int64 // microseconds since 1970
	day      Day
}

// NewCalendar returns the calendar of a zone; nil means UTC.
func NewCalendar(zone *time.Location) *Calendar {
	if zone == nil {
		zone = time.UTC
	}
	return &Calendar{zone: zone, utc: zone == time.UTC}
}

// Day returns the day of an instant, given in microseconds since 1970.
func (c *Calendar) Day(at int64) Day {
	if c.utc {
		return Day(floorDiv(at, microsADay))
	}
	k := &c.known[uint64(floorDiv(at, microsAnHour))%uint64(len(c.known))]
	if at < k.from || at >= k.to {
		*k = c.look(at)
	}
	return k.day
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// look finds the day of an instant.
func (c *Calendar) look(at int64) knownDay {
	begin := strata.DayOf(time.UnixMicro(at), c.zone)
	year, month, day := begin.Date()
	return knownDay{
		from: begin.UnixMicro(), to: strata.NextDay(begin, c.zone).UnixMicro(),
		day: Day(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / secondsADay),
	}
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
