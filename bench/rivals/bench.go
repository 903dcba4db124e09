package main

import (
	"errors"
	"fmt"
	"regexp"
	"sync/atomic"
)

// bench is what is loaded for a run.
type bench struct {
	tasks   []*task
	closers []func() error
	ids     []string
	loaded  map[string]Subject
}

// newBench loads and verifies everything that the chosen workloads need.
func newBench(chosen, subjects *regexp.Regexp) (*bench, error) {
	b := &bench{ids: unitIDs(), loaded: map[string]Subject{}}
	for _, w := range workloads() {
		if !chosen.MatchString(w.name) {
			continue
		}
		b.addFloors(&w)
		for _, a := range adapters() {
			if !subjects.MatchString(a.Name()) {
				continue
			}
			if err := b.add(&w, a); err != nil {
				return nil, errors.Join(fmt.Errorf("%s, %s: %w", w.name, a.Name(), err), b.close())
			}
		}
	}
	return b, nil
}

func (b *bench) addFloors(w *workload) {
	for _, name := range w.floors {
		var run func(from, n int)
		switch name {
		case floorHash:
			run = hashFloor(b.ids)
		case floorLookup:
			run = lookupFloor(b.ids)
		case floorLoop:
			run = loopFloor(b.ids)
		}
		t := &task{workload: w.name, subject: name, floor: true, parallel: w.parallel}
		if w.parallel {
			run = inParallel(run)
		}
		t.run = inTurn(run)
		b.tasks = append(b.tasks, t)
	}
}

// add adds the tasks of one library in one workload.
func (b *bench) add(w *workload, a Adapter) error {
	if w.task == nil {
		return b.addLoading(w, a)
	}
	for _, exposures := range w.states {
		s, err := b.subject(w, a, exposures)
		if err != nil {
			return err
		}
		t := &task{workload: w.name, subject: a.Name(), exposures: exposures, parallel: w.parallel}
		if !w.task(s, b.ids, t) {
			continue
		}
		if t.prepare == nil { // every unit is met once, so that only repetitions are measured
			if _, err := t.once(unitCount); err != nil {
				return err
			}
		}
		b.tasks = append(b.tasks, t)
	}
	return nil
}

func (b *bench) addLoading(w *workload, a Adapter) error {
	l, err := a.Loading(w.experiments)
	if err != nil {
		return err
	}
	b.closers = append(b.closers, l.Close)
	t := &task{workload: w.name, subject: a.Name()}
	t.run = func(n int) error {
		for range n {
			if err := l.Load(); err != nil {
				return err
			}
		}
		return nil
	}
	b.tasks = append(b.tasks, t)
	return nil
}

// subject returns a library as a workload needs it, verified. Workloads share them.
func (b *bench) subject(w *workload, a Adapter, exposures bool) (Subject, error) {
	key := fmt.Sprint(a.Name(), w.experiments, w.conditions, exposures)
	if s := b.loaded[key]; s != nil && !w.fresh {
		return s, nil
	}
	setup := Setup{Experiments: w.experiments, Conditions: w.conditions}
	if exposures {
		setup.Exposures = new(tally).add
	}
	s, err := a.Load(setup)
	if err != nil {
		return nil, err
	}
	b.closers = append(b.closers, s.Close)
	if !w.fresh {
		b.loaded[key] = s
	}
	return s, verify(s, setup, b.ids)
}

// tally counts exposures.
type tally struct{ n atomic.Int64 }

func (t *tally) add() { t.n.Add(1) }

func (b *bench) close() error {
	var errs []error
	for _, c := range b.closers {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}
