package strata

import (
	"encoding/json"
	"errors"
	"sync/atomic"
	"time"

	"github.com/strataxp/strata/internal/spool"
)

// leftover is a stream of a process that is gone, while its log is open.
type leftover struct {
	all        *leftovers
	log        *spool.Log
	disk       diskSource
	progress   *watermarks
	sender     *sender
	confirms   bool
	opened     time.Time    // since when its process ran
	found      time.Time    // since when this process knows it
	base       atomic.Int64 // where the store's cursor led first; -1: not known yet
	old        atomic.Int64 // since when the records up to there are held that are not confirmed, in Unix nanoseconds; 0: not known
	ages       ages         // of those behind
	unreadable atomic.Bool
	suspected  atomic.Bool // no standby confirms: ask for the cursor

	// Only the goroutine that sends uses these.
	high, tried, lost, loaded int64 // up to where it was sent and perhaps was, what is counted as lost, up to where ages are known
}

var _ source = (*leftover)(nil)

func newLeftover(l *leftovers, w *left, log *spool.Log) *leftover {
	e := l.engine
	o := &leftover{
		all: l, log: log, disk: diskSource{log: log}, progress: &watermarks{}, confirms: e.confirmer != nil,
		opened: streamTime(w.id), found: earlier(w.since, l.clock.Now()), high: w.high, tried: w.tried,
	}
	o.base.Store(-1)
	o.sender = e.newSender(w.id, o, o.progress)
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
	if last := load.first + int64(len(load.records)) - 1; len(load.records) > 0 && last > o.loaded {
		o.loaded = last
		o.ages.add(last, o.heldSince(&load.records[0]))
	}
	if end := o.log.End(); err == nil && len(load.records) == 0 && load.first == from && from <= end {
		load.first, load.reason = end+1, gapCorrupt // what is behind was durable, and cannot be read
	}
	return load, err
}

func (o *leftover) total() int64 { return o.log.End() }

// committed counts what the store got from here: what it has more than ever
// before, without what was declared lost.
func (o *leftover) committed(upTo int64) {
	o.sender.mu.Lock()
	lost := o.sender.lostRecords() - o.lost
	o.lost += lost
	o.sender.mu.Unlock()
	sent := upTo - o.high - lost
	if o.base.Load() < 0 { // of what it had already, only an attempt that seemed to fail may be ours
		sent = min(upTo, o.tried) - o.high
		o.base.Store(upTo)
	}
	o.high = max(o.high, upTo)
	o.all.lost.Add(lost)
	o.all.sent.Add(max(0, sent))
	if !o.confirms {
		o.confirmed(upTo)
	}
}

// confirmed notes what is safe, and gives its room on the disk back.
func (o *leftover) confirmed(upTo int64) {
	o.progress.advance(LevelConfirmed, upTo)
	o.ages.drop(upTo)
	_ = o.log.Trim(upTo) // what stays is deleted with the folder
}

// done reports whether all that there was is confirmed.
func (o *leftover) done() bool { return o.progress.mark(LevelConfirmed) >= o.log.End() }

// aged lets go of what the store has and no standby has confirmed for too long,
// and, while there is no room, of all of it, front to back.
func (o *leftover) aged(before time.Time) {
	committed := o.progress.mark(LevelCommitted)
	if o.progress.mark(LevelConfirmed) >= committed {
		return
	}
	o.date()
	limit := o.ages.lastBefore(before)
	if old := o.old.Load(); old != 0 && time.Unix(0, old).Before(before) {
		limit = max(limit, o.base.Load())
	}
	o.giveUp(min(limit, committed))
	for o.progress.mark(LevelConfirmed) < committed && o.all.full() {
		through, err := o.log.TrimOldest(committed)
		if err != nil || through == 0 {
			through = committed // it goes with its folder
		}
		o.giveUp(through)
	}
}

// giveUp counts records as confirmed that are not.
func (o *leftover) giveUp(upTo int64) {
	if n := upTo - o.progress.mark(LevelConfirmed); n > 0 {
		o.all.trimmed.Add(n)
		o.confirmed(upTo)
	}
}

// date looks, once, how old the first record is that the store had already and no
// standby has confirmed. Those behind are dated as they are read to be sent.
func (o *leftover) date() {
	confirmed := o.progress.mark(LevelConfirmed)
	if o.old.Load() != 0 || confirmed >= o.base.Load() {
		return
	}
	at := o.found
	disk := diskSource{log: o.log}
	defer disk.close()
	if load, err := gather(confirmed+1, 1, 1, disk.runAt); err == nil && len(load.records) > 0 {
		at = o.heldSince(&load.records[0])
	}
	o.old.Store(at.UnixNano())
}

// heldSince returns about when a record was taken in: its event's time, which the
// application may have set, but not before its process ran.
func (o *leftover) heldSince(r *Record) time.Time {
	if at := r.Event.At(); at.After(o.opened) {
		return at
	}
	return o.opened
}

// oldest returns since when the oldest record is held that is not confirmed; zero
// if there is none, and when the stream was found where that is not known.
func (o *leftover) oldest() time.Time {
	confirmed := o.progress.mark(LevelConfirmed)
	if confirmed >= o.log.End() {
		return time.Time{}
	}
	at := o.ages.oldest(confirmed)
	if confirmed < o.base.Load() {
		at = time.Time{}
		if old := o.old.Load(); old != 0 {
			at = time.Unix(0, old)
		}
	}
	if at.IsZero() {
		return o.found
	}
	return at
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
