package pgtest

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/pgserver"
)

// Cluster is a running PostgreSQL server. Its methods that start and stop it
// are not safe for concurrent use.
type Cluster struct{ *pgserver.Server }

// Config configures a [Cluster]. The zero value is right for most tests.
type Config = pgserver.Config

// How a server is told to stop.
const (
	Smart     = pgserver.Smart
	Fast      = pgserver.Fast
	Immediate = pgserver.Immediate
	Killed    = pgserver.Killed
)

// Start starts a cluster for one test, which may stop and kill it.
func Start(t testing.TB, cfg Config) *Cluster {
	t.Helper()
	c, err := own(pgserver.Start(cfg))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Discard()) })
	c.tailOnFailure(t)
	return c
}

// own makes a cluster of a server, if there is one.
func own(s *pgserver.Server, err error) (*Cluster, error) {
	if s == nil {
		return nil, err
	}
	return &Cluster{s}, err
}

// Stop stops the server and returns when it has. Its data stay.
func (c *Cluster) Stop(t testing.TB, how syscall.Signal) {
	t.Helper()
	require.NoError(t, c.Server.Stop(how))
}

// Restart starts the server again, at the same port, stopping it first where it
// runs.
func (c *Cluster) Restart(t testing.TB, how syscall.Signal) {
	t.Helper()
	require.NoError(t, c.Server.Restart(how))
}

// StartStandby starts a standby of the cluster for one test. The cluster needs
// Config.Replication.
func (c *Cluster) StartStandby(t testing.TB, cfg Config) *Cluster {
	t.Helper()
	b, err := own(c.Server.StartStandby(cfg))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Discard()) })
	b.tailOnFailure(t)
	return b
}

// tailOnFailure shows the end of the server's log when the test fails.
func (c *Cluster) tailOnFailure(t testing.TB) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the server's log:\n%s", c.LogTail())
		}
	})
}
