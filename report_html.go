package strata

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/strataxp/strata/internal/page"
)

// WriteHTML writes the report as a page for people: the verdict, what to be
// careful about, a drawing of all lifts, each metric with its tables and how it
// came about, funnels, the breakdown, and the health of the experiment.
//
// The page is one file without scripts that loads nothing, so it can be stored,
// printed and sent by mail; it follows the reader's choice of light or dark. The
// same report makes the same bytes. Keys and descriptions are escaped. The error
// is w's. Cost: about 30 µs and 2 KB for each comparison, and 3 µs and 45 bytes for
// each of its days (BenchmarkWriteHTML).
func (r *Report) WriteHTML(w io.Writer) error {
	p := htmlReport{r: r}
	p.page()
	_, err := w.Write(p.Out.Bytes())
	return err
}

// htmlReport writes a report as HTML.
type htmlReport struct {
	page.Markup
	r *Report
}

func (p *htmlReport) page() {
	p.StartPage(p.r.Experiment + ": experiment report")
	p.heading()
	p.verdict()
	p.warnings()
	p.lifts()
	p.metrics()
	p.funnels()
	p.breakdown()
	p.health()
	p.howToRead()
	p.EndPage()
}

func (p *htmlReport) heading() {
	r := p.r
	p.Start("header")
	p.Leaf("p", "Experiment report", "class", "kicker")
	p.Leaf("h1", r.Experiment)
	if r.Description != "" {
		p.Leaf("p", r.Description, "class", "lead")
	}
	p.Start("dl", "class", "facts")
	p.Fact("Phase", fmt.Sprint(r.Phase))
	p.Fact("State", r.state())
	p.Fact("Plan version", fmt.Sprint(r.Version))
	p.Fact("Units", page.Thousands(r.Units))
	p.Fact("Decides by", inferenceName(r.Inference)+", "+settingText(r.Level))
	p.Fact("Created", minute(r.Created)+" UTC")
	p.End()
	p.End()
}

func inferenceName(i Inference) string {
	if i == OneLook {
		return "one look"
	}
	return "always-valid intervals"
}

// verdictLook is how a verdict is shown. The word and the sign say what the
// colour says.
type verdictLook struct{ class, sign, word string }

func lookOf(code VerdictCode) verdictLook {
	switch code {
	case VerdictWin:
		return verdictLook{"good", "✓", "Win"}
	case VerdictLoss:
		return verdictLook{"bad", "✕", "Loss"}
	case VerdictHolds:
		return verdictLook{"good", "✓", "Holds"}
	case VerdictNoDifference:
		return verdictLook{"same", "=", "No difference"}
	case VerdictKeepRunning:
		return verdictLook{"open", "…", "Keep running"}
	case VerdictNotTrusted:
		return verdictLook{"warn", "!", "Not trusted"}
	default:
		return verdictLook{"open", "?", "Inconclusive"}
	}
}

func (p *htmlReport) chip(code VerdictCode) {
	look := lookOf(code)
	p.Leaf("span", look.sign+" "+look.word, "class", "chip "+look.class)
}

func (p *htmlReport) verdict() {
	v := p.r.Verdict
	look := lookOf(v.Code)
	p.Start("section", "class", "verdict "+look.class, "aria-labelledby", "verdict")
	p.Leaf("h2", look.sign+" "+look.word, "id", "verdict")
	p.Leaf("p", together(v.Text))
	p.End()
}

func (p *htmlReport) warnings() {
	if len(p.r.Warnings) == 0 {
		return
	}
	p.Start("section", "class", "warnings", "aria-label", "Warnings")
	p.Start("ul")
	for _, w := range p.r.Warnings {
		p.Start("li")
		p.severity(w.Severity)
		p.Leaf("span", together(w.Text))
		p.End()
	}
	p.End()
	p.End()
}

func (p *htmlReport) severity(s Severity) {
	look := map[Severity][2]string{Alarm: {"bad", "✕ Alarm"}, Caution: {"warn", "! Caution"}}[s]
	if look[0] == "" {
		look = [2]string{"open", "i Note"}
	}
	p.Leaf("span", look[1], "class", "chip "+look[0])
}

func (p *htmlReport) howToRead() {
	p.Section("reading", "How to read this")
	p.Start("ul", "class", "reading")
	for _, text := range p.readingNotes() {
		p.Leaf("li", text)
	}
	p.End()
	p.End()
}

func (p *htmlReport) readingNotes() []string {
	r := p.r
	level := settingText(r.Level)
	notes := []string{
		"The lift is the difference between a treatment and the control, relative to the control. An interval holds what the data allow; where it holds zero, they allow no difference.",
		"Always-valid intervals hold however often one looks, and whenever one stops. Those for one look are narrower, and hold for a single look at an end that was fixed before. This report decides by " + inferenceName(r.Inference) + ".",
		"Intervals in tables are at " + level + ", each by itself. Those that decide are corrected for the comparisons made beside them: primary metrics together by Holm's method, secondary ones by that of Benjamini and Hochberg, guardrails not at all, since that would hide harm.",
		"A guardrail holds when a loss beyond its margin is ruled out. No difference means that any lift as large as the metric's minimum effect is ruled out, which is more than not having found one.",
	}
	if slices.ContainsFunc(r.Metrics, hasAdjustment) {
		notes = append(notes, "Adjusted comparisons take out what the units' past explains of their present (CUPED). That narrows intervals and does not move what they estimate.")
	}
	if r.Breakdown != nil {
		notes = append(notes, "A clear difference in one segment is a question for a new experiment: among many segments some differ by chance.")
	}
	return notes
}

func hasAdjustment(m MetricReport) bool {
	return slices.ContainsFunc(m.Comparisons, func(c MetricComparison) bool { return c.Adjustment != nil })
}

// otherInference is the one that does not decide.
func otherInference(i Inference) Inference {
	if i == OneLook {
		return AlwaysValid
	}
	return OneLook
}

// sentence starts a text with a capital.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
