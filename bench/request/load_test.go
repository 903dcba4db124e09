package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/page"
)

// fakeShop answers as the shop does, and counts connections and orders.
type fakeShop struct {
	*httptest.Server
	connections, orders atomic.Int64
	wait                chan struct{} // answers come when it is closed; nil means at once
}

func newFakeShop(t *testing.T) *fakeShop {
	f := &fakeShop{}
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.wait != nil {
			<-f.wait
		}
		http.SetCookie(w, &http.Cookie{Name: "device", Value: "d"})
		switch {
		case r.URL.Path == "/click":
			w.WriteHeader(http.StatusNoContent)
		case r.Method == http.MethodPost && r.URL.Path == "/checkout":
			http.Redirect(w, r, "/order/o-"+page.Thousands(f.orders.Add(1)), http.StatusSeeOther)
		case r.Method == http.MethodPost:
			http.Redirect(w, r, "/cart", http.StatusSeeOther)
		}
	}))
	f.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			f.connections.Add(1)
		}
	}
	f.Start()
	t.Cleanup(f.Close)
	return f
}

func (f *fakeShop) crowd(t *testing.T, rate int, keepAlive bool) *crowd {
	c := &client{addr: strings.TrimPrefix(f.URL, "http://"), keepAlive: keepAlive}
	t.Cleanup(c.close)
	return newCrowd(c, rate, 1, newLedger())
}

func TestConnectionsAreKeptOrNot(t *testing.T) {
	for _, keep := range []bool{true, false} {
		f := newFakeShop(t)
		s := newSchedule(time.Now(), 1000, 200*time.Millisecond)
		o := f.crowd(t, 1000, keep).run(t.Context(), s, s.start.Add(100*time.Millisecond))
		require.NoError(t, o.firstError)
		require.EqualValues(t, 200, o.answered)
		require.EqualValues(t, 100, o.before.count())
		require.EqualValues(t, 100, o.during.count())
		require.EqualValues(t, 200, o.late.count())
		require.Equal(t, f.orders.Load(), o.book.count())
		require.Equal(t, !keep, f.connections.Load() == 200, "%d connections", f.connections.Load())
	}
}

// A shop that stalls is charged for every request that came in meanwhile; and where too
// many are under way, the rest have failed.
func TestAStallIsCharged(t *testing.T) {
	f := newFakeShop(t)
	f.wait = make(chan struct{})
	w := f.crowd(t, 10, true)
	w.most = 20
	s := newSchedule(time.Now(), 200, 200*time.Millisecond)
	over := time.AfterFunc(300*time.Millisecond, func() { close(f.wait) })
	defer over.Stop()
	o := w.run(t.Context(), s, time.Time{})
	require.EqualValues(t, 20, o.answered)
	require.EqualValues(t, 20, o.errors)
	require.ErrorIs(t, o.firstError, errBusy)
	require.Greater(t, o.before.figures().p50, 150*time.Millisecond)
	require.Less(t, o.achieved(), 0.6)
}

func TestAShopThatIsNotThere(t *testing.T) {
	f := newFakeShop(t)
	w := f.crowd(t, 10, true)
	f.Close()
	o := w.run(t.Context(), newSchedule(time.Now(), 100, 50*time.Millisecond), time.Time{})
	require.EqualValues(t, 5, o.errors)
	require.Error(t, o.firstError)
}

func TestAnInterruptEndsIt(t *testing.T) {
	f := newFakeShop(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Zero(t, f.crowd(t, 10, true).run(ctx, newSchedule(time.Now(), 10, time.Hour), time.Time{}).sent)
}
