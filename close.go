package strata

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Left is what [Engine.Flush] and [Engine.Close] could not write to the store, in
// events of this process.
type Left struct {
	Memory int64  // in memory alone: behind Close they are lost
	Spool  int64  // in the spool, on disk: the next process that opens it sends them
	Dir    string // where the spool is; empty where nothing is in it
}

// Total returns how many events the store has not got.
func (l Left) Total() int64 { return l.Memory + l.Spool }

// String says it in words.
func (l Left) String() string {
	switch {
	case l.Total() == 0:
		return "nothing left"
	case l.Spool == 0:
		return fmt.Sprintf("%d events left in memory", l.Memory)
	default:
		return fmt.Sprintf("%d events left in memory, %d in the spool %s", l.Memory, l.Spool, l.Dir)
	}
}

// Flush writes everything recorded before the call to the store. It returns what
// is not written when ctx is done, with an error that says why. That stays in the
// buffer and the spool, and is still being sent.
func (e *Engine) Flush(ctx context.Context) (Left, error) { return e.flush(ctx, false) }

// flush is Flush. Where spooled is set it is content, once the store fails, with
// what is on disk.
func (e *Engine) flush(ctx context.Context, spooled bool) (Left, error) {
	targets := make([]int64, len(e.lanes))
	errs := make([]error, len(e.lanes))
	var all sync.WaitGroup
	for i, l := range e.lanes {
		targets[i] = l.rec.total()
		all.Go(func() { errs[i] = l.flush(ctx, e.stopped, targets[i], spooled) })
	}
	all.Wait()
	why := errors.Join(errs...)
	left := e.unwritten(targets)
	switch {
	case left.Total() == 0 && why == nil:
		return left, nil
	case left.Total() == 0:
		return left, fmt.Errorf("strata: all events were written, but the store cannot be asked whether it has them, or told what was refused: %w", why)
	case why == nil:
		why = errOnDisk
	}
	return left, fmt.Errorf("strata: %d events are not written: %w", left.Total(), why)
}

// errOnDisk is why a flush ended while the store was about to answer again.
var errOnDisk = errors.New("the store failed; they are on disk")

// flush waits until the lane's records up to an index are stored, and its losses,
// by the store's own word: a failover may have taken what it acknowledged.
func (l *lane) flush(ctx context.Context, done <-chan struct{}, target int64, spooled bool) error {
	_, losses := l.losses.since(0)
	if target == 0 && losses == 0 {
		return nil
	}
	check, failures := l.sender.suspect(), l.sender.failures()
	signal(l.sender.urgent)
	for {
		level := LevelCommitted
		if spooled && l.spooler != nil && l.sender.failures() > failures {
			level = LevelSynced // the store fails still; the disk will do
		}
		l.hurry(level)
		round, cancel := context.WithTimeout(ctx, flushRound)
		err := l.progress.wait(round, done, func() bool {
			return l.progress.levelOf(target) >= level && (level < LevelCommitted || l.progress.losses >= losses && l.progress.checked >= check)
		})
		cancel()
		if err == nil && level >= LevelCommitted {
			return nil // whatever failed before
		}
		if err == nil || ctx.Err() != nil || errors.Is(err, ErrClosed) {
			return errors.Join(err, l.sender.reason())
		}
		if l.sender.isFenced() && level >= LevelCommitted {
			return l.sender.reason() // it writes no more
		}
	}
}

// flushRound is how often a flush looks whether the store has begun to fail.
const flushRound = 200 * time.Millisecond

// unwritten adds up what of the records up to the lanes' indexes the store has
// not got.
func (e *Engine) unwritten(targets []int64) (left Left) {
	for i, l := range e.lanes {
		memory, onDisk := l.left(targets[i])
		left.Memory, left.Spool = left.Memory+memory, left.Spool+onDisk
	}
	if left.Spool > 0 {
		left.Dir = e.cfg.Spool.Dir
	}
	return left
}

// Close takes no more events, writes what is buffered and stops all goroutines.
// It returns what was not written to the store when ctx was done, and where it is:
// what is in memory alone is lost. With a spool, and everything on disk, it does
// not wait for a store that fails once more. Give it a context of its own, such as
// one with a deadline made from [context.WithoutCancel]: one that is done already
// leaves no time to write. A store that does not return from a call although its
// context is done costs two seconds more, and an error that says so. Assignments
// go on working with the last snapshot, and record nothing. A second Close waits
// for the first and returns the same.
func (e *Engine) Close(ctx context.Context) (Left, error) {
	if e.closing.Swap(true) {
		<-e.stopped
		return e.left, e.closeErr
	}
	for _, l := range e.lanes {
		l.rec.close()
	}
	_, e.closeErr = e.flush(ctx, true)
	e.stop()
	if e.join() {
		e.closeErr = errors.Join(e.closeErr, e.finishSpool())
	} else {
		e.closeErr = errors.Join(e.closeErr, errStuck)
	}
	targets := make([]int64, len(e.lanes))
	for i, l := range e.lanes {
		targets[i] = l.rec.total()
	}
	e.left = e.unwritten(targets)
	close(e.stopped)
	return e.left, e.closeErr
}

// finishSpool closes the logs: nobody uses them any more.
func (e *Engine) finishSpool() (err error) {
	if e.spool == nil {
		return nil
	}
	for _, l := range e.lanes {
		err = errors.Join(err, l.spooler.finish())
	}
	return errors.Join(err, e.leftovers.close())
}

// joinTimeout is how long Close waits for a store whose context is done.
const joinTimeout = 2 * time.Second

// join waits for the goroutines, whose calls of the store have been cancelled.
// It gives up on a store that does not heed that.
func (e *Engine) join() bool {
	joined := make(chan struct{})
	go func() {
		e.done.Wait()
		close(joined)
	}()
	timer, stop := e.cfg.Clock.Timer(joinTimeout)
	defer stop()
	select {
	case <-joined:
		return true
	case <-timer:
		return false
	}
}
