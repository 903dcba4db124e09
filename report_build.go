package strata

import (
	"fmt"
	"slices"
	"time"

	"github.com/strataxp/strata/stats"
)

// reportBuilder computes a report from a plan and a store's results.
type reportBuilder struct {
	plan       *Plan
	experiment *Experiment
	phase      int
	level      float64
	now        time.Time
	metrics    []Metric
	results    Results
	report     *Report
}

func (b *reportBuilder) build() *Report {
	e := b.experiment
	b.report = &Report{
		Experiment: e.Key, Description: e.Description, Phase: b.phase, Status: orDefault(e.Status, StatusDraft),
		Version: b.plan.Version, Created: b.now.UTC(), Level: b.level, Contradictions: b.results.Contradictions,
	}
	b.treatments()
	b.sampleRatio()
	for i := range b.metrics {
		b.metric(&b.metrics[i], i == 0)
	}
	b.warn()
	return b.report
}

// treatments lists the plan's treatments, control first, and behind them those
// that units met and the plan does not have.
func (b *reportBuilder) treatments() {
	expected := b.expected()
	known := make(map[string]bool)
	for _, x := range expected {
		known[x.key] = true
		b.treatment(x.key, x.share)
	}
	for _, key := range sortedKeys(b.results.Treatments) {
		if !known[key] {
			b.treatment(key, 0)
		}
	}
}

func (b *reportBuilder) treatment(key string, expected float64) {
	r := b.results.Treatments[key]
	b.report.Units += r.Units
	b.report.Treatments = append(b.report.Treatments, TreatmentReport{
		Treatment: key, Units: r.Units, Expected: expected, FirstExposure: r.FirstExposure, LastExposure: r.LastExposure,
	})
}

// expectedShare is the share of all units that a treatment should have.
type expectedShare struct {
	key   string
	share float64
}

// expected returns the plan's treatments with their shares, control first. A
// shared control has its own buckets, so its share is by buckets and weight.
func (b *reportBuilder) expected() []expectedShare {
	e := b.experiment
	var list []expectedShare
	add := func(of *Experiment, i int, traffic float64) {
		share := traffic * float64(of.Treatments[i].Weight) / float64(of.totalWeight())
		list = append(list, expectedShare{of.Treatments[i].Key, share})
	}
	traffic := 1.0
	if with := b.sharedWith(); with != nil {
		traffic = float64(e.Buckets.Len())
		add(with, 0, float64(with.Buckets.Len()))
	}
	for i := range e.Treatments {
		add(e, i, traffic)
	}
	sum := 0.0
	for _, x := range list {
		sum += x.share
	}
	for i := range list {
		if sum > 0 {
			list[i].share /= sum
		}
	}
	return list
}

func (b *reportBuilder) sharedWith() *Experiment {
	if b.experiment.SharedControl == "" {
		return nil
	}
	return b.plan.Experiment(b.experiment.SharedControl)
}

func (b *reportBuilder) sampleRatio() {
	var observed []int64
	var weights []float64
	for _, t := range b.report.Treatments {
		observed = append(observed, t.Units)
		weights = append(weights, t.Expected)
	}
	b.report.SampleRatio = stats.SampleRatio(observed, weights)
	if reason := b.sharesChanged(); reason != "" {
		b.report.SampleRatio = stats.SampleRatioResult{Test: stats.Test{PValue: 1, Reason: reason}}
	}
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

// metric adds a metric, or each step of a funnel.
func (b *reportBuilder) metric(m *Metric, primary bool) {
	if m.Type != MetricFunnel {
		b.addMetric(m, MetricReport{Label: m.Key, Primary: primary}, 0)
		return
	}
	for i, step := range m.Steps {
		label := fmt.Sprintf("%s, step %d: %s", m.Key, i+1, step.Event)
		if step.Name != "" {
			label += " " + step.Name
		}
		b.addMetric(m, MetricReport{Label: label, Step: i + 1, Primary: primary && i == len(m.Steps)-1}, i)
	}
}

func (b *reportBuilder) addMetric(m *Metric, r MetricReport, entry int) {
	r.Metric, r.Type, r.Guardrail = m.Key, m.Type, m.Guardrail
	if m.Measure.isMoney() && (m.Denominator == nil || !m.Denominator.isMoney()) {
		r.Currency = m.Measure.Currency
	}
	r.Direction = orDefault(m.Direction, Increase)
	var control stats.Group
	for i, t := range b.report.Treatments {
		group := b.group(m, t.Treatment, entry)
		r.Estimates = append(r.Estimates, TreatmentEstimate{Treatment: t.Treatment, Units: group.N, Estimate: group.Estimate(b.level)})
		if i == 0 {
			control = group
			continue
		}
		c := MetricComparison{
			Treatment: t.Treatment, Control: b.report.Treatments[0].Treatment,
			Comparison: stats.Compare(control, group, stats.Options{Level: b.level, Reference: reference(m)}),
		}
		c.Verdict = verdict(c.Comparison, r.Direction)
		r.Comparisons = append(r.Comparisons, c)
	}
	b.report.Metrics = append(b.report.Metrics, r)
}

// group returns a metric's estimate in one treatment.
func (b *reportBuilder) group(m *Metric, treatment string, entry int) stats.Group {
	moments := b.results.Treatments[treatment].Metrics[m.Key].Moments
	if entry >= len(moments) {
		return stats.GroupMean(stats.Moments{}, 0)
	}
	if m.Type == MetricRatio {
		return divided(stats.GroupRatio(moments[entry], 0, 1), m.Measure.scale()/m.Denominator.scale())
	}
	if isShare(m) {
		return stats.GroupProportion(moments[entry], 0)
	}
	return divided(stats.GroupMean(moments[entry], 0), m.Measure.scale())
}

// isShare reports whether each unit counts 0 or 1.
func isShare(m *Metric) bool { return m.Type == MetricConversion || m.Type == MetricFunnel }

// reference is the distribution that a metric's differences are held against.
// Of a share the variance follows from the share itself, so the test is the
// unpooled z of textbooks; everything else gets Welch's t.
func reference(m *Metric) stats.Reference {
	if isShare(m) {
		return stats.Normal
	}
	return stats.WelchT
}

// divided is a group in a unit that is so many times larger.
func divided(g stats.Group, by float64) stats.Group {
	g.Mean /= by
	g.Variance /= by * by
	return g
}

// The verdicts of a [MetricComparison].
const (
	VerdictBetter   = "better"
	VerdictWorse    = "worse"
	VerdictNotClear = "not clear"
)

func verdict(c stats.Comparison, d Direction) string {
	switch {
	case !c.Significant():
		return VerdictNotClear
	case c.Difference.Value > 0 == (d == Increase):
		return VerdictBetter
	default:
		return VerdictWorse
	}
}
