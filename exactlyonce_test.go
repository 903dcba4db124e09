package strata_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
)

// Whatever the store does to a batch (fails before it applies, applies and then
// fails, hangs until the deadline), every event arrives exactly once.
func TestEveryEventArrivesExactlyOnce(t *testing.T) {
	seeds := 20
	if testing.Short() {
		seeds = 15
	}
	branches := map[string]int{}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) { exactlyOnce(t, uint64(seed), branches) })
	}
	for _, branch := range []string{"ok", "before", "after", "hang", "hang after"} {
		require.Positive(t, branches[branch], "no run took the branch %q", branch)
	}
}

func exactlyOnce(t *testing.T, seed uint64, branches map[string]int) {
	random, faulting := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2)) // one for each goroutine
	store := newFaulty()
	publish(t, store, colorPlan(1))
	faults := 30
	store.onIngest(func(ctx context.Context, b strata.Batch, apply func() error) error {
		if faults--; faults < 0 {
			return apply()
		}
		switch faulting.IntN(5) {
		case 0:
			branches["before"]++
			return errDown
		case 1: // the acknowledgement is lost
			branches["after"]++
			require.NoError(t, apply())
			return errDown
		case 2:
			branches["hang"]++
			<-ctx.Done()
			return ctx.Err()
		case 3:
			branches["hang after"]++
			require.NoError(t, apply())
			<-ctx.Done()
			return ctx.Err()
		default:
			branches["ok"]++
			return apply()
		}
	})
	eng := open(t, store, strata.Config{FlushInterval: 100 * time.Millisecond})
	const n = 300
	for i := range n {
		a := eng.Assign(user(i))
		a.Treatment("cta-color")
		require.NoError(t, a.Track(strata.Custom{EventName: "x", Value: 1}))
		if random.IntN(10) == 0 {
			time.Sleep(time.Duration(random.IntN(2000)) * time.Millisecond)
			synctest.Wait()
		}
	}
	flush(t, eng)
	count := strata.Metric{Key: "n", Type: strata.MetricCount, Measure: strata.Measure{Event: strata.KindCustom}}
	for _, x := range results(t, store, "cta-color", count).Treatments {
		m := x.Metrics["n"].Moments[0]
		require.Equal(t, 1.0, m.Mean(0), "seed %d: an event was lost or doubled", seed)
		require.Zero(t, m.Variance(0), "seed %d", seed)
	}
	require.EqualValues(t, 2*n, eng.Status().Written, "seed %d", seed)
}

// amnesiac forgets the last batches that it confirmed, as a standby that is
// promoted does.
type amnesiac struct {
	*faulty
	batches []strata.Batch
}

func (a *amnesiac) Ingest(_ context.Context, b strata.Batch) error {
	last := int64(0)
	if n := len(a.batches); n > 0 {
		last = a.batches[n-1].Last()
	}
	if b.First-b.Gap != last+1 {
		return &strata.CursorError{Stream: b.Stream, First: b.First, Last: last}
	}
	a.batches = append(a.batches, b)
	return nil
}

func (a *amnesiac) Cursor(context.Context, strata.CursorParams) (int64, error) {
	if n := len(a.batches); n > 0 {
		return a.batches[n-1].Last(), nil
	}
	return 0, nil
}

// A store that lost confirmed events is told so in a declared gap, goes on, and
// the loss is counted: memory holds nothing to send again.
func TestAStoreThatForgetsIsNoticed(t *testing.T) {
	store := &amnesiac{faulty: newFaulty()}
	eng := open(t, store, strata.Config{FlushInterval: -1})
	for i := range 3 {
		for range 2 {
			require.NoError(t, eng.Track(user(i), strata.PageView{Page: "/"}))
		}
		flush(t, eng)
	}
	require.Len(t, store.batches, 3)
	store.batches = store.batches[:1] // indexes 3 … 6 are gone

	require.NoError(t, eng.Track(user(9), strata.PageView{Page: "/"}))
	flush(t, eng)
	last := store.batches[len(store.batches)-1]
	require.EqualValues(t, 7, last.First)
	require.EqualValues(t, 4, last.Gap)
	require.EqualValues(t, 4, eng.Status().Lost)
}

// Two engines are two streams: neither disturbs the other.
func TestEnginesShareAStore(t *testing.T) {
	_, store := opened(t, colorPlan(1))
	engines := []*strata.Engine{open(t, store, strata.Config{}), open(t, store, strata.Config{})}
	for i := range 100 {
		for _, eng := range engines { // both meet every user
			a := eng.Assign(user(i))
			a.Treatment("cta-color")
			require.NoError(t, a.Track(strata.Purchase{OrderID: fmt.Sprint(i), Total: 5, Currency: "EUR"}))
		}
	}
	for _, eng := range engines {
		flush(t, eng)
	}
	r := results(t, store, "cta-color", buyers())
	require.EqualValues(t, 100, r.Treatments["grey"].Units+r.Treatments["green"].Units)
	require.Zero(t, r.Contradictions)
	require.EqualValues(t, 100, r.RepeatedOrders)
}

// A store that is too slow for a whole batch within StoreTimeout gets smaller
// ones, and everything arrives in the end.
func TestASlowStoreGetsSmallerBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		publish(t, store, colorPlan(1))
		store.onIngest(func(ctx context.Context, b strata.Batch, apply func() error) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Duration(len(b.Records)) * 2 * time.Millisecond):
				return apply()
			}
		})
		eng := open(t, store, strata.Config{StoreTimeout: time.Second, FlushInterval: -1})
		const n = 5000
		for i := range n {
			require.NoError(t, eng.Track(user(i), strata.PageView{Page: "/"}))
		}
		flush(t, eng)
		require.EqualValues(t, n, eng.Status().Written)
		require.Zero(t, eng.Status().Lost)
	})
}

// New events do not shorten the wait after a failure.
func TestBackOffUnderTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		store.onIngest(func(context.Context, strata.Batch, func() error) error { return errDown })
		eng := open(t, store, strata.Config{BufferBytes: 256 << 10})
		for i := range 10_000 {
			_ = eng.Track(user(i), strata.PageView{Page: "/"})
			time.Sleep(10 * time.Millisecond)
		}
		synctest.Wait()
		require.Less(t, store.attempts(), 60, "attempts in 100 s")
		store.onIngest(nil)
		flush(t, eng) // somebody who waits need not wait for the interval
	})
}
