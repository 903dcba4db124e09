package strata

import (
	"runtime"
	"sync"

	"github.com/strataxp/strata/stats"
)

// dayArm is a treatment in one metric as it stood at the end of a day.
type dayArm struct {
	moments  *stats.Moments
	group    stats.Group // not adjusted
	evidence float64     // as in evidence
}

// days tells how each comparison came about. The past adjusts by the slope of
// the latest results on all days. Metrics do not depend on each other, so they
// are divided among half of the processors (the others have requests to serve): a year
// of a large experiment is a million reads all over memory.
func (b *reportBuilder) days() {
	if len(b.results.Days) == 0 {
		return
	}
	workers := min(max(1, runtime.GOMAXPROCS(0)/2), len(b.report.Metrics))
	var all sync.WaitGroup
	for i := range workers {
		all.Go(func() {
			b.daysOf(b.report.Metrics[i*len(b.report.Metrics)/workers : (i+1)*len(b.report.Metrics)/workers])
		})
	}
	all.Wait()
}

// daysOf goes day by day, as results lie in memory.
func (b *reportBuilder) daysOf(metrics []MetricReport) {
	definitions := make([]*Metric, len(metrics))
	for i := range metrics {
		definitions[i] = b.metricOf(metrics[i].Metric)
		for j := range metrics[i].Comparisons {
			metrics[i].Comparisons[j].Days = make([]DayComparison, 0, len(b.results.Days))
		}
	}
	arms := make([]dayArm, len(b.report.Treatments))
	in := make([]map[string]MetricResults, len(arms))
	by := make([]multipliers, len(arms))
	for j := range by {
		by[j].sequence = b.sequence()
	}
	for k := range b.results.Days {
		day := &b.results.Days[k]
		for j, t := range b.report.Treatments {
			in[j] = day.Treatments[t.Treatment].Metrics
		}
		for i := range metrics {
			for j := range arms {
				arms[j] = dayArmOf(in[j], definitions[i], max(metrics[i].Step-1, 0))
			}
			for j := range metrics[i].Comparisons {
				b.day(definitions[i], &metrics[i].Comparisons[j], day, &arms[0], &arms[j+1], &by[j])
			}
		}
	}
}

var noMoments stats.Moments

func dayArmOf(in map[string]MetricResults, m *Metric, entry int) dayArm {
	a := dayArm{moments: &noMoments}
	if list := in[m.Key].Moments; entry < len(list) {
		a.moments = &list[entry]
	}
	a.group, a.evidence = groupOf(m, a.moments), evidenceOfArm(m, a.moments)
	return a
}

// day adds a day to a comparison.
func (b *reportBuilder) day(m *Metric, c *MetricComparison, day *DayResults, control, treatment *dayArm, by *multipliers) {
	if control.group.N == 0 && treatment.group.N == 0 || c.arms.treatment.NoMean {
		return
	}
	a := arms{
		control: control.group, treatment: treatment.group,
		evidence: evidence{min(control.evidence, treatment.evidence), isShare(m)}, sequence: c.arms.sequence,
	}
	if c.Adjustment != nil && c.Adjustment.Applied {
		a.control, a.treatment = adjustedBy(m, c.Adjustment.Theta, control.moments, treatment.moments)
	}
	stood := DayComparison{Day: day.Day, Units: a.control.N + a.treatment.N}
	stood.Difference, stood.Lift = a.alwaysIntervals(by)
	c.Days = append(c.Days, stood)
}

// adjustedBy adjusts both arms by a slope on their past.
func adjustedBy(m *Metric, theta float64, before, after *stats.Moments) (control, treatment stats.Group) {
	nC, nT := float64(before.N()), float64(after.N())
	if m.Type == MetricRatio {
		center := quotient(nC*meanOf(before, 2)+nT*meanOf(after, 2), nC*meanOf(before, 3)+nT*meanOf(after, 3))
		control, treatment = stats.GroupRatioAdjusted(*before, theta, center), stats.GroupRatioAdjusted(*after, theta, center)
	} else {
		center := quotient(nC*meanOf(before, 1)+nT*meanOf(after, 1), nC+nT)
		control, treatment = stats.GroupAdjusted(*before, theta, center), stats.GroupAdjusted(*after, theta, center)
	}
	return divided(control, m.scale()), divided(treatment, m.scale())
}

// meanOf is the mean of a variable, and 0 where the sample has none.
func meanOf(m *stats.Moments, i int) float64 {
	if i >= m.K() {
		return 0
	}
	return m.Mean(i)
}
