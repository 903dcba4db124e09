package strata

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/strataxp/strata/stats"
)

// String prints the report as text of some 110 columns, for a terminal.
func (r *Report) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "Experiment %s, phase %d, %s, plan version %d\n", r.Experiment, r.Phase, r.Status, r.Version)
	if r.Description != "" {
		fmt.Fprintf(&out, "%s\n", r.Description)
	}
	out.WriteString("\n")
	r.printWarnings(&out)
	r.printTreatments(&out)
	for i := range r.Metrics {
		r.printMetric(&out, &r.Metrics[i])
	}
	if len(r.Metrics) == 0 {
		out.WriteString("\nNo metrics: name some in the experiment's \"metrics\".\n")
	}
	return out.String()
}

func (r *Report) printWarnings(out *strings.Builder) {
	for _, w := range r.Warnings {
		lines := wrap(w.Text, 96)
		fmt.Fprintf(out, "%-9s%s\n", strings.ToUpper(string(w.Severity)), lines[0])
		for _, line := range lines[1:] {
			fmt.Fprintf(out, "%-9s%s\n", "", line)
		}
	}
	if len(r.Warnings) > 0 {
		out.WriteString("\n")
	}
}

func (r *Report) printTreatments(out *strings.Builder) {
	t := table{header: []string{"treatment", "units", "share", "expected", "exposed from", "to"}, left: 1}
	for i, x := range r.Treatments {
		name := x.Treatment
		if i == 0 {
			name += " (control)"
		}
		share := "-"
		if r.Units > 0 {
			share = fmt.Sprintf("%.2f %%", 100*float64(x.Units)/float64(r.Units))
		}
		row := []string{name, thousands(x.Units), share, fmt.Sprintf("%.2f %%", 100*x.Expected), "-", "-"}
		if x.Units > 0 {
			row[4], row[5] = x.FirstExposure.UTC().Format("2006-01-02 15:04"), x.LastExposure.UTC().Format("2006-01-02 15:04")
		}
		t.rows = append(t.rows, row)
	}
	t.print(out)
	if s := r.SampleRatio; s.Reason == "" {
		fmt.Fprintf(out, "Sample ratio: chi-square %s, %s, p %s.", number(s.Statistic), count(int64(s.DF), "degree of freedom", "degrees of freedom"), formatP(s.PValue))
	} else {
		fmt.Fprintf(out, "Sample ratio: not tested, %s.", s.Reason)
	}
	fmt.Fprintf(out, " %s in two treatments left out.\n", count(r.Contradictions, "unit", "units"))
}

func (r *Report) printMetric(out *strings.Builder, m *MetricReport) {
	fmt.Fprintf(out, "\n%s", m.Label)
	notes := []string{metricNote(m)}
	if m.Primary {
		notes = append(notes, "primary metric")
	}
	if m.Guardrail {
		notes = append(notes, "guardrail")
	}
	if m.Direction == Decrease {
		notes = append(notes, "less is better")
	}
	fmt.Fprintf(out, " (%s)\n", strings.Join(notes, ", "))

	interval := fmt.Sprintf("[%.4g %% interval]", 100*r.Level)
	t := table{header: []string{"treatment", "units", "estimate", "std. error", "difference", interval, "lift", interval, "p", ""}, left: 1}
	for i, e := range m.Estimates {
		row := []string{e.Treatment, thousands(e.Units), valueText(e.Estimate), seText(e.Estimate), "", "", "", "", "", ""}
		if i > 0 {
			c := &m.Comparisons[i-1]
			row[4], row[5] = signed(c.Difference), intervalText(c.Difference, number)
			row[6], row[7] = signedPercent(c.Lift), intervalText(c.Lift, percentText)
			row[8] = pText(c.Test)
			row[9] = c.Verdict
		}
		t.rows = append(t.rows, row)
	}
	t.print(out)
	for i := range m.Comparisons {
		printReasons(out, &m.Comparisons[i])
	}
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

// printReasons says why something is missing from a comparison, once.
func printReasons(out *strings.Builder, c *MetricComparison) {
	switch {
	case c.Test.Reason != "":
		fmt.Fprintf(out, "  %s: no test, %s.\n", c.Treatment, c.Test.Reason)
	case c.Lift.Reason != "":
		fmt.Fprintf(out, "  %s: no interval for the lift, %s.\n", c.Treatment, c.Lift.Reason)
	}
}

// number prints six significant digits of a number below 1 and seven of one
// above, without an exponent where that stays readable.
func number(v float64) string {
	if v == 0 {
		return "0"
	}
	magnitude := int(math.Floor(math.Log10(math.Abs(v))))
	if magnitude < -6 || magnitude > 14 {
		return strconv.FormatFloat(v, 'g', 6, 64)
	}
	decimals := 5 - magnitude
	if magnitude >= 0 {
		decimals = max(0, 6-magnitude)
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

func percentText(v float64) string { return fmt.Sprintf("%+.2f %%", 100*v) }

func valueText(e stats.Estimate) string {
	if e.NoValue {
		return "-"
	}
	return number(e.Value)
}

func seText(e stats.Estimate) string {
	if e.Reason != "" {
		return "-"
	}
	return number(e.SE)
}

func signed(e stats.Estimate) string {
	if e.NoValue {
		return "-"
	}
	if e.Value > 0 {
		return "+" + number(e.Value)
	}
	return number(e.Value)
}

func signedPercent(e stats.Estimate) string {
	if e.NoValue {
		return "-"
	}
	return percentText(e.Value)
}

func intervalText(e stats.Estimate, format func(float64) string) string {
	if e.Reason != "" {
		return "-"
	}
	return "[" + bound(e.Low, format) + ", " + bound(e.High, format) + "]"
}

func bound(v float64, format func(float64) string) string {
	switch {
	case math.IsInf(v, -1):
		return "-∞"
	case math.IsInf(v, 1):
		return "∞"
	default:
		return format(v)
	}
}

func pText(t stats.Test) string {
	if t.Reason != "" {
		return "-"
	}
	return formatP(t.PValue)
}

// formatP prints two significant digits, and never 0.
func formatP(p float64) string {
	if p >= 0.0001 {
		return strconv.FormatFloat(p, 'f', max(2, 1-int(math.Floor(math.Log10(p)))), 64)
	}
	return strconv.FormatFloat(p, 'e', 1, 64)
}

// count prints "1 unit" and "2,000 units".
func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

func thousands(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// wrap breaks a text at spaces.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// table prints aligned columns: the first left, the others right, as numbers
// want it. An all-empty last column costs nothing.
type table struct {
	header []string
	left   int // how many columns align left
	rows   [][]string
}

func (t *table) print(out *strings.Builder) {
	widths := make([]int, len(t.header))
	all := append([][]string{t.header}, t.rows...)
	for _, row := range all {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range all {
		var line strings.Builder
		line.WriteString(" ")
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i < t.left {
				line.WriteString(" " + cell + pad)
			} else {
				line.WriteString("  " + pad + cell)
			}
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}
