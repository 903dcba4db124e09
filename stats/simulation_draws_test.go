package stats

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// What simulations draw. Sums over normal units are drawn directly, which
// costs the same for ten units and for a million.

// rejects is whether a test that could be done is significant at alpha.
func rejects(t Test, alpha float64) bool { return t.Reason == "" && t.PValue <= alpha }

// drawChiSquare is the sum of df squared normal numbers.
func drawChiSquare(r *rand.Rand, df float64) float64 {
	return distuv.ChiSquared{K: df, Src: r}.Rand()
}

// drawNormal is an arm of n normal units.
func drawNormal(r *rand.Rand, n int64, mean, sd float64) Group {
	return Group{
		N:        n,
		Mean:     mean + sd*r.NormFloat64()/math.Sqrt(float64(n)),
		Variance: sd * sd * drawChiSquare(r, float64(n-1)) / float64(n-1),
	}
}

// drawSuccesses is how many of n units convert.
func drawSuccesses(r *rand.Rand, n int64, p float64) Share {
	return Share{int64(distuv.Binomial{N: float64(n), P: p, Src: r}.Rand()), n}
}

// drawCounts spreads n units over arms.
func drawCounts(r *rand.Rand, n int64, shares []float64) []int64 {
	counts, left := make([]int64, len(shares)), 1.0
	for i, p := range shares[:len(shares)-1] {
		counts[i] = int64(distuv.Binomial{N: float64(n), P: p / left, Src: r}.Rand())
		n -= counts[i]
		left -= p
	}
	counts[len(shares)-1] = n
	return counts
}

// jointNormal is a normal distribution of several variables: root is the lower
// triangle of its covariance's Cholesky decomposition.
type jointNormal struct {
	means []float64
	root  [][]float64
}

// metricAndCovariate has both variables with variance 1.
func metricAndCovariate(mean, correlation float64) jointNormal {
	return jointNormal{
		means: []float64{mean, 10},
		root:  [][]float64{{1}, {correlation, math.Sqrt(1 - correlation*correlation)}},
	}
}

// draw is the moments of n units, by Bartlett's decomposition of the Wishart
// distribution.
func (d jointNormal) draw(r *rand.Rand, n int64) Moments {
	k := len(d.means)
	means, a := slices.Clone(d.means), make([][]float64, k)
	noise := make([]float64, k)
	for i := range k {
		noise[i] = r.NormFloat64() / math.Sqrt(float64(n))
		a[i] = make([]float64, k)
		for j := range i {
			a[i][j] = r.NormFloat64()
		}
		a[i][i] = math.Sqrt(drawChiSquare(r, float64(n)-1-float64(i)))
	}
	scaled := make([][]float64, k)
	for i, row := range d.root {
		scaled[i] = make([]float64, k)
		for l, v := range row {
			means[i] += v * noise[l]
			for j := range l + 1 {
				scaled[i][j] += v * a[l][j]
			}
		}
	}
	var comoments []float64
	for i := range k {
		for j := range i + 1 {
			sum := 0.0
			for l := range j + 1 {
				sum += scaled[i][l] * scaled[j][l]
			}
			comoments = append(comoments, sum)
		}
	}
	return must(NewMoments(n, means, comoments))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// revenue is what a unit spends: nothing, or lognormal with a probability.
type revenue struct{ buyers, sigma float64 }

// draw is one unit, with mean 1 per buyer.
func (d revenue) draw(r *rand.Rand) float64 {
	if r.Float64() >= d.buyers {
		return 0
	}
	return math.Exp(d.sigma*r.NormFloat64() - d.sigma*d.sigma/2)
}

// arm is n units, whose purchases are scale as large.
func (d revenue) arm(r *rand.Rand, n int64, scale float64) Group {
	buyers := drawSuccesses(r, n, d.buyers).Successes
	var sum, squares float64
	for range buyers {
		v := scale * math.Exp(d.sigma*r.NormFloat64()-d.sigma*d.sigma/2)
		sum += v
		squares += v * v
	}
	mean := sum / float64(n)
	return Group{N: n, Mean: mean, Variance: (squares - sum*mean) / float64(n-1)}
}

// drawVisits is an arm of users with a geometric number of visits, whose
// outcomes depend on the user: variables 0 and 1 are a user's outcomes and
// visits. Also returned is each user's outcomes one by one.
func drawVisits(r *rand.Rand, users int) (Moments, [][]float64) {
	var m Moments
	events := make([][]float64, users)
	for i := range events {
		habit, sum := r.NormFloat64(), 0.0
		for {
			v := 5 + habit + r.NormFloat64()
			events[i] = append(events[i], v)
			sum += v
			if r.Float64() < 1.0/3 {
				break
			}
		}
		if err := m.Add(sum, float64(len(events[i]))); err != nil {
			panic(err)
		}
	}
	return m, events
}
