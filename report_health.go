package strata

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/strataxp/strata/stats"
)

// Health is what decides whether a report's numbers can be trusted.
type Health struct {
	// SampleRatio tests whether the treatments have the units that the weights
	// promise, for one look.
	SampleRatio stats.SampleRatioResult `json:"sample_ratio"`

	// SequentialSampleRatio is the same for as many looks as one likes: the
	// smallest p-value of all days.
	SequentialSampleRatio stats.SampleRatioResult `json:"sequential_sample_ratio"`

	// Contradictions is the number of units that met more than one treatment.
	// They are in no treatment.
	Contradictions int64 `json:"contradictions"`

	// PrePeriod tests, for each metric that has a PrePeriod, whether the
	// treatments were alike before the experiment.
	PrePeriod []PrePeriodBalance `json:"pre_period,omitempty"`

	// Losses tests whether the treatments lost events at different rates; it
	// has a reason where nothing was lost.
	Losses stats.Test `json:"losses"`

	// CarryOver lists who held the experiment's buckets before.
	CarryOver []CarryOver `json:"carry_over,omitempty"`

	// Latest is when the last event happened that the report knows, zero when
	// there is none.
	Latest time.Time `json:"latest,omitzero"`

	// Immature lists metrics with units whose window is not over.
	Immature []ImmatureUnits `json:"immature,omitempty"`
}

// PrePeriodBalance is the test that a metric was the same in all treatments
// before the experiment.
type PrePeriodBalance struct {
	Metric string     `json:"metric"`
	Test   stats.Test `json:"test"`
}

// CarryOver is an earlier holder of an experiment's buckets, whose treatments
// may still be felt.
type CarryOver struct {
	Experiment string    `json:"experiment"`
	Phase      int       `json:"phase"`
	Until      time.Time `json:"until"`
	Share      float64   `json:"share"` // of the experiment's buckets
}

// ImmatureUnits is how many units a metric's window is not over for.
type ImmatureUnits struct {
	Metric string `json:"metric"`
	Units  int64  `json:"units"`

	// LeftOut says that they do not count in the metric.
	LeftOut bool `json:"left_out"`
}

// health fills in the report's Health.
func (b *reportBuilder) health() {
	h := &b.report.Health
	h.Contradictions, h.Latest = b.results.Contradictions, b.results.Latest.UTC()
	if b.results.Latest.IsZero() {
		h.Latest = time.Time{}
	}
	b.sampleRatio()
	b.prePeriod()
	h.Losses = b.losses()
	b.carryOver()
	b.immature()
}

func (b *reportBuilder) sampleRatio() {
	h := &b.report.Health
	if reason := b.sharesChanged(); reason != "" {
		h.SampleRatio = stats.SampleRatioResult{Test: stats.Test{PValue: 1, Reason: reason}}
		h.SequentialSampleRatio = h.SampleRatio
		return
	}
	weights, counts := b.weights(), b.counts(b.results.Treatments)
	h.SampleRatio = stats.SampleRatio(counts, weights)
	if small := stats.SampleRatioExact(counts, weights); h.SampleRatio.Reason != "" && small.Reason == "" && b.report.Units > 0 {
		h.SampleRatio = small
	}
	var history [][]int64
	for i := range b.results.Days {
		history = append(history, b.counts(b.results.Days[i].Treatments))
	}
	h.SequentialSampleRatio = sequentialRatio(append(history, counts), weights)
}

// sequentialRatio is the last look with the smallest p-value of all. A look
// that cannot be used does not hide the others.
func sequentialRatio(history [][]int64, weights []float64) stats.SampleRatioResult {
	looks := stats.SequentialSampleRatio{}.Looks(history, weights)
	last, smallest := looks[len(looks)-1], 1.0
	for _, look := range looks {
		if look.Reason == "" {
			last, smallest = look, min(smallest, look.PValue)
		}
	}
	if last.Reason == "" {
		last.PValue = smallest
	}
	return last
}

// weights are the expected shares, in the report's order.
func (b *reportBuilder) weights() []float64 {
	weights := make([]float64, len(b.report.Treatments))
	for i, t := range b.report.Treatments {
		weights[i] = t.Expected
	}
	return weights
}

// counts are the units by treatment, in the report's order.
func (b *reportBuilder) counts(in map[string]TreatmentResults) []int64 {
	counts := make([]int64, len(b.report.Treatments))
	for i, t := range b.report.Treatments {
		counts[i] = in[t.Treatment].Units
	}
	return counts
}

// sharesChanged says why the plan's present weights are not what all units of
// the phase were drawn by, or nothing.
func (b *reportBuilder) sharesChanged() string {
	e := b.experiment
	switch with := b.sharedWith(); {
	case b.phase != e.Phase:
		return "this plan version does not have the weights of that phase (name an earlier one in ReportOptions.Version)"
	case e.History.KeepFrom > 0:
		return "units were drawn anew during this phase"
	case reweighted(e):
		return "the weights were changed during this phase"
	case with != nil && (reweighted(with) || resized(e) || resized(with)):
		return "the shares of the experiment and of the shared control did not stay fixed"
	}
	return ""
}

// reweighted reports whether some unit of the phase was drawn by other weights
// than today's.
func reweighted(e *Experiment) bool {
	return slices.ContainsFunc(e.Earlier, func(a Allocation) bool {
		return !e.drawsLike(Allocation{Weights: a.Weights, Audience: e.Audience})
	})
}

// resized reports whether the phase had another share of its layer before.
func resized(e *Experiment) bool {
	return e.History.Resized || e.History.KeepFrom > 0 || len(e.Schedule.Ramp) > 0 || e.Buckets.IsEmpty()
}

// prePeriod compares the treatments by what their units did before.
func (b *reportBuilder) prePeriod() {
	for i := range b.metrics {
		m := &b.metrics[i]
		if m.PrePeriod == 0 {
			continue
		}
		var groups []stats.Group
		for _, t := range b.report.Treatments {
			if moments := b.moments(b.results.Treatments, m, t.Treatment, 0); moments.N() > 0 {
				groups = append(groups, pastGroup(m, &moments))
			}
		}
		b.report.Health.PrePeriod = append(b.report.Health.PrePeriod, PrePeriodBalance{m.Key, stats.Balance(groups...)})
	}
}

// pastGroup is an arm's estimate of the metric over the time before the
// exposure.
func pastGroup(m *Metric, moments *stats.Moments) stats.Group {
	if m.Type == MetricRatio {
		return stats.GroupRatio(*moments, 2, 3)
	}
	return stats.GroupMean(*moments, 1)
}

// losses tests whether units that lost events, or may have, are spread over
// the treatments as all units are.
func (b *reportBuilder) losses() stats.Test {
	var table [][]int64
	lost := int64(0)
	for _, t := range b.report.Treatments {
		n := t.Shed + t.Uncertain
		lost += n
		table = append(table, []int64{n, max(t.Units-n, 0)})
	}
	if lost == 0 {
		return stats.Test{PValue: 1, Reason: "no unit is known to have lost events"}
	}
	return stats.ChiSquareTable(table)
}

func (b *reportBuilder) carryOver() {
	e := b.experiment
	if e.Buckets.IsEmpty() {
		return
	}
	for _, t := range b.plan.CarryOver(e.Key) {
		b.report.Health.CarryOver = append(b.report.Health.CarryOver, CarryOver{
			Experiment: t.Holder, Phase: t.Phase, Until: t.Until.UTC(),
			Share: float64(t.Buckets.Len()) / float64(e.Buckets.Len()),
		})
	}
}

func (b *reportBuilder) immature() {
	for i := range b.metrics {
		units := int64(0)
		for _, t := range b.results.Treatments {
			units += t.Metrics[b.metrics[i].Key].Immature
		}
		if units > 0 {
			b.report.Health.Immature = append(b.report.Health.Immature, ImmatureUnits{b.metrics[i].Key, units, b.opts.CompleteWindows})
		}
	}
}

// Severity says how much a [Warning] weighs.
type Severity string

// The severities.
const (
	// Alarm: do not use the results before the cause is found.
	Alarm Severity = "alarm"
	// Caution: the results may be off; look into it.
	Caution Severity = "caution"
	// Note: something to know when reading.
	Note Severity = "note"
)

// Warning is something that a reader of the report must know.
type Warning struct {
	Severity Severity `json:"severity"`
	Code     string   `json:"code"` // one of the Warn constants
	Text     string   `json:"text"`
}

// The codes of warnings.
const (
	WarnSampleRatio    = "sample_ratio"
	WarnContradictions = "contradictions"
	WarnUnknown        = "unknown_treatment"
	WarnPrePeriod      = "pre_period"
	WarnLosses         = "lost_events"
	WarnCarryOver      = "carry_over"
	WarnCurrency       = "other_currency"
	WarnRepeats        = "repeated_orders"
	WarnMissing        = "missing_values"
	WarnDenominator    = "denominator"
	WarnFew            = "few_events"
	WarnImmature       = "immature_units"
	WarnStale          = "stale"
	WarnSharedControl  = "shared_control"
	WarnChanged        = "changed_analysis"
)

// Thresholds of warnings. Those of the sample ratio and the pre-period are
// what GrowthBook, Eppo and Statsig alarm at.
const (
	sampleRatioAlarm   = 0.001
	sampleRatioCaution = 0.01
	prePeriodAlarm     = 0.001
	contradictionAlarm = 0.01
	lossesAlarm        = 0.001
	staleAfter         = 24 * time.Hour
)

func (b *reportBuilder) add(severity Severity, code, format string, args ...any) {
	b.report.Warnings = append(b.report.Warnings, Warning{severity, code, fmt.Sprintf(format, args...)})
}

// warn collects what a reader must know, the gravest first.
func (b *reportBuilder) warn() {
	b.warnSampleRatio()
	b.warnContradictions()
	b.warnUnknown()
	b.warnPrePeriod()
	b.warnLosses()
	b.warnMetrics()
	b.warnCarryOver()
	b.warnEvents()
	b.warnReading()
	rank := map[Severity]int{Alarm: 0, Caution: 1, Note: 2}
	slices.SortStableFunc(b.report.Warnings, func(x, y Warning) int { return cmp.Compare(rank[x.Severity], rank[y.Severity]) })
}
