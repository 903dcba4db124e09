package strata

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/strataxp/strata/internal/spool"
)

// leftovers sends what processes have left in the spool that are gone: killed, or
// closed while the store was down. A stream of theirs is sent from the store's
// cursor on, and its folder deleted when all of it is confirmed. It is never
// appended to.
type leftovers struct {
	engine  *Engine
	spool   *spool.Spool
	clock   Clock
	onError func(error)

	sent, lost, trimmed atomic.Int64 // records: they only rise

	// Only the goroutine that sends uses these.
	tick  int64 // seconds since it began, about
	fails int   // attempts of any stream that failed in a row

	mu      sync.Mutex
	streams map[StreamID]*left
	listErr error // why the folder could not be looked at
}

// left is a stream in the folder that is not one of ours.
type left struct {
	id StreamID

	// Under the lock of leftovers.
	open  *leftover // being sent, or waiting to be confirmed; nil while it is let alone
	alive bool      // its process is not gone after all
	err   error     // what keeps it from being sent
	since time.Time // since when its oldest record that is not confirmed is held, as far as known

	// Only the goroutine that sends uses these.
	fails       int   // attempts that failed in a row
	due         int64 // the tick of the next attempt
	high, tried int64 // up to where it was sent, and perhaps was
}

const (
	leftoverInterval = 60 // ticks between two looks at the folder: another process that shares it may have died
	leftoverRetry    = 5  // the least between two attempts at a stream that could not be sent
	leftoverAttempts = 3  // that fail in a row before other streams have their turn
	maxLeftoverErrs  = 8  // streams whose errors the status tells
)

func newLeftovers(e *Engine, s *spool.Spool) *leftovers {
	return &leftovers{
		engine: e, spool: s, clock: e.cfg.Clock, streams: make(map[StreamID]*left),
		onError: e.cfg.logError("send what a process left in the spool"),
	}
}

// run sends what is there, and looks again every minute, sooner where something
// could not be sent, until ctx is done.
func (l *leftovers) run(ctx context.Context) {
	for {
		l.sendAll(ctx)
		for next := l.nextLook(); l.tick < next; {
			if !pause(ctx, l.clock, confirmInterval, nil, nil) {
				return
			}
			l.tick++
			l.realign(ctx)
			_ = l.finishConfirmed() // the status tells
		}
	}
}

// nextLook returns the tick at which the first stream is due.
func (l *leftovers) nextLook() int64 {
	next := l.tick + leftoverInterval
	for _, w := range l.all() {
		if w.open == nil && w.due > l.tick {
			next = min(next, w.due)
		}
	}
	return next
}

// sendAll sends the streams that nobody writes any more, oldest first.
func (l *leftovers) sendAll(ctx context.Context) {
	l.list()
	for _, w := range l.all() {
		if ctx.Err() != nil {
			return
		}
		if w.open == nil && w.due <= l.tick {
			l.send(ctx, w)
			// At once: a process that is killed soon must not leave it to the next one.
			_ = l.finishConfirmed()
		}
	}
}

// list takes note of what is in the folder.
func (l *leftovers) list() {
	ids, err := l.spool.Leftover()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listErr = err; err != nil {
		return
	}
	found := make(map[StreamID]bool, len(ids))
	for _, id := range ids {
		found[id] = true
		if l.streams[id] == nil {
			l.streams[id] = &left{id: id}
		}
	}
	for id, w := range l.streams {
		if w.open == nil && !found[id] {
			delete(l.streams, id) // somebody else has sent it
		}
	}
}

// all returns the streams, oldest first.
func (l *leftovers) all() []*left {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ordered()
}

func (l *leftovers) ordered() []*left {
	all := make([]*left, 0, len(l.streams))
	for _, w := range l.streams {
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b *left) int { return slices.Compare(a.id[:], b.id[:]) })
	return all
}

// send sends one stream to its end, if it can be.
func (l *leftovers) send(ctx context.Context, w *left) {
	if w.fails > 0 { // its files are not read in vain while the store is down
		if err := l.ask(ctx, w.id); err != nil {
			l.failed(ctx, w, err)
			return
		}
	}
	log, err := l.spool.Recover(w.id)
	if err != nil {
		w.due = l.tick + leftoverInterval
		alive := errors.Is(err, spool.ErrLocked)
		if alive {
			err = nil
		} else {
			err = fmt.Errorf("strata: the spool of stream %s cannot be opened: %w", w.id, err)
		}
		l.mu.Lock()
		w.alive = alive
		l.mu.Unlock()
		l.note(w, err)
		return
	}
	o := newLeftover(l, w, log)
	l.mu.Lock()
	w.open, w.alive = o, false
	l.mu.Unlock()
	if c := l.engine.confirmation; c != nil {
		c.add(&confirming{stream: w.id, progress: o.progress, confirmed: o.confirmed, suspect: o.doubt, aged: o.aged})
	}
	l.drain(ctx, w)
}

// ask reports why the store does not answer for a stream.
func (l *leftovers) ask(ctx context.Context, id StreamID) error {
	ctx, cancel := context.WithTimeout(ctx, l.engine.cfg.StoreTimeout)
	defer cancel()
	_, err := l.engine.store.Cursor(ctx, CursorParams{Stream: id})
	return err
}

// drain sends what is left of an open stream. After some attempts in a row that
// failed it lets the stream go, for a later look.
func (l *leftovers) drain(ctx context.Context, w *left) {
	for ctx.Err() == nil {
		sent, err := w.open.sender.sendNext(ctx)
		switch {
		case err == nil:
			w.fails, l.fails = 0, 0
			if !sent {
				l.drained(w)
				return
			}
			l.note(w, nil)
		case ctx.Err() != nil:
			return
		default:
			w.open.sender.failed(err)
			if l.failed(ctx, w, err) {
				_ = l.letGo(w)
				return
			}
		}
	}
}

// drained takes note of a stream of which nothing more can be sent.
func (l *leftovers) drained(w *left) {
	if !w.open.unreadable.Load() {
		l.note(w, nil)
		return
	}
	w.due = l.tick + leftoverInterval
	l.note(w, fmt.Errorf("%w in the spool of stream %s: it may be of a newer version of this program; the file stays as it is", errCorrupt, w.id))
	_ = l.letGo(w)
}

// failed takes note of an attempt that failed, waits, and reports whether it is
// another stream's turn. How long it waits goes by the failures of all streams: a
// store that is down is asked once a step of the back-off, however many there are.
func (l *leftovers) failed(ctx context.Context, w *left, err error) (enough bool) {
	w.fails++
	if errors.Is(err, ErrFenced) {
		w.due = l.tick + leftoverInterval
		l.note(w, fmt.Errorf("strata: the spool of stream %s stays where it is: %w", w.id, err))
		return true
	}
	l.fails++
	l.note(w, fmt.Errorf("strata: the spool of stream %s is not sent yet: %w", w.id, err))
	pause(ctx, l.clock, backoff(l.fails-1, err, l.engine.cfg.Random), nil, nil)
	w.due = l.tick + max(leftoverRetry, int64(backoff(w.fails, err, l.engine.cfg.Random)/confirmInterval))
	return w.fails >= leftoverAttempts
}

// note keeps what is wrong with a stream, until it is not, and logs it once.
func (l *leftovers) note(w *left, err error) {
	l.mu.Lock()
	again := err == nil || w.err != nil && w.err.Error() == err.Error()
	w.err = err
	l.mu.Unlock()
	if !again {
		l.onError(err)
	}
}

// letGo closes the log of a stream; its folder stays.
func (l *leftovers) letGo(w *left) error {
	o := w.open
	if c := l.engine.confirmation; c != nil {
		c.remove(w.id)
	}
	o.disk.close()
	w.high, w.tried = o.high, o.sender.sending
	l.mu.Lock()
	w.open, w.since = nil, o.oldest()
	l.mu.Unlock()
	return o.log.Close()
}

// realign asks the store where the streams stand that no standby confirms: a
// failover may have taken what it acknowledged.
func (l *leftovers) realign(ctx context.Context) {
	for _, w := range l.all() {
		if w.open != nil && w.open.suspected.Swap(false) {
			w.open.sender.suspect()
			l.drain(ctx, w)
		}
	}
}

// finishConfirmed deletes what is confirmed.
func (l *leftovers) finishConfirmed() (err error) {
	for _, w := range l.all() {
		o := w.open
		if o == nil || !o.done() || !o.lossesTold() {
			continue
		}
		if c := l.engine.confirmation; c != nil {
			c.remove(w.id)
		}
		o.disk.close()
		w.due = l.tick + leftoverInterval // where it cannot be deleted
		removeErr := o.log.Remove()
		l.mu.Lock()
		w.open = nil
		if removeErr == nil {
			delete(l.streams, w.id)
		}
		l.mu.Unlock()
		l.note(w, removeErr)
		err = errors.Join(err, removeErr)
	}
	return err
}

// close lets go of the logs; the folders stay for the next process.
func (l *leftovers) close() error {
	err := l.finishConfirmed()
	for _, w := range l.all() {
		if w.open != nil {
			err = errors.Join(err, l.letGo(w))
		}
	}
	return err
}

func (l *leftovers) status(s *EngineStatus) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.LeftoverWritten = l.sent.Load()
	s.Lost += l.lost.Load()
	s.TrimmedUnconfirmed += l.trimmed.Load()
	errs := []error{l.listErr}
	for _, w := range l.ordered() {
		if w.alive {
			continue
		}
		s.LeftoverStreams++
		since := w.since
		if w.open != nil {
			since = w.open.oldest()
		}
		s.OldestUnconfirmed = earlier(s.OldestUnconfirmed, since)
		if w.err != nil && len(errs) <= maxLeftoverErrs {
			errs = append(errs, w.err)
		}
	}
	s.LeftoverErr = errors.Join(errs...)
}

// full reports whether there is not room for two more segments, without what is
// about to be deleted.
func (l *leftovers) full() bool {
	c := l.engine.cfg.Spool.config(l.engine.cfg.BufferBytes, l.engine.cfg.Lanes)
	size := l.spool.Size()
	for _, w := range l.all() {
		l.mu.Lock()
		o := w.open
		l.mu.Unlock()
		if o != nil && o.done() {
			size -= o.log.Bytes()
		}
	}
	return size >= c.MaxBytes-2*c.SegmentBytes
}
