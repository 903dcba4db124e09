package strata_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
)

// The status is asked for while Close lets go of what others left. What it shows
// is the race detector's to say.
func TestLeftoversAreClosedWhileTheStatusIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf(1).withStandby()
		cfg, _ := spooled(strata.Config{RefreshInterval: -1})
		old := bounded(t, store, cfg)
		require.NoError(t, old.Track(user(1), named("a")))
		flush(t, old)
		_, _ = old.Close(context.Background())
		eng := bounded(t, store, cfg)
		time.Sleep(time.Second)
		require.Equal(t, 1, eng.Status().LeftoverStreams)
		done := make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					eng.Status()
				}
			}
		})
		_, err := eng.Close(context.Background())
		close(done)
		all.Wait()
		require.NoError(t, err)
	})
}

// What a process lost is told although the store has all of its events: its folder
// stays until the store has that as well.
func TestLeftoversStayUntilTheirLossesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf(1)
		cfg, disk := spooled(strata.Config{StoreTimeout: time.Second, RefreshInterval: -1, FlushInterval: time.Hour})
		eng := bounded(t, store, cfg)
		_, err := eng.TrackDurable(context.Background(), user(1), named("a"), strata.LevelCommitted)
		require.NoError(t, err)
		store.setFault(always(before))
		for range 5 {
			require.Error(t, eng.Track(user(1), strata.Custom{}))
		}
		time.Sleep(2 * time.Second)
		require.NoError(t, eng.Track(user(1), named("b"))) // has the losses noted
		time.Sleep(2 * time.Second)
		disk.Off(1)
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		_, _ = eng.Close(gone)
		disk.Kill()

		store.setFault(func(op string) fault {
			if op == "ingest" {
				return before
			}
			return noFault
		})
		store.mu.Lock()
		for _, s := range store.streams { // the other event arrived by another way: a copy of the folder
			s.batches = append(s.batches, strata.Batch{First: 2, Records: make([]strata.Record, 1)})
		}
		store.mu.Unlock()
		next := bounded(t, store, cfg)
		time.Sleep(5 * time.Second)
		_, _ = next.Close(context.Background())
		store.setFault(nil)
		last := bounded(t, store, cfg)
		time.Sleep(2 * time.Minute)
		require.Zero(t, last.Status().LeftoverStreams)
		_, err = last.Close(context.Background())
		require.NoError(t, err)
		events, _ := store.losses()
		require.EqualValues(t, 5, events[strata.LossInvalid])
	})
}
