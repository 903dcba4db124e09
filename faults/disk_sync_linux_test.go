package faults_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/audit"
	"github.com/strataxp/strata/internal/seed"
)

// D5: the disk fails to sync, and loses power soon after: what was said to be
// synced is on it.
func TestD5SyncFails(t *testing.T) {
	atOnce(t)
	needStrace(t)
	r := newRig(t)
	hit := 0
	for i := range rounds(4, 60) {
		when := fmt.Sprintf("error=EIO:when=%d", 1+r.random.IntN(10))
		if i%2 == 1 {
			when += "+7" // and again
		}
		hit += r.syncFails(i, when)
	}
	require.Positive(t, hit, "no sync failed")
	t.Logf("%d syncs failed", hit)
	r.check(audit.Terms{Safe: strata.LevelSynced, MaxLost: 1 << 30})
}

func (r *rig) syncFails(i int, when string) int {
	r.Helper()
	disk := newImage(r, filepath.Join(r.dir, fmt.Sprintf("disk-%d", i)), 64) // a fast writer fills half of it in the second that it has
	s := r.injecting("fdatasync", when)
	p := r.startUnder(s.line, r.onDisk(disk, i%4 < 2)...)
	for deadline := time.Now().Add(time.Second); s.hits(r) == 0 && time.Now().Before(deadline); {
		r.wait(time.Millisecond)
	}
	r.wait(r.between(time.Millisecond, 100*time.Millisecond))
	after := p.losePower(disk)
	r.drain(filepath.Join(after.at, "spool"))
	after.discard(r)
	return s.hits(r)
}

// onDisk returns the arguments of a writer that waits until events are synced to a
// small disk, with a database or without.
func (r *rig) onDisk(disk image, down bool) []string {
	args := []string{"-spool", filepath.Join(disk.at, "spool"), "-spool-bytes", fmt.Sprint(16 << 20), "-level", "synced", "-goroutines", "32", "-pause", "200us"}
	if down {
		args = append(args, "-dsn", nowhere)
	}
	return args
}

// D9: the machine loses power at any moment: what was said to be synced is on the
// disk, of which only what the system had written out is left.
func TestD9PowerLost(t *testing.T) {
	atOnce(t)
	r := newRig(t)
	var sent int64
	for i := range rounds(2, 100) {
		disk := newImage(t, filepath.Join(r.dir, fmt.Sprintf("disk-%d", i)), 32)
		p := r.start(r.onDisk(disk, i%2 == 0)...)
		r.wait(r.between(50*time.Millisecond, 500*time.Millisecond))
		after := p.losePower(disk)
		r.drain(filepath.Join(after.at, "spool"))
		sent += r.drained.LeftoverWritten
		after.discard(t)
	}
	e := r.check(audit.Terms{Safe: strata.LevelSynced, MaxLost: 1 << 30})
	t.Logf("%d sent from disks, %d lost that were not said to be synced", sent, e.Lost())
	require.Positive(t, sent)
}

// D6: each sync takes two seconds more. Who waits for one waits, nobody else does.
func TestD6SlowSync(t *testing.T) {
	needStrace(t)
	delay := 2 * time.Second
	if !seed.Long() {
		delay /= 2
	}
	r := newRig(t)
	r.program = writerProgram(t, false)
	calm := r.start("-level", "memory", "-pause", "1ms")
	r.wait(time.Second / 2)
	undisturbed := calm.stop()
	slow := make(map[string]*process)
	traced := make(map[string]*tracer)
	for _, level := range []string{"memory", "written", "synced"} {
		traced[level] = r.injecting("fdatasync", fmt.Sprintf("delay_exit=%d", delay.Microseconds()))
		slow[level] = r.startUnder(traced[level].line, "-level", level, "-pause", "1ms", "-wait", "1m")
	}
	r.wait(delay + 1500*time.Millisecond)
	counts := make(map[string]int)
	for i, level := range []string{"memory", "written", "synced"} {
		ledger := audit.NewLedger()
		r.readLedger(ledger, i+1)
		counts[level] = max(ledger.AtLeast(strata.LevelWritten), ledger.Len())
		require.Positive(t, traced[level].hits(t), "no sync was slow")
	}
	said := slow["memory"].stop()
	slow["written"].kill()
	slow["synced"].kill()
	t.Logf("slowest call of Track: %v undisturbed, %v with syncs that take %v; events by level: %v", undisturbed.Slowest, said.Slowest, delay, counts)
	require.Less(t, said.Slowest, delay/4, "Track waited for the disk")
	require.Greater(t, counts["written"], counts["memory"]/4, "who waits until events are written waited for the sync")
	require.Less(t, counts["synced"], counts["memory"]/4, "the syncs were not slow")
	r.finish(audit.Terms{Safe: strata.LevelWritten})
}
