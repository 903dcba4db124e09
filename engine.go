package strata

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Engine assigns units, records events and keeps its snapshot fresh. Make one
// for each process with [Open]; all methods are safe for concurrent use.
type Engine struct {
	// What every request reads comes first and is never written after Open,
	// the snapshot's pointer aside.
	snap   atomic.Pointer[Snapshot]
	filter *exposureFilter
	rec    *recorder

	// watched names the experiments whose exposures a coming switch of plan has
	// to know of; nil most of the time.
	watched atomic.Pointer[map[string][]keptKey]

	store     Store
	cfg       Config
	flusher   *flusher
	refresher *refresher

	lastTime atomic.Int64 // of an event, in microseconds

	closing  sync.Once
	stop     context.CancelFunc
	done     sync.WaitGroup
	left     int // what Close returned
	closeErr error
}

// Open loads the plan in effect from the store and starts three goroutines:
// one writes events, one asks for newer plans, one follows schedules; and one
// more that waits for notices, where the store is a [PlanWatcher]. It fails when the config is not
// valid, when the store does not answer and there is no [Config.PlanFile] to start
// from, and when the plan cannot be used;
// nothing is running then. An empty store is fine: everything has its default
// until something is published. ctx bounds Open only.
func Open(ctx context.Context, store Store, cfg Config) (*Engine, error) {
	cfg = cfg.withDefaults()
	err := cfg.validate()
	if store == nil {
		err = errors.Join(err, fmt.Errorf("%w: the store is nil; try memstore.New()", ErrConfig))
	}
	if err != nil {
		return nil, err
	}
	stream, err := newStreamID(cfg.Clock.Now())
	if err != nil {
		return nil, err
	}
	e := &Engine{
		store: store, cfg: cfg,
		filter: newExposureFilter(cfg.ExposureFilter),
		rec:    &recorder{limit: cfg.BufferBytes},
	}
	e.flusher = newFlusher(store, e.rec, &e.cfg, stream)
	e.refresher = newRefresher(e)
	err = e.refresher.refresh(ctx)
	if err != nil {
		err = e.refresher.resume(ctx, err)
	}
	if err != nil {
		return nil, fmt.Errorf("strata: cannot load the plan: %w", err)
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	e.stop = stop
	e.done.Go(func() { e.flusher.run(background) })
	e.done.Go(func() { e.refresher.poll(background) })
	e.done.Go(func() { e.refresher.watch(background) })
	if watcher, ok := store.(PlanWatcher); ok && !cfg.NoWatch {
		e.done.Go(func() { e.refresher.follow(background, watcher) })
	}
	return e, nil
}

// newStreamID makes a UUID of version 7 (RFC 9562, section 5.7).
func newStreamID(now time.Time) (StreamID, error) {
	var id StreamID
	if _, err := rand.Read(id[6:]); err != nil {
		return id, fmt.Errorf("strata: no randomness for a stream id: %w", err)
	}
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	copy(id[:6], ms[2:])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id, nil
}

// Assign returns what the current snapshot gives the unit. It is pure: no I/O,
// no lock, no allocation, no clock; nothing is recorded until something is read
// through the assignment. It hashes each id that some layer diverts by, once.
//
// The answer depends on the plan and the unit's ids and attributes only, so it
// is the same in every process that has the same version. It goes on working
// while the store is down.
func (e *Engine) Assign(u Unit) (a Assignment) {
	a.engine = e
	a.identify(e.snap.Load(), &u)
	return a
}

// Snapshot returns the current snapshot.
func (e *Engine) Snapshot() *Snapshot { return e.snap.Load() }

// Track records an event of the unit. It never waits and does no I/O: the event
// is copied into a buffer and written by a background goroutine. It fails with
// an error matching [ErrInvalidEvent] for input that no report could use (and
// says which field), with [ErrBufferFull] when the buffer is full, and with
// [ErrClosed] after Close. What it refuses before that is counted in
// [Engine.Status].
//
// An event that was taken in is lost if the process dies before it is written:
// up to [Config.FlushInterval] while the store answers, up to
// [Config.BufferBytes] while it does not.
func (e *Engine) Track(u Unit, event Event) error { return e.track(&u, event, 0) }

// Track is [Engine.Track] for the assignment's unit. Events tracked through a
// forced assignment are marked and count in no metric. The zero assignment and
// one made by [Snapshot.Assign] refuse with [ErrClosed].
func (a *Assignment) Track(event Event) error {
	if a.engine == nil {
		return fmt.Errorf("%w: the assignment was not made by an engine", ErrClosed)
	}
	flags := byte(0)
	if a.forced != nil {
		flags = flagForced
	}
	return a.engine.track(&a.unit, event, flags)
}

func (e *Engine) track(u *Unit, event Event, flags byte) error {
	now := e.now()
	code, at, err := checkEvent(event, now)
	if err == nil {
		err = checkUnit(u)
	}
	if err != nil {
		e.rec.refuse(code)
		return err
	}
	if at.IsZero() {
		at = now
	}
	return e.record(u, event, code, at, flags)
}

// now returns the time for events that carry none. It does not run backwards
// when the clock is set back by up to a minute: what a unit does after its
// exposure must not seem to come before.
func (e *Engine) now() time.Time {
	now := e.cfg.Clock.Now()
	micros := now.UnixMicro()
	for {
		last := e.lastTime.Load()
		if micros <= last && last-micros < time.Minute.Microseconds() {
			return time.UnixMicro(last)
		}
		if e.lastTime.CompareAndSwap(last, micros) {
			return now
		}
	}
}

// record hands a checked event to the recorder, and wakes the flusher when a
// chunk is full.
func (e *Engine) record(u *Unit, event Event, code int, at time.Time, flags byte) error {
	sealed, err := e.rec.append(u, event, code, at, flags)
	if sealed {
		e.flusher.kick()
	}
	return err
}

// checkEvent checks an event that an application tracks. The code is that of
// its kind, 0 for something that is no event. Like appendRecord it calls no
// method through the interface, so that the event can stay on the stack.
func checkEvent(event Event, now time.Time) (code int, at time.Time, err error) {
	switch event := event.(type) {
	case PageView:
		code, at, err = codePageView, event.Time, event.check()
	case Click:
		code, at, err = codeClick, event.Time, event.check()
	case Purchase:
		code, at, err = codePurchase, event.Time, event.check()
	case Conversion:
		code, at, err = codeConversion, event.Time, event.check()
	case Custom:
		code, at, err = codeCustom, event.Time, event.check()
	case Exposure:
		return codeExposure, at, refuse("Event", "Exposure", "exposures are recorded by reading, or by RecordExposure")
	case nil:
		return 0, at, refuse("Event", "nil", "pass an event")
	default:
		return 0, at, refuse("Event", fmt.Sprintf("%T", event), "pass a PageView, Click, Purchase, Conversion or Custom by value")
	}
	return code, at, first(err, checkTime(at, now))
}

// recordExposure records that the unit met a treatment. x is its mark in the
// filter, which is set only once the record is safe in the buffer: what is
// refused will be tried again.
func (e *Engine) recordExposure(a *Assignment, exp *snapExperiment, treatment string, x uint64) {
	div := int(exp.layer.div)
	if err := checkText("Unit", a.unit.id(div), maxIDBytes, true); err != nil {
		e.rec.refuse(codeExposure)
		return
	}
	unit := a.unit
	if checkUnit(&unit) != nil { // an id that decides nothing here must not hide the exposure
		unit = only(div, unit.id(div))
	}
	h := a.hash[div]
	err := e.record(&unit, Exposure{
		Experiment: exp.key, Phase: exp.phase, Treatment: treatment,
		Diversion: diversions[div], Bucket: bucketOf(h, exp.layer.seed), Hash: h, Version: a.snap.version,
		Attributes: a.snap.recordedAttributes(exp.key, a.unit.Attributes),
	}, codeExposure, e.now(), 0)
	if err != nil {
		return
	}
	e.filter.note(x)
	if watched := e.watched.Load(); watched != nil {
		if keys := (*watched)[exp.key]; keys != nil {
			e.refresher.noteExposure(keys, recentExposure{h, treatment, a.snap.version})
		}
	}
}

// ExternalExposure is an exposure that another system brought about: an e-mail
// campaign, a platform that strata replaces.
type ExternalExposure struct {
	Unit       Unit
	Experiment string
	Treatment  string    // one of the experiment's
	Time       time.Time // zero means now
}

// RecordExposure records an exposure that another system decided, so that
// reports cover it. The experiment must be in the current plan and past its
// draft; it needs no buckets. The unit of analysis is the id that the
// experiment's layer diverts by. Errors are those of [Engine.Track].
func (e *Engine) RecordExposure(x ExternalExposure) error {
	now := e.now()
	exposure, err := e.external(&x, now)
	if err != nil {
		e.rec.refuse(codeExposure)
		return err
	}
	at := x.Time
	if at.IsZero() {
		at = now
	}
	return e.record(&x.Unit, exposure, codeExposure, at, flagExternal)
}

func (e *Engine) external(x *ExternalExposure, now time.Time) (Exposure, error) {
	snap := e.snap.Load()
	exp := snap.experiments[x.Experiment]
	if exp == nil {
		return Exposure{}, refuse("Experiment", x.Experiment, "the current plan has no such experiment")
	}
	if exp.draft {
		return Exposure{}, refuse("Experiment", x.Experiment, "is a draft; set its status to running first")
	}
	if !exp.has(x.Treatment) {
		return Exposure{}, refuse("Treatment", x.Treatment, "the experiment's treatments are %s", exp.names())
	}
	if x.Unit.id(int(exp.layer.div)) == "" {
		return Exposure{}, refuse("Unit", "", "lacks the %s id that layer %q diverts by", diversions[exp.layer.div], exp.layer.key)
	}
	if err := first(checkUnit(&x.Unit), checkTime(x.Time, now)); err != nil {
		return Exposure{}, err
	}
	return Exposure{
		Experiment: exp.key, Phase: exp.phase, Treatment: x.Treatment,
		Diversion: diversions[exp.layer.div], Bucket: -1, Version: snap.version, External: true,
		Attributes: snap.recordedAttributes(exp.key, x.Unit.Attributes),
	}, nil
}

// Flush writes everything recorded before the call. It returns how many of
// those events are not written when ctx is done, with an error that says why.
// They stay in the buffer.
func (e *Engine) Flush(ctx context.Context) (unwritten int, err error) { return e.flusher.flush(ctx) }

// Refresh asks the store for a newer plan now, and returns when the snapshot is
// as fresh as the store.
func (e *Engine) Refresh(ctx context.Context) error { return e.refresher.refresh(ctx) }

// Close takes no more events, writes what is buffered and stops all goroutines.
// It returns how many events were not written when ctx was done; those are
// lost. Give it a context of its own, such as one with a deadline made from
// [context.WithoutCancel]: one that is done already leaves no time to write. A
// store that does not return from a call although its context is done
// costs two seconds more, and an error that says so. Assignments go on working with the last snapshot, and record nothing. A
// second Close waits for the first and returns the same.
func (e *Engine) Close(ctx context.Context) (unwritten int, err error) {
	e.closing.Do(func() {
		e.rec.close()
		e.left, e.closeErr = e.flusher.flush(ctx)
		e.stop()
		if !e.join() {
			e.closeErr = errors.Join(e.closeErr, errStuck)
		}
	})
	return e.left, e.closeErr
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

// EngineStatus is what a person on call asks first.
type EngineStatus struct {
	Version    int64     // of the plan in effect here
	Newest     int64     // version known to be stored; above Version while it waits for its EffectiveAt
	Refreshed  time.Time // when the store last answered; the plan's age is the time since
	RefreshErr error     // why the last refresh failed; nil if it did not

	// FromFile is when the plan in effect here was saved to [Config.PlanFile],
	// if Open read it there and the store has not been read since; zero
	// otherwise. Withheld lists the experiments that serve defaults meanwhile.
	// PlanFileErr is why the file could not be written; nil if it could.
	FromFile    time.Time
	Withheld    []string
	PlanFileErr error

	BufferedBytes int              // memory held by events that are not stored yet
	Unwritten     int64            // number of those events
	Written       int64            // events stored by this process
	Lost          int64            // events that the store had confirmed and lost again
	Refused       map[Kind]Refused // events not taken in, by kind
	WriteErr      error            // why the last write failed; nil while writes succeed
	FailingSince  time.Time        // zero while writes succeed
	Kept          map[string]int   // units kept in their treatment, by experiment
}

// Status returns a picture of the engine's health. It is cheap enough to be
// polled every second.
func (e *Engine) Status() EngineStatus {
	var s EngineStatus
	e.refresher.status(&s)
	s.BufferedBytes, s.Refused = e.rec.status()
	f := e.flusher
	f.mu.Lock()
	defer f.mu.Unlock()
	s.Written, s.Lost, s.FailingSince = f.stored, f.lost, f.failing
	s.Unwritten = e.rec.total() - f.stored
	if !f.failing.IsZero() {
		s.WriteErr = f.lastErr
	}
	return s
}
