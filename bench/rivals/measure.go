package main

import (
	"io"
	"runtime"
	"time"
)

// task is one subject in one workload.
type task struct {
	workload  string
	subject   string
	exposures bool
	floor     bool

	// most bounds the operations of a sample; 0 means no bound.
	most int
	// prepare, if there is one, readies the next n operations outside of what is
	// measured.
	prepare func(n int)
	// run does n operations.
	run func(n int) error

	operations int // of a sample
	figures    figures
}

// harness measures tasks side by side.
type harness struct {
	rounds int
	sample time.Duration
	seed   uint64
	notes  io.Writer // progress, for people
}

// measure fills in the figures of all tasks. In each round every task is sampled once,
// in an order of its own, so that what slows the machine for a while hits all of them.
func (h *harness) measure(tasks []*task) error {
	for _, t := range tasks {
		if err := h.calibrate(t); err != nil {
			return err
		}
	}
	for round := range h.rounds {
		for _, i := range shuffled(len(tasks), h.seed, uint64(round)) {
			if err := tasks[i].sample(); err != nil {
				return err
			}
		}
		note(h.notes, "round %d of %d\n", round+1, h.rounds)
	}
	return nil
}

// calibrate finds how many operations take about a sample's time.
func (h *harness) calibrate(t *task) error {
	for n := 1; ; n *= 2 {
		took, err := t.once(n)
		if err != nil {
			return err
		}
		t.operations = n
		if t.most > 0 && n >= t.most {
			t.operations = t.most
			return nil
		}
		if took >= h.sample/4 {
			t.operations = max(1, int(float64(n)*float64(h.sample)/float64(took)))
			if t.most > 0 {
				t.operations = min(t.operations, t.most)
			}
			return nil
		}
	}
}

func (t *task) once(n int) (time.Duration, error) {
	if t.prepare != nil {
		t.prepare(n)
	}
	start := time.Now()
	err := t.run(n)
	return time.Since(start), err
}

// sample measures once. The garbage of others is collected before, and not counted.
func (t *task) sample() error {
	n := t.operations
	if t.prepare != nil {
		t.prepare(n)
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	err := t.run(n)
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	t.figures.nanos = append(t.figures.nanos, float64(took.Nanoseconds())/float64(n))
	t.figures.allocs = append(t.figures.allocs, float64(after.Mallocs-before.Mallocs)/float64(n))
	return err
}
