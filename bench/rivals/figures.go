package main

import "slices"

// figures are what one subject needed for an operation in a workload, over all rounds.
type figures struct {
	least  []float64 // nanoseconds in the best slice, for each round
	nanos  []float64 // nanoseconds over a whole sample, for each round
	allocs []float64
}

// best is the least time of a slice in nanoseconds. Others on the machine only ever
// add, so it is the estimate. It is 0 without rounds, like the others.
func (f *figures) best() float64 { return quantile(f.least, 0) }

// median is the middle of the samples' times in nanoseconds.
func (f *figures) median() float64 { return quantile(f.nanos, 0.5) }

// spread is the ninetieth percentile of the samples' times by the tenth.
func (f *figures) spread() float64 {
	low := quantile(f.nanos, 0.1)
	if low == 0 {
		return 0
	}
	return quantile(f.nanos, 0.9) / low
}

// allocations is the least number of allocations: what other goroutines of the process
// allocate is counted too.
func (f *figures) allocations() float64 { return quantile(f.allocs, 0) }

// quantile returns the value below which a share of the values lie, between two of
// them by linear interpolation, and 0 for no values.
func quantile(values []float64, share float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	at := share * float64(len(sorted)-1)
	i := int(at)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
