package rollup_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/rollup"
	"github.com/strataxp/strata/stats"
)

func floats(values ...float64) *strata.UnitTotals {
	t := &strata.UnitTotals{Variables: len(values)}
	copy(t.Floats[:], values)
	return t
}

// fixed is the multiple of 2⁻⁹⁶ that is nearest to v, the upper of two.
func fixed(v float64) *big.Rat {
	r := new(big.Rat).SetFloat64(v)
	scale := new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), 96))
	r.Mul(r, scale).Add(r, big.NewRat(1, 2))
	n := new(big.Int).Div(r.Num(), r.Denom()) // Euclidean: rounds down, as the denominator is positive
	return new(big.Rat).Quo(new(big.Rat).SetInt(n), scale)
}

func rational(t require.TestingT, decimal string) *big.Rat {
	r, ok := new(big.Rat).SetString(decimal)
	require.True(t, ok, "%q is no decimal", decimal)
	return r
}

func equalRat(t require.TestingT, want *big.Rat, decimal string) {
	require.Zero(t, want.Cmp(rational(t, decimal)), "got %s, want %s", decimal, want.FloatString(120))
}

// oddFloat draws values around what a float of fixed point can hold.
func oddFloat(t *rapid.T) float64 {
	tiny := math.Ldexp(1, -96)
	v := rapid.SampledFrom([]float64{0, 1, 0.1, 1e15, 1e-13, tiny, tiny / 2, math.Nextafter(tiny/2, 0), math.Nextafter(tiny/2, 1),
		tiny * 1.5, tiny * 2.5, tiny / 4, 5e-324, math.SmallestNonzeroFloat64 * 3, 2.2250738585072014e-308, 1 << 53, 1<<53 + 2, 123456.789}).Draw(t, "float")
	if rapid.Bool().Draw(t, "any") {
		v = rapid.Float64Range(-1e15, 1e15).Draw(t, "any float")
	}
	if rapid.Bool().Draw(t, "negative") {
		v = -v
	}
	return v
}

// Sums of floats are exact sums of what each float is in fixed point.
func TestFloatsAddUpExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.IntRange(1, 4).Draw(t, "variables")
		var sums, other rollup.Sums
		want := make([]big.Rat, k)
		products := make([]big.Rat, k*(k+1)/2)
		n := int64(0)
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			values := make([]float64, k)
			for i := range values {
				values[i] = oddFloat(t)
			}
			to, sign := &sums, big.NewRat(1, 1)
			if rapid.Bool().Draw(t, "other") {
				to = &other
			}
			if rapid.Bool().Draw(t, "remove") {
				sign.SetInt64(-1)
				require.NoError(t, to.Remove(floats(values...), -1))
			} else {
				require.NoError(t, to.Add(floats(values...), -1))
			}
			n += sign.Num().Int64()
			for i, p := 0, 0; i < k; i++ {
				x := fixed(values[i])
				want[i].Add(&want[i], new(big.Rat).Mul(sign, x))
				for j := range i + 1 {
					xy := new(big.Rat).Mul(x, fixed(values[j]))
					products[p].Add(&products[p], xy.Mul(xy, sign))
					p++
				}
			}
		}
		require.NoError(t, sums.Merge(&other))
		d := sums.Decimals()
		require.Equal(t, n, d.N)
		require.Len(t, d.Sums, k)
		require.Len(t, d.Products, len(products))
		for i := range want {
			equalRat(t, &want[i], d.Sums[i])
		}
		for p := range products {
			equalRat(t, &products[p], d.Products[p])
		}
	})
}

// The comment says from which size on fixed point loses nothing.
func TestFixedPointKeepsFloatsAbove1e13(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Float64Range(1e-13, 1e15).Draw(t, "value")
		for _, v := range []float64{v, -v} {
			var s rollup.Sums
			require.NoError(t, s.Add(floats(v), -1))
			equalRat(t, new(big.Rat).SetFloat64(v), s.Decimals().Sums[0])
		}
	})
}

// Replacing a unit's total over and over leaves nothing behind.
func TestFloatsDoNotDrift(t *testing.T) {
	var s rollup.Sums
	total := 0.0
	require.NoError(t, s.Add(floats(total), -1))
	for range 10_000 {
		before := total
		total += 0.1
		require.NoError(t, s.Remove(floats(before), -1))
		require.NoError(t, s.Add(floats(total), -1))
	}
	equalRat(t, fixed(total), s.Decimals().Sums[0])
	require.EqualValues(t, 1, s.Decimals().N)
}

func TestIntegersAddUpExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s rollup.Sums
		sum, square, mixed := new(big.Int), new(big.Int), new(big.Int)
		n := int64(0)
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			a, b := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")
			totals := &strata.UnitTotals{Variables: 2, Exact: true}
			totals.Integers[0], totals.Integers[1] = a, b
			sign := big.NewInt(1)
			if rapid.Bool().Draw(t, "remove") {
				sign.SetInt64(-1)
				require.NoError(t, s.Remove(totals, -1))
			} else {
				require.NoError(t, s.Add(totals, -1))
			}
			n += sign.Int64()
			x, y := big.NewInt(a), big.NewInt(b)
			sum.Add(sum, new(big.Int).Mul(sign, x))
			square.Add(square, new(big.Int).Mul(sign, new(big.Int).Mul(x, x)))
			mixed.Add(mixed, new(big.Int).Mul(sign, new(big.Int).Mul(x, y)))
		}
		d := s.Decimals()
		require.Equal(t, n, d.N)
		require.Equal(t, []string{sum.String(), square.String(), mixed.String()}, []string{d.Sums[0], d.Products[0], d.Products[1]})
	})
}

func TestValuesThatCannotBeAddedAreRefused(t *testing.T) {
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		var s rollup.Sums
		require.ErrorIs(t, s.Add(floats(1, v), -1), stats.ErrValue)
		require.Zero(t, s.Decimals().N, "a refused value leaves nothing behind")
	}
	var s rollup.Sums
	require.NoError(t, s.Add(floats(1, 2), -1))
	require.Error(t, s.Add(floats(1), -1))
}
