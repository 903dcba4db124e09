package strata_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/audit"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/internal/spool/crashfs"
)

// U1: whatever a store does to its calls (fails before or after it has done what
// was asked, hangs, panics, forgets in a failover), however the process ends
// (closed, killed, without power), and whether there is a spool and a standby or
// not: what was promised is stored, exactly once.
func TestU1AnyScriptOfFaults(t *testing.T) {
	first, rounds := seed.Of(t), 30
	if seed.Long() {
		rounds = 10_000
	} else if testing.Short() {
		rounds = 20
	}
	hits, missing := make(map[string]int), ""
	for i := range 20 * rounds { // until each branch was taken
		if i >= rounds && missing == "" {
			return
		}
		n := first + uint64(i)
		synctest.Test(t, func(t *testing.T) { newScript(t, n, hits).play() })
		if t.Failed() {
			t.Fatalf("repeat with STRATA_SEED=%d", n)
		}
		missing = scriptMisses(hits)
	}
	t.Fatalf("no script of %d took the branch %q (seed %d)", 20*rounds, missing, first)
}

// scriptMisses names a branch that no script has taken yet.
func scriptMisses(hits map[string]int) string {
	for _, branch := range []string{
		"ingest ok", "ingest fails before", "ingest fails after it was done", "ingest hangs", "ingest hangs after it was done", "ingest panics",
		"cursor fails before", "cursor hangs", "confirm hangs", "gap", "failover", "killed", "power lost", "closed", "leftover", "resent",
	} {
		if hits[branch] == 0 {
			return branch
		}
	}
	return ""
}

// script is a random history of one or several processes and their store.
type script struct {
	*testing.T
	seed     uint64
	random   *rand.Rand
	hits     map[string]int
	store    *shelf
	disk     *crashfs.FS // nil without a spool
	ledger   *audit.Ledger
	eng      *strata.Engine
	cfg      strata.Config
	next     int
	safe     strata.Level // from which on nothing may be lost, considering how processes ended
	left     int64        // events that processes said they leave in memory
	restarts int
	forgot   int64 // events that failovers took from the store
}

func newScript(t *testing.T, n uint64, hits map[string]int) *script {
	s := &script{T: t, seed: n, random: rand.New(rand.NewPCG(n, 0)), hits: hits, store: newShelf(n), ledger: audit.NewLedger()}
	if s.random.IntN(4) > 0 {
		s.store.withStandby()
		s.store.silent = s.random.IntN(4) == 0
	}
	if n%8 < 2 { // some at least must lose what nobody keeps, or send it again
		s.store.withStandby().silent = n%8 == 0
	}
	s.cfg = strata.Config{
		StoreTimeout: time.Second, Lanes: 1 + s.random.IntN(3), BatchSize: 1 + s.random.IntN(40), RefreshInterval: -1,
		BufferBytes: 4 << 20,
	}
	if n%8 != 0 && (!s.store.silent && s.random.IntN(4) > 0 || s.random.IntN(4) == 0) {
		s.disk = crashfs.New()
		s.cfg.Spool = strata.SpoolConfig{Dir: s.disk.Mount(t), MinFreeBytes: -1, MaxBytes: 16 << 20}
	}
	return s
}

// play runs the script and checks what is left.
func (s *script) play() {
	s.open()
	s.store.setFault(s.store.atRandom(anyFault))
	for range 3 + s.random.IntN(12) {
		s.act()
	}
	if s.disk != nil && s.random.IntN(2) == 0 {
		s.restart(s.kill)
	}
	s.store.setFault(nil)
	if s.store.silent || s.seed%8 == 1 {
		s.track(20)
		s.sleep(time.Minute)
		s.forgot += s.store.failOver()
	}
	s.sleep(3 * time.Minute) // back-off, and what dead processes left
	if s.store.standby != nil {
		s.store.replicate()
		s.sleep(time.Minute)
	}
	s.close()
	require.Zero(s, s.left, "seed %d: all is well, and events are left", s.seed)
	s.store.addHits(s.hits)
	s.check()
}

func (s *script) open() {
	eng, err := strata.Open(context.Background(), s.store, s.cfg)
	require.NoError(s, err)
	s.eng = eng
}

// act does one thing.
func (s *script) act() {
	switch s.random.IntN(10) {
	case 0:
		s.sleep(time.Duration(s.random.IntN(40_000)) * time.Millisecond)
	case 1:
		if s.store.standby != nil && (s.store.silent || s.random.IntN(2) == 0) {
			s.forgot += s.store.failOver()
		}
	case 2:
		if s.store.standby != nil {
			s.store.replicate()
		}
	case 3:
		if s.disk != nil {
			s.restart([]func(){s.kill, s.powerOff, s.close}[s.random.IntN(3)])
		}
	case 4:
		s.trackDurably()
	default:
		s.track(s.random.IntN(60))
		s.sleep(time.Duration(s.random.IntN(300)) * time.Millisecond)
	}
}

// sleep lets virtual time pass.
func (s *script) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (s *script) id() string {
	s.next++
	return fmt.Sprint("e", s.next)
}

func (s *script) track(n int) {
	for range n {
		id := s.id()
		taken(s.ledger, id, strata.LevelMemory, s.eng.Track(user(s.next%20), named(id)))
	}
}

// trackDurably waits for a level, for a while, and notes what it was told.
func (s *script) trackDurably() {
	level := strata.Level(1 + s.random.IntN(4))
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(s.random.IntN(5000))*time.Millisecond)
	defer cancel()
	id := s.id()
	reached, err := s.eng.TrackDurable(ctx, user(s.next%20), named(id), level)
	require.True(s, err == nil && reached >= level || errors.Is(err, context.DeadlineExceeded), "seed %d: level %s, reached %s: %v", s.seed, level, reached, err)
	if reached == strata.LevelCommitted && s.store.standby != nil {
		reached = strata.LevelMemory // a failover and a crash together may take it
	}
	s.ledger.Took(id, reached)
}

// restart ends the process in some way and starts another one.
func (s *script) restart(end func()) {
	end()
	s.open()
	s.restarts++
}

// observe counts what the process has seen, before it ends.
func (s *script) observe() {
	status := s.eng.Status()
	s.hits["resent"] += int(status.Resent)
	s.hits["leftover"] += int(status.LeftoverWritten)
}

func (s *script) close() {
	s.hits["closed"]++
	s.observe()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	left, err := s.eng.Close(ctx)
	s.left += left.Memory
	if s.disk != nil {
		require.Zero(s, left.Memory, "seed %d: there is a disk: %v", s.seed, err)
	}
}

// kill ends the process as SIGKILL does: what it had handed to the operating
// system stays.
func (s *script) kill() {
	s.hits["killed"]++
	s.safe = max(s.safe, strata.LevelWritten)
	s.end()
	s.disk.Kill()
}

// powerOff takes the machine with it: what was not synced may be lost.
func (s *script) powerOff() {
	s.hits["power lost"]++
	s.safe = max(s.safe, strata.LevelSynced)
	s.end()
	s.disk.Crash(s.random)
}

// end ends the goroutines of a process that is dead: it can reach nothing.
func (s *script) end() {
	s.observe()
	s.disk.Off(1)
	s.store.setFault(always(before))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _ = s.eng.Close(ctx)
	s.store.setFault(s.store.atRandom(anyFault))
}

// check asks the auditor. What may be lost depends on how processes ended.
func (s *script) check() {
	terms := audit.Terms{Safe: s.safe, Complete: s.safe == strata.LevelMemory}
	if !terms.Complete {
		terms.MaxLost = 1 << 40 // of what was in memory alone
	}
	if s.store.silent {
		// Nobody notices what a failover took of a process that is gone.
		terms.Complete = terms.Complete && s.restarts == 0
		terms.MaxLost, terms.MaxMissing = terms.MaxLost+s.forgot, s.forgot
	}
	require.NoError(s, s.ledger.Check(s.store.evidence(), terms), "seed %d", s.seed)
}
