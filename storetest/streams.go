package storetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/strataxp/strata"
)

var streamCases = []testCase{
	{"Cursor/ZeroForAnUnknownStream", cursorOfUnknownStream},
	{"Cursor/AnswerIsFinal", cursorIsFinal},
	{"Ingest/AgreesWithAnySequenceOfBatches", anySequenceOfBatches},
	{"Ingest/ConcurrentStreamsLoseNothing", concurrentStreams},
	{"Ingest/RacingWritersOfOneStreamStoreEachRecordOnce", racingWriters},
}

// background is for calls that must not end with the test's context.
var background = context.Background()

// endsAfter returns a context that ends after a number of looks at it: it is
// done when Done or Err is called once more. So a call can be stopped at each
// point at which it can notice.
func endsAfter(parent context.Context, looks int) context.Context {
	ctx, cancel := context.WithCancel(parent)
	c := &endingContext{Context: ctx, cancel: cancel}
	c.left.Store(int64(looks))
	return c
}

type endingContext struct {
	//lint:ignore containedctx it is a context itself
	context.Context
	cancel context.CancelFunc
	left   atomic.Int64
}

func (c *endingContext) look() {
	if c.left.Add(-1) < 0 {
		c.cancel()
	}
}

func (c *endingContext) Done() <-chan struct{} {
	c.look()
	return c.Context.Done()
}

func (c *endingContext) Err() error {
	c.look()
	return c.Context.Err()
}

func cursorOfUnknownStream(t *testing.T, s strata.Store) {
	unknown := newStream()
	require.Zero(t, cursor(t, s, unknown))
	write(t, s, signup("ada", start))
	require.Zero(t, cursor(t, s, unknown))
	refused(t, s, strata.Batch{Stream: unknown, First: 2, Records: []strata.Record{signup("ada", start)}}, 0)
}

// cursorIsFinal gives batches up while they are under way. What the cursor then
// says stays true: the writer goes on behind it.
func cursorIsFinal(t *testing.T, s strata.Store) {
	w := newWriter(s)
	w.write(t, exposure("ada", control, start))
	for range rounds(60) {
		batch := w.batch(slices.Repeat([]strata.Record{signup("ada", start)}, 5)...)
		ctx, cancel := context.WithCancel(background)
		ended := make(chan error, 1)
		go func() { ended <- s.Ingest(ctx, batch) }()
		runtime.Gosched()
		cancel()
		err := <-ended
		last := cursor(t, s, w.stream)
		if err == nil {
			require.Equal(t, batch.Last(), last, "the batch was acknowledged")
		} else {
			require.ErrorIs(t, err, context.Canceled)
			require.Contains(t, []int64{w.last, batch.Last()}, last)
		}
		w.last = last
		w.write(t, signup("ada", start)) // fails if the batch arrived after all
	}
	requireSignups(t, s, w.last-1)
}

// anySequenceOfBatches compares with the simplest model of a stream: a number.
func anySequenceOfBatches(t *testing.T, s strata.Store) {
	var checks int
	rapid.Check(t, func(rt *rapid.T) {
		checks++
		id := name("u", checks)
		write(rt, s, exposure(id, name("t", checks), start))
		w, stored := newWriter(s), int64(0)
		rt.Repeat(map[string]func(*rapid.T){
			"ingest": func(rt *rapid.T) {
				batch := drawBatch(rt, w, id)
				follows := batch.Gap >= 0 && batch.First == w.last+1+batch.Gap
				switch {
				case len(batch.Records) == 0 && batch.Gap == 0:
					_ = s.Ingest(background, batch) // changes nothing; whether it may fail is open
				case follows:
					require.NoError(rt, s.Ingest(background, batch))
					w.last = batch.Last()
					stored += int64(len(batch.Records))
				default:
					refused(rt, s, batch, w.last)
				}
			},
			"": func(rt *rapid.T) { require.Equal(rt, w.last, cursor(rt, s, w.stream)) },
		})
		requireUnits(rt, results(rt, s, signups), name("t", checks), signups.Key, stored)
	})
}

// drawBatch draws a batch near the cursor; about half of them follow it.
func drawBatch(rt *rapid.T, w *writer, id string) strata.Batch {
	batch := w.batch(slices.Repeat([]strata.Record{signup(id, start)}, rapid.IntRange(0, 3).Draw(rt, "records"))...)
	batch.Gap = rapid.SampledFrom([]int64{0, 0, 0, 1, 2, -1}).Draw(rt, "gap")
	batch.First += batch.Gap + rapid.SampledFrom([]int64{0, 0, 0, 1, -1, -2}).Draw(rt, "off")
	return batch
}

func concurrentStreams(t *testing.T, s strata.Store) {
	const writers, batches = 8, 20
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			w := newWriter(s)
			for j := range batches { // all of them know all users, and each tracks an order that others track, too
				w.write(assertion{t}, exposure(name("u", j), control, start), signup(name("u", j), start),
					order(name("u", j), name("own", i*batches+j), 1, start), order(name("u", j), name("shared", j), 100, start))
			}
			assert.EqualValues(t, 4*batches, cursor(assertion{t}, s, w.stream))
		})
	}
	all.Wait()
	r := results(t, s, signups, orders, revenue)
	requireUnits(t, r, control, signups.Key, slices.Repeat([]int64{writers}, batches)...)
	requireUnits(t, r, control, orders.Key, slices.Repeat([]int64{writers + 1}, batches)...)
	requireUnits(t, r, control, revenue.Key, slices.Repeat([]int64{writers + 100}, batches)...)
	require.EqualValues(t, (writers-1)*batches, r.RepeatedOrders)
	require.Zero(t, r.Contradictions)
}

// assertion marks the test as failed and ends the goroutine that failed, which
// is not the test's own.
type assertion struct{ *testing.T }

func (a assertion) FailNow() {
	a.Fail()
	runtime.Goexit()
}

// racingWriters is a stream with several writers, as after a time-out whose
// request is still on its way: each sends what the cursor says is missing.
func racingWriters(t *testing.T, s strata.Store) {
	random := newRandom(t)
	records := []strata.Record{exposure("ada", control, start)}
	for i := range rounds(400) {
		records = append(records, order("ada", name("o", i), 1, start))
	}
	stream, end := newStream(), int64(len(records))
	var all sync.WaitGroup
	for range 4 {
		own := rand.New(rand.NewPCG(random.Uint64(), 0))
		all.Go(func() {
			for last := cursor(assertion{t}, s, stream); last < end; last = cursor(assertion{t}, s, stream) {
				size := min(int64(own.IntN(4)+1), end-last)
				err := s.Ingest(background, strata.Batch{Stream: stream, First: last + 1, Records: records[last : last+size]})
				if err != nil && !errors.Is(err, strata.ErrCursor) {
					assert.NoError(t, err)
					return
				}
			}
		})
	}
	all.Wait()
	require.Equal(t, end, cursor(t, s, stream))
	r := results(t, s, orders)
	requireUnits(t, r, control, orders.Key, end-1)
	require.Zero(t, r.RepeatedOrders, "a record was stored twice")
}
