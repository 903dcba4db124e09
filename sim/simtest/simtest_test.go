package simtest_test

import (
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/memstore"
	"github.com/strataxp/strata/sim/simtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func inMemory(*testing.T) strata.Store { return memstore.New() }

// worlds returns how many worlds a test plays: a few, fewer under the race detector,
// many at length, or STRATA_WORLDS.
func worlds(few, many int) int {
	if n, err := strconv.Atoi(os.Getenv("STRATA_WORLDS")); err == nil {
		return n
	}
	switch {
	case seed.Long():
		return many
	case seed.Race:
		return 1
	}
	return few
}

// Worlds on the store in memory. STRATA_WORLDS says how many; STRATA_SEED which is
// the first.
func TestWorlds(t *testing.T) {
	hits := simtest.Run(t, inMemory, simtest.Options{Seeds: worlds(6, 1000), First: seed.Of(t) % (1 << 32)})
	t.Logf("%v", hits)
}

// A script plays the same way each time.
func TestWorldsRepeatThemselves(t *testing.T) {
	seed.OneGoroutine(t)
	first := seed.Of(t) % (1 << 32)
	for n := range uint64(worlds(2, 50)) {
		once := simtest.Play(t, simtest.NewScript(first+n), inMemory)
		again := simtest.Play(t, simtest.NewScript(first+n), inMemory)
		for i := range once.Trace {
			require.Equal(t, once.Trace[i], again.Trace[i], "seed %d, line %d", first+n, i)
		}
		require.Equal(t, once.Sum, again.Sum)
	}
}
