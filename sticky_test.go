package strata

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/strataxp/strata/internal/seed"
)

// The compact set answers as a map does, for hashes of any distribution.
func TestKeptUnitsAnswerLikeAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hash := rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 50), rapid.Uint64Range(1<<63, 1<<63+50))
		units := rapid.SliceOf(rapid.Custom(func(t *rapid.T) keptUnit {
			return keptUnit{hash.Draw(t, "hash"), rapid.Uint8().Draw(t, "treatment")}
		})).Draw(t, "units")
		first := make(map[uint64]uint8)
		for _, u := range units {
			if _, ok := first[u.hash]; !ok {
				first[u.hash] = u.treatment
			}
		}
		kept := newKeptUnits(units)
		require.Equal(t, len(first), kept.Len())
		for _, probe := range append(units, keptUnit{hash: hash.Draw(t, "probe")}) {
			want, in := first[probe.hash]
			got, ok := kept.find(probe.hash)
			require.Equal(t, in, ok)
			if in {
				require.EqualValues(t, want, got)
			}
		}
	})
}

// A unit takes about 10 bytes.
func TestKeptUnitsAreCompact(t *testing.T) {
	seed.OneGoroutine(t)
	const n = 200_000
	units := make([]keptUnit, n)
	random := rand.New(rand.NewPCG(1, 1))
	for i := range units {
		units[i] = keptUnit{random.Uint64(), uint8(i % 2)}
	}
	var kept *keptUnits
	bytes := heapOf(func() { kept = newKeptUnits(units) })
	require.Equal(t, n, kept.Len())
	require.Less(t, float64(bytes)/n, 11.0)
	runtime.KeepAlive(units)
}

// heapOf returns how many bytes of heap fill leaves behind.
func heapOf(fill func()) int64 {
	var before, after runtime.MemStats
	for range 3 { // what lies in pools goes with the second
		runtime.GC()
	}
	runtime.ReadMemStats(&before)
	fill()
	runtime.GC()
	runtime.ReadMemStats(&after)
	return int64(after.HeapAlloc) - int64(before.HeapAlloc)
}

// The filter forgets, but never claims to have seen what it has not.
func TestExposureFilterNeverInvents(t *testing.T) {
	filter := newExposureFilter(64)
	noted := make(map[uint64]bool)
	random := rand.New(rand.NewPCG(2, 2))
	remembered := 0
	for range 100_000 {
		x := random.Uint64N(5000) * 0x9E3779B97F4A7C15
		if filter.seen(x) {
			require.True(t, noted[x], "%x was never noted", x)
			remembered++
		}
		filter.note(x)
		require.True(t, filter.seen(x))
		noted[x] = true
	}
	require.Positive(t, remembered)
}

// As long as it is not overfull, it forgets next to nothing.
func TestExposureFilterRemembers(t *testing.T) {
	filter := newExposureFilter(4096)
	random := rand.New(rand.NewPCG(3, 3))
	var xs []uint64
	for range 1024 {
		xs = append(xs, random.Uint64())
	}
	for _, x := range xs {
		filter.note(x)
	}
	forgotten := 0
	for _, x := range xs {
		if !filter.seen(x) {
			forgotten++
		}
	}
	require.Less(t, forgotten, 20) // 1,024 in 1,024 sets of 4: a set overflows with probability 0.004
}

// Units and treatments may be called alike, and no two exposures have the same mark.
func TestMarksAreDifferentWhateverUnitsAreCalled(t *testing.T) {
	names := []string{"off", "on", "a", "b", "", "A", "treatment", "1", "2"}
	for salt := range 50 {
		seen := map[uint64]string{}
		for phase := range 3 {
			e := &snapExperiment{seed: experimentSeed(fmt.Sprint("salt", salt), phase)}
			for _, treatment := range names {
				e.treatments = append(e.treatments, snapTreatment{treatment, exposureMark(e.seed, treatment)})
			}
			for _, id := range names[:4] {
				for treatment := range e.treatments {
					mark, exposure := e.mark(hashID(id), treatment), fmt.Sprint(phase, id, e.treatments[treatment].key)
					require.NotZero(t, mark)
					require.NotContains(t, seen, mark, "%s and %s", exposure, seen[mark])
					seen[mark] = exposure
				}
			}
		}
	}
	zero := &snapExperiment{seed: 7, treatments: []snapTreatment{{"t", mix(3, 7)}}}
	require.NotZero(t, zero.mark(3, 0), "0 is an empty place of the filter")
}

func TestExposureFilterIsSafeForConcurrentUse(t *testing.T) {
	filter := newExposureFilter(32)
	var done sync.WaitGroup
	for g := range 4 {
		done.Go(func() {
			random := rand.New(rand.NewPCG(uint64(g), 0))
			for range 10_000 {
				x := random.Uint64()
				if !filter.seen(x) {
					filter.note(x)
				}
			}
		})
	}
	done.Wait()
}

// Ten thousand experiments take less than 2 kB each, whether they share layers
// or have one each with half its buckets at random.
func TestSnapshotsAreSmall(t *testing.T) {
	seed.OneGoroutine(t)
	const n = 2000
	for name, perLayer := range map[string]int{"one a layer": 1, "two a layer": 2, "five a layer": 5, "hundred a layer": 100} {
		t.Run(name, func(t *testing.T) {
			plan := manyExperiments(t, n, perLayer)
			var snap *Snapshot
			bytes := int64(math.MaxInt64)
			for range 3 { // whatever else the process does only adds
				snap = nil
				bytes = min(bytes, heapOf(func() {
					var err error
					snap, err = Compile(plan, earliestEvent)
					require.NoError(t, err)
				}))
			}
			require.Less(t, bytes/n, int64(2000))
			runtime.KeepAlive(snap)
			runtime.KeepAlive(plan)
		})
	}
}

// A snapshot keeps nothing of the document that the plan was read from, however much is
// written in it about each experiment.
func TestSnapshotsKeepNoTexts(t *testing.T) {
	seed.OneGoroutine(t)
	const n = 1000
	plan := manyExperiments(t, n, 5)
	for i := range plan.Experiments {
		plan.Experiments[i].Description = strings.Repeat("what we hope for ", 30)
	}
	text, err := json.Marshal(plan)
	require.NoError(t, err)
	var snap *Snapshot
	bytes := int64(math.MaxInt64)
	for range 3 {
		snap = nil
		bytes = min(bytes, heapOf(func() {
			read, err := ParsePlan(text)
			require.NoError(t, err)
			snap, err = Compile(read, earliestEvent)
			require.NoError(t, err)
		}))
	}
	t.Logf("%d bytes an experiment", bytes/n)
	require.Less(t, bytes/n, int64(1900))
	runtime.KeepAlive(snap)
	runtime.KeepAlive(text)
	runtime.KeepAlive(plan)
}

// manyExperiments lays out n experiments that together take half of each layer,
// bucket by bucket at random.
func manyExperiments(t *testing.T, n, perLayer int) *Plan {
	random := rand.New(rand.NewPCG(4, 4))
	p := &Plan{}
	var free []int
	for i := range n {
		layer := fmt.Sprint("layer-", i/perLayer)
		if i%perLayer == 0 {
			p.Parameters = append(p.Parameters, Parameter{Key: layer, Type: TypeString, Default: "off"})
			p.Layers = append(p.Layers, Layer{Key: layer, Parameters: []string{layer}})
			free = random.Perm(NumBuckets)
		}
		share := NumBuckets / 2 / perLayer
		p.Experiments = append(p.Experiments, Experiment{
			Key: fmt.Sprint("experiment-", i), Layer: layer, Status: StatusRunning, Buckets: BucketList(free[:share]...),
			Treatments: []Treatment{{Key: "off", Weight: 1}, {Key: "on", Weight: 1, Values: Values{layer: "on"}}},
		})
		free = free[share:]
	}
	require.NoError(t, p.Validate())
	return p
}
