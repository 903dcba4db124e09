package strata

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/strataxp/strata/internal/spool"
)

// Engine assigns units, records events and keeps its snapshot fresh. Make one
// for each process with [Open]; all methods are safe for concurrent use.
type Engine struct {
	// What every request reads comes first and is never written after Open,
	// the snapshot's pointer aside.
	snap   atomic.Pointer[Snapshot]
	filter *exposureFilter
	lanes  []*lane

	// watched names the experiments whose exposures a coming switch of plan has
	// to know of; nil most of the time.
	watched atomic.Pointer[map[string][]keptKey]

	store        Store
	confirmer    Confirmer // nil where what is stored counts as confirmed
	cfg          Config
	budget       *budget
	lost         lostUnits
	refresher    *refresher
	spool        *spool.Spool  // nil without one
	leftovers    *leftovers    // nil without a spool
	confirmation *confirmation // nil without a confirmer
	metrics      engineMetrics

	lastTime atomic.Int64 // of an event, in microseconds

	closing  atomic.Bool
	stop     context.CancelFunc
	done     sync.WaitGroup
	stopped  chan struct{} // closed when nothing is written any more
	left     Left          // what Close returned
	closeErr error
}

// Open loads the plan in effect from the store and starts its goroutines: some
// write events, one asks for newer plans, one follows schedules, and where there
// are such things one waits for notices, one asks standbys what they have, and one
// sends what dead processes left in the spool. It fails when the config is not
// valid, when the store does not answer and there is no [Config.PlanFile] to start
// from, when the plan cannot be used, and when the spool's folder cannot be;
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
	e := &Engine{
		store: guarded{store}, cfg: cfg, stopped: make(chan struct{}),
		filter: newExposureFilter(cfg.ExposureFilter),
	}
	if e.confirmer, err = confirmerOf(store); err != nil {
		return nil, err
	}
	if err := e.openLanes(); err != nil {
		return nil, errors.Join(err, e.closeLogs())
	}
	e.refresher = newRefresher(e)
	err = e.refresher.refresh(ctx)
	if err != nil {
		err = e.refresher.resume(ctx, err)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("strata: cannot load the plan: %w", err), e.closeLogs())
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	e.stop = stop
	e.start(background, store)
	return e, nil
}

// openLanes makes the streams of this process, and their logs in the spool.
func (e *Engine) openLanes() (err error) {
	if e.cfg.Spool.Dir != "" {
		if e.spool, err = spool.Open(e.cfg.Spool.config(e.cfg.BufferBytes, e.cfg.Lanes)); err != nil {
			return fmt.Errorf("strata: cannot open the spool: %w", err)
		}
		e.leftovers = newLeftovers(e, e.spool)
	}
	if e.confirmer != nil {
		e.confirmation = newConfirmation(e)
	}
	e.budget = newBudget(e.cfg.BufferBytes)
	for range e.cfg.Lanes {
		id := newStreamID(e.cfg.Clock.Now(), e.cfg.Random)
		var log *spool.Log
		if e.spool != nil {
			if log, err = e.spool.Create(id); err != nil {
				return fmt.Errorf("strata: cannot open the spool: %w", err)
			}
		}
		l := newLane(e, id, log)
		e.lanes = append(e.lanes, l)
		if e.confirmation != nil {
			c := &confirming{stream: id, progress: l.progress, confirmed: l.confirmed, suspect: l.suspect, relieve: l.rec.relieve}
			if l.spooler != nil {
				c.aged = l.spooler.age
			}
			e.confirmation.add(c)
		}
	}
	return nil
}

// closeLogs takes back what openLanes made.
func (e *Engine) closeLogs() (err error) {
	for _, l := range e.lanes {
		if l.spooler != nil {
			err = errors.Join(err, l.spooler.log.Remove())
		}
	}
	return err
}

// start starts the goroutines.
func (e *Engine) start(ctx context.Context, store Store) {
	for _, l := range e.lanes {
		e.done.Go(func() { l.run(ctx) })
		if l.spooler != nil {
			e.done.Go(func() { l.spooler.run(ctx) })
			e.done.Go(func() { l.spooler.runSync(ctx) })
			e.done.Go(func() { l.spooler.runTrim(ctx) })
		}
	}
	if e.confirmation != nil {
		e.done.Go(func() { e.confirmation.run(ctx) })
	}
	if e.leftovers != nil {
		e.done.Go(func() { e.leftovers.run(ctx) })
	}
	e.done.Go(func() { e.refresher.poll(ctx) })
	e.done.Go(func() { e.refresher.watch(ctx) })
	if watcher, ok := store.(PlanWatcher); ok && !e.cfg.NoWatch {
		e.done.Go(func() { e.refresher.follow(ctx, watcher) })
	}
}

// newSender makes what sends one stream.
func (e *Engine) newSender(stream StreamID, src source, p *watermarks) *sender {
	return &sender{
		store: e.store, clock: e.cfg.Clock, random: e.cfg.Random, stream: stream, src: src, progress: p,
		timeout: e.cfg.StoreTimeout, limit: e.cfg.BatchSize, size: e.cfg.BatchSize, maxBytes: batchBytes(&e.cfg),
		onError: e.cfg.logError("write events"), urgent: make(chan struct{}, 1), observe: &e.metrics, next: 1,
	}
}

// lane returns the stream that events of a unit go through.
func (e *Engine) lane(u *Unit) *lane {
	if len(e.lanes) == 1 {
		return e.lanes[0]
	}
	return e.lanes[scale(mix(hashID(u.primary()), laneSeed), uint64(len(e.lanes)))]
}

// laneSeed makes the choice of a lane independent of everything else.
var laneSeed = hashID("strata/lane\x00")

// newStreamID makes a UUID of version 7 (RFC 9562, section 5.7).
func newStreamID(now time.Time, random func() uint64) (id StreamID) {
	binary.BigEndian.PutUint64(id[:], uint64(now.UnixMilli())<<16|random()&0xffff)
	binary.BigEndian.PutUint64(id[8:], random())
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// Assign returns what the current snapshot gives the unit. It is pure: no I/O, no
// lock, no clock; nothing is recorded until something is read through the assignment.
// It hashes each id that some layer diverts by, once; of more than three diversions in one
// plan, the rarest at each read.
//
// It does not allocate where the compiler sees that the assignment does not outlive the
// function that calls Assign, be it handed to others; kept in a context, it is one
// allocation of 136 bytes.
//
// The answer depends on the plan and the unit's ids and attributes only, so it
// is the same in every process that has the same version. It goes on working
// while the store is down.
func (e *Engine) Assign(u Unit) *Assignment {
	return &Assignment{engine: e, unit: u, hashed: e.snap.Load().hashed(&u)}
}

// Snapshot returns the current snapshot.
func (e *Engine) Snapshot() *Snapshot { return e.snap.Load() }

// Track records an event of the unit. It never waits and does no I/O: the event
// is copied into a buffer and written by a background goroutine. It fails with
// an error matching [ErrInvalidEvent] for input that no report could use (and
// says which field), with [ErrBufferFull] when the buffer is full, and with
// [ErrClosed] after Close. What it refuses before that is counted in
// [Engine.Status], and in the store.
//
// An event that was taken in is lost if the process dies before it is written:
// to the spool, where there is one, some milliseconds; else to the store, up to
// [Config.FlushInterval] while that answers and up to [Config.BufferBytes] while
// it does not. [Engine.TrackDurable] waits.
func (e *Engine) Track(u Unit, event Event) error {
	_, _, err := e.track(&u, event, 0)
	return err
}

// Track is [Engine.Track] for the assignment's unit. Events tracked through a
// forced assignment are marked and count in no metric. The zero assignment and
// one made by [Snapshot.Assign] refuse with [ErrClosed].
func (a *Assignment) Track(event Event) error {
	_, _, err := a.track(event)
	return err
}

func (a *Assignment) track(event Event) (*lane, int64, error) {
	if a == nil || a.engine == nil {
		return nil, 0, fmt.Errorf("%w: the assignment was not made by an engine", ErrClosed)
	}
	flags := byte(0)
	if a.forced != nil {
		flags = flagForced
	}
	return a.engine.track(&a.unit, event, flags)
}

// track takes an event in, and returns where and under which index.
func (e *Engine) track(u *Unit, event Event, flags byte) (*lane, int64, error) {
	now := e.now()
	code, at, err := checkEvent(event, now)
	if err == nil {
		err = checkUnit(u)
	}
	if err != nil {
		e.invalid(code)
		return nil, 0, err
	}
	if at.IsZero() {
		at = now
	}
	return e.record(u, event, code, at, flags)
}

// invalid counts an event that was refused as such. Its unit may be what is
// wrong, so that no lane is its own.
func (e *Engine) invalid(code int) { _ = e.lanes[0].losses.refuse(code, LossInvalid) }

// TrackDurable is [Engine.Track] for events that somebody stakes money on: it
// waits until the event has reached a level, and returns which it has reached.
// With the error of ctx, or of an engine that is closed meanwhile, comes the level
// of that moment in an error that is a *[PendingError]: the event was taken in, is
// still on its way, and must not be tracked again. With any other error it was not
// taken in.
//
// Events that wait together are synced together. Waiting for [LevelWritten] takes
// a write to the spool, for [LevelSynced] a sync of its disk, for [LevelCommitted]
// a transaction of the store. Without a spool the first two are reached with the
// third.
func (e *Engine) TrackDurable(ctx context.Context, u Unit, event Event, level Level) (Level, error) {
	l, index, err := e.track(&u, event, 0)
	return e.await(ctx, l, index, level, err)
}

// TrackDurable is [Engine.TrackDurable] for the assignment's unit.
func (a *Assignment) TrackDurable(ctx context.Context, event Event, level Level) (Level, error) {
	l, index, err := a.track(event)
	if err != nil {
		return LevelMemory, err
	}
	return a.engine.await(ctx, l, index, level, err)
}

func (e *Engine) await(ctx context.Context, l *lane, index int64, level Level, err error) (Level, error) {
	if err != nil || level <= LevelMemory {
		return LevelMemory, err
	}
	l.hurry(level)
	reached, err := l.progress.await(ctx, e.stopped, min(level, LevelConfirmed), index)
	if err != nil {
		err = &PendingError{Reached: reached, Wanted: level, Err: errors.Join(err, l.sender.reason())}
	}
	return reached, err
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

// record hands a checked event to the recorder, and wakes who writes.
func (e *Engine) record(u *Unit, event Event, code int, at time.Time, flags byte) (*lane, int64, error) {
	l := e.lane(u)
	index, full, err := l.rec.append(u, event, code, at, flags)
	if err != nil {
		if !errors.Is(err, ErrClosed) {
			e.noteLostUnit(u, l.losses)
			l.taken(false) // the count goes to the spool as well
		}
		return nil, 0, err
	}
	l.taken(full)
	return l, index, nil
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
		e.invalid(codeExposure)
		return
	}
	unit := a.unit
	if checkUnit(&unit) != nil { // an id that decides nothing here must not hide the exposure
		unit = only(div, unit.id(div))
	}
	h, _ := a.hash(exp.place)
	_, _, err := e.record(&unit, Exposure{
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
		e.invalid(codeExposure)
		return err
	}
	at := x.Time
	if at.IsZero() {
		at = now
	}
	_, _, err = e.record(&x.Unit, exposure, codeExposure, at, flagExternal)
	return err
}

func (e *Engine) external(x *ExternalExposure, now time.Time) (Exposure, error) {
	snap := e.snap.Load()
	exp := snap.experiments.find(x.Experiment)
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

// Refresh asks the store for a newer plan now, and returns when the snapshot is
// as fresh as the store.
func (e *Engine) Refresh(ctx context.Context) error { return e.refresher.refresh(ctx) }
