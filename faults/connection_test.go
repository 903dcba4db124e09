package faults_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/audit"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/pgstore"
)

// lostAcks is what the two toxics of P1 share: how many replies to a commit are to
// be withheld, and how many were.
var lostAcks struct{ due, done, commits atomic.Int64 }

// commitToxic passes on what a client sends and marks every fifth commit.
type commitToxic struct{}

func (commitToxic) Pipe(stub *toxics.ToxicStub) {
	pass(stub, func(c *stream.StreamChunk) bool {
		if bytes.Contains(c.Data, []byte("commit")) && lostAcks.commits.Add(1)%5 == 0 {
			lostAcks.due.Add(1)
		}
		return true
	})
}

// replyToxic withholds the reply to a commit that was marked, and cuts.
type replyToxic struct{}

func (replyToxic) Pipe(stub *toxics.ToxicStub) {
	pass(stub, func(*stream.StreamChunk) bool {
		if n := lostAcks.due.Load(); n > 0 && lostAcks.due.CompareAndSwap(n, n-1) {
			lostAcks.done.Add(1)
			return false
		}
		return true
	})
}

// pass passes chunks on until one must not be.
func pass(stub *toxics.ToxicStub, may func(*stream.StreamChunk) bool) {
	for {
		select {
		case <-stub.Interrupt:
			return
		case c := <-stub.Input:
			if c == nil || !may(c) {
				stub.Close()
				return
			}
			stub.Output <- c
		}
	}
}

func init() {
	toxics.Register("commit", new(commitToxic))
	toxics.Register("reply", new(replyToxic))
}

// P1: the commit arrives, its acknowledgement does not.
func TestP1AcknowledgementsAreLost(t *testing.T) {
	r := newProxied(t)
	cures := []func(){r.toxic(`{"type": "commit", "stream": "upstream"}`), r.toxic(`{"type": "reply", "stream": "downstream"}`)}
	r.cut() // the toxics see new connections from their start
	want := lostAcks.done.Load() + int64(length(10, 500))
	r.until(func() bool { return lostAcks.done.Load() >= want }, "acknowledgements are lost")
	for _, cure := range cures {
		cure()
	}
	r.finish()
}

// P2: connections end before the commit, and within COPY at any byte.
func TestP2ConnectionsEndWithinABatch(t *testing.T) {
	r := newProxied(t)
	cuts := 0
	for range length(15, 500) {
		cure := r.toxic(fmt.Sprintf(`{"type": "limit_data", "stream": "upstream", "attributes": {"bytes": %d}}`, 500+r.random.IntN(60_000)))
		r.cut()
		r.run(time.Duration(r.random.IntN(80)) * time.Millisecond)
		if r.failing() {
			cuts++
		}
		cure()
	}
	require.Positive(t, cuts)
	r.cut()
	r.wellAgain()
	r.finish()
}

// P3: networks that reset, swallow, delay, narrow and chop.
func TestP3Networks(t *testing.T) {
	for name, toxic := range map[string]string{
		"reset":     `{"type": "reset_peer", "stream": "upstream", "attributes": {"timeout": 50}}`,
		"blackhole": `{"type": "timeout", "stream": "downstream", "attributes": {"timeout": 0}}`,
		"latency":   `{"type": "latency", "stream": "downstream", "attributes": {"latency": 400, "jitter": 300}}`,
		"bandwidth": `{"type": "bandwidth", "stream": "upstream", "attributes": {"rate": 10}}`,
		"slices":    `{"type": "slicer", "stream": "upstream", "attributes": {"average_size": 20, "size_variation": 19, "delay": 10}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newProxied(t)
			r.run(200 * time.Millisecond)
			cure := r.toxic(toxic)
			r.run(length(1500*time.Millisecond, 30*time.Second))
			cure()
			r.cut()
			r.wellAgain()
			r.finish()
		})
	}
}

// P4: the network swallows a commit's answer while its backend still holds the
// stream's row: the next attempt waits for it, and nothing is stored twice.
func TestP4ABackendThatLingers(t *testing.T) {
	r := newProxied(t)
	r.run(100 * time.Millisecond)
	held := int64(0)
	for try := range 100 {
		pid := r.one(`select pid from pg_stat_activity where application_name = $1 and state <> 'idle' and (query like 'copy%' or query like '%rollup_ticket%' or query = 'commit') limit 1`, r.schema)
		if pid == 0 {
			continue
		}
		r.signal("STOP", pid)
		r.cut() // the client gives up; the backend does not know
		r.run(length(1200*time.Millisecond, 5*time.Second))
		if r.one(`select count(*) from pg_stat_activity where application_name = $1 and wait_event_type = 'Lock'`, r.schema) > 0 {
			held++
		}
		r.signal("CONT", pid)
		r.wellAgain()
		if held >= int64(length(1, 10)) {
			break
		}
		require.Less(t, try, 99, "no attempt had to wait for the lingering backend")
	}
	r.finish()
}

// P5: the server restarts in every way.
func TestP5ServersThatRestart(t *testing.T) {
	c := pgtest.Start(t, pgtest.Config{})
	require.NoError(t, pgstore.Migrate(t.Context(), c.DSN(), pgstore.MigrateParams{}))
	r := proxiedOn(t, c.DSN(), pgstore.DefaultSchema)
	for range length(1, 10) {
		for _, how := range []func(){
			func() { c.Restart(t, pgtest.Fast) },
			func() { c.Restart(t, pgtest.Immediate) },
			func() { c.Restart(t, pgtest.Killed) },
			func() {
				r.exec(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1`, r.schema)
			},
		} {
			r.run(200 * time.Millisecond)
			how()
			r.wellAgain()
		}
	}
	r.finish()
}

// P7: no connection is to be had, the password is wrong, the database has another
// name: the status says so, nothing is lost.
func TestP7NobodyIsLetIn(t *testing.T) {
	c := pgtest.Start(t, pgtest.Config{})
	ctx := t.Context()
	require.NoError(t, c.Exec(ctx, `create role app login password 'one'; create schema app authorization app`))
	u, err := url.Parse(c.DSNFor("app", "one"))
	require.NoError(t, err)
	require.NoError(t, c.Exec(ctx, fmt.Sprintf(`alter role app in database %s set search_path = ''`, c.Database)))
	require.NoError(t, pgstore.Migrate(ctx, u.String(), pgstore.MigrateParams{Schema: "app"}))
	r := proxiedOn(t, u.String(), "app")
	r.dsn = c.DSN()
	leave := func() { r.exec(`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'`) }
	for _, fault := range []struct {
		breaks, mends string
		state         string
		permanent     bool
	}{
		{`alter role app password 'two'`, `alter role app password 'one'`, "28P01", true},
		{`alter role app connection limit 0`, `alter role app connection limit -1`, "53300", false},
		{`revoke connect on database {db} from public`, `grant connect on database {db} to public`, "42501", true},
	} {
		r.run(100 * time.Millisecond)
		r.exec(inDatabase(fault.breaks, c))
		leave()
		r.until(func() bool { return stateOf(r.eng.Status().WriteErr) == fault.state }, "the status says "+fault.state)
		if fault.permanent {
			require.ErrorIs(t, r.eng.Status().WriteErr, strata.ErrPermanent)
		}
		r.exec(inDatabase(fault.mends, c))
		ctx, cancel := context.WithTimeout(ctx, patience)
		_, err := r.eng.Flush(ctx) // does not wait for the pause
		cancel()
		require.NoError(t, err)
	}
	r.finish()
}

// P12: somebody locks the table: events wait in memory, and come when it is free.
func TestP12TheTableIsLocked(t *testing.T) {
	r := newProxied(t)
	r.run(100 * time.Millisecond)
	conn, err := pgx.Connect(t.Context(), r.dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `lock table `+pgx.Identifier{r.schema, "event"}.Sanitize()+` in access exclusive mode`)
	require.NoError(t, err)
	r.until(r.failing, "writes time out")
	r.run(length(time.Second, 30*time.Second))
	require.Zero(t, r.eng.Status().Lost)
	require.NoError(t, tx.Rollback(t.Context()))
	r.wellAgain()
	r.finish()
}

// P13: a PgBouncer with transaction pooling in between, and connections that end.
func TestP13PgBouncer(t *testing.T) {
	_, schema := pgtest.Schema(t)
	bouncer := pgtest.Bouncer(t, pgtest.Shared(t))
	r := proxiedOn(t, bouncer+"&default_query_exec_mode=exec", schema)
	for range length(5, 200) {
		r.run(time.Duration(r.random.IntN(200)) * time.Millisecond)
		r.cut()
	}
	r.wellAgain()
	r.dsn = pgtest.Shared(t).DSN()
	r.finish()
}

// P14: somebody fences the streams of a process off: it stops at once, says so,
// keeps what it has; a new process goes on.
func TestP14FencedOff(t *testing.T) {
	r := newProxied(t)
	r.until(func() bool { return r.eng.Status().Written > 500 }, "events are written")
	r.exec(`update {schema}.stream set fenced = true`)
	before := r.one(`select sum(last_idx)::bigint from {schema}.stream`)
	r.until(func() bool { return r.eng.Status().Fenced == 2 }, "both lanes stop")
	require.ErrorIs(t, r.eng.Status().WriteErr, strata.ErrFenced)
	require.Equal(t, before, r.one(`select sum(last_idx)::bigint from {schema}.stream`))

	next, err := strata.Open(t.Context(), r.store, strata.Config{NoWatch: true})
	require.NoError(t, err)
	_, err = next.TrackDurable(t.Context(), strata.Unit{User: "u"}, strata.Custom{EventName: "next"}, strata.LevelCommitted)
	require.NoError(t, err)
	r.ledger.Took("next", strata.LevelCommitted)
	left, err := next.Close(t.Context())
	require.NoError(t, err)
	require.Zero(t, left)

	r.exec(`update {schema}.stream set fenced = false`)
	r.stop()
	r.working.Wait()
	left, err = r.eng.Close(t.Context())
	require.ErrorIs(t, err, strata.ErrFenced)
	require.Positive(t, left.Memory, "a lane that was stopped does not start again")
	r.audit(termsLeft(left.Total()))
}

func termsLeft(n int64) audit.Terms {
	return audit.Terms{Safe: strata.LevelCommitted, Left: n, Complete: true}
}

// inDatabase fills in the name of the cluster's database.
func inDatabase(sql string, c *pgtest.Cluster) string {
	return strings.ReplaceAll(sql, "{db}", pgx.Identifier{c.Database}.Sanitize())
}

// stateOf returns the SQLSTATE of an error, or "".
func stateOf(err error) string {
	if server, ok := errors.AsType[*pgconn.PgError](err); ok {
		return server.Code
	}
	return ""
}
