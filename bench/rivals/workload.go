package main

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// workload is something that applications do with an experimentation library.
type workload struct {
	name  string
	title string

	experiments int
	conditions  bool
	states      []bool // with exposures off, on or both
	fresh       bool   // a subject that nobody else uses, as its units must be new
	parallel    bool
	floor       string // what the columns of ratios divide by; empty for nothing
	floors      []string

	// task fills in what is done, or returns false where the library does not
	// offer it. It is nil for loading.
	task func(s Subject, ids []string, t *task) bool
}

var (
	bothStates = []bool{false, true}
	offOnly    = []bool{false}
	onOnly     = []bool{true}
)

// firstMeetings bounds the units of a sample that are met for the first time: some 4 MB
// of records, which a buffer takes at once.
const firstMeetings = 16_384

// The names of workloads that targets look at.
const (
	oneOf1   = "one-of-1"
	oneOf100 = "one-of-100"
	allLoop  = "all-of-100-loop"
	allBatch = "all-of-100-batch"
	loading  = "load-1000"
)

func workloads() []workload {
	oneFloors := []string{floorHash, floorLookup}
	return []workload{
		{
			name: oneOf1, title: "One experiment, where one runs", experiments: 1,
			states: bothStates, floor: floorLookup, floors: oneFloors, task: oneTask,
		}, {
			name: oneOf100, title: "One experiment, where 100 run", experiments: 100,
			states: bothStates, floor: floorLookup, floors: oneFloors, task: oneTask,
		}, {
			name: "first-meeting", title: "One experiment, where 100 run, of a unit never met before", experiments: 100,
			states: onOnly, fresh: true, floor: floorLookup, floors: oneFloors, task: firstTask,
		}, {
			name: allLoop, title: "All of 100 experiments for one unit, in a loop over the call for one", experiments: 100,
			states: bothStates, floor: floorLoop, floors: []string{floorLoop}, task: eachTask,
		}, {
			name: allBatch, title: "All of 100 experiments for one unit, by the library's call for all", experiments: 100,
			states: offOnly, floor: floorLoop, floors: []string{floorLoop}, task: allTask,
		}, {
			name: "audience", title: "One experiment with an audience of two conditions, which the unit meets", experiments: 1, conditions: true,
			states: offOnly, floor: floorLookup, floors: oneFloors, task: oneTask,
		}, {
			name: "parallel", title: "One experiment, where 100 run, in as many goroutines as GOMAXPROCS: wall time by operations", experiments: 100, parallel: true,
			states: bothStates, floor: floorLookup, floors: oneFloors, task: parallelTask,
		}, {
			name: loading, title: "Loading a configuration of 1,000 experiments, from bytes", experiments: 1000,
			states: offOnly,
		},
	}
}

func oneTask(s Subject, ids []string, t *task) bool {
	t.run = inTurn(oneByOne(s, ids))
	return true
}

func oneByOne(s Subject, ids []string) func(from, n int) {
	return func(from, n int) {
		x := 0
		for i := from; i < from+n; i++ {
			x += len(s.One(ids[i&(unitCount-1)]))
		}
		runtime.KeepAlive(x)
	}
}

// inTurn goes on with the units where it stopped, so that no slice has to do with a few
// units only, which would stay in the processor's caches.
func inTurn(run func(from, n int)) func(n int) error {
	at := 0
	return func(n int) error {
		run(at, n)
		at += n
		return nil
	}
}

func firstTask(s Subject, _ []string, t *task) bool {
	units := &strangers{next: &met}
	t.prepare, t.most = units.prepare, firstMeetings
	t.run = func(n int) error {
		x := 0
		for _, id := range units.take(n) {
			x += len(s.One(id))
		}
		runtime.KeepAlive(x)
		return nil
	}
	return true
}

// met counts the units that were made for first meetings.
var met atomic.Uint64

func eachTask(s Subject, ids []string, t *task) bool {
	t.run = inTurn(func(from, n int) {
		x := 0
		for i := from; i < from+n; i++ {
			x += s.Each(ids[i&(unitCount-1)], 100)
		}
		runtime.KeepAlive(x)
	})
	return true
}

func allTask(s Subject, ids []string, t *task) bool {
	if _, ok := s.All(ids[0]); !ok {
		return false
	}
	t.run = inTurn(func(from, n int) {
		x := 0
		for i := from; i < from+n; i++ {
			on, _ := s.All(ids[i&(unitCount-1)])
			x += on
		}
		runtime.KeepAlive(x)
	})
	return true
}

func parallelTask(s Subject, ids []string, t *task) bool {
	t.run = inTurn(inParallel(oneByOne(s, ids)))
	return true
}

// inParallel shares the operations out among as many goroutines as GOMAXPROCS.
func inParallel(run func(from, n int)) func(from, n int) {
	return func(from, n int) {
		var wg sync.WaitGroup
		p := runtime.GOMAXPROCS(0)
		for i := range p {
			first, last := n*i/p, n*(i+1)/p
			wg.Go(func() { run(from+first, last-first) })
		}
		wg.Wait()
	}
}
