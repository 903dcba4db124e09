package simtest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/strataxp/strata"
)

// fault is what may happen to a call of the store.
type fault string

// The faults.
const (
	failsBefore fault = "fail"
	failsAfter  fault = "fail after they were done" // the answer is lost
	hangs       fault = "hang"
	hangsAfter  fault = "hang after they were done"
	slow        fault = "are slow"
	late        fault = "arrive when nobody waits any more" // batches; other calls hang
)

var (
	faults    = []fault{failsBefore, failsAfter, hangs, hangsAfter, slow, late}
	errFault  = errors.New("simtest: the connection broke")
	errKilled = errors.New("simtest: the process is dead")
)

// link is a process's connection to the store. Each call takes its time on the
// network, and may fail.
type link struct {
	cluster *cluster
	trace   *trace
	name    string
	seed    uint64
	delay   time.Duration

	mu     sync.Mutex
	calls  map[string]uint64
	dead   bool
	faults []outage
	asked  []time.Time // when the newest calls of PlansInEffect began
	heard  time.Time   // when the newest of them began that was answered
	hits   *hits
}

// outage is a time in which calls fail.
type outage struct {
	fault   fault
	percent int
	until   time.Time
}

// random returns a number that depends on the seed, the process and how often it
// was asked under that name.
func (l *link) random(name string) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls[name]++
	return hashOf(l.seed, l.name, name, l.calls[name])
}

// call makes a call, or what the world wants in its place.
//
// of tells calls apart that several goroutines make at the same instant: a stream.
func (l *link) call(ctx context.Context, op, of string, do func() error) error {
	draw := l.random(op + of)
	f := l.fault(draw)
	there, back := l.travel(draw>>8), l.travel(draw>>32)
	if f == slow {
		there += time.Duration(draw % uint64(3*time.Second))
	}
	if err := sleep(ctx, there); err != nil {
		return apart(err, draw)
	}
	switch {
	case l.isDead():
		return errKilled
	case f == failsBefore:
		return l.failed(op, f, errFault)
	case f == late && op == "Ingest":
		go l.arriveLate(ctx, draw, do)
		fallthrough
	case f == hangs, f == late:
		<-ctx.Done()
		return apart(l.failed(op, f, ctx.Err()), draw)
	}
	err := do()
	l.trace.add("%s %s %v", l.name, op, err)
	switch f {
	case failsAfter:
		return l.failed(op, f, errFault)
	case hangsAfter:
		<-ctx.Done()
		return apart(l.failed(op, f, ctx.Err()), draw)
	}
	if again := sleep(ctx, back); again != nil {
		return apart(again, draw)
	}
	return err
}

// arriveLate makes a call that its caller has given up, some seconds after that: the
// network has kept it, or the server has.
func (l *link) arriveLate(ctx context.Context, draw uint64, do func() error) {
	<-ctx.Done()
	time.Sleep(1 + time.Duration(draw>>16%uint64(20*time.Second)))
	l.trace.add("%s Ingest, late: %v", l.name, do())
}

// apart keeps calls that a deadline ends at one instant from ending at once: what
// their callers do next would come in any order.
func apart(err error, draw uint64) error {
	time.Sleep(1 + time.Duration(draw%(1<<20)))
	return err
}

func (l *link) failed(op string, f fault, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hits.add(op+" calls "+string(f), 1)
	return err
}

// travel is a time on the network, up to the link's delay.
func (l *link) travel(draw uint64) time.Duration { return 1 + time.Duration(draw%uint64(l.delay)) }

func (l *link) fault(draw uint64) fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.faults {
		if time.Now().Before(o.until) && int(draw>>40%100) < o.percent {
			return o.fault
		}
	}
	return ""
}

func (l *link) isDead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

func (l *link) kill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
}

// well tells whether no calls were to fail since an instant.
func (l *link) well(since time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !slices.ContainsFunc(l.faults, func(o outage) bool { return o.until.After(since) })
}

// heal ends all outages.
func (l *link) heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = nil
}

func (l *link) suffer(o outage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, o)
}

// sleep lets time pass, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// PutPlan implements strata.PlanStore.
func (l *link) PutPlan(ctx context.Context, params strata.PutPlanParams) (version int64, err error) {
	err = l.call(ctx, "PutPlan", "", func() (err error) {
		version, err = l.cluster.putPlan(ctx, params)
		return err
	})
	return version, err
}

// Plan implements strata.PlanStore.
func (l *link) Plan(ctx context.Context, params strata.PlanParams) (v strata.PlanVersion, err error) {
	err = l.call(ctx, "Plan", "", func() (err error) {
		v, err = l.cluster.now().Plan(ctx, params)
		return err
	})
	return v, err
}

// PlansInEffect implements strata.PlanStore.
func (l *link) PlansInEffect(ctx context.Context, params strata.PlansInEffectParams) (list []strata.PlanVersion, err error) {
	began := time.Now()
	l.mu.Lock()
	l.asked = append(l.asked, began)
	l.asked = l.asked[max(0, len(l.asked)-16):]
	l.mu.Unlock()
	err = l.call(ctx, "PlansInEffect", "", func() (err error) {
		list, err = l.cluster.now().PlansInEffect(ctx, params)
		return err
	})
	if err == nil {
		l.mu.Lock()
		l.heard = began
		l.mu.Unlock()
	}
	return list, err
}

// PlanHistory implements strata.PlanStore.
func (l *link) PlanHistory(ctx context.Context, params strata.PlanHistoryParams) (list []strata.PlanVersion, err error) {
	err = l.call(ctx, "PlanHistory", "", func() (err error) {
		list, err = l.cluster.now().PlanHistory(ctx, params)
		return err
	})
	return list, err
}

// Ingest implements strata.EventStore.
func (l *link) Ingest(ctx context.Context, batch strata.Batch) error {
	return l.call(ctx, "Ingest", batch.Stream.String(), func() error {
		if ctx.Err() != nil { // see arriveLate
			ctx = context.WithoutCancel(ctx)
		}
		return l.cluster.ingest(ctx, batch)
	})
}

// Cursor implements strata.EventStore.
func (l *link) Cursor(ctx context.Context, params strata.CursorParams) (last int64, err error) {
	err = l.call(ctx, "Cursor", params.Stream.String(), func() (err error) {
		last, err = l.cluster.now().Cursor(ctx, params)
		return err
	})
	return last, err
}

// Exposed implements strata.ExposureStore. What it yields is read at one instant.
func (l *link) Exposed(ctx context.Context, params strata.ExposedParams) iter.Seq2[strata.ExposedUnit, error] {
	return func(yield func(strata.ExposedUnit, error) bool) {
		var list []strata.ExposedUnit
		err := l.call(ctx, "Exposed", "", func() (err error) {
			list, err = l.cluster.list(ctx, params)
			return err
		})
		for _, u := range list {
			if !yield(u, nil) {
				return
			}
		}
		if err != nil {
			yield(strata.ExposedUnit{}, err)
		}
	}
}

// Results implements strata.ResultStore, without faults.
func (l *link) Results(ctx context.Context, params strata.ResultsParams) (strata.Results, error) {
	return l.cluster.now().Results(ctx, params)
}

// Confirms implements strata.Confirmer.
func (l *link) Confirms() bool { return l.cluster.standby }

// Confirmed implements strata.Confirmer.
func (l *link) Confirmed(ctx context.Context, params strata.ConfirmedParams) (last []int64, err error) {
	err = l.call(ctx, "Confirmed", "", func() error {
		last = l.cluster.confirmed(params.Streams)
		return nil
	})
	return last, err
}

// heardSince reports whether a call of PlansInEffect was answered that began behind
// an instant.
func (l *link) heardSince(at time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.heard.After(at)
}

// askedBefore returns when the newest call of PlansInEffect began that did so
// before an instant; the zero time if none did.
func (l *link) askedBefore(at time.Time) (asked time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.asked {
		if !t.After(at) {
			asked = t
		}
	}
	return asked
}
