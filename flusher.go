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
	limit    int // records a batch
	wake     chan struct{}
	onError  func(error)
	done     chan struct{} // closed when run returns

	next      int64 // index of the next record; only run uses it
	uncertain bool  // the outcome of the last send is unknown; only run uses it

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
		wake: make(chan struct{}, 1), progress: make(chan struct{}), done: make(chan struct{}), next: 1,
		onError: cfg.logError("write events"),
	}
}

// kick asks for a flush now. It never waits.
func (f *flusher) kick() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// run flushes until ctx is done.
func (f *flusher) run(ctx context.Context) {
	defer close(f.done)
	for {
		if !f.wait(ctx, f.interval) {
			return
		}
		for f.flushBatch(ctx) {
		}
	}
}

// wait returns after d or when kicked; false means that ctx is done.
func (f *flusher) wait(ctx context.Context, d time.Duration) bool {
	var fires <-chan time.Time
	if d >= 0 {
		timer, stop := f.clock.Timer(d)
		defer stop()
		fires = timer
	}
	select {
	case <-ctx.Done():
		return false
	case <-f.wake:
	case <-fires:
	}
	return ctx.Err() == nil
}

// flushBatch sends one batch and does not give up on it before ctx is done. It
// reports whether there may be more to send.
func (f *flusher) flushBatch(ctx context.Context) bool {
	chunks, n := f.rec.take(f.limit)
	if len(chunks) == 0 {
		return false
	}
	batch := Batch{Stream: f.stream, First: f.next, Records: make([]Record, 0, n)}
	for _, c := range chunks {
		var err error
		if batch.Records, err = c.decode(batch.Records); err != nil {
			f.failed(err) // our own bytes, in memory: cannot happen, and must not stop the rest
		}
	}
	last := batch.Last()
	for attempt := 0; ; attempt++ {
		err := f.send(ctx, &batch)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return false
		}
		f.failed(err)
		if !f.wait(ctx, backoff(attempt)) {
			return false
		}
	}
	f.rec.giveBack(chunks)
	f.next = last + 1
	f.succeeded(int64(n))
	return true
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
// the store has lost records that it had confirmed.
func (f *flusher) align(ctx context.Context, b *Batch) error {
	cursor, err := f.store.Cursor(ctx, CursorParams{Stream: f.stream})
	if err != nil {
		return err
	}
	b.Gap = 0
	switch {
	case cursor >= b.Last():
		b.First, b.Records = b.Last()+1, nil
	case cursor >= b.First:
		b.Records = b.Records[cursor-b.First+1:]
		b.First = cursor + 1
	case cursor < b.First-1:
		b.Gap = b.First - 1 - cursor
		f.mu.Lock()
		f.lost = max(f.lost, b.Gap)
		f.mu.Unlock()
	}
	f.uncertain = len(b.Records) > 0
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

func (f *flusher) succeeded(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stored += n
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
		f.kick()
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
