package strata

import (
	"fmt"
	"math"

	"github.com/strataxp/strata/stats"
)

// arms are a control and a treatment in one metric, ready to be compared at any
// level.
type arms struct {
	control, treatment stats.Group
	reference          stats.Reference
	shares             *[2]stats.Share // of a share that is not adjusted
	sequence           stats.ConfidenceSequence
}

// arms returns those of a metric, adjusted for the past where there is one.
func (b *reportBuilder) arms(in map[string]TreatmentResults, m *Metric, entry int, control, treatment string) (arms, *Adjustment) {
	a := arms{
		control: b.group(in, m, control, entry), treatment: b.group(in, m, treatment, entry),
		sequence: b.sequence(),
	}
	before, after := b.moments(in, m, control, entry), b.moments(in, m, treatment, entry)
	if isShare(m) {
		// The variance of a share follows from the share itself, so the test
		// is the unpooled z of textbooks; everything else gets Welch's t.
		a.reference = stats.Normal
		a.shares = &[2]stats.Share{shareOf(&before), shareOf(&after)}
	}
	if m.PrePeriod == 0 {
		return a, nil
	}
	unadjusted, _ := a.oneLook(b.opts.Level)
	adjustment := &Adjustment{Unadjusted: unadjusted}
	adjusted := cuped(m, before, after, stats.CUPEDOptions{})
	adjustment.Reason = adjusted.Reason
	if adjusted.Reason == "" {
		adjustment.Applied, adjustment.VarianceReduction = true, adjusted.VarianceReduction
		adjustment.Theta = adjusted.ControlTheta[0]
		a.adjust(&adjusted, m.scale())
	}
	return a, adjustment
}

func cuped(m *Metric, control, treatment stats.Moments, options stats.CUPEDOptions) stats.CUPEDResult {
	if m.Type == MetricRatio {
		return stats.CUPEDRatio(control, treatment, options)
	}
	return stats.CUPED(control, treatment, options)
}

func (a *arms) adjust(r *stats.CUPEDResult, scale float64) {
	a.control, a.treatment = divided(r.Control, scale), divided(r.Treatment, scale)
	a.reference, a.shares = stats.WelchT, nil
}

// shareOf is how many units of a sample of zeros and ones are ones.
func shareOf(m *stats.Moments) stats.Share {
	if m.N() == 0 {
		return stats.Share{}
	}
	return stats.Share{Successes: int64(math.Round(m.Mean(0) * float64(m.N()))), Units: m.N()}
}

// sequence is the confidence sequence of the experiment.
func (b *reportBuilder) sequence() stats.ConfidenceSequence {
	return stats.ConfidenceSequence{Level: b.opts.Level, TuningN: float64(b.experiment.Analysis.PlannedUnits)}
}

// atLevel is a sequence at another level with the tuning ρ of this one, so that
// its intervals agree with this one's p-values.
func atLevel(s stats.ConfidenceSequence, level float64) stats.ConfidenceSequence {
	if level == s.Level {
		return s
	}
	unit := s
	unit.Level, unit.TuningN = level, 1
	rho := s.RhoSquared()
	s.Level, s.TuningN = level, unit.RhoSquared()/rho
	return s
}

// oneLook compares for a single look. exact is set where few conversions made
// it take methods of their own.
func (a *arms) oneLook(level float64) (c stats.Comparison, exact bool) {
	options := stats.Options{Level: level, Reference: a.reference}
	if a.shares != nil {
		p := stats.CompareProportions(a.shares[0], a.shares[1], options)
		return p.Comparison, p.Exact
	}
	return stats.Compare(a.control, a.treatment, options), false
}

// always compares for any number of looks.
func (a *arms) always(level float64) stats.Comparison {
	c := stats.Anytime(a.control, a.treatment, atLevel(a.sequence, level))
	if reason := a.few(); reason != "" {
		c.Test = stats.Test{PValue: 1, Reason: reason}
		c.Difference, c.Lift = pointOnly(c.Difference, reason), pointOnly(c.Lift, reason)
	}
	return c
}

// alwaysIntervals are the intervals of always, without its test and for a
// fraction of its cost.
func (a *arms) alwaysIntervals(m *multipliers) (difference, lift stats.Estimate) {
	se := math.Sqrt(a.control.Variance/float64(a.control.N) + a.treatment.Variance/float64(a.treatment.N))
	d := a.treatment.Mean - a.control.Mean
	few := a.few() != "" || min(a.control.N, a.treatment.N) < stats.DefaultMinimumUnits
	half := m.of(a.control.N+a.treatment.N) * se
	if few || a.control.Reason != "" || a.treatment.Reason != "" || !(half > 0) || math.IsInf(d-half, 0) || math.IsInf(d+half, 0) {
		c := a.always(a.sequence.Level) // for its reasons
		return c.Difference, c.Lift
	}
	return stats.Estimate{Value: d, SE: se, Low: d - half, High: d + half}, stats.FiellerLift(a.control, a.treatment, m.last)
}

// multipliers remembers the last multiplier of a sequence: most metrics of a
// day have the same units.
type multipliers struct {
	sequence stats.ConfidenceSequence
	units    int64
	last     float64
}

func (m *multipliers) of(units int64) float64 {
	if units != m.units {
		m.units, m.last = units, m.sequence.Multiplier(units)
	}
	return m.last
}

func pointOnly(e stats.Estimate, reason string) stats.Estimate {
	return stats.Estimate{Value: e.Value, NoValue: e.NoValue, Reason: reason}
}

// few says that a share rests on too few units for an always-valid interval,
// which needs the normal distribution at every look.
func (a *arms) few() string {
	if a.shares == nil {
		return ""
	}
	least := int64(math.MaxInt64)
	for _, s := range a.shares {
		least = min(least, s.Successes, s.Units-s.Successes)
	}
	if least >= stats.SmallCount {
		return ""
	}
	return fmt.Sprintf("in one arm %s from the others, always-valid intervals need %d", count(max(least, 0), "unit differs", "units differ"), stats.SmallCount)
}

// compare compares a treatment with the control in one metric.
func (b *reportBuilder) compare(in map[string]TreatmentResults, m *Metric, entry int, control, treatment string) MetricComparison {
	a, adjustment := b.arms(in, m, entry, control, treatment)
	c := MetricComparison{Treatment: treatment, Control: control, Adjustment: adjustment}
	c.Comparison, c.Exact = a.oneLook(b.opts.Level)
	c.AlwaysValid = a.always(b.opts.Level)
	if m.Guardrail {
		c.NonInferiority = b.nonInferiority(m, &a)
	}
	c.arms = &a
	return c
}

// nonInferiority tests that a guardrail loses no more than its margin: that the
// one-sided interval of the lift, with the control's own error in it, ends
// before the margin.
func (b *reportBuilder) nonInferiority(m *Metric, a *arms) *NonInferiority {
	level := 1 - 2*(1-b.opts.Level) // one side of it is a side at Level
	n := &NonInferiority{Margin: m.margin()}
	if !(level > 0) {
		n.Lift = stats.Estimate{NoValue: true, Reason: fmt.Sprintf("a one-sided interval needs a level above 0.5, not %v", b.opts.Level)}
		return n
	}
	if b.report.Inference == OneLook {
		c, _ := a.oneLook(level)
		n.Lift = c.Lift
	} else {
		n.Lift = a.always(level).Lift
	}
	if n.Lift.Reason != "" {
		return n
	}
	n.Lift.SE = 0
	if orDefault(m.Direction, Increase) == Increase {
		n.Lift.High = math.Inf(1)
		n.Holds = n.Lift.Low > -n.Margin
	} else {
		n.Lift.Low = math.Inf(-1)
		n.Holds = n.Lift.High < n.Margin
	}
	return n
}
