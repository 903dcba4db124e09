package strata

import (
	"fmt"
	"math"

	"github.com/strataxp/strata/internal/page"
	"github.com/strataxp/strata/stats"
)

// arms are a control and a treatment in one metric, ready to be compared at any
// level.
type arms struct {
	control, treatment stats.Group
	reference          stats.Reference
	shares             *[2]stats.Share // of a share that is not adjusted
	evidence           evidence
	sequence           stats.ConfidenceSequence
}

// evidence is on how many units the poorer arm of a comparison rests. Means
// become normal with the units that carry them, not with those that are exposed:
// ten buyers among a thousand units are ten.
type evidence struct {
	units float64 // that have the conversion, or effective ones of a count, sum or ratio
	share bool
}

// How much evidence the normal distribution takes. Shares below SmallCount are
// compared exactly for one look. Counts and amounts have no exact test: without
// alwaysEvidence there is no always-valid comparison, which would be wrong in
// the tails that daily looks search; without stats.SmallCount there is none at all.
const alwaysEvidence = 30

// evidenceOf looks at both arms.
func evidenceOf(m *Metric, control, treatment *stats.Moments) evidence {
	return evidence{min(evidenceOfArm(m, control), evidenceOfArm(m, treatment)), isShare(m)}
}

// evidenceOfArm does not count means of values: they may well be around 0, and
// the units without a value are left out already.
func evidenceOfArm(m *Metric, arm *stats.Moments) float64 {
	switch {
	case isShare(m):
		s := shareOf(arm)
		return float64(max(0, min(s.Successes, s.Units-s.Successes)))
	case m.Type == MetricRatio:
		return min(effective(arm, 0), effective(arm, 1))
	case m.Type == MetricMean:
		return math.Inf(1)
	default:
		return effective(arm, 0)
	}
}

func effective(m *stats.Moments, i int) float64 {
	if i >= m.K() {
		return 0
	}
	return m.EffectiveUnits(i)
}

// tooFew says why there is no comparison of a kind, or nothing.
func (e evidence) tooFew(i Inference) string {
	need := float64(alwaysEvidence)
	if e.share || i == OneLook {
		need = stats.SmallCount
	}
	switch {
	case e.units >= need || e.share && i == OneLook:
		return ""
	case e.share:
		return fmt.Sprintf("in one arm %s from the others, always-valid intervals need %d", page.Count(int64(e.units), "unit differs", "units differ"), stats.SmallCount)
	default:
		return fmt.Sprintf("one arm rests on hardly more than %s, %v are needed", page.Count(int64(math.Ceil(e.units)), "unit", "units"), need)
	}
}

// arms returns those of a metric, adjusted for the past where there is one.
func (b *reportBuilder) arms(in map[string]TreatmentResults, m *Metric, entry int, control, treatment string) (arms, *Adjustment) {
	before, after := b.moments(in, m, control, entry), b.moments(in, m, treatment, entry)
	a := arms{
		control: groupOf(m, &before), treatment: groupOf(m, &after),
		evidence: evidenceOf(m, &before, &after), sequence: b.sequence(),
	}
	if b.unknown(treatment) {
		a.treatment = stats.Group{NoMean: true, Reason: "the plan does not have this treatment"}
		return a, nil
	}
	if isShare(m) {
		// The variance of a share follows from the share itself, so the test
		// is the unpooled z of textbooks; everything else gets Welch's t.
		a.reference = stats.Normal
		a.shares = &[2]stats.Share{shareOf(&before), shareOf(&after)}
	}
	if m.PrePeriod == 0 {
		return a, nil
	}
	unadjusted, exact := a.oneLook(b.opts.Level)
	adjustment := &Adjustment{Unadjusted: unadjusted}
	adjusted := cuped(m, before, after, stats.CUPEDOptions{})
	adjustment.Reason = adjusted.Reason
	switch {
	case exact || a.evidence.tooFew(OneLook) != "":
		adjustment.Reason = "too few units to adjust"
	case adjusted.Reason == "":
		adjustment.Applied, adjustment.VarianceReduction = true, adjusted.VarianceReduction
		adjustment.Theta = adjusted.ControlTheta[0]
		a.adjust(&adjusted, m.scale())
	}
	return a, adjustment
}

// unknown reports whether the plan does not have a treatment. Its units are
// shown and compared with nothing.
func (b *reportBuilder) unknown(treatment string) bool {
	with := b.sharedWith()
	return b.experiment.treatment(treatment) < 0 && (with == nil || with.treatment(treatment) != 0)
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
	return withheld(stats.Compare(a.control, a.treatment, options), a.evidence.tooFew(OneLook)), false
}

// always compares for any number of looks.
func (a *arms) always(level float64) stats.Comparison {
	return withheld(stats.Anytime(a.control, a.treatment, atLevel(a.sequence, level)), a.evidence.tooFew(AlwaysValid))
}

// withheld leaves the numbers of a comparison, and takes test and intervals
// away where there is a reason to.
func withheld(c stats.Comparison, reason string) stats.Comparison {
	if reason == "" || c.Test.Reason != "" {
		return c
	}
	c.Test = stats.Test{PValue: 1, Reason: reason}
	c.Difference, c.Lift = pointOnly(c.Difference, reason), pointOnly(c.Lift, reason)
	return c
}

// pointOnly takes the interval of an estimate away, where it has one.
func pointOnly(e stats.Estimate, reason string) stats.Estimate {
	if e.Reason != "" {
		return e
	}
	return stats.Estimate{Value: e.Value, Reason: reason}
}

// alwaysIntervals are the intervals of always, without its test and for a
// fraction of its cost.
func (a *arms) alwaysIntervals(m *multipliers) (difference, lift stats.Estimate) {
	se := math.Sqrt(a.control.Variance/float64(a.control.N) + a.treatment.Variance/float64(a.treatment.N))
	d := a.treatment.Mean - a.control.Mean
	few := a.evidence.tooFew(AlwaysValid) != "" || min(a.control.N, a.treatment.N) < stats.DefaultMinimumUnits
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
