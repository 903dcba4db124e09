package stats

import (
	"fmt"
	"math"
	"slices"
)

// Moments holds what most methods need to know about one sample of units:
// the number of units n, and for up to [MaxVariables] variables per unit the
// means and the centred sums of squares and products
//
//	C(i,j) = Σ (x_i − mean_i)(x_j − mean_j).
//
// Variables are numbered from 0; by convention of this package 0 is the
// metric (a ratio's numerator) and 1 a ratio's denominator.
//
// The zero value is an empty sample, ready for use. Moments is a plain value
// of about 230 bytes: assigning copies it, == compares it, and it is not safe
// for concurrent change. Add and Merge do not allocate and take about 50 ns
// (BenchmarkMomentsAdd, two variables, a shared cloud core).
//
// Centred sums keep their digits where Σx² − (Σx)²/n has lost them all: for
// values near 1e9 that differ by 1 the latter is 0 in float64. Adding the same
// units in another order may still change the last digits; use [Sums] where
// results must agree to the bit.
type Moments struct {
	n         int64
	k         int
	mean      [MaxVariables]float64
	comoments [maxPairs]float64
}

// NewMoments returns the moments of a sample of n units with the given means
// and centred sums, packed by row in the order C(0,0), C(1,0), C(1,1),
// C(2,0), …. These are a database's regr_sxx and regr_sxy, or
// var_samp·(n−1) and covar_samp·(n−1).
//
// It fails with [ErrVariables] when the lengths do not fit together, with
// [ErrValue] for NaN and infinities, and with [ErrImpossible] when no sample
// has these moments. A negative C(i,i) that rounding explains, above
// −1e−12·n·mean², becomes 0.
func NewMoments(n int64, means, comoments []float64) (Moments, error) {
	if err := checkShape(n, len(means), len(comoments)); err != nil {
		return Moments{}, err
	}
	for _, v := range slices.Concat(means, comoments) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return Moments{}, fmt.Errorf("%w: %v", ErrValue, v)
		}
	}
	if n == 0 {
		if slices.ContainsFunc(means, nonZero) || slices.ContainsFunc(comoments, nonZero) {
			return Moments{}, fmt.Errorf("%w: moments of no units are not zero", ErrImpossible)
		}
		return Moments{}, nil
	}
	m := Moments{n: n, k: len(means)}
	copy(m.mean[:], means)
	copy(m.comoments[:], comoments)
	if err := m.clampSquares(); err != nil {
		return Moments{}, err
	}
	if err := m.checkProducts(); err != nil {
		return Moments{}, err
	}
	return m, nil
}

func nonZero(v float64) bool { return v != 0 }

// clampSquares makes tiny negative sums of squares 0 and refuses others.
func (m *Moments) clampSquares() error {
	for i := range m.k {
		c := &m.comoments[pair(i, i)]
		if *c >= 0 {
			continue
		}
		if *c < -1e-12*float64(m.n)*m.mean[i]*m.mean[i] {
			return fmt.Errorf("%w: sum of squares %d is %v", ErrImpossible, i, *c)
		}
		*c = 0
	}
	return nil
}

// checkProducts refuses co-moments that break the Cauchy–Schwarz inequality
// by more than rounding, and any spread of a single unit.
func (m *Moments) checkProducts() error {
	for i := range m.k {
		for j := range i + 1 {
			c := m.comoments[pair(i, j)]
			if m.n == 1 && c != 0 {
				return fmt.Errorf("%w: one unit has a spread of %v", ErrImpossible, c)
			}
			// tiny allows for squares that have lost digits as subnormals
			const tiny = 1e-300
			bound := math.Sqrt(m.comoments[pair(i, i)]+tiny) * math.Sqrt(m.comoments[pair(j, j)]+tiny)
			if math.Abs(c) > bound*(1+1e-9) {
				return fmt.Errorf("%w: co-moment (%d,%d) is %v, at most %v is possible", ErrImpossible, i, j, c, bound)
			}
		}
	}
	return nil
}

// Add adds one unit, with one value per variable. The first unit decides the
// number of variables.
//
// It fails, and changes nothing, with [ErrVariables] when the number of
// values is another one, and with [ErrValue] when a value is NaN or infinite
// or when the sums leave the range of float64.
//
// The update is that of Youngs and Cramer (1971) and Welford (1962), with the
// products written symmetrically so that no sum of squares can turn negative.
func (m *Moments) Add(values ...float64) error {
	k, err := joinVariables(m.k, len(values))
	if err != nil {
		return err
	}
	if m.n == math.MaxInt64 {
		return fmt.Errorf("%w: too many units", ErrValue)
	}
	next := *m
	next.n++
	next.k = k
	n := float64(next.n)
	shrink := float64(m.n) / n
	var delta [MaxVariables]float64
	for i, v := range values {
		delta[i] = v - m.mean[i]
		next.mean[i] += delta[i] / n
		for j := range i + 1 {
			next.comoments[pair(i, j)] += delta[i] * shrink * delta[j]
		}
	}
	if !next.finite() {
		return fmt.Errorf("%w: adding %v", ErrValue, slices.Clone(values)) // the clone keeps values off the heap
	}
	*m = next
	return nil
}

// Merge adds the units of another sample, which must be other units: merging
// two days of the same unit needs its total per unit, not two samples.
//
// It fails, and changes nothing, with [ErrVariables] when both samples have
// units and different numbers of variables, and with [ErrValue] when the
// result leaves the range of float64.
//
// The formula is the pairwise one of Chan, Golub and LeVeque, "Algorithms for
// computing the sample variance", The American Statistician 37 (1983), eq. 2.1.
func (m *Moments) Merge(other Moments) error {
	if other.n == 0 {
		return nil
	}
	if m.n == 0 {
		*m = other
		return nil
	}
	if _, err := joinVariables(m.k, other.k); err != nil {
		return err
	}
	if m.n > math.MaxInt64-other.n {
		return fmt.Errorf("%w: too many units", ErrValue)
	}
	next := *m
	next.n += other.n
	share := float64(other.n) / float64(next.n)
	weight := float64(m.n) * share
	var delta [MaxVariables]float64
	for i := range m.k {
		delta[i] = other.mean[i] - m.mean[i]
		next.mean[i] += delta[i] * share
		for j := range i + 1 {
			p := pair(i, j)
			next.comoments[p] += other.comoments[p] + delta[i]*weight*delta[j]
		}
	}
	if !next.finite() {
		return fmt.Errorf("%w: the merged sums overflow", ErrValue)
	}
	*m = next
	return nil
}

func (m *Moments) finite() bool {
	// x−x is 0 for every finite x and NaN for the others.
	var probe float64
	for i := range m.k {
		probe += m.mean[i] - m.mean[i]
		for j := range i + 1 {
			c := m.comoments[pair(i, j)]
			probe += c - c
		}
	}
	return probe == 0
}

// N is the number of units.
func (m Moments) N() int64 { return m.n }

// K is the number of variables per unit, 0 while there are no units.
func (m Moments) K() int { return m.k }

// has reports whether variable i can be asked for.
func (m Moments) has(i int) bool {
	return i >= 0 && (i < m.k || m.k == 0 && i < MaxVariables)
}

// Mean is the mean of variable i per unit, in the variable's own unit; 0
// while there are no units. It panics when the sample has no variable i.
func (m Moments) Mean(i int) float64 {
	checkVariable(i, m.k)
	return m.mean[i]
}

// Comoment is C(i,j) = Σ (x_i − mean_i)(x_j − mean_j). It panics when the
// sample has no variable i or j.
func (m Moments) Comoment(i, j int) float64 {
	checkVariable(i, m.k)
	checkVariable(j, m.k)
	return m.comoments[pair(i, j)]
}

// Variance is the sample variance of variable i, C(i,i)/(n−1). It is 0 below
// two units, where no variance exists: [GroupMean] and its siblings turn that
// into a reason. It panics when the sample has no variable i.
func (m Moments) Variance(i int) float64 { return m.Covariance(i, i) }

// Covariance is the sample covariance of variables i and j, C(i,j)/(n−1), and
// 0 below two units. It panics when the sample has no variable i or j.
func (m Moments) Covariance(i, j int) float64 {
	checkVariable(i, m.k)
	checkVariable(j, m.k)
	return m.covariance(i, j)
}

// covariance is Covariance of variables that are known to be there. By pointer,
// as a Moments takes longer to copy than to read.
func (m *Moments) covariance(i, j int) float64 {
	if m.n < 2 {
		return 0
	}
	return m.comoments[pair(i, j)] / float64(m.n-1)
}

// EffectiveUnits is how many units of equal size would carry as much of the
// sum of variable i: (Σx)²/Σx², L. Kish, "Survey Sampling" (1965), section 11.7.
// Of zeros and ones it is the number of ones; of revenue that a few units
// bring, hardly more than those few. Between 0 and N; it says nothing of values
// that may be negative beyond that their mean is near 0 for their spread. A mean
// of values that are not negative is near to normal when there are some 30. It
// panics when the sample has no variable i.
func (m Moments) EffectiveUnits(i int) float64 {
	checkVariable(i, m.k)
	mean, c := m.mean[i], m.comoments[pair(i, i)]
	if m.n == 0 || mean == 0 {
		return 0
	}
	spread := math.Sqrt(c/float64(m.n)) / math.Abs(mean) // of the values, relative to the mean
	return float64(m.n) / (1 + spread*spread)
}
