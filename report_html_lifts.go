package strata

import (
	"fmt"
	"math"
	"strconv"

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
	p.section("lifts", "Lifts")
	p.leaf("p", "Every treatment against the control, by metric; the interval is corrected for the number of comparisons.", "class", "sub")
	p.legend()
	p.start("table", "class", "forest")
	p.start("thead")
	p.start("tr")
	p.leaf("th", "Treatment", "scope", "col")
	p.start("th", "scope", "col", "aria-label", "Drawing of the lift")
	p.axis(s, forestTicks, true)
	p.end()
	p.leaf("th", "Lift", "scope", "col", "class", "num")
	p.leaf("th", "Verdict", "scope", "col")
	p.end()
	p.end()
	for i := range p.r.Metrics {
		p.forestGroup(s, i, &p.r.Metrics[i])
	}
	p.end()
	p.end()
}

// liftScale is one scale for the comparisons of many metrics, with intervals so
// many times as far out as most. some is false where there is no comparison.
func liftScale(r *Report, metrics []MetricReport, times float64) (s axisScale, some bool) {
	var all []stats.Estimate
	worth := 0.0
	for i := range metrics {
		worth = max(worth, worthOf(&metrics[i]))
		for j := range metrics[i].Comparisons {
			c := &metrics[i].Comparisons[j]
			all = append(all, c.Corrected.Lift, c.by(otherInference(r.Inference)).Lift)
		}
	}
	return scaleOf(all, worth, times), len(all) > 0
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
	p.start("ul", "class", "legend")
	p.legendItem("decides: "+inferenceName(p.r.Inference), func() {
		p.line("thick", 0.05, 6, 0.95, 6)
		p.void("circle", "class", "dot", "cx", "50%", "cy", "6", "r", "4")
	})
	other := otherInference(p.r.Inference)
	p.legendItem(inferenceName(other)+", for comparison", func() { p.line("thin", 0.05, 6, 0.95, 6) })
	p.legendItem("too small to be worth knowing of", func() { p.box("worth", 0, 1, 0, 12) })
	if p.hasGuardrail() {
		p.legendItem("loss that a guardrail tolerates", func() { p.line("margin", 0.5, 0, 0.5, 12) })
		p.legendItem("one-sided, decides whether it holds", func() {
			p.line("bound", 0.1, 6, 0.95, 6)
			p.line("bound", 0.1, 2, 0.1, 10)
		})
	}
	p.legendItem("goes on beyond the axis", func() {
		p.line("thick", 0, 6, 0.7, 6)
		p.arrow("thick-end", 0.7, 6, true)
	})
	p.end()
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
	p.start("li")
	p.start("svg", "class", "key-sign", "width", "30", "height", "12", "aria-hidden", "true")
	draw()
	p.end()
	p.leaf("span", text)
	p.end()
}

// forestGroup writes the rows of a metric below its name.
func (p *htmlReport) forestGroup(s axisScale, i int, m *MetricReport) {
	if len(m.Comparisons) == 0 {
		return
	}
	p.start("tbody")
	p.start("tr", "class", "group")
	p.start("th", "colspan", "4", "scope", "rowgroup")
	if p.hasSection(m) {
		p.leaf("a", m.Label, "href", "#"+metricID(i))
	} else {
		p.text(m.Label)
	}
	p.leaf("span", forestNote(m), "class", "note")
	p.end()
	p.end()
	for j := range m.Comparisons {
		p.forestLine(s, m, &m.Comparisons[j])
	}
	p.end()
}

func forestNote(m *MetricReport) string {
	note := " " + string(m.Role)
	if m.Direction == Decrease {
		note += ", less is better"
	}
	return note
}

func (p *htmlReport) forestLine(s axisScale, m *MetricReport, c *MetricComparison) {
	row := rowOf(p.r, m, c)
	p.start("tr")
	p.leaf("th", c.Treatment, "scope", "row", "class", "key", "title", tooltip(c.Treatment))
	p.start("td", "class", "draw")
	if drawable(row.decides) {
		p.forest(s, forestTicks, &row)
	} else {
		p.leaf("span", "No interval: "+reasonOf(row.decides), "class", "why", "title", reasonOf(row.decides))
	}
	p.end()
	p.start("td", "class", "num lift")
	p.liftCell(row.decides)
	p.end()
	p.start("td", "class", "says")
	p.chip(c.Verdict.Code)
	p.end()
	p.end()
}

// liftCell writes a lift and its interval.
func (p *htmlReport) liftCell(e stats.Estimate) {
	p.leaf("strong", pointText(e, liftText))
	if interval := rangeText(e, liftText); interval != missing {
		p.leaf("span", " "+interval, "class", "range")
	}
}

// reasonOf says why an estimate is not drawn.
func reasonOf(e stats.Estimate) string {
	if e.Reason != "" {
		return e.Reason
	}
	return "it is not a number"
}

func rowOf(r *Report, m *MetricReport, c *MetricComparison) forestRow {
	e := c.Corrected.Lift
	row := forestRow{
		class: lookOf(c.Verdict.Code).class, decides: e, other: c.by(otherInference(r.Inference)).Lift, limits: limitsOf(m, c),
		title: fmt.Sprintf("%s, %s: lift %s %s", m.Label, c.Treatment, pointText(e, liftText), rangeText(e, liftText)),
	}
	if n := c.NonInferiority; n != nil {
		row.oneSided = n.Lift
		row.title += fmt.Sprintf(", tolerates %s, at worst %s", liftText(row.limits.margin), n.text())
	}
	return row
}

// funnels draws how many units took each step.
func (p *htmlReport) funnels() {
	if len(p.r.Funnels) == 0 {
		return
	}
	p.section("funnels", "Funnels")
	p.leaf("p", "Units that came so far, as a share of all exposed units. The share of the step before describes the funnel and compares no treatments.", "class", "sub")
	for i := range p.r.Funnels {
		p.funnel(&p.r.Funnels[i])
	}
	p.end()
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
	s := axisScale{0, min(roundStep(most/5)*math.Ceil(most/roundStep(most/5)-1e-9), 1)}
	p.leaf("h3", f.Metric)
	p.start("table", "class", "forest funnel")
	p.start("thead")
	p.start("tr")
	p.leaf("th", "Treatment", "scope", "col")
	p.start("th", "scope", "col", "aria-label", "Drawing of the share")
	p.axis(s, 5, false)
	p.end()
	for _, name := range []string{"Units", "Of all", "Of the step before"} {
		p.leaf("th", name, "scope", "col", "class", "num")
	}
	p.end()
	p.end()
	for i := range f.Steps {
		p.funnelStep(s, i, &f.Steps[i])
	}
	p.end()
}

func (p *htmlReport) funnelStep(s axisScale, i int, step *FunnelStep) {
	p.start("tbody")
	p.start("tr", "class", "group")
	p.leaf("th", strconv.Itoa(i+1)+". "+step.Label, "colspan", "5", "scope", "rowgroup")
	p.end()
	for j, c := range step.Counts {
		p.start("tr")
		p.leaf("th", c.Treatment, "scope", "row", "class", "key", "title", tooltip(c.Treatment))
		p.start("td", "class", "draw")
		p.bar(s, c.Share, j == 0, fmt.Sprintf("%s, %s: %s", step.Label, c.Treatment, shareText(c.Share)))
		p.end()
		p.leaf("td", thousands(c.Units), "class", "num", "data-name", " units")
		p.leaf("td", shareText(c.Share), "class", "num", "data-name", " of all")
		p.leaf("td", shareText(c.OfPrevious), "class", "num", "data-name", " of step before")
		p.end()
	}
	p.end()
}
