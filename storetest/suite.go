package storetest

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/seed"
)

// Run checks the store that open returns. Each case calls open once and must
// get an empty store of its own, which no other case uses; register clean-up
// with t.Cleanup. Note that t.Context() is done before clean-up begins.
//
// The cases are subtests with names such as Ingest/AllOrNothing, and run in
// parallel.
func Run(t *testing.T, open func(t *testing.T) strata.Store) {
	t.Helper()
	for _, c := range slices.Concat(planCases, ingestCases, lossCases, streamCases, exposureCases, resultCases, metricCases, arrivalCases, anyCases) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.check(t, open(t))
		})
	}
}

// testCase is a sentence of the documentation, and the check that it is true.
type testCase struct {
	name  string
	check func(*testing.T, strata.Store)
}

// start is when everything in the suite begins.
var start = time.Date(2025, 3, 1, 10, 0, 0, 0, time.UTC)

// at returns the instant d after start.
func at(d time.Duration) time.Time { return start.Add(d) }

// The experiment that most cases are about, and its treatments.
const (
	experiment = "checkout"
	control    = "grey"
	variant    = "green"
)

func user(id string) strata.Unit { return strata.Unit{User: id} }

// hash stands in for the hash of an id: a store only keeps it.
func hash(id string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // a hash never fails
	return h.Sum64()
}

// exposure is a user's exposure in the experiment's phase 0.
func exposure(id, treatment string, when time.Time) strata.Record {
	return strata.Record{Unit: user(id), Event: strata.Exposure{
		Time: when, Experiment: experiment, Treatment: treatment,
		Diversion: strata.ByUser, Bucket: int(hash(id) % 10_000), Hash: hash(id), Version: 1,
	}}
}

// event is a record of something that a user did.
func event(id string, e strata.Event) strata.Record { return strata.Record{Unit: user(id), Event: e} }

// signup is a user's conversion.
func signup(id string, when time.Time) strata.Record {
	return event(id, strata.Conversion{Time: when, Goal: "signup"})
}

// order is a user's purchase in euros.
func order(id, orderID string, total int64, when time.Time) strata.Record {
	return event(id, strata.Purchase{Time: when, OrderID: orderID, Total: total, Currency: "EUR"})
}

// Metrics that several cases use.
var (
	signups = strata.Metric{Key: "signups", Type: strata.MetricCount,
		Measure: strata.Measure{Event: strata.KindConversion, Name: "signup"}}
	orders = strata.Metric{Key: "orders", Type: strata.MetricCount,
		Measure: strata.Measure{Event: strata.KindPurchase}}
	revenue = strata.Metric{Key: "revenue", Type: strata.MetricSum,
		Measure: strata.Measure{Event: strata.KindPurchase, Value: strata.ValueTotal, Currency: "EUR"}}
)

var streams atomic.Uint32

// newStream returns a stream that no writer has used.
func newStream() (id strata.StreamID) {
	copy(id[:], "\x01\x95\x50\x00\x00\x00\x70\x00\x80")
	n := streams.Add(1)
	id[12], id[13], id[14], id[15] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
	return id
}

// writer numbers the records of one stream, as an engine does.
type writer struct {
	store  strata.Store
	stream strata.StreamID
	last   int64
}

func newWriter(s strata.Store) *writer { return &writer{store: s, stream: newStream()} }

// batch makes a batch of the next records.
func (w *writer) batch(records ...strata.Record) strata.Batch {
	return strata.Batch{Stream: w.stream, First: w.last + 1, Records: records}
}

// write stores the next records.
func (w *writer) write(t require.TestingT, records ...strata.Record) {
	b := w.batch(records...)
	require.NoError(t, w.store.Ingest(context.Background(), b), "a batch right behind the cursor")
	w.last = b.Last()
}

// write stores records as a stream of their own.
func write(t require.TestingT, s strata.Store, records ...strata.Record) {
	newWriter(s).write(t, records...)
}

func cursor(t require.TestingT, s strata.Store, stream strata.StreamID) int64 {
	last, err := s.Cursor(context.Background(), strata.CursorParams{Stream: stream})
	require.NoError(t, err)
	return last
}

// results returns those of the experiment's phase 0.
func results(t require.TestingT, s strata.Store, metrics ...strata.Metric) strata.Results {
	r, err := s.Results(context.Background(), strata.ResultsParams{Experiment: experiment, Metrics: metrics})
	require.NoError(t, err)
	return r
}

// newRandom returns random numbers that a failed test can be repeated with.
func newRandom(t *testing.T) *rand.Rand {
	t.Helper()
	return rand.New(rand.NewPCG(seed.Of(t), 0))
}

// rounds is how often a random case is repeated: n times, a quarter with -short,
// and four times as often with STRATA_LONG=1.
func rounds(n int) int {
	switch {
	case os.Getenv("STRATA_LONG") != "":
		return 4 * n
	case testing.Short():
		return max(1, n/4)
	}
	return n
}

// stamp shows an instant in UTC, in microseconds.
func stamp(t time.Time) string { return t.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano) }

// name numbers things: name("u", 7) is "u7".
func name(prefix string, n int) string { return fmt.Sprintf("%s%d", prefix, n) }
