package stats

import (
	"fmt"
	"testing"
)

// The sinks keep the compiler from dropping the calls.
var (
	momentsSink    Moments
	comparisonSink Comparison
)

func BenchmarkMomentsAdd(b *testing.B) {
	var m Moments
	b.ReportAllocs()
	for b.Loop() {
		_ = m.Add(3, 4)
	}
	momentsSink = m
}

func BenchmarkMomentsMerge(b *testing.B) {
	part := momentsOf(b, [][]float64{{1, 2}, {3, 5}})
	m := part
	b.ReportAllocs()
	for b.Loop() {
		m = part
		_ = m.Merge(part)
	}
	momentsSink = m
}

func BenchmarkSumsAdd(b *testing.B) {
	var s Sums
	b.ReportAllocs()
	for b.Loop() {
		_ = s.Add(3, 4)
	}
}

func BenchmarkSumsMerge(b *testing.B) {
	part := sumsOf(b, [][]int64{{1, 2}, {3, 5}})
	b.ReportAllocs()
	for b.Loop() {
		s := part
		_ = s.Merge(part)
	}
}

func BenchmarkSumsMoments(b *testing.B) {
	for _, k := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("variables=%d", k), func(b *testing.B) {
			s := sumsOf(b, [][]int64{[]int64{1, 2, 3, 4}[:k], []int64{3, 5, 9, 2}[:k]})
			b.ReportAllocs()
			for b.Loop() {
				momentsSink = s.Moments()
			}
		})
	}
}

func BenchmarkCompare(b *testing.B) {
	for _, n := range []int64{100, 3000, 1_000_000} {
		b.Run(fmt.Sprintf("units=%d", n), func(b *testing.B) {
			control := Group{N: n, Mean: 10, Variance: 4}
			treatment := Group{N: n, Mean: 10.1, Variance: 5}
			b.ReportAllocs()
			for b.Loop() {
				comparisonSink = Compare(control, treatment, Options{})
			}
		})
	}
}

// TestHotPathsDoNotAllocate turns what the doc comments say into a failure.
func TestHotPathsDoNotAllocate(t *testing.T) {
	m, other := momentsOf(t, [][]float64{{1, 2}}), momentsOf(t, [][]float64{{3, 5}})
	s, otherSums := sumsOf(t, [][]int64{{1, 2}}), sumsOf(t, [][]int64{{3, 5}})
	control := Group{N: 100, Mean: 10, Variance: 4}
	treatment := Group{N: 100, Mean: 10.1, Variance: 5}
	for name, f := range map[string]func(){
		"Moments.Add":   func() { _ = m.Add(3, 4) },
		"Moments.Merge": func() { _ = m.Merge(other) },
		"Sums.Add":      func() { _ = s.Add(3, 4) },
		"Sums.Remove":   func() { _ = s.Add(3, 4); _ = s.Remove(3, 4) },
		"Sums.Merge":    func() { _ = s.Merge(otherSums) },
		"Compare":       func() { comparisonSink = Compare(control, treatment, Options{}) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times per call, want 0", name, n)
		}
	}
}
