package stats

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
)

// Sums holds the exact integer sums of one sample of units: the number of
// units n, and for up to [MaxVariables] integer variables per unit Σ x_i and
// Σ x_i·x_j. Count in the smallest unit, cents rather than euros, so that
// values are integers.
//
// Integers add up the same in every order: two Sums of the same units are
// equal (==), and so are their Moments to the bit, however the units were
// split over days, shards or machines. The sums are kept in 192 bits, which
// 2^63 units of any int64 cannot overflow.
//
// The zero value is an empty sample, ready for use. Sums is a plain value of
// about 660 bytes and is not safe for concurrent change. Add, Remove and
// Merge do not allocate and take about 0.1 µs (BenchmarkSumsAdd, two
// variables, a shared cloud core); Moments allocates and takes about 1.5 µs
// per mean and co-moment.
type Sums struct {
	n       int64
	k       int
	sum     [MaxVariables]int192
	product [maxPairs]int192
}

// NewSums returns the sums of a sample of n units from decimal integers, as
// a database's sum() over numeric prints them: sums holds Σ x_i, products
// Σ x_i·x_j in the order (0,0), (1,0), (1,1), (2,0), ….
//
// It fails with [ErrVariables] when the lengths do not fit together, with
// [ErrValue] for a text that is not an integer, and with [ErrImpossible] when
// no sample of n int64 values has these sums.
func NewSums(n int64, sums, products []string) (Sums, error) {
	exact, err := parseExact(n, sums, products)
	if err != nil {
		return Sums{}, err
	}
	if exact.decimals != 0 {
		return Sums{}, fmt.Errorf("%w: the sums are not integers", ErrValue)
	}
	if n == 0 {
		return Sums{}, nil
	}
	s := Sums{n: n, k: len(sums)}
	units := big.NewInt(n)
	sumBound := new(big.Int).Lsh(units, 63)
	productBound := new(big.Int).Lsh(units, 126)
	for i, v := range exact.sums {
		if v.CmpAbs(sumBound) > 0 {
			return Sums{}, fmt.Errorf("%w: sum %d is too large for %d int64 values", ErrImpossible, i, n)
		}
		s.sum[i] = int192FromBig(v)
	}
	for p, v := range exact.products {
		if v.CmpAbs(productBound) > 0 {
			return Sums{}, fmt.Errorf("%w: product %d is too large for %d int64 values", ErrImpossible, p, n)
		}
		s.product[p] = int192FromBig(v)
	}
	return s, nil
}

// Add adds one unit, with one value per variable. The first unit decides the
// number of variables. It fails with [ErrVariables], and changes nothing,
// when the number of values is another one.
func (s *Sums) Add(values ...int64) error {
	k, err := joinVariables(s.k, len(values))
	if err != nil {
		return err
	}
	if s.n == math.MaxInt64 {
		return fmt.Errorf("%w: too many units", ErrValue)
	}
	s.n++
	s.k = k
	for i, v := range values {
		s.sum[i] = s.sum[i].add(int192From(v))
		for j, w := range values[:i+1] {
			p := pair(i, j)
			s.product[p] = s.product[p].add(product(v, w))
		}
	}
	return nil
}

// Remove takes one unit out again that was added with these very values; the
// Sums is then as if the unit had never been there. When the total of a unit
// changes, Remove the old values and Add the new ones: squares of totals
// cannot be updated from the change alone.
//
// It fails, and changes nothing, with [ErrVariables] when the number of
// values is wrong and with [ErrImpossible] when there is no unit, or when the
// last one had other values. Removing a unit from a larger sample that never
// held it cannot be noticed here.
func (s *Sums) Remove(values ...int64) error {
	if _, err := joinVariables(s.k, len(values)); err != nil {
		return err
	}
	if s.n == 0 {
		return fmt.Errorf("%w: removing from an empty sample", ErrImpossible)
	}
	next := *s
	next.n--
	for i, v := range values {
		next.sum[i] = next.sum[i].sub(int192From(v))
		for j, w := range values[:i+1] {
			p := pair(i, j)
			next.product[p] = next.product[p].sub(product(v, w))
		}
	}
	if next.n == 0 {
		next.k = 0
		if next != (Sums{}) {
			return fmt.Errorf("%w: removing %v, which was not added", ErrImpossible, slices.Clone(values)) // the clone keeps values off the heap
		}
	}
	*s = next
	return nil
}

// Merge adds the units of another sample, which must be other units. It
// fails, and changes nothing, with [ErrVariables] when both samples have
// units and different numbers of variables.
func (s *Sums) Merge(other Sums) error {
	if other.n == 0 {
		return nil
	}
	k, err := joinVariables(s.k, other.k)
	if err != nil {
		return err
	}
	if s.n > math.MaxInt64-other.n {
		return fmt.Errorf("%w: too many units", ErrValue)
	}
	s.n += other.n
	s.k = k
	for i := range k {
		s.sum[i] = s.sum[i].add(other.sum[i])
	}
	for p := range pairs(k) {
		s.product[p] = s.product[p].add(other.product[p])
	}
	return nil
}

// N is the number of units.
func (s Sums) N() int64 { return s.n }

// K is the number of variables per unit, 0 while there are no units.
func (s Sums) K() int { return s.k }

// Sum is Σ x_i over all units, a fresh big.Int. It panics when the sample has
// no variable i.
func (s Sums) Sum(i int) *big.Int {
	checkVariable(i, s.k)
	return s.sum[i].big()
}

// Product is Σ x_i·x_j over all units, a fresh big.Int. It panics when the
// sample has no variable i or j.
func (s Sums) Product(i, j int) *big.Int {
	checkVariable(i, s.k)
	checkVariable(j, s.k)
	return s.product[pair(i, j)].big()
}

// Moments is the same sample with means and centred sums. Each number is the
// float64 nearest to its exact rational value: nothing cancels. It depends on
// the sums only, so equal Sums give identical Moments.
func (s Sums) Moments() Moments {
	if s.n == 0 {
		return Moments{}
	}
	e := exactSums{n: s.n}
	for i := range s.k {
		e.sums = append(e.sums, s.sum[i].big())
	}
	for p := range pairs(s.k) {
		e.products = append(e.products, s.product[p].big())
	}
	return e.moments()
}

// sumsJSON is the wire form of Sums.
type sumsJSON struct {
	N        *int64   `json:"n"`
	Sums     []string `json:"sums"`
	Products []string `json:"products"`
}

// MarshalJSON writes {"n":3,"sums":["…"],"products":["…"]} with decimal
// strings, which no reader rounds, packed as [NewSums] takes them.
func (s Sums) MarshalJSON() ([]byte, error) {
	wire := sumsJSON{N: &s.n, Sums: []string{}, Products: []string{}}
	for i := range s.k {
		wire.Sums = append(wire.Sums, s.sum[i].big().String())
	}
	for p := range pairs(s.k) {
		wire.Products = append(wire.Products, s.product[p].big().String())
	}
	return json.Marshal(wire)
}

// UnmarshalJSON reads what MarshalJSON writes, with the checks of [NewSums].
// On failure s keeps its value.
func (s *Sums) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	var wire sumsJSON
	if err := json.Unmarshal(data, &wire); err != nil {
		return fmt.Errorf("stats: sums: %w", err)
	}
	if wire.N == nil {
		return fmt.Errorf("%w: n is missing", ErrValue)
	}
	read, err := NewSums(*wire.N, wire.Sums, wire.Products)
	if err != nil {
		return err
	}
	*s = read
	return nil
}
