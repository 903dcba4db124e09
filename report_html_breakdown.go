package strata

import (
	"strconv"

	"github.com/strataxp/strata/internal/page"
)

// breakdown writes the comparisons by segment, each with a small drawing.
func (p *htmlReport) breakdown() {
	b := p.r.Breakdown
	if b == nil {
		return
	}
	p.Section("breakdown", "By "+b.Attribute)
	p.Leaf("p", "Intervals are corrected over all of these comparisons. A clear one is a question for a new experiment.", "class", "sub")
	var all []MetricReport
	for i := range b.Segments {
		all = append(all, b.Segments[i].Metrics...)
	}
	if s, some := liftScale(p.r, all, 2.5); some {
		p.segments(s, b)
	} else {
		p.Leaf("p", "There is nothing to compare.")
	}
	if b.Others > 0 {
		p.Leaf("p", page.Count(b.OtherUnits, "unit", "units")+" with "+page.Count(int64(b.Others), "value", "values")+" more are left out.", "class", "note")
	}
	p.End()
}

func (p *htmlReport) segments(s page.Scale, b *Breakdown) {
	p.StartTable("figures segments", "By "+b.Attribute)
	p.Start("thead")
	p.Start("tr")
	for _, name := range []string{sentence(b.Attribute), "Metric", "Treatment"} {
		p.Leaf("th", name, "scope", "col")
	}
	p.Start("th", "scope", "col", "aria-label", "Drawing of the lift")
	p.Axis(s, smallTicks, true)
	p.End()
	p.Leaf("th", "Lift", "scope", "col", "class", "num")
	p.Leaf("th", "Corrected p", "scope", "col", "class", "num")
	p.End()
	p.End()
	for i := range b.Segments {
		p.segment(s, &b.Segments[i])
	}
	p.EndTable()
}

func (p *htmlReport) segment(s page.Scale, x *Segment) {
	rows := 0
	for i := range x.Metrics {
		rows += len(x.Metrics[i].Comparisons)
	}
	if rows == 0 {
		return
	}
	p.Start("tbody")
	first := true
	for i := range x.Metrics {
		m := &x.Metrics[i]
		for j := range m.Comparisons {
			p.Start("tr")
			if first {
				p.segmentName(x, rows)
				first = false
			}
			if j == 0 {
				p.Leaf("td", m.Label, "rowspan", strconv.Itoa(len(m.Comparisons)), "class", "key metric-name", "title", page.Tooltip(m.Label))
			}
			p.segmentLine(s, m, &m.Comparisons[j])
			p.End()
		}
	}
	p.End()
}

func (p *htmlReport) segmentName(x *Segment, rows int) {
	name := x.Value
	if name == "" {
		name = "(none)"
	}
	p.Start("th", "scope", "rowgroup", "rowspan", strconv.Itoa(rows), "class", "key", "title", page.Tooltip(name))
	p.Text(name)
	p.Leaf("span", page.Count(x.Units, "unit", "units"), "class", "note line")
	if x.SampleRatio.Reason == "" {
		p.Leaf("span", "sample ratio p "+probability(x.SampleRatio.Test), "class", "note line")
	}
	p.End()
}

func (p *htmlReport) segmentLine(s page.Scale, m *MetricReport, c *MetricComparison) {
	row := rowOf(p.r, m, c)
	p.Leaf("td", c.Treatment, "class", "key", "title", page.Tooltip(c.Treatment))
	if page.Drawable(row.Decides) {
		p.Start("td", "class", "draw")
		p.SmallForest(s, smallTicks, &row)
		p.End()
		p.Start("td", "class", "num lift")
		p.sign(c.Verdict.Code)
		p.liftCell(row.Decides)
		p.End()
	} else {
		p.Start("td", "colspan", "2", "class", "num")
		p.Leaf("span", "No interval: "+reasonOf(row.Decides), "class", "why")
		p.End()
	}
	p.Leaf("td", correctedText(&c.Corrected), "class", "num")
}

// sign shows what is clear without a colour, and nothing where nothing is.
func (p *htmlReport) sign(code VerdictCode) {
	if look := lookOf(code); look.class != "open" {
		p.Leaf("span", look.sign, "class", "sign "+look.class, "role", "img", "aria-label", look.word, "title", look.word)
		p.Text(" ")
	}
}
