package strata

import (
	"math"
	"slices"
	"strconv"

	"github.com/strataxp/strata/stats"
)

// The drawings of a report are as wide as there is room: their coordinates are
// percentages across and pixels down, so that text and lines stay as they are
// on a telephone.

// axisScale maps numbers to a plot, from 0 to 1. What is beyond its ends lands
// on them.
type axisScale struct{ low, high float64 }

// at returns the place of a number, with some room at both ends.
func (s axisScale) at(v float64) float64 {
	const room = 0.02
	at := (v - s.low) / (s.high - s.low)
	switch {
	case !(at > 0): // NaN as well
		at = 0
	case at > 1:
		at = 1
	}
	return room + (1-2*room)*at
}

func (s axisScale) holds(v float64) bool { return s.low <= v && v <= s.high }

// Limits of what a scale of lifts covers: from a ten-thousandth of a percent to
// ten thousand percent. Beyond them are corner cases, drawn as arrows.
const (
	narrowestScale = 1e-6
	widestScale    = 100
)

// scaleOf covers 0, the intervals, and what is worth knowing of on both sides
// where that leaves the intervals visible. Of an interval that is more than so
// many times as far out as most, it leaves out the rest.
func scaleOf(intervals []stats.Estimate, worth, times float64) axisScale {
	var reach []float64
	low, high := 0.0, 0.0
	for _, e := range intervals {
		if !drawable(e) {
			continue
		}
		ends := []float64{e.Value, e.Low, e.High}
		ends = slices.DeleteFunc(ends, func(v float64) bool { return math.IsInf(v, 0) })
		low, high = min(low, slices.Min(ends)), max(high, slices.Max(ends))
		reach = append(reach, max(-slices.Min(ends), slices.Max(ends)))
	}
	if !(worth > 0) {
		worth = 0
	}
	limit := worth
	if len(reach) > 0 {
		slices.Sort(reach)
		usual := reach[len(reach)/2]
		limit, worth = max(times*usual, worth), min(worth, 3*usual)
	}
	limit = min(max(limit, narrowestScale), widestScale)
	worth = min(max(worth, narrowestScale), limit)
	return axisScale{min(max(low, -limit), -worth), max(min(high, limit), worth)}
}

// drawable reports whether an estimate has an interval that is numbers.
func drawable(e stats.Estimate) bool {
	return e.Reason == "" && !e.NoValue && !math.IsNaN(e.Low) && !math.IsNaN(e.High) && !math.IsNaN(e.Value) && !math.IsInf(e.Value, 0)
}

// ticks are round numbers within a scale, at most so many, and their distance.
func (s axisScale) ticks(most int) (at []float64, step float64) {
	step = roundStep((s.high - s.low) / float64(most))
	for i := math.Ceil(s.low/step - 1e-9); i*step <= s.high*(1+1e-9)+1e-300 && len(at) <= most; i++ {
		at = append(at, i*step)
	}
	return at, step
}

// roundStep is the smallest of 1, 2 and 5 times a power of ten that is no
// smaller than v.
func roundStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, times := range []float64{1, 2, 5} {
		if times*power >= v*(1-1e-9) {
			return times * power
		}
	}
	return 10 * power
}

// tickText prints a tick of an axis of percentages.
func tickText(v, step float64, sign bool) string {
	decimals := max(0, -int(math.Floor(math.Log10(100*step)+1e-9)))
	s := decimalText(100*v, decimals)
	if math.Abs(v) < step/2 {
		s = "0"
	}
	if sign {
		s = withSign(s)
	}
	return s + " %"
}

// across prints a horizontal place, from 0 to 1.
func across(at float64) string {
	if !(at > 0) {
		at = 0
	}
	return strconv.FormatFloat(100*min(at, 1), 'f', 2, 64) + "%"
}

// down prints a vertical place in pixels, or a place in a drawing of its own.
func down(at float64) string {
	if math.IsNaN(at) || math.IsInf(at, 0) {
		at = 0
	}
	return strconv.FormatFloat(math.Round(at*10)/10, 'f', -1, 64)
}

// startSVG opens a drawing that is described by its title.
func (m *markup) startSVG(class string, height int, title string) {
	m.start("svg", "class", class, "role", "img", "width", "100%", "height", strconv.Itoa(height), "aria-label", title)
	m.leaf("title", title)
}

func (m *markup) line(class string, x1, y1, x2, y2 float64) {
	m.void("line", "class", class, "x1", across(x1), "y1", down(y1), "x2", across(x2), "y2", down(y2))
}

// box draws a rectangle from one place across to another.
func (m *markup) box(class string, x1, x2, y, height float64) {
	m.void("rect", "class", class, "x", across(x1), "y", down(y), "width", across(max(x2-x1, 0)), "height", down(height))
}

func (m *markup) label(class, anchor string, x, y float64, text string) {
	m.leaf("text", text, "class", class, "x", across(x), "y", down(y), "text-anchor", anchor)
}

// arrow points to the left or right of a place.
func (m *markup) arrow(class string, x, y float64, right bool) {
	shape := "M0,-5 L-8,0 L0,5 z"
	if right {
		shape = "M0,-5 L8,0 L0,5 z"
	}
	m.start("svg", "x", across(x), "y", down(y), "overflow", "visible")
	m.void("path", "class", class, "d", shape)
	m.end()
}

// span draws an interval on a line, with arrows where it goes on beyond the
// scale.
func (m *markup) span(class string, s axisScale, e stats.Estimate, y float64) {
	left, right := s.at(e.Low), s.at(e.High)
	m.line(class, left, y, right, y)
	if e.Low < s.low {
		m.arrow(class+"-end", left, y, false)
	}
	if e.High > s.high {
		m.arrow(class+"-end", right, y, true)
	}
}

// axis draws the labels of a scale of percentages.
func (m *markup) axis(s axisScale, most int, sign bool) {
	ticks, step := s.ticks(most)
	m.start("svg", "class", "axis", "aria-hidden", "true", "width", "100%", "height", "18")
	for _, v := range ticks {
		m.label("tick", "middle", s.at(v), 13, tickText(v, step, sign))
	}
	m.end()
}
