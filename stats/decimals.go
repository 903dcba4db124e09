package stats

import (
	"fmt"
	"math/big"
	"strings"
)

// maxDigits bounds the texts that are parsed, so that a hostile one cannot
// make the arithmetic slow. Sums of 2^63 squares of int64 have 57 digits, those
// of squares of floats that were rounded to 2^−96 up to 250.
const maxDigits = 400

// MomentsFromDecimals returns the moments of a sample of n units from the
// plain sums Σ x_i and Σ x_i·x_j, written as decimals such as "40040.03" and
// ordered as in [NewSums]. The arithmetic is exact and rounds once at the
// end, so that it is safe where float64 sums are not: this is the way in for
// sums over a database's numeric columns.
//
// It fails with [ErrVariables] when the lengths do not fit together, with
// [ErrValue] for a text that is not a plain decimal (exponents are not) or
// has more than 400 digits, and with [ErrImpossible] when no sample has these
// sums, as happens when the sums themselves were rounded on the way.
func MomentsFromDecimals(n int64, sums, products []string) (Moments, error) {
	exact, err := parseExact(n, sums, products)
	if err != nil || n == 0 {
		return Moments{}, err
	}
	m := exact.moments()
	if !m.finite() {
		return Moments{}, fmt.Errorf("%w: the sums exceed float64", ErrValue)
	}
	return m, nil
}

// exactSums are plain sums of k variables as integers: sums holds
// Σ x_i·10^decimals, products Σ x_i·x_j·10^(2·decimals).
type exactSums struct {
	n        int64
	decimals int
	sums     []*big.Int
	products []*big.Int
}

// parseExact reads decimal sums and refuses what no sample can have.
func parseExact(n int64, sums, products []string) (exactSums, error) {
	e := exactSums{n: n}
	if err := checkShape(n, len(sums), len(products)); err != nil {
		return e, err
	}
	for _, text := range sums {
		d, err := decimalPlaces(text)
		if err != nil {
			return e, err
		}
		e.decimals = max(e.decimals, d)
	}
	for _, text := range products {
		d, err := decimalPlaces(text)
		if err != nil {
			return e, err
		}
		e.decimals = max(e.decimals, (d+1)/2)
	}
	for _, text := range sums {
		e.sums = append(e.sums, scaled(text, e.decimals))
	}
	for _, text := range products {
		e.products = append(e.products, scaled(text, 2*e.decimals))
	}
	return e, e.check()
}

// decimalPlaces is the number of significant digits after the point of a
// plain decimal, trailing zeros not counted.
func decimalPlaces(text string) (int, error) {
	digits := strings.TrimPrefix(text, "-")
	whole, fraction, point := strings.Cut(digits, ".")
	if len(digits) > maxDigits || !onlyDigits(whole) || (point && !onlyDigits(fraction)) {
		return 0, fmt.Errorf("%w: %.40q is not a plain decimal", ErrValue, text)
	}
	return len(strings.TrimRight(fraction, "0")), nil
}

func onlyDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// scaled is text·10^decimals for a text that decimalPlaces accepts with at
// most that many places.
func scaled(text string, decimals int) *big.Int {
	whole, fraction, _ := strings.Cut(text, ".")
	fraction = strings.TrimRight(fraction, "0")
	v, _ := new(big.Int).SetString(whole+fraction+strings.Repeat("0", decimals-len(fraction)), 10)
	return v
}

// check refuses sums that no sample has: a spread below zero, a spread of
// one unit, a co-moment beyond what Cauchy and Schwarz allow.
func (e exactSums) check() error {
	if e.n == 0 {
		for _, v := range append(e.sums, e.products...) {
			if v.Sign() != 0 {
				return fmt.Errorf("%w: sums of no units are not zero", ErrImpossible)
			}
		}
		return nil
	}
	for i := range e.sums {
		own := e.spread(i, i)
		if own.Sign() < 0 || (e.n == 1 && own.Sign() != 0) {
			return fmt.Errorf("%w: sum and sum of squares of variable %d are not of %d units", ErrImpossible, i, e.n)
		}
		for j := range i {
			c := e.spread(i, j)
			if c.Mul(c, c).Cmp(new(big.Int).Mul(own, e.spread(j, j))) > 0 {
				return fmt.Errorf("%w: the products of variables %d and %d are too large for their squares", ErrImpossible, i, j)
			}
		}
	}
	return nil
}

// spread is n·Σxy − Σx·Σy = n·C(i,j), scaled by 10^(2·decimals).
func (e exactSums) spread(i, j int) *big.Int {
	c := new(big.Int).Mul(big.NewInt(e.n), e.products[pair(i, j)])
	return c.Sub(c, new(big.Int).Mul(e.sums[i], e.sums[j]))
}

// moments rounds the exact rational moments once each.
func (e exactSums) moments() Moments {
	m := Moments{n: e.n, k: len(e.sums)}
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(e.decimals)), nil)
	units := new(big.Int).Mul(big.NewInt(e.n), scale)
	squared := new(big.Int).Mul(units, scale)
	for i := range e.sums {
		m.mean[i] = nearest(e.sums[i], units)
		for j := range i + 1 {
			m.comoments[pair(i, j)] = nearest(e.spread(i, j), squared)
		}
	}
	return m
}

// nearest is the float64 nearest to a/b.
func nearest(a, b *big.Int) float64 {
	q := new(big.Float).SetPrec(53).Quo(new(big.Float).SetInt(a), new(big.Float).SetInt(b))
	v, _ := q.Float64()
	return v
}
