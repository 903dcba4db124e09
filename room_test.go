package strata_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
)

// A store that works, a standby that is away, little traffic: what the store has
// makes room, and nothing is refused.
func TestATrickleWhileTheStandbyIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf(1).withStandby()
		eng := bounded(t, store, strata.Config{BufferBytes: 1 << 20, RefreshInterval: -1})
		defer func() { _, _ = eng.Close(context.Background()) }()
		for i := range 600 {
			err := eng.Track(user(i), named(fmt.Sprint(i)))
			if err != nil {
				st := eng.Status()
				t.Fatalf("event %d: %v; written %d unwritten %d unconfirmed %d buffered %d trimmed %d", i, err, st.Written, st.Unwritten, st.Unconfirmed, st.BufferedBytes, st.TrimmedUnconfirmed)
			}
			time.Sleep(time.Second)
		}
	})
}

// A store that takes nothing, and little traffic: what waits takes the room that
// it needs, however often a batch was tried.
func TestATrickleWhileTheStoreIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf(1)
		eng := bounded(t, store, strata.Config{BufferBytes: 1 << 20, RefreshInterval: -1})
		store.setFault(func(op string) fault { // a privilege is missing, say: the cursor can be read
			if op == "ingest" {
				return before
			}
			return noFault
		})
		for i := range 600 {
			err := eng.Track(user(i), named(fmt.Sprint(i)))
			if err != nil {
				st := eng.Status()
				t.Errorf("event %d: %v; unwritten %d buffered %d", i, err, st.Unwritten, st.BufferedBytes)
				break
			}
			time.Sleep(20 * time.Second)
		}
		store.setFault(nil)
		_, _ = eng.Close(context.Background())
	})
}

// Large events leave the room that is reserved to purchases.
func TestLargeEventsLeaveReservedRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf(1)
		store.setFault(always(before))
		eng := bounded(t, store, strata.Config{BufferBytes: 4 << 20, RefreshInterval: -1})
		props := map[string]any{}
		for i := range 36 {
			props[fmt.Sprint("p", i)] = strings.Repeat("x", 1000)
		}
		for i := range 500 {
			_ = eng.Track(user(i), strata.Custom{EventName: "big", Properties: props})
		}
		refused := 0
		for i := range 3000 {
			if eng.Track(user(1000+i), strata.Purchase{OrderID: fmt.Sprint(i), Currency: "EUR"}) != nil {
				refused++
			}
		}
		store.setFault(nil)
		_, _ = eng.Close(context.Background())
		require.Zero(t, refused, "purchases have reserved room")
	})
}

// Behind an outage that filled the buffer, with no standby that confirms, all is
// taken in again.
func TestAnOutageThatNoStandbyConfirms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf(1).withStandby()
		eng := bounded(t, store, strata.Config{BufferBytes: 1 << 20, RefreshInterval: -1})
		store.setFault(always(before))
		for i := range 30_000 {
			_ = eng.Track(user(i%500), strata.Purchase{OrderID: fmt.Sprint(i), Currency: "EUR"})
		}
		store.setFault(nil)
		time.Sleep(10 * time.Minute)
		require.Zero(t, eng.Status().Unwritten, "the store has everything")
		refused := 0
		for i := range 600 {
			if eng.Track(user(i), strata.PageView{Page: "/"}) != nil {
				refused++
			}
			time.Sleep(100 * time.Millisecond)
		}
		st := eng.Status()
		_, _ = eng.Close(context.Background())
		require.Zero(t, refused, "of 600 page views, with a store that has all %d others; unwritten %d buffered %d", st.Written, st.Unwritten, st.BufferedBytes)
	})
}

// Counts of what was refused survive a Close that cannot tell the store.
func TestLossesAreInTheSpool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf(1)
		cfg, _ := spooled(t, strata.Config{BufferBytes: 256 << 10, StoreTimeout: time.Second, RefreshInterval: -1})
		eng := bounded(t, store, cfg)
		store.setFault(always(before))
		require.NoError(t, eng.Track(user(1), named("a")))
		require.Error(t, eng.Track(user(1), strata.Custom{}))
		time.Sleep(500 * time.Millisecond)
		for range 7 {
			require.Error(t, eng.Track(user(1), strata.Custom{}))
		}
		require.NoError(t, eng.Track(user(1), named("b")))
		_, err := eng.Close(context.Background())
		require.ErrorIs(t, err, errDown)
		store.setFault(nil)
		next := bounded(t, store, cfg)
		time.Sleep(2 * time.Minute)
		_, _ = next.Close(context.Background())
		events, _ := store.losses()
		require.EqualValues(t, 8, events[strata.LossInvalid])
	})
}

// Losses alone, and a store that is down: Close says that they were not told.
func TestLossesAlone(t *testing.T) {
	for _, disk := range []bool{false, true} {
		t.Run(fmt.Sprint("spool ", disk), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newShelf(1)
				cfg := strata.Config{StoreTimeout: time.Second, RefreshInterval: -1}
				if disk {
					cfg, _ = spooled(t, cfg)
				}
				eng := bounded(t, store, cfg)
				store.setFault(always(before))
				for range 5 {
					require.Error(t, eng.Track(user(1), strata.Custom{}))
				}
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				defer cancel()
				left, err := eng.Close(ctx)
				store.setFault(nil)
				if disk {
					next := bounded(t, store, cfg)
					time.Sleep(2 * time.Minute)
					_, _ = next.Close(context.Background())
					events, _ := store.losses()
					require.EqualValues(t, 5, events[strata.LossInvalid])
				}
				require.Error(t, err, "%v: the counts were not stored", left)
			})
		})
	}
}

// All was written, and the store cannot be asked whether it still has it: that is
// not "nothing left".
func TestCloseGoesByTheStoresWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf(1).withStandby()
		store.silent = true
		eng := bounded(t, store, strata.Config{StoreTimeout: time.Second, RefreshInterval: -1})
		require.NoError(t, eng.Track(user(1), named("a")))
		flush(t, eng)
		store.setFault(always(before))
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_, err := eng.Flush(ctx)
		_, errClose := eng.Close(ctx)
		require.Error(t, err, "flush")
		require.Error(t, errClose, "close")
	})
}
