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

// Worlds on the store in memory. STRATA_WORLDS says how many; STRATA_SEED which is
// the first.
func TestWorlds(t *testing.T) {
	o := simtest.Options{Seeds: 15, First: seed.Of(t) % (1 << 32)}
	if seed.Long() {
		o.Seeds = 1000
	}
	if n := os.Getenv("STRATA_WORLDS"); n != "" {
		var err error
		o.Seeds, err = strconv.Atoi(n)
		require.NoError(t, err)
	}
	hits := simtest.Run(t, inMemory, o)
	t.Logf("%d worlds: %v", o.Seeds, hits)
}

// A script plays the same way each time.
func TestWorldsRepeatThemselves(t *testing.T) {
	for n := range uint64(12) {
		first := simtest.Play(t, simtest.NewScript(n), inMemory)
		again := simtest.Play(t, simtest.NewScript(n), inMemory)
		for i := range first.Trace {
			require.Equal(t, first.Trace[i], again.Trace[i], "seed %d, line %d", n, i)
		}
		require.Equal(t, first.Sum, again.Sum)
	}
}
