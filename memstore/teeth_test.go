package memstore_test

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/memstore"
	"github.com/strataxp/strata/storetest"
)

// fault is a way in which a store can be wrong, and the cases of the suite that
// must notice.
type fault struct {
	name   string
	store  func(*memstore.Store) strata.Store
	caught []string
}

var faults = []fault{
	{"accepts stale plans", func(s *memstore.Store) strata.Store { return stalePlans{s} },
		[]string{"PutPlan/StaleBaseConflictsAndChangesNothing", "PutPlan/OneOfRacingPublishersWins"}},
	{"has the newest plan in effect", func(s *memstore.Store) strata.Store { return newestPlan{s} },
		[]string{"PlansInEffect/HighestVersionWhoseTimeHasCome", "PlansInEffect/LaterVersionsFollowInAscendingOrder", "PlansInEffect/AgreesWithAnyHistory"}},
	{"knows plans by their number", func(s *memstore.Store) strata.Store { return numbersOnly{s} },
		[]string{"PlansInEffect/AnotherVersionOfTheNumberIsNew"}},
	{"aliases plans", func(s *memstore.Store) strata.Store { return aliasedPlans{s, new(sync.Map)} },
		[]string{"AnyMethod/PlansAreNotAliased"}},
	{"lists the oldest plan first", func(s *memstore.Store) strata.Store { return oldestFirst{s} },
		[]string{"PlanHistory/NewestFirstWithoutPlans", "PlanHistory/AtMostLimit"}},
	{"forgets the cursor", func(s *memstore.Store) strata.Store { return noCursor{s} },
		[]string{"Ingest/RepeatedBatchIsRefusedWithTheCursor", "Ingest/OverlappingBatchIsRefusedWhole", "Ingest/AgreesWithAnySequenceOfBatches", "Results/DoNotDependOnTheOrderOfArrival"}},
	{"accepts undeclared gaps", func(s *memstore.Store) strata.Store { return anyGap{s} },
		[]string{"Ingest/GapMustBeDeclared", "Ingest/AgreesWithAnySequenceOfBatches"}},
	{"checks the cursor before it locks", func(s *memstore.Store) strata.Store { return racyCursor{s, new(atomic.Bool)} },
		[]string{"Ingest/RacingWritersOfOneStreamStoreEachRecordOnce"}},
	{"stores half of a batch that fails", func(s *memstore.Store) strata.Store { return halfBatch{s} },
		[]string{"Ingest/AllOrNothing", "Ingest/RepeatedBatchIsRefusedWithTheCursor"}},
	{"ignores the context", func(s *memstore.Store) strata.Store { return deaf{s} },
		[]string{"AnyMethod/StopsWithContext"}},
	{"ends a sequence early without an error", func(s *memstore.Store) strata.Store { return quietEnd{s} },
		[]string{"Exposed/ErrorEndsTheSequence", "AnyMethod/StopsWithContext"}},
	{"lists exposed units twice", func(s *memstore.Store) strata.Store { return twice{s} },
		[]string{"Exposed/OneEntryForEachUnit", "Exposed/FollowingItMissesNobody"}},
	{"keeps 63 bits of a hash", func(s *memstore.Store) strata.Store { return signedHash{s} },
		[]string{"Exposed/HashesAreWhole"}},
	{"takes all phases for one", func(s *memstore.Store) strata.Store {
		return onePhase{changing(func(x *strata.Exposure) { x.Phase = 0 })(s).(mapped)}
	}, []string{"Results/OnlyOfTheExperimentAndPhase", "Exposed/OnlyOfTheExperimentAndPhase"}},
	{"ignores the end of the window", func(s *memstore.Store) strata.Store {
		return otherWindow{s, func(strata.Duration) strata.Duration { return 0 }}
	}, []string{"Metric/WindowIsHalfOpen", "Results/AgreeWithTheOracle"}},
	{"includes the end of the window", func(s *memstore.Store) strata.Store {
		return otherWindow{s, func(d strata.Duration) strata.Duration { return d + strata.Duration(time.Microsecond)*min(d, 1) }}
	}, []string{"Metric/WindowIsHalfOpen", "Results/DoNotDependOnTheOrderOfArrival"}},
	{"does not correct what it added up", func(s *memstore.Store) strata.Store { return outOfDate{s, new(sync.Map)} },
		[]string{"Results/LateRecordsCount", "Results/TakeAccountOfEveryBatchStored"}},
	{"counts repeated orders", changing(uniqueOrder),
		[]string{"Ingest/OrderCountsOnce", "Results/RepeatedOrdersOfUnitsThatCount", "Results/AgreeWithTheOracle"}},
	{"adds currencies up", changing(func(p *strata.Purchase) { p.Currency = "EUR" }),
		[]string{"Metric/MoneyOfOneCurrency"}},
	{"keeps milliseconds", changing(func(e *strata.Conversion) { e.Time = e.Time.Truncate(time.Millisecond) }),
		[]string{"Metric/TimesAreWholeMicroseconds"}},
	{"forgets the tenant", func(s *memstore.Store) strata.Store {
		return mapped{s, func(r *strata.Record) { r.Unit.Tenant = "" }}
	}, []string{"Ingest/OrderIsUniqueWithinItsTenant", "Results/EventsJoinByTheDiversion"}},
	{"falls back to another id", func(s *memstore.Store) strata.Store {
		return mapped{s, func(r *strata.Record) {
			if r.Unit.User == "" {
				r.Unit.User = r.Unit.Device
			}
		}}
	}, []string{"Results/EventsJoinByTheDiversion"}},
	{"loses the forced flag", func(s *memstore.Store) strata.Store {
		return mapped{s, func(r *strata.Record) { r.Forced = false }}
	}, []string{"Results/ForcedEventsCountInNoMetric", "Ingest/ForcedOrderMakesNoRepeat"}},
	{"lets the last exposure win", recalling(lastExposureWins),
		[]string{"Ingest/EarliestExposureWins", "Results/FirstAndLastExposure", "Results/AgreeWithTheOracle"}},
	{"lets the exposure that arrives first win", recalling(firstArrivalWins),
		[]string{"Ingest/EarliestExposureWins", "Results/LateRecordsCount", "Results/DoNotDependOnTheOrderOfArrival"}},
	{"ignores contradictions", recalling(firstTreatmentWins),
		[]string{"Results/ContradictionCountsInNoTreatment", "Results/DoNotDependOnTheOrderOfArrival"}},
	{"drops what came before the exposure", recalling(nothingBeforeItsExposure),
		[]string{"Results/LateRecordsCount", "Ingest/EarliestExposureWins", "Results/DoNotDependOnTheOrderOfArrival"}},
	{"knows only the present", asks(func(p *strata.ResultsParams) {
		for i := range p.Metrics {
			p.Metrics[i].PrePeriod = 0
		}
	}), []string{"Metric/PrePeriodEndsAtTheExposure", "Metric/PrePeriodOfARatio", "Results/AgreeWithTheOracle"}},
	{"counts for ever", asks(func(p *strata.ResultsParams) { p.Until = time.Time{} }),
		[]string{"Results/UntilBoundsMetricsWithoutAWindow", "Results/DoNotDependOnTheOrderOfArrival"}},
	{"takes all units for mature", asks(func(p *strata.ResultsParams) { p.At = time.Time{} }),
		[]string{"Results/ImmatureUnitsAreCounted", "Results/CompleteWindowsLeaveImmatureUnitsOut", "Results/DoNotDependOnTheOrderOfArrival"}},
	{"counts immature units although it should not", asks(func(p *strata.ResultsParams) { p.CompleteWindows = false }),
		[]string{"Results/CompleteWindowsLeaveImmatureUnitsOut", "Results/DoNotDependOnTheOrderOfArrival"}},
	{"has the days of Greenwich", asks(func(p *strata.ResultsParams) { p.Zone = nil }),
		[]string{"Results/DaysOfTheZone", "Results/DoNotDependOnTheOrderOfArrival"}},
	{"forgets attributes", changing(func(x *strata.Exposure) { x.Attributes = nil }),
		[]string{"Results/SegmentsByTheAttributeOfTheFirstExposure", "Results/AgreeWithTheOracle"}},
	{"takes the attributes that arrive first", func(s *memstore.Store) strata.Store { return firstAttributes{s, new(sync.Map)} },
		[]string{"Results/SegmentsByTheAttributeOfTheFirstExposure", "Results/DoNotDependOnTheOrderOfArrival"}},
	{"forgets the latest event with a contradiction", func(s *memstore.Store) strata.Store {
		return otherLatest{recalling(nothingOfContradictions)(s).(recalled)}
	}, []string{"Results/LatestEventOfExposedUnits"}},
	{"goes back when an earlier exposure comes", func(s *memstore.Store) strata.Store {
		return otherLatest{recalling(firstExposureOnly)(s).(recalled)}
	}, []string{"Results/LatestEventOfExposedUnits"}},
	{"keeps no losses", losingBy(noLosses),
		[]string{"Losses/CountInResults", "Losses/AddUpOverStreams", "Losses/BatchOfNothingElseIsStored"}},
	{"takes a batch of losses for an empty one", losingBy(emptyIsNothing),
		[]string{"Losses/BatchOfNothingElseIsStored", "Losses/AllOrNothing"}},
	{"adds up totals", losingBy(addedLosses),
		[]string{"Losses/SentAgainAddNothing", "Losses/HigherTotalWins", "Losses/AgreeWithAnySequenceOfBatches"}},
	{"knows the losses of the last writer only", sheddingBy(lastSent),
		[]string{"Losses/AddUpOverStreams", "Losses/HigherTotalWins"}},
	{"has more units with losses than units", sheddingBy(unbounded),
		[]string{"Losses/AtMostTheUnits"}},
	{"takes losses of all experiments for its own", losingBy(onePhaseLost),
		[]string{"Losses/OfTheExperimentAndPhase"}},
	{"keeps the losses of batches that it refuses", func(s *memstore.Store) strata.Store { return hastyLosses{s} },
		[]string{"Losses/AllOrNothing"}},
	{"says of segments which losses all have", sheddingBy(nil),
		[]string{"Losses/AreNotOfDaysAndSegments"}},
	{"has no room for reasons", func(s *memstore.Store) strata.Store { return noReasons{s} },
		[]string{"Ingest/GapMayHaveAReason"}},
	{"has no fault", func(s *memstore.Store) strata.Store { return s }, nil},
}

// brokenStore names, to the test binary, the fault of the store that it is to
// run the suite on.
const brokenStore = "STRATA_BROKEN_STORE"

// TestSuiteHasTeeth runs the suite on stores with a fault, in processes of
// their own: there it must fail, in the cases that are about the fault. -v shows
// all the cases that failed.
func TestSuiteHasTeeth(t *testing.T) {
	seed.OneGoroutine(t)
	if name, child := os.LookupEnv(brokenStore); child {
		i := slices.IndexFunc(faults, func(f fault) bool { return f.name == name })
		require.GreaterOrEqual(t, i, 0, "no fault is called %q", name)
		storetest.Run(t, func(*testing.T) strata.Store { return faults[i].store(memstore.New()) })
		return
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			failed := failedCases(t, &f)
			t.Logf("%d cases fail: %s", len(failed), strings.Join(failed, ", "))
			assert.Subset(t, failed, f.caught, "these cases should have failed")
			if f.caught == nil {
				assert.Empty(t, failed)
			}
		})
	}
}

var failedCase = regexp.MustCompile(`(?m)^ *--- FAIL: TestSuiteHasTeeth/(\S+)`)

// failedCases runs the suite on a store with a fault, or of the suite what should
// find it.
func failedCases(t *testing.T, f *fault) []string {
	t.Helper()
	cases := "^TestSuiteHasTeeth$"
	if f.caught != nil {
		cases = "^TestSuiteHasTeeth$/" + strings.Join(levels(f.caught), "/")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+cases, "-test.short", "-test.timeout=2m",
		"-rapid.seed=1", "-rapid.nofailfile", "-rapid.shrinktime=0s")
	cmd.Env = append(os.Environ(), brokenStore+"="+f.name, "STRATA_SEED=1")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.True(t, err == nil || errors.As(err, &exit), "the suite did not run: %v", err)
	require.NotContains(t, string(out), "panic:", "the suite should fail in the case that finds the fault, and go on")
	var failed []string
	for _, m := range failedCase.FindAllStringSubmatch(string(out), -1) {
		failed = append(failed, m[1])
	}
	require.Equal(t, err != nil, len(failed) > 0, "the exit code and the cases say different things:\n%s", out)
	slices.Sort(failed)
	return failed
}

// levels returns a pattern for each level of the names of cases.
func levels(cases []string) []string {
	patterns := []string{"^(", "^("}
	for i, name := range cases {
		for level, part := range strings.SplitN(name, "/", 2) {
			if i > 0 {
				patterns[level] += "|"
			}
			patterns[level] += part
		}
	}
	return []string{patterns[0] + ")$", patterns[1] + ")$"}
}
