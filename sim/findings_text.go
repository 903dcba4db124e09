package sim

import (
	"fmt"
	"math"
	"strings"

	"github.com/strataxp/strata/internal/page"
)

// String prints the findings as text of 100 columns, for a terminal.
func (f *Findings) String() string {
	var out strings.Builder
	page.Paragraph(&out, "", f.headline())
	for _, note := range f.Notes {
		page.Paragraph(&out, "NOTE", note)
	}
	for i := range f.Experiments {
		f.printExperiment(&out, &f.Experiments[i])
	}
	for i := range f.Pairs {
		f.Pairs[i].print(&out)
	}
	return page.Printable(out.String())
}

func (f *Findings) headline() string {
	kind := "simulated"
	if f.AA {
		kind = "simulated without any effect (A/A)"
	}
	return fmt.Sprintf("%s of %s each within %s, %s: model %s, seed %d, %s in all. What is ± is twice a standard error.",
		page.Count(int64(f.Runs), "run", "runs"), page.Count(int64(f.Visitors), "visitor", "visitors"), page.Count(int64(f.Days), "day", "days"),
		kind, f.Model, f.Seed, page.Count(f.Events, "event", "events"))
}

// facts are what is said of an experiment as a whole.
func (e *ExperimentFindings) facts(f *Findings) string {
	text := fmt.Sprintf("%s units a run, %s expected; sample-ratio alarms in %s of the runs",
		page.Decimal(e.Units.Value, 1), page.Decimal(e.Expected, 1), percent(e.SampleRatioAlarms.Value))
	if e.Contradictions.Value > 0 {
		text += fmt.Sprintf("; %s units in two treatments", page.Decimal(e.Contradictions.Value, 1))
	}
	decided := "; a win or a loss in %s"
	if f.AA {
		decided = "; falsely a win or a loss in %s"
	}
	return text + fmt.Sprintf(decided, plusMinus(e.Decided, percent))
}

func (f *Findings) printExperiment(out *strings.Builder, e *ExperimentFindings) {
	out.WriteString("\n")
	page.Paragraph(out, "", e.Experiment+": "+e.facts(f))
	if len(e.Comparisons) == 0 {
		return
	}
	t := page.Table{Header: []string{"metric", "treatment", "true lift", "estimated", "bias", "covered", "win", "loss", "planned"}, Left: 2}
	if f.AA {
		t.Header[8] = "p uniform"
	}
	for i := range e.Comparisons {
		c := &e.Comparisons[i]
		t.Rows = append(t.Rows, []string{
			page.Shortened(c.Metric, 14), page.Shortened(c.Treatment, 14), percentSigned(c.True.Value), c.known(plusMinus(c.Lift, percentSigned)),
			c.known(plusMinus(c.Bias, percentSigned)), c.known(percent(c.Covered.Value)), percent(c.Wins.Value), percent(c.Losses.Value), c.last(f.AA),
		})
	}
	t.Print(out)
	for i := range e.Comparisons {
		e.Comparisons[i].printCurves(out)
	}
}

// known is a text about estimates, or a dash where there are none.
func (c *ComparisonFindings) known(text string) string {
	if c.Estimated == 0 {
		return "–"
	}
	return text
}

// last is what the last column of the table says.
func (c *ComparisonFindings) last(aa bool) string {
	switch {
	case aa && c.PValues.Reason != "":
		return "-"
	case aa:
		return "p " + page.Probability(c.PValues.PValue)
	default:
		return percent(c.PlannedPower)
	}
}

// printCurves prints the detection curves as lines of bars, one bar for each day.
func (c *ComparisonFindings) printCurves(out *strings.Builder) {
	const most = 40 // days that fit the line
	every := max((len(c.ByDay)+most-1)/most, 1)
	var daily, planned strings.Builder
	for i := every - 1; i < len(c.ByDay); i += every {
		daily.WriteRune(bar(c.ByDay[i].Wins + c.ByDay[i].Losses))
		planned.WriteRune(bar(c.ByDay[i].Planned))
	}
	if len(c.ByDay) == 0 {
		return
	}
	last := c.ByDay[len(c.ByDay)-1]
	name := page.Shortened(c.Metric, 14) + ", " + page.Shortened(c.Treatment, 14)
	fmt.Fprintf(out, "  %s, found by day:\n", name)
	fmt.Fprintf(out, "    %-18s %s %s%s\n", "looking every day", daily.String(), percent(last.Wins+last.Losses), c.median())
	fmt.Fprintf(out, "    %-18s %s %s\n", "planned to end", planned.String(), percent(last.Planned))
}

// median says after how many days half of the runs had found something.
func (c *ComparisonFindings) median() string {
	if c.MedianDays == 0 {
		return ""
	}
	return ", half by day " + fmt.Sprint(c.MedianDays)
}

// bar is a character as high as a share.
func bar(share float64) rune {
	bars := []rune("▁▂▃▄▅▆▇█")
	return bars[min(int(share*float64(len(bars))), len(bars)-1)]
}

func (p *PairFindings) print(out *strings.Builder) {
	independent := "not tested, " + p.Independent.Reason
	if p.Independent.Reason == "" {
		independent = "p " + page.Probability(p.Independent.PValue)
	}
	out.WriteString("\n")
	page.Paragraph(out, "", fmt.Sprintf("%s and %s: %s in both, of all runs; independent: %s", p.Experiments[0], p.Experiments[1], page.Count(p.units(), "unit", "units"), independent))
	if len(p.Changes) == 0 {
		return
	}
	t := page.Table{Header: []string{"lift of", "metric", "treatment", "without the other", "with it"}, Left: 3}
	for _, c := range p.Changes {
		t.Rows = append(t.Rows, []string{page.Shortened(c.Experiment, page.NameWidth), page.Shortened(c.Metric, page.NameWidth), page.Shortened(c.Treatment, page.NameWidth), plusMinus(c.Alone, percentSigned), plusMinus(c.Both, percentSigned)})
	}
	t.Print(out)
}

// units is how many are in both experiments.
func (p *PairFindings) units() (n int64) {
	for _, row := range p.Table {
		for _, count := range row {
			n += count
		}
	}
	return n
}

func percent(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }

func percentSigned(v float64) string {
	if math.Abs(v) < 0.00005 {
		return "0.0 %"
	}
	return fmt.Sprintf("%+.1f %%", 100*v)
}

// plusMinus prints a mean with two standard errors.
func plusMinus(m Mean, format func(float64) string) string {
	return fmt.Sprintf("%s ± %.1f", format(m.Value), 200*m.SE)
}
