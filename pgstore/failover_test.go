package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgserver"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/pgstore"
)

// pair is a primary with a standby, and a store that knows both and a writer.
type pair struct {
	*ledger
	a, b  *pgtest.Cluster
	dsn   string
	store *pgstore.Store
}

func newPair(t *testing.T, n int) *pair {
	t.Helper()
	a := pgtest.Start(t, pgtest.Config{Replication: true})
	b := a.StartStandby(t, pgtest.Config{})
	return &pair{a: a, b: b, dsn: pgserver.MultiDSN("", b.Server, a.Server), ledger: newLedger(t, nil, "", "strata", manyRecords(n)...)}
}

func (p *pair) open(t *testing.T) {
	t.Helper()
	s, err := pgstore.Open(t.Context(), p.dsn, pgstore.Config{NoRollup: true, Standbys: []string{p.a.DSN(), p.b.DSN()}})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	p.store, p.ledger.store, p.ledger.dsn = s, s, pgserver.MultiDSN("target_session_attrs=read-write", p.b.Server, p.a.Server)
}

func (p *pair) write(t *testing.T, first, last int64) {
	t.Helper()
	require.NoError(t, p.store.Ingest(t.Context(), p.batch(first, last)))
}

// confirmed asks for the writer's stream, and one that nobody knows.
func (p *pair) confirmed(ctx context.Context) (int64, error) {
	last, err := p.store.Confirmed(ctx, strata.ConfirmedParams{Streams: []strata.StreamID{{1}, p.stream}})
	switch {
	case err != nil:
		return 0, err
	case len(last) != 2 || last[0] != 0:
		return 0, fmt.Errorf("the answer is %v", last)
	}
	return last[1], nil
}

func (p *pair) requireConfirmed(t *testing.T, want int64, why string) {
	t.Helper()
	last, err := p.confirmed(t.Context())
	require.NoError(t, err, why)
	require.Equal(t, want, last, why)
}

// A batch is confirmed when the standby has it, and not before, whatever the
// primary says. When the standby takes over the rest is lost: the cursor says so,
// and the writer sends it again.
func TestStandbyConfirmsWhatItHas(t *testing.T) {
	t.Parallel()
	p := newPair(t, 50)
	ctx := t.Context()
	_, err := pgstore.Open(ctx, pgserver.MultiDSN("target_session_attrs=any", p.b.Server, p.a.Server), pgstore.Config{})
	require.ErrorIs(t, err, pgstore.ErrConnection, "who takes any server gets the first, which is a standby")

	_, err = pgstore.Open(ctx, pgserver.MultiDSN("target_session_attrs=read-write", p.b.Server), pgstore.Config{})
	require.ErrorIs(t, err, pgstore.ErrConnection)
	require.ErrorContains(t, err, "no host in the connection string takes writes")

	require.NoError(t, p.b.PauseReceiver(ctx))
	p.open(t)
	p.write(t, 1, 10)
	p.requireConfirmed(t, 0, "the standby does not even have the schema")
	require.NoError(t, p.b.ResumeReceiver())
	require.NoError(t, p.b.CaughtUp(ctx, p.a.Server))
	p.requireConfirmed(t, 10, "the standby follows")

	reader, err := pgstore.Open(ctx, p.dsn, pgstore.Config{ReadOnly: true})
	require.NoError(t, err)
	var port int
	require.NoError(t, reader.Pool().QueryRow(ctx, "select inet_server_port()").Scan(&port))
	reader.Close()
	require.Equal(t, p.b.Port, port, "who only reads gets the first as well")

	require.NoError(t, p.b.PauseReceiver(ctx))
	p.write(t, 11, 20)
	for range 3 {
		p.requireConfirmed(t, 10, "the standby stays behind")
	}
	require.NoError(t, p.b.ResumeReceiver())
	require.NoError(t, p.b.CaughtUp(ctx, p.a.Server))
	p.requireConfirmed(t, 20, "the standby catches up")

	require.NoError(t, p.b.Pause())
	late, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	_, err = p.confirmed(late)
	cancel()
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, p.b.Resume())
	p.requireConfirmed(t, 20, "the standby answers again")

	p.fail(t)
}

// fail has the standby take over, without the last batches, and the old primary
// come back.
func (p *pair) fail(t *testing.T) {
	ctx := t.Context()
	require.NoError(t, p.b.PauseReceiver(ctx))
	p.write(t, 21, 40)
	seen := p.numbers(t, 0)
	require.NotEmpty(t, seen)
	p.a.Stop(t, pgtest.Killed)
	require.NoError(t, p.b.Promote(ctx))
	require.Eventually(t, func() bool {
		last, err := p.store.Cursor(ctx, strata.CursorParams{Stream: p.stream})
		return err == nil && assert.EqualValues(t, 20, last)
	}, time.Minute, 10*time.Millisecond, "the store does not find the new primary")
	_, err := p.confirmed(ctx)
	require.ErrorContains(t, err, fmt.Sprint("ask the standby 127.0.0.1:", p.a.Port), "the old primary cannot be asked")
	_, err = p.drain(ctx, 7)
	require.NoError(t, err)
	p.require(t, 50, nil, nil)
	all := p.numbers(t, 0)
	require.Greater(t, len(all), len(seen))
	require.Equal(t, all, p.numbers(t, seen[len(seen)-1]), "the old primary numbered exposures that the new one has numbered anew: who follows the list must be told of them")

	require.NoError(t, p.a.Rejoin(ctx, p.b.Server))
	require.NoError(t, p.a.CaughtUp(ctx, p.b.Server))
	p.requireConfirmed(t, 50, "the old primary is the standby now")
	require.NoError(t, p.a.Promote(ctx))
	_, err = p.confirmed(ctx)
	require.ErrorContains(t, err, "no standby confirms", "both are primaries")
}

// numbers lists the numbers of exposures behind one.
func (p *pair) numbers(t *testing.T, after int64) (list []int64) {
	t.Helper()
	for x, err := range p.store.Exposed(t.Context(), strata.ExposedParams{Experiment: "e", After: after}) {
		require.NoError(t, err)
		list = append(list, x.Sequence)
	}
	return list
}

// Somebody cancels the wait for a synchronous standby: the server reports success,
// the standby has nothing. The writer is told, and its question for the cursor
// waits for the standby.
func TestCancelledWaitIsNoSuccess(t *testing.T) {
	t.Parallel()
	p := newPair(t, 30)
	ctx := t.Context()
	p.open(t)
	require.NoError(t, p.a.Exec(ctx, "alter system set synchronous_standby_names = '*'"))
	require.NoError(t, p.a.Exec(ctx, "select pg_reload_conf()"))
	p.write(t, 1, 10)
	require.NoError(t, p.b.PauseReceiver(ctx))

	var writing sync.WaitGroup
	var err error
	writing.Go(func() { err = p.store.Ingest(ctx, p.batch(11, 20)) })
	require.Eventually(t, func() bool {
		return len(query(t, p.a.DSN(), `select pid from pg_stat_activity where case when wait_event = 'SyncRep' then pg_cancel_backend(pid) end`)) > 0
	}, time.Minute, time.Millisecond, "the batch does not wait for the standby")
	writing.Wait()
	require.ErrorIs(t, err, pgstore.ErrUnreplicated)
	require.Equal(t, []string{"20"}, query(t, p.a.DSN(), "select last_idx from strata.stream"), "though it is there for all to see")

	late, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	_, err = p.store.Cursor(late, strata.CursorParams{Stream: p.stream})
	cancel()
	require.True(t, errors.Is(err, context.DeadlineExceeded), "the cursor was told before the standby had the batch: %v", err)
	p.requireConfirmed(t, 10, "nor is it confirmed")
	require.NoError(t, p.b.ResumeReceiver())
	require.EqualValues(t, 20, p.cursor(t))
	p.require(t, 20, nil, nil)

	p.hang(t)
}

// hang has the primary fall silent while the pool holds several connections to
// it. One deadline is enough to leave it: the others are not waited for one by
// one.
func (p *pair) hang(t *testing.T) {
	ctx := t.Context()
	pool := p.store.Pool()
	var held []*pgxpool.Conn
	for range pool.Config().MaxConns {
		conn, err := pool.Acquire(ctx)
		require.NoError(t, err)
		held = append(held, conn)
	}
	for _, conn := range held {
		conn.Release()
	}
	require.NoError(t, p.a.Pause())
	defer func() { require.NoError(t, p.a.Resume()) }()
	require.NoError(t, p.b.Promote(ctx))
	failures := 0
	for range 10 {
		late, cancel := context.WithTimeout(ctx, time.Second)
		err := p.store.Ingest(late, p.batch(21, 30))
		cancel()
		if err == nil {
			break
		}
		require.ErrorIs(t, err, context.DeadlineExceeded)
		failures++
	}
	require.NotZero(t, failures, "the server was not silent")
	require.LessOrEqual(t, failures, 2, "calls that waited for the silent server, of which one would do")
	p.require(t, 30, nil, nil)
}
