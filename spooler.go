package strata

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/strataxp/strata/internal/spool"
)

// spooler puts a lane's records on disk: one goroutine writes, another one syncs, a
// third one trims, so that a disk that hangs holds up nobody who sends. Where the
// disk is full or fails the records stay in memory, as without a spool, and the
// writer tries again.
type spooler struct {
	lane    *lane
	log     *spool.Log
	disk    diskSource
	clock   Clock
	every   time.Duration // how long a written one waits to be synced; negative means until asked
	onError func(error)

	wake   chan struct{} // there is something to write
	urgent chan struct{} // somebody waits for it, or it is much
	sync   chan struct{} // somebody waits until it is synced

	wanted atomic.Bool // somebody waits for what is not written yet to be synced

	last atomic.Int64 // up to where records are on disk, or were stored without having been
	ages ages

	// Only the goroutine that writes uses these.
	noted   int64 // generation of the losses that the spool knows
	notedAt time.Time

	trimming chan struct{} // there is something to trim
	trimTo   atomic.Int64  // up to where records are confirmed
	agedTo   atomic.Int64  // since when, in nanoseconds, records that are only committed are kept too long

	mu      sync.Mutex
	errs    [numDiskWork]error     // why the last attempt failed; nil where it did not
	began   [numDiskWork]time.Time // since when one is under way; zero for none
	trimmed int64                  // records trimmed before they were confirmed
}

// diskWork is what a disk may fail at.
type diskWork int

const (
	writing diskWork = iota
	syncing
	trimming
	numDiskWork
)

// hungAfter is how long a disk may take before it counts as failing.
const hungAfter = 5 * time.Second

// spoolRetry is how long a disk that fails is left alone.
const spoolRetry = 500 * time.Millisecond

func newSpooler(e *Engine, l *lane, log *spool.Log) *spooler {
	return &spooler{
		lane: l, log: log, disk: diskSource{log: log}, clock: e.cfg.Clock,
		every: e.cfg.Spool.SyncInterval, onError: e.cfg.logError("write events to the spool"),
		wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1), sync: make(chan struct{}, 1), trimming: make(chan struct{}, 1),
	}
}

// spoolDelay is how long a record waits for others before all are written.
const spoolDelay = 5 * time.Millisecond

func (s *spooler) taken(full bool) {
	signal(s.wake)
	if full {
		signal(s.urgent)
	}
}

// run writes until ctx is done.
func (s *spooler) run(ctx context.Context) {
	for pause(ctx, s.clock, -1, s.wake, nil) {
		if !pause(ctx, s.clock, spoolDelay, nil, s.urgent) {
			return
		}
		for !s.writeAll() {
			if !pause(ctx, s.clock, spoolRetry, nil, nil) {
				return
			}
		}
	}
}

// writeAll writes all that was taken in, and reports whether it could.
func (s *spooler) writeAll() bool {
	for {
		c, _ := s.lane.rec.pin(s.last.Load() + 1)
		if c == nil {
			s.noteLosses(time.Second)
			if s.wanted.Swap(false) {
				signal(s.sync)
			}
			return true
		}
		err := s.write(c)
		s.lane.rec.unpin(c)
		if err != nil {
			s.ended(writing, err)
			return false
		}
	}
}

// write puts a chunk on disk. What is confirmed by now, while the disk was full,
// need not go there. (What is merely committed must: that it was written is
// promised of all records up to the last that was.)
func (s *spooler) write(c *chunk) error {
	last := c.lastIndex()
	if s.lane.progress.mark(LevelConfirmed) >= last {
		s.last.Store(last)
		return nil
	}
	start := s.clock.Now()
	s.begin(writing, start)
	err := s.log.Append(c.first, int(c.count), c.bytes)
	for errors.Is(err, spool.ErrFull) && s.trimOldest(s.lane.progress.mark(LevelCommitted)) {
		err = s.log.Append(c.first, int(c.count), c.bytes)
	}
	if err != nil {
		return err
	}
	s.lane.observe.spoolWrite.record(s.clock.Now().Sub(start))
	s.ages.add(last, c.since)
	s.last.Store(last)
	s.lane.progress.advance(LevelWritten, last)
	s.lane.rec.release(last)
	s.ended(writing, nil)
	return nil
}

// noteLosses writes down what the lane has lost, as it does not come back from
// memory: not more often than every so often.
func (s *spooler) noteLosses(every time.Duration) {
	now := s.clock.Now()
	all, generation := s.lane.losses.since(s.noted)
	if all == nil || now.Sub(s.notedAt) < every {
		return
	}
	s.notedAt = now
	note, err := json.Marshal(all)
	if err == nil {
		err = s.log.Note(note)
	}
	if err != nil {
		s.ended(writing, err)
		return
	}
	s.noted = generation
}

// trimOldest trims the oldest segment of what the store has and no standby has
// confirmed, as far as that goes up to an index: a limit wins. It reports whether
// there was one.
func (s *spooler) trimOldest(upTo int64) bool {
	first := s.log.First()
	through, err := s.log.TrimOldest(upTo)
	if err != nil || through == 0 {
		return false
	}
	s.mu.Lock()
	s.trimmed += max(0, through-max(first-1, s.lane.progress.mark(LevelConfirmed)))
	s.mu.Unlock()
	return true
}

// age has trimmed what was committed and not confirmed for too long.
func (s *spooler) age(before time.Time) {
	s.agedTo.Store(before.UnixNano())
	signal(s.trimming)
}

// trimAged trims what was committed and not confirmed for too long.
func (s *spooler) trimAged(before time.Time) {
	limit := min(s.ages.lastBefore(before), s.lane.progress.mark(LevelCommitted))
	for first := s.log.First(); first > 0 && first <= limit && s.trimOldest(limit); first = s.log.First() {
		continue
	}
}

// runSync syncs until ctx is done.
func (s *spooler) runSync(ctx context.Context) {
	for pause(ctx, s.clock, s.every, s.sync, nil) {
		if s.syncNow() != nil && !pause(ctx, s.clock, spoolRetry, nil, nil) {
			return
		}
	}
}

// runTrim trims until ctx is done.
func (s *spooler) runTrim(ctx context.Context) {
	for pause(ctx, s.clock, -1, s.trimming, nil) {
		s.begin(trimming, s.clock.Now())
		s.ended(trimming, s.log.Trim(s.trimTo.Load()))
		if aged := s.agedTo.Load(); aged != 0 {
			s.trimAged(time.Unix(0, aged))
		}
	}
}

// syncNow syncs what was written, in one go for all who wait.
func (s *spooler) syncNow() error {
	if s.log.Last() <= s.log.Synced() {
		return nil
	}
	start := s.clock.Now()
	s.begin(syncing, start)
	durable, err := s.log.Sync()
	s.lane.observe.spoolSync.record(s.clock.Now().Sub(start))
	s.ended(syncing, err)
	s.lane.progress.advance(LevelSynced, durable)
	return err
}

// hurry brings records to a level as soon as can be.
func (s *spooler) hurry(level Level) {
	if level >= LevelSynced {
		s.wanted.Store(true)
	}
	signal(s.urgent)
	signal(s.wake)
}

// trim has let go of what is confirmed. A failure leaves files that the next
// process finds and deletes.
func (s *spooler) trim(upTo int64) {
	s.ages.drop(upTo)
	s.trimTo.Store(upTo)
	signal(s.trimming)
}

// begin notes that work on the disk begins.
func (s *spooler) begin(work diskWork, now time.Time) {
	s.mu.Lock()
	s.began[work] = now
	s.mu.Unlock()
}

// ended notes how work on the disk has ended. An error that repeats itself is
// told once.
func (s *spooler) ended(work diskWork, err error) {
	s.mu.Lock()
	before := s.errs[work]
	s.errs[work], s.began[work] = err, time.Time{}
	s.mu.Unlock()
	if err == nil {
		return
	}
	s.lane.observe.spoolFailures.Add(1)
	if before == nil || before.Error() != err.Error() {
		s.onError(err)
	}
}

func (s *spooler) status(st *EngineStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.TrimmedUnconfirmed += s.trimmed
	st.SpoolErr = errors.Join(append([]error{st.SpoolErr}, s.errs[:]...)...)
	for _, began := range s.began {
		if d := s.clock.Now().Sub(began); !began.IsZero() && d > hungAfter {
			st.SpoolErr = errors.Join(st.SpoolErr, fmt.Errorf("strata: the spool's disk has not answered for %s", d.Round(time.Second)))
		}
	}
}

// finish writes and syncs what is left when nothing is taken in any more, and
// closes the log. Where nothing is left to tell it goes altogether.
func (s *spooler) finish() error {
	s.disk.close()
	untold, _ := s.lane.losses.since(s.lane.progress.lossesTold())
	if s.lane.progress.mark(LevelConfirmed) >= s.lane.rec.total() && untold == nil {
		return s.log.Remove()
	}
	s.writeAll()
	s.noteLosses(0)
	return s.log.Close()
}

// diskSource reads a log front to back, and from further front when it has to.
// It is used by one goroutine.
type diskSource struct {
	log    *spool.Log
	reader *spool.Reader
	frame  spool.Frame
	next   int64 // index behind the frame read last
	first  int64 // from where on it reads without going back
}

// runAt returns the frame that holds a record, or the first one behind it.
func (d *diskSource) runAt(from int64) (run, error) {
	if d.reader == nil || from < d.first {
		d.close()
		d.reader, d.first = d.log.Reader(from), from
	}
	for d.next <= from {
		frame, err := d.reader.Next()
		if errors.Is(err, io.EOF) {
			return run{}, nil
		}
		if err != nil {
			d.close()
			return run{}, err
		}
		d.frame, d.next = frame, frame.First+int64(frame.Count)
		d.first = frame.First
	}
	f := &d.frame
	return run{first: f.First, count: int64(f.Count), bytes: f.Payload, reason: lossReason(f.Lost)}, nil
}

func (d *diskSource) close() {
	if d.reader != nil {
		_ = d.reader.Close() // it only reads
	}
	*d = diskSource{log: d.log}
}

func lossReason(l spool.Loss) string {
	switch l {
	case spool.Torn:
		return gapTorn
	case spool.Corrupt:
		return gapCorrupt
	default:
		return gapMissing
	}
}

// ages remembers since when records are held, coarsely, in bounded memory.
type ages struct {
	mu      sync.Mutex
	entries []age // both rise
}

type age struct {
	last  int64
	since time.Time
}

const maxAges = 1024

func (a *ages) add(last int64, since time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.entries) == maxAges { // every second one goes: the one before covers it, and is older
		for i := range maxAges / 2 {
			a.entries[i] = age{a.entries[2*i+1].last, a.entries[2*i].since}
		}
		a.entries = a.entries[:maxAges/2]
	}
	a.entries = append(a.entries, age{last, since})
}

func (a *ages) drop(upTo int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for n < len(a.entries) && a.entries[n].last <= upTo {
		n++
	}
	a.entries = append(a.entries[:0], a.entries[n:]...)
}

// oldest returns since when the first record behind an index is held.
func (a *ages) oldest(behind int64) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range a.entries {
		if e.last > behind {
			return e.since
		}
	}
	return time.Time{}
}

// lastBefore returns the last index of those that are held since before an
// instant; 0 for none.
func (a *ages) lastBefore(t time.Time) (last int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range a.entries {
		if !e.since.Before(t) {
			break
		}
		last = e.last
	}
	return last
}
