// Package stats estimates the effects of experiments from sufficient
// statistics.
//
// A unit is what was randomised, usually a user. Per arm and metric it is
// enough to know how many units there are and the sums, squares and products
// of their per-unit totals; raw rows are never needed here. There are two
// forms: [Sums] adds up integers exactly, and [Moments] holds means and
// centred sums in float64. Either merges with the sums of other units, so that
// shards can be added up. It does not merge with the same units' next day:
// the square of a total is not the sum of the days' squares.
//
//	var control, treatment stats.Sums
//	for _, user := range users {
//		if err := arm(user).Add(user.Cents, user.Orders); err != nil {
//			return err
//		}
//	}
//	result := stats.Compare(
//		stats.GroupMean(control.Moments(), 0), // cents per user
//		stats.GroupMean(treatment.Moments(), 0),
//		stats.Options{})
//
// From there the road is always the same. [GroupMean], [GroupProportion] and
// [GroupRatio] turn moments into a [Group], an arm's estimate with its
// variance per unit. [Compare] turns two groups into a [Comparison]: the
// difference and the p-value of Welch's test, and the relative lift with
// Fieller's interval; [Anytime] does the same for results that are looked at
// more than once. A method that adjusts an arm makes a Group as well; a
// method with its own critical value passes it to [FiellerLift]. [SampleRatio]
// and [ChiSquareTable] check that the assignment can be trusted in the first
// place.
//
// # Where to look
//
//   - Two arms, one look: [Compare], [CompareProportions] (few successes
//     too), [CompareOneSided], [NonInferiority]. Single shares: [Share].
//   - Any number of looks: [Anytime] and [ConfidenceSequence], [MSPRT],
//     [AnytimeLinear]; looks that were planned: [GroupSequential], [WangTsiatis],
//     [Hybrid]. What needs the history of looks says so in its type:
//     [LookHistory], [SequentialSampleRatio.Looks], the information and z of
//     all looks in [GroupSequential.Test].
//   - Less variance: [CUPED], [CUPEDRatio], [PostStratify] and its siblings,
//     [Cap], [GroupTrimmed].
//   - Quantiles: [GroupQuantile], [OrderStatistics].
//   - Can it be trusted: [SampleRatio], [SampleRatioExact],
//     [SequentialSampleRatio], [Balance], [ChiSquareTable].
//   - Many comparisons: [Adjust], [AdjustedLevels], [Dunnett],
//     [AlphaAllocation].
//   - Several factors, overlapping experiments: [MainEffect], [Interaction],
//     [InteractionWald], [Interactions].
//   - Bayesian: [BayesLift], [BayesShare], [BayesCount], [ProbabilityBest].
//   - Before the start: [SampleSizeMean], [SampleSizeProportion], [PowerT],
//     [MDELift], [DurationOf], [AdditionalSample]; afterwards [FalsePositiveRisk],
//     [PeekingErrorRate]. For checks: [Bootstrap].
//
// # Not estimable
//
// Small, empty and constant arms are everyday data, not failures. So results
// come without an error, and each part that may be missing has a Reason:
// empty when the part stands, otherwise a sentence for a person, such as
// "control: 1 unit, a variance needs 2". When Reason is set the interval or
// test is missing; NoValue says that the point estimate is missing as well.
// Other parts still stand: a control mean of zero has no lift, but a
// difference and a p-value. Missing numbers are 0 in Go (a missing p-value is
// 1) and null in JSON. Neither NaN nor an infinity is ever a result, with one
// exception: a one-sided interval is infinite on its open side.
//
// Errors are for input that cannot be accumulated: [ErrVariables],
// [ErrValue] and [ErrImpossible]. A [Group] of a variable that the sample does
// not have carries a reason; reading such a variable from [Moments] or [Sums]
// panics, as an index out of range does.
//
// # Guarantees
//
//   - Sums of the same units are equal, and give the same results to the bit,
//     in whatever order and split they were added.
//   - The interval of the lift in a Comparison contains 0 exactly when its
//     p-value is above 1 − Level, up to the last digits of the p-value.
//   - P-values keep their relative precision in the far tail and are never 0.
//   - Everything is a plain value and a pure function: no state, no I/O, and
//     no goroutine outlives a call ([Bootstrap] is the one that starts some).
//     Values may be read from several goroutines at once.
//
// # Limits
//
// The intervals and p-values of Compare are for a single look at a sample
// whose size did not depend on the results. They rest on the means being
// approximately normal, which heavy tails delay ([UnitsForSkewness]): a hundred
// units can be too few for revenue. Always-valid intervals rest on it at every
// look. Units must be independent of each other; where they are not, count a
// larger unit, or use [GroupRatio] with the cluster as unit. A Moments or Sums
// holds at most [MaxVariables] variables.
package stats
