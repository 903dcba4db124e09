package strata_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
)

// What a failover has taken is counted once: as sent again where it is still
// there, else as lost, whatever becomes of the answers meanwhile.
func TestAfterAFailoverCountsAreTrue(t *testing.T) {
	for name, kept := range map[string]bool{"lost": false, "sent again": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { countsAreTrue(t, kept) })
		})
	}
}

func countsAreTrue(t *testing.T, kept bool) {
	store := newShelf(1).withStandby()
	store.silent = !kept
	cfg := strata.Config{}
	if kept {
		cfg, _ = spooled(t, cfg)
	}
	eng := bounded(t, store, cfg)
	defer eng.Close(context.Background())
	track := func(n int) {
		for i := range n {
			require.NoError(t, eng.Track(user(i), named("a")))
		}
	}
	track(10)
	_, err := eng.Flush(context.Background())
	require.NoError(t, err)
	require.EqualValues(t, 10, store.failOver())

	script := []fault{before, before, after, before, after}
	store.setFault(func(op string) (f fault) {
		if op != "ingest" || len(script) == 0 {
			return noFault
		}
		f, script = script[0], script[1:]
		return f
	})
	track(5)
	time.Sleep(10 * time.Minute)
	synctest.Wait()
	require.Positive(t, store.hits["ingest "+string(after)], "no answer was lost")
	status := eng.Status()
	want := map[bool][2]int64{false: {10, 0}, true: {0, 10}}[kept]
	require.Equal(t, want, [2]int64{status.Lost, status.Resent})
	require.EqualValues(t, 15-want[0], status.Written)
	require.Equal(t, want[0], store.evidence().Lost())
}
