package strata

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/strataxp/strata/stats"
)

func (b *reportBuilder) add(severity Severity, code, format string, args ...any) {
	b.report.Warnings = append(b.report.Warnings, Warning{severity, code, fmt.Sprintf(format, args...)})
}

// warn collects what a reader must know, the gravest first.
func (b *reportBuilder) warn() {
	b.warnSampleRatio()
	b.warnContradictions()
	b.warnUnknown()
	b.warnMissing()
	b.warnFew()
	b.warnCarryOver()
	b.warnEvents()
	b.warnReading()
	rank := map[Severity]int{Alarm: 0, Caution: 1, Note: 2}
	slices.SortStableFunc(b.report.Warnings, func(x, y Warning) int { return cmp.Compare(rank[x.Severity], rank[y.Severity]) })
}

func (b *reportBuilder) warnSampleRatio() {
	r := b.report.SampleRatio
	switch {
	case r.Leaked > 0:
		b.add(Alarm, WarnSampleRatio, "%d units are in treatments that should have none", r.Leaked)
	case r.Reason != "" && b.report.Units > 0:
		b.add(Note, WarnSampleRatio, "the sample ratio is not tested: %s", r.Reason)
	}
	switch {
	case r.Reason != "":
	case r.PValue < sampleRatioAlarm:
		b.add(Alarm, WarnSampleRatio, "sample ratio mismatch (p %s): the treatments' sizes do not fit the weights, so units were lost or added in a way that depends on the treatment; the results below are not to be trusted until the cause is found", formatP(r.PValue))
	case r.PValue < sampleRatioCaution:
		b.add(Caution, WarnSampleRatio, "the sample ratio is unusual (p %s): by chance one experiment in a hundred looks like this; look for units that are lost in one treatment", formatP(r.PValue))
	}
}

func (b *reportBuilder) warnContradictions() {
	n := b.report.Contradictions
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
		if t.Expected == 0 && t.Units > 0 && b.experiment.treatment(t.Treatment) < 0 {
			b.add(Caution, WarnUnknown, "%d units met treatment %q, which the plan does not have", t.Units, t.Treatment)
		}
	}
}

// warnMissing tests, for means, whether the treatment changes which units have
// a value: then the means are over different kinds of units.
func (b *reportBuilder) warnMissing() {
	for _, m := range b.report.Metrics {
		if m.Type != MetricMean {
			continue
		}
		var table [][]int64
		for i, t := range b.report.Treatments {
			table = append(table, []int64{m.Estimates[i].Units, t.Units - m.Estimates[i].Units})
		}
		if r := stats.ChiSquareTable(table); r.Reason == "" && r.PValue < sampleRatioAlarm {
			b.add(Alarm, WarnMissing, "%s: the treatments differ in how many units have a value (p %s), so their means are over different kinds of units; use a ratio", m.Metric, formatP(r.PValue))
		}
	}
}

// warnFew names shares that rest on a handful of units in some treatment, for
// which the normal distribution of interval and test is a poor one.
func (b *reportBuilder) warnFew() {
	for _, m := range b.report.Metrics {
		if m.Type != MetricConversion && m.Type != MetricFunnel {
			continue
		}
		least, with, all := math.Inf(1), 0.0, 0.0
		for _, e := range m.Estimates {
			n := float64(e.Units)
			least = min(least, e.Estimate.Value*n, n-e.Estimate.Value*n)
			with, all = with+e.Estimate.Value*n, all+n
		}
		if nobody, everybody := with < 0.5, all-with < 0.5; !nobody && !everybody && least < fewEvents-0.5 {
			b.add(Caution, WarnFew, "%s: in one treatment only %.0f units differ from the others, too few for interval and p to be exact", m.Label, least)
		}
	}
}

func (b *reportBuilder) warnCarryOver() {
	e := b.experiment
	if e.Buckets.IsEmpty() {
		return
	}
	for _, t := range b.plan.CarryOver(e.Key) {
		who := t.Holder
		if t.Holder == e.Key {
			who = fmt.Sprintf("phase %d of this experiment", t.Phase)
		}
		b.add(Note, WarnCarryOver, "%s of the experiment's buckets were held by %s until %s: its treatments may still be felt",
			percent(float64(t.Buckets.Len())/float64(e.Buckets.Len())), who, t.Until.UTC().Format("2006-01-02"))
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
	if n := b.comparisons(); n >= manyTests {
		b.add(Note, WarnManyTests, "%d comparisons, each at the %s level: by chance alone %.2g of them would look clear where nothing differs; decide by the primary metric", n, percent(b.level), float64(n)*(1-b.level))
	}
	if b.report.Status == StatusRunning {
		b.add(Note, WarnOneLook, "the experiment is running: p-values and intervals hold for one look at its planned end, not for daily ones")
	}
}

func (b *reportBuilder) comparisons() int {
	n := 0
	for _, m := range b.report.Metrics {
		n += len(m.Comparisons)
	}
	return n
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
