package stats

import "math"

// solveSymmetric solves a·x = b for a symmetric positive semidefinite matrix
// by Cholesky's decomposition, after scaling a to a unit diagonal. A row that
// the rows before it determine, to about ten digits, gets x = 0; rank is how
// many rows are left. The matrices here have a handful of rows.
func solveSymmetric(a [][]float64, b []float64) (x []float64, rank int) {
	f := factorize(a)
	return f.solve(b), f.rank
}

// cholesky is the lower triangle of a scaled matrix; scale is 1/√diagonal,
// and 0 for rows that are left out.
type cholesky struct {
	lower [][]float64
	scale []float64
	rank  int
}

const collinear = 1e-10 // share of a row's square that must be its own

func factorize(a [][]float64) cholesky {
	k := len(a)
	f := cholesky{lower: make([][]float64, k), scale: make([]float64, k)}
	for i := range k {
		f.lower[i] = make([]float64, k)
		if !(a[i][i] > 0) || !isFinite(a[i][i]) {
			continue
		}
		f.scale[i] = 1 / math.Sqrt(a[i][i])
		own := 1.0
		for j := range i {
			if f.scale[j] == 0 {
				continue
			}
			v := a[i][j] * f.scale[i] * f.scale[j]
			for m := range j {
				v -= f.lower[i][m] * f.lower[j][m]
			}
			f.lower[i][j] = v / f.lower[j][j]
			own -= f.lower[i][j] * f.lower[i][j]
		}
		if !(own > collinear) {
			clear(f.lower[i])
			f.scale[i] = 0
			continue
		}
		f.lower[i][i] = math.Sqrt(own)
		f.rank++
	}
	return f
}

func (f cholesky) solve(b []float64) []float64 {
	x := make([]float64, len(b))
	for i := range b {
		if f.scale[i] == 0 {
			continue
		}
		v := b[i] * f.scale[i]
		for j := range i {
			v -= f.lower[i][j] * x[j]
		}
		x[i] = v / f.lower[i][i]
	}
	for i := len(b) - 1; i >= 0; i-- {
		if f.scale[i] == 0 {
			continue
		}
		v := x[i]
		for j := i + 1; j < len(b); j++ {
			v -= f.lower[j][i] * x[j]
		}
		x[i] = v / f.lower[i][i]
	}
	for i := range x {
		x[i] *= f.scale[i]
	}
	return x
}

func dotProduct(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

// quadraticForm is x'·a·x.
func quadraticForm(a [][]float64, x []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += x[i] * dotProduct(a[i], x)
	}
	return sum
}
