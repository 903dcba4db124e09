package page

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/strataxp/strata/stats"
)

// ForestRow is a line of a forest plot: the lift of a treatment in one metric.
type ForestRow struct {
	Title    string
	Class    string // of the verdict, for its colour: good, bad, same, open or warn
	Decides  stats.Estimate
	Other    stats.Estimate // of the other inference
	OneSided stats.Estimate // of a guardrail's test
	Limits   Limits
}

// Limits are what a lift is held against.
type Limits struct {
	Worth     float64 // the minimum effect, 0 for none
	Margin    float64 // a line of its own, such as where a guardrail's tolerance ends
	HasMargin bool
}

// Moment is an estimate as it stood on a day.
type Moment struct {
	Day   time.Time // when it began
	Value stats.Estimate
}

// Heights of the rows of plots, in pixels.
const (
	forestHeight   = 34
	guardHeight    = 42
	smallHeight    = 28
	barHeight      = 22
	dayChartHeight = 196
)

// Forest draws a row. The interval that decides is above, the other inference's
// below, and the one-sided interval of a guardrail at the bottom.
func (m *Markup) Forest(s Scale, most int, r *ForestRow) {
	height := forestHeight
	if r.Limits.HasMargin {
		height = guardHeight
	}
	m.StartSVG("plot "+r.Class, height, r.Title)
	m.ground(s, most, r.Limits.Worth, float64(height))
	if r.Limits.HasMargin && s.holds(r.Limits.Margin) {
		m.Line("margin", s.at(r.Limits.Margin), 0, s.at(r.Limits.Margin), float64(height))
	}
	if Drawable(r.Other) {
		m.span("thin", s, r.Other, 24)
	}
	if r.Limits.HasMargin && Drawable(r.OneSided) {
		m.span("bound", s, r.OneSided, 34)
		m.boundEnds(s, r.OneSided, 34)
	}
	m.point(s, r.Decides, 13, 4.5)
	m.End()
}

// boundEnds marks the end of a one-sided interval that is a bound.
func (m *Markup) boundEnds(s Scale, e stats.Estimate, y float64) {
	for _, end := range []float64{e.Low, e.High} {
		if s.holds(end) {
			m.Line("bound", s.at(end), y-4, s.at(end), y+4)
		}
	}
}

// SmallForest draws a row with nothing but the interval that decides.
func (m *Markup) SmallForest(s Scale, most int, r *ForestRow) {
	m.StartSVG("plot "+r.Class, smallHeight, r.Title)
	m.ground(s, most, 0, smallHeight)
	m.point(s, r.Decides, smallHeight/2, 3.5)
	m.End()
}

// ground draws what is behind a row: the ticks' lines, what is too small to be
// worth knowing of, and zero.
func (m *Markup) ground(s Scale, most int, worth, height float64) {
	if worth > 0 {
		m.Box("worth", s.at(-worth), s.at(worth), 0, height)
	}
	ticks, _ := s.ticks(most)
	for _, v := range ticks {
		m.Line("grid", s.at(v), 0, s.at(v), height)
	}
	m.Line("zero", s.at(0), 0, s.at(0), height)
}

// point draws an interval with its estimate.
func (m *Markup) point(s Scale, e stats.Estimate, y, radius float64) {
	m.span("thick", s, e, y)
	if s.holds(e.Value) {
		m.Void("circle", "class", "dot", "cx", across(s.at(e.Value)), "cy", down(y), "r", down(radius))
	}
}

// Bar draws a share.
func (m *Markup) Bar(s Scale, share float64, control bool, title string) {
	class := "bar"
	if control {
		class = "bar control"
	}
	m.StartSVG("plot", barHeight, title)
	m.Line("zero", s.at(0), 0, s.at(0), barHeight)
	m.Box(class, s.at(0), s.at(share), 4, barHeight-8)
	m.End()
}

// The plot within a chart over time: shares of its width, pixels of its height.
const (
	dayLeft, dayWidth = 0.17, 0.8
	dayTop, dayTall   = 8, 160
	dayUnits          = 1000 // of its inner coordinates, across
)

// Chart draws an interval over time, of which there must be one. signed marks what
// is above zero as such.
func (m *Markup) Chart(s Scale, days []Moment, l Limits, signed bool, title string) {
	days = drawableDays(days)
	m.StartSVG("chart", dayChartHeight, title)
	place := func(v float64) float64 { return dayTop + dayTall*(1-s.at(v)) }
	if l.Worth > 0 {
		m.Box("worth", dayLeft, dayLeft+dayWidth, place(l.Worth), place(-l.Worth)-place(l.Worth))
	}
	ticks, step := s.ticks(6)
	for _, v := range ticks {
		m.Line("grid", dayLeft, place(v), dayLeft+dayWidth, place(v))
		m.Label("tick", "end", dayLeft-0.02, place(v)+4, tickText(v, step, signed))
	}
	m.Line("zero", dayLeft, place(0), dayLeft+dayWidth, place(0))
	if l.HasMargin && s.holds(l.Margin) {
		m.Line("margin", dayLeft, place(l.Margin), dayLeft+dayWidth, place(l.Margin))
	}
	m.bandOverTime(s, days)
	first, span := days[0].Day, daySpan(days)
	for _, day := range dayTicks(span) {
		m.Label("tick", "middle", dayLeft+dayWidth*day/span, dayChartHeight-10, first.AddDate(0, 0, int(day)).Format("2 Jan"))
	}
	last := days[len(days)-1].Value
	if s.holds(last.Value) {
		m.Void("circle", "class", "dot", "cx", across(dayLeft+dayWidth), "cy", down(place(last.Value)), "r", "3.5")
	}
	m.End()
}

// drawableDays leaves out the days without an interval before the first and
// after the last that has one.
func drawableDays(days []Moment) []Moment {
	for len(days) > 0 && !Drawable(days[0].Value) {
		days = days[1:]
	}
	for len(days) > 0 && !Drawable(days[len(days)-1].Value) {
		days = days[:len(days)-1]
	}
	return days
}

// daySpan is how many days lie between the first and the last.
func daySpan(days []Moment) float64 {
	return max(dayNumber(days, len(days)-1), 1)
}

// dayNumber is how many days after the first one a day is. Summer time makes
// days shorter or longer than 24 hours.
func dayNumber(days []Moment, i int) float64 {
	return math.Round(days[i].Day.Sub(days[0].Day).Hours() / 24)
}

// dayTicks are at most six days, a round number of days or weeks apart.
func dayTicks(span float64) []float64 {
	step := 1.0
	for _, round := range []float64{1, 2, 3, 7, 14, 28, 56, 91, 182, 364} {
		step = round
		if span/step <= 5 {
			break
		}
	}
	for span/step > 5 {
		step *= 2
	}
	var ticks []float64
	for day := 0.0; day <= span; day += step {
		ticks = append(ticks, day)
	}
	return ticks
}

// bandOverTime draws the band of the intervals and the line of the estimates,
// with a gap where there is none. It stretches to its place, its lines do not.
func (m *Markup) bandOverTime(s Scale, days []Moment) {
	m.Start("svg", "x", across(dayLeft), "y", strconv.Itoa(dayTop), "width", across(dayWidth), "height", strconv.Itoa(dayTall),
		"viewBox", "0 0 "+strconv.Itoa(dayUnits)+" "+strconv.Itoa(dayTall), "preserveAspectRatio", "none")
	span := daySpan(days)
	place := func(i int, v float64) string {
		return down(min(max(dayUnits*dayNumber(days, i)/span, 0), dayUnits)) + "," + down(dayTall*(1-s.at(v)))
	}
	for i := 0; i < len(days); i++ {
		from := i
		for i < len(days) && Drawable(days[i].Value) {
			i++
		}
		if from == i {
			continue
		}
		var high, low, line []string
		for j := from; j < i; j++ {
			high = append(high, place(j, days[j].Value.High))
			low = append(low, place(from+i-1-j, days[from+i-1-j].Value.Low))
			line = append(line, place(j, days[j].Value.Value))
		}
		m.Void("path", "class", "band", "d", "M"+strings.Join(append(high, low...), " ")+"z", "vector-effect", "non-scaling-stroke")
		m.Void("path", "class", "estimate", "d", "M"+strings.Join(line, " "), "vector-effect", "non-scaling-stroke")
	}
	m.End()
}

// Period prints the days that a chart covers.
func Period(days []Moment) string {
	if days = drawableDays(days); len(days) == 0 {
		return "no days"
	}
	return longDay(days[0].Day) + " to " + longDay(days[len(days)-1].Day)
}

func longDay(t time.Time) string { return t.Format("2 January 2006") }
