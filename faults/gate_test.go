package faults_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

// gate stands between writers and a server. While it is shut nobody gets through:
// connections are cut off, and new ones refused.
type gate struct {
	t               testing.TB
	dsn             string // through the gate
	address         string
	network, server string       // behind it
	rate            atomic.Int64 // bytes that pass to the server in a second, on each connection; 0 means any number

	mu       sync.Mutex
	listener net.Listener // nil while it is shut
	conns    map[net.Conn]bool
	running  sync.WaitGroup
}

// newGate puts a gate before a server. It is open.
func newGate(t testing.TB, dsn string) *gate {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	require.NoError(t, err)
	g := &gate{t: t, address: "127.0.0.1:0", conns: make(map[net.Conn]bool)}
	g.network, g.server = pgconn.NetworkAddress(cfg.Host, cfg.Port)
	g.open()
	t.Cleanup(g.shut)
	through := url.URL{
		Scheme: "postgres", User: url.UserPassword(cfg.User, cfg.Password), Host: g.address,
		Path: "/" + cfg.Database, RawQuery: "sslmode=disable",
	}
	g.dsn = through.String()
	return g
}

func (g *gate) open() {
	g.t.Helper()
	l, err := new(net.ListenConfig).Listen(context.WithoutCancel(g.t.Context()), "tcp", g.address)
	require.NoError(g.t, err)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.listener, g.address = l, l.Addr().String()
	g.running.Go(func() { g.accept(l) })
}

// shut returns when nobody is connected any more.
func (g *gate) shut() {
	g.mu.Lock()
	if g.listener != nil {
		_ = g.listener.Close()
		g.listener = nil
	}
	for c := range g.conns {
		_ = c.Close()
	}
	g.mu.Unlock()
	g.running.Wait()
}

func (g *gate) accept(l net.Listener) {
	for {
		near, err := l.Accept()
		if err != nil {
			return
		}
		far, err := new(net.Dialer).DialContext(g.t.Context(), g.network, g.server)
		if err != nil {
			_ = near.Close()
			continue
		}
		g.mu.Lock()
		if g.listener == nil { // it was shut meanwhile
			_, _ = near.Close(), far.Close()
		}
		g.conns[near], g.conns[far] = true, true
		g.mu.Unlock()
		g.running.Go(func() { g.pass(far, near, g.trickle) })
		g.running.Go(func() { g.pass(near, far, io.Copy) })
	}
}

// pass copies one direction until either end closes.
func (g *gate) pass(to, from net.Conn, by func(io.Writer, io.Reader) (int64, error)) {
	_, _ = by(to, from)
	_, _ = to.Close(), from.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, to)
	delete(g.conns, from)
}

// trickle copies no more than the rate allows.
func (g *gate) trickle(to io.Writer, from io.Reader) (total int64, err error) {
	const steps = 100
	tick := time.NewTicker(time.Second / steps)
	defer tick.Stop()
	buffer := make([]byte, 64<<10)
	for {
		some := buffer
		if rate := int(g.rate.Load()); rate > 0 {
			<-tick.C
			some = buffer[:max(1, min(rate/steps, len(buffer)))]
		}
		n, err := from.Read(some)
		if err != nil {
			return total, err
		}
		total += int64(n)
		if _, err := to.Write(some[:n]); err != nil {
			return total, err
		}
	}
}
