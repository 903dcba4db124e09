package strata

import (
	"fmt"
	"strconv"

	"github.com/strataxp/strata/stats"
)

// health writes who met which treatment, and what was checked.
func (p *htmlReport) health() {
	p.section("health", "Health")
	p.leaf("p", "Whether the numbers above can be trusted.", "class", "sub")
	p.treatments()
	p.checks()
	p.end()
}

func (p *htmlReport) treatments() {
	p.startTable("figures", "Units by treatment")
	p.leaf("caption", "Units by treatment")
	p.header(1, "Treatment", "Units", "Share", "Expected", "Lost events", "May have lost some", "Exposed from", "to")
	p.start("tbody")
	for i, t := range p.r.Treatments {
		share := missing
		if p.r.Units > 0 {
			share = shareText(float64(t.Units) / float64(p.r.Units))
		}
		p.row(1, p.treatmentName(i, t.Treatment), thousands(t.Units), share, shareText(t.Expected),
			thousands(t.Shed), thousands(t.Uncertain), minute(t.FirstExposure), minute(t.LastExposure))
	}
	p.end()
	p.endTable()
}

// checks are the tests and counts that stand for an experiment's health.
func (p *htmlReport) checks() {
	h := &p.r.Health
	p.startTable("figures checks", "Checks")
	p.leaf("caption", "Checks")
	p.start("thead")
	p.start("tr")
	for _, name := range []string{"Check", "State", "Finding"} {
		p.leaf("th", name, "scope", "col")
	}
	p.end()
	p.end()
	p.start("tbody")
	p.tested("Sample ratio, one look", h.SampleRatio.Test, sampleRatioAlarm, sampleRatioCaution)
	p.tested("Sample ratio, any number of looks", h.SequentialSampleRatio.Test, sampleRatioAlarm, 0)
	p.found("Units in more than one treatment", WarnContradictions, count(h.Contradictions, "unit", "units")+", left out")
	for _, x := range h.PrePeriod {
		p.tested("Alike before the experiment: "+x.Metric, x.Test, prePeriodAlarm/float64(len(h.PrePeriod)), 0)
	}
	p.tested("Losses of events alike in all treatments", h.Losses, lossesAlarm, 0)
	p.otherChecks()
	p.end()
	p.endTable()
}

func (p *htmlReport) otherChecks() {
	h := &p.r.Health
	for _, x := range h.CarryOver {
		p.found("Carry-over from "+x.Experiment+", phase "+strconv.Itoa(x.Phase), WarnCarryOver,
			fmt.Sprintf("held %s of the buckets until %s", shareText(x.Share), minute(x.Until)))
	}
	for _, x := range h.Immature {
		what := ", count all the same"
		if x.LeftOut {
			what = ", left out"
		}
		p.found("Windows that are not over: "+x.Metric, WarnImmature, count(x.Units, "unit", "units")+what)
	}
	latest := "none yet"
	if !h.Latest.IsZero() {
		latest = minute(h.Latest) + " UTC"
	}
	p.found("Latest event", WarnStale, latest)
}

// tested writes the row of a test, with the p-values that it warns below.
func (p *htmlReport) tested(name string, t stats.Test, alarm, caution float64) {
	switch {
	case t.Reason != "":
		p.check(name, "open", missing+" Not tested", t.Reason)
	case t.PValue < alarm:
		p.check(name, "bad", "✕ Alarm", "p "+probability(t))
	case t.PValue < caution:
		p.check(name, "warn", "! Caution", "p "+probability(t))
	default:
		p.check(name, "good", "✓ Fine", "p "+probability(t))
	}
}

// found writes the row of what there is a warning for, or not.
func (p *htmlReport) found(name, code, finding string) {
	for _, w := range p.r.Warnings {
		if w.Code != code {
			continue
		}
		switch w.Severity {
		case Alarm:
			p.check(name, "bad", "✕ Alarm", finding)
		case Caution:
			p.check(name, "warn", "! Caution", finding)
		default:
			p.check(name, "open", "i Note", finding)
		}
		return
	}
	p.check(name, "good", "✓ Fine", finding)
}

func (p *htmlReport) check(name, class, state, finding string) {
	p.start("tr")
	p.leaf("th", name, "scope", "row")
	p.start("td")
	p.leaf("span", state, "class", "chip "+class)
	p.end()
	p.leaf("td", finding)
	p.end()
}

// breakdown writes the comparisons by segment, each with a small drawing.
func (p *htmlReport) breakdown() {
	b := p.r.Breakdown
	if b == nil {
		return
	}
	p.section("breakdown", "By "+b.Attribute)
	p.leaf("p", "Intervals are corrected over all of these comparisons. A clear one is a question for a new experiment.", "class", "sub")
	var all []MetricReport
	for i := range b.Segments {
		all = append(all, b.Segments[i].Metrics...)
	}
	if s, some := p.liftScale(all); some {
		p.segments(s, b)
	} else {
		p.leaf("p", "There is nothing to compare.")
	}
	if b.Others > 0 {
		p.leaf("p", count(b.OtherUnits, "unit", "units")+" with "+count(int64(b.Others), "value", "values")+" more are left out.", "class", "note")
	}
	p.end()
}

func (p *htmlReport) segments(s axisScale, b *Breakdown) {
	p.startTable("figures segments", "By "+b.Attribute)
	p.start("thead")
	p.start("tr")
	for _, name := range []string{sentence(b.Attribute), "Metric", "Treatment"} {
		p.leaf("th", name, "scope", "col")
	}
	p.start("th", "scope", "col", "aria-label", "Drawing of the lift")
	p.axis(s, smallTicks, true)
	p.end()
	p.leaf("th", "Lift", "scope", "col", "class", "num")
	p.leaf("th", "Corrected p", "scope", "col", "class", "num")
	p.end()
	p.end()
	for i := range b.Segments {
		p.segment(s, &b.Segments[i])
	}
	p.endTable()
}

func (p *htmlReport) segment(s axisScale, x *Segment) {
	rows := 0
	for i := range x.Metrics {
		rows += len(x.Metrics[i].Comparisons)
	}
	if rows == 0 {
		return
	}
	p.start("tbody")
	first := true
	for i := range x.Metrics {
		m := &x.Metrics[i]
		for j := range m.Comparisons {
			p.start("tr")
			if first {
				p.segmentName(x, rows)
				first = false
			}
			if j == 0 {
				p.leaf("td", m.Label, "rowspan", strconv.Itoa(len(m.Comparisons)), "class", "key metric-name", "title", tooltip(m.Label))
			}
			p.segmentLine(s, m, &m.Comparisons[j])
			p.end()
		}
	}
	p.end()
}

func (p *htmlReport) segmentName(x *Segment, rows int) {
	name := x.Value
	if name == "" {
		name = "(none)"
	}
	p.start("th", "scope", "rowgroup", "rowspan", strconv.Itoa(rows), "class", "key", "title", tooltip(name))
	p.text(name)
	p.leaf("span", count(x.Units, "unit", "units"), "class", "note line")
	if x.SampleRatio.Reason == "" {
		p.leaf("span", "sample ratio p "+probability(x.SampleRatio.Test), "class", "note line")
	}
	p.end()
}

func (p *htmlReport) segmentLine(s axisScale, m *MetricReport, c *MetricComparison) {
	row := rowOf(p.r, m, c)
	p.leaf("td", c.Treatment, "class", "key", "title", tooltip(c.Treatment))
	p.start("td", "class", "draw")
	if drawable(row.decides) {
		p.smallForest(s, smallTicks, &row)
	} else {
		p.leaf("span", "No interval: "+reasonOf(row.decides), "class", "why", "title", reasonOf(row.decides))
	}
	p.end()
	p.start("td", "class", "num lift")
	p.liftCell(row.decides)
	p.end()
	corrected := missing
	if c.Corrected.Family > 0 && c.Corrected.PValue > 0 {
		corrected = formatP(c.Corrected.PValue)
	}
	p.leaf("td", corrected, "class", "num")
}
