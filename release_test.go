package strata_test

import (
	"runtime"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/seed"
)

// Snapshots that were swapped out are given back, whatever was read through them:
// nothing that lives on (handles, the exposure filter, the recorder, what is known of
// kept units) holds on to a part of one.
func TestSnapshotsAreReleasedAfterTheSwap(t *testing.T) {
	seed.OneGoroutine(t)
	eng, store := opened(t, colorPlan(1))
	color := strata.StringParam("cta.color", "grey")
	var old []weak.Pointer[strata.Snapshot]
	request := eng.Assign(visitor(7))
	first := weak.Make(eng.Snapshot())

	plan := colorPlan(1)
	for version := range int64(5) {
		for i := range 50 {
			a := eng.Assign(visitor(int(version)*50 + i))
			color.Get(a)
			require.NoError(t, a.Track(strata.PageView{Page: "/"}))
			for d := range a.All() {
				require.NotNil(t, d.Values())
			}
		}
		old = append(old, weak.Make(eng.Snapshot()))
		plan.Version = version + 1
		plan.Experiments[0].Treatments[0].Weight++ // those who were exposed are kept
		publish(t, store, plan, keep("cta-color"))
		require.NoError(t, eng.Refresh(t.Context()))
		require.Equal(t, version+2, eng.Snapshot().Version())
	}
	collect := func() {
		for range 3 { // what a finaliser or a pool keeps takes more than one round
			runtime.GC()
		}
	}
	collect()
	for i, snap := range old[1:] {
		require.Nil(t, snap.Value(), "the snapshot of version %d is still there", i+2)
	}
	require.NotNil(t, first.Value(), "a request that goes on keeps its own")
	require.NotEmpty(t, request.Treatment("cta-color"))
	request = nil
	collect()
	require.Nil(t, first.Value(), "and gives it back at its end")
	require.NotNil(t, eng.Snapshot())
}
