package oracle

import (
	"math/big"

	"github.com/strataxp/strata/stats"
)

// Moments are those of units, given as the variables of each, with each number
// rounded once. It panics where a number passes the range of float64.
func Moments(units [][]*big.Rat) stats.Moments {
	if len(units) == 0 {
		return stats.Moments{}
	}
	n, k := big.NewRat(int64(len(units)), 1), len(units[0])
	sum := func(of func(u []*big.Rat) *big.Rat) *big.Rat {
		total := new(big.Rat)
		for _, u := range units {
			total.Add(total, of(u))
		}
		return total
	}
	var means, comoments []float64
	var sums []*big.Rat
	for i := range k {
		sums = append(sums, sum(func(u []*big.Rat) *big.Rat { return u[i] }))
		means = append(means, float(new(big.Rat).Quo(sums[i], n)))
		for j := range i + 1 { // Σxy − ΣxΣy/n
			c := sum(func(u []*big.Rat) *big.Rat { return new(big.Rat).Mul(u[i], u[j]) })
			both := new(big.Rat).Mul(sums[i], sums[j])
			comoments = append(comoments, float(c.Sub(c, both.Quo(both, n))))
		}
	}
	m, err := stats.NewMoments(int64(len(units)), means, comoments)
	if err != nil {
		panic("oracle: the oracle is wrong: " + err.Error())
	}
	return m
}

func float(r *big.Rat) float64 {
	f, _ := r.Float64()
	return f
}
