package page

import (
	"math"
	"slices"
	"strconv"

	"github.com/strataxp/strata/stats"
)

// The drawings of a report are as wide as there is room: their coordinates are
// percentages across and pixels down, so that text and lines stay as they are
// on a telephone.

// Scale maps numbers to a plot, from 0 to 1. What is beyond its ends lands
// on them.
type Scale struct{ Low, High float64 }

// at returns the place of a number, with some room at both ends.
func (s Scale) at(v float64) float64 {
	const room = 0.02
	at := (v - s.Low) / (s.High - s.Low)
	switch {
	case !(at > 0): // NaN as well
		at = 0
	case at > 1:
		at = 1
	}
	return room + (1-2*room)*at
}

func (s Scale) holds(v float64) bool { return s.Low <= v && v <= s.High }

// Limits of what a scale of lifts covers: from a ten-thousandth of a percent to
// ten thousand percent. Beyond them are corner cases, drawn as arrows.
const (
	narrowestScale = 1e-6
	widestScale    = 100
)

// ScaleOf covers 0, the intervals, and what is worth knowing of on both sides
// where that leaves the intervals visible. Of an interval that is more than so
// many times as far out as most, it leaves out the rest.
func ScaleOf(intervals []stats.Estimate, worth, times float64) Scale {
	var reach []float64
	low, high := 0.0, 0.0
	for _, e := range intervals {
		if !Drawable(e) {
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
	return Scale{min(max(low, -limit), -worth), max(min(high, limit), worth)}
}

// Drawable reports whether an estimate has an interval that is numbers.
func Drawable(e stats.Estimate) bool {
	return e.Reason == "" && !e.NoValue && !math.IsNaN(e.Low) && !math.IsNaN(e.High) && !math.IsNaN(e.Value) && !math.IsInf(e.Value, 0)
}

// ticks are round numbers within a scale, at most so many, and their distance.
func (s Scale) ticks(most int) (at []float64, step float64) {
	step = RoundStep((s.High - s.Low) / float64(most))
	for i := math.Ceil(s.Low/step - 1e-9); i*step <= s.High*(1+1e-9)+1e-300 && len(at) <= most; i++ {
		at = append(at, i*step)
	}
	return at, step
}

// RoundStep is the smallest of 1, 2 and 5 times a power of ten that is no
// smaller than v.
func RoundStep(v float64) float64 {
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
	s := Decimal(100*v, decimals)
	if math.Abs(v) < step/2 {
		s = "0"
	}
	if sign {
		s = WithSign(s)
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

// StartSVG opens a drawing that is described by its title.
func (m *Markup) StartSVG(class string, height int, title string) {
	m.Start("svg", "class", class, "role", "img", "width", "100%", "height", strconv.Itoa(height), "aria-label", title)
	m.Leaf("title", title)
}

// Line draws a line: across from 0 to 1, down in pixels.
func (m *Markup) Line(class string, x1, y1, x2, y2 float64) {
	m.Void("line", "class", class, "x1", across(x1), "y1", down(y1), "x2", across(x2), "y2", down(y2))
}

// Box draws a rectangle from one place across to another.
func (m *Markup) Box(class string, x1, x2, y, height float64) {
	m.Void("rect", "class", class, "x", across(x1), "y", down(y), "width", across(max(x2-x1, 0)), "height", down(height))
}

// Label writes text.
func (m *Markup) Label(class, anchor string, x, y float64, text string) {
	m.Leaf("text", text, "class", class, "x", across(x), "y", down(y), "text-anchor", anchor)
}

// Arrow points to the left or right of a place.
func (m *Markup) Arrow(class string, x, y float64, right bool) {
	shape := "M0,-5 L-8,0 L0,5 z"
	if right {
		shape = "M0,-5 L8,0 L0,5 z"
	}
	m.Start("svg", "x", across(x), "y", down(y), "overflow", "visible")
	m.Void("path", "class", class, "d", shape)
	m.End()
}

// span draws an interval on a line, with arrows where it goes on beyond the
// scale.
func (m *Markup) span(class string, s Scale, e stats.Estimate, y float64) {
	left, right := s.at(e.Low), s.at(e.High)
	m.Line(class, left, y, right, y)
	if e.Low < s.Low {
		m.Arrow(class+"-end", left, y, false)
	}
	if e.High > s.High {
		m.Arrow(class+"-end", right, y, true)
	}
}

// Axis draws the labels of a scale of percentages.
func (m *Markup) Axis(s Scale, most int, sign bool) {
	ticks, step := s.ticks(most)
	m.Start("svg", "class", "axis", "aria-hidden", "true", "width", "100%", "height", "18")
	for _, v := range ticks {
		m.Label("tick", "middle", s.at(v), 13, tickText(v, step, sign))
	}
	m.End()
}
