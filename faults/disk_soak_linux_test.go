package faults_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/audit"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/pgstore"
)

// soak returns how long something is kept up: STRATA_SOAK, or five minutes where
// tests run at length.
func soak(t testing.TB, short time.Duration) time.Duration {
	t.Helper()
	if said := os.Getenv("STRATA_SOAK"); said != "" {
		d, err := time.ParseDuration(said)
		require.NoError(t, err, "STRATA_SOAK")
		return d
	}
	if seed.Long() {
		return 5 * time.Minute
	}
	return short
}

// memory watches the memory of a process for a while, and returns it in two
// stretches, of which the second is the later one. A time before both is left out,
// in which buffers fill.
func (p *process) memory(d time.Duration) (before, after int64) {
	p.rig.Helper()
	var samples []int64
	for end := time.Now().Add(d); time.Now().Before(end); p.rig.wait(50 * time.Millisecond) {
		samples = append(samples, p.rss())
	}
	third := len(samples) / 3
	return median(samples[third : 2*third]), median(samples[2*third:])
}

func median(list []int64) int64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// flat checks that memory does not grow. In a few seconds it is still finding its
// size, since garbage is collected only when there is as much again.
func flat(t testing.TB, before, after int64) {
	t.Helper()
	t.Logf("resident memory: %.1f MiB, then %.1f MiB", float64(before)/(1<<20), float64(after)/(1<<20))
	require.Less(t, after, before+before/int64(rounds(2, 10))+4<<20, "it grows")
}

// D10: events come at more than twice the rate that the store takes, with little
// memory.
func TestD10Overload(t *testing.T) {
	atOnce(t)
	t.Run("without a spool", func(t *testing.T) { overload(t, false) })
	t.Run("with a spool", func(t *testing.T) { overload(t, true) })
}

func overload(t *testing.T, spooled bool) {
	atOnce(t)
	const buffer, more, rate = 16 << 20, 64 << 20, 1 << 20
	r := newRig(t)
	r.program = writerProgram(t, false)
	g := newGate(t, r.dsn)
	args := []string{"-dsn", g.dsn, "-level", "memory", "-buffer", fmt.Sprint(buffer), "-size", "4000", "-goroutines", "8", "-pause", fmt.Sprint(rounds(1, 4), "ms")}
	if spooled {
		args = append(args, "-spool-bytes", fmt.Sprint(16<<20))
	} else {
		args = append(args, "-spool", "")
	}
	p := r.start(args...)
	g.rate.Store(rate) // two lanes
	if !p.limitMemory(p.rss() + more) {
		t.Log("no cgroup can be made here, so nothing enforces the limit; the memory is watched all the same")
	}
	start := time.Now()
	before, after := p.memory(soak(t, 5*time.Second))
	tracked := r.lastLedger().Len()
	speed, took := float64(tracked)/time.Since(start).Seconds(), float64(r.committed())/time.Since(start).Seconds()
	g.rate.Store(0)
	said := p.stop()
	t.Logf("%.0f events/s tracked, %.0f stored; %d refused; %d goroutines; slowest call %v", speed, took, said.Refused, said.Goroutines, said.Slowest)
	flat(t, before, after)
	require.Positive(t, said.Refused, "it was no overload")
	require.Greater(t, speed, 2*took)
	require.Less(t, said.Goroutines, 40, "an engine has about 20, however long it runs")
	terms := audit.Terms{MaxMissing: said.Refused, Left: said.Left.Memory + said.Refused, Complete: true}
	if spooled {
		r.finish(terms)
	} else {
		r.check(terms)
	}
}

// D11: the database is down for long while events come at a usual rate. Then what
// has come is stored, oldest first, in far less time than it took to come.
func TestD11DatabaseDownForLong(t *testing.T) {
	atOnce(t)
	down := soak(t, 5*time.Second)
	r := newRig(t)
	r.program = writerProgram(t, false)
	g := newGate(t, r.dsn)
	p := r.start("-dsn", g.dsn, "-level", "memory", "-lanes", "1", "-pause", "1900us", "-spool-bytes", fmt.Sprint(4<<30))
	require.Eventually(t, func() bool { return r.committed() > 500 }, 20*time.Second, 10*time.Millisecond)
	g.shut()
	start, behind := time.Now(), r.lastLedger().Len()
	before, after := p.memory(down)
	target := r.lastLedger().Len()
	down = time.Since(start)
	base := r.committed()
	g.open()
	opened := time.Now()
	var first time.Time
	for now := base; now < int64(target); now = r.committed() {
		if now > base && first.IsZero() {
			first = time.Now()
		}
		require.Less(t, time.Since(opened), time.Minute+down/2, "%d of %d", now, target)
		r.wait(5 * time.Millisecond)
	}
	last := time.Now()
	if first.IsZero() {
		first = last // all in one go
	}
	said := p.stop()
	t.Logf("%d events came in %v, %.0f/s; the first was stored %v after the database came back, all %v later",
		target-behind, down, float64(target-behind)/down.Seconds(), first.Sub(opened), last.Sub(first))
	flat(t, before, after)
	require.Less(t, last.Sub(first), down/5)
	require.Zero(t, said.Refused)
	require.Zero(t, said.Left.Memory)
	require.Zero(t, r.number("select count(*) from (select first_idx < lag(first_idx) over (partition by stream_id order by batch_id) as older from %s.batch) b where older"))
	r.finish(audit.Terms{Safe: strata.LevelMemory, Complete: true})
}

// D12: a process starts with much in the spool, and sends it while it works.
func TestD12StartWithMuchInTheSpool(t *testing.T) {
	full := int64(rounds(64<<20, 1<<30))
	r := newRig(t)
	r.program = writerProgram(t, false)
	p := r.start("-dsn", nowhere, "-level", "written", "-goroutines", "32", "-size", "4000", "-spool-bytes", fmt.Sprint(2*full))
	require.Eventually(t, func() bool { return size(t, r.spool) >= full }, 5*time.Minute, 20*time.Millisecond)
	p.kill()
	empty, much := r.opens(r.spool+"-empty"), r.opens(r.spool)
	t.Logf("Open takes %v with an empty spool, %v with %d MiB in it", empty, much, size(t, r.spool)>>20)
	require.Less(t, much, empty+100*time.Millisecond)
	start := time.Now()
	next := r.start("-pause", "5ms")
	require.Eventually(t, func() bool { return len(r.streams(r.spool)) == 2 }, 10*time.Minute, 10*time.Millisecond)
	t.Logf("it was sent in %v, while the process went on to track", time.Since(start))
	require.Zero(t, next.stop().Left.Total())
	r.finish(audit.Terms{Safe: strata.LevelWritten})
}

// opens returns the least time that it takes to open an engine, of several.
func (r *rig) opens(spool string) time.Duration {
	r.Helper()
	least := time.Hour
	for range 3 {
		store, err := pgstore.Open(r.Context(), nowhere, pgstore.Config{Lazy: true})
		require.NoError(r, err)
		start := time.Now()
		eng := r.open(store, spool)
		least = min(least, time.Since(start))
		_, err = eng.Close(r.Context())
		require.NoError(r, err)
		store.Close()
	}
	return least
}

// size returns what all files in a folder take.
func size(t testing.TB, dir string) (total int64) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was renamed meanwhile
		}
		if err == nil {
			total += info.Size()
		}
		return err
	}))
	return total
}
