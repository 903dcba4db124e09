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
	opts       ReportOptions
	phase      int
	now        time.Time
	metrics    []Metric
	results    Results
	report     *Report
}

func newReportBuilder(plan *Plan, experiment string, opts ReportOptions) (*reportBuilder, error) {
	e := plan.Experiment(experiment)
	if e == nil {
		return nil, fmt.Errorf("%w: experiment %q in plan version %d", ErrNotFound, experiment, plan.Version)
	}
	b := &reportBuilder{plan: plan, experiment: e, opts: opts, phase: e.Phase, now: opts.Clock.Now()}
	if opts.Phase != nil {
		b.phase = *opts.Phase
	}
	for _, key := range e.Metrics {
		if m := plan.Metric(key); m != nil {
			b.metrics = append(b.metrics, *m)
		}
	}
	if opts.Attribute != "" && !slices.Contains(e.Analysis.Breakdowns, opts.Attribute) {
		return nil, fmt.Errorf("%w: ReportOptions.Attribute = %q: experiment %q records %q with its exposures; add it to analysis.breakdowns", ErrConfig, opts.Attribute, experiment, e.Analysis.Breakdowns)
	}
	if err := (&Plan{Metrics: b.metrics}).Validate(); err != nil { // a store does not validate
		return nil, fmt.Errorf("metrics of experiment %q in plan version %d: %w", experiment, plan.Version, err)
	}
	return b, nil
}

func (b *reportBuilder) build() *Report {
	e := b.experiment
	b.report = &Report{
		Experiment: e.Key, Description: e.Description, Phase: b.phase, Status: orDefault(e.Status, StatusDraft),
		Running: b.running(), Version: b.plan.Version, Created: b.now.UTC(), Level: b.opts.Level, Inference: b.inference(),
	}
	b.report.Ended = b.ended()
	b.report.Treatments = b.treatments(b.results.Treatments)
	for _, t := range b.report.Treatments {
		b.report.Units += t.Units
	}
	b.health()
	b.report.Metrics = b.metricReports(b.results.Treatments)
	b.decide(b.report.Metrics)
	b.days()
	b.report.Funnels = b.funnels()
	b.breakdown()
	b.warn()
	b.verdicts()
	b.forgetArms(b.report.Metrics)
	if b.report.Breakdown != nil {
		for _, s := range b.report.Breakdown.Segments {
			b.forgetArms(s.Metrics)
		}
	}
	return b.report
}

func (b *reportBuilder) forgetArms(metrics []MetricReport) {
	for i := range metrics {
		for j := range metrics[i].Comparisons {
			metrics[i].Comparisons[j].arms = nil
		}
	}
}

// inference is what verdicts go by: one look where the phase reached the end
// that it had from its start, and nothing can change any more.
func (b *reportBuilder) inference() Inference {
	switch {
	case b.opts.Inference != "":
		return b.opts.Inference
	case b.ended().IsZero() || b.experiment.History.EndMoved || b.immatureUnits() > 0:
		return AlwaysValid
	default:
		return OneLook
	}
}

// ended returns the end of the schedule where the phase ran up to it, or the
// zero time.
func (b *reportBuilder) ended() time.Time {
	e := b.experiment
	began := e.Status != "" && e.Status != StatusDraft
	if end := e.Schedule.End; began && b.phase == e.Phase && !end.IsZero() && !b.now.Before(end) && !e.History.StoppedEarly {
		return end.UTC()
	}
	return time.Time{}
}

// until is when metrics without a window stop counting: at the end of the
// schedule.
func (b *reportBuilder) until() time.Time {
	if b.phase != b.experiment.Phase {
		return time.Time{}
	}
	return b.experiment.Schedule.End
}

// immatureUnits is how many windows are not over, all metrics together.
func (b *reportBuilder) immatureUnits() (n int64) {
	for _, t := range b.results.Treatments {
		for _, m := range t.Metrics {
			n += m.Immature
		}
	}
	return n
}

// treatments lists the plan's treatments, control first, and behind them those
// that units met and the plan does not have.
func (b *reportBuilder) treatments(in map[string]TreatmentResults) []TreatmentReport {
	var list []TreatmentReport
	add := func(key string, expected float64) {
		r := in[key]
		list = append(list, TreatmentReport{
			Treatment: key, Units: r.Units, Expected: expected, FirstExposure: r.FirstExposure, LastExposure: r.LastExposure,
			Shed: r.Shed, Uncertain: r.Uncertain,
		})
	}
	known := make(map[string]bool)
	for _, x := range b.expected() {
		known[x.key] = true
		add(x.key, x.share)
	}
	for _, key := range sortedKeys(b.results.Treatments) {
		if !known[key] {
			add(key, 0)
		}
	}
	return list
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
		share := traffic * float64(of.Treatments[i].Weight) / float64(max(of.totalWeight(), 1))
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

// metricReports are the metrics, each step of a funnel by itself.
func (b *reportBuilder) metricReports(in map[string]TreatmentResults) []MetricReport {
	var list []MetricReport
	for i := range b.metrics {
		m := &b.metrics[i]
		for entry := range max(1, len(m.Steps)) {
			list = append(list, b.metricReport(in, m, entry))
		}
	}
	return list
}

func (b *reportBuilder) metricReport(in map[string]TreatmentResults, m *Metric, entry int) MetricReport {
	r := MetricReport{
		Metric: m.Key, Label: m.Key, Type: m.Type, Role: b.role(m, entry),
		Direction: orDefault(m.Direction, Increase), MinimumEffect: m.minimumEffect(),
	}
	if m.Guardrail {
		r.Margin = m.margin()
	}
	if m.Type == MetricFunnel {
		r.Step, r.Label = entry+1, stepLabel(m, entry)
	}
	if m.Measure.isMoney() && (m.Denominator == nil || !m.Denominator.isMoney()) {
		r.Currency = m.Measure.Currency
	}
	for i, t := range b.report.Treatments {
		group := b.group(in, m, t.Treatment, entry)
		r.Estimates = append(r.Estimates, TreatmentEstimate{Treatment: t.Treatment, Units: group.N, Estimate: group.Estimate(b.opts.Level)})
		if i > 0 {
			r.Comparisons = append(r.Comparisons, b.compare(in, m, entry, b.report.Treatments[0].Treatment, t.Treatment))
		}
	}
	return r
}

// role says what a metric is for. Of a primary funnel the last step decides.
func (b *reportBuilder) role(m *Metric, entry int) Role {
	last := entry == max(1, len(m.Steps))-1
	switch {
	case m.Guardrail:
		return RoleGuardrail
	case slices.Contains(b.experiment.primary(), m.Key) && last:
		return RolePrimary
	default:
		return RoleSecondary
	}
}

func stepLabel(m *Metric, i int) string {
	label := fmt.Sprintf("%s, step %d: %s", m.Key, i+1, m.Steps[i].Event)
	if name := m.Steps[i].Name; name != "" {
		label += " " + name
	}
	return label
}

// metricOf returns the definition of a metric in the report.
func (b *reportBuilder) metricOf(key string) *Metric {
	i := slices.IndexFunc(b.metrics, func(m Metric) bool { return m.Key == key })
	return &b.metrics[i]
}

// moments returns a metric's sufficient statistics in one treatment, none
// where the results have none.
func (b *reportBuilder) moments(in map[string]TreatmentResults, m *Metric, treatment string, entry int) stats.Moments {
	list := in[treatment].Metrics[m.Key].Moments
	if entry >= len(list) {
		return stats.Moments{}
	}
	return list[entry]
}

// group returns a metric's estimate in one treatment, in whole units of money.
func (b *reportBuilder) group(in map[string]TreatmentResults, m *Metric, treatment string, entry int) stats.Group {
	moments := b.moments(in, m, treatment, entry)
	return groupOf(m, &moments)
}

func groupOf(m *Metric, moments *stats.Moments) stats.Group {
	switch {
	case m.Type == MetricRatio:
		return divided(stats.GroupRatio(*moments, 0, 1), m.scale())
	case isShare(m):
		return stats.GroupProportion(*moments, 0)
	default:
		return divided(stats.GroupMean(*moments, 0), m.scale())
	}
}

// scale is by how much estimates of a metric are divided to be in whole units
// of money.
func (m *Metric) scale() float64 {
	if m.Denominator != nil {
		return m.Measure.scale() / m.Denominator.scale()
	}
	return m.Measure.scale()
}

// isShare reports whether each unit counts 0 or 1.
func isShare(m *Metric) bool { return m.Type == MetricConversion || m.Type == MetricFunnel }

// divided is a group in a unit that is so many times larger.
func divided(g stats.Group, by float64) stats.Group {
	g.Mean /= by
	g.Variance /= by * by
	return g
}
