package strata

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// sender moves the records of one stream from where they are kept to the store,
// in order, one batch at a time. After a failure of any kind, and whenever it is
// told to doubt, it asks the store for the cursor before it sends again, and goes
// on behind it: further on where a batch had arrived after all, further back
// where a failover has lost what was acknowledged.
type sender struct {
	store    EventStore
	clock    Clock
	random   func() uint64
	stream   StreamID
	src      source
	losses   lossTotals
	sole     bool // nobody else has ever written the stream
	progress *watermarks
	timeout  time.Duration
	limit    int // records a batch
	maxBytes int // of their encoding, about
	onError  func(error)
	urgent   chan struct{} // somebody waits for it: try again at once
	observe  *engineMetrics

	// Only the goroutine that sends uses these.
	next   int64     // index of the next record to send
	size   int       // records a send: fewer after one that took too long
	unsure bool      // the outcome of the last send is unknown
	heard  time.Time // when the store last told where the stream stands
	had    int64     // up to where the store has ever been
	again  int64     // up to where what it lost is counted as sent once more
	tried  gap       // what the last send declared lost, while its outcome is unknown

	sending int64 // the last index of that send; 0 while there is none

	mu      sync.Mutex
	asked   int64 // how often somebody wanted the cursor to be asked for: the store may have lost what it acknowledged
	doubted int64 // up to which of those the sender has taken note
	lost    []gap // records that the store has been told are lost
	resent  int64 // records that were sent once more, as the store had lost them
	lastErr error
	failing time.Time // since when sends fail; zero when they do not
	fails   int64     // attempts that failed, ever
	fenced  bool
}

// gap is a range of indexes.
type gap struct{ first, last int64 }

// lossTotals tells what a stream has lost since a generation of its losses: nil if
// nothing, else the totals and their generation.
type lossTotals interface {
	since(generation int64) (*Losses, int64)
}

// source is where a sender takes records from.
type source interface {
	// load returns records that follow each other, from an index on or, where
	// those from there on are lost, from the first one behind. Nothing, with
	// first where the index was, means that there is nothing to send; nothing
	// behind it that all from there to first are lost.
	load(from int64, limit, maxBytes int) (cargo, error)

	// total returns the index of the last record that there is or was.
	total() int64

	// committed tells that the store has the records up to an index.
	committed(upTo int64)
}

// signal makes sure that a channel with room for one holds one. It never waits.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// wait returns after d (never, if it is negative), when somebody waits, or when
// early is signalled; false means that ctx is done.
func (s *sender) wait(ctx context.Context, d time.Duration, early chan struct{}) bool {
	return pause(ctx, s.clock, d, early, s.urgent)
}

// pause is [sender.wait] for anybody.
func pause(ctx context.Context, clock Clock, d time.Duration, early, urgent chan struct{}) bool {
	var fires <-chan time.Time
	if d >= 0 {
		timer, stop := clock.Timer(d)
		defer stop()
		fires = timer
	}
	select {
	case <-ctx.Done():
		return false
	case <-early:
	case <-urgent:
	case <-fires:
	}
	return ctx.Err() == nil
}

// drain sends until there is nothing more to send, and does not give up before
// ctx is done or the stream is fenced off.
func (s *sender) drain(ctx context.Context) {
	attempt := 0
	for ctx.Err() == nil && !s.isFenced() {
		sent, err := s.sendNext(ctx)
		switch {
		case err == nil && !sent:
			return
		case err == nil:
			attempt = 0
		case ctx.Err() != nil:
			return
		default:
			s.failed(err)
			// New events must not cut the wait short: only somebody who waits may.
			s.wait(ctx, backoff(attempt, err, s.random), nil)
			attempt++
		}
	}
}

// sendNext makes one attempt at the next batch. It reports whether there was
// something to send.
func (s *sender) sendNext(ctx context.Context) (sent bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if s.mustAlign() {
		if err := s.align(ctx); err != nil {
			return false, err
		}
	}
	load, err := s.src.load(s.next, s.size, s.maxBytes)
	if err != nil {
		return false, err
	}
	batch := Batch{Stream: s.stream, First: load.first, Gap: load.first - s.next, Records: load.records}
	if batch.Gap > 0 {
		batch.GapReason = load.reason
	}
	generation := s.addLosses(&batch)
	if len(batch.Records) == 0 && batch.Gap == 0 && batch.Losses == nil {
		s.succeeded()
		// A failover while there is nothing to send would go unnoticed.
		if s.next > 1 && s.clock.Now().Sub(s.heard) > silence {
			s.suspect()
			return true, nil
		}
		return false, nil
	}
	s.unsure, s.tried, s.sending = true, gap{batch.First - batch.Gap, batch.First - 1}, batch.Last()
	s.sendAgain(&batch)
	start := s.clock.Now()
	if err := s.store.Ingest(ctx, batch); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			// A store that is merely slow must get through in the end.
			s.size = max(1, len(batch.Records)/2)
		}
		return true, err
	}
	s.heard = s.clock.Now()
	s.observe.stored(s.heard.Sub(start))
	s.unsure, s.tried, s.sending = false, gap{}, 0
	s.next = batch.Last() + 1
	s.size = min(2*s.size, s.limit)
	s.stored(&batch, generation)
	return true, nil
}

// addLosses puts the stream's losses on a batch where the store has not got them.
func (s *sender) addLosses(b *Batch) (generation int64) {
	b.Losses, generation = s.losses.since(s.progress.lossesTold())
	return generation
}

// mustAlign reports whether the cursor has to be asked for first.
func (s *sender) mustAlign() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsure = s.unsure || s.doubted < s.asked
	s.doubted = s.asked
	return s.unsure
}

// align goes on where the store stands.
func (s *sender) align(ctx context.Context) error {
	cursor, err := s.store.Cursor(ctx, CursorParams{Stream: s.stream})
	if err != nil {
		return err
	}
	if total := s.src.total(); cursor > total && s.sole {
		return fmt.Errorf("%w: %w: the store has %d records of stream %s, of which this process, its only writer, has made %d; somebody else writes under its id", ErrPermanent, ErrCursor, cursor, s.stream, total)
	}
	if back := s.progress.regress(cursor); back > 0 {
		s.had, s.again = max(s.had, cursor+back), cursor
	}
	s.settle(cursor)
	if s.unsure && s.failures() > 0 {
		s.progress.told(0) // another server may answer, which was not told
	}
	s.next = cursor + 1
	s.unsure, s.tried, s.sending = false, gap{}, 0
	s.heard = s.clock.Now()
	s.arrived(cursor)
	s.mu.Lock()
	n := s.doubted
	s.mu.Unlock()
	s.progress.aligned(n)
	return nil
}

// settle makes the gaps those that the store has: it may have got the last one
// after all, or have lost some.
func (s *sender) settle(cursor int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tried.first > 0 && s.tried.first <= s.tried.last && s.tried.last <= cursor {
		s.lost = append(s.lost, s.tried)
	}
	s.lost = slices.DeleteFunc(s.lost, func(g gap) bool { return g.last > cursor })
}

// lostRecords returns how many records lie in gaps. The lock is held.
func (s *sender) lostRecords() (n int64) {
	for _, g := range s.lost {
		n += g.last - g.first + 1
	}
	return n
}

// sendAgain counts the records of a batch that the store has had before, once.
func (s *sender) sendAgain(b *Batch) {
	from, upTo := max(b.First, s.again+1), min(b.Last(), s.had)
	if from > upTo {
		return
	}
	s.again = upTo
	s.mu.Lock()
	s.resent += upTo - from + 1
	s.mu.Unlock()
}

// arrived notes that the store has the records up to an index.
func (s *sender) arrived(upTo int64) {
	s.progress.advance(LevelCommitted, upTo)
	s.src.committed(upTo)
}

// silence is how long a sender that has nothing to send trusts what it knows.
const silence = time.Minute

const (
	backoffFirst = 100 * time.Millisecond
	backoffMax   = 30 * time.Second
)

// backoff is "full jitter": uniform between zero and an exponential bound, so
// that processes that failed together do not come back together. What retrying
// alone will not cure is not tried often.
func backoff(attempt int, err error, random func() uint64) time.Duration {
	bound := min(backoffFirst<<min(attempt, 20), backoffMax)
	if errors.Is(err, ErrPermanent) {
		bound = backoffMax
	}
	return time.Duration(scale(random(), uint64(bound))) + time.Millisecond
}

func (s *sender) failed(err error) {
	s.mu.Lock()
	s.lastErr = err
	s.fails++
	if s.failing.IsZero() {
		s.failing = s.clock.Now()
	}
	s.fenced = s.fenced || errors.Is(err, ErrFenced)
	s.mu.Unlock()
	s.observe.failures.Add(1)
	s.onError(err)
}

func (s *sender) succeeded() {
	s.mu.Lock()
	s.failing = time.Time{}
	s.mu.Unlock()
}

// stored counts a batch that the store has.
func (s *sender) stored(b *Batch, generation int64) {
	s.mu.Lock()
	if b.Gap > 0 {
		s.lost = append(s.lost, gap{b.First - b.Gap, b.First - 1})
	}
	s.failing = time.Time{}
	s.mu.Unlock()
	if b.Losses != nil {
		s.progress.told(generation)
	}
	s.arrived(b.Last())
}

// suspect makes the sender ask for the cursor before it sends again. The marks
// tell when it has: by the number returned.
func (s *sender) suspect() (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	return s.asked
}

// failures returns how many attempts have failed.
func (s *sender) failures() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fails
}

func (s *sender) isFenced() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fenced
}

// reason returns why sends fail at present, or nil.
func (s *sender) reason() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing.IsZero() {
		return nil
	}
	return s.lastErr
}
