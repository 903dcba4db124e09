package sim

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/strataxp/strata/internal/page"
	"github.com/strataxp/strata/stats"
)

// WriteHTML writes the findings as a page for people, in the looks of a report: the
// notes, each experiment with its estimates against the truth, tables and detection
// curves, and each pair of experiments. The page is one file without scripts that
// loads nothing. The same findings make the same bytes. The error is w's.
func (f *Findings) WriteHTML(w io.Writer) error {
	p := htmlFindings{f: f}
	p.StartPage("Simulation of " + f.Model)
	p.heading()
	p.notes()
	for i := range f.Experiments {
		p.experiment(i, &f.Experiments[i])
	}
	p.pairs()
	p.reading()
	p.EndPage()
	_, err := w.Write(p.Out.Bytes())
	return err
}

type htmlFindings struct {
	page.Markup
	f *Findings
}

func (p *htmlFindings) heading() {
	f := p.f
	p.Start("header")
	p.Leaf("p", "Simulation", "class", "kicker")
	p.Leaf("h1", "What the plan would find")
	kind := "With the effects that are hoped for."
	if f.AA {
		kind = "Without any effect (A/A): what is found is false."
	}
	p.Leaf("p", kind, "class", "lead")
	p.Start("dl", "class", "facts")
	p.Fact("Model", f.Model)
	p.Fact("Runs", page.Thousands(int64(f.Runs)))
	p.Fact("Visitors of each", page.Thousands(int64(f.Visitors)))
	p.Fact("Days", strconv.Itoa(f.Days))
	p.Fact("Level", percent(f.Level))
	p.Fact("Seed", strconv.FormatUint(f.Seed, 10))
	p.Fact("Events", page.Thousands(f.Events))
	p.End()
	p.End()
}

func (p *htmlFindings) notes() {
	if len(p.f.Notes) == 0 {
		return
	}
	p.Start("section", "class", "warnings", "aria-label", "Notes")
	p.Start("ul")
	for _, note := range p.f.Notes {
		p.Start("li")
		p.Leaf("span", "! Note", "class", "chip warn")
		p.Leaf("span", note)
		p.End()
	}
	p.End()
	p.End()
}

func (p *htmlFindings) experiment(i int, e *ExperimentFindings) {
	p.Section("experiment-"+strconv.Itoa(i+1), e.Experiment)
	p.Leaf("p", e.facts(p.f), "class", "sub")
	if len(e.Comparisons) > 0 {
		p.estimates(e)
		p.table(e)
		p.curves(e)
	}
	p.End()
}

// estimates draws the mean estimate of each comparison beside the true lift.
func (p *htmlFindings) estimates(e *ExperimentFindings) {
	var all []stats.Estimate
	for _, c := range e.Comparisons {
		all = append(all, estimate(c.Lift), estimate(c.True))
	}
	const ticks = 7
	s := page.ScaleOf(all, 0.01, 4)
	p.Start("table", "class", "forest")
	p.Start("thead")
	p.Start("tr")
	p.Leaf("th", "Metric and treatment", "scope", "col")
	p.Start("th", "scope", "col", "aria-label", "Drawing of the lift")
	p.Axis(s, ticks, true)
	p.End()
	p.Leaf("th", "Lift, mean of runs", "scope", "col", "class", "num")
	p.End()
	p.End()
	p.Start("tbody")
	for _, c := range e.Comparisons {
		p.Start("tr")
		name := c.Metric + ", " + c.Treatment
		p.Leaf("th", name, "scope", "row", "class", "key", "title", page.Tooltip(name))
		p.Start("td", "class", "draw")
		p.Forest(s, ticks, &page.ForestRow{
			Title: fmt.Sprintf("%s: mean estimate %s, true lift %s", name, page.Lift(c.Lift.Value), page.Lift(c.True.Value)),
			Class: "same", Decides: estimate(c.Lift), Other: estimate(c.True), Limits: page.Limits{Margin: c.True.Value, HasMargin: true},
			OneSided: stats.Estimate{NoValue: true, Reason: "there is none"},
		})
		p.End()
		p.Leaf("td", page.Lift(c.Lift.Value), "class", "num lift")
		p.End()
	}
	p.End()
	p.End()
	p.Leaf("p", "The dashed line is the true lift, the thin line twice its standard error; the thick one is the mean estimate with twice its standard error.", "class", "note")
}

// estimate is a mean with twice its standard error on both sides.
func estimate(m Mean) stats.Estimate {
	return stats.Estimate{Value: m.Value, SE: m.SE, Low: m.Value - 2*m.SE, High: m.Value + 2*m.SE}
}

func (p *htmlFindings) table(e *ExperimentFindings) {
	p.StartTable("figures", "Comparisons of "+e.Experiment)
	p.Leaf("caption", "What the runs found at the end")
	last := "Planned"
	if p.f.AA {
		last = "Uniform"
	}
	p.Header(2, "Metric", "Treatment", "True lift", "Estimate", "Bias", "Covered", "Always valid", "Wins", "Losses", last, "Half by")
	p.Start("tbody")
	for i := range e.Comparisons {
		c := &e.Comparisons[i]
		half := page.Missing
		if c.MedianDays > 0 {
			half = "day " + strconv.Itoa(c.MedianDays)
		}
		p.Row(2, c.Metric, c.Treatment, page.Lift(c.True.Value), c.known(plusMinus(c.Lift, percentSigned)), c.known(plusMinus(c.Bias, percentSigned)),
			c.known(percent(c.Covered.Value)), percent(c.AlwaysCovered.Value), plusMinus(c.Wins, percent), plusMinus(c.Losses, percent), c.last(p.f.AA), half)
	}
	p.End()
	p.EndTable()
}

// curves draws the detection curves of each comparison.
func (p *htmlFindings) curves(e *ExperimentFindings) {
	p.Start("div", "class", "charts")
	for i := range e.Comparisons {
		c := &e.Comparisons[i]
		name := c.Metric + ", " + c.Treatment
		p.curve(c, name, "Found by looking every day, % of runs", func(d DayFindings) float64 { return d.Wins + d.Losses })
		p.curve(c, name, "Found by one look, had it been planned to end on the day, % of runs", func(d DayFindings) float64 { return d.Planned })
	}
	p.End()
}

func (p *htmlFindings) curve(c *ComparisonFindings, name, what string, share func(DayFindings) float64) {
	if len(c.ByDay) < 2 {
		return
	}
	moments := make([]page.Moment, len(c.ByDay))
	for i, d := range c.ByDay {
		day := p.f.Start.Truncate(24*time.Hour).AddDate(0, 0, d.Day-1)
		moments[i] = page.Moment{Day: day, Value: wilson(share(d), p.f.Runs)}
	}
	last := moments[len(moments)-1].Value
	title := fmt.Sprintf("%s of %s: %s, at the end %s", what, name, page.Period(moments), page.Share(last.Value))
	p.Start("figure")
	p.Start("figcaption")
	p.Leaf("strong", name)
	p.Leaf("span", what)
	p.End()
	p.Chart(page.Scale{Low: 0, High: 1}, moments, page.Limits{}, false, title)
	p.Leaf("p", "At the end "+page.Share(last.Value), "class", "note")
	p.End()
}

// wilson is a share of runs with its 95 % interval (Wilson's).
func wilson(share float64, runs int) stats.Estimate {
	const z = 1.96
	n := float64(runs)
	middle := (share + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(share*(1-share)/n+z*z/(4*n*n))
	return stats.Estimate{Value: share, Low: max(middle-half, 0), High: min(middle+half, 1)}
}

func (p *htmlFindings) pairs() {
	if len(p.f.Pairs) == 0 {
		return
	}
	p.Section("pairs", "What experiments do to each other")
	p.StartTable("figures", "Pairs of experiments")
	p.Leaf("caption", "Units in two experiments")
	p.Header(2, "One", "Another", "Units in both", "Independent, p")
	p.Start("tbody")
	for i := range p.f.Pairs {
		pair := &p.f.Pairs[i]
		independent := page.Missing
		if pair.Independent.Reason == "" {
			independent = page.Probability(pair.Independent.PValue)
		}
		p.Row(2, pair.Experiments[0], pair.Experiments[1], page.Thousands(pair.units()), independent)
	}
	p.End()
	p.EndTable()
	p.changes()
	p.End()
}

func (p *htmlFindings) changes() {
	some := false
	for _, pair := range p.f.Pairs {
		some = some || len(pair.Changes) > 0
	}
	if !some {
		return
	}
	p.StartTable("figures", "True lifts without and with the other experiment")
	p.Leaf("caption", "True lifts without and with the effect of the other experiment")
	p.Header(4, "Experiment", "Other", "Metric", "Treatment", "Without", "With")
	p.Start("tbody")
	for _, pair := range p.f.Pairs {
		for _, c := range pair.Changes {
			other := pair.Experiments[0]
			if other == c.Experiment {
				other = pair.Experiments[1]
			}
			p.Row(4, c.Experiment, other, c.Metric, c.Treatment, plusMinus(c.Alone, percentSigned), plusMinus(c.Both, percentSigned))
		}
	}
	p.End()
	p.EndTable()
}

func (p *htmlFindings) reading() {
	p.Section("reading", "How to read this")
	p.Start("ul", "class", "reading")
	for _, text := range []string{
		"The true lift is what the same visitors do when all have the treatment, over when all have the control. Numbers behind ± are twice a standard error, which comes from the number of runs.",
		"Covered is the share of intervals for one look that hold the true lift, about the level; beside it is that of always-valid ones, which is larger.",
		"Wins and losses are verdicts at the planned end, corrected for the number of primary comparisons. Planned is the power that formulas promise for the true lift. Half by is the day by which half of the runs had found something, looking every day.",
		"Bands around curves are 95 % intervals of the share of runs.",
	} {
		p.Leaf("li", text)
	}
	p.End()
	p.End()
}
