package strata

import (
	"fmt"
	"slices"
	"strings"

	"github.com/strataxp/strata/stats"
)

// metrics writes a section for each metric. Of a funnel only the last step has
// one.
func (p *htmlReport) metrics() {
	if len(p.r.Metrics) == 0 {
		p.section("metrics", "Metrics")
		p.leaf("p", "The experiment has no metrics: name some in its “metrics”.")
		p.end()
		return
	}
	p.section("metrics", "Metrics")
	for i := range p.r.Metrics {
		if p.hasSection(&p.r.Metrics[i]) {
			p.metric(i, &p.r.Metrics[i])
		}
	}
	p.end()
}

func (p *htmlReport) hasSection(m *MetricReport) bool { return m.Step == 0 || p.r.lastStep(m) }

func (p *htmlReport) metric(i int, m *MetricReport) {
	p.start("section", "class", "metric", "aria-labelledby", metricID(i))
	p.leaf("h3", m.Label, "id", metricID(i))
	p.leaf("p", sentence(strings.Join(metricNotes(m), ", "))+". "+effectNote(m), "class", "sub")
	for j := range m.Comparisons {
		p.comparisonVerdict(&m.Comparisons[j])
	}
	u := unitOf(m)
	p.estimates(m, u)
	p.comparisons(m, u)
	p.overTime(m)
	p.end()
}

func metricID(i int) string { return fmt.Sprint("metric-", i+1) }

// effectNote says what is worth knowing of, and what is tolerated.
func effectNote(m *MetricReport) string {
	if m.Role == RoleGuardrail {
		return fmt.Sprintf("Tolerates a loss of %s.", settingText(m.Margin))
	}
	return fmt.Sprintf("A lift of %s is worth knowing of.", settingText(m.MinimumEffect))
}

func (p *htmlReport) comparisonVerdict(c *MetricComparison) {
	p.start("p", "class", "finding")
	p.chip(c.Verdict.Code)
	p.text(" ")
	p.leaf("strong", c.Treatment)
	p.text(": " + together(c.Verdict.Text+reasons(c)))
	p.end()
}

func (p *htmlReport) estimates(m *MetricReport, u metricUnit) {
	p.startTable("figures", "Estimates of "+m.Label)
	p.leaf("caption", "Estimates, each with an interval of its own")
	unit := ""
	if m.Currency != "" {
		unit = ", " + m.Currency
	}
	p.header(1, "Treatment", "Units", "Estimate"+unit, "Std. error", settingText(p.r.Level)+" interval")
	p.start("tbody")
	for i, e := range m.Estimates {
		p.row(1, p.treatmentName(i, e.Treatment), thousands(e.Units), pointText(e.Estimate, u.text), u.errorText(e.Estimate), rangeText(e.Estimate, u.text))
	}
	p.end()
	p.endTable()
}

// treatmentName marks the control as such.
func (p *htmlReport) treatmentName(i int, key string) string {
	if i == 0 {
		return key + " (control)"
	}
	return key
}

// comparisons writes the table of comparisons, the inference that decides first.
func (p *htmlReport) comparisons(m *MetricReport, u metricUnit) {
	if len(m.Comparisons) == 0 {
		return
	}
	adjusted := hasAdjustment(*m)
	guardrail := slices.ContainsFunc(m.Comparisons, func(c MetricComparison) bool { return c.NonInferiority != nil })
	p.startTable("figures", "Comparisons of "+m.Label)
	p.leaf("caption", "Comparisons with the control")
	p.comparisonHeader(u, adjusted, guardrail)
	p.start("tbody")
	for i := range m.Comparisons {
		p.comparison(&m.Comparisons[i], u, adjusted, guardrail)
	}
	p.end()
	p.endTable()
}

func (p *htmlReport) comparisonHeader(u metricUnit, adjusted, guardrail bool) {
	unit := u.name
	if unit != "" {
		unit = ", " + unit
	}
	p.start("thead")
	p.start("tr")
	p.leaf("th", "Treatment", "scope", "col", "rowspan", "2")
	p.leaf("th", "Difference"+unit, "scope", "colgroup", "colspan", "2", "class", "num")
	p.leaf("th", "Lift, %", "scope", "col", "rowspan", "2", "class", "num")
	for _, i := range []Inference{p.r.Inference, otherInference(p.r.Inference)} {
		p.leaf("th", p.inferenceHeader(i), "scope", "colgroup", "colspan", "2", "class", "num")
	}
	p.leaf("th", "Corrected p", "scope", "col", "rowspan", "2", "class", "num")
	if adjusted {
		p.leaf("th", "Variance explained", "scope", "col", "rowspan", "2", "class", "num wraps")
	}
	if guardrail {
		p.leaf("th", "Loss at worst", "scope", "col", "rowspan", "2", "class", "num")
	}
	p.end()
	p.start("tr")
	for _, name := range []string{"estimate", "interval", "interval, %", "p", "interval, %", "p"} {
		p.leaf("th", name, "scope", "col", "class", "num low")
	}
	p.end()
	p.end()
}

func (p *htmlReport) inferenceHeader(i Inference) string {
	name := "Always valid"
	if i == OneLook {
		name = "One look"
	}
	if i == p.r.Inference {
		name += " (decides)"
	}
	return name
}

func (p *htmlReport) comparison(c *MetricComparison, u metricUnit, adjusted, guardrail bool) {
	by, other := c.by(p.r.Inference), c.by(otherInference(p.r.Inference))
	cells := []string{
		c.Treatment, pointText(by.Difference, u.signed), rangeText(by.Difference, u.plain), pointText(by.Lift, liftNumber),
		rangeText(by.Lift, liftNumber), probability(by.Test), rangeText(other.Lift, liftNumber), probability(other.Test),
	}
	cells = append(cells, correctedText(&c.Corrected))
	if adjusted {
		cells = append(cells, c.Adjustment.explained())
	}
	if guardrail {
		cells = append(cells, c.NonInferiority.text())
	}
	p.row(1, cells...)
}

// explained says how much of the variance the past explains.
func (a *Adjustment) explained() string {
	if a == nil {
		return missing
	}
	if !a.Applied {
		return "not adjusted"
	}
	return shareText(a.VarianceReduction)
}

// text says what a guardrail's test found.
func (n *NonInferiority) text() string {
	if n == nil || n.Lift.Reason != "" {
		return missing
	}
	if n.Holds {
		return liftText(n.worst()) + ", holds"
	}
	return liftText(n.worst()) + ", not shown"
}

// overTime draws how each comparison came about, on one scale.
func (p *htmlReport) overTime(m *MetricReport) {
	var all []stats.Estimate
	var drawn []*MetricComparison
	for i := range m.Comparisons {
		c := &m.Comparisons[i]
		intervals := liftsOf(c.Days)
		if len(intervals) >= 2 {
			all, drawn = append(all, intervals...), append(drawn, c)
		}
	}
	if len(drawn) == 0 {
		return
	}
	s := scaleOf(all, worthOf(m), 2.5)
	p.start("div", "class", "charts")
	for _, c := range drawn {
		p.dayFigure(s, m, c)
	}
	p.end()
}

// liftsOf are the lifts of the days that have an interval.
func liftsOf(days []DayComparison) []stats.Estimate {
	var lifts []stats.Estimate
	for i := range days {
		if drawable(days[i].Lift) {
			lifts = append(lifts, days[i].Lift)
		}
	}
	return lifts
}

func (p *htmlReport) dayFigure(s axisScale, m *MetricReport, c *MetricComparison) {
	lifts := liftsOf(c.Days)
	last := lifts[len(lifts)-1]
	title := fmt.Sprintf("%s over time: lift of %s over %s, %s, at the end %s %s", m.Label, c.Treatment, c.Control, period(c.Days), liftText(last.Value), rangeText(last, liftText))
	p.start("figure")
	p.start("figcaption")
	p.leaf("strong", c.Treatment)
	p.leaf("span", fmt.Sprintf("Lift in %% of %s by day, always-valid %s interval", c.Control, settingText(p.r.Level)))
	p.end()
	p.dayChart(s, c.Days, limitsOf(m, c), title)
	p.leaf("p", period(c.Days)+beyond(s, lifts), "class", "note")
	p.end()
}

// beyond says that some intervals do not fit the scale.
func beyond(s axisScale, lifts []stats.Estimate) string {
	for _, e := range lifts {
		if e.Low < s.low || e.High > s.high {
			return "; wider intervals are cut off"
		}
	}
	return ""
}
