package strata

import (
	"fmt"
	"math"
	"strconv"

	"github.com/strataxp/strata/internal/page"
	"github.com/strataxp/strata/stats"
)

// Ticks of the axes.
const (
	forestTicks = 7
	smallTicks  = 4
)

// lifts draws the lift of each treatment in each metric, all on one scale.
func (p *htmlReport) lifts() {
	s, some := liftScale(p.r, p.r.Metrics, 4)
	if !some {
		return
	}
	p.Section("lifts", "Lifts")
	p.Leaf("p", "Every treatment against the control, by metric; the interval is corrected for the number of comparisons.", "class", "sub")
	p.legend()
	p.Start("table", "class", "forest")
	p.Start("thead")
	p.Start("tr")
	p.Leaf("th", "Treatment", "scope", "col")
	p.Start("th", "scope", "col", "aria-label", "Drawing of the lift")
	p.Axis(s, forestTicks, true)
	p.End()
	p.Leaf("th", "Lift", "scope", "col", "class", "num")
	p.Leaf("th", "Verdict", "scope", "col")
	p.End()
	p.End()
	for i := range p.r.Metrics {
		p.forestGroup(s, i, &p.r.Metrics[i])
	}
	p.End()
	p.End()
}

// liftScale is one scale for the comparisons of many metrics, with intervals so
// many times as far out as most. some is false where there is no comparison.
func liftScale(r *Report, metrics []MetricReport, times float64) (s page.Scale, some bool) {
	var all []stats.Estimate
	worth := 0.0
	for i := range metrics {
		worth = max(worth, worthOf(&metrics[i]))
		for j := range metrics[i].Comparisons {
			c := &metrics[i].Comparisons[j]
			all = append(all, c.Corrected.Lift, c.by(otherInference(r.Inference)).Lift)
		}
	}
	return page.ScaleOf(all, worth, times), len(all) > 0
}

// worthOf is how far a scale should reach for a metric.
func worthOf(m *MetricReport) float64 {
	if m.Role == RoleGuardrail {
		return 1.2 * m.Margin
	}
	return m.MinimumEffect
}

// legend says what the lines of a forest plot are.
func (p *htmlReport) legend() {
	p.Start("ul", "class", "legend")
	p.legendItem("decides: "+inferenceName(p.r.Inference), func() {
		p.Line("thick", 0.05, 6, 0.95, 6)
		p.Void("circle", "class", "dot", "cx", "50%", "cy", "6", "r", "4")
	})
	other := otherInference(p.r.Inference)
	p.legendItem(inferenceName(other)+", for comparison", func() { p.Line("thin", 0.05, 6, 0.95, 6) })
	p.legendItem("too small to be worth knowing of", func() { p.Box("worth", 0, 1, 0, 12) })
	if p.hasGuardrail() {
		p.legendItem("loss that a guardrail tolerates", func() { p.Line("margin", 0.5, 0, 0.5, 12) })
		p.legendItem("one-sided, decides whether it holds", func() {
			p.Line("bound", 0.1, 6, 0.95, 6)
			p.Line("bound", 0.1, 2, 0.1, 10)
		})
	}
	p.legendItem("goes on beyond the axis", func() {
		p.Line("thick", 0, 6, 0.7, 6)
		p.Arrow("thick-end", 0.7, 6, true)
	})
	p.End()
}

func (p *htmlReport) hasGuardrail() bool {
	for i := range p.r.Metrics {
		for j := range p.r.Metrics[i].Comparisons {
			if p.r.Metrics[i].Comparisons[j].NonInferiority != nil {
				return true
			}
		}
	}
	return false
}

func (p *htmlReport) legendItem(text string, draw func()) {
	p.Start("li")
	p.Start("svg", "class", "key-sign", "width", "30", "height", "12", "aria-hidden", "true")
	draw()
	p.End()
	p.Leaf("span", text)
	p.End()
}

// forestGroup writes the rows of a metric below its name.
func (p *htmlReport) forestGroup(s page.Scale, i int, m *MetricReport) {
	if len(m.Comparisons) == 0 {
		return
	}
	p.Start("tbody")
	p.Start("tr", "class", "group")
	p.Start("th", "colspan", "4", "scope", "rowgroup")
	if p.hasSection(m) {
		p.Leaf("a", m.Label, "href", "#"+metricID(i))
	} else {
		p.Text(m.Label)
	}
	p.Leaf("span", forestNote(m), "class", "note")
	p.End()
	p.End()
	for j := range m.Comparisons {
		p.forestLine(s, m, &m.Comparisons[j])
	}
	p.End()
}

func forestNote(m *MetricReport) string {
	note := " " + string(m.Role)
	if m.Direction == Decrease {
		note += ", less is better"
	}
	return note
}

func (p *htmlReport) forestLine(s page.Scale, m *MetricReport, c *MetricComparison) {
	row := rowOf(p.r, m, c)
	p.Start("tr")
	p.Leaf("th", c.Treatment, "scope", "row", "class", "key", "title", page.Tooltip(c.Treatment))
	p.Start("td", "class", "draw")
	if page.Drawable(row.Decides) {
		p.Forest(s, forestTicks, &row)
	} else {
		p.Leaf("span", "No interval: "+reasonOf(row.Decides), "class", "why", "title", reasonOf(row.Decides))
	}
	p.End()
	p.Start("td", "class", "num lift")
	p.liftCell(row.Decides)
	p.End()
	p.Start("td", "class", "says")
	p.chip(c.Verdict.Code)
	p.End()
	p.End()
}

// liftCell writes a lift and its interval.
func (p *htmlReport) liftCell(e stats.Estimate) {
	p.Leaf("strong", pointText(e, page.Lift))
	if interval := rangeText(e, page.Lift); interval != page.Missing {
		p.Leaf("span", " "+interval, "class", "range")
	}
}

// reasonOf says why an estimate is not drawn.
func reasonOf(e stats.Estimate) string {
	if e.Reason != "" {
		return e.Reason
	}
	return "it is not a number"
}

func rowOf(r *Report, m *MetricReport, c *MetricComparison) page.ForestRow {
	e := c.Corrected.Lift
	row := page.ForestRow{
		Class: lookOf(c.Verdict.Code).class, Decides: e, Other: c.by(otherInference(r.Inference)).Lift, Limits: limitsOf(m, c),
		Title: fmt.Sprintf("%s, %s: lift %s %s", m.Label, c.Treatment, pointText(e, page.Lift), rangeText(e, page.Lift)),
	}
	if n := c.NonInferiority; n != nil {
		row.OneSided = n.Lift
		row.Title += fmt.Sprintf(", tolerates %s, at worst %s", page.Lift(row.Limits.Margin), n.text())
	}
	return row
}

// limitsOf are what the lift of a metric is held against.
func limitsOf(m *MetricReport, c *MetricComparison) page.Limits {
	n := c.NonInferiority
	switch {
	case n == nil:
		return page.Limits{Worth: m.MinimumEffect}
	case m.Direction == Decrease:
		return page.Limits{Margin: n.Margin, HasMargin: true}
	default:
		return page.Limits{Margin: -n.Margin, HasMargin: true}
	}
}

// funnels draws how many units took each step.
func (p *htmlReport) funnels() {
	if len(p.r.Funnels) == 0 {
		return
	}
	p.Section("funnels", "Funnels")
	p.Leaf("p", "Units that came so far, as a share of all exposed units. The share of the step before describes the funnel and compares no treatments.", "class", "sub")
	for i := range p.r.Funnels {
		p.funnel(&p.r.Funnels[i])
	}
	p.End()
}

func (p *htmlReport) funnel(f *FunnelReport) {
	most := 0.0
	for _, step := range f.Steps {
		for _, c := range step.Counts {
			most = max(most, min(c.Share, 1))
		}
	}
	if !(most > 0) {
		most = 1
	}
	s := page.Scale{Low: 0, High: min(page.RoundStep(most/5)*math.Ceil(most/page.RoundStep(most/5)-1e-9), 1)}
	p.Leaf("h3", f.Metric)
	p.Start("table", "class", "forest funnel")
	p.Start("thead")
	p.Start("tr")
	p.Leaf("th", "Treatment", "scope", "col")
	p.Start("th", "scope", "col", "aria-label", "Drawing of the share")
	p.Axis(s, 5, false)
	p.End()
	for _, name := range []string{"Units", "Of all", "Of the step before"} {
		p.Leaf("th", name, "scope", "col", "class", "num")
	}
	p.End()
	p.End()
	for i := range f.Steps {
		p.funnelStep(s, i, &f.Steps[i])
	}
	p.End()
}

func (p *htmlReport) funnelStep(s page.Scale, i int, step *FunnelStep) {
	p.Start("tbody")
	p.Start("tr", "class", "group")
	p.Leaf("th", strconv.Itoa(i+1)+". "+step.Label, "colspan", "5", "scope", "rowgroup")
	p.End()
	for j, c := range step.Counts {
		p.Start("tr")
		p.Leaf("th", c.Treatment, "scope", "row", "class", "key", "title", page.Tooltip(c.Treatment))
		p.Start("td", "class", "draw")
		p.Bar(s, c.Share, j == 0, fmt.Sprintf("%s, %s: %s", step.Label, c.Treatment, page.Share(c.Share)))
		p.End()
		p.Leaf("td", page.Thousands(c.Units), "class", "num", "data-name", " units")
		p.Leaf("td", page.Share(c.Share), "class", "num", "data-name", " of all")
		p.Leaf("td", page.Share(c.OfPrevious), "class", "num", "data-name", " of step before")
		p.End()
	}
	p.End()
}
