package strata

import "github.com/strataxp/strata/stats"

// testFamily are comparisons that are corrected for together.
type testFamily struct {
	correction  stats.Correction
	comparisons []*MetricComparison
}

// decide corrects the comparisons of a report for each other: Holm over those
// of primary metrics, Benjamini and Hochberg over the rest, and nothing over
// guardrails, where every correction would hide harm.
//
// Treatments that the plan does not have belong to no family.
func (b *reportBuilder) decide(metrics []MetricReport) {
	primary := &testFamily{correction: stats.Holm}
	secondary := &testFamily{correction: stats.BenjaminiHochberg}
	for i := range metrics {
		for j := range metrics[i].Comparisons {
			c := &metrics[i].Comparisons[j]
			if b.unknown(c.Treatment) {
				b.decideFamily(&testFamily{stats.NoCorrection, []*MetricComparison{c}})
				continue
			}
			switch metrics[i].Role {
			case RolePrimary:
				primary.comparisons = append(primary.comparisons, c)
			case RoleSecondary:
				secondary.comparisons = append(secondary.comparisons, c)
			default:
				b.decideFamily(&testFamily{stats.NoCorrection, []*MetricComparison{c}})
			}
		}
	}
	b.decideFamily(primary)
	b.decideFamily(secondary)
}

// decideFamily makes the decisions of comparisons that are corrected for each
// other. Those that cannot be tested yet count as p = 1: a family that grew with
// the data would give all of the error rate to whoever comes first.
func (b *reportBuilder) decideFamily(f *testFamily) {
	p := make([]float64, len(f.comparisons))
	for i, c := range f.comparisons {
		plain := c.by(b.report.Inference)
		p[i] = plain.Test.PValue // 1 where there is no test
		c.Corrected = Corrected{
			Inference: b.report.Inference, Correction: f.correction, Family: len(p), PValue: 1,
			Level: b.opts.Level, Difference: plain.Difference, Lift: plain.Lift,
		}
	}
	adjusted, err := stats.Adjust(f.correction, p)
	if err != nil {
		return // tests have p-values from 0 to 1
	}
	levels, err := stats.AdjustedLevels(f.correction, p, 1-b.opts.Level)
	if err != nil {
		return
	}
	for i, c := range f.comparisons {
		d := &c.Corrected
		if reason := c.by(b.report.Inference).Test.Reason; reason != "" {
			d.Difference, d.Lift = pointOnly(d.Difference, reason), pointOnly(d.Lift, reason)
			continue
		}
		d.PValue, d.Level = adjusted[i], levels[i]
		if d.Level != b.opts.Level {
			corrected := c.at(d.Inference, d.Level)
			d.Difference, d.Lift = corrected.Difference, corrected.Lift
		}
	}
}

// by returns the comparison of an inference at the report's level.
func (c *MetricComparison) by(i Inference) *stats.Comparison {
	if i == OneLook {
		return &c.Comparison
	}
	return &c.AlwaysValid
}

// at compares again at another level.
func (c *MetricComparison) at(i Inference, level float64) stats.Comparison {
	if i == OneLook {
		again, _ := c.arms.oneLook(level)
		return again
	}
	return c.arms.always(level)
}

// clear reports whether the decision found a difference, and which way. The
// interval and the adjusted p-value say the same.
func (d *Corrected) clear(level float64) bool {
	return d.Difference.Reason == "" && d.PValue <= 1-level
}
