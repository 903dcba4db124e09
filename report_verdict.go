package strata

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/strataxp/strata/internal/page"
	"github.com/strataxp/strata/stats"
)

// Verdict is an answer in plain words.
type Verdict struct {
	Code VerdictCode `json:"code"`
	Text string      `json:"text"`

	// Days is about how many more days the experiment has to run, for
	// VerdictKeepRunning; 0 where that is not known.
	Days int `json:"days,omitempty"`
}

// VerdictCode is a [Verdict] for machines.
type VerdictCode string

// The verdicts.
const (
	// VerdictWin: the treatment is better than the control.
	VerdictWin VerdictCode = "win"
	// VerdictLoss: the treatment is worse than the control; of a guardrail:
	// harm is shown.
	VerdictLoss VerdictCode = "loss"
	// VerdictHolds: a guardrail lost no more than its margin.
	VerdictHolds VerdictCode = "holds"
	// VerdictNoDifference: any lift worth knowing of is ruled out.
	VerdictNoDifference VerdictCode = "no_difference"
	// VerdictKeepRunning: nothing is clear yet.
	VerdictKeepRunning VerdictCode = "keep_running"
	// VerdictInconclusive: the experiment is over, and nothing became clear.
	VerdictInconclusive VerdictCode = "inconclusive"
	// VerdictNotTrusted: an alarm says that the numbers may be wrong.
	VerdictNotTrusted VerdictCode = "not_trusted"
)

// planningPower is the chance with which an experiment should see the smallest
// effect worth knowing of, when a verdict says how long it has to run.
const planningPower = 0.8

// maxMoreDays is the longest time that a verdict asks for.
const maxMoreDays = 365

// verdicts says what the report means, metric by metric and altogether.
func (b *reportBuilder) verdicts() {
	metrics := b.report.Metrics
	if b.report.Breakdown != nil {
		for i := range b.report.Breakdown.Segments {
			b.metricVerdicts(b.report.Breakdown.Segments[i].Metrics)
		}
	}
	b.metricVerdicts(metrics)
	b.report.Verdict = b.overall()
}

func (b *reportBuilder) metricVerdicts(metrics []MetricReport) {
	for i := range metrics {
		for j := range metrics[i].Comparisons {
			c := &metrics[i].Comparisons[j]
			c.Verdict = b.verdict(&metrics[i], c)
		}
	}
}

// notTrusted is the verdict of a report with an alarm.
func (b *reportBuilder) notTrusted() (Verdict, bool) {
	for _, w := range b.report.Warnings {
		if w.Severity == Alarm {
			why, _, _ := strings.Cut(w.Text, ": ")
			return Verdict{Code: VerdictNotTrusted, Text: "cannot be trusted because of: " + why}, true
		}
	}
	return Verdict{}, false
}

func (b *reportBuilder) verdict(m *MetricReport, c *MetricComparison) Verdict {
	if v, alarmed := b.notTrusted(); alarmed {
		return v
	}
	d := &c.Corrected
	better := d.Difference.Value > 0 == (m.Direction == Increase)
	switch {
	case d.clear(b.opts.Level) && !better && (c.NonInferiority == nil || !c.NonInferiority.Holds):
		return Verdict{Code: VerdictLoss, Text: "loss: " + d.effect(m)}
	case c.NonInferiority != nil:
		return b.guardrailVerdict(m, c)
	case d.clear(b.opts.Level):
		return Verdict{Code: VerdictWin, Text: "win: " + d.effect(m)}
	case d.Lift.Reason == "" && max(-d.Lift.Low, d.Lift.High) <= m.MinimumEffect:
		return Verdict{Code: VerdictNoDifference, Text: "no difference larger than " + percent(max(-d.Lift.Low, d.Lift.High))}
	}
	return b.undecided(m, c, "nothing is clear yet"+d.possible(m))
}

func (b *reportBuilder) guardrailVerdict(m *MetricReport, c *MetricComparison) Verdict {
	n := c.NonInferiority
	if n.Holds {
		return Verdict{Code: VerdictHolds, Text: fmt.Sprintf("holds: a loss beyond %s is ruled out (at worst %s)", percent(n.Margin), percentText(n.worst()))}
	}
	if n.Lift.Reason != "" {
		return b.undecided(m, c, "not shown to hold: "+n.Lift.Reason)
	}
	return b.undecided(m, c, fmt.Sprintf("not shown to hold: %s is possible, %s is tolerated", percentText(n.worst()), percent(n.Margin)))
}

// worst is the end of the interval that is a bound.
func (n *NonInferiority) worst() float64 {
	if math.IsInf(n.Lift.High, 1) {
		return n.Lift.Low
	}
	return n.Lift.High
}

// effect is the lift with its interval, or where there is none the difference.
func (d *Corrected) effect(m *MetricReport) string {
	if d.Lift.Reason == "" {
		return percentText(d.Lift.Value) + " " + intervalText(d.Lift, percentText)
	}
	return signed(d.Difference) + " " + intervalText(d.Difference, page.Number) + inUnits(m)
}

// possible says what an interval without a result allows.
func (d *Corrected) possible(m *MetricReport) string {
	switch {
	case d.Lift.Reason == "":
		return fmt.Sprintf(", %s to %s is possible", percentText(d.Lift.Low), percentText(d.Lift.High))
	case d.Difference.Reason == "":
		return fmt.Sprintf(", a difference of %s to %s%s is possible", page.Number(d.Difference.Low), page.Number(d.Difference.High), inUnits(m))
	default:
		return " (" + d.Difference.Reason + ")"
	}
}

func inUnits(m *MetricReport) string {
	if m.Currency == "" {
		return ""
	}
	return " " + m.Currency
}

// undecided is the verdict where nothing is clear: to go on, and for how long,
// or that it is too late for that.
func (b *reportBuilder) undecided(m *MetricReport, c *MetricComparison, why string) Verdict {
	if !b.running() {
		return Verdict{Code: VerdictInconclusive, Text: "inconclusive: " + strings.Replace(why, " yet", "", 1)}
	}
	v := Verdict{Code: VerdictKeepRunning}
	days, known := b.moreDays(m, c)
	switch {
	case !known:
		v.Text = "keep running: " + why
	case days > maxMoreDays:
		v.Text = fmt.Sprintf("%s; a lift of %s would take more than a year: give it more traffic, or ask for less", why, percent(target(m, c)))
	default:
		v.Days = days
		v.Text = fmt.Sprintf("keep running about %s: %s", page.Count(int64(days), "more day", "more days"), why)
	}
	if end := b.experiment.Schedule.End; v.Days > 0 && !end.IsZero() && b.now.AddDate(0, 0, v.Days).After(end) {
		v.Text += fmt.Sprintf("; it ends on %s, before that", end.UTC().Format("2006-01-02"))
	}
	return v
}

// target is the relative lift, or loss, that has to be told from 0.
func target(m *MetricReport, c *MetricComparison) float64 {
	if c.NonInferiority != nil {
		return c.NonInferiority.Margin
	}
	return m.MinimumEffect
}

// moreDays estimates how many days are missing until the target would be seen
// with a chance of planningPower, if units go on to arrive as they did and vary
// as they do. known is false where there is nothing to estimate it from.
func (b *reportBuilder) moreDays(m *MetricReport, c *MetricComparison) (days int, known bool) {
	a := c.arms
	lift := stats.DeltaLift(a.control, a.treatment, 1)
	rate := b.unitsPerDay(c)
	n := float64(a.control.N + a.treatment.N)
	if lift.Reason != "" || !(lift.SE > 0) || !(rate > 0) {
		return 0, false
	}
	power := stats.NormalQuantile(planningPower)
	enough := func(units float64) bool {
		se := lift.SE * math.Sqrt(n/units)
		return (b.multiplier(c, units)+power)*se <= target(m, c)
	}
	need := 2 * n
	for !enough(need) {
		need *= 2
		if need > 1e6*n || need > 1e17 {
			return maxMoreDays + 1, true
		}
	}
	low := need / 2
	for need-low > 1e-3*need {
		if middle := (low + need) / 2; enough(middle) {
			need = middle
		} else {
			low = middle
		}
	}
	exposed := b.exposed(b.results.Treatments, c)
	more := math.Ceil((need/n - 1) * exposed / rate) // a metric may have fewer units than were exposed
	return int(min(max(more, 1), maxMoreDays+1)), true
}

// multiplier is how many standard errors the interval will reach that decides.
func (b *reportBuilder) multiplier(c *MetricComparison, units float64) float64 {
	level := c.Corrected.Level
	if c.NonInferiority != nil {
		level = max(1-2*(1-b.opts.Level), 0.01)
	}
	if b.report.Inference == OneLook {
		return stats.NormalQuantile(1 - (1-level)/2)
	}
	return atLevel(c.arms.sequence, level).Multiplier(int64(units))
}

// exposed is how many units a comparison's treatments have.
func (b *reportBuilder) exposed(in map[string]TreatmentResults, c *MetricComparison) float64 {
	return float64(in[c.Control].Units + in[c.Treatment].Units)
}

// unitsPerDay is how many units a day were exposed in both arms, over the last
// week where that is known.
func (b *reportBuilder) unitsPerDay(c *MetricComparison) float64 {
	week := b.now.AddDate(0, 0, -7)
	before := -1.0
	for i := len(b.results.Days) - 1; i >= 0 && before < 0; i-- {
		if d := &b.results.Days[i]; !NextDay(d.Day, b.opts.Zone).After(week) {
			before = b.exposed(d.Treatments, c)
		}
	}
	now := b.exposed(b.results.Treatments, c)
	if before >= 0 {
		return (now - before) / 7
	}
	first := time.Time{}
	for _, key := range []string{c.Control, c.Treatment} {
		if at := b.results.Treatments[key].FirstExposure; !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	elapsed := b.now.Sub(first).Hours() / 24
	if first.IsZero() || elapsed < 0.5 {
		return 0
	}
	return now / elapsed
}

// standing is where a treatment stands, over all metrics that decide.
type standing struct {
	wins, losses, harmed, unshown []string
	same, open                    int
	days                          int
}

// overall is the verdict on the experiment.
func (b *reportBuilder) overall() Verdict {
	if v, alarmed := b.notTrusted(); alarmed {
		v.Text = "The experiment " + v.Text + "."
		return v
	}
	if b.report.Units == 0 {
		return Verdict{Code: b.openCode(), Text: "No unit has been exposed yet."}
	}
	if len(b.report.Treatments) < 2 || len(b.report.Metrics) == 0 {
		return Verdict{Code: b.openCode(), Text: "There is nothing to compare: the experiment has " + page.Count(int64(len(b.report.Treatments)), "treatment", "treatments") + " and " + page.Count(int64(len(b.report.Metrics)), "metric", "metrics") + "."}
	}
	codes := make(map[VerdictCode]int)
	var sentences []string
	days := 0
	for i, t := range b.report.Treatments[1:] {
		if b.unknown(t.Treatment) {
			continue
		}
		s := b.standing(i)
		code, sentence := s.sum(t.Treatment, b.openCode())
		codes[code]++
		sentences = append(sentences, sentence)
		days = max(days, s.days)
	}
	v := Verdict{Text: strings.Join(sentences, " ")}
	for _, code := range []VerdictCode{VerdictWin, VerdictKeepRunning, VerdictInconclusive, VerdictLoss, VerdictNoDifference} {
		if codes[code] > 0 {
			v.Code = code
			break
		}
	}
	if v.Code == VerdictKeepRunning {
		v.Days = days
	}
	return v
}

// openCode is the verdict where nothing is decided.
func (b *reportBuilder) openCode() VerdictCode {
	if b.running() {
		return VerdictKeepRunning
	}
	return VerdictInconclusive
}

// standing collects the verdicts on the treatment with the i-th comparisons.
func (b *reportBuilder) standing(i int) standing {
	var s standing
	for j := range b.report.Metrics {
		m := &b.report.Metrics[j]
		if m.Role == RoleSecondary {
			continue
		}
		c := &m.Comparisons[i]
		what := m.Label + " " + c.Corrected.effect(m)
		switch {
		case m.Role == RoleGuardrail && c.Verdict.Code == VerdictLoss:
			s.harmed = append(s.harmed, what)
		case m.Role == RoleGuardrail && c.Verdict.Code != VerdictHolds:
			s.unshown = append(s.unshown, m.Label)
		case m.Role == RoleGuardrail:
		case c.Verdict.Code == VerdictWin:
			s.wins = append(s.wins, what)
		case c.Verdict.Code == VerdictLoss:
			s.losses = append(s.losses, what)
		case c.Verdict.Code == VerdictNoDifference:
			s.same++
		default:
			s.open++
			s.days = max(s.days, c.Verdict.Days)
		}
	}
	return s
}

// sum is the verdict on a treatment, as a sentence.
func (s *standing) sum(treatment string, open VerdictCode) (VerdictCode, string) {
	wins, losses := strings.Join(s.wins, ", "), strings.Join(s.losses, ", ")
	tail := "."
	if len(s.unshown) > 0 {
		tail = fmt.Sprintf("; not shown to hold: %s.", strings.Join(s.unshown, ", "))
	}
	switch {
	case len(s.harmed) > 0 && len(s.wins) > 0:
		return VerdictLoss, fmt.Sprintf("%s wins on %s, and harms %s%s", treatment, wins, strings.Join(s.harmed, ", "), tail)
	case len(s.harmed) > 0:
		return VerdictLoss, fmt.Sprintf("%s harms %s%s", treatment, strings.Join(s.harmed, ", "), tail)
	case len(s.wins) > 0 && len(s.losses) > 0:
		return VerdictInconclusive, fmt.Sprintf("%s wins on %s and loses on %s: weigh them%s", treatment, wins, losses, tail)
	case len(s.losses) > 0:
		return VerdictLoss, fmt.Sprintf("%s loses on %s%s", treatment, losses, tail)
	case len(s.wins) > 0 && len(s.unshown) > 0:
		return open, fmt.Sprintf("%s wins on %s%s", treatment, wins, tail)
	case len(s.wins) > 0:
		return VerdictWin, fmt.Sprintf("%s wins on %s%s", treatment, wins, tail)
	case s.open > 0 && s.days > 0:
		return open, fmt.Sprintf("%s: keep running about %s%s", treatment, page.Count(int64(s.days), "more day", "more days"), tail)
	case s.open > 0 && open == VerdictKeepRunning:
		return open, fmt.Sprintf("%s: keep running, nothing is clear yet%s", treatment, tail)
	case s.open > 0:
		return open, fmt.Sprintf("%s: no clear result%s", treatment, tail)
	case s.same > 0:
		return VerdictNoDifference, fmt.Sprintf("%s makes no difference worth knowing of%s", treatment, tail)
	default:
		return open, fmt.Sprintf("%s: no primary metric, so nothing decides%s", treatment, tail)
	}
}
