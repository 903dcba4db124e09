// Package audit checks, after a test has broken everything that can break, that a
// store holds what the writers were promised. Each writer keeps a ledger of what
// it tracked and how safe it was told that each event is; the store gives evidence.
//
// The invariants, by the numbers under which docs/reliability.md lists them:
//
//	I1  an event that reached the level that the fault respects is stored exactly
//	    once, or lies in a recorded gap where the test allows one
//	I2  no event is stored twice
//	I3  in each stream the indexes up to the cursor are all stored, dead letters or
//	    in gaps, and in one of these only
//	I4  nothing is stored that nobody tracked
//	I7  the counts add up: taken in = stored + dead + in gaps + left
//
// I5 (the host is not disturbed) and I6 (results are those of the raw events) are
// checked where they are measured.
package audit

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/strataxp/strata"
)

// Ledger is what a writer knows. Its methods are safe for concurrent use.
type Ledger struct {
	mu     sync.Mutex
	levels map[string]strata.Level // of what was taken in
}

// NewLedger returns an empty ledger.
func NewLedger() *Ledger { return &Ledger{levels: make(map[string]strata.Level)} }

// Took notes that an event was taken in, and which level it is known to have
// reached. The highest one counts.
func (l *Ledger) Took(id string, level strata.Level) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.levels[id] = max(l.levels[id], level)
}

// Len returns how many events were taken in.
func (l *Ledger) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.levels)
}

// AtLeast returns how many events are known to have reached a level.
func (l *Ledger) AtLeast(level strata.Level) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, reached := range l.levels {
		if reached >= level {
			n++
		}
	}
	return n
}

// Row is an event, or a dead letter, as a store has it.
type Row struct {
	Stream strata.StreamID
	Index  int64
	ID     string // "" where it cannot be told any more
}

// Gap is a range of indexes that a writer declared lost.
type Gap struct {
	Stream      strata.StreamID
	First, Last int64
	Reason      string
}

// Evidence is what a store holds.
type Evidence struct {
	Rows, Dead []Row
	Gaps       []Gap
	Cursors    map[strata.StreamID]int64
}

// Lost returns how many indexes lie in gaps.
func (e *Evidence) Lost() (n int64) {
	for _, g := range e.Gaps {
		n += g.Last - g.First + 1
	}
	return n
}

// Terms say what a test allows.
type Terms struct {
	// Safe is the level from which on nothing may be lost.
	Safe strata.Level

	// MaxLost is how many indexes may lie in gaps, in all, and MaxMissing how
	// many events that reached Safe may be among them.
	MaxLost, MaxMissing int64

	// Left is how many events the writers say that they could not write, and
	// Complete that none of them was killed, so that everything must add up.
	Left     int64
	Complete bool
}

// Check returns every way in which the evidence breaks the invariants, at most ten
// of each.
func (l *Ledger) Check(e *Evidence, terms Terms) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	times := make(map[string]int)
	for _, r := range slices.Concat(e.Rows, e.Dead) {
		times[r.ID]++
	}
	lost := e.Lost()
	errs = append(errs, l.safe(times, terms)...)
	errs = append(errs, l.once(times)...)
	errs = append(errs, e.gapless()...)
	if lost > terms.MaxLost {
		errs = append(errs, fmt.Errorf("I1: %d indexes lie in gaps, %d may; %s", lost, terms.MaxLost, e.reasons()))
	}
	if stored := int64(len(e.Rows) + len(e.Dead)); terms.Complete && int64(len(l.levels)) != stored+lost+terms.Left {
		errs = append(errs, fmt.Errorf("I7: %d events were taken in, %d are stored, %d in gaps, %d left", len(l.levels), stored, lost, terms.Left))
	}
	return errors.Join(errs...)
}

const maxComplaints = 10

// safe checks I1.
func (l *Ledger) safe(times map[string]int, terms Terms) (errs []error) {
	missing := 0
	for id, level := range l.levels {
		if level >= terms.Safe && times[id] == 0 {
			if missing++; missing <= maxComplaints {
				errs = append(errs, fmt.Errorf("I1: event %s was %s and is not stored", id, level))
			}
		}
	}
	if int64(missing) <= terms.MaxMissing {
		return nil
	}
	return append(errs, fmt.Errorf("I1: %d events are missing", missing))
}

// once checks I2 and I4.
func (l *Ledger) once(times map[string]int) (errs []error) {
	for id, n := range times {
		_, known := l.levels[id]
		switch {
		case len(errs) >= maxComplaints:
			return errs
		case n > 1:
			errs = append(errs, fmt.Errorf("I2: event %s is stored %d times", id, n))
		case !known:
			errs = append(errs, fmt.Errorf("I4: event %s is stored, and nobody tracked it", id))
		}
	}
	return errs
}

// gapless checks I3.
func (e *Evidence) gapless() (errs []error) {
	spans := make(map[strata.StreamID][]Gap)
	for _, r := range slices.Concat(e.Rows, e.Dead) {
		spans[r.Stream] = append(spans[r.Stream], Gap{r.Stream, r.Index, r.Index, ""})
	}
	for _, g := range e.Gaps {
		spans[g.Stream] = append(spans[g.Stream], g)
	}
	for stream, cursor := range e.Cursors {
		errs = append(errs, covered(stream, spans[stream], cursor)...)
		delete(spans, stream)
	}
	for stream, list := range spans {
		errs = append(errs, fmt.Errorf("I3: stream %s has %d rows and gaps, and no cursor", stream, len(list)))
	}
	return errs
}

// covered checks that spans cover 1 … cursor, each index once.
func covered(stream strata.StreamID, spans []Gap, cursor int64) (errs []error) {
	slices.SortFunc(spans, func(a, b Gap) int { return cmp.Compare(a.First, b.First) })
	next := int64(1)
	for _, s := range spans {
		switch {
		case len(errs) >= maxComplaints:
			return errs
		case s.First < next:
			errs = append(errs, fmt.Errorf("I3: stream %s: index %d is there twice", stream, s.First))
		case s.First > next:
			errs = append(errs, fmt.Errorf("I3: stream %s: indexes %d to %d are nowhere", stream, next, s.First-1))
		}
		next = max(next, s.Last+1)
	}
	if next != cursor+1 {
		errs = append(errs, fmt.Errorf("I3: stream %s: the cursor is %d, the last index %d", stream, cursor, next-1))
	}
	return errs
}

// reasons lists the gaps.
func (e *Evidence) reasons() string {
	list := make([]string, 0, len(e.Gaps))
	for _, g := range e.Gaps[:min(len(e.Gaps), maxComplaints)] {
		list = append(list, fmt.Sprintf("%s %d…%d: %s", g.Stream, g.First, g.Last, g.Reason))
	}
	return fmt.Sprint(list)
}
