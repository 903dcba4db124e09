package strata_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/audit"
	"github.com/strataxp/strata/memstore"
)

// shelf is a store of events that keeps every row, with a standby that lags
// behind, and can be made to fail in every way in which a database does. What it
// does not keep are results.
type shelf struct {
	*memstore.Store // plans

	mu        sync.Mutex
	random    *rand.Rand
	streams   map[strata.StreamID]*shelved
	standby   map[strata.StreamID]int64 // cursors there; nil means that there is none
	forgetful bool                      // keeps of each stream only where it ends
	silent    bool                      // nobody is told of the standby: what it lacks when it takes over is lost
	fault     func(op string) fault     // what happens to a call; nil means nothing
	hits      map[string]int            // how often each branch was taken
	attempts  int
}

// shelved is a stream as the store has it.
type shelved struct {
	batches []strata.Batch
	losses  *strata.Losses
	fenced  bool
}

func (s *shelved) last() int64 {
	if n := len(s.batches); n > 0 {
		return s.batches[n-1].Last()
	}
	return 0
}

// fault is what happens to a call of the store.
type fault string

const (
	noFault   fault = "ok"
	before    fault = "fails before"
	after     fault = "fails after it was done" // the acknowledgement is lost
	hang      fault = "hangs"
	hangAfter fault = "hangs after it was done"
	panics    fault = "panics"
	slow      fault = "takes a second"
)

var anyFault = []fault{noFault, noFault, before, after, hang, hangAfter, panics}

func newShelf(seed uint64) *shelf {
	return &shelf{
		Store: memstore.New(), random: rand.New(rand.NewPCG(seed, 7)),
		streams: make(map[strata.StreamID]*shelved), hits: make(map[string]int),
	}
}

// withStandby makes the store confirm what a standby has, which it gets by sync.
func (s *shelf) withStandby() *shelf {
	s.standby = make(map[strata.StreamID]int64)
	return s
}

func (s *shelf) Confirms() bool { return s.standby != nil && !s.silent }

func (s *shelf) Confirmed(ctx context.Context, params strata.ConfirmedParams) ([]int64, error) {
	return faulted(ctx, s, "confirm", func() ([]int64, error) {
		last := make([]int64, len(params.Streams))
		for i, id := range params.Streams {
			last[i] = s.standby[id]
		}
		return last, nil
	})
}

// faulted makes a call, or what the test wants in its place.
func faulted[T any](ctx context.Context, s *shelf, op string, do func() (T, error)) (result T, err error) {
	s.mu.Lock()
	f := noFault
	if s.fault != nil {
		f = s.fault(op)
	}
	s.hits[op+" "+string(f)]++
	if f == slow {
		s.mu.Unlock()
		<-time.After(time.Second)
		s.mu.Lock()
	}
	if f == slow || f == noFault || f == after || f == hangAfter {
		result, err = do()
	}
	s.mu.Unlock()
	switch f {
	case before, after:
		return result, errDown
	case hang, hangAfter:
		<-ctx.Done()
		return result, ctx.Err()
	case panics:
		panic(errDown)
	}
	return result, err
}

func (s *shelf) Ingest(ctx context.Context, b strata.Batch) error {
	_, err := faulted(ctx, s, "ingest", func() (struct{}, error) { return struct{}{}, s.ingest(b) })
	return err
}

func (s *shelf) ingest(b strata.Batch) error {
	s.attempts++
	stream := s.stream(b.Stream)
	if stream.fenced {
		return fmt.Errorf("%w: %s", strata.ErrFenced, b.Stream)
	}
	if last := stream.last(); b.First < 1 || b.Gap < 0 || b.First-b.Gap != last+1 {
		s.hits["wrong cursor"]++
		return &strata.CursorError{Stream: b.Stream, First: b.First, Last: last}
	}
	if b.Gap > 0 {
		s.hits["gap"]++
	}
	if b.Losses != nil {
		stream.losses = b.Losses
	}
	if s.forgetful {
		stream.batches = nil
		b.First, b.Gap, b.Records = b.Last(), 0, b.Records[max(0, len(b.Records)-1):]
	}
	if len(b.Records) > 0 || b.Gap > 0 {
		stream.batches = append(stream.batches, b)
	}
	return nil
}

func (s *shelf) stream(id strata.StreamID) *shelved {
	if s.streams[id] == nil {
		s.streams[id] = new(shelved)
	}
	return s.streams[id]
}

func (s *shelf) Cursor(ctx context.Context, params strata.CursorParams) (int64, error) {
	return faulted(ctx, s, "cursor", func() (int64, error) {
		stream := s.stream(params.Stream)
		if stream.fenced {
			return 0, strata.ErrFenced
		}
		return stream.last(), nil
	})
}

// setFault sets what happens to the calls from now on.
func (s *shelf) setFault(f func(op string) fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// always returns one fault for every call.
func always(f fault) func(string) fault { return func(string) fault { return f } }

// atRandom returns faults at random; the first of the list are as likely as others.
func (s *shelf) atRandom(faults []fault) func(string) fault {
	return func(string) fault { return faults[s.random.IntN(len(faults))] }
}

// replicate brings the standby up to date.
func (s *shelf) replicate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, stream := range s.streams {
		s.standby[id] = stream.last()
	}
}

// failOver promotes the standby: what it has not got is gone.
func (s *shelf) failOver() (lost int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, stream := range s.streams {
		for stream.last() > s.standby[id] {
			n := len(stream.batches) - 1
			lost += int64(len(stream.batches[n].Records))
			stream.batches = stream.batches[:n]
			s.hits["failover"]++
		}
	}
	return lost
}

// fence fences every stream off.
func (s *shelf) fence() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stream := range s.streams {
		stream.fenced = true
	}
}

// evidence is what the store has. The id of an event is its name.
func (s *shelf) evidence() *audit.Evidence {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &audit.Evidence{Cursors: make(map[strata.StreamID]int64)}
	for id, stream := range s.streams {
		for _, b := range stream.batches {
			if b.Gap > 0 {
				e.Gaps = append(e.Gaps, audit.Gap{Stream: id, First: b.First - b.Gap, Last: b.First - 1, Reason: b.GapReason})
			}
			for i, r := range b.Records {
				e.Rows = append(e.Rows, audit.Row{Stream: id, Index: b.First + int64(i), ID: r.Event.Name()})
			}
		}
		e.Cursors[id] = stream.last()
	}
	return e
}

// losses adds up what the streams have lost.
func (s *shelf) losses() (events map[strata.LossReason]int64, units map[string]int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	events, units = make(map[strata.LossReason]int64), make(map[string]int64)
	for _, stream := range s.streams {
		if stream.losses == nil {
			continue
		}
		for _, l := range stream.losses.Events {
			events[l.Reason] += l.Events
		}
		for _, l := range stream.losses.Units {
			units[l.Treatment] += l.Units
		}
	}
	return events, units
}

// addHits adds up how often branches were taken.
func (s *shelf) addHits(to map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for branch, n := range s.hits {
		to[branch] += n
	}
}

var _ strata.Confirmer = (*shelf)(nil)

// named is an event that can be told from others.
func named(id string) strata.Event { return strata.Custom{EventName: id} }

// taken notes what became of tracking an event.
func taken(l *audit.Ledger, id string, level strata.Level, err error) {
	if err == nil || errors.Is(err, context.DeadlineExceeded) {
		l.Took(id, level)
	}
}
