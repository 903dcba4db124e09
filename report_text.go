package strata

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/strataxp/strata/internal/page"
)

// String prints the report as text of 100 columns, for a terminal.
func (r *Report) String() string {
	var out strings.Builder
	page.Paragraph(&out, "", fmt.Sprintf("Experiment %s, phase %d, %s, plan version %d", r.Experiment, r.Phase, r.state(), r.Version))
	if r.Description != "" {
		page.Paragraph(&out, "", r.Description)
	}
	out.WriteString("\n")
	page.Paragraph(&out, "VERDICT", r.Verdict.Text)
	for _, w := range r.Warnings {
		page.Paragraph(&out, strings.ToUpper(string(w.Severity)), w.Text)
	}
	out.WriteString("\n")
	r.printTreatments(&out)
	r.printHealth(&out)
	if len(r.Metrics) == 0 {
		out.WriteString("\nNo metrics: name some in the experiment's \"metrics\".\n")
	} else {
		r.printMetrics(&out)
	}
	return page.Printable(strings.ReplaceAll(out.String(), "\t", string(utf8.RuneError)))
}

func (r *Report) printMetrics(out *strings.Builder) {
	out.WriteString("\n")
	page.Paragraph(out, "", r.howToRead())
	for i := range r.Metrics {
		r.printMetric(out, &r.Metrics[i])
	}
	r.printBreakdown(out)
}

// state is the status, or what schedule and phase make of it.
func (r *Report) state() string {
	switch {
	case !r.Status.live() || r.Running:
		return string(r.Status)
	case !r.Ended.IsZero():
		return "ended on " + r.Ended.Format(time.DateOnly)
	default:
		return string(r.Status) + " (not begun, or in another phase)"
	}
}

func (r *Report) howToRead() string {
	by := "Verdicts go by the always-valid ones, which hold however often one looks."
	if r.Inference == OneLook {
		by = "Verdicts go by the ones for one look, at the planned end."
	}
	return fmt.Sprintf("Intervals in tables are at %s, each by itself. %s They are corrected for the number of comparisons, and so are the intervals in them.", percent(r.Level), by)
}

func (r *Report) printTreatments(out *strings.Builder) {
	t := page.Table{Header: []string{"treatment", "units", "share", "expected", "exposed from", "to"}, Left: 1}
	for i, x := range r.Treatments {
		name := page.Shortened(x.Treatment, page.NameWidth+6)
		if i == 0 {
			name += " (control)"
		}
		share := "-"
		if r.Units > 0 {
			share = fmt.Sprintf("%.2f %%", 100*float64(x.Units)/float64(r.Units))
		}
		row := []string{name, page.Thousands(x.Units), share, fmt.Sprintf("%.2f %%", 100*x.Expected), "-", "-"}
		if x.Units > 0 && !x.FirstExposure.IsZero() {
			row[4], row[5] = x.FirstExposure.UTC().Format("2006-01-02 15:04"), x.LastExposure.UTC().Format("2006-01-02 15:04")
		}
		t.Rows = append(t.Rows, row)
	}
	t.Print(out)
}

func (r *Report) printHealth(out *strings.Builder) {
	h := &r.Health
	ratio := "Sample ratio: not tested, " + h.SampleRatio.Reason
	if h.SampleRatio.Reason == "" {
		ratio = fmt.Sprintf("Sample ratio: p %s for one look", page.Probability(h.SampleRatio.PValue))
		if h.SequentialSampleRatio.Reason == "" {
			ratio += fmt.Sprintf(", %s for any number of looks", page.Probability(h.SequentialSampleRatio.PValue))
		}
	}
	page.Paragraph(out, "", fmt.Sprintf("%s. %s in two treatments left out.", ratio, page.Count(h.Contradictions, "unit", "units")))
	for _, x := range h.PrePeriod {
		if x.Test.Reason == "" {
			page.Paragraph(out, "", fmt.Sprintf("Before the experiment the treatments were alike in %s with p %s.", x.Metric, page.Probability(x.Test.PValue)))
		}
	}
	if !h.Latest.IsZero() {
		fmt.Fprintf(out, "Latest event: %s. Report of %s.\n", h.Latest.Format("2006-01-02 15:04"), r.Created.Format("2006-01-02 15:04"))
	}
}

func (r *Report) printMetric(out *strings.Builder, m *MetricReport) {
	if m.Step == 1 {
		r.printFunnel(out, m.Metric)
	}
	if m.Step > 0 && !r.lastStep(m) {
		return // the table says enough
	}
	out.WriteString("\n")
	page.Paragraph(out, "", fmt.Sprintf("%s (%s)", m.Label, strings.Join(metricNotes(m), ", ")))
	t := page.Table{Header: []string{"treatment", "units", "estimate", "std. error", "difference", "interval"}, Left: 1}
	for i, e := range m.Estimates {
		row := []string{page.Shortened(e.Treatment, page.NameWidth), page.Thousands(e.Units), valueText(e.Estimate), seText(e.Estimate), "", ""}
		if i > 0 {
			c := &m.Comparisons[i-1]
			row[4], row[5] = signed(c.by(r.Inference).Difference), intervalText(c.by(r.Inference).Difference, page.Number)
		}
		t.Rows = append(t.Rows, row)
	}
	t.Print(out)
	r.printIntervals(out, m)
	for i := range m.Comparisons {
		c := &m.Comparisons[i]
		page.Paragraph(out, "  "+page.Shortened(c.Treatment, page.NameWidth)+":", c.Verdict.Text+reasons(c))
	}
}

// printIntervals prints the intervals of both kinds side by side, the ones that
// decide first.
func (r *Report) printIntervals(out *strings.Builder, m *MetricReport) {
	kinds := []Inference{AlwaysValid, OneLook}
	names := map[Inference]string{AlwaysValid: "always valid", OneLook: "one look"}
	if r.Inference == OneLook {
		kinds = []Inference{OneLook, AlwaysValid}
	}
	if !slices.ContainsFunc(m.Comparisons, func(c MetricComparison) bool { return c.Test.Reason == "" }) {
		return
	}
	t := page.Table{Header: []string{"", "lift", names[kinds[0]], "p", "corrected p", names[kinds[1]], "p"}, Left: 1}
	for i := range m.Comparisons {
		c := &m.Comparisons[i]
		first, second := c.by(kinds[0]), c.by(kinds[1])
		corrected := "-"
		if first.Test.Reason == "" {
			corrected = page.Probability(c.Corrected.PValue)
		}
		t.Rows = append(t.Rows, []string{
			page.Shortened(c.Treatment, page.NameWidth), signedPercent(first.Lift), intervalText(first.Lift, percentText), pText(first.Test),
			corrected, intervalText(second.Lift, percentText), pText(second.Test),
		})
	}
	t.Print(out)
}

// reasons says what is missing from a comparison, where the verdict does not.
func reasons(c *MetricComparison) string {
	var missing []string
	say := func(what, why string) {
		if why != "" && !strings.Contains(c.Verdict.Text, why) {
			missing = append(missing, what+": "+why)
		}
	}
	say("no test", c.Test.Reason)
	if c.Test.Reason == "" {
		say("no always-valid test", c.AlwaysValid.Test.Reason)
		say("no interval for the lift", c.Lift.Reason)
	}
	if a := c.Adjustment; a != nil {
		say("not adjusted for the past", a.Reason)
	}
	if len(missing) == 0 {
		return ""
	}
	return " (" + strings.Join(missing, "; ") + ")"
}

// metricNotes say what the estimate is, and what the metric is for.
func metricNotes(m *MetricReport) []string {
	notes := []string{metricNote(m)}
	if m.Role != RoleSecondary {
		notes = append(notes, string(m.Role))
	}
	if m.Direction == Decrease {
		notes = append(notes, "less is better")
	}
	for i := range m.Comparisons {
		if a := m.Comparisons[i].Adjustment; a != nil && a.Applied {
			notes = append(notes, fmt.Sprintf("adjusted for the past, which explains %s of the variance", settingText(roundTo(a.VarianceReduction, 3))))
			break
		}
	}
	return notes
}

// metricNote says what the estimate is.
func metricNote(m *MetricReport) string {
	switch m.Type {
	case MetricConversion:
		return "share of units"
	case MetricFunnel:
		return "share of all exposed units"
	case MetricCount:
		return "events a unit"
	case MetricMean:
		return inCurrency("mean over units with a value", m.Currency)
	case MetricRatio:
		return inCurrency("ratio of sums", m.Currency)
	default:
		return inCurrency("sum a unit", m.Currency)
	}
}

func inCurrency(note, currency string) string {
	if currency == "" {
		return note
	}
	return note + ", in " + currency
}

// lastStep reports whether a metric is the last step of its funnel.
func (r *Report) lastStep(m *MetricReport) bool {
	for i := range r.Funnels {
		if r.Funnels[i].Metric == m.Metric {
			return m.Step == len(r.Funnels[i].Steps)
		}
	}
	return true
}

// printFunnel prints how many units took each step.
func (r *Report) printFunnel(out *strings.Builder, metric string) {
	i := slices.IndexFunc(r.Funnels, func(f FunnelReport) bool { return f.Metric == metric })
	if i < 0 {
		return
	}
	fmt.Fprintf(out, "\n%s (funnel: units, share of all exposed, share of the step before)\n", metric)
	if len(r.Treatments) <= 3 {
		r.Funnels[i].printWide(out)
	} else {
		r.Funnels[i].printLong(out)
	}
}

// printWide has a column for each treatment.
func (f *FunnelReport) printWide(out *strings.Builder) {
	t := page.Table{Header: []string{"step"}, Left: 1}
	for n, s := range f.Steps {
		row := []string{fmt.Sprintf("%d %s", n+1, page.Shortened(s.Label, page.NameWidth))}
		for _, c := range s.Counts {
			if n == 0 {
				t.Header = append(t.Header, page.Shortened(c.Treatment, page.NameWidth))
			}
			row = append(row, fmt.Sprintf("%s %5.1f %% %5.1f %%", page.Thousands(c.Units), 100*c.Share, 100*c.OfPrevious))
		}
		t.Rows = append(t.Rows, row)
	}
	t.Print(out)
}

// printLong has a line for each treatment and step.
func (f *FunnelReport) printLong(out *strings.Builder) {
	t := page.Table{Header: []string{"step", "treatment", "units", "share", "of the step before"}, Left: 2}
	for n, s := range f.Steps {
		for j, c := range s.Counts {
			label := ""
			if j == 0 {
				label = fmt.Sprintf("%d %s", n+1, page.Shortened(s.Label, 2*page.NameWidth))
			}
			t.Rows = append(t.Rows, []string{label, page.Shortened(c.Treatment, page.NameWidth), page.Thousands(c.Units),
				fmt.Sprintf("%.1f %%", 100*c.Share), fmt.Sprintf("%.1f %%", 100*c.OfPrevious)})
		}
	}
	t.Print(out)
}

func (r *Report) printBreakdown(out *strings.Builder) {
	b := r.Breakdown
	if b == nil {
		return
	}
	out.WriteString("\n")
	page.Paragraph(out, "", fmt.Sprintf("By %s (p is corrected over all of these comparisons; a clear one is a question for a new experiment)", b.Attribute))
	t := page.Table{Header: []string{b.Attribute, "units", "metric", "treatment", "lift", "interval", "corrected p"}, Left: 1}
	for i := range b.Segments {
		s := &b.Segments[i]
		name, units := s.Value, page.Thousands(s.Units)
		if name == "" {
			name = "(none)"
		}
		for j := range s.Metrics {
			for k := range s.Metrics[j].Comparisons {
				c := &s.Metrics[j].Comparisons[k]
				corrected := "-"
				if c.Corrected.Family > 0 {
					corrected = page.Probability(c.Corrected.PValue)
				}
				t.Rows = append(t.Rows, []string{
					page.Shortened(name, page.NameWidth-4), units, page.Shortened(s.Metrics[j].Label, page.NameWidth-4), page.Shortened(c.Treatment, page.NameWidth-4),
					signedPercent(c.Corrected.Lift), intervalText(c.Corrected.Lift, percentText), corrected,
				})
				name, units = "", ""
			}
		}
	}
	t.Print(out)
	if b.Others > 0 {
		fmt.Fprintf(out, "  %s with %s more are left out.\n", page.Count(b.OtherUnits, "unit", "units"), page.Count(int64(b.Others), "value", "values"))
	}
}
