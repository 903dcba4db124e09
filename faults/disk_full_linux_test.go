package faults_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/audit"
)

// D3: the spool's disk is far too small for what comes while the database is down.
func TestD3DiskTooSmall(t *testing.T) {
	atOnce(t)
	for name, minFree := range map[string]int64{"MinFreeBytes": 2 << 20, "no MinFreeBytes": -1} {
		t.Run(name, func(t *testing.T) { overfill(t, minFree) })
	}
}

func overfill(t *testing.T, minFree int64) {
	atOnce(t)
	const disk, event = 8 << 20, 4100
	r := newRig(t)
	g := newGate(t, r.dsn)
	at := mount(t, "-t", "tmpfs", "-o", fmt.Sprintf("size=%d", disk), "none")
	g.shut()
	p := r.start("-dsn", g.dsn, "-spool", at+"/spool", "-min-free", fmt.Sprint(minFree), "-spool-bytes", fmt.Sprint(16<<20),
		"-buffer", fmt.Sprint(1<<20), "-level", "memory", "-size", "4000", "-wait", "1s")
	least := int64(disk)
	for lines := int64(0); lines < 10*disk/event; r.wait(5 * time.Millisecond) {
		least = min(least, free(t, at))
		info, err := os.Stat(r.ledgers[0])
		require.NoError(t, err)
		lines = info.Size() / 35
	}
	require.GreaterOrEqual(t, least, minFree)
	require.Less(t, least, int64(disk/2), "the disk was never filled")
	g.open()
	said := p.stop()
	// said.SpoolErr may be empty: once the database takes events, the disk has room again.
	require.Positive(t, said.Refused)
	require.Less(t, said.Slowest, time.Second)
	r.drain(at + "/spool")
	e := r.check(audit.Terms{Safe: strata.LevelMemory, MaxMissing: said.Refused, Left: said.Left.Memory + said.Refused, Complete: true})
	require.Equal(t, said.Refused, r.number("select coalesce(sum(events), 0)::bigint from %s.stream_loss"))
	t.Logf("%d refused, %d stored, slowest call %v, at least %d KiB free, spool: %s", said.Refused, len(e.Rows), said.Slowest, least>>10, said.SpoolErr)
}

// D4: a write to the spool finds the disk full, whichever it is.
func TestD4WriteFindsNoSpace(t *testing.T) {
	atOnce(t)
	needStrace(t)
	r := newRig(t)
	hit := 0
	for i := range rounds(3, 200) {
		n := i + 1
		if rounds(0, 1) == 0 {
			n = 1 + r.random.IntN(30)
		}
		hit += r.noSpace(n, i%2 == 1)
	}
	require.Positive(t, hit, "no write failed")
	t.Logf("%d writes failed", hit)
	r.finish(audit.Terms{Safe: strata.LevelWritten})
}

// noSpace runs a writer whose n-th write in each thread fails, and if again is set
// each so many behind it, and returns how many have. It must go on.
func (r *rig) noSpace(n int, again bool) int {
	r.Helper()
	when := fmt.Sprintf("error=ENOSPC:when=%d", n)
	if again {
		when += fmt.Sprintf("+%d", 20+n)
	}
	s := r.injecting("pwrite64", when)
	p := r.startUnder(s.line, "-dsn", nowhere, "-pause", "200us", "-wait", "20s")
	for deadline := time.Now().Add(2 * time.Second); s.hits(r) == 0 && time.Now().Before(deadline); {
		r.wait(10 * time.Millisecond)
	}
	before := r.lastLedger().AtLeast(strata.LevelWritten)
	require.Eventually(r, func() bool { return r.lastLedger().AtLeast(strata.LevelWritten) > before+100 }, 20*time.Second, 20*time.Millisecond,
		"nothing is written any more after write %d has failed", n)
	hits := s.hits(r)
	if again {
		p.kill()
		return hits
	}
	require.Zero(r, p.stop().Left.Memory)
	return hits
}
