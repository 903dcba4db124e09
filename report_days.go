package strata

import "github.com/strataxp/strata/stats"

// days tells how each comparison came about. It adjusts by the slope of the
// latest results on all days.
func (b *reportBuilder) days() {
	for i := range b.report.Metrics {
		r := &b.report.Metrics[i]
		m := b.metricOf(r.Metric)
		for j := range r.Comparisons {
			c := &r.Comparisons[j]
			for k := range b.results.Days {
				day := &b.results.Days[k]
				a := b.armsOf(day.Treatments, m, max(r.Step-1, 0), c)
				if a.control.N == 0 && a.treatment.N == 0 {
					continue
				}
				stood := a.always(b.opts.Level)
				c.Days = append(c.Days, DayComparison{
					Day: day.Day, Units: a.control.N + a.treatment.N,
					Difference: stood.Difference, Lift: stood.Lift,
				})
			}
		}
	}
}

// armsOf returns the arms of a comparison on some day.
func (b *reportBuilder) armsOf(in map[string]TreatmentResults, m *Metric, entry int, c *MetricComparison) arms {
	a := arms{
		control: b.group(in, m, c.Control, entry), treatment: b.group(in, m, c.Treatment, entry),
		sequence: c.arms.sequence,
	}
	before, after := b.moments(in, m, c.Control, entry), b.moments(in, m, c.Treatment, entry)
	switch {
	case c.Adjustment != nil && c.Adjustment.Applied:
		r := cuped(m, before, after, stats.CUPEDOptions{Rule: stats.FixedTheta, Theta: []float64{c.Adjustment.Theta}, NoGuards: true})
		if r.Reason == "" {
			a.adjust(&r, m.scale())
		}
	case isShare(m):
		a.shares = &[2]stats.Share{shareOf(before), shareOf(after)}
	}
	return a
}
