package main

import (
	"fmt"
	"math"
	"strings"
)

// What strata promises beside the floor and the other libraries, on best times.
const (
	mostFloors   = 2  // times the floor, at most
	oneAdvantage = 10 // times as fast as the fastest rival for one experiment, at least
	allAdvantage = 50 // and for all of 100
	loadingLimit = 1  // times as fast as the fastest rival in loading, at least
)

// someAllocations is what counts as none: goroutines of other libraries allocate too.
const someAllocations = 0.01

// target is one promise and what was found.
type target struct {
	promise string
	found   string
	kept    bool
}

// targets judges measured tasks. What was not measured is not kept.
func targets(tasks []*task) []target {
	m := measured{tasks}
	var list []target
	for _, w := range []string{oneOf1, oneOf100} {
		for _, exposures := range bothStates {
			name := fmt.Sprintf("%s, exposures %s", w, map[bool]string{false: "off", true: "on"}[exposures])
			own := m.best(w, "strata", exposures)
			rival, time := m.fastest(exposures, w)
			list = append(list,
				atMost(name+": times floor b", own/m.best(w, floorLookup, false), mostFloors),
				atLeast(name+": times as fast as "+rival, time/own, oneAdvantage))
		}
	}
	own := m.best(allBatch, "strata", false)
	rival, time := m.fastest(false, allLoop, allBatch)
	list = append(list,
		atMost(allBatch+": times floor c", own/m.best(allBatch, floorLoop, false), mostFloors),
		atLeast(allBatch+": times as fast as "+rival, time/own, allAdvantage),
		m.noAllocations())
	rival, time = m.fastest(false, loading)
	return append(list, atLeast(loading+": times as fast as "+rival, time/m.best(loading, "strata", false), loadingLimit))
}

func atMost(what string, figure, limit float64) target {
	return target{fmt.Sprintf("%s, at most %g", what, limit), decimalOrNone(figure), figure <= limit}
}

func atLeast(what string, figure, limit float64) target {
	return target{fmt.Sprintf("%s, at least %g", what, limit), decimalOrNone(figure), figure >= limit}
}

func decimalOrNone(x float64) string {
	if math.IsNaN(x) {
		return "not measured"
	}
	return decimal(x)
}

// measured is a list of tasks that were measured.
type measured struct{ tasks []*task }

// best returns the best time of a subject in a workload, NaN where there is none: every
// comparison with it fails.
func (m measured) best(workload, subject string, exposures bool) float64 {
	t := find(m.tasks, workload, subject, exposures)
	if t == nil || len(t.figures.least) == 0 {
		return math.NaN()
	}
	return t.figures.best()
}

// fastest returns the rival with the best time in any of the workloads, and that time.
func (m measured) fastest(exposures bool, among ...string) (name string, nanos float64) {
	name, nanos = "the fastest rival", math.NaN()
	for _, a := range adapters()[1:] {
		for _, w := range among {
			if t := m.best(w, a.Name(), exposures); t < nanos || math.IsNaN(nanos) && !math.IsNaN(t) {
				name, nanos = a.Name(), t
			}
		}
	}
	return name, nanos
}

// noAllocations looks at every workload that promises none.
func (m measured) noAllocations() target {
	most, seen := 0.0, 0
	for _, w := range []string{oneOf1, oneOf100, allLoop, allBatch} {
		for _, exposures := range bothStates {
			if t := find(m.tasks, w, "strata", exposures); t != nil && len(t.figures.allocs) > 0 {
				most, seen = max(most, t.figures.allocations()), seen+1
			}
		}
	}
	if seen == 0 {
		most = math.NaN()
	}
	t := atMost("one experiment and all of 100: allocations", most, someAllocations)
	t.promise = "one experiment and all of 100: no allocations"
	return t
}

// writeTargets prints each target with its figure, and reports whether all are kept.
func writeTargets(out *strings.Builder, list []target) bool {
	kept := true
	for _, t := range list {
		word := "kept  "
		if !t.kept {
			word, kept = "MISSED", false
		}
		fmt.Fprintf(out, "%s  %s: %s\n", word, t.promise, t.found)
	}
	return kept
}
