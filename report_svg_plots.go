package strata

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/strataxp/strata/stats"
)

// forestRow is a line of a forest plot: the lift of a treatment in one metric.
type forestRow struct {
	title    string
	class    string // of the verdict, for its colour
	decides  stats.Estimate
	other    stats.Estimate // of the other inference
	oneSided stats.Estimate // of a guardrail's test
	limits   limits
}

// limits are what a lift is held against.
type limits struct {
	worth     float64 // the minimum effect, 0 for guardrails
	margin    float64 // where a guardrail's tolerance ends
	hasMargin bool
}

func limitsOf(m *MetricReport, c *MetricComparison) limits {
	n := c.NonInferiority
	switch {
	case n == nil:
		return limits{worth: m.MinimumEffect}
	case m.Direction == Decrease:
		return limits{margin: n.Margin, hasMargin: true}
	default:
		return limits{margin: -n.Margin, hasMargin: true}
	}
}

// Heights of the rows of plots, in pixels.
const (
	forestHeight   = 34
	guardHeight    = 42
	smallHeight    = 28
	barHeight      = 22
	dayChartHeight = 196
)

// forest draws a row. The interval that decides is above, the other inference's
// below, and the one-sided interval of a guardrail at the bottom.
func (m *markup) forest(s axisScale, most int, r *forestRow) {
	height := forestHeight
	if r.limits.hasMargin {
		height = guardHeight
	}
	m.startSVG("plot "+r.class, height, r.title)
	m.ground(s, most, r.limits.worth, float64(height))
	if r.limits.hasMargin && s.holds(r.limits.margin) {
		m.line("margin", s.at(r.limits.margin), 0, s.at(r.limits.margin), float64(height))
	}
	if drawable(r.other) {
		m.span("thin", s, r.other, 24)
	}
	if r.limits.hasMargin && drawable(r.oneSided) {
		m.span("bound", s, r.oneSided, 34)
		m.boundEnds(s, r.oneSided, 34)
	}
	m.point(s, r.decides, 13, 4.5)
	m.end()
}

// boundEnds marks the end of a one-sided interval that is a bound.
func (m *markup) boundEnds(s axisScale, e stats.Estimate, y float64) {
	for _, end := range []float64{e.Low, e.High} {
		if s.holds(end) {
			m.line("bound", s.at(end), y-4, s.at(end), y+4)
		}
	}
}

// smallForest draws a row with nothing but the interval that decides.
func (m *markup) smallForest(s axisScale, most int, r *forestRow) {
	m.startSVG("plot "+r.class, smallHeight, r.title)
	m.ground(s, most, 0, smallHeight)
	m.point(s, r.decides, smallHeight/2, 3.5)
	m.end()
}

// ground draws what is behind a row: the ticks' lines, what is too small to be
// worth knowing of, and zero.
func (m *markup) ground(s axisScale, most int, worth, height float64) {
	if worth > 0 {
		m.box("worth", s.at(-worth), s.at(worth), 0, height)
	}
	ticks, _ := s.ticks(most)
	for _, v := range ticks {
		m.line("grid", s.at(v), 0, s.at(v), height)
	}
	m.line("zero", s.at(0), 0, s.at(0), height)
}

// point draws an interval with its estimate.
func (m *markup) point(s axisScale, e stats.Estimate, y, radius float64) {
	m.span("thick", s, e, y)
	if s.holds(e.Value) {
		m.void("circle", "class", "dot", "cx", across(s.at(e.Value)), "cy", down(y), "r", down(radius))
	}
}

// bar draws a share.
func (m *markup) bar(s axisScale, share float64, control bool, title string) {
	class := "bar"
	if control {
		class = "bar control"
	}
	m.startSVG("plot", barHeight, title)
	m.line("zero", s.at(0), 0, s.at(0), barHeight)
	m.box(class, s.at(0), s.at(share), 4, barHeight-8)
	m.end()
}

// The plot within a chart over time: shares of its width, pixels of its height.
const (
	dayLeft, dayWidth = 0.17, 0.8
	dayTop, dayTall   = 8, 160
	dayUnits          = 1000 // of its inner coordinates, across
)

// dayChart draws an interval over time.
func (m *markup) dayChart(s axisScale, days []DayComparison, l limits, title string) {
	days = drawableDays(days)
	m.startSVG("chart", dayChartHeight, title)
	place := func(v float64) float64 { return dayTop + dayTall*(1-s.at(v)) }
	if l.worth > 0 {
		m.box("worth", dayLeft, dayLeft+dayWidth, place(l.worth), place(-l.worth)-place(l.worth))
	}
	ticks, step := s.ticks(6)
	for _, v := range ticks {
		m.line("grid", dayLeft, place(v), dayLeft+dayWidth, place(v))
		m.label("tick", "end", dayLeft-0.02, place(v)+4, tickText(v, step, true))
	}
	m.line("zero", dayLeft, place(0), dayLeft+dayWidth, place(0))
	if l.hasMargin && s.holds(l.margin) {
		m.line("margin", dayLeft, place(l.margin), dayLeft+dayWidth, place(l.margin))
	}
	m.bandOverTime(s, days)
	first, span := days[0].Day, daySpan(days)
	for _, day := range dayTicks(span) {
		m.label("tick", "middle", dayLeft+dayWidth*day/span, dayChartHeight-10, first.AddDate(0, 0, int(day)).Format("2 Jan"))
	}
	last := days[len(days)-1].Lift
	if s.holds(last.Value) {
		m.void("circle", "class", "dot", "cx", across(dayLeft+dayWidth), "cy", down(place(last.Value)), "r", "3.5")
	}
	m.end()
}

// drawableDays leaves out the days without an interval before the first and
// after the last that has one.
func drawableDays(days []DayComparison) []DayComparison {
	for len(days) > 0 && !drawable(days[0].Lift) {
		days = days[1:]
	}
	for len(days) > 0 && !drawable(days[len(days)-1].Lift) {
		days = days[:len(days)-1]
	}
	return days
}

// daySpan is how many days lie between the first and the last.
func daySpan(days []DayComparison) float64 {
	return max(dayNumber(days, len(days)-1), 1)
}

// dayNumber is how many days after the first one a day is. Summer time makes
// days shorter or longer than 24 hours.
func dayNumber(days []DayComparison, i int) float64 {
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
func (m *markup) bandOverTime(s axisScale, days []DayComparison) {
	m.start("svg", "x", across(dayLeft), "y", strconv.Itoa(dayTop), "width", across(dayWidth), "height", strconv.Itoa(dayTall),
		"viewBox", "0 0 "+strconv.Itoa(dayUnits)+" "+strconv.Itoa(dayTall), "preserveAspectRatio", "none")
	span := daySpan(days)
	place := func(i int, v float64) string {
		return down(min(max(dayUnits*dayNumber(days, i)/span, 0), dayUnits)) + "," + down(dayTall*(1-s.at(v)))
	}
	for i := 0; i < len(days); i++ {
		from := i
		for i < len(days) && drawable(days[i].Lift) {
			i++
		}
		if from == i {
			continue
		}
		var high, low, line []string
		for j := from; j < i; j++ {
			high = append(high, place(j, days[j].Lift.High))
			low = append(low, place(from+i-1-j, days[from+i-1-j].Lift.Low))
			line = append(line, place(j, days[j].Lift.Value))
		}
		m.void("path", "class", "band", "d", "M"+strings.Join(append(high, low...), " ")+"z", "vector-effect", "non-scaling-stroke")
		m.void("path", "class", "estimate", "d", "M"+strings.Join(line, " "), "vector-effect", "non-scaling-stroke")
	}
	m.end()
}

// period prints the days that a chart covers.
func period(days []DayComparison) string {
	days = drawableDays(days)
	return longDay(days[0].Day) + " to " + longDay(days[len(days)-1].Day)
}

func longDay(t time.Time) string { return t.Format("2 January 2006") }
