package faults_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/faults"
	"github.com/strataxp/strata/internal/audit"
	"github.com/strataxp/strata/internal/pgserver"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/pgstore"
)

// site is a primary with a standby, an engine that writes to whichever takes
// writes, and the ledger of what it was told.
type site struct {
	*pgtest.Pair
	schema  string
	spool   string // folder
	ledger  *audit.Ledger
	eng     *strata.Engine
	store   *pgstore.Store // the one opened last
	heard   *heard
	names   atomic.Int64
	slowest atomic.Int64 // wait for an event to be stored, in nanoseconds
}

// setup says in what a site differs from the usual one, which has a spool and
// waits for both servers.
type setup struct {
	dsn        string   // empty means both servers, the primary first
	standbys   []string // nil means both servers
	noStandbys bool
	memory     bool                       // no spool
	patience   time.Duration              // of the engine, with the store; zero means 5 s
	prepare    func(store *pgstore.Store) // nil means nothing
}

func newSite(t *testing.T, how setup) *site {
	t.Helper()
	s := &site{Pair: pgtest.SharedPair(t), schema: "f_" + strings.ToLower(rand.Text()[:12]), ledger: audit.NewLedger(), heard: &heard{}}
	s.spool = t.TempDir()
	s.eng = s.open(t, how)
	return s
}

// open opens a store and an engine on it.
func (s *site) open(t *testing.T, how setup) *strata.Engine {
	t.Helper()
	if how.dsn == "" {
		how.dsn = pgserver.MultiDSN("", s.Primary.Server, s.Standby.Server)
	}
	if how.standbys == nil && !how.noStandbys {
		how.standbys = []string{s.Primary.DSN(), s.Standby.DSN()}
	}
	if how.patience == 0 {
		how.patience = 5 * time.Second
	}
	var err error
	s.store, err = pgstore.Open(t.Context(), how.dsn, pgstore.Config{Schema: s.schema, NoRollup: true, Standbys: how.standbys})
	require.NoError(t, err)
	t.Cleanup(s.store.Close)
	if how.prepare != nil {
		how.prepare(s.store)
	}
	cfg := strata.Config{NoWatch: true, RefreshInterval: -1, StoreTimeout: how.patience, Clock: clock(), Logger: slog.New(s.heard)}
	if !how.memory {
		cfg.Spool.Dir = s.spool
	}
	eng, err := strata.Open(t.Context(), s.store, cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		cancel() // the test has failed, or has closed it already
		//lint:ignore errcheck what is left is of no interest then
		_, _ = eng.Close(ctx)
	})
	return eng
}

// clock is the machine's where tests are long. Else its timers fire early, so
// that a short test sees as many rounds of confirmation and of retrying.
func clock() strata.Clock {
	if seed.Long() {
		return strata.SystemClock()
	}
	return hasty{strata.SystemClock()}
}

type hasty struct{ strata.Clock }

func (h hasty) Timer(d time.Duration) (<-chan time.Time, func()) { return h.Clock.Timer(d / 10) }

// heard is a handler that keeps what an engine logs.
type heard struct {
	mu    sync.Mutex
	lines []string
}

func (*heard) Enabled(context.Context, slog.Level) bool { return true }
func (h *heard) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h *heard) WithGroup(string) slog.Handler          { return h }

func (h *heard) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += " " + a.Value.String()
		return true
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, text)
	return nil
}

// count returns how many lines hold a text.
func (h *heard) count(text string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, line := range h.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// await waits until something is so.
func await(t *testing.T, so func() bool, why string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), pgserver.Patience)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			require.Failf(t, "waited in vain", why, args...)
		}
	}
}

// track tracks one event, waits for a level and writes down what is known.
func (s *site) track(ctx context.Context, eng *strata.Engine, level strata.Level) error {
	id := fmt.Sprint("e", s.names.Add(1))
	s.ledger.Took(id, strata.LevelMemory)
	start := time.Now()
	reached, err := eng.TrackDurable(ctx, strata.Unit{User: id}, strata.Custom{EventName: id}, level)
	for took := int64(time.Since(start)); took > s.slowest.Load(); {
		s.slowest.Store(took)
	}
	s.ledger.Took(id, reached)
	return err
}

// waiters is how many wait for their events at the same time.
const waiters = 8

// load tracks until the function it returns is called: some wait until their
// event is stored, one tracks at its pace whatever happens, and waits for nothing.
func (s *site) load(t *testing.T, eng *strata.Engine) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	errs := make([]error, waiters+1)
	for i := range waiters {
		all.Go(func() {
			for errs[i] == nil {
				errs[i] = s.track(ctx, eng, strata.LevelCommitted)
			}
		})
	}
	all.Go(func() {
		pace := time.NewTicker(time.Millisecond)
		defer pace.Stop()
		for errs[waiters] == nil {
			select {
			case <-pace.C:
				errs[waiters] = s.track(ctx, eng, strata.LevelMemory)
			case <-ctx.Done():
				errs[waiters] = ctx.Err()
			}
		}
	})
	stopped := sync.OnceFunc(func() {
		cancel()
		all.Wait()
		for _, err := range errs {
			require.ErrorIs(t, err, context.Canceled)
		}
	})
	t.Cleanup(stopped)
	return stopped
}

// progress waits until n more events are stored, as far as their writers know.
func (s *site) progress(t *testing.T, n int) {
	t.Helper()
	target := s.ledger.AtLeast(strata.LevelCommitted) + n
	await(t, func() bool { return s.ledger.AtLeast(strata.LevelCommitted) >= target }, "%d more events are stored: %+v", n, s.eng.Status())
}

// fail kills the primary and has the standby take over.
func (s *site) fail(t *testing.T) {
	t.Helper()
	s.Primary.Stop(t, pgtest.Killed)
	s.Promote(t.Context(), t)
}

// stall tells how long an event had to wait at most.
func (s *site) stall(t *testing.T) {
	t.Logf("of %d events the slowest waited %v to be stored", s.ledger.Len(), time.Duration(s.slowest.Load()).Round(time.Millisecond))
}

// confirm waits until all that was tracked is on both servers, and the spool has
// let go of it.
func (s *site) confirm(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), pgserver.Patience)
	defer cancel()
	require.NoError(t, s.track(ctx, s.eng, strata.LevelConfirmed))
	await(t, func() bool { return s.eng.Status().Unconfirmed == 0 }, "all is confirmed")
}

// finish closes the engine and checks that the primary has what it must.
func (s *site) finish(t *testing.T, terms audit.Terms) *audit.Evidence {
	t.Helper()
	s.close(t, s.eng)
	s.stall(t)
	return s.check(t, terms)
}

func (s *site) close(t *testing.T, eng *strata.Engine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), pgserver.Patience)
	defer cancel()
	left, err := eng.Close(ctx)
	require.NoError(t, err)
	require.Zero(t, left.Total())
}

func (s *site) check(t *testing.T, terms audit.Terms) *audit.Evidence {
	t.Helper()
	evidence, err := faults.Evidence(t.Context(), s.Primary.DSN(), s.schema)
	require.NoError(t, err)
	terms.Complete = true
	require.NoError(t, s.ledger.Check(evidence, terms))
	return evidence
}

// nothing may be lost that reached the spool.
var nothingLost = audit.Terms{Safe: strata.LevelWritten}

// requireSpoolEmpty finds that no event is left on disk.
func (s *site) requireSpoolEmpty(t *testing.T) {
	t.Helper()
	entries, err := os.ReadDir(s.spool)
	require.NoError(t, err)
	for _, entry := range entries {
		require.False(t, entry.IsDir(), "the spool still has %s", entry.Name())
	}
}

// ask returns one number from a server.
func (s *site) ask(t *testing.T, c *pgtest.Cluster, sql string, args ...any) (n int64) {
	t.Helper()
	n, err := s.askOnce(t.Context(), c, sql, args...)
	require.NoError(t, err)
	return n
}

func (s *site) askOnce(ctx context.Context, c *pgtest.Cluster, sql string, args ...any) (n int64, err error) {
	conn, err := pgx.Connect(ctx, c.DSN())
	if err != nil {
		return 0, err
	}
	err = conn.QueryRow(ctx, strings.ReplaceAll(sql, "{schema}", s.schema), args...).Scan(&n)
	return n, errors.Join(err, conn.Close(ctx))
}

// cursor is what a server shows of all streams, added up.
const cursor = `select coalesce(sum(last_idx), 0)::bigint from {schema}.stream`
