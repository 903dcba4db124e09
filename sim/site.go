package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/strataxp/strata"
)

// virtualClock is the clock of a run: it stands where the traffic is.
type virtualClock struct{ micros atomic.Int64 }

func (c *virtualClock) set(at time.Time) { c.micros.Store(at.UnixMicro()) }

// Now returns the time of the act that is being played.
func (c *virtualClock) Now() time.Time { return time.UnixMicro(c.micros.Load()).UTC() }

// Timer is the system's: the engine's goroutines wait for the store in real time.
func (c *virtualClock) Timer(d time.Duration) (<-chan time.Time, func()) {
	return strata.SystemClock().Timer(d)
}

// world is what is different from the plan when true effects are computed: all
// units of an experiment behave as if they had the same treatment.
type world struct {
	experiment string
	treatment  string
	label      string // the treatment under which they are reported
}

// site is an application that runs the plan, for one run.
type site struct {
	setup   *setup
	engine  *strata.Engine
	clock   virtualClock
	world   *world
	ctx     context.Context //lint:ignore containedctx a Site's methods have none, and a run has one
	cancel  context.CancelFunc
	err     error
	due     []time.Time // boundaries that are still ahead
	acts    int         // events and meetings
	events  int
	exposed map[string]bool // in a world, by id
	units   map[strata.Diversion]map[string]*reached
}

// reached is what is remembered of a unit.
type reached struct {
	got []string // the treatment of each experiment that is met, "" for none
	met []meetingState
}

// meetingState says what came of a unit's meeting an experiment.
type meetingState uint8

const (
	never meetingState = iota
	refused
	admitted
	passed // not in a bucket, or the audience is not known to let it in
)

// flushEvery is after how many acts the buffer is written: often enough for it
// never to be full.
const flushEvery = 5_000

// play runs traffic through a plan and hands the engine to read, before it is
// closed.
func (s *setup) play(ctx context.Context, t *Traffic, w *world, read func(*site) error) (err error) {
	store, err := s.o.NewStore()
	if err != nil {
		return err
	}
	if c, ok := store.(io.Closer); ok {
		defer func() { err = errors.Join(err, c.Close()) }()
	}
	x := &site{setup: s, world: w, due: s.boundaries, exposed: map[string]bool{}, units: map[strata.Diversion]map[string]*reached{}}
	x.ctx, x.cancel = context.WithCancel(ctx)
	defer x.cancel()
	x.clock.set(s.o.Start)
	if _, err = strata.Publish(ctx, store, s.plan, strata.PublishOptions{Author: "sim", Message: "simulated", Clock: &x.clock}); err != nil {
		return err
	}
	x.engine, err = strata.Open(ctx, store, strata.Config{
		Clock: &x.clock, RefreshInterval: -1, FlushInterval: -1, NoWatch: true, StoreTimeout: time.Minute,
		// Small things: there are many runs. What the filter forgets is recorded again.
		BufferBytes: 8 << 20, ExposureFilter: min(max(t.options.Visitors*len(s.met), 1<<10), strata.DefaultExposureFilter),
	})
	if err != nil {
		return err
	}
	defer func() {
		_, closeErr := x.engine.Close(ctx)
		err = errors.Join(err, closeErr)
	}()
	err = t.Run(x.ctx, x)
	if x.err != nil {
		return x.err
	}
	if err != nil {
		return err
	}
	x.advance(s.o.Start.Add(s.length))
	return errors.Join(x.err, read(x))
}

// fail ends the run.
func (x *site) fail(err error) {
	if err != nil && x.err == nil {
		x.err = err
		x.cancel()
	}
}

// advance sets the clock, and switches schedules that are due.
func (x *site) advance(at time.Time) {
	x.clock.set(at)
	if len(x.due) > 0 && !at.Before(x.due[0]) {
		for len(x.due) > 0 && !at.Before(x.due[0]) {
			x.due = x.due[1:]
		}
		x.fail(x.engine.Refresh(x.ctx))
	}
}

// act is what every act begins with.
func (x *site) act(at time.Time) {
	x.advance(at)
	if x.acts++; x.acts%flushEvery == 0 {
		_, err := x.engine.Flush(x.ctx)
		x.fail(err)
	}
}

// Meet asks the engine, and answers for it where a world says so.
func (x *site) Meet(at time.Time, u *strata.Unit, experiment string) string {
	x.act(at)
	a := x.engine.Assign(*u)
	if x.world != nil && x.world.experiment == experiment {
		return x.constant(a, u, at)
	}
	treatment := a.Treatment(experiment)
	if x.world == nil {
		x.note(a, u, experiment, treatment)
	}
	return treatment
}

// constant answers the same for all units of the world's experiment.
func (x *site) constant(a *strata.Assignment, u *strata.Unit, at time.Time) string {
	w := x.world
	if a.Peek(w.experiment) == "" {
		return ""
	}
	id := u.ID(x.setup.met[w.experiment].by)
	if !x.exposed[id] {
		x.exposed[id] = true
		x.fail(x.engine.RecordExposure(strata.ExternalExposure{Unit: *u, Experiment: w.experiment, Treatment: w.label, Time: at}))
	}
	return w.treatment
}

// note remembers whom an experiment reached.
func (x *site) note(a *strata.Assignment, u *strata.Unit, experiment, treatment string) {
	s := x.setup
	e := s.met[experiment]
	by, i := e.by, e.index
	id := u.ID(by)
	if now := x.clock.Now(); id == "" || now.Before(e.Schedule.Start) || !now.Before(e.Schedule.End) {
		return
	}
	if x.units[by] == nil {
		x.units[by] = map[string]*reached{}
	}
	r := x.units[by][id]
	if r == nil {
		r = &reached{got: make([]string, len(s.met)), met: make([]meetingState, len(s.met))}
		x.units[by][id] = r
	}
	switch {
	case treatment != "":
		r.got[i], r.met[i] = treatment, admitted
	case r.met[i] != never:
	case e.Audience != "" && x.refused(a, experiment):
		r.met[i] = refused
	default:
		r.met[i] = passed
	}
}

// refused reports whether it is the audience that keeps a unit out.
func (x *site) refused(a *strata.Assignment, experiment string) bool {
	for d := range a.All() {
		if d.Experiment() == experiment && d.Reason() == strata.ReasonAudience {
			return true
		}
	}
	return false
}

// Do tracks an event.
func (x *site) Do(at time.Time, u *strata.Unit, e strata.Event) {
	x.act(at)
	x.events++
	if err := x.engine.Track(*u, e); err != nil {
		x.fail(fmt.Errorf("sim: %s of %s: %w", e.Kind(), u.Device, err))
	}
}
