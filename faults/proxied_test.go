package faults_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/faults"
	"github.com/strataxp/strata/internal/audit"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/pgstore"
)

// patience bounds how long anything is waited for.
const patience = time.Minute

// length is how long something goes on: briefly for every change, or at length.
func length(brief, long time.Duration) time.Duration {
	if seed.Long() {
		return long
	}
	return brief
}

// proxied is an engine that writes to a database through a proxy, under load.
type proxied struct {
	*testing.T
	random      *rand.Rand
	dsn, schema string // the database itself
	proxy       *toxiproxy.Proxy
	store       *pgstore.Store
	eng         *strata.Engine
	ledger      *audit.Ledger

	working sync.WaitGroup
	stop    context.CancelFunc
	tracked atomic.Int64
}

// newProxied makes an engine behind a proxy on the shared server.
func newProxied(t *testing.T) *proxied {
	t.Helper()
	dsn, schema := pgtest.Schema(t)
	return proxiedOn(t, dsn, schema)
}

// proxiedOn makes an engine behind a proxy on any database.
func proxiedOn(t *testing.T, dsn, schema string) *proxied {
	t.Helper()
	r := &proxied{T: t, random: rand.New(rand.NewPCG(seed.Of(t), 0)), dsn: dsn, schema: schema, ledger: audit.NewLedger()}
	logger := zerolog.Nop()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), logger)
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	r.proxy = toxiproxy.NewProxy(server, schema, "127.0.0.1:0", u.Host)
	require.NoError(t, r.proxy.Start())
	t.Cleanup(r.proxy.Stop)
	u.Host = r.proxy.Listen
	query := u.Query()
	query.Set("application_name", schema)
	query.Set("connect_timeout", "1")
	query.Set("pool_max_conns", "4")
	u.RawQuery = query.Encode()
	r.store, err = pgstore.Open(t.Context(), u.String(), pgstore.Config{Schema: schema, NoRollup: true})
	require.NoError(t, err)
	t.Cleanup(r.store.Close)
	r.eng, err = strata.Open(t.Context(), r.store, strata.Config{
		Lanes: 2, BatchSize: 500, FlushInterval: 20 * time.Millisecond, StoreTimeout: time.Second, NoWatch: true, RefreshInterval: -1,
	})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	r.working.Go(func() { r.work(ctx) })
	return r
}

// work tracks some thousand events a second until it is stopped.
func (r *proxied) work(ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for range 15 {
			n := r.tracked.Add(1)
			id := fmt.Sprintf("%s-%d", r.schema, n)
			unit := strata.Unit{User: fmt.Sprint(n % 100)}
			if !assert.NoError(r, r.eng.Track(unit, strata.Custom{EventName: id})) {
				return
			}
			r.ledger.Took(id, strata.LevelMemory)
		}
	}
}

// run lets the load go on for a while.
func (r *proxied) run(d time.Duration) {
	select {
	case <-r.Context().Done():
	case <-time.After(d):
	}
}

// until waits for something that the engine or the database comes to.
func (r *proxied) until(so func() bool, what string) {
	r.Helper()
	require.Eventually(r, so, patience, 5*time.Millisecond, what)
}

// failing reports whether writes fail at present.
func (r *proxied) failing() bool { return r.eng.Status().WriteErr != nil }

// wellAgain waits until the store has all that was tracked up to now.
func (r *proxied) wellAgain() {
	r.Helper()
	want := r.eng.Status().Written + r.eng.Status().Unwritten
	r.until(func() bool { s := r.eng.Status(); return s.WriteErr == nil && s.Written >= want }, "writes succeed again")
}

// finish ends the load and the engine, and audits.
func (r *proxied) finish() {
	r.Helper()
	r.stop()
	r.working.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), patience)
	defer cancel()
	left, err := r.eng.Close(ctx)
	require.NoError(r, err)
	require.Zero(r, left)
	require.Zero(r, r.eng.Status().Lost)
	r.audit(audit.Terms{Complete: true})
}

func (r *proxied) audit(terms audit.Terms) {
	r.Helper()
	evidence, err := faults.Evidence(r.Context(), r.dsn, r.schema)
	require.NoError(r, err)
	require.NoError(r, r.ledger.Check(evidence, terms))
	require.Positive(r, len(evidence.Rows))
}

// toxic adds a toxic to the proxy, as JSON, and returns what takes it away.
func (r *proxied) toxic(document string) (cure func()) {
	r.Helper()
	added, err := r.proxy.Toxics.AddToxicJson(strings.NewReader(document))
	require.NoError(r, err)
	return func() { require.NoError(r, r.proxy.Toxics.RemoveToxic(r.Context(), added.Name)) }
}

// cut ends all connections.
func (r *proxied) cut() {
	r.proxy.Stop()
	r.until(func() bool { return r.proxy.Start() == nil }, "the proxy starts again")
}

// exec runs a statement on the database itself, which {schema} is filled in for.
func (r *proxied) exec(sql string, args ...any) {
	r.Helper()
	conn, err := pgx.Connect(r.Context(), r.dsn)
	require.NoError(r, err)
	defer func() { require.NoError(r, conn.Close(r.Context())) }()
	_, err = conn.Exec(r.Context(), strings.ReplaceAll(sql, "{schema}", pgx.Identifier{r.schema}.Sanitize()), args...)
	require.NoError(r, err)
}

// one returns the single value of a query, which may be missing.
func (r *proxied) one(sql string, args ...any) (value int64) {
	conn, err := pgx.Connect(r.Context(), r.dsn)
	require.NoError(r, err)
	defer func() { require.NoError(r, conn.Close(r.Context())) }()
	err = conn.QueryRow(r.Context(), strings.ReplaceAll(sql, "{schema}", pgx.Identifier{r.schema}.Sanitize()), args...).Scan(&value)
	if !errors.Is(err, pgx.ErrNoRows) {
		require.NoError(r, err)
	}
	return value
}

// signal sends a signal to a process of the server, as root or as its user.
func (r *proxied) signal(name string, pid int64) {
	r.Helper()
	out, err := exec.CommandContext(r.Context(), "kill", "-"+name, fmt.Sprint(pid)).CombinedOutput()
	require.NoError(r, err, "%s", out)
}
