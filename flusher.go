package strata

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// flusher moves records from the recorder to the store, in order, one batch at a
// time. It is one stream: it numbers the records, and after any failure it asks
// the store for the cursor before it sends again.
type flusher struct {
	store    EventStore
	rec      *recorder
	clock    Clock
	stream   StreamID
	interval time.Duration // negative means only when asked
	timeout  time.Duration
	limit    int           // records a batch
	wake     chan struct{} // there is something to send
	urgent   chan struct{} // somebody waits for it: try again at once
	onError  func(error)
	done     chan struct{} // closed when run returns

	// Only run uses these.
	next      int64 // index of the next record
	size      int   // records a send: fewer after one that took too long
	uncertain bool  // the outcome of the last send is unknown

	mu       sync.Mutex
	stored   int64         // records that the store has
	lost     int64         // records that the store had, and has no more
	progress chan struct{} // closed and replaced when stored rises
	lastErr  error
	failing  time.Time // since when sends fail; zero when they do not
}

func newFlusher(store EventStore, rec *recorder, cfg *Config, stream StreamID) *flusher {
	return &flusher{
		store: store, rec: rec, clock: cfg.Clock, stream: stream,
		interval: cfg.FlushInterval, timeout: cfg.StoreTimeout, limit: cfg.BatchSize,
		wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1), size: cfg.BatchSize, progress: make(chan struct{}), done: make(chan struct{}), next: 1,
		onError: cfg.logError("write events"),
	}
}

// kick says that there is something to send. It never waits.
func (f *flusher) kick() { signal(f.wake) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run flushes until ctx is done.
func (f *flusher) run(ctx context.Context) {
	defer close(f.done)
	for f.wait(ctx, f.interval, f.wake) {
		for f.flushChunks(ctx) {
		}
	}
}

// wait returns after d, when somebody waits, or when early is signalled; false
// means that ctx is done.
func (f *flusher) wait(ctx context.Context, d time.Duration, early chan struct{}) bool {
	var fires <-chan time.Time
	if d >= 0 {
		timer, stop := f.clock.Timer(d)
		defer stop()
		fires = timer
	}
	select {
	case <-ctx.Done():
		return false
	case <-early:
	case <-f.urgent:
	case <-fires:
	}
	return ctx.Err() == nil
}

// flushChunks sends the oldest chunks and does not give up on them before ctx is
// done. It reports whether there may be more to send.
func (f *flusher) flushChunks(ctx context.Context) bool {
	chunks, n := f.rec.take(f.limit)
	if len(chunks) == 0 {
		return false
	}
	records := make([]Record, 0, n)
	for _, c := range chunks {
		var err error
		if records, err = c.decode(records); err != nil {
			f.failed(err) // our own bytes, in memory: cannot happen, and must not stop the rest
		}
	}
	for len(records) > 0 {
		sent := f.deliver(ctx, records[:min(f.size, len(records))])
		if sent == 0 {
			return false
		}
		records = records[sent:]
	}
	f.rec.giveBack(chunks)
	return true
}

// deliver sends records as one batch until the store has them, and returns how
// many those are. After a send that took too long it goes on with half of them:
// a store that is merely slow must get through in the end. 0 means that ctx is
// done.
func (f *flusher) deliver(ctx context.Context, records []Record) int {
	for attempt := 0; ; attempt++ {
		batch := Batch{Stream: f.stream, First: f.next, Records: records}
		err := f.send(ctx, &batch)
		if err == nil {
			f.next += int64(len(records))
			f.size = min(2*f.size, f.limit)
			f.succeeded(int64(len(records)), batch.Gap)
			return len(records)
		}
		if ctx.Err() != nil {
			return 0
		}
		f.failed(err)
		if errors.Is(err, context.DeadlineExceeded) && len(records) > 1 {
			f.size = len(records) / 2
			records = records[:f.size]
		}
		// New events must not cut the wait short: only somebody who waits may.
		if !f.wait(ctx, backoff(attempt), nil) {
			return 0
		}
	}
}

// send makes one attempt at a batch. After a failure of any kind the outcome is
// unknown: the next attempt begins at the store's cursor.
func (f *flusher) send(ctx context.Context, b *Batch) error {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	if f.uncertain {
		if err := f.align(ctx, b); err != nil {
			return err
		}
	}
	if len(b.Records) == 0 {
		return nil
	}
	f.uncertain = true
	if err := f.store.Ingest(ctx, *b); err != nil {
		return err
	}
	f.uncertain = false
	return nil
}

// align cuts from the batch what the store has of it, and declares a gap where
// the store has lost records that it had confirmed. A cursor beyond the batch (an
// earlier, larger one arrived) leaves the next batch to be aligned as well.
func (f *flusher) align(ctx context.Context, b *Batch) error {
	cursor, err := f.store.Cursor(ctx, CursorParams{Stream: f.stream})
	if err != nil {
		return err
	}
	last := b.Last()
	b.Gap = 0
	switch {
	case cursor >= last:
		b.First, b.Records = last+1, nil
	case cursor >= b.First:
		b.Records = b.Records[cursor-b.First+1:]
		b.First = cursor + 1
	case cursor < b.First-1:
		b.Gap = b.First - 1 - cursor
	}
	f.uncertain = cursor > last
	return nil
}

const (
	backoffFirst = 100 * time.Millisecond
	backoffMax   = 30 * time.Second
)

// backoff is "full jitter": uniform between zero and an exponential bound, so
// that processes that failed together do not come back together.
func backoff(attempt int) time.Duration {
	bound := backoffFirst << min(attempt, 20)
	return rand.N(min(bound, backoffMax)) + time.Millisecond
}

func (f *flusher) failed(err error) {
	f.mu.Lock()
	f.lastErr = err
	if f.failing.IsZero() {
		f.failing = f.clock.Now()
	}
	f.mu.Unlock()
	f.onError(err)
}

// succeeded counts n records as stored, and those before them that the store
// has lost.
func (f *flusher) succeeded(n, lost int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stored += n
	f.lost += lost
	f.failing = time.Time{}
	close(f.progress)
	f.progress = make(chan struct{})
}

// flush waits until everything accepted so far is stored, or ctx is done. It
// returns how many records are not.
func (f *flusher) flush(ctx context.Context) (int, error) {
	target := f.rec.total()
	for {
		f.mu.Lock()
		missing, progress := target-f.stored, f.progress
		f.mu.Unlock()
		if missing <= 0 {
			return 0, nil
		}
		signal(f.urgent)
		var why error
		select {
		case <-progress:
			continue
		case <-f.done:
			why = ErrClosed
		case <-ctx.Done():
			why = ctx.Err()
		}
		return int(missing), fmt.Errorf("strata: %d events are not written: %w", missing, errors.Join(why, f.reason()))
	}
}

// reason returns why sends fail at present, or nil.
func (f *flusher) reason() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failing.IsZero() {
		return nil
	}
	return f.lastErr
}
