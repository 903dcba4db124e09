package stats

import (
	"fmt"
	"testing"
)

var (
	boundariesSink Boundaries
	crossingSink   Crossing
	rateSink       float64
)

func BenchmarkGroupSequential(b *testing.B) {
	for _, looks := range []int{1, 5, 20, 100} {
		for name, oneSided := range map[string]bool{"two-sided": false, "one-sided": true} {
			b.Run(fmt.Sprintf("%s/looks=%d", name, looks), func(b *testing.B) {
				g, times := GroupSequential{OneSided: oneSided}, evenly(looks)
				b.ReportAllocs()
				for b.Loop() {
					boundariesSink = g.Boundaries(times)
				}
			})
		}
	}
}

func BenchmarkGroupSequentialTest(b *testing.B) {
	for _, looks := range []int{5, 20} {
		b.Run(fmt.Sprintf("looks=%d", looks), func(b *testing.B) {
			times, z := evenly(looks), make([]float64, looks)
			z[looks-1] = 2.5
			for b.Loop() {
				testSink = GroupSequential{}.Test(times, z)
			}
		})
	}
}

func BenchmarkWangTsiatis(b *testing.B) {
	for _, looks := range []int{5, 20} {
		b.Run(fmt.Sprintf("looks=%d", looks), func(b *testing.B) {
			for b.Loop() {
				boundariesSink = WangTsiatis{}.Boundaries(looks)
			}
		})
	}
}

func BenchmarkCrossingProbabilities(b *testing.B) {
	for _, looks := range []int{5, 20} {
		b.Run(fmt.Sprintf("looks=%d", looks), func(b *testing.B) {
			times, critical := evenly(looks), make([]float64, looks)
			for i := range critical {
				critical[i] = 2.5
			}
			for b.Loop() {
				crossingSink = CrossingProbabilities(times, critical, 2.8, false)
			}
		})
	}
}

func BenchmarkPeekingErrorRate(b *testing.B) {
	for _, looks := range []int{14, 100, 1000} {
		b.Run(fmt.Sprintf("looks=%d", looks), func(b *testing.B) {
			for b.Loop() {
				rateSink, _ = PeekingErrorRate(looks, 0.95)
			}
		})
	}
}

func BenchmarkAnytime(b *testing.B) {
	for _, n := range []int64{3000, 1_000_000} {
		b.Run(fmt.Sprintf("units=%d", n), func(b *testing.B) {
			control := Group{N: n, Mean: 10, Variance: 4}
			treatment := Group{N: n, Mean: 10.1, Variance: 5}
			b.ReportAllocs()
			for b.Loop() {
				comparisonSink = Anytime(control, treatment, ConfidenceSequence{})
			}
		})
	}
}

var sampleRatioSink SampleRatioResult

func BenchmarkSampleRatioExact(b *testing.B) {
	for _, n := range []int64{100, 1_000_000, 1_000_000_000} {
		b.Run(fmt.Sprintf("units=%d", n), func(b *testing.B) {
			observed := []int64{n/2 - n/1000, n/2 + n/1000}
			for b.Loop() {
				sampleRatioSink = SampleRatioExact(observed, []float64{1, 1})
			}
		})
	}
}

func BenchmarkSequentialSampleRatio(b *testing.B) {
	for _, arms := range []int{2, 10} {
		b.Run(fmt.Sprintf("arms=%d", arms), func(b *testing.B) {
			counts, weights := make([]int64, arms), make([]float64, arms)
			for i := range counts {
				counts[i], weights[i] = int64(10_000+i), 1
			}
			for b.Loop() {
				sampleRatioSink = SequentialSampleRatio{}.Look(counts, weights)
			}
		})
	}
}

var (
	posteriorSink Posterior
	ratesSink     RatePosterior
	bestSink      BestArm
	dunnettSink   DunnettResult
	adjustedSink  []float64
)

func BenchmarkNormalPosterior(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		posteriorSink = NormalPosterior(0.05, 0.02, NormalPrior{SD: 0.3}, 0.95)
	}
}

func BenchmarkBayesShare(b *testing.B) {
	for _, n := range []int64{100, 1_000_000, 100_000_000} {
		b.Run(fmt.Sprintf("units=%d", n), func(b *testing.B) {
			for b.Loop() {
				ratesSink = BayesShare(Share{n / 10, n}, Share{n/10 + n/1000, n}, BetaPrior{})
			}
		})
	}
}

func BenchmarkBayesCount(b *testing.B) {
	for _, n := range []int64{100, 100_000_000} {
		b.Run(fmt.Sprintf("events=%d", n), func(b *testing.B) {
			for b.Loop() {
				ratesSink = BayesCount(Events{n, 1000}, Events{n + n/1000, 1000}, GammaPrior{})
			}
		})
	}
}

func benchmarkArms(k int) (means, sds []float64, units []int64) {
	for i := range k {
		means, sds, units = append(means, 1+float64(i)/100), append(sds, 0.01), append(units, 1000)
	}
	return means, sds, units
}

func BenchmarkProbabilityBest(b *testing.B) {
	for _, k := range []int{2, 3, 10} {
		b.Run(fmt.Sprintf("arms=%d", k), func(b *testing.B) {
			means, sds, _ := benchmarkArms(k)
			for b.Loop() {
				bestSink = ProbabilityBest(means, sds)
			}
		})
	}
}

func BenchmarkDunnett(b *testing.B) {
	for _, k := range []int{1, 3, 10} {
		b.Run(fmt.Sprintf("treatments=%d", k), func(b *testing.B) {
			z, _, units := benchmarkArms(k)
			for b.Loop() {
				dunnettSink = Dunnett(z, 1000, units, 0.95)
			}
		})
	}
}

func BenchmarkAdjust(b *testing.B) {
	for _, c := range []Correction{Holm, Hommel, BenjaminiHochberg} {
		for _, m := range []int{5, 100} {
			b.Run(fmt.Sprintf("%s/p-values=%d", c, m), func(b *testing.B) {
				p := make([]float64, m)
				for i := range p {
					p[i] = float64(i+1) / float64(m+1)
				}
				for b.Loop() {
					adjustedSink, _ = Adjust(c, p)
				}
			})
		}
	}
}
