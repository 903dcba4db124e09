package main

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// mostOpen is how many requests may be under way at a time, one for each visitor. One
// that is due while all are busy has failed.
const mostOpen = 2000

// perVisitor is how many requests a second each visitor makes, so that visits begin and
// end all the time. Where all wait for an answer, others come.
const perVisitor = 10

// outcome is what came of a phase.
type outcome struct {
	before, during *times // requests due before the fault, and from then on
	late           *times // when requests were sent, from when they were due
	errors         int64  // failed, or never sent for want of a visitor
	firstError     error
	sent, answered int64
	took           time.Duration // from the first request due to the last answer
	length         time.Duration // of the schedule
	book           *ledger
}

// all has all requests.
func (o *outcome) all() *times {
	t := newTimes()
	t.merge(o.before)
	t.merge(o.during)
	return t
}

// achieved is the share of the requests due that was answered, less what the answers
// came late.
func (o *outcome) achieved() float64 {
	due := float64(o.sent + o.errors)
	if due == 0 || o.took == 0 {
		return 0
	}
	return float64(o.answered) / due * min(1, float64(o.length)/float64(o.took))
}

// crowd is the visitors of a phase, and what comes of their requests.
type crowd struct {
	client *client
	idle   chan *visitor
	most   int // visitors at a time
	seed   uint64
	come   int // visitors so far
	open   sync.WaitGroup
	book   *ledger

	// Requests due from here on are counted as during the fault; zero means none.
	fault time.Time

	out            *outcome
	errors         atomic.Int64
	answered, sent atomic.Int64
	once           sync.Once
}

func newCrowd(c *client, rate int, seed uint64, book *ledger) *crowd {
	w := &crowd{client: c, idle: make(chan *visitor, mostOpen), most: mostOpen, seed: seed, book: book}
	for range min(max(1, rate/perVisitor), mostOpen) {
		w.idle <- w.another()
	}
	return w
}

func (w *crowd) another() *visitor {
	w.come++
	return newVisitor(w.come, w.seed)
}

// run sends the requests of a schedule when they are due, and waits for the answers.
func (w *crowd) run(ctx context.Context, s schedule, fault time.Time) *outcome {
	w.fault = fault
	w.out = &outcome{before: newTimes(), during: newTimes(), late: newTimes(), length: s.end().Sub(s.start), book: w.book}
	w.errors.Store(0)
	w.answered.Store(0)
	w.sent.Store(0)
	w.once = sync.Once{}
	runtime.LockOSThread() // the thread that sleeps in the kernel
	defer runtime.UnlockOSThread()
	for sent := 0; sent < s.total && ctx.Err() == nil; {
		pause(time.Until(s.due(sent)))
		for due := s.dueBy(time.Now()); sent < due; sent++ {
			w.begin(ctx, s.due(sent))
		}
	}
	w.open.Wait()
	w.out.took = max(time.Since(s.start), w.out.length)
	w.out.errors, w.out.answered, w.out.sent = w.errors.Load(), w.answered.Load(), w.sent.Load()
	return w.out
}

// begin has the visitor who has waited longest make a request.
func (w *crowd) begin(ctx context.Context, due time.Time) {
	var v *visitor
	select {
	case v = <-w.idle:
	default:
		if w.come >= w.most {
			w.fail(errBusy)
			return
		}
		v = w.another()
	}
	w.sent.Add(1)
	w.out.late.add(time.Since(due))
	w.open.Go(func() {
		w.request(ctx, v, due)
		w.idle <- v
	})
}

func (w *crowd) request(ctx context.Context, v *visitor, due time.Time) {
	buys := v.next == buying
	a, err := w.client.send(ctx, v.message(w.client.addr, w.client.keepAlive))
	took := time.Since(due)
	var order string
	if err == nil {
		order, err = v.take(a)
	} else {
		v.leave()
	}
	switch {
	case err != nil:
		w.fail(err)
		if buys {
			w.book.unknown()
		}
		return
	case order != "":
		w.book.acknowledged(order)
	}
	w.answered.Add(1)
	if !w.fault.IsZero() && !due.Before(w.fault) {
		w.out.during.add(took)
	} else {
		w.out.before.add(took)
	}
}

func (w *crowd) fail(err error) {
	w.errors.Add(1)
	w.once.Do(func() { w.out.firstError = err })
}
