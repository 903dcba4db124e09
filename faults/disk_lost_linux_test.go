package faults_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/faults"
	"github.com/strataxp/strata/internal/audit"
	"github.com/strataxp/strata/pgstore"
)

// host is an application in this process, whose spool is taken away.
type host struct {
	*rig
	gate   *gate
	store  *pgstore.Store
	eng    *strata.Engine
	ledger *audit.Ledger
	next   int
}

// newHost starts one. The database is down until the gate is opened.
func newHost(r *rig, spool string) *host {
	r.Helper()
	h := &host{rig: r, gate: newGate(r, r.dsn), ledger: audit.NewLedger()}
	h.gate.shut()
	var err error
	h.store, err = pgstore.Open(r.Context(), h.gate.dsn, pgstore.Config{Schema: r.schema, NoRollup: true, Lazy: true})
	require.NoError(r, err)
	h.eng, err = strata.Open(r.Context(), h.store, strata.Config{
		Lanes: 1, NoWatch: true, PlanFile: r.plan(), FlushInterval: 20 * time.Millisecond,
		Spool: strata.SpoolConfig{Dir: spool, MinFreeBytes: -1, MaxBytes: 16 << 20},
	})
	require.NoError(r, err)
	return h
}

// track tracks events and waits a moment for each thousandth to reach a level.
func (h *host) track(n int, level strata.Level) (last strata.Level) {
	h.Helper()
	for range n {
		h.next++
		id := fmt.Sprint("event-", h.next)
		h.ledger.Took(id, strata.LevelMemory)
		unit, event := strata.Unit{User: id}, strata.Custom{EventName: id, Properties: map[string]any{"padding": fmt.Sprintf("%0500d", 0)}}
		if h.next%1000 != 0 {
			require.NoError(h, h.eng.Track(unit, event))
			continue
		}
		ctx, cancel := context.WithTimeout(h.Context(), 200*time.Millisecond)
		last, _ = h.eng.TrackDurable(ctx, unit, event, level)
		cancel()
		h.ledger.Took(id, last)
	}
	return last
}

// degraded returns when the engine says why its spool is not in use, or tracks on
// in vain.
func (h *host) degraded() {
	h.Helper()
	for deadline := time.Now().Add(20 * time.Second); h.eng.Status().SpoolErr == nil; {
		require.True(h, time.Now().Before(deadline), "the status knows nothing of the spool's loss")
		h.track(1000, strata.LevelWritten)
	}
	require.Equal(h, strata.LevelMemory, h.track(1000, strata.LevelWritten))
	h.Logf("after %d events: %v", h.next, h.eng.Status().SpoolErr)
}

// end opens the gate, closes the engine, and checks that all but so many events are
// stored.
func (h *host) end(maxLost int64) *audit.Evidence {
	h.Helper()
	h.gate.open()
	ctx, cancel := context.WithTimeout(h.Context(), 40*time.Second)
	defer cancel()
	for left := int64(1); left > 0 && ctx.Err() == nil; {
		some, _ := h.eng.Flush(ctx) // it gives up when the store fails, which it did until now
		left = some.Total()
	}
	left, err := h.eng.Close(ctx)
	h.store.Close()
	require.Zero(h, left.Total(), "%v", err)
	e, err := faults.Evidence(h.Context(), h.dsn, h.schema)
	require.NoError(h, err)
	h.Logf("%d tracked, %d stored, %d in gaps", h.ledger.Len(), len(e.Rows), e.Lost())
	require.NoError(h, h.ledger.Check(e, audit.Terms{MaxLost: maxLost, MaxMissing: maxLost, Complete: true}))
	return e
}

// D7: somebody deletes the spool's folder while it is in use. What was in it and
// nowhere else is gone, and the store says so; the rest goes on.
func TestD7FolderRemoved(t *testing.T) {
	atOnce(t)
	r := newRig(t)
	h := newHost(r, r.spool)
	require.GreaterOrEqual(t, h.track(3000, strata.LevelSynced), strata.LevelSynced)
	require.NoError(t, os.RemoveAll(r.spool))
	require.Eventually(t, func() bool { return h.track(1000, strata.LevelSynced) >= strata.LevelSynced }, 20*time.Second, time.Millisecond,
		"the spool does not begin anew")
	require.NotEmpty(t, r.streams(r.spool))
	h.end(3000)
	require.Empty(t, r.streams(r.spool))
}

// D7: the file system with the spool fails and can only be read from then on.
func TestD7ReadOnly(t *testing.T) {
	atOnce(t)
	r := newRig(t)
	disk := newImage(t, filepath.Join(r.dir, "disk"), 64)
	h := newHost(r, filepath.Join(disk.at, "spool"))
	require.GreaterOrEqual(t, h.track(3000, strata.LevelSynced), strata.LevelSynced)
	require.NoError(t, sh(t, "mount", "-o", "remount,abort", disk.at))
	h.degraded()
	h.end(0)
}

// D7: nothing can be made in the folder any more, and then again. (Root needs no
// permission, so it is made immutable.)
func TestD7NotPermitted(t *testing.T) {
	atOnce(t)
	r := newRig(t)
	disk := newImage(t, filepath.Join(r.dir, "disk"), 64)
	spool := filepath.Join(disk.at, "spool")
	h := newHost(r, spool)
	require.GreaterOrEqual(t, h.track(1000, strata.LevelSynced), strata.LevelSynced)
	folder := filepath.Join(spool, r.streams(spool)[0])
	if err := sh(t, "chattr", "+i", folder); err != nil {
		t.Skipf("a folder cannot be made immutable here: %v", err)
	}
	h.degraded()
	require.NoError(t, sh(t, "chattr", "-i", folder))
	require.Eventually(t, func() bool { return h.track(1000, strata.LevelSynced) >= strata.LevelSynced }, 20*time.Second, time.Millisecond,
		"the spool stays out of use")
	require.NoError(t, h.eng.Status().SpoolErr)
	h.end(0)
	require.Empty(t, r.streams(spool))
}
