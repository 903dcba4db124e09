package main

import (
	"fmt"
	"html"
	"math"
	"strings"

	"github.com/strataxp/strata/internal/page"
)

// The size of a plot, and where its axes lie.
const (
	plotWidth, plotHeight = 560, 320
	plotLeft, plotRight   = 70, 540
	plotTop, plotBottom   = 40, 270
)

// plot draws a curve with logarithmic axes, and as a dashed line the expected growth
// through the last point.
func plot(c *curve, points []point) string {
	if len(points) == 0 {
		return ""
	}
	last := points[len(points)-1]
	guide := func(size int) float64 {
		return last.value * math.Pow(float64(size)/float64(last.size), c.exponent)
	}
	x := newAxis(plotLeft, plotRight)
	y := newAxis(plotBottom, plotTop)
	for _, p := range points {
		x.hold(float64(p.size))
		y.hold(p.value)
		y.hold(guide(p.size))
	}
	x.round()
	y.round()

	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", plotWidth, plotHeight)
	fmt.Fprintf(&out, `<rect width="%d" height="%d" fill="white"/>`+"\n", plotWidth, plotHeight)
	fmt.Fprintf(&out, `<text x="%d" y="20" font-size="14">%s</text>`+"\n", plotLeft, html.EscapeString(c.title))
	for _, v := range x.ticks() {
		fmt.Fprintf(&out, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#ddd"/>`+"\n", x.at(v), plotTop, x.at(v), plotBottom)
		fmt.Fprintf(&out, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", x.at(v), plotBottom+18, page.Thousands(int64(v)))
	}
	for _, v := range y.ticks() {
		fmt.Fprintf(&out, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#ddd"/>`+"\n", plotLeft, y.at(v), plotRight, y.at(v))
		fmt.Fprintf(&out, `<text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", plotLeft-6, y.at(v)+4, c.unit.text(v))
	}
	fmt.Fprintf(&out, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", (plotLeft+plotRight)/2, plotBottom+40, html.EscapeString(c.size))
	first := points[0]
	fmt.Fprintf(&out, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#888" stroke-dasharray="5 4"/>`+"\n",
		x.at(float64(first.size)), y.at(guide(first.size)), x.at(float64(last.size)), y.at(guide(last.size)))
	var line strings.Builder
	for _, p := range points {
		fmt.Fprintf(&line, "%.1f,%.1f ", x.at(float64(p.size)), y.at(p.value))
		fmt.Fprintf(&out, `<circle cx="%.1f" cy="%.1f" r="3.5" fill="#1a6"/>`+"\n", x.at(float64(p.size)), y.at(p.value))
	}
	fmt.Fprintf(&out, `<polyline points="%s" fill="none" stroke="#1a6" stroke-width="2"/>`+"\n</svg>\n", strings.TrimSpace(line.String()))
	return out.String()
}

// axis maps values to a line of the plot by their logarithms.
type axis struct {
	from, to  float64 // of the plot
	low, high float64 // powers of ten
}

func newAxis(from, to float64) *axis {
	return &axis{from: from, to: to, low: math.Inf(1), high: math.Inf(-1)}
}

// hold widens the axis so that v is on it.
func (a *axis) hold(v float64) {
	a.low, a.high = min(a.low, math.Log10(v)), max(a.high, math.Log10(v))
}

// round widens it to whole powers of ten, one at least.
func (a *axis) round() {
	a.low, a.high = math.Floor(a.low+1e-9), math.Ceil(a.high-1e-9)
	if a.high <= a.low {
		a.high = a.low + 1
	}
}

func (a *axis) at(v float64) float64 {
	return a.from + (math.Log10(v)-a.low)/(a.high-a.low)*(a.to-a.from)
}

func (a *axis) ticks() []float64 {
	var ticks []float64
	for e := a.low; e <= a.high; e++ {
		ticks = append(ticks, math.Pow(10, e))
	}
	return ticks
}
