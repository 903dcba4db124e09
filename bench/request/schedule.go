package main

import "time"

// schedule says when requests are due: at a constant rate, whether those before are
// answered or not. Latency counts from there, so that a stall costs every request
// that came in meanwhile, as it does in life.
type schedule struct {
	start time.Time
	rate  int // requests a second
	total int // requests
}

// newSchedule is a constant rate for a while.
func newSchedule(start time.Time, rate int, length time.Duration) schedule {
	return schedule{start: start, rate: rate, total: int(int64(rate) * int64(length) / int64(time.Second))}
}

// due returns when request i, from 0, is due. It does not drift: each is computed
// from the start.
func (s schedule) due(i int) time.Time {
	n, r := int64(i), int64(s.rate)
	return s.start.Add(time.Duration(n/r)*time.Second + time.Duration(n%r)*time.Second/time.Duration(r))
}

// dueBy returns how many requests are due at an instant.
func (s schedule) dueBy(now time.Time) int {
	since := now.Sub(s.start)
	if since < 0 {
		return 0
	}
	whole, part := int64(since/time.Second), int64(since%time.Second)
	n := int(whole*int64(s.rate) + part*int64(s.rate)/int64(time.Second) + 1)
	switch { // due rounds down
	case s.due(n - 1).After(now):
		n--
	case !s.due(n).After(now):
		n++
	}
	return min(n, s.total)
}

// end is when the last second of the schedule is over.
func (s schedule) end() time.Time { return s.due(s.total) }
