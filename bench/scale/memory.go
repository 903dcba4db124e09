package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/memstore"
)

// inMemory are the curves that need nothing but this process.
func inMemory() []curve {
	return []curve{
		{name: "one-layers", title: "Reading one experiment, by layers", size: "layers", sizes: []int{1, 10, 100, 1000},
			expected: "flat: a name is looked up in a table, and no other layer is looked at", measure: oneOfLayers},
		{name: "all-layers", title: "All layers' decisions for one unit, by layers", size: "layers", sizes: []int{1, 10, 100, 1000},
			expected: "linear: each layer is decided; the id is hashed once", exponent: 1, measure: allOfLayers},
		{name: "one-experiments", title: "Reading one experiment, by experiments (100 a layer)", size: "experiments", sizes: []int{1, 10, 100, 1000, 10_000},
			expected: "flat, and a step where the plan leaves a cache: the bucket's owner is one look into a table", measure: oneOfExperiments},
		{name: "load-experiments", title: "Loading a plan from its JSON, by experiments", size: "experiments", sizes: []int{1, 10, 100, 1000, 10_000},
			expected: "linear", exponent: 1, measure: loadPlan},
		{name: "memory-experiments", title: "Memory of a snapshot, by experiments (one a layer)", size: "experiments", unit: bytes, sizes: []int{10, 100, 1000, 10_000},
			expected: "linear, below 2 kB each", exponent: 1, measure: snapshotMemory},
		{name: "param-params", title: "Reading a parameter through its handle, by parameters", size: "parameters", sizes: []int{1, 10, 100, 1000, 10_000},
			expected: "flat: the handle knows the parameter's place in the snapshot", measure: readParam},
		{name: "audience-conditions", title: "Reading one experiment, by conditions of its audience", size: "conditions", sizes: []int{1, 2, 4, 8, 16, 32},
			expected: "linear: all are met, so each is evaluated", exponent: 1, measure: readWithAudience},
		{name: "kept-units", title: "Reading one experiment, by units with a stored treatment", size: "kept units", sizes: []int{1000, 10_000, 100_000, 1_000_000},
			expected: "nearly flat: only units whose draw has changed are looked up, in a sorted list", measure: readKept},
		{name: "track-goroutines", title: "Tracking a click from several goroutines at once", size: "goroutines", sizes: []int{1, 2, 4, 16, 64, 256},
			expected: "flat beyond the number of cores: the time for which a lock is held does not depend on who waits", measure: trackAtOnce},
	}
}

func oneOfLayers(n int) (float64, error) {
	s, err := compiled(planOf(n, 1))
	return readFirst(s, experimentKey(n/2)), err
}

func oneOfExperiments(n int) (float64, error) {
	s, err := compiled(planOf(n, min(n, 100)))
	return readFirst(s, experimentKey(n/2)), err
}

// readFirst is the time of assigning a unit and reading one experiment.
func readFirst(s *strata.Snapshot, key string) float64 {
	if s == nil {
		return 0
	}
	length := 0
	defer func() { runtime.KeepAlive(length) }()
	return least(func(n int) {
		for i := range n {
			a := s.Assign(unit1(i))
			length += len(a.Peek(key))
		}
	})
}

func allOfLayers(n int) (float64, error) {
	s, err := compiled(planOf(n, 1))
	if err != nil {
		return 0, err
	}
	length := 0
	defer func() { runtime.KeepAlive(length) }()
	return least(func(n int) {
		for i := range n {
			a := s.Assign(unit1(i))
			for d := range a.All() {
				length += len(d.Treatment())
			}
		}
	}), nil
}

func loadPlan(n int) (float64, error) {
	text, err := json.Marshal(planOf(n, min(n, 10)))
	if err != nil {
		return 0, err
	}
	var failed error
	time := least(func(n int) {
		for range n {
			p, err := strata.ParsePlan(text)
			if err == nil {
				_, err = compiled(p)
			}
			if err != nil {
				failed = err
			}
		}
	})
	return time, failed
}

func snapshotMemory(n int) (float64, error) {
	plan := planOf(n, 1)
	before := heap()
	s, err := compiled(plan)
	after := heap()
	runtime.KeepAlive(s)
	runtime.KeepAlive(plan)
	return float64(after - before), err
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func readParam(n int) (float64, error) {
	s, err := compiled(planOf(n, 1))
	if err != nil {
		return 0, err
	}
	handle := strata.StringParam(paramKey(n/2), off)
	length := 0
	defer func() { runtime.KeepAlive(length) }()
	return least(func(n int) {
		for i := range n {
			length += len(handle.Peek(s.Assign(unit1(i))))
		}
	}), nil
}

func readWithAudience(n int) (float64, error) {
	plan := planOf(1, 1)
	plan.Experiments[0].Audience = conditions(n)
	s, err := compiled(plan)
	if err != nil {
		return 0, err
	}
	set := attributes(n)
	length := 0
	time := least(func(n int) {
		for i := range n {
			u := unit1(i)
			u.Attributes = set
			length += len(s.Assign(u).Peek(experimentKey(0)))
		}
	})
	if length == 0 {
		return 0, fmt.Errorf("no unit is in the audience")
	}
	return time, nil
}

// discard takes everything in and keeps nothing.
type discard struct{ strata.Store }

func (discard) Ingest(context.Context, strata.Batch) error { return nil }

// readKept reads an experiment of which n units were exposed before its weights changed.
func readKept(n int) (float64, error) {
	ctx := context.Background()
	store := memstore.New()
	first := planOf(1, 1)
	if _, err := strata.Publish(ctx, store, first, strata.PublishOptions{Author: "bench", Message: "start"}); err != nil {
		return 0, err
	}
	if err := expose(ctx, store, n); err != nil {
		return 0, err
	}
	next := planOf(1, 1)
	next.Version = 1
	next.Experiments[0].Treatments[0].Weight = 3
	if _, err := strata.Publish(ctx, store, next, strata.PublishOptions{
		Author: "bench", Message: "weights", MaxKept: 4 * n,
		Moves: map[string]strata.Policy{experimentKey(0): strata.Keep},
	}); err != nil {
		return 0, err
	}
	eng, err := strata.Open(ctx, discard{store}, strata.Config{})
	if err != nil {
		return 0, err
	}
	if kept := eng.Status().Kept[experimentKey(0)]; kept < n/5 {
		_, err = eng.Close(ctx)
		return 0, fmt.Errorf("%d units are kept; close: %v", kept, err)
	}
	time := readFirst(eng.Snapshot(), experimentKey(0))
	_, err = eng.Close(ctx)
	return time, err
}

// expose has an engine record the exposure of n units.
func expose(ctx context.Context, store strata.Store, n int) error {
	eng, err := strata.Open(ctx, store, strata.Config{})
	if err != nil {
		return err
	}
	for i := range n {
		eng.Assign(strata.Unit{User: id(i)}).Expose(experimentKey(0))
		if i%10_000 == 9999 {
			if _, err := eng.Flush(ctx); err != nil {
				return err
			}
		}
	}
	_, err = eng.Close(ctx)
	return err
}

// trackAtOnce is the time for which a processor is busy with one click, taken in from n
// goroutines at once by an engine whose store keeps up.
func trackAtOnce(n int) (float64, error) {
	ctx := context.Background()
	eng, err := strata.Open(ctx, discard{memstore.New()}, strata.Config{})
	if err != nil {
		return 0, err
	}
	var refused atomic.Int64
	const each = 200_000
	best := 0.0
	for range 8 {
		start := time.Now()
		var all sync.WaitGroup
		for g := range n {
			all.Go(func() {
				for i := range each / n {
					if eng.Track(unit1(g+i), strata.Click{Target: "buy", Page: "/"}) != nil {
						refused.Add(1)
					}
				}
			})
		}
		all.Wait()
		if t := float64(time.Since(start).Nanoseconds()) / each; best == 0 || t < best {
			best = t
		}
		if _, err := eng.Flush(ctx); err != nil {
			return 0, err
		}
	}
	_, err = eng.Close(ctx)
	if n := refused.Load(); n > each {
		return 0, fmt.Errorf("%d clicks were refused", n)
	}
	return best, err
}
