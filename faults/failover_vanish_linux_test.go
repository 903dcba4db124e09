package faults_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/strataxp/strata/internal/pgserver"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/internal/seed"
)

// remote is an address in a network of its own, behind which a server of this
// machine answers. When the cable is pulled nobody is told: packets vanish, in
// both directions, as when a machine loses its power.
type remote struct {
	host, network string
	listener      net.Listener
	relaying      sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
}

// newRemote makes an address for a server. It needs root, and skips where that is
// not to be had.
func newRemote(t *testing.T, server *pgtest.Cluster) *remote {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("making a network namespace needs root")
	}
	name := strings.ToLower(rand.Text()[:8])
	number := rand.Text()[0] % 64
	subnet := fmt.Sprintf("198.18.%d.", number) // kept for tests of networks (RFC 2544)
	v := &remote{host: subnet + "2", network: "strata-" + name}
	if out, err := exec.CommandContext(t.Context(), "ip", "netns", "add", v.network).CombinedOutput(); err != nil {
		t.Skipf("no network namespace can be made here: %v: %s", err, out)
	}
	t.Cleanup(func() { ip(t, "netns", "delete", v.network) })
	ip(t, "link", "add", "sta"+name, "type", "veth", "peer", "name", "stb"+name, "netns", v.network)
	ip(t, "address", "add", subnet+"1/30", "dev", "sta"+name)
	ip(t, "link", "set", "sta"+name, "up")
	ip(t, "-n", v.network, "address", "add", subnet+"2/30", "dev", "stb"+name)
	ip(t, "-n", v.network, "link", "set", "stb"+name, "up")
	v.listen(t)
	v.relaying.Go(func() { v.accept(net.JoinHostPort(server.Host, fmt.Sprint(server.Port))) })
	t.Cleanup(v.close)
	return v
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "ip", args...).CombinedOutput()
	require.NoError(t, err, "ip %v: %s", args, out)
}

// listen opens a port in the other network: a socket belongs to that of the
// thread which made it.
func (v *remote) listen(t *testing.T) {
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		other, err := os.Open("/run/netns/" + v.network)
		if err == nil {
			err = unix.Setns(int(other.Fd()), unix.CLONE_NEWNET)
			//lint:ignore errcheck it was only pointed at
			_ = other.Close()
		}
		if err == nil {
			v.listener, err = new(net.ListenConfig).Listen(context.Background(), "tcp", v.host+":0")
		}
		made <- err
	}()
	require.NoError(t, <-made)
}

// accept connects whoever comes with the server.
func (v *remote) accept(server string) {
	for {
		client, err := v.listener.Accept()
		if err != nil {
			return
		}
		backend, err := new(net.Dialer).DialContext(context.Background(), "tcp", server)
		if err != nil {
			//lint:ignore errcheck the server is down, as it may be
			_ = client.Close()
			continue
		}
		v.mu.Lock()
		v.conns = append(v.conns, client, backend)
		v.mu.Unlock()
		for _, pair := range [][2]net.Conn{{client, backend}, {backend, client}} {
			v.relaying.Go(func() {
				//lint:ignore errcheck whatever ends one direction ends both
				_, _ = io.Copy(pair[0], pair[1])
				//lint:ignore errcheck it may be closed already
				_, _ = pair[0].Close(), pair[1].Close()
			})
		}
	}
}

func (v *remote) close() {
	//lint:ignore errcheck nothing was promised
	_ = v.listener.Close()
	v.mu.Lock()
	for _, c := range v.conns {
		//lint:ignore errcheck it may be closed already
		_ = c.Close()
	}
	v.mu.Unlock()
	v.relaying.Wait()
}

// set pulls the cable ("down"), or puts it in again ("up").
func (v *remote) set(t *testing.T, state string) {
	ip(t, "-n", v.network, "link", "set", "stb"+strings.TrimPrefix(v.network, "strata-"), state)
}

// server returns the primary as it is reached by the address.
func (v *remote) server(c *pgtest.Cluster) *pgserver.Server {
	s := *c.Server
	s.Host, s.Port = v.host, v.listener.Addr().(*net.TCPAddr).Port
	return &s
}

// The primary vanishes without a word, and the standby takes over: the engine
// leaves connections on which nobody answers, in seconds and not in the quarter
// of an hour that the system takes by itself. At length only TCP_USER_TIMEOUT,
// which is 15 s, tells; else the deadline of the engine's calls is sooner.
func TestF9ThePrimaryVanishes(t *testing.T) {
	pair := pgtest.SharedPair(t)
	v := newRemote(t, pair.Primary)
	far, near := v.server(pair.Primary), pair.Standby.Server
	how := setup{dsn: pgserver.MultiDSN("connect_timeout=1", far, near), standbys: []string{far.DSN() + "&connect_timeout=1", near.DSN()}, patience: 2 * time.Second}
	bound := 15 * time.Second
	if seed.Long() {
		how.dsn, how.standbys = pgserver.MultiDSN("", far, near), []string{far.DSN(), near.DSN()}
		how.patience, bound = 5*time.Minute, time.Minute
	}
	s := newSite(t, how)
	stop := s.load(t, s.eng)
	s.progress(t, 200)
	v.set(t, "down")
	start := time.Now()
	s.Promote(t.Context(), t)
	s.progress(t, waiters+1) // some learn only now what was stored before
	took := time.Since(start)
	t.Logf("the new primary was in use after %v", took.Round(time.Millisecond))
	require.Less(t, took, bound)

	v.set(t, "up")
	s.Rejoin(t.Context(), t)
	stop()
	s.confirm(t)
	s.finish(t, nothingLost)
}
