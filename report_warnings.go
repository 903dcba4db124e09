package strata

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/strataxp/strata/internal/page"
	"github.com/strataxp/strata/stats"
)

func (b *reportBuilder) warnSampleRatio() {
	h := &b.report.Health
	switch r := h.SampleRatio; {
	case r.Leaked > 0:
		b.add(Alarm, WarnSampleRatio, "%d units are in treatments that should have none", r.Leaked)
	case r.Reason != "" && b.report.Units > 0:
		b.add(Note, WarnSampleRatio, "the sample ratio is not tested: %s", r.Reason)
	}
	once, always := h.SampleRatio.Test, h.SequentialSampleRatio.Test
	switch {
	case once.Reason == "" && once.PValue < sampleRatioAlarm:
		b.add(Alarm, WarnSampleRatio, "sample ratio mismatch (p %s): the treatments' sizes do not fit the weights, so units were lost or added in a way that depends on the treatment; the results are not to be trusted until the cause is found", page.Probability(once.PValue))
	case always.Reason == "" && always.PValue < sampleRatioAlarm:
		b.add(Alarm, WarnSampleRatio, "sample ratio mismatch on an earlier day (sequential p %s): for a while units were lost or added in a way that depends on the treatment; the results are not to be trusted until the cause is found", page.Probability(always.PValue))
	case once.Reason == "" && once.PValue < sampleRatioCaution:
		b.add(Caution, WarnSampleRatio, "the sample ratio is unusual (p %s): by chance one experiment in a hundred looks like this; look for units that are lost in one treatment", page.Probability(once.PValue))
	}
}

func (b *reportBuilder) warnContradictions() {
	n := b.results.Contradictions
	if n == 0 {
		return
	}
	share := float64(n) / float64(n+b.report.Units)
	severity := Note
	if share >= contradictionAlarm {
		severity = Alarm
	}
	b.add(severity, WarnContradictions, "%d units (%s) were seen in more than one treatment and are left out", n, percent(share))
}

func (b *reportBuilder) warnUnknown() {
	for _, t := range b.report.Treatments {
		if t.Units == 0 || !b.unknown(t.Treatment) {
			continue
		}
		severity := Caution
		if share := float64(t.Units) / float64(b.report.Units); share >= contradictionAlarm {
			severity = Alarm
		}
		b.add(severity, WarnUnknown, "%d units met treatment %q, which the plan does not have; they are compared with nothing", t.Units, t.Treatment)
	}
}

// warnPrePeriod goes by the threshold of CUPED's own guard, over all treatments
// and for each with the control.
func (b *reportBuilder) warnPrePeriod() {
	for _, x := range b.report.Health.PrePeriod {
		p := x.Test.PValue // 1 where there is no test
		m := b.metricOf(x.Metric)
		past := func(treatment string) stats.Group {
			moments := b.moments(b.results.Treatments, m, treatment, 0)
			return pastGroup(m, &moments)
		}
		for i, t := range b.report.Treatments {
			if i > 0 {
				p = min(p, stats.Balance(past(b.report.Treatments[0].Treatment), past(t.Treatment)).PValue)
			}
		}
		if p < prePeriodAlarm {
			b.add(Alarm, WarnPrePeriod, "%s: treatments differed before the experiment (p %s), so it is not the treatment that makes them differ now; look for a broken draw or for effects of an earlier experiment", x.Metric, page.Probability(p))
		}
	}
}

func (b *reportBuilder) warnLosses() {
	var shed, uncertain int64
	for _, t := range b.report.Treatments {
		shed, uncertain = shed+t.Shed, uncertain+t.Uncertain
	}
	if shed+uncertain == 0 {
		return
	}
	severity, tail := Note, ""
	if l := b.report.Health.Losses; l.Reason == "" && l.PValue < lossesAlarm {
		severity, tail = Alarm, fmt.Sprintf(", more in some treatments than in others (p %s)", page.Probability(l.PValue))
	}
	b.add(severity, WarnLosses, "%d units lost events for want of room, and %d may have lost some%s", shed, uncertain, tail)
}

// warnMetrics looks at what each metric's numbers rest on.
func (b *reportBuilder) warnMetrics() {
	for i := range b.report.Metrics {
		m := &b.report.Metrics[i]
		b.warnMissing(m)
		b.warnFew(m)
		b.warnDenominator(m)
	}
}

// warnMissing tests, for means, whether the treatment changes which units have
// a value: then the means are over different kinds of units.
func (b *reportBuilder) warnMissing(m *MetricReport) {
	if m.Type != MetricMean {
		return
	}
	var table [][]int64
	for i, t := range b.report.Treatments {
		table = append(table, []int64{m.Estimates[i].Units, t.Units - m.Estimates[i].Units})
	}
	if r := stats.ChiSquareTable(table); r.Reason == "" && r.PValue < sampleRatioAlarm {
		b.add(Caution, WarnMissing, "%s: the treatments differ in how many units have a value (p %s), so their means are over different kinds of units; use a ratio", m.Metric, page.Probability(r.PValue))
	}
}

// warnFew names metrics that rest on a handful of units in some treatment.
func (b *reportBuilder) warnFew(m *MetricReport) {
	varies := slices.ContainsFunc(m.Estimates, func(e TreatmentEstimate) bool { return e.Estimate.Value > 0 && e.Estimate.Value < 1 })
	for _, c := range m.Comparisons {
		if c.Exact && varies {
			b.add(Note, WarnFew, "%s: fewer than %d units of some treatment differ from the others, so the comparison for one look is exact (Fisher, Newcombe), and there is no always-valid one yet", m.Label, stats.SmallCount)
			return
		}
	}
	for _, c := range m.Comparisons {
		if c.Test.Reason == "" && !c.arms.evidence.share && c.arms.evidence.units < alwaysEvidence {
			b.add(Caution, WarnFew, "%s: %s or the control rests on hardly more than %s, too few for interval and p-value to be exact; a cap helps against few heavy ones", m.Label, c.Treatment, page.Count(int64(math.Ceil(c.arms.evidence.units)), "unit", "units"))
			return
		}
	}
}

// warnDenominator tests whether the treatment moves what a ratio divides by.
func (b *reportBuilder) warnDenominator(m *MetricReport) {
	if m.Type != MetricRatio {
		return
	}
	def := b.metricOf(m.Metric)
	for _, t := range b.report.Treatments[min(1, len(b.report.Treatments)):] {
		control := b.moments(b.results.Treatments, def, b.report.Treatments[0].Treatment, 0)
		treated := b.moments(b.results.Treatments, def, t.Treatment, 0)
		if c := stats.Compare(stats.GroupMean(control, 1), stats.GroupMean(treated, 1), stats.Options{}); c.Test.PValue < sampleRatioAlarm {
			b.add(Caution, WarnDenominator, "%s: %s changes what it is divided by (%s a unit, p %s), so the ratio may rise although its numerator falls; look at both", m.Metric, t.Treatment, signedPercent(c.Lift), page.Probability(c.Test.PValue))
		}
	}
}

func (b *reportBuilder) warnCarryOver() {
	for _, c := range b.report.Health.CarryOver {
		who := c.Experiment
		if who == b.experiment.Key {
			who = fmt.Sprintf("phase %d of this experiment", c.Phase)
		}
		b.add(Note, WarnCarryOver, "%s of the experiment's buckets were held by %s until %s: its treatments may still be felt",
			percent(c.Share), who, c.Until.Format("2006-01-02"))
	}
}

func (b *reportBuilder) warnEvents() {
	if n := b.results.RepeatedOrders; n > 0 {
		b.add(Note, WarnRepeats, "%d purchases were tracked again under the same order id and are counted once", n)
	}
	for i := range b.metrics {
		var n int64
		for _, t := range b.results.Treatments {
			n += t.Metrics[b.metrics[i].Key].OtherCurrency
		}
		if n > 0 {
			b.add(Caution, WarnCurrency, "%s: %d purchases are in other currencies than the metric's and do not count", b.metrics[i].Key, n)
		}
	}
}

func (b *reportBuilder) warnReading() {
	if with := b.sharedWith(); with != nil {
		b.add(Note, WarnSharedControl, "the control is that of experiment %q: comparisons with it rise and fall together", with.Key)
	}
	if b.phase == b.experiment.Phase && b.experiment.History.AnalysisChanged {
		b.add(Caution, WarnChanged, "the primary metrics, or how a metric is defined, were changed after the phase began: chosen by results, they are no evidence")
	}
	if b.phase == b.experiment.Phase && b.experiment.History.EndMoved && !b.ended().IsZero() {
		b.add(Note, WarnChanged, "the end of the schedule was set after the phase began, so verdicts go by always-valid intervals")
	}
	h := &b.report.Health
	if age := b.now.Sub(h.Latest); !h.Latest.IsZero() && b.running() && age > staleAfter {
		b.add(Caution, WarnStale, "the experiment is running, and its latest event is of %s, %s ago: do events still arrive?", h.Latest.Format("2006-01-02 15:04"), days(age))
	}
	var young []string
	for _, x := range h.Immature {
		young = append(young, fmt.Sprintf("%s of %s", page.Count(x.Units, "unit", "units"), x.Metric))
	}
	if len(young) > 0 {
		what := "count all the same, with less time than the others (ReportOptions.CompleteWindows leaves them out)"
		if h.Immature[0].LeftOut {
			what = "are left out"
		}
		b.add(Note, WarnImmature, "the window is not over for %s; they %s", strings.Join(young, ", "), what)
	}
}

// running reports whether the experiment takes units in at the moment.
func (b *reportBuilder) running() bool {
	return b.experiment.Status.live() && b.experiment.Phase == b.phase && b.experiment.Schedule.running(b.now)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
