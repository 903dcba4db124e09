package strata

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

	mu      sync.Mutex
	open    []*leftover // sent or being sent, not yet confirmed
	waiting int         // folders of processes that are gone, as counted last
	sent    int64
	lost    int64
	lastErr error
}

// leftoverInterval is how often the folder is looked at: another process that
// shares it may have died.
const leftoverInterval = time.Minute

func newLeftovers(e *Engine, s *spool.Spool) *leftovers {
	return &leftovers{engine: e, spool: s, clock: e.cfg.Clock, onError: e.cfg.logError("send what a process left in the spool")}
}

// run sends what is there, and looks again every minute, until ctx is done.
func (l *leftovers) run(ctx context.Context) {
	for {
		l.sendAll(ctx)
		// What waits for a standby is looked at more often.
		for range int(leftoverInterval / confirmInterval) {
			if !pause(ctx, l.clock, confirmInterval, nil, nil) {
				return
			}
			if err := l.finishConfirmed(); err != nil {
				l.failed(err)
			}
		}
	}
}

// sendAll sends the streams that nobody writes any more, oldest first.
func (l *leftovers) sendAll(ctx context.Context) {
	streams, err := l.spool.Leftover()
	l.count(len(streams))
	for i, id := range streams {
		if ctx.Err() != nil {
			return
		}
		err = errors.Join(err, l.send(ctx, id))
		l.count(len(streams) - i - 1)
		// At once: a process that is killed soon must not leave it to the next one.
		err = errors.Join(err, l.finishConfirmed())
	}
	l.failed(err)
}

// send sends one stream to its end.
func (l *leftovers) send(ctx context.Context, id StreamID) error {
	log, err := l.spool.Recover(id)
	if errors.Is(err, spool.ErrLocked) {
		return nil // its process lives
	}
	if err != nil {
		return fmt.Errorf("strata: the spool of stream %s cannot be opened: %w", id, err)
	}
	o := newLeftover(l.engine, id, log)
	l.mu.Lock()
	l.open = append(l.open, o)
	l.mu.Unlock()
	if c := l.engine.confirmation; c != nil {
		c.add(&confirming{stream: id, progress: o.progress, confirmed: o.confirmed, suspect: o.doubt})
	}
	o.sender.drain(ctx)
	o.sender.mu.Lock()
	defer o.sender.mu.Unlock()
	switch {
	case o.unreadable.Load():
		return fmt.Errorf("%w in the spool of stream %s: it may be of a newer version of this program; the file stays as it is", errCorrupt, id)
	case o.sender.fenced:
		return fmt.Errorf("strata: the spool of stream %s stays where it is: %w", id, ErrFenced)
	}
	return nil
}

// finishConfirmed deletes what is confirmed, and lets go of what cannot be, for
// another look.
func (l *leftovers) finishConfirmed() (err error) {
	l.mu.Lock()
	open := l.open
	l.open = nil
	l.mu.Unlock()
	for _, o := range open {
		keep, finishErr := l.finish(o)
		err = errors.Join(err, finishErr)
		if keep {
			l.mu.Lock()
			l.open = append(l.open, o)
			l.mu.Unlock()
		}
	}
	return err
}

// finish closes a log that is done with: for good where all of it is confirmed.
func (l *leftovers) finish(o *leftover) (keep bool, err error) {
	done := o.progress.mark(LevelConfirmed) >= o.log.End() && o.lossesTold()
	stuck := o.unreadable.Load() || o.sender.isFenced()
	if !done && !stuck && !o.suspected.Load() {
		return true, nil
	}
	if c := l.engine.confirmation; c != nil {
		c.remove(o.sender.stream)
	}
	o.disk.close()
	o.sender.mu.Lock()
	l.mu.Lock()
	l.sent += o.sender.next - o.first - o.sender.lostRecords()
	l.lost += o.sender.lostRecords()
	l.mu.Unlock()
	o.sender.mu.Unlock()
	if !done { // the next look begins anew, at the store's cursor
		return false, o.log.Close()
	}
	return false, o.log.Remove()
}

// close lets go of the logs; the folders stay for the next process.
func (l *leftovers) close() error {
	err := l.finishConfirmed()
	l.mu.Lock() // the status is asked for at any time
	open := l.open
	l.open = nil
	l.mu.Unlock()
	for _, o := range open {
		o.disk.close()
		err = errors.Join(err, o.log.Close())
	}
	return err
}

func (l *leftovers) count(n int) {
	l.mu.Lock()
	l.waiting = n
	l.mu.Unlock()
}

func (l *leftovers) failed(err error) {
	l.mu.Lock()
	l.lastErr = err
	l.mu.Unlock()
	if err != nil {
		l.onError(err)
	}
}

func (l *leftovers) status(s *EngineStatus) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.LeftoverStreams = l.waiting + len(l.open)
	s.LeftoverWritten, s.Lost = l.sent, s.Lost+l.lost
	for _, o := range l.open {
		at := streamTime(o.sender.stream)
		s.OldestUnconfirmed = earlier(s.OldestUnconfirmed, at)
	}
	if l.lastErr != nil {
		s.LeftoverErr = l.lastErr
	}
}

// leftover is the stream of a process that is gone.
type leftover struct {
	log        *spool.Log
	disk       diskSource
	progress   *watermarks
	sender     *sender
	confirms   bool
	first      int64 // where the store's cursor led
	unreadable atomic.Bool
	suspected  atomic.Bool // no standby confirms: begin again at the cursor
}

var _ source = (*leftover)(nil)

func newLeftover(e *Engine, id StreamID, log *spool.Log) *leftover {
	o := &leftover{log: log, disk: diskSource{log: log}, progress: &watermarks{}, confirms: e.confirmer != nil}
	o.sender = e.newSender(id, o, o.progress)
	o.sender.unsure = true // the store knows how far it came
	o.sender.losses = notedLosses(log.LatestNote())
	return o
}

// notedLosses are losses as the process noted them that is gone, as JSON.
type notedLosses []byte

func (n notedLosses) since(generation int64) (*Losses, int64) {
	all := new(Losses)
	if generation > 0 || len(n) == 0 || json.Unmarshal(n, all) != nil {
		return nil, generation
	}
	return all, 1
}

// lossesTold reports whether the store has what the process noted of its losses.
func (o *leftover) lossesTold() bool {
	untold, _ := o.sender.losses.since(o.progress.lossesTold())
	return untold == nil
}

func (o *leftover) load(from int64, limit, maxBytes int) (cargo, error) {
	if o.unreadable.Load() {
		return cargo{first: from}, nil
	}
	load, err := gather(from, limit, maxBytes, o.disk.runAt)
	if _, ok := errors.AsType[*unreadableRun](err); ok {
		o.unreadable.Store(true) // what is before it can be sent
		return load, nil
	}
	if end := o.log.End(); err == nil && len(load.records) == 0 && load.first == from && from <= end {
		load.first, load.reason = end+1, gapCorrupt // what is behind was durable, and cannot be read
	}
	return load, err
}

func (o *leftover) total() int64 { return o.log.End() }

func (o *leftover) committed(upTo int64) {
	if o.first == 0 {
		o.first = upTo + 1
	}
	if !o.confirms {
		o.confirmed(upTo)
	}
}

// confirmed notes what is safe, and gives its room on the disk back.
func (o *leftover) confirmed(upTo int64) {
	o.progress.advance(LevelConfirmed, upTo)
	_ = o.log.Trim(upTo) // what stays is deleted with the folder
}

func (o *leftover) doubt() { o.suspected.Store(true) }

// streamTime returns when a stream was opened, by its id (RFC 9562, section 5.7).
func streamTime(id StreamID) time.Time {
	var ms int64
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms)
}
