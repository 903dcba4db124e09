// Package spec is the specification of assignment, implemented a second time:
// from the text of the comment at the top of bucket.go and from the
// specification of xxHash (github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md),
// and from nothing else. It shares no code with what it checks, and imports
// nothing of this module, so that the tests of every package may use it.
//
// Functions take salts as they are: who has a plan replaces an empty one by the
// key first. All of them are pure and safe for concurrent use.
package spec

import (
	"math"
	"math/big"
	"strconv"
)

// Mix combines the hash of an id with a seed into 64 uniform bits.
func Mix(h, seed uint64) uint64 {
	v := h ^ seed
	v ^= v >> 30
	v *= 0xBF58476D1CE4E5B9
	v ^= v >> 27
	v *= 0x94D049BB133111EB
	v ^= v >> 31
	return v
}

// Scale returns the high 64 bits of the product of x and n, in integers of any
// size. n is not negative.
func Scale(x uint64, n int64) int64 {
	product := new(big.Int).Mul(new(big.Int).SetUint64(x), big.NewInt(n))
	return product.Rsh(product, 64).Int64()
}

// LayerSeed returns the seed of a layer's buckets.
func LayerSeed(salt string) uint64 { return XXH64("strata/layer\x00" + salt) }

// ExperimentSeed returns the seed by which a phase of an experiment draws
// treatments.
func ExperimentSeed(salt string, phase int) uint64 {
	return XXH64("strata/experiment\x00" + salt + "\x00" + strconv.Itoa(phase))
}

// Bucket returns the bucket of an id in a layer, from 0 to 9999.
func Bucket(id, layerSalt string) int {
	return int(Scale(Mix(XXH64(id), LayerSeed(layerSalt)), 10000))
}

// Treatment returns the index of the treatment that a phase of an experiment
// draws for an id, or -1 where all weights are 0.
func Treatment(id, salt string, phase int, weights []int) int {
	total := int64(0)
	for _, w := range weights {
		total += int64(w)
	}
	at, sum := Scale(Mix(XXH64(id), ExperimentSeed(salt, phase)), total), int64(0)
	for i, w := range weights {
		if sum += int64(w); at < sum {
			return i
		}
	}
	return -1
}

// RampPoint returns where on the way from 0 to 999,999 a ramp opens a bucket.
func RampPoint(bucket int, salt string) int {
	seed := XXH64("strata/ramp\x00" + salt)
	return int(Scale(Mix(XXH64(strconv.Itoa(bucket)), seed), 1000000))
}

// RampOpens tells whether a ramp step of a share opens a bucket.
func RampOpens(bucket int, salt string, share float64) bool {
	return float64(RampPoint(bucket, salt)) < math.Round(share*1000000)
}
