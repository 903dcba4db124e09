package stats

import "math"

// Hybrid is Eppo's hybrid of a confidence sequence and a fixed-sample test:
// half of α = 1 − Level is for looking while the experiment runs, the other
// half for one test at its declared end, which is then nearly as sensitive as
// a test that never looked. The error rate over all looks and the end together
// is at most α, by Bonferroni's inequality.
//
// The end must be declared before the experiment starts and must not depend
// on results.
type Hybrid struct {
	// Sequence is the sequence while running. Its Level is that of the
	// whole method and is what the result says.
	Sequence ConfidenceSequence

	// Reference is the reference distribution of the test at the end. Zero
	// means WelchT.
	Reference Reference
}

// Running is a look before the end: [Anytime] with half of α. Its p-value is
// twice that of the sequence, at most α exactly when 0 is in neither
// interval.
func (h Hybrid) Running(control, treatment Group) Comparison {
	return h.compare(control, treatment, false)
}

// AtEnd is the one look at the declared end. Its interval is the narrower of
// the sequence's and the fixed sample's, both at half of α, and its p-value
// twice the smaller. Looks after the end belong to Running.
func (h Hybrid) AtEnd(control, treatment Group) Comparison {
	return h.compare(control, treatment, true)
}

func (h Hybrid) compare(control, treatment Group, ended bool) Comparison {
	s := h.Sequence.withDefaults()
	level := s.Level
	arms := checkArms(control, treatment)
	problem := s.problem()
	if problem == "" {
		problem = Options{Level: level, Reference: h.Reference}.problem()
	}
	if problem != "" {
		return arms.compareSequential(level, problem, 0, nil)
	}
	half := (1 - level) / 2
	s.Level = 1 - half
	early := s.tooFew(arms)
	if arms.reason == "" && early != "" && !ended {
		arms.reason = early
	}
	if arms.reason != "" {
		return arms.compareSequential(level, "", 0, nil)
	}
	critical, p := math.Inf(1), func(float64, float64) float64 { return 1 }
	if early == "" {
		n := arms.units()
		critical, p = s.Multiplier(n), func(d, se float64) float64 { return s.Test(d, se, n).PValue }
	}
	if ended {
		if h.Reference == PooledT {
			arms = arms.pooled()
		}
		df, sequence := arms.df(h.Reference), p
		critical = min(critical, tCritical(half, df))
		p = func(d, se float64) float64 { return min(sequence(d, se), testDifference(d, se, df).PValue) }
	}
	return arms.compareSequential(level, "", critical, func(d, se float64) Test {
		return newTest(d/se, 0, 2*p(d, se))
	})
}
