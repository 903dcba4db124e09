package strata

import (
	"fmt"
	"slices"
	"strings"

	"github.com/strataxp/strata/internal/page"
	"github.com/strataxp/strata/stats"
)

// metrics writes a section for each metric. Of a funnel only the last step has
// one.
func (p *htmlReport) metrics() {
	if len(p.r.Metrics) == 0 {
		p.Section("metrics", "Metrics")
		p.Leaf("p", "The experiment has no metrics: name some in its “metrics”.")
		p.End()
		return
	}
	p.Section("metrics", "Metrics")
	for i := range p.r.Metrics {
		if p.hasSection(&p.r.Metrics[i]) {
			p.metric(i, &p.r.Metrics[i])
		}
	}
	p.End()
}

func (p *htmlReport) hasSection(m *MetricReport) bool { return m.Step == 0 || p.r.lastStep(m) }

func (p *htmlReport) metric(i int, m *MetricReport) {
	p.Start("section", "class", "metric", "aria-labelledby", metricID(i))
	p.Leaf("h3", m.Label, "id", metricID(i))
	p.Leaf("p", sentence(strings.Join(metricNotes(m), ", "))+". "+effectNote(m), "class", "sub")
	for j := range m.Comparisons {
		p.comparisonVerdict(&m.Comparisons[j])
	}
	u := unitOf(m)
	p.estimates(m, u)
	p.comparisons(m, u)
	p.overTime(m)
	p.End()
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
	p.Start("p", "class", "finding")
	p.chip(c.Verdict.Code)
	p.Text(" ")
	p.Leaf("strong", c.Treatment)
	p.Text(": " + together(c.Verdict.Text+reasons(c)))
	p.End()
}

func (p *htmlReport) estimates(m *MetricReport, u metricUnit) {
	p.StartTable("figures", "Estimates of "+m.Label)
	p.Leaf("caption", "Estimates, each with an interval of its own")
	unit := ""
	if m.Currency != "" {
		unit = ", " + m.Currency
	}
	p.Header(1, "Treatment", "Units", "Estimate"+unit, "Std. error", settingText(p.r.Level)+" interval")
	p.Start("tbody")
	for i, e := range m.Estimates {
		p.Row(1, p.treatmentName(i, e.Treatment), page.Thousands(e.Units), pointText(e.Estimate, u.text), u.errorText(e.Estimate), rangeText(e.Estimate, u.text))
	}
	p.End()
	p.EndTable()
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
	p.StartTable("figures", "Comparisons of "+m.Label)
	p.Leaf("caption", "Comparisons with the control")
	p.comparisonHeader(u, adjusted, guardrail)
	p.Start("tbody")
	for i := range m.Comparisons {
		p.comparison(&m.Comparisons[i], u, adjusted, guardrail)
	}
	p.End()
	p.EndTable()
}

func (p *htmlReport) comparisonHeader(u metricUnit, adjusted, guardrail bool) {
	unit := u.name
	if unit != "" {
		unit = ", " + unit
	}
	p.Start("thead")
	p.Start("tr")
	p.Leaf("th", "Treatment", "scope", "col", "rowspan", "2")
	p.Leaf("th", "Difference"+unit, "scope", "colgroup", "colspan", "2", "class", "num")
	p.Leaf("th", "Lift, %", "scope", "col", "rowspan", "2", "class", "num")
	for _, i := range []Inference{p.r.Inference, otherInference(p.r.Inference)} {
		p.Leaf("th", p.inferenceHeader(i), "scope", "colgroup", "colspan", "2", "class", "num")
	}
	p.Leaf("th", "Corrected p", "scope", "col", "rowspan", "2", "class", "num")
	if adjusted {
		p.Leaf("th", "Variance explained", "scope", "col", "rowspan", "2", "class", "num wraps")
	}
	if guardrail {
		p.Leaf("th", "Loss at worst", "scope", "col", "rowspan", "2", "class", "num")
	}
	p.End()
	p.Start("tr")
	for _, name := range []string{"estimate", "interval", "interval, %", "p", "interval, %", "p"} {
		p.Leaf("th", name, "scope", "col", "class", "num low")
	}
	p.End()
	p.End()
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
		c.Treatment, pointText(by.Difference, u.signed), rangeText(by.Difference, u.plain), pointText(by.Lift, page.LiftNumber),
		rangeText(by.Lift, page.LiftNumber), probability(by.Test), rangeText(other.Lift, page.LiftNumber), probability(other.Test),
	}
	cells = append(cells, correctedText(&c.Corrected))
	if adjusted {
		cells = append(cells, c.Adjustment.explained())
	}
	if guardrail {
		cells = append(cells, c.NonInferiority.text())
	}
	p.Row(1, cells...)
}

// explained says how much of the variance the past explains.
func (a *Adjustment) explained() string {
	if a == nil {
		return page.Missing
	}
	if !a.Applied {
		return "not adjusted"
	}
	return page.Share(a.VarianceReduction)
}

// text says what a guardrail's test found.
func (n *NonInferiority) text() string {
	if n == nil || n.Lift.Reason != "" {
		return page.Missing
	}
	if n.Holds {
		return page.Lift(n.worst()) + ", holds"
	}
	return page.Lift(n.worst()) + ", not shown"
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
	s := page.ScaleOf(all, worthOf(m), 2.5)
	p.Start("div", "class", "charts")
	for _, c := range drawn {
		p.dayFigure(s, m, c)
	}
	p.End()
}

// liftsOf are the lifts of the days that have an interval.
func liftsOf(days []DayComparison) []stats.Estimate {
	var lifts []stats.Estimate
	for i := range days {
		if page.Drawable(days[i].Lift) {
			lifts = append(lifts, days[i].Lift)
		}
	}
	return lifts
}

// momentsOf are the days for a chart of lifts.
func momentsOf(days []DayComparison) []page.Moment {
	list := make([]page.Moment, len(days))
	for i := range days {
		list[i] = page.Moment{Day: days[i].Day, Value: days[i].Lift}
	}
	return list
}

func (p *htmlReport) dayFigure(s page.Scale, m *MetricReport, c *MetricComparison) {
	lifts, moments := liftsOf(c.Days), momentsOf(c.Days)
	last := lifts[len(lifts)-1]
	title := fmt.Sprintf("%s over time: lift of %s over %s, %s, at the end %s %s", m.Label, c.Treatment, c.Control, page.Period(moments), page.Lift(last.Value), rangeText(last, page.Lift))
	p.Start("figure")
	p.Start("figcaption")
	p.Leaf("strong", c.Treatment)
	p.Leaf("span", fmt.Sprintf("Lift in %% of %s by day, always-valid %s interval", c.Control, settingText(p.r.Level)))
	p.End()
	p.Chart(s, moments, limitsOf(m, c), true, title)
	p.Leaf("p", page.Period(moments)+beyond(s, lifts), "class", "note")
	p.End()
}

// beyond says that some intervals do not fit the scale.
func beyond(s page.Scale, lifts []stats.Estimate) string {
	for _, e := range lifts {
		if e.Low < s.Low || e.High > s.High {
			return "; wider intervals are cut off"
		}
	}
	return ""
}
