package main

import (
	"math/bits"
	"runtime"

	"github.com/cespare/xxhash/v2"
)

// The physical floor: what no assignment by hashing can go below, measured in the same
// run as plain loops that call nothing else.

// The names of floors, as tables and targets call them.
const (
	floorHash   = "floor a: hash"
	floorLookup = "floor b: map and hash"
	floorLoop   = "floor c: bare loop"
)

// hashFloor hashes ids.
func hashFloor(ids []string) func(from, n int) {
	return func(from, n int) {
		var x uint64
		for i := from; i < from+n; i++ {
			x += xxhash.Sum64String(ids[i&(len(ids)-1)])
		}
		runtime.KeepAlive(x)
	}
}

// lookupFloor hashes ids, and looks the name of an experiment up among a hundred.
func lookupFloor(ids []string) func(from, n int) {
	experiments := map[string]uint64{}
	for i, name := range names[:100] {
		experiments[name] = uint64(i)
	}
	return func(from, n int) {
		var x uint64
		name := names[0]
		for i := from; i < from+n; i++ {
			x += xxhash.Sum64String(ids[i&(len(ids)-1)]) ^ experiments[name]
		}
		runtime.KeepAlive(x)
	}
}

// loopFloor hashes an id once, and draws one of two treatments for each of a hundred
// seeds.
func loopFloor(ids []string) func(from, n int) {
	seeds := make([]uint64, 100)
	for i := range seeds {
		seeds[i] = xxhash.Sum64String(names[i])
	}
	return func(from, n int) {
		var x uint64
		for i := from; i < from+n; i++ {
			h := xxhash.Sum64String(ids[i&(len(ids)-1)])
			for _, seed := range seeds {
				x += second(h, seed)
			}
		}
		runtime.KeepAlive(x)
	}
}

// second draws one of two treatments of equal weight: 0 or 1. It mixes and scales as
// bucket.go in the root package specifies.
func second(h, seed uint64) uint64 {
	v := h ^ seed
	v = (v ^ v>>30) * 0xBF58476D1CE4E5B9
	v = (v ^ v>>27) * 0x94D049BB133111EB
	point, _ := bits.Mul64(v^v>>31, 2)
	_, first := bits.Sub64(point, 1, 0)
	return 1 - first
}
