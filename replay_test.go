package strata

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Every exposure of a snapshot is reproduced by it; one that was tampered with
// is not, whatever was changed.
func TestExposuresAreReproduced(t *testing.T) {
	plan := &Plan{
		Version: 7,
		Layers:  []Layer{{Key: "ui", Diversion: ByUser}},
		Experiments: []Experiment{
			{Key: "color", Layer: "ui", Phase: 2, Status: StatusRunning, Buckets: BucketRange(0, 6000),
				Treatments: []Treatment{{Key: "grey", Weight: 1}, {Key: "green", Weight: 3}},
				Earlier:    []Allocation{{Weights: []Weight{{Treatment: "green", Weight: 1}, {Treatment: "grey", Weight: 1}}}}},
			{Key: "size", Layer: "ui", Status: StatusRunning, Buckets: BucketRange(6000, 8000), SharedControl: "color",
				Treatments: []Treatment{{Key: "big", Weight: 1}}},
		},
	}
	snap, err := Compile(plan, time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC))
	require.NoError(t, err)
	seen := make(map[string]int)
	for i := range 2000 {
		id := strconv.Itoa(i)
		a := snap.Assign(Unit{User: id})
		for experiment, phase := range map[string]int{"color": 2, "size": 0} {
			treatment := a.Peek(experiment)
			if treatment == "" {
				continue
			}
			seen[experiment+"/"+treatment]++
			x := Exposure{Experiment: experiment, Phase: phase, Treatment: treatment, Bucket: bucketOf(hashID(id), layerSeed("ui")), Hash: hashID(id), Version: 7}
			require.NoError(t, snap.Reproduce(x))
			for _, tamper := range []func(*Exposure){
				func(x *Exposure) { x.Version = 6 },
				func(x *Exposure) { x.Phase++ },
				func(x *Exposure) { x.Experiment = "other" },
				func(x *Exposure) { x.Bucket++ },
				func(x *Exposure) { x.Hash ^= 1 << 63 },
				func(x *Exposure) { x.Treatment = "blue" },
			} {
				bad := x
				tamper(&bad)
				require.ErrorIs(t, snap.Reproduce(bad), ErrNotReproduced)
				bad.External = true
				require.NoError(t, snap.Reproduce(bad))
			}
		}
	}
	require.Greater(t, seen["color/grey"], 100)
	require.Greater(t, seen["color/green"], 100)
	require.Greater(t, seen["size/big"], 100)
}
