package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
)

// BootstrapOptions choose how [Bootstrap] resamples. The zero value draws
// 2000 times for a 95% interval.
type BootstrapOptions struct {
	// Resamples is how often all arms are drawn anew, at most 10 million.
	// Zero means 2000.
	Resamples int

	// Seed decides the draws: the same seed gives the same bits, whatever
	// the number of workers. Zero is a seed like others.
	Seed uint64

	// Workers is how many goroutines draw. Zero means GOMAXPROCS.
	Workers int

	// Level is the confidence level of the interval. Zero means 0.95.
	Level float64
}

// ArmStatistic is a number that is computed from the means of all arms:
// means[a][i] is that of variable i in arm a. It must not keep or change the
// slices.
type ArmStatistic func(means [][]float64) float64

// MeanDifference is the [ArmStatistic] that compares variable 0 in arms 0, the
// control, and 1.
func MeanDifference(means [][]float64) float64 { return means[1][0] - means[0][0] }

// MeanLift is MeanDifference divided by |mean of the control|.
func MeanLift(means [][]float64) float64 {
	return MeanDifference(means) / math.Abs(means[0][0])
}

// RatioDifference is the [ArmStatistic] that compares the ratios of variables
// 0 and 1 in arms 0, the control, and 1.
func RatioDifference(means [][]float64) float64 {
	return means[1][0]/means[1][1] - means[0][0]/means[0][1]
}

const maxResamples = 10_000_000

// Bootstrap resamples the units of each arm with replacement, and gives the
// statistic of the units themselves with the standard deviation and the
// percentile interval of the resamples: B. Efron, "Bootstrap methods: another
// look at the jackknife", Annals of Statistics 7 (1979). arms[a] is the units
// of arm a, each with the same number of values; for one value per unit see
// [Column].
//
// It is there to check the other methods on real data. Where those hold it
// agrees with them at a million times the cost; with few units and heavy
// tails its intervals are too short as well. The statistic is called by
// several goroutines at once, none of which outlives the call.
//
// There is no interval, with a reason, when the statistic of a resample is
// not finite, as when all of one arm's denominators are 0. The time is that of
// reading resamples × units values in random order.
func Bootstrap(arms [][][]float64, statistic ArmStatistic, options BootstrapOptions) Estimate {
	o := options.withDefaults()
	point, reason := pointOf(arms, statistic)
	if reason != "" {
		return noValue(reason)
	}
	if reason := o.problem(); reason != "" {
		return noInterval(point, reason)
	}
	draws := make([]weightedDraw, o.Resamples)
	var wait sync.WaitGroup
	for w := range o.Workers {
		wait.Go(func() {
			means := meansLike(arms)
			for i := w; i < len(draws); i += o.Workers {
				// one generator per resample: who draws it does not matter
				random := rand.New(rand.NewPCG(o.Seed, uint64(i)))
				for a, units := range arms {
					resample(random, units, means[a])
				}
				draws[i] = weightedDraw{statistic(means), 1 / float64(o.Resamples)}
			}
		})
	}
	wait.Wait()
	unbiased := math.Sqrt(float64(o.Resamples) / float64(o.Resamples-1))
	return spreadOf(point, draws, o.Level, unbiased)
}

func (o BootstrapOptions) withDefaults() BootstrapOptions {
	if o.Resamples == 0 {
		o.Resamples = 2000
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Level == 0 {
		o.Level = 0.95
	}
	return o
}

func (o BootstrapOptions) problem() string {
	switch {
	case o.Resamples < 2 || o.Resamples > maxResamples:
		return fmt.Sprintf("%d resamples, want 2 to %d", o.Resamples, maxResamples)
	case o.Workers < 1 || o.Workers > 1024:
		return fmt.Sprintf("%d workers, want 1 to 1024", o.Workers)
	}
	return (Options{Level: o.Level}).problem()
}

// Column makes units of one value each.
func Column(values []float64) [][]float64 {
	units := make([][]float64, len(values))
	for i := range values {
		units[i] = values[i : i+1 : i+1]
	}
	return units
}

// pointOf is the statistic of the units themselves.
func pointOf(arms [][][]float64, statistic ArmStatistic) (value float64, reason string) {
	if len(arms) == 0 {
		return 0, "no arms"
	}
	k := 0
	for a, units := range arms {
		if len(units) == 0 {
			return 0, fmt.Sprintf("arm %d: %s", a, noUnits)
		}
		if a == 0 {
			k = len(units[0])
		}
		for i, unit := range units {
			if len(unit) != k || k == 0 {
				return 0, fmt.Sprintf("arm %d: unit %d has %d values, the first unit has %d", a, i, len(unit), k)
			}
		}
	}
	means := meansLike(arms)
	for a, units := range arms {
		for _, unit := range units {
			addTo(means[a], unit)
		}
		divide(means[a], len(units))
	}
	if value = statistic(means); !isFinite(value) {
		return 0, "the statistic of the units is not finite"
	}
	return value, ""
}

func meansLike(arms [][][]float64) [][]float64 {
	means := make([][]float64, len(arms))
	for a := range arms {
		means[a] = make([]float64, len(arms[a][0]))
	}
	return means
}

// resample is the means of as many units, drawn with replacement.
func resample(random *rand.Rand, units [][]float64, means []float64) {
	clear(means)
	for range units {
		addTo(means, units[random.IntN(len(units))])
	}
	divide(means, len(units))
}

func addTo(sums, unit []float64) {
	for i, v := range unit {
		sums[i] += v
	}
}

func divide(sums []float64, n int) {
	for i := range sums {
		sums[i] /= float64(n)
	}
}

// weightedDraw is a value with its probability.
type weightedDraw struct{ value, weight float64 }

// spreadOf is the standard deviation, times a factor, and the percentile
// interval of draws around a point.
func spreadOf(point float64, draws []weightedDraw, level, factor float64) Estimate {
	mean, total := 0.0, 0.0
	for _, d := range draws {
		if !isFinite(d.value) {
			return noInterval(point, "the statistic of a resample is not finite")
		}
		mean += d.weight * d.value
		total += d.weight
	}
	mean /= total
	variance := 0.0
	for _, d := range draws {
		variance += d.weight / total * (d.value - mean) * (d.value - mean)
	}
	if variance == 0 {
		return noInterval(point, "no resample differs from another")
	}
	slices.SortFunc(draws, func(a, b weightedDraw) int {
		if a.value < b.value {
			return -1
		}
		if a.value > b.value {
			return 1
		}
		return 0
	})
	tail := (1 - level) / 2
	return Estimate{
		Value: point, SE: factor * math.Sqrt(variance),
		Low:  min(point, atProbability(draws, total*tail)),
		High: max(point, atProbability(draws, total*(1-tail))),
	}.checked()
}

// atProbability is the smallest value that sorted draws stay at or below with
// probability p, up to rounding.
func atProbability(draws []weightedDraw, p float64) float64 {
	sum := 0.0
	for _, d := range draws {
		sum += d.weight
		if sum >= p-1e-12 {
			return d.value
		}
	}
	return draws[len(draws)-1].value
}
