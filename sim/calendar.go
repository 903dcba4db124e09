package sim

import (
	"sort"
	"time"
)

// calendar says when visitors come. Times are microseconds since 1970.
type calendar struct {
	start, end int64
	segments   []segment // of first visits, in order
	hours      []float64 // the ends of their intervals; nil where all are the same
	weekdays   []float64 // the chance that a return on a day is kept; nil where all are
}

// segment is an hour or a part of one.
type segment struct {
	from, to int64
	weight   float64 // of all segments up to and including this one
}

const (
	hourMicros = int64(time.Hour / time.Microsecond)
	dayMicros  = 24 * hourMicros
)

func newCalendar(s Seasons, start time.Time, length time.Duration) *calendar {
	c := &calendar{start: start.UnixMicro()}
	c.end = c.start + int64(length/time.Microsecond)
	if len(s.Hours) > 0 {
		c.hours = cumulative(s.Hours)
	}
	if len(s.Weekdays) > 0 {
		most := 0.0
		for _, w := range s.Weekdays {
			most = max(most, w)
		}
		for _, w := range s.Weekdays {
			c.weekdays = append(c.weekdays, w/most)
		}
	}
	sum := 0.0
	for from := c.start; from < c.end; {
		to := min(from-floorMod(from, hourMicros)+hourMicros, c.end)
		weight := float64(to - from)
		if c.hours != nil {
			weight *= s.Hours[floorMod(from, dayMicros)/hourMicros]
		}
		if c.weekdays != nil {
			weight *= c.weekdays[weekday(from)]
		}
		sum += weight
		c.segments = append(c.segments, segment{from, to, sum})
		from = to
	}
	return c
}

// empty reports whether nobody would ever come.
func (c *calendar) empty() bool {
	return len(c.segments) == 0 || !(c.segments[len(c.segments)-1].weight > 0)
}

// arrival returns when the part q of all first visits has begun.
func (c *calendar) arrival(q float64) int64 {
	x := q * c.segments[len(c.segments)-1].weight
	i := sort.Search(len(c.segments)-1, func(i int) bool { return c.segments[i].weight > x })
	s, before := c.segments[i], 0.0
	if i > 0 {
		before = c.segments[i-1].weight
	}
	part := (x - before) / (s.weight - before)
	return min(s.from+int64(part*float64(s.to-s.from)), s.to-1)
}

// tries is how often a return on a quiet day is drawn again.
const tries = 8

// back returns when somebody comes back whose visit ended at an instant.
func (c *calendar) back(d dice, ended int64, gap spread, factor float64) int64 {
	at := ended
	for range tries {
		at = ended + gap.draw(d, factor)
		if c.weekdays == nil || d.Float64() < c.weekdays[weekday(at)] {
			break
		}
	}
	if c.hours == nil || at-ended < dayMicros {
		return at
	}
	hour := int64(pick(c.hours, d.Float64()))
	return at - floorMod(at, dayMicros) + hour*hourMicros + d.Int64N(hourMicros)
}

func weekday(micros int64) int {
	const thursday = 4 // 1 January 1970
	return int(floorMod((micros-floorMod(micros, dayMicros))/dayMicros+thursday, 7))
}

func floorMod(a, b int64) int64 { return ((a % b) + b) % b }
