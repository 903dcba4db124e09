package simtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/oracle"
	"github.com/strataxp/strata/internal/spool/crashfs"
	"github.com/strataxp/strata/sim"
)

// world is a script being played.
type world struct {
	script  *Script
	trace   *trace
	cluster *cluster
	desk    *link // the author's connection
	slots   []*slot
	all     []*process // that ever ran
	begin   time.Time
	dir     string // for files
	next    int    // step

	plans    map[int64]*publication
	lost     map[int64]*publication // by failovers, and not published anew
	first    map[subject]*firstMeeting
	byID     map[string][]subject // what an id has met
	tally    *Tally
	hits     *hits
	failures []failure
	requests int

	failedOver time.Time // when a standby took over last
}

// publication is a plan as it was published.
type publication struct {
	plan   *strata.Plan
	oracle *oracle.Plan
	at     time.Time // when the store had it, at the latest
	moves  map[string]strata.Policy
	meant  *strata.Plan // what the author handed in
	probed bool         // processes were looked at when its time had come
	gone   time.Time    // when a failover took it
}

// failure is something that must not happen.
type failure struct{ check, text string }

func (f failure) String() string { return "[" + f.check + "] " + f.text }

const maxFailures = 8

// fail notes that something happened that must not.
func (w *world) fail(check, format string, args ...any) {
	if len(w.failures) < maxFailures {
		w.failures = append(w.failures, failure{check, fmt.Sprintf("%v: ", time.Since(w.begin)) + fmt.Sprintf(format, args...)})
	}
}

// play plays a script in a bubble of its own.
func play(t *testing.T, script *Script, newStore func(t *testing.T) strata.Store) (w *world) {
	w = &world{
		script: script, plans: make(map[int64]*publication), lost: make(map[int64]*publication), first: make(map[subject]*firstMeeting), byID: make(map[string][]subject),
		tally: newTally(), hits: &hits{n: make(map[string]int)},
	}
	synctest.Test(t, func(t *testing.T) {
		// Events at the beginning of 2000 would be refused by a clock that is behind.
		time.Sleep(365 * 24 * time.Hour)
		w.begin, w.dir = time.Now(), t.TempDir()
		w.trace = &trace{start: w.begin, keep: 2000}
		w.cluster = &cluster{
			fresh: func() strata.Store { return newStore(t) }, standby: script.Standby,
			lag: time.Duration(1+script.Seed%5)*40*time.Second + 13, exposed: make(map[subject][]exposed),
		}
		w.cluster.store = newStore(t)
		w.desk = w.newLink("desk", time.Second)
		w.run(t)
	})
	return w
}

// run is the world's history.
func (w *world) run(t *testing.T) {
	plan, err := firstPlan(w.begin)
	if err == nil {
		err = w.publish(plan, nil, "first plan")
	}
	if err != nil {
		w.fail("publish", "%v", err)
		return
	}
	if w.script.Standby {
		rest(time.Now().Add(w.cluster.lag + time.Second)) // the standby has the first plan
	}
	for i, p := range w.script.Processes {
		s := &slot{Process: p, index: i}
		if p.Spool {
			s.disk = crashfs.New()
			s.dir = s.disk.Mount(t)
		}
		w.slots = append(w.slots, s)
		w.start(s)
	}
	defer w.close()
	traffic, err := sim.NewTraffic(model(), sim.TrafficOptions{
		Seed: w.script.Seed, Visitors: w.script.Visitors, Start: time.Now(), Length: w.script.Length, Meets: meets, Effects: effects,
		Prefix: fmt.Sprintf("w%d-", w.script.Seed), // other people in each world
	})
	if err == nil {
		err = traffic.Run(context.Background(), w)
	}
	if err != nil {
		w.fail("traffic", "%v", err)
	}
	w.until(w.begin.Add(w.script.Length))
	w.settle()
	w.check()
}

// close ends what still runs.
func (w *world) close() {
	for _, s := range w.slots {
		if s.now != nil {
			w.shutDown(s)
		}
	}
}

// settle heals everything, and lets what is on its way arrive.
func (w *world) settle() {
	w.next = len(w.script.Steps)
	for _, s := range w.slots {
		s.outages = nil
		if s.now == nil {
			w.start(s)
		}
		if s.now != nil {
			s.now.link.heal()
		}
	}
	w.desk.heal()
	w.sleep(25 * time.Minute) // back-off, refreshes, what dead processes left, and the standby
	w.agree()
	w.checkReports()
	w.checkIdle()
	w.close()
}

// sleep lets time pass, and what falls due in it happen.
func (w *world) sleep(d time.Duration) { w.until(time.Now().Add(d)) }

// until lets time pass up to an instant, and what falls due before it happen.
func (w *world) until(at time.Time) {
	for {
		due, do := w.due()
		if do == nil || due.After(at) {
			break
		}
		rest(due)
		do()
	}
	rest(at)
}

// rest sleeps until an instant, and until everybody else has come to rest.
func rest(at time.Time) {
	if d := time.Until(at); d > 0 {
		time.Sleep(d)
	}
	synctest.Wait()
}

// due returns what happens next besides visits, and when.
func (w *world) due() (at time.Time, do func()) {
	at = time.Unix(math.MaxInt32*2, 0)
	if w.next < len(w.script.Steps) {
		step := w.script.Steps[w.next]
		at, do = w.begin.Add(step.At), func() { w.next++; w.step(step) }
	}
	for _, s := range w.slots {
		if s.now == nil && s.again.Before(at) {
			at, do = s.again, func() { w.start(s) }
		}
	}
	for _, version := range w.waiting() {
		if probe := w.plans[version].plan.EffectiveAt.Add(maxSkew + time.Millisecond); probe.Before(at) {
			at, do = probe, func() { w.plans[version].probed = true; w.agree() }
		}
	}
	return at, do
}

// step makes a step of the script.
func (w *world) step(s Step) {
	w.trace.add("step %s", s)
	switch s.Do {
	case doFault:
		w.suffer(s.Process, outage{s.Fault, s.Amount, time.Now().Add(s.For)})
	case doKill, doClose:
		slot := w.slots[s.Process%len(w.slots)]
		if slot.now == nil {
			return
		}
		if s.Do == doKill {
			w.kill(slot)
		} else {
			w.shutDown(slot)
		}
		slot.again = time.Now().Add(s.For)
	case doFailover:
		forgot, plans, err := w.cluster.failOver(context.Background())
		w.hits.add("records forgotten by a failover", forgot)
		w.hits.add("plans forgotten by a failover", plans)
		w.unpublish(plans)
		w.failedOver = time.Now()
		if err != nil {
			w.fail("store", "%v", err)
		}
	default:
		w.change(s)
	}
	w.hits.add(s.Do, 1)
}

// suffer breaks the network of a process, or of all and the author's.
func (w *world) suffer(process int, o outage) {
	for i, slot := range w.slots {
		if process >= 0 && process != i {
			continue
		}
		slot.outages = append(slot.outages, o)
		if slot.now != nil {
			slot.now.link.suffer(o)
		}
	}
	if process < 0 {
		w.desk.suffer(o)
	}
}

// change publishes a change of plan.
func (w *world) change(s Step) {
	newest, err := w.cluster.now().Plan(context.Background(), strata.PlanParams{})
	if err != nil {
		w.fail("publish", "%v", err)
		return
	}
	plan := newest.Plan
	plan.EffectiveAt = time.Now().Add(s.Ahead).Truncate(time.Microsecond)
	e := plan.Experiment(s.On)
	if err := changes[s.Do](plan, e, s.Amount); err != nil {
		w.hits.add(s.Do+" cannot be done", 1)
		return
	}
	if s.Ahead == 0 {
		plan.EffectiveAt = time.Time{}
	}
	moves := make(map[string]strata.Policy)
	for i := range plan.Experiments {
		moves[plan.Experiments[i].Key] = strata.Keep
	}
	moves[s.On] = s.Policy
	err = w.publish(plan, moves, s.Do)
	switch {
	case errors.Is(err, strata.ErrInvalidPlan) || errors.Is(err, strata.ErrMovesUnits):
		w.hits.add(s.Do+" is refused", 1)
		w.trace.add("refused: %v", err)
	case err != nil && !w.desk.well(time.Now().Add(-time.Minute)):
		w.hits.add("publishing fails", 1)
	case err != nil:
		w.fail("publish", "%s: %v", s, err)
	default:
		w.hits.add(s.Do+" is published", 1)
	}
}

// publish publishes a plan and checks what became of it.
func (w *world) publish(plan *strata.Plan, moves map[string]strata.Policy, why string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	stored, err := strata.Publish(ctx, w.desk, plan, strata.PublishOptions{Author: "simtest", Message: why, Moves: moves})
	if err != nil {
		v, lookErr := w.cluster.now().Plan(context.Background(), strata.PlanParams{})
		if lookErr != nil || v.Version <= plan.Version {
			return err
		}
		stored = v.Plan // only the answer was lost
		w.hits.add("a plan is published although publishing fails", 1)
	}
	read, err := oracle.NewPlan(stored)
	if err != nil {
		return err
	}
	if err := oracle.Exclusive(stored); err != nil {
		w.fail("exclusivity", "version %d: %v", stored.Version, err)
	}
	w.plans[stored.Version] = &publication{plan: stored, oracle: read, at: time.Now(), moves: maps.Clone(moves), meant: plan}
	w.checkDiff(stored.Version)
	w.trace.add("published %d: %s", stored.Version, why)
	return nil
}

// unpublish forgets the newest plans, which a failover has taken.
func (w *world) unpublish(n int) {
	for range n {
		version := int64(len(w.plans))
		w.plans[version].gone = time.Now()
		w.lost[version] = w.plans[version]
		delete(w.plans, version)
	}
}
