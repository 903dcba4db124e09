package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/oracle"
)

var arrivalCases = []testCase{
	{"Results/AgreeWithTheOracle", resultsAgreeWithTheOracle},
	{"Results/DoNotDependOnTheOrderOfArrival", resultsDoNotDependOnArrival},
	{"Results/DoNotDependOnConcurrency", resultsDoNotDependOnConcurrency},
	{"Results/TakeAccountOfEveryBatchStored", resultsTakeAccountOfEveryBatch},
	{"Results/OfThePlansMetrics", resultsOfThePlansMetrics},
	{"Results/OfMetricsThatComeAndGo", resultsOfMetricsThatComeAndGo},
}

// compare checks the results of a world against the oracle.
func (w *world) compare(t require.TestingT, s strata.Store, arrived []strata.Record, what string) {
	for name := range worldExperiments {
		params := strata.ResultsParams{
			Experiment: w.prefix + name, Phase: 3, Metrics: worldMetrics(),
			At: w.at(time.Hour), Until: w.until(), CompleteWindows: name == "by-device",
			Daily: true, Zone: time.FixedZone("", int((13*time.Hour + 30*time.Minute - w.begin).Seconds())), // midnight is half an hour after the begin
			Attribute: "country",
		}
		got, err := s.Results(background, params)
		require.NoError(t, err)
		oracle.RequireResults(t, params.Metrics, oracle.Results(arrived, params), got, what+", "+name)
		if w.plan != nil {
			w.comparePlanned(t, s, arrived, params, what+", "+name)
		}
	}
}

// comparePlanned asks in the way in which a store may have the answer ready.
func (w *world) comparePlanned(t require.TestingT, s strata.Store, arrived []strata.Record, params strata.ResultsParams, what string) {
	params.CompleteWindows, params.Attribute, params.Zone, params.Metrics = false, "", nil, w.plan.metrics
	instants := []time.Time{{}, w.at(time.Hour), w.at(90 * time.Minute), w.at(48 * time.Hour)}
	for _, when := range instants[len(arrived)%4 : len(arrived)%4+1] {
		params.At = when
		got, err := s.Results(background, params)
		require.NoError(t, err)
		oracle.RequireResults(t, params.Metrics, oracle.Results(arrived, params), got, fmt.Sprintf("%s, as planned, at %s", what, stamp(when)))
	}
}

// resultsAgreeWithTheOracle shrinks what it finds to a few records.
func resultsAgreeWithTheOracle(t *testing.T, s strata.Store) {
	checks := 0
	rapid.Check(t, func(rt *rapid.T) {
		checks++
		w := &world{prefix: fmt.Sprintf("check%d/", checks), users: 2, dice: func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "d") }}
		records := w.records(rapid.IntRange(1, 40).Draw(rt, "records"))
		write(rt, s, records...)
		w.compare(rt, s, records, "after one batch")
	})
}

// worldsOf makes the same world again and again, under different names.
func worldsOf(random *rand.Rand, size int) func(round int) (*world, []strata.Record) {
	seed := random.Uint64()
	return func(round int) (*world, []strata.Record) {
		facts := rand.New(rand.NewPCG(seed, 1))
		w := &world{prefix: fmt.Sprintf("w%03d/", round), users: 6, dice: facts.IntN, begin: 13 * time.Hour}
		return w, w.records(size)
	}
}

// resultsDoNotDependOnArrival delivers the same records in many orders, batches
// and streams, with acknowledgements lost. What comes out must be what comes
// out of one batch in the order of time.
func resultsDoNotDependOnArrival(t *testing.T, s strata.Store) {
	random := newRandom(t)
	newWorld := worldsOf(random, 400)
	w, records := newWorld(0)
	slices.SortStableFunc(records, func(a, b strata.Record) int { return a.Event.At().Compare(b.Event.At()) })
	write(t, s, records...)
	w.compare(t, s, records, "in the order of time")
	for round := 1; round <= rounds(8); round++ {
		w, records := newWorld(round)
		random.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
		deliver(t, s, records, 1+random.IntN(4), random, func([]strata.Record) {})
		w.compare(t, s, records, fmt.Sprintf("order %d", round))
	}
}

// resultsTakeAccountOfEveryBatch asks for results between batches: what was
// added up must be corrected by what comes late.
func resultsTakeAccountOfEveryBatch(t *testing.T, s strata.Store) {
	random := newRandom(t)
	newWorld := worldsOf(random, 150)
	for round := range rounds(4) {
		w, records := newWorld(round)
		random.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
		deliver(t, s, records, 2, random, func(arrived []strata.Record) {
			w.compare(t, s, arrived, fmt.Sprintf("round %d, after %d records", round, len(arrived)))
		})
	}
}

// resultsOfThePlansMetrics puts the metrics into a plan, so that a store which
// keeps their results up to date does so.
func resultsOfThePlansMetrics(t *testing.T, s strata.Store) {
	random := newRandom(t)
	newWorld := worldsOf(random, 150)
	for round := range rounds(4) {
		w, records := newWorld(round)
		w.publish(t, s, worldMetrics())
		random.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
		deliver(t, s, records, 2, random, func(arrived []strata.Record) {
			if random.IntN(3) == 0 {
				w.compare(t, s, arrived, fmt.Sprintf("round %d, after %d records", round, len(arrived)))
			}
		})
		w.compare(t, s, records, fmt.Sprintf("round %d", round))
	}
}

// resultsOfMetricsThatComeAndGo changes the plan's metrics while events arrive.
func resultsOfMetricsThatComeAndGo(t *testing.T, s strata.Store) {
	random := newRandom(t)
	newWorld := worldsOf(random, 150)
	for round := range rounds(4) {
		w, records := newWorld(round)
		random.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
		deliver(t, s, records, 2, random, func(arrived []strata.Record) {
			if random.IntN(4) == 0 {
				metrics := worldMetrics()
				random.Shuffle(len(metrics), func(i, j int) { metrics[i], metrics[j] = metrics[j], metrics[i] })
				w.publish(t, s, metrics[:1+random.IntN(len(metrics))])
			}
			if w.plan != nil && random.IntN(3) == 0 {
				w.compare(t, s, arrived, fmt.Sprintf("round %d, after %d records", round, len(arrived)))
			}
		})
		w.compare(t, s, records, fmt.Sprintf("round %d", round))
	}
}

// worldPlan is what the plan says of a world.
type worldPlan struct {
	metrics []strata.Metric
}

// publish stores a plan whose experiments are those of the world. Midnight is
// then an hour after its begin in UTC.
func (w *world) publish(t require.TestingT, s strata.Store, metrics []strata.Metric) {
	history, err := s.PlanHistory(background, strata.PlanHistoryParams{Limit: 1})
	require.NoError(t, err)
	plan := &strata.Plan{Metrics: metrics}
	if len(history) > 0 {
		plan.Version = history[0].Version
	}
	keys := make([]string, len(metrics))
	for i := range metrics {
		keys[i] = metrics[i].Key
	}
	for name, diversion := range worldExperiments {
		plan.Layers = append(plan.Layers, strata.Layer{Key: name, Diversion: diversion})
		plan.Experiments = append(plan.Experiments, strata.Experiment{
			Key: w.prefix + name, Layer: name, Phase: 3, Status: strata.StatusRunning, Metrics: keys,
			Treatments: []strata.Treatment{{Key: control, Weight: 1}, {Key: variant, Weight: 1}, {Key: "third", Weight: 1}},
			Schedule:   strata.Schedule{End: w.until()},
		})
	}
	_, err = s.PutPlan(background, strata.PutPlanParams{Plan: plan, Author: "ada", Message: "metrics", At: start})
	require.NoError(t, err)
	w.plan = &worldPlan{metrics}
}

// until is when the world's experiments end.
func (w *world) until() time.Time { return w.at(100 * time.Minute) }

func resultsDoNotDependOnConcurrency(t *testing.T, s strata.Store) {
	random := newRandom(t)
	newWorld := worldsOf(random, 600)
	for round := range rounds(4) {
		w, records := newWorld(round)
		var all sync.WaitGroup
		for part := range slices.Chunk(records, 150) {
			own := rand.New(rand.NewPCG(random.Uint64(), 0))
			all.Go(func() { deliver(assertion{t}, s, part, 2, own, func([]strata.Record) {}) })
		}
		all.Wait()
		w.compare(t, s, records, fmt.Sprintf("round %d", round))
	}
}

// deliver writes records through several streams in random batches. Now and
// then an acknowledgement is lost: the writer sends the batch again, alone or
// with what follows, is refused, and goes on behind the cursor.
func deliver(t require.TestingT, s strata.Store, records []strata.Record, streams int, random *rand.Rand, stored func(arrived []strata.Record)) {
	var arrived []strata.Record
	senders := make([]*sender, streams)
	for i := range senders {
		senders[i] = &sender{writer: newWriter(s)}
	}
	for _, r := range records {
		to := senders[random.IntN(streams)]
		to.records = append(to.records, r)
	}
	for len(senders) > 0 {
		i := random.IntN(len(senders))
		batch := senders[i].next(1 + random.IntN(30))
		if len(batch) == 0 {
			senders = slices.Delete(senders, i, i+1)
			continue
		}
		senders[i].send(t, batch, random)
		arrived = append(arrived, batch...)
		stored(arrived)
	}
}

// sender is a writer with the records that it has to send.
type sender struct {
	*writer
	records []strata.Record // all of its stream; those up to last are stored
}

// next returns the next records, at most n.
func (s *sender) next(n int) []strata.Record {
	return s.records[s.last:min(s.last+int64(n), int64(len(s.records)))]
}

func (s *sender) send(t require.TestingT, records []strata.Record, random *rand.Rand) {
	batch := s.batch(records...)
	s.write(t, records...)
	for random.IntN(3) == 0 {
		again := batch
		if more := min(s.last+int64(random.IntN(20)), int64(len(s.records))); more > s.last {
			again.Records = s.records[batch.First-1 : more]
		}
		refused(t, s.store, again, s.last)
	}
}
