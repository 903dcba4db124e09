package strata_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/memstore"
)

// watched is a store that tells of new plans, as long as it is told to.
type watched struct {
	*memstore.Store
	notices chan error // nil: a plan is there; an error: watching ends
	calls   atomic.Int64
}

func newWatched() *watched {
	return &watched{Store: memstore.New(), notices: make(chan error)}
}

func (s *watched) WatchPlans(ctx context.Context, changed func()) error {
	s.calls.Add(1)
	changed()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-s.notices:
			if err != nil {
				return err
			}
			changed()
		}
	}
}

// A notice brings the plan at once, without a poll, also with polling off.
func TestNoticeBringsThePlanAtOnce(t *testing.T) {
	for _, interval := range []time.Duration{time.Hour, -1} {
		synctest.Test(t, func(t *testing.T) {
			store := newWatched()
			eng := open(t, store, strata.Config{RefreshInterval: interval})
			synctest.Wait() // watching begins with a look
			publish(t, store, colorPlan(1))
			synctest.Wait()
			require.Zero(t, eng.Status().Version, "nobody has told")
			store.notices <- nil
			synctest.Wait()
			require.EqualValues(t, 1, eng.Status().Version)
		})
	}
}

// What was published while nobody watched arrives when watching begins again;
// and a store that cannot be watched is asked ever more rarely.
func TestWatchingBeginsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatched()
		eng := open(t, store, strata.Config{RefreshInterval: -1})
		synctest.Wait()
		store.notices <- errDown
		publish(t, store, colorPlan(1))
		synctest.Wait()
		require.Zero(t, eng.Status().Version)
		time.Sleep(time.Second)
		synctest.Wait()
		require.EqualValues(t, 1, eng.Status().Version)

		before := store.calls.Load()
		ended := make(chan struct{})
		go func() { // for an hour it ends as soon as it begins
			defer close(ended)
			for until := time.Now().Add(time.Hour); time.Now().Before(until); {
				select {
				case store.notices <- errDown:
				case <-time.After(time.Minute):
				}
			}
		}()
		<-ended
		require.InDelta(t, 125, store.calls.Load()-before, 10, "one try in 30 s, and a few at first")
	})
}

func TestNoWatchLeavesTheStoreAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newWatched()
		open(t, store, strata.Config{NoWatch: true})
		time.Sleep(time.Minute)
		require.Zero(t, store.calls.Load())
	})
}
