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
	parallel  bool // run starts goroutines

	// most bounds the operations of a sample; 0 means no bound.
	most int
	// prepare, if there is one, readies the next n operations outside of what is
	// measured.
	prepare func(n int)
	// run does n operations.
	run func(n int) error

	operations int // of a slice
	slices     int // of a sample
	figures    figures
}

// sliceTime is about how long a slice of a sample takes. A shared machine is fast for
// some milliseconds and slow for the next, by a factor of two, so that a sample hardly
// ever finds it fast from its beginning to its end, while one of its slices does: with
// slices of 0.2 ms the best times of two runs differed by some 5 %, with whole samples of
// 20 ms by 70 %. Goroutines take longer to start, so that the parallel ones have
// parallelSlice.
const (
	sliceTime     = 200 * time.Microsecond
	parallelSlice = 2 * time.Millisecond
)

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

// calibrate finds how many operations take about a slice's time, and how many slices
// a sample's.
func (h *harness) calibrate(t *task) error {
	target := min(sliceTime, h.sample)
	if t.parallel {
		target = min(parallelSlice, h.sample)
	}
	for n := 1; ; n *= 2 {
		took, err := t.once(n)
		if err != nil {
			return err
		}
		if took < target/2 && (t.most == 0 || n < t.most) {
			continue
		}
		t.operations = max(1, int(float64(n)*float64(target)/float64(took)))
		t.slices = max(1, int(float64(n)*float64(h.sample)/float64(took)/float64(t.operations)))
		if t.most > 0 {
			t.operations = min(t.operations, t.most)
			t.slices = min(t.slices, t.most/t.operations)
		}
		return nil
	}
}

// once runs n operations once, prepared.
func (t *task) once(n int) (time.Duration, error) {
	if t.prepare != nil {
		t.prepare(n)
	}
	return t.slice(n)
}

func (t *task) slice(n int) (time.Duration, error) {
	start := time.Now()
	err := t.run(n)
	return time.Since(start), err
}

// sample measures once. The garbage of others is collected before, and not counted.
func (t *task) sample() error {
	if t.prepare != nil {
		t.prepare(t.operations * t.slices)
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var total, least time.Duration
	for i := range t.slices {
		took, err := t.slice(t.operations)
		if err != nil {
			return err
		}
		if total += took; i == 0 || took < least {
			least = took
		}
	}
	runtime.ReadMemStats(&after)
	t.figures.add(t, least, total, after.Mallocs-before.Mallocs)
	return nil
}

func (f *figures) add(t *task, least, total time.Duration, allocs uint64) {
	n := float64(t.operations)
	all := n * float64(t.slices)
	f.least = append(f.least, float64(least.Nanoseconds())/n)
	f.nanos = append(f.nanos, float64(total.Nanoseconds())/all)
	f.allocs = append(f.allocs, float64(allocs)/all)
}
