package strata_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/audit"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/internal/spool/crashfs"
	"github.com/strataxp/strata/stats"
)

// spooled is a config with a spool on a file system in memory.
func spooled(t testing.TB, cfg strata.Config) (strata.Config, *crashfs.FS) {
	disk := crashfs.New()
	cfg.Spool.Dir, cfg.Spool.MinFreeBytes = disk.Mount(t), -1
	if cfg.Spool.MaxBytes == 0 {
		cfg.Spool.MaxBytes = 16 << 20
	}
	return cfg, disk
}

// bounded opens an engine that the test closes itself.
func bounded(t *testing.T, store strata.Store, cfg strata.Config) *strata.Engine {
	t.Helper()
	eng, err := strata.Open(context.Background(), store, cfg)
	require.NoError(t, err)
	return eng
}

// U5: Close returns by its deadline, whatever the store does, however full the
// buffer is, called twice and while others track; and it says what is left where.
func TestU5CloseIsBounded(t *testing.T) {
	for name, f := range map[string]fault{"down": before, "hanging": hang, "panicking": panics} {
		for _, disk := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, spool %t", name, disk), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { closeBounded(t, f, disk) })
			})
		}
	}
}

func closeBounded(t *testing.T, f fault, disk bool) {
	store := newShelf(1)
	cfg := strata.Config{BufferBytes: 256 << 10, StoreTimeout: 2 * time.Second}
	if disk {
		cfg, _ = spooled(t, cfg)
	}
	eng := bounded(t, store, cfg)
	store.setFault(always(f))
	taken, refused := 0, 0
	for i := range 5000 {
		if eng.Track(user(i), strata.Purchase{OrderID: fmt.Sprint(i), Currency: "EUR"}) == nil {
			taken++
		} else {
			refused++
		}
	}
	if !disk {
		require.Positive(t, refused, "the buffer is full")
	}
	var tracking sync.WaitGroup
	tracking.Go(func() {
		for i := range 100 {
			if eng.Track(user(i), named("late")) == nil {
				taken++
			}
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	began := time.Now()
	var second sync.WaitGroup
	second.Go(func() { _, _ = eng.Close(ctx) })
	left, err := eng.Close(ctx)
	require.LessOrEqual(t, time.Since(began), 5*time.Second+50*time.Millisecond)
	require.Error(t, err)
	tracking.Wait()
	second.Wait()
	require.EqualValues(t, taken, left.Total())
	if disk {
		require.Zero(t, left.Memory)
		require.Contains(t, left.String(), "in the spool /crashfs-")
		require.Less(t, time.Since(began), 5*time.Second, "it does not wait for a store that fails when all is on disk")
	}
}

// U6: a full buffer keeps nobody waiting and costs no memory, and every event
// that was refused is counted, here and in the store.
func TestU6AFullBufferCountsWhatItRefuses(t *testing.T) {
	store := newShelf(1)
	store.setFault(always(hang))
	eng := bounded(t, store, strata.Config{BufferBytes: 256 << 10, StoreTimeout: 50 * time.Millisecond})
	ledger, perGoroutine := audit.NewLedger(), 40
	var all sync.WaitGroup
	var refused atomic.Int64
	for g := range 1000 {
		all.Go(func() {
			for i := range perGoroutine {
				id := fmt.Sprintf("%d-%d", g, i)
				err := eng.Track(user(g), named(id))
				taken(ledger, id, strata.LevelMemory, err)
				if err != nil {
					refused.Add(1)
				}
			}
		})
	}
	all.Wait()
	status := eng.Status()
	n := status.Refused[strata.KindCustom]
	require.Positive(t, refused.Load())
	require.Equal(t, refused.Load(), n.Shed+n.Full)
	require.LessOrEqual(t, status.BufferedBytes, 256<<10)
	for err := error(nil); err == nil; { // until it is full for good
		err = eng.Track(user(1), strata.Purchase{OrderID: strings.Repeat("o", 200), Currency: "EUR"})
		if err == nil {
			continue
		}
		require.ErrorIs(t, err, strata.ErrBufferFull)
	}
	require.Zero(t, testing.AllocsPerRun(1000, func() { _ = eng.Track(user7, strata.PageView{Page: "/"}) }))

	store.setFault(nil)
	left, err := eng.Close(context.Background())
	require.NoError(t, err)
	require.Zero(t, left)
	events, _ := store.losses()
	total := int64(0)
	for _, r := range eng.Status().Refused {
		total += r.Shed + r.Full
	}
	require.Equal(t, total, events[strata.LossShed]+events[strata.LossFull], "the store knows as well")
	require.EqualValues(t, len(store.evidence().Rows), eng.Status().Written)
}

var user7 = strata.Unit{User: "user-7"}

// handler is a logger's handler that panics.
type panicking struct{ slog.Handler }

func (panicking) Handle(context.Context, slog.Record) error { panic("no logs today") }

// U7: code that the engine was given may panic: the host goes on, and so does the
// engine when it has stopped to.
func TestU7PanicsAreCaught(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf(1).withStandby()
		var text bytes.Buffer
		eng := bounded(t, store, strata.Config{Logger: slog.New(panicking{slog.NewTextHandler(&text, nil)})})
		store.setFault(always(panics))
		require.NoError(t, eng.Track(user(1), named("a")))
		time.Sleep(time.Minute)
		synctest.Wait()
		var p *strata.PanicError
		require.ErrorAs(t, eng.Status().WriteErr, &p)
		require.ErrorIs(t, p, errDown, "the value is an error")
		require.Contains(t, string(p.Stack), "fault_store_test.go")
		store.setFault(nil)
		time.Sleep(time.Minute)
		store.replicate()
		time.Sleep(time.Minute)
		require.NoError(t, eng.Status().WriteErr)
		require.Zero(t, eng.Status().Unconfirmed)
		_, err := eng.Close(context.Background())
		require.NoError(t, err)
	})
}

// jumpy is a clock that is set while the program runs.
type jumpy struct {
	strata.Clock
	offset atomic.Int64
}

func (j *jumpy) Now() time.Time { return j.Clock.Now().Add(time.Duration(j.offset.Load())) }

// U8: clocks that are set, by an hour or ten years, forwards and back, change
// neither what is stored nor how often the store is asked.
func TestU8ClocksThatJump(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for _, jump := range []time.Duration{time.Hour, -time.Hour, 10 * year, -10 * year} {
		synctest.Test(t, func(t *testing.T) {
			store := newShelf(1)
			clock := &jumpy{Clock: strata.SystemClock()}
			cfg, _ := spooled(t, strata.Config{Clock: clock})
			eng := bounded(t, store, cfg)
			ledger := audit.NewLedger()
			store.setFault(always(before))
			for i := range 100 {
				id := fmt.Sprint(i)
				taken(ledger, id, strata.LevelMemory, eng.Track(user(i), named(id)))
				if i == 50 {
					clock.offset.Store(int64(jump))
				}
				time.Sleep(time.Second)
			}
			store.mu.Lock()
			attempts := store.hits["ingest fails before"]
			store.mu.Unlock()
			require.Less(t, attempts, 60, "attempts in 100 s")
			store.setFault(nil)
			time.Sleep(time.Minute)
			left, err := eng.Close(context.Background())
			require.NoError(t, err)
			require.Zero(t, left)
			require.NoError(t, ledger.Check(store.evidence(), audit.Terms{Complete: true}))
		})
	}
}

// U9: a store that is down for weeks is asked at most once a step of the
// back-off, at times that differ, and nothing grows meanwhile.
func TestU9RetryStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf(1)
		store.setFault(always(before))
		cfg, _ := spooled(t, strata.Config{})
		eng := bounded(t, store, cfg)
		require.NoError(t, eng.Track(user(1), named("a")))
		var waits []time.Duration
		time.Sleep(time.Second)
		synctest.Wait() // whatever is about to end has ended
		last, goroutines := time.Now(), runtime.NumGoroutine()
		seen := 0
		for range 20_000 { // of a second each
			time.Sleep(time.Second)
			store.mu.Lock()
			n := store.hits["ingest fails before"] + store.hits["cursor fails before"]
			store.mu.Unlock()
			if n > seen {
				waits = append(waits, time.Since(last))
				last, seen = time.Now(), n
			}
		}
		require.Less(t, seen, 20_000/8, "15 s between two attempts on average")
		require.Greater(t, seen, 20_000/30)
		distinct := make(map[time.Duration]bool)
		for _, w := range waits {
			distinct[w] = true
		}
		require.Greater(t, len(distinct), 10, "jitter")
		synctest.Wait()
		require.LessOrEqual(t, runtime.NumGoroutine(), goroutines)
		store.setFault(nil)
		flush(t, eng)
		_, err := eng.Close(context.Background())
		require.NoError(t, err)
	})
}

// Somebody who must act is not helped by attempts: they are few, and the status
// says what is wrong.
func TestPermanentErrorsPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		gone := fmt.Errorf("%w: the column is gone", strata.ErrPermanent)
		store.onIngest(func(context.Context, strata.Batch, func() error) error { return gone })
		eng := open(t, store, strata.Config{})
		require.NoError(t, eng.Track(user(1), named("a")))
		time.Sleep(3 * time.Second)
		synctest.Wait()
		require.LessOrEqual(t, store.attempts(), 2)
		require.ErrorIs(t, eng.Status().WriteErr, strata.ErrPermanent)
		store.onIngest(nil)
		flush(t, eng)
		require.EqualValues(t, 1, eng.Status().Written, "nothing was given up")
	})
}

// P14 without a database: a stream that is fenced off is written to no more, the
// status tells, and a new process goes on.
func TestAFencedStreamStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf(1)
		cfg, _ := spooled(t, strata.Config{})
		old := bounded(t, store, cfg)
		_, err := old.TrackDurable(context.Background(), user(1), named("a"), strata.LevelCommitted)
		require.NoError(t, err)
		store.fence()
		require.NoError(t, old.Track(user(1), named("b")))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Equal(t, 1, old.Status().Fenced)
		require.ErrorIs(t, old.Status().WriteErr, strata.ErrFenced)
		require.Equal(t, 2, store.attempts, "it does not try again")
		left, err := old.Close(context.Background())
		require.ErrorIs(t, err, strata.ErrFenced)
		require.EqualValues(t, 1, left.Spool)

		next := bounded(t, store, cfg)
		_, err = next.TrackDurable(context.Background(), user(1), named("c"), strata.LevelCommitted)
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.ErrorIs(t, next.Status().LeftoverErr, strata.ErrFenced, "what the old one left stays where it is")
		left, err = next.Close(context.Background())
		require.NoError(t, err)
		require.Zero(t, left)
	})
}

// What processes have left goes one by one as it is sent: one that is killed before
// it has sent everything leaves less to the next, not the same again.
func TestLeftoversGoOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf(1)
		cfg, disk := spooled(t, strata.Config{Lanes: 1, RefreshInterval: -1})
		store.setFault(always(before))
		for range 3 {
			eng := bounded(t, store, cfg)
			require.NoError(t, eng.Track(user(1), named("a")))
			left, _ := eng.Close(context.Background())
			require.EqualValues(t, 1, left.Spool)
		}
		store.setFault(always(slow))
		eng := bounded(t, store, cfg)
		time.Sleep(2500 * time.Millisecond) // of three streams, each with a cursor and a batch, that take a second
		synctest.Wait()
		there, err := disk.List(cfg.Spool.Dir)
		require.NoError(t, err)
		require.Len(t, there, 1+2, "its own and those that it has not sent")
		_, err = eng.Close(context.Background())
		require.NoError(t, err)
	})
}

// D3, D4 and D7 without a disk: one that is full, fails or goes away costs
// durability, which the status tells, and nothing else.
func TestADiskThatFails(t *testing.T) {
	for name, injure := range map[string]func(*crashfs.FS){
		"full":    func(d *crashfs.FS) { d.Limit(1) },
		"failing": func(d *crashfs.FS) { d.Inject(func(crashfs.Op, string, int) error { return syscall.EIO }) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, ledger := newShelf(1), audit.NewLedger()
				cfg, disk := spooled(t, strata.Config{BufferBytes: 1 << 20, Spool: strata.SpoolConfig{MaxBytes: 16 << 20}})
				eng := bounded(t, store, cfg)
				track := func(from, to int) {
					for i := from; i < to; i++ {
						id := fmt.Sprint(i)
						taken(ledger, id, strata.LevelMemory, eng.Track(user(i), named(id)))
					}
					time.Sleep(time.Second)
					synctest.Wait()
				}
				store.setFault(always(before))
				track(0, 100)
				injure(disk)
				for i := range 20 {
					track(100+i*2000, 100+(i+1)*2000)
				}
				brief, cancel := context.WithTimeout(context.Background(), time.Second)
				reached, err := eng.TrackDurable(brief, user(1), strata.Purchase{OrderID: "durable", Currency: "EUR"}, strata.LevelWritten)
				cancel()
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, strata.LevelMemory, reached, "it is not written")
				ledger.Took("", reached) // a purchase has no name
				status := eng.Status()
				require.Error(t, status.SpoolErr)
				require.Positive(t, status.Refused[strata.KindCustom].Shed)
				disk.Limit(0)
				disk.Inject(nil)
				time.Sleep(2 * time.Second)
				require.NoError(t, eng.Status().SpoolErr, "it recovers by itself")
				store.setFault(nil)
				time.Sleep(time.Minute)
				left, err := eng.Close(context.Background())
				require.NoError(t, err)
				require.Zero(t, left)
				require.NoError(t, ledger.Check(store.evidence(), audit.Terms{Complete: true}))
			})
		})
	}
}

// What was committed while the disk was full, and no standby has, is written when
// there is room: a crash and a failover together do not take it.
func TestADiskThatWasFullTakesWhatIsNotConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf(1).withStandby()
		cfg, disk := spooled(t, strata.Config{})
		disk.Limit(1)
		eng := bounded(t, store, cfg)
		ctx := context.Background()
		store.setFault(always(before))
		brief, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		reached, err := eng.TrackDurable(brief, user(1), named("a"), strata.LevelWritten)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, strata.LevelMemory, reached, "it is not written")
		store.setFault(nil)
		flush(t, eng)
		disk.Limit(0)
		_, err = eng.TrackDurable(ctx, user(1), named("b"), strata.LevelSynced)
		require.NoError(t, err)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		store.setFault(always(before))
		disk.Off(1)
		gone, cancel := context.WithCancel(ctx)
		cancel()
		_, _ = eng.Close(gone)
		disk.Kill()
		store.failOver()
		store.setFault(nil)

		next := bounded(t, store, cfg)
		time.Sleep(time.Minute)
		synctest.Wait()
		rows := store.evidence().Rows
		require.Len(t, rows, 2)
		require.Equal(t, "a", rows[0].ID)
		_, err = next.Close(ctx)
		require.NoError(t, err)
	})
}

// The marks are facts: without a spool nothing is written, without a standby what
// is committed is confirmed, and a context that ends leaves the event on its way.
func TestLevels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf(1).withStandby()
		cfg, _ := spooled(t, strata.Config{FlushInterval: -1, Spool: strata.SpoolConfig{SyncInterval: -1}})
		eng := bounded(t, store, cfg)
		ctx := context.Background()
		for _, level := range []strata.Level{strata.LevelMemory, strata.LevelWritten, strata.LevelSynced, strata.LevelCommitted} {
			reached, err := eng.TrackDurable(ctx, user(1), named(level.String()), level)
			require.NoError(t, err)
			require.Equal(t, level, reached)
		}
		brief, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		reached, err := eng.TrackDurable(brief, user(1), named("x"), strata.LevelConfirmed)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "is committed, not confirmed yet")
		var pending *strata.PendingError
		require.ErrorAs(t, err, &pending)
		require.Equal(t, strata.LevelConfirmed, pending.Wanted)
		require.Equal(t, strata.LevelCommitted, reached)
		time.AfterFunc(time.Second, store.replicate)
		reached, err = eng.TrackDurable(ctx, user(1), named("y"), strata.LevelConfirmed)
		_ = reached
		if err != nil { // it came to the store behind the replication
			store.replicate()
		}
		_, err = eng.TrackDurable(ctx, user(1), strata.PageView{}, strata.LevelCommitted)
		require.ErrorIs(t, err, strata.ErrInvalidEvent)
		_, err = eng.Close(ctx)
		require.NoError(t, err)
		_, err = eng.TrackDurable(ctx, user(1), named("z"), strata.LevelCommitted)
		require.ErrorIs(t, err, strata.ErrClosed)
		require.Equal(t, "Level(9)", strata.Level(9).String())
	})
}

// A store that takes half of what comes: units are shed whole, the same ones all
// the time, and what each treatment lost is counted by unit: none loses more than
// another.
func TestSheddingIsByUnit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShelf(1)
		publish(t, store, colorPlan(1))
		eng := bounded(t, store, strata.Config{BufferBytes: 1 << 20, RefreshInterval: -1, BatchSize: 1000, StoreTimeout: time.Minute})
		const n = 2000
		expose(eng, "cta-color", 0, n)
		flush(t, eng)
		store.setFault(always(slow)) // a thousand a second
		kept, lost := make([]int, n), make([]int, n)
		for range 30 {
			for i := range n {
				if eng.Track(user(i), strata.PageView{Page: "/p"}) == nil {
					kept[i]++
				} else {
					lost[i]++
				}
				if i%20 == 19 {
					time.Sleep(10 * time.Millisecond) // two thousand a second, evenly
				}
			}
		}
		whole, some, events := 0, 0, 0
		for i := range n {
			events += lost[i]
			if lost[i] == 0 {
				whole++
			} else {
				some++
			}
		}
		require.Greater(t, events, 10*n, "the store takes half")
		t.Logf("%d of %d units whole, %d events shed", whole, n, events)
		require.Greater(t, whole, n/5, "of %d events shed, %d units lost all", events, some)
		store.setFault(nil)
		_, err := eng.Close(context.Background())
		require.NoError(t, err)
		_, units := store.losses()
		require.EqualValues(t, some, units["grey"]+units["green"], "each unit that lost something is counted once")
		table := [][]int64{{units["grey"], n/2 - units["grey"]}, {units["green"], n/2 - units["green"]}}
		require.Greater(t, stats.ChiSquareTable(table).PValue, 0.001, "%v", units)
	})
}

// Everything at once, on a real disk: many goroutines, several lanes, a spool, a
// store that fails now and then. Nothing is lost between memory and disk.
func TestLanesUnderLoad(t *testing.T) {
	store, ledger := newShelf(seed.Of(t)), audit.NewLedger()
	var calls atomic.Int64
	store.setFault(func(op string) fault {
		if n := calls.Add(1); op == "ingest" && n%7 == 0 {
			return after
		} else if op == "ingest" && n%5 == 0 {
			return before
		}
		return noFault
	})
	eng := bounded(t, store, strata.Config{
		Lanes: 3, BatchSize: 300, FlushInterval: time.Millisecond, StoreTimeout: time.Second,
		Spool: strata.SpoolConfig{Dir: t.TempDir(), MinFreeBytes: -1, MaxBytes: 64 << 20},
	})
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 1500 {
				id := fmt.Sprintf("%d-%d", g, i)
				level, err := strata.LevelMemory, error(nil)
				if i%100 == 0 {
					level, err = eng.TrackDurable(t.Context(), user(i), named(id), strata.LevelSynced)
				} else {
					err = eng.Track(user(i), named(id))
				}
				taken(ledger, id, level, err)
			}
		})
	}
	all.Wait()
	store.setFault(nil)
	left, err := eng.Close(context.WithoutCancel(t.Context()))
	require.NoError(t, err)
	require.Zero(t, left)
	require.NoError(t, ledger.Check(store.evidence(), audit.Terms{Complete: true}))
}
