package strata

import (
	"cmp"
	"slices"

	"github.com/strataxp/strata/stats"
)

// maxSegments is how many values of an attribute a report shows.
const maxSegments = 20

// breakdown reports the units with each value of the attribute.
func (b *reportBuilder) breakdown() {
	if b.opts.Attribute == "" {
		return
	}
	all := &Breakdown{Attribute: b.opts.Attribute}
	for _, value := range sortedKeys(b.results.Segments) {
		all.Segments = append(all.Segments, b.segment(value, b.results.Segments[value]))
	}
	slices.SortStableFunc(all.Segments, func(x, y Segment) int { return cmp.Compare(y.Units, x.Units) })
	if len(all.Segments) > maxSegments {
		all.Others = len(all.Segments) - maxSegments
		for _, s := range all.Segments[maxSegments:] {
			all.OtherUnits += s.Units
		}
		all.Segments = all.Segments[:maxSegments]
	}
	f := &testFamily{correction: stats.BenjaminiHochberg}
	for i := range all.Segments {
		for j := range all.Segments[i].Metrics {
			r := &all.Segments[i].Metrics[j]
			for k := range r.Comparisons {
				c := &r.Comparisons[k]
				if c.by(b.report.Inference).Test.Reason == "" { // small segments are many
					f.comparisons = append(f.comparisons, c)
				} else {
					b.decideFamily(&testFamily{stats.NoCorrection, []*MetricComparison{c}})
				}
			}
		}
	}
	b.decideFamily(f)
	b.report.Breakdown = all
}

func (b *reportBuilder) segment(value string, in map[string]TreatmentResults) Segment {
	s := Segment{Value: value, Treatments: b.treatments(in)}
	for _, t := range s.Treatments {
		s.Units += t.Units
	}
	if reason := b.sharesChanged(); reason != "" {
		s.SampleRatio = stats.SampleRatioResult{Test: stats.Test{PValue: 1, Reason: reason}}
	} else {
		s.SampleRatio = stats.SampleRatio(b.counts(in), b.weights())
	}
	s.Metrics = b.metricReports(in)
	return s
}

// funnels are the funnels of the report, as tables.
func (b *reportBuilder) funnels() []FunnelReport {
	var list []FunnelReport
	for i := range b.metrics {
		m := &b.metrics[i]
		if m.Type != MetricFunnel {
			continue
		}
		f := FunnelReport{Metric: m.Key}
		for entry := range m.Steps {
			f.Steps = append(f.Steps, b.funnelStep(m, entry))
		}
		list = append(list, f)
	}
	return list
}

func (b *reportBuilder) funnelStep(m *Metric, entry int) FunnelStep {
	step := FunnelStep{Label: string(m.Steps[entry].Event)}
	if name := m.Steps[entry].Name; name != "" {
		step.Label += " " + name
	}
	for _, t := range b.report.Treatments {
		moments := b.moments(b.results.Treatments, m, t.Treatment, entry)
		s := shareOf(&moments)
		before := s.Units
		if entry > 0 {
			moments = b.moments(b.results.Treatments, m, t.Treatment, entry-1)
			before = shareOf(&moments).Successes
		}
		step.Counts = append(step.Counts, FunnelCount{
			Treatment: t.Treatment, Units: s.Successes,
			Share: quotient(float64(s.Successes), float64(s.Units)), OfPrevious: quotient(float64(s.Successes), float64(before)),
		})
	}
	return step
}

// quotient is a/b, and 0 where there is nothing to divide by.
func quotient(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
