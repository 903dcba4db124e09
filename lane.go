package strata

import (
	"context"
	"errors"
	"time"

	"github.com/strataxp/strata/internal/spool"
)

// lane is one of the streams that a process writes: a bounded buffer, a spool
// where one is configured, and a sender. Events of a unit go through one lane.
type lane struct {
	stream   StreamID
	rec      *recorder
	losses   *losses
	progress *watermarks
	sender   *sender
	spooler  *spooler // nil without a spool
	confirms bool     // what is committed is kept until it is confirmed
	wake     chan struct{}
	interval time.Duration // how long a record waits for others before it is sent; negative means until asked
	observe  *engineMetrics
}

var _ source = (*lane)(nil)

// newLane makes a lane of an engine. log is nil without a spool.
func newLane(e *Engine, stream StreamID, log *spool.Log) *lane {
	l := &lane{
		stream: stream, losses: &losses{}, progress: &watermarks{},
		confirms: e.confirmer != nil, wake: make(chan struct{}, 1), interval: e.cfg.FlushInterval, observe: &e.metrics,
	}
	l.rec = &recorder{budget: e.budget, losses: l.losses}
	if l.confirms {
		l.rec.progress = l.progress
	}
	l.sender = e.newSender(stream, l, l.progress)
	l.sender.losses, l.sender.sole = l.losses, true
	if log != nil {
		l.spooler = newSpooler(e, l, log)
	}
	return l
}

// taken tells that a record was taken in. full says that a chunk is.
func (l *lane) taken(full bool) {
	if l.spooler != nil {
		l.spooler.taken(full)
	}
	if full {
		signal(l.wake)
	}
}

// hurry brings records to a level as soon as can be. It does not cut the wait short
// that follows a failure.
func (l *lane) hurry(level Level) {
	if l.spooler != nil {
		l.spooler.hurry(level)
	}
	if level >= LevelCommitted || l.spooler == nil {
		signal(l.wake)
	}
}

// suspect has the store's cursor asked for, even if there is nothing to send.
func (l *lane) suspect() {
	l.sender.suspect()
	signal(l.wake)
}

// run sends until ctx is done.
func (l *lane) run(ctx context.Context) {
	for l.sender.wait(ctx, l.interval, l.wake) {
		l.sender.drain(ctx)
	}
}

// load takes records from memory or, where they have left it, from the spool. What
// cannot be read although its checksum is right is left out: our own bytes, of
// this process; it cannot happen, and must not stop the rest.
func (l *lane) load(from int64, limit, maxBytes int) (cargo, error) {
	load, err := gather(from, limit, maxBytes, l.runAt)
	if bad, ok := errors.AsType[*unreadableRun](err); ok {
		l.sender.onError(err)
		if len(load.records) > 0 {
			return load, nil
		}
		return cargo{first: bad.last() + 1, reason: gapCorrupt}, nil
	}
	return load, err
}

// runAt returns the run that holds a record, or the first one behind it. Where all
// from there on are lost, it is an empty one behind the last.
func (l *lane) runAt(from int64) (run, error) {
	for {
		spooled := l.spooled()
		var onDisk run
		if from <= spooled {
			var err error
			if onDisk, err = l.spooler.disk.runAt(from); err != nil || onDisk.count > 0 && onDisk.first <= from {
				return onDisk, err
			}
		}
		c, last := l.rec.pin(from)
		if (c == nil || c.first > from) && from > spooled && from <= l.spooled() {
			if c != nil {
				l.rec.unpin(c)
			}
			continue // it went from memory to disk between the two looks
		}
		return l.nearer(onDisk, c, last), nil
	}
}

// nearer returns the run that comes first.
func (l *lane) nearer(onDisk run, c *chunk, last int64) run {
	switch {
	case c == nil && onDisk.count == 0:
		return run{first: last + 1, reason: gapFailover}
	case c == nil:
		return onDisk
	case onDisk.count > 0 && onDisk.first <= c.first:
		l.rec.unpin(c)
		return onDisk
	default:
		return run{first: c.first, count: c.count, bytes: c.bytes, reason: gapFailover, release: func() { l.rec.unpin(c) }}
	}
}

// spooled returns up to where records have gone to the spool.
func (l *lane) spooled() int64 {
	if l.spooler == nil {
		return 0
	}
	return l.spooler.last.Load()
}

func (l *lane) total() int64 { return l.rec.total() }

// committed tells that the store has the records up to an index: without a
// standby there is nothing more to wait for.
func (l *lane) committed(upTo int64) {
	if !l.confirms {
		l.confirmed(upTo)
	}
}

// confirmed lets go of the records up to an index.
func (l *lane) confirmed(upTo int64) {
	l.progress.advance(LevelConfirmed, upTo)
	l.rec.release(upTo)
	if l.spooler != nil {
		l.spooler.trim(upTo)
	}
}

// status is the lane's part of an [EngineStatus].
func (l *lane) status(s *EngineStatus) {
	total := l.rec.total()
	snd := l.sender
	snd.mu.Lock()
	committed := l.progress.mark(LevelCommitted)
	s.Written += committed - snd.lostRecords()
	s.Unwritten += total - committed
	s.Lost += snd.lostRecords()
	s.Resent += snd.resent
	if snd.fenced {
		s.Fenced++
	}
	if !snd.failing.IsZero() && (s.FailingSince.IsZero() || snd.failing.Before(s.FailingSince)) {
		s.FailingSince, s.WriteErr = snd.failing, snd.lastErr
	}
	snd.mu.Unlock()
	confirmed := l.progress.mark(LevelConfirmed)
	s.Unconfirmed += total - confirmed
	s.OldestUnconfirmed = earlier(s.OldestUnconfirmed, l.oldest(confirmed))
	l.losses.addTo(s.Refused)
	s.TrimmedUnconfirmed += l.rec.evicted()
	if l.spooler != nil {
		l.spooler.status(s)
	}
}

// oldest returns since when the oldest record behind an index is held.
func (l *lane) oldest(behind int64) time.Time {
	if l.spooler != nil {
		if at := l.spooler.ages.oldest(behind); !at.IsZero() {
			return at
		}
	}
	return l.rec.oldest(behind)
}

// earlier returns the earlier of two instants, of which zero means none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// left returns how many of the records that the store has not got are in memory
// alone, and how many are safe in the spool.
func (l *lane) left(total int64) (memory, onDisk int64) {
	committed := l.progress.mark(LevelCommitted)
	written := l.spooled()
	return max(0, total-max(committed, written)), max(0, min(written, total)-committed)
}
