package sim

import (
	"math"
	"math/rand/v2"
)

// mix is the finaliser of SplitMix64 (Steele, Lea and Flood, 2014): seeds that
// differ in one bit give numbers that have nothing to do with each other.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// derive makes a seed for a part of something that has a seed.
func derive(seed, part uint64) uint64 { return mix(seed ^ mix(part)) }

// dice are the random numbers of one visitor at a time. Which generator they come
// from is switched without an allocation.
type dice struct {
	source *switched
	*rand.Rand
}

type switched struct{ *rand.PCG }

func newDice() dice {
	s := &switched{new(rand.PCG)}
	return dice{s, rand.New(s)}
}

// begin starts the numbers of a seed anew.
func (d dice) begin(pcg *rand.PCG, seed uint64) {
	pcg.Seed(seed, mix(seed))
	d.source.PCG = pcg
}

// hit is true with a chance.
func (d dice) hit(chance float64) bool { return chance > 0 && d.Float64() < chance }

// poisson draws a number with that mean, which is at most maxPieces.
func (d dice) poisson(mean float64) int64 {
	n, product, limit := int64(0), d.Float64(), math.Exp(-mean)
	for product > limit {
		product *= d.Float64()
		n++
	}
	return n
}

// spread is a log-normal distribution of microseconds.
type spread struct{ mu, sigma float64 }

func spreadOf(l LogNormal) spread {
	return spread{math.Log(float64(l.Median) / 1000), l.Sigma}
}

// draw draws a time in microseconds, at least 1, at most some 300 years.
func (s spread) draw(d dice, factor float64) int64 {
	v := s.mu
	if s.sigma > 0 {
		v += s.sigma * d.NormFloat64()
	}
	return int64(min(max(factor*math.Exp(v), 1), 1e16))
}

// cumulative turns weights into the ends of their intervals. The last is the sum.
func cumulative(weights []float64) []float64 {
	ends := make([]float64, len(weights))
	sum := 0.0
	for i, w := range weights {
		sum += w
		ends[i] = sum
	}
	return ends
}

// pick returns the interval in which u, from 0 to below 1, falls.
func pick(ends []float64, u float64) int {
	last := len(ends) - 1
	x := u * ends[last]
	for i, end := range ends[:last] {
		if x < end {
			return i
		}
	}
	return last
}

// uniform turns a hash into a number from 0 to below 1.
func uniform(hash uint64) float64 { return float64(hash>>11) / (1 << 53) }
