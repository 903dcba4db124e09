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
func (b *reportBuilder) decide(metrics []MetricReport) {
	primary := &testFamily{correction: stats.Holm}
	secondary := &testFamily{correction: stats.BenjaminiHochberg}
	for i := range metrics {
		for j := range metrics[i].Comparisons {
			c := &metrics[i].Comparisons[j]
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
// other. Those without a test take no part.
func (b *reportBuilder) decideFamily(f *testFamily) {
	var p []float64
	var tested []*MetricComparison
	for _, c := range f.comparisons {
		plain := c.by(b.report.Inference)
		c.Corrected = Corrected{
			Inference: b.report.Inference, Correction: f.correction, PValue: 1,
			Level: b.opts.Level, Difference: plain.Difference, Lift: plain.Lift,
		}
		if plain.Test.Reason == "" {
			p = append(p, plain.Test.PValue)
			tested = append(tested, c)
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
	for i, c := range tested {
		d := &c.Corrected
		d.Family, d.PValue, d.Level = len(tested), adjusted[i], levels[i]
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
