package main

import (
	"fmt"
	"math"
	"time"
)

// curve is a figure as a function of a size.
type curve struct {
	name     string // of its plot
	title    string
	size     string // what is on the horizontal axis
	unit     unit
	expected string  // the growth that is expected, and why, in words
	exponent float64 // and as the exponent of a power of the size: 0 is flat, 1 linear
	sizes    []int
	measure  func(size int) (float64, error)
}

// point is a measured value of a curve.
type point struct {
	size  int
	value float64
}

// run measures a curve at its sizes. A size that cannot be measured ends it.
func (c *curve) run(upTo int) ([]point, error) {
	var points []point
	for _, size := range c.sizes {
		if upTo > 0 && size > upTo {
			break
		}
		value, err := c.measure(size)
		if err != nil {
			return points, fmt.Errorf("%s at %d %s: %w", c.name, size, c.size, err)
		}
		points = append(points, point{size, value})
	}
	return points, nil
}

// growth is the exponent of the power of the size that fits the points best: the slope of
// the least-squares line through their logarithms. NaN for fewer than two sizes.
func growth(points []point) float64 {
	var n, sx, sy, sxx, sxy float64
	for _, p := range points {
		x, y := math.Log(float64(p.size)), math.Log(p.value)
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	d := n*sxx - sx*sx
	if n < 2 || d == 0 {
		return math.NaN()
	}
	return (n*sxy - sx*sy) / d
}

// unit is that of a curve's values.
type unit int

const (
	nanoseconds unit = iota
	bytes
	perSecond
)

// text writes a value with three digits.
func (u unit) text(v float64) string {
	switch u {
	case bytes:
		return scaled(v, 1024, "B", "KiB", "MiB", "GiB")
	case perSecond:
		return scaled(v, 1000, "/s", "k/s", "M/s")
	default:
		return scaled(v, 1000, "ns", "µs", "ms", "s")
	}
}

func scaled(v, step float64, units ...string) string {
	i := 0
	for v >= 999.5 && i < len(units)-1 {
		v /= step
		i++
	}
	return fmt.Sprintf("%.3g %s", v, units[i])
}

// least is the time of one of n repetitions of work, at best of several rounds of about
// 0.3 milliseconds each: others on the machine only ever add.
func least(work func(n int)) float64 {
	const rounds, slice = 200, 300 * time.Microsecond
	n := 1
	for elapsed(n, work) < slice && n < 1<<24 {
		n *= 2
	}
	best := math.Inf(1)
	for range rounds {
		best = min(best, float64(elapsed(n, work).Nanoseconds())/float64(n))
	}
	return best
}

func elapsed(n int, work func(n int)) time.Duration {
	start := time.Now()
	work(n)
	return time.Since(start)
}

// quantity names what the unit measures.
func (u unit) quantity() string {
	switch u {
	case bytes:
		return "bytes"
	case perSecond:
		return "rate"
	default:
		return "time"
	}
}
