package strata

import "strconv"

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
	if s, some := liftScale(p.r, all, 2.5); some {
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
	if drawable(row.decides) {
		p.start("td", "class", "draw")
		p.smallForest(s, smallTicks, &row)
		p.end()
		p.start("td", "class", "num lift")
		p.sign(c.Verdict.Code)
		p.liftCell(row.decides)
		p.end()
	} else {
		p.start("td", "colspan", "2", "class", "num")
		p.leaf("span", "No interval: "+reasonOf(row.decides), "class", "why")
		p.end()
	}
	p.leaf("td", correctedText(&c.Corrected), "class", "num")
}

// sign shows what is clear without a colour, and nothing where nothing is.
func (p *htmlReport) sign(code VerdictCode) {
	if look := lookOf(code); look.class != "open" {
		p.leaf("span", look.sign, "class", "sign "+look.class, "role", "img", "aria-label", look.word, "title", look.word)
		p.text(" ")
	}
}
