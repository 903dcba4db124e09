package pgstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/pgstore"
)

// faults breaks connections, and counts in which ways it has.
type faults struct {
	on     atomic.Bool
	mu     sync.Mutex
	random *rand.Rand

	lostAck, lostCommit, cutWithin, lostReply atomic.Int64
}

func (f *faults) dice(n int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.random.IntN(n)
}

// errCut is what a program is told whose connection was cut.
var errCut = errors.New("the test has cut the connection")

// faultyConn is a connection that breaks.
type faultyConn struct {
	net.Conn
	faults  *faults
	swallow atomic.Bool
}

// Write passes on what is sent, or cuts the connection before, within or behind
// it.
func (c *faultyConn) Write(b []byte) (int, error) {
	f := c.faults
	if !f.on.Load() {
		return c.Conn.Write(b)
	}
	commit := bytes.Contains(b, []byte("commit"))
	switch {
	case commit && f.dice(4) == 0:
		f.lostAck.Add(1)
		c.swallow.Store(true)
	case commit && f.dice(4) == 0:
		f.lostCommit.Add(1)
		return 0, c.cut()
	case f.dice(25) == 0:
		f.cutWithin.Add(1)
		n, _ := c.Conn.Write(b[:f.dice(len(b))])
		return n, c.cut()
	case f.dice(25) == 0:
		f.lostReply.Add(1)
		c.swallow.Store(true)
	}
	return c.Conn.Write(b)
}

// Read waits for the reply, so that what was asked has happened, and withholds
// it.
func (c *faultyConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.swallow.Load() && n > 0 {
		return 0, c.cut()
	}
	return n, err
}

func (c *faultyConn) cut() error { return errors.Join(errCut, c.Conn.Close()) }

// Connections break before, within and behind everything that a writer sends;
// most of all behind the commit, whose answer is lost.
func TestConnectionsBreak(t *testing.T) {
	t.Parallel()
	n := rounds(1500, 15_000)
	_, l := attacked(t, n)
	cfg, err := pgxpool.ParseConfig(l.dsn)
	require.NoError(t, err)
	f := &faults{random: newRandom(t)}
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &faultyConn{Conn: conn, faults: f}, nil
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	require.NoError(t, err)
	defer pool.Close()
	s, err := pgstore.New(t.Context(), pool, pgstore.Config{Schema: l.schema(), NoRollup: true})
	require.NoError(t, err)
	defer s.Close()
	l.store = s
	f.on.Store(true)
	failures, err := l.drain(t.Context(), 25)
	f.on.Store(false)
	require.NoError(t, err)
	l.require(t, int64(n), nil, nil)
	for name, n := range map[string]int64{"lost ack": f.lostAck.Load(), "lost commit": f.lostCommit.Load(), "cut within": f.cutWithin.Load(), "lost reply": f.lostReply.Load(), "failure": int64(failures)} {
		require.NotZero(t, n, "%s never happened", name)
	}
}

// The server ends the writer's processes again and again, in COPY too.
func TestP6BackendsAreTerminated(t *testing.T) {
	t.Parallel()
	n := rounds(15_000, 150_000)
	_, l := attacked(t, n)
	dsn := l.dsn + "&application_name=" + fmt.Sprintf("victim_%x", l.stream[:4])
	s, err := pgstore.Open(t.Context(), dsn, pgstore.Config{Schema: l.schema(), NoRollup: true})
	require.NoError(t, err)
	defer s.Close()
	l.store = s
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var inCopy atomic.Int64
	var killing sync.WaitGroup
	killing.Go(func() {
		conn, err := pgx.Connect(ctx, l.dsn)
		if !assert.NoError(t, err) {
			return
		}
		defer conn.Close(context.WithoutCancel(ctx))
		for ctx.Err() == nil && inCopy.Load() < 10 {
			var n int64
			err := conn.QueryRow(ctx, `
select count(*) filter (where pg_terminate_backend(pid) and query like 'copy%') from pg_stat_activity
where application_name = $1 and state = 'active' and (query like 'copy%' or random() < 0.01)`, fmt.Sprintf("victim_%x", l.stream[:4])).Scan(&n)
			if err == nil {
				inCopy.Add(n)
			}
		}
	})
	failures, err := l.drain(t.Context(), 3000)
	cancel()
	killing.Wait()
	require.NoError(t, err)
	require.NotZero(t, failures)
	require.NotZero(t, inCopy.Load(), "none was ended in COPY")
	l.require(t, int64(n), nil, nil)
}

// Contexts end at any point of a batch.
func TestContextsEndAnywhere(t *testing.T) {
	t.Parallel()
	n := rounds(1000, 10_000)
	s, l := attacked(t, n)
	random := newRandom(t)
	next, cancelled := int64(1), 0
	// About every second batch is in time, however fast the machine is.
	longest := 4 * time.Millisecond
	for next <= int64(n) {
		batch := l.batch(next, min(next+19, int64(n)))
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.Int64N(int64(longest))))
		err := s.Ingest(ctx, batch)
		cancel()
		if err == nil {
			next = batch.Last() + 1
			longest = longest*3/4 + 1
			continue
		}
		require.ErrorIs(t, err, context.DeadlineExceeded)
		cancelled++
		longest = longest * 4 / 3
		next = l.cursor(t) + 1
	}
	require.NotZero(t, cancelled)
	l.require(t, int64(n), nil, nil)
}

// The disk of the server fills up; when there is room again, the writer goes on
// and nothing is missing.
func TestP8DiskIsFull(t *testing.T) {
	if os.Geteuid() != 0 || os.Getenv("STRATA_POSTGRES") != "" {
		t.Skip("a small disk must be mounted for a server of our own, which takes root")
	}
	t.Parallel()
	dir := smallDisk(t, "6m")
	c := pgtest.Start(t, pgtest.Config{})
	require.NoError(t, c.Exec(t.Context(), "create tablespace small location '"+dir+"'"))
	s, err := pgstore.Open(t.Context(), c.DSN(), pgstore.Config{NoRollup: true})
	require.NoError(t, err)
	defer s.Close()
	// The partition of today is put there; the filler takes what is left.
	parts := query(t, c.DSN(), `select inhrelid::regclass::text from pg_inherits where inhparent = 'strata.event'::regclass`)
	for _, part := range parts {
		require.NoError(t, c.Exec(t.Context(), "alter table "+part+" set tablespace small"))
	}
	require.NoError(t, c.Exec(t.Context(), "create table strata.filler (b bytea) tablespace small; alter table strata.filler alter b set storage external"))
	require.NoError(t, c.Exec(t.Context(), "insert into strata.filler select convert_to(repeat('x', 1000000), 'UTF8') from generate_series(1, 4)"))
	l := newLedger(t, s, c.DSN(), "strata", manyRecords(20_000)...)
	full, next := false, int64(1)
	for next <= 20_000 && !full {
		batch := l.batch(next, next+999)
		err := s.Ingest(t.Context(), batch)
		if err != nil {
			require.ErrorContains(t, err, "53100")
			full = true
			continue
		}
		next = batch.Last() + 1
	}
	require.True(t, full, "the disk was not filled")
	require.ErrorContains(t, s.Ingest(t.Context(), l.batch(next, next+999)), "53100")
	l.require(t, next-1, nil, nil)
	require.NoError(t, c.Exec(t.Context(), "drop table strata.filler"))
	require.NoError(t, c.Exec(t.Context(), "checkpoint")) // only then the server gives the room back
	_, err = l.drain(t.Context(), 1000)
	require.NoError(t, err)
	l.require(t, 20_000, nil, nil)
}

// smallDisk mounts a file system of a size, in a folder that belongs to who runs
// PostgreSQL here.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	//lint:ignore usetesting the server, another user, must be able to go through its parents
	dir, err := os.MkdirTemp("", "strata-disk-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	mountpoint := filepath.Join(dir, "disk")
	require.NoError(t, os.Mkdir(mountpoint, 0o777))
	out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "mode=0777,size="+size, "tmpfs", mountpoint).CombinedOutput()
	if err != nil {
		t.Skipf("no small disk can be mounted: %v: %s", err, out)
	}
	t.Cleanup(func() {
		require.NoError(t, exec.CommandContext(context.WithoutCancel(t.Context()), "umount", mountpoint).Run())
	})
	require.NoError(t, os.Chmod(dir, 0o777))
	tablespace := filepath.Join(mountpoint, "tablespace")
	require.NoError(t, exec.CommandContext(t.Context(), "install", "-d", "-m", "0700", "-o", "postgres", tablespace).Run())
	return tablespace
}
