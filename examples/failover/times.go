package main

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// phase is when a request came: before the first failover, while no server took
// writes, or after that.
type phase int

const (
	before phase = iota
	during
	after
	numPhases
)

var phaseNames = [numPhases]string{"before", "during", "after"}

// times are how long requests took. It is safe for concurrent use.
type times struct {
	mu    sync.Mutex
	phase phase
	took  [numPhases][]time.Duration
}

func (t *times) enter(p phase) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.phase = p
}

func (t *times) add(took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.took[t.phase] = append(t.took[t.phase], took)
}

// summary is what is told of a phase.
type summary struct {
	requests          int
	median, p999, max time.Duration
}

func (t *times) summary() (list [numPhases]summary) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for p, took := range t.took {
		slices.Sort(took)
		if n := len(took); n > 0 {
			list[p] = summary{n, took[n/2], took[n*999/1000], took[n-1]}
		}
	}
	return list
}

func printRequests(list [numPhases]summary) {
	fmt.Println("What requests took that assign and track, in microseconds:")
	fmt.Println()
	fmt.Printf("%10s %12s %10s %10s %10s\n", "failover", "requests", "median", "p99.9", "slowest")
	for p, s := range list {
		fmt.Printf("%10s %12s %10.1f %10.1f %10.1f\n", phaseNames[p], thousands(int64(s.requests)), micros(s.median), micros(s.p999), micros(s.max))
	}
	fmt.Println()
	if list[during].requests > 0 {
		fmt.Printf("While no server took writes the slowest of %s requests took %.1f ms; before, %.1f ms.\n\n",
			thousands(int64(list[during].requests)), micros(list[during].max)/1000, micros(list[before].max)/1000)
	}
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
