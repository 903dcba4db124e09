package stats

import "math"

// covariateSample is what regression adjustment needs to know of one arm:
// means and covariances of the metric (index 0) and its covariates. A ratio
// gives those of its linearisation.
type covariateSample struct {
	n    float64
	k    int // variables, the metric included
	mean [MaxVariables]float64
	cov  [maxPairs]float64 // sample covariances, packed as in Moments
}

// sampleOfMeans reads the sample from moments.
func sampleOfMeans(m Moments) covariateSample {
	s := covariateSample{n: float64(m.n), k: m.k, mean: m.mean}
	for i := range m.k {
		for j := range i + 1 {
			s.cov[pair(i, j)] = m.Covariance(i, j)
		}
	}
	return s
}

// sampleOfRatios linearises the ratios of variables 0/1 and 2/3 of m.
func sampleOfRatios(m Moments) covariateSample {
	s := covariateSample{n: float64(m.n), k: 2}
	metric, before := GroupRatio(m, 0, 1), GroupRatio(m, 2, 3)
	s.mean[0], s.mean[1] = metric.Mean, before.Mean
	s.cov[pair(0, 0)], s.cov[pair(1, 1)] = metric.Variance, before.Variance
	r, x := metric.Mean, before.Mean
	product := m.Covariance(0, 2) - x*m.Covariance(0, 3) - r*m.Covariance(1, 2) + r*x*m.Covariance(1, 3)
	if d := m.Mean(1) * m.Mean(3); d != 0 {
		s.cov[pair(0, 1)] = product / d
	}
	return s
}

// plus weighs covariances of s and other; means are left alone.
func (s covariateSample) plus(weight float64, other covariateSample, otherWeight float64) covariateSample {
	for p := range s.cov {
		s.cov[p] = weight*s.cov[p] + otherWeight*other.cov[p]
	}
	return s
}

// slopes is theta, S_xx⁻¹ S_xy, with 0 for covariates that do not vary or
// follow from the others; rank is how many are not 0 for that reason.
func (s covariateSample) slopes() (theta []float64, rank int) {
	return solveSymmetric(s.covariates(), s.withMetric())
}

// covariates is S_xx.
func (s covariateSample) covariates() [][]float64 {
	a := make([][]float64, s.k-1)
	for i := range a {
		a[i] = make([]float64, s.k-1)
		for j := range a[i] {
			a[i][j] = s.cov[pair(i+1, j+1)]
		}
	}
	return a
}

// withMetric is S_xy.
func (s covariateSample) withMetric() []float64 {
	b := make([]float64, s.k-1)
	for i := range b {
		b[i] = s.cov[pair(0, i+1)]
	}
	return b
}

// adjusted is the variance per unit of y − theta·x. What rounding alone
// explains, below 1e-13 of its terms, is 0.
func (s covariateSample) adjusted(theta []float64) float64 {
	squares := s.cov[0] + quadraticForm(s.covariates(), theta)
	v := squares - 2*dotProduct(theta, s.withMetric())
	if math.Abs(v) <= 1e-13*squares {
		return 0
	}
	return v
}

// shift is theta·(x̄ − center), what the covariates explain of the arm's mean.
func (s covariateSample) shift(theta []float64, center covariateSample) float64 {
	sum := 0.0
	for i, t := range theta {
		sum += t * (s.mean[i+1] - center.mean[i+1])
	}
	return sum
}

// correlation is the multiple correlation of the metric with its covariates;
// with one covariate it has the sign of theta.
func (s covariateSample) correlation() float64 {
	theta, _ := s.slopes()
	explained := dotProduct(theta, s.withMetric())
	if !(explained > 0) || !(s.cov[0] > 0) {
		return 0
	}
	r := min(1, math.Sqrt(explained/s.cov[0]))
	if s.k == 2 && theta[0] < 0 {
		return -r
	}
	return r
}
