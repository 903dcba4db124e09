package rollup

import (
	"fmt"
	"math"
	"math/big"
	"strings"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/stats"
)

// Sums are the exact sums of some units' values, or the change of such: units
// are added and taken out again, in any order. The zero value is no change.
//
// Integers are added as they are. Floats are first rounded to a multiple of
// 2⁻⁹⁶, which changes no float64 above 10⁻¹³ in size, and then added exactly:
// so results do not drift, however often a unit's total is replaced.
type Sums struct {
	added, removed stats.Sums
	floats         *floatSums // nil while there are none
}

// Add adds what a unit contributes: for a funnel, of one step.
func (s *Sums) Add(t *strata.UnitTotals, step int) error { return s.change(t, step, 1) }

// Remove takes out what was added with the same values.
func (s *Sums) Remove(t *strata.UnitTotals, step int) error { return s.change(t, step, -1) }

func (s *Sums) change(t *strata.UnitTotals, step int, sign int64) error {
	if t.Variables == 0 {
		return nil
	}
	if !t.Exact {
		if s.floats == nil {
			s.floats = new(floatSums)
		}
		return s.floats.change(t.Floats[:t.Variables], sign)
	}
	values := t.Integers[:t.Variables]
	if step >= 0 {
		values = t.Integers[step : step+1]
	}
	if sign > 0 {
		return s.added.Add(values...)
	}
	return s.removed.Add(values...)
}

// Merge adds another change.
func (s *Sums) Merge(other *Sums) error {
	if err := s.added.Merge(other.added); err != nil {
		return err
	}
	if err := s.removed.Merge(other.removed); err != nil {
		return err
	}
	if other.floats == nil {
		return nil
	}
	if s.floats == nil {
		s.floats = new(floatSums)
	}
	return s.floats.merge(other.floats)
}

// Decimals are exact sums as decimals, which a database's numeric takes.
type Decimals struct {
	N        int64
	Sums     []string // one for each variable
	Products []string // packed as in stats.NewSums
}

// Decimals returns the change. Without any it has no variables.
func (s *Sums) Decimals() Decimals {
	d := Decimals{N: s.added.N() - s.removed.N()}
	if s.floats != nil {
		d.N += s.floats.n
		return s.floats.decimals(d)
	}
	k := max(s.added.K(), s.removed.K())
	for i := range k {
		d.Sums = append(d.Sums, difference(s.added, s.removed, func(x stats.Sums) *big.Int { return x.Sum(i) }).String())
		for j := range i + 1 {
			d.Products = append(d.Products, difference(s.added, s.removed, func(x stats.Sums) *big.Int { return x.Product(i, j) }).String())
		}
	}
	return d
}

func difference(a, b stats.Sums, of func(stats.Sums) *big.Int) *big.Int {
	d := new(big.Int)
	if a.K() > 0 {
		d.Set(of(a))
	}
	if b.K() > 0 {
		d.Sub(d, of(b))
	}
	return d
}

// Moments returns the moments of the units.
func (s *Sums) Moments() (stats.Moments, error) {
	if s.floats == nil && s.removed.N() == 0 {
		return s.added.Moments(), nil
	}
	return s.Decimals().Moments()
}

// Moments returns the moments of the units.
func (d Decimals) Moments() (stats.Moments, error) {
	if d.N == 0 {
		return stats.Moments{}, nil
	}
	return stats.MomentsFromDecimals(d.N, d.Sums, d.Products)
}

// maxVariables is a ratio with its past: numerator and denominator, twice.
const maxVariables = 4

// floatBits is how many binary places a float keeps.
const floatBits = 96

// floatSums are sums of floats as multiples of 2⁻⁹⁶, and of their products as
// multiples of 2⁻¹⁹².
type floatSums struct {
	n        int64
	k        int
	sums     [maxVariables]big.Int
	products [maxVariables * (maxVariables + 1) / 2]big.Int
}

func (f *floatSums) change(values []float64, sign int64) error {
	if f.k != 0 && f.k != len(values) {
		return fmt.Errorf("rollup: %d values in sums of %d variables", len(values), f.k)
	}
	var fixed [maxVariables]big.Int
	for i, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%w: %v", stats.ErrValue, v)
		}
		fixPoint(&fixed[i], v)
	}
	f.n, f.k = f.n+sign, len(values)
	var product big.Int
	p := 0
	for i := range values {
		for j := range i + 1 {
			product.Mul(&fixed[i], &fixed[j])
			addSigned(&f.products[p], &product, sign)
			p++
		}
		addSigned(&f.sums[i], &fixed[i], sign)
	}
	return nil
}

func addSigned(to, v *big.Int, sign int64) {
	if sign > 0 {
		to.Add(to, v)
	} else {
		to.Sub(to, v)
	}
}

// fixPoint sets z to the integer nearest to v·2⁹⁶.
func fixPoint(z *big.Int, v float64) {
	fraction, exponent := math.Frexp(v)
	mantissa := int64(math.Ldexp(fraction, 53)) // v = mantissa·2^(exponent−53)
	z.SetInt64(mantissa)
	shift := exponent - 53 + floatBits
	if shift >= 0 {
		z.Lsh(z, uint(shift))
		return
	}
	if shift < -54 {
		z.SetInt64(0)
		return
	}
	half := int64(1) << (-shift - 1)
	z.SetInt64((mantissa + half) >> -shift)
}

func (f *floatSums) merge(other *floatSums) error {
	if f.k != 0 && other.k != 0 && f.k != other.k {
		return fmt.Errorf("rollup: sums of %d and of %d variables", f.k, other.k)
	}
	f.n, f.k = f.n+other.n, max(f.k, other.k)
	for i := range f.sums {
		f.sums[i].Add(&f.sums[i], &other.sums[i])
	}
	for p := range f.products {
		f.products[p].Add(&f.products[p], &other.products[p])
	}
	return nil
}

func (f *floatSums) decimals(d Decimals) Decimals {
	for i := range f.k {
		d.Sums = append(d.Sums, binaryDecimal(&f.sums[i], floatBits))
	}
	for p := range f.k * (f.k + 1) / 2 {
		d.Products = append(d.Products, binaryDecimal(&f.products[p], 2*floatBits))
	}
	return d
}

// binaryDecimal writes v·2^−places as a decimal, exactly.
func binaryDecimal(v *big.Int, places uint) string {
	trailing := v.TrailingZeroBits()
	if v.Sign() == 0 || trailing >= places {
		return new(big.Int).Rsh(v, places).String()
	}
	odd := new(big.Int).Rsh(v, trailing) // v·2^−places = odd·2^−rest = odd·5^rest·10^−rest
	rest := int(places - trailing)
	digits := odd.Mul(odd, new(big.Int).Exp(big.NewInt(5), big.NewInt(int64(rest)), nil)).String()
	digits, negative := strings.CutPrefix(digits, "-")
	if len(digits) <= rest {
		digits = strings.Repeat("0", rest-len(digits)+1) + digits
	}
	digits = digits[:len(digits)-rest] + "." + digits[len(digits)-rest:]
	if negative {
		return "-" + digits
	}
	return digits
}
