package strata_test

import (
	"context"
	"maps"
	"math"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/internal/spool/crashfs"
)

// hosts are what an application may have behind its back.
var hosts = map[string]struct {
	store fault
	disk  func(*crashfs.FS) // nil: no spool
}{
	"healthy":            {store: noFault},
	"dead":               {store: before},
	"slow":               {store: slow},
	"hanging":            {store: hang},
	"healthy, spool":     {store: noFault, disk: func(*crashfs.FS) {}},
	"hanging, spool":     {store: hang, disk: func(*crashfs.FS) {}},
	"dead, disk is full": {store: before, disk: func(d *crashfs.FS) { d.Limit(1) }},
}

// I5: whatever the store and the disk do, a call of Track takes about as long as
// when all is well, memory stays within its bound, and the number of goroutines
// as it was. Noise only ever adds: the best of some rounds counts.
func TestI5TheHostIsNotDisturbed(t *testing.T) {
	const bufferBytes = 4 << 20
	calls, rounds := 5_000, 2
	if seed.Long() {
		calls, rounds = 300_000, 20
	}
	best := make(map[string]time.Duration)
	for name := range hosts {
		best[name] = math.MaxInt64
	}
	for range rounds {
		for name, host := range hosts {
			cfg := strata.Config{BufferBytes: bufferBytes, StoreTimeout: 50 * time.Millisecond, RefreshInterval: -1}
			store := newShelf(1)
			if host.disk != nil {
				var disk *crashfs.FS
				cfg, disk = spooled(t, cfg)
				host.disk(disk)
			}
			store.setFault(always(host.store))
			store.forgetful = true
			eng, err := strata.Open(t.Context(), store, cfg)
			require.NoError(t, err)
			goroutines := runtime.NumGoroutine()
			best[name] = min(best[name], trackAll(eng, calls))
			require.LessOrEqual(t, eng.Status().BufferedBytes, bufferBytes, name)
			require.LessOrEqual(t, runtime.NumGoroutine(), goroutines+2, "%s: goroutines", name) // a call that is just being made may have one
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, _ = eng.Close(ctx) // what is left is not the question here
		}
	}
	t.Logf("the slowest of a thousand calls, best of %d rounds: %v", rounds, best)
	for name, d := range best {
		require.Less(t, d, 20*best["healthy"], "%s: p99.9 of Track, when healthy it is %v", name, best["healthy"])
	}
}

// trackAll returns the 99.9th percentile of the time of a call.
func trackAll(eng *strata.Engine, calls int) time.Duration {
	took := make([]time.Duration, calls)
	users := make([]strata.Unit, 512)
	for i := range users {
		users[i] = user(i)
	}
	for i := range took {
		start := time.Now()
		_ = eng.Track(users[i%len(users)], strata.Purchase{OrderID: "order", Total: int64(i), Currency: "EUR"})
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	return took[calls*999/1000]
}

// BenchmarkTrackUnderFaults reports what a call of Track takes on average and at
// p99.9, with every kind of store and disk behind it. Most calls are refused where
// the store takes nothing.
func BenchmarkTrackUnderFaults(b *testing.B) {
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		b.Run(name, func(b *testing.B) {
			cfg := strata.Config{StoreTimeout: 50 * time.Millisecond, RefreshInterval: -1}
			store := newShelf(1)
			store.forgetful = true
			if host := hosts[name]; host.disk != nil {
				var disk *crashfs.FS
				cfg, disk = spooled(b, cfg)
				host.disk(disk)
			}
			store.setFault(always(hosts[name].store))
			eng, err := strata.Open(b.Context(), store, cfg)
			require.NoError(b, err)
			b.ReportAllocs()
			worst, n := time.Duration(0), 0
			for b.Loop() {
				if n++; n%100_000 == 1 {
					worst = max(worst, trackAll(eng, 10_000))
				}
				_ = eng.Track(user7, strata.Purchase{OrderID: "order", Total: 1, Currency: "EUR"})
			}
			b.ReportMetric(float64(worst.Nanoseconds()), "p99.9-ns")
			ctx, cancel := context.WithCancel(b.Context())
			cancel()
			_, _ = eng.Close(ctx)
		})
	}
}
