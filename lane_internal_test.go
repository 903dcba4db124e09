package strata

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// noStore takes nothing: what is tracked stays where it is.
type noStore struct{ Store }

func (noStore) PlansInEffect(context.Context, PlansInEffectParams) ([]PlanVersion, error) {
	return nil, nil
}

func (noStore) Ingest(ctx context.Context, _ Batch) error {
	<-ctx.Done()
	return ctx.Err()
}

func (noStore) Cursor(ctx context.Context, _ CursorParams) (int64, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

// idleLane is a lane with a spool whose goroutines have ended.
func idleLane(t *testing.T, records int) *lane {
	t.Helper()
	eng, err := Open(t.Context(), noStore{}, Config{FlushInterval: -1, RefreshInterval: -1, Spool: SpoolConfig{Dir: t.TempDir(), MinFreeBytes: -1}})
	require.NoError(t, err)
	eng.stop()
	require.True(t, eng.join())
	l := eng.lanes[0]
	for range records {
		_, _, err := l.rec.append(&Unit{User: "ada"}, PageView{Page: "/"}, codePageView, time.Unix(1, 0), 0)
		require.NoError(t, err)
	}
	t.Cleanup(func() { require.NoError(t, l.spooler.log.Remove()) })
	return l
}

// A record that goes from memory to disk while the sender looks for it, first
// there and then here, is not taken for lost.
func TestARecordThatMovesIsFound(t *testing.T) {
	for range 50 {
		l := idleLane(t, 3)
		c, _ := l.rec.pin(1)
		l.rec.unpin(c)
		l.rec.mu.Lock()
		var found run
		var err error
		var looking sync.WaitGroup
		looking.Go(func() { found, err = l.runAt(1) })
		for range 200 { // until it waits for the lock, having seen that nothing is on the disk
			runtime.Gosched()
		}
		require.NoError(t, l.spooler.log.Append(c.first, int(c.count), c.bytes))
		l.spooler.last.Store(c.lastIndex())
		l.rec.drop(c.lastIndex())
		l.rec.mu.Unlock()
		looking.Wait()
		require.NoError(t, err)
		require.EqualValues(t, 1, found.first)
		require.EqualValues(t, 3, found.count)
		l.spooler.disk.close()
	}
}

// A chunk that is being read is not written over, though it was given back.
func TestAPinnedChunkKeepsItsBytes(t *testing.T) {
	l := idleLane(t, 1)
	c, _ := l.rec.pin(1)
	before := string(c.bytes)
	l.rec.release(1)
	_, _, err := l.rec.append(&Unit{User: "eve"}, PageView{Page: "/other"}, codePageView, time.Unix(2, 0), 0)
	require.NoError(t, err)
	require.Equal(t, before, string(c.bytes))
	l.rec.unpin(c)
}
