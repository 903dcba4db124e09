package strata_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
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
		cfg, _ := spooled(t, strata.Config{RefreshInterval: -1})
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
		cfg, disk := spooled(t, strata.Config{StoreTimeout: time.Second, RefreshInterval: -1, FlushInterval: time.Hour})
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

// picky refuses the batches of one stream for good.
type picky struct {
	*shelf
	refused atomic.Pointer[strata.StreamID]
}

func (p *picky) Ingest(ctx context.Context, b strata.Batch) error {
	if id := p.refused.Load(); id != nil && *id == b.Stream {
		return fmt.Errorf("%w: its rows are refused", strata.ErrPermanent)
	}
	return p.shelf.Ingest(ctx, b)
}

// leaveBehind opens an engine that has one event stored, and leaves another one in
// the spool.
func leaveBehind(t *testing.T, store strata.Store, on *shelf, cfg strata.Config, name string) {
	t.Helper()
	eng := bounded(t, store, cfg)
	_, err := eng.TrackDurable(context.Background(), user(1), named(name+"-stored"), strata.LevelCommitted)
	require.NoError(t, err)
	on.setFault(always(before))
	require.NoError(t, eng.Track(user(1), named(name+"-left")))
	_, err = eng.Close(context.Background())
	require.Error(t, err)
	on.setFault(nil)
	time.Sleep(time.Second)
	synctest.Wait()
}

// One stream that cannot be sent holds up no other one, and the status says why it
// cannot be, until it is.
func TestALeftoverThatCannotBeSentIsPassedBy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &picky{shelf: newShelf(1)}
		cfg, _ := spooled(t, strata.Config{Lanes: 1, RefreshInterval: -1})
		leaveBehind(t, store, store.shelf, cfg, "first")
		for id := range store.streams {
			store.refused.Store(&id)
		}
		leaveBehind(t, store, store.shelf, cfg, "second")
		next := bounded(t, store, cfg)
		time.Sleep(3 * time.Minute)
		status := next.Status()
		require.Len(t, store.evidence().Rows, 3, "of four, one cannot be stored")
		require.ErrorContains(t, status.LeftoverErr, "its rows are refused")
		require.Equal(t, 1, status.LeftoverStreams)
		require.EqualValues(t, 1, status.LeftoverWritten)
		require.False(t, status.OldestUnconfirmed.IsZero(), "what is not sent is not safe")

		store.refused.Store(nil)
		time.Sleep(2 * time.Minute)
		status = next.Status()
		require.Len(t, store.evidence().Rows, 4)
		require.NoError(t, status.LeftoverErr)
		require.Zero(t, status.LeftoverStreams)
		require.EqualValues(t, 2, status.LeftoverWritten)
		require.Zero(t, status.OldestUnconfirmed)
		_, err := next.Close(context.Background())
		require.NoError(t, err)
	})
}

// A store that is down is asked once a step of the back-off, however many streams
// are left; once it is back all are sent soon.
func TestManyLeftoversAreNoStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf(1)
		cfg, _ := spooled(t, strata.Config{Lanes: 1, RefreshInterval: -1})
		store.setFault(always(before))
		for i := range 12 {
			eng := bounded(t, store, cfg)
			require.NoError(t, eng.Track(user(1), named(fmt.Sprint(i))))
			_, err := eng.Close(context.Background())
			require.Error(t, err)
		}
		next := bounded(t, store, cfg)
		store.mu.Lock()
		clear(store.hits)
		store.mu.Unlock()
		time.Sleep(time.Hour)
		store.mu.Lock()
		attempts := store.hits["cursor fails before"] + store.hits["ingest fails before"]
		store.mu.Unlock()
		require.Less(t, attempts, 3600/8, "15 s between two attempts on average")
		require.Greater(t, attempts, 3600/30)
		store.setFault(nil)
		time.Sleep(2 * time.Minute)
		require.Zero(t, next.Status().LeftoverStreams)
		require.NoError(t, next.Status().LeftoverErr)
		require.EqualValues(t, 12, next.Status().LeftoverWritten)
		_, err := next.Close(context.Background())
		require.NoError(t, err)
	})
}

// What keeps one stream from being sent is told whatever becomes of others, and
// the counts are of streams and of events that were stored, not of looks at them.
func TestLeftoverErrAndCountsLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf(1)
		cfg, _ := spooled(t, strata.Config{Lanes: 1, RefreshInterval: -1})
		old := bounded(t, store, cfg)
		_, err := old.TrackDurable(context.Background(), user(1), named("a"), strata.LevelCommitted)
		require.NoError(t, err)
		store.fence()
		require.NoError(t, old.Track(user(1), named("b")))
		time.Sleep(5 * time.Second)
		_, _ = old.Close(context.Background())
		leaveBehind(t, store, store, cfg, "younger")

		next := bounded(t, store, cfg)
		time.Sleep(time.Second)
		neighbour := bounded(t, store, cfg) // a living process that shares the folder
		written := int64(0)
		for range 10 * 60 {
			time.Sleep(time.Second)
			status := next.Status()
			require.GreaterOrEqual(t, status.LeftoverWritten, written)
			written = status.LeftoverWritten
			require.ErrorIs(t, status.LeftoverErr, strata.ErrFenced)
		}
		require.EqualValues(t, 1, written)
		time.Sleep(5 * time.Second) // the looks are behind
		require.Equal(t, 1, next.Status().LeftoverStreams)
		for _, eng := range []*strata.Engine{next, neighbour} {
			_, err = eng.Close(context.Background())
			require.NoError(t, err)
		}
	})
}

// What processes left that no standby confirms is let go of by age, and for room.
func TestLeftoversAreTrimmed(t *testing.T) {
	for name, age := range map[string]time.Duration{"by age": time.Minute, "for room": 1000 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newShelf(1).withStandby()
				cfg, _ := spooled(t, strata.Config{Lanes: 1, RefreshInterval: -1, Spool: strata.SpoolConfig{MaxAge: age}})
				page := strata.PageView{Page: strings.Repeat("p", 400)}
				const n = 36_000
				eng := bounded(t, store, cfg)
				for i := range n {
					require.NoError(t, eng.Track(user(i), page))
					if i%1000 == 0 {
						time.Sleep(50 * time.Millisecond)
					}
				}
				flush(t, eng)
				require.Greater(t, eng.Status().SpoolBytes, int64(14<<20), "nearly full")
				_, _ = eng.Close(context.Background())

				next := bounded(t, store, cfg)
				time.Sleep(10 * time.Minute)
				for i := range 3000 {
					require.NoError(t, next.Track(user(i), page))
				}
				time.Sleep(time.Second)
				status := next.Status()
				require.NoError(t, status.SpoolErr)
				require.Less(t, status.SpoolBytes, int64(16<<20))
				require.Positive(t, status.TrimmedUnconfirmed)
				if age == time.Minute {
					require.Zero(t, status.LeftoverStreams)
				} else {
					require.Less(t, status.TrimmedUnconfirmed, int64(n), "no more than there has to be")
				}
				_, err := next.Close(context.Background())
				require.NoError(t, err)
			})
		})
	}
}

// A process that ran for hours leaves what is a minute old: nobody is woken up.
func TestTheAgeOfALeftoverIsThatOfItsEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf(1).withStandby()
		cfg, _ := spooled(t, strata.Config{Lanes: 1, RefreshInterval: -1})
		old := bounded(t, store, cfg)
		_, err := old.TrackDurable(context.Background(), user(1), named("a"), strata.LevelCommitted)
		require.NoError(t, err)
		store.replicate()
		time.Sleep(6 * time.Hour)
		_, err = old.TrackDurable(context.Background(), user(1), named("b"), strata.LevelCommitted)
		require.NoError(t, err)
		begun := time.Now()
		_, _ = old.Close(context.Background())
		next := bounded(t, store, cfg)
		for range 2 * 60 {
			time.Sleep(time.Second)
			oldest := next.Status().OldestUnconfirmed
			require.False(t, oldest.IsZero())
			require.WithinRange(t, oldest, begun.Add(-time.Second), begun.Add(time.Second))
		}
		store.replicate()
		time.Sleep(3 * time.Second)
		require.Zero(t, next.Status().OldestUnconfirmed)
		require.Zero(t, next.Status().LeftoverStreams)
		_, err = next.Close(context.Background())
		require.NoError(t, err)
	})
}
