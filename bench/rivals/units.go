package main

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
)

// unitCount is how many ids the workloads go through; a power of two.
const unitCount = 1024

// unitIDs are 36 bytes long, like UUIDs.
func unitIDs() []string {
	ids := make([]string, unitCount)
	for i := range ids {
		ids[i] = unitID(uint64(i))
	}
	return ids
}

func unitID(i uint64) string {
	return fmt.Sprintf("%08x-1f2e-4d3c-8b5a-%012x", uint32(i*0x9E3779B1), i*7919)
}

// strangers are ids that nobody has seen: they are made before a sample, outside of
// what is measured.
type strangers struct {
	ids  []string
	next *atomic.Uint64 // shared, so that no two samples get the same
}

// take returns the next n of the ids that were prepared.
func (s *strangers) take(n int) []string {
	ids := s.ids[:n]
	s.ids = s.ids[n:]
	return ids
}

// prepare makes n ids. Those that were not taken are dropped.
func (s *strangers) prepare(n int) {
	s.ids = make([]string, 0, n)
	for range n {
		s.ids = append(s.ids, unitID(unitCount+s.next.Add(1)))
	}
}

// shuffled returns the numbers below n in an order drawn from a seed and a round.
func shuffled(n int, seed, round uint64) []int {
	return rand.New(rand.NewPCG(seed, round)).Perm(n)
}
