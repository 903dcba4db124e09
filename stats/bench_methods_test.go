package stats

import (
	"fmt"
	"math"
	"testing"
)

var (
	cupedSink      CUPEDResult
	stratifiedSink StratifiedResult
	testSink       Test
	estimateSink   Estimate
	numberSink     float64
	groupSink      Group
)

func benchHistory(b *testing.B, k int) (control, treatment Moments) {
	b.Helper()
	unit := make([]float64, k+1)
	for i := range 1000 {
		for j := range unit {
			unit[j] = float64((i*(j+7) + i*i) % 23)
		}
		unit[0] += unit[k]
		if err := control.Add(unit...); err != nil {
			b.Fatal(err)
		}
		unit[0]++
		if err := treatment.Add(unit...); err != nil {
			b.Fatal(err)
		}
	}
	return control, treatment
}

func BenchmarkCUPED(b *testing.B) {
	for _, k := range []int{1, 2, 5} {
		b.Run(fmt.Sprintf("covariates=%d", k), func(b *testing.B) {
			c, t := benchHistory(b, k)
			b.ReportAllocs()
			for b.Loop() {
				cupedSink = CUPED(c, t, CUPEDOptions{})
			}
		})
	}
}

func BenchmarkPostStratify(b *testing.B) {
	for _, n := range []int{5, 50} {
		b.Run(fmt.Sprintf("strata=%d", n), func(b *testing.B) {
			c, t := benchHistory(b, 1)
			strata := make([]Stratum, n)
			for i := range strata {
				strata[i] = Stratum{c, t}
			}
			b.ReportAllocs()
			for b.Loop() {
				stratifiedSink = PostStratify(strata)
			}
		})
	}
}

// BenchmarkFisherExact has shares of one half, where there are most tables.
func BenchmarkFisherExact(b *testing.B) {
	for _, n := range []int64{100, 10_000, 1_000_000, 1_000_000_000} {
		b.Run(fmt.Sprintf("units=%d", n), func(b *testing.B) {
			other := Share{n/2 + int64(math.Sqrt(float64(n))), n} // p is about 0.16
			for b.Loop() {
				testSink = FisherExact(Share{n / 2, n}, other)
			}
		})
	}
}

func BenchmarkClopperPearson(b *testing.B) {
	for _, n := range []int64{20, 1_000_000} {
		b.Run(fmt.Sprintf("units=%d", n), func(b *testing.B) {
			for b.Loop() {
				estimateSink = Share{n / 3, n}.ClopperPearson(0.95)
			}
		})
	}
}

func BenchmarkInteractionWald(b *testing.B) {
	for _, levels := range []int{2, 4} {
		b.Run(fmt.Sprintf("levels=%d", levels), func(b *testing.B) {
			cells := make([][]Group, levels)
			for i := range cells {
				for j := range levels {
					cells[i] = append(cells[i], Group{N: 1000, Mean: float64(i * j), Variance: 5})
				}
			}
			for b.Loop() {
				testSink = InteractionWald(cells)
			}
		})
	}
}

func BenchmarkGroupQuantile(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprintf("units=%d", n), func(b *testing.B) {
			units := make([][]float64, n)
			for i := range units {
				units[i] = []float64{float64(i * 7919 % n), float64(i * 104729 % n)}
			}
			for b.Loop() {
				g, err := GroupQuantile(units, 0.9)
				if err != nil {
					b.Fatal(err)
				}
				groupSink = g
			}
		})
	}
}

func BenchmarkBootstrap(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("units=%d", n), func(b *testing.B) {
			values := make([]float64, n)
			for i := range values {
				values[i] = float64(i % 17)
			}
			arms := [][][]float64{Column(values), Column(values)}
			for b.Loop() {
				estimateSink = Bootstrap(arms, MeanDifference, BootstrapOptions{Resamples: 200})
			}
		})
	}
}

func BenchmarkUnitsOfT(b *testing.B) {
	for b.Loop() {
		n, err := UnitsOfT(0.1, 1.6, PowerPlan{})
		if err != nil {
			b.Fatal(err)
		}
		numberSink = n
	}
}
