// Package seed gives random tests a seed that a failure can be repeated with.
package seed

import (
	"flag"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

var fresh = sync.OnceValue(rand.Uint64)

// Of returns the seed of STRATA_SEED, or one that is new in each process, and
// says which it was if the test fails.
func Of(t testing.TB) uint64 {
	t.Helper()
	seed := fresh()
	if given := os.Getenv("STRATA_SEED"); given != "" {
		var err error
		seed, err = strconv.ParseUint(given, 10, 64)
		require.NoError(t, err, "STRATA_SEED")
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("repeat with STRATA_SEED=%d", seed)
		}
	})
	return seed
}

// Cut returns full, or once where each benchmark is run just one time (-benchtime 1x), to
// see that it still works.
func Cut(full, once int) int {
	if f := flag.Lookup("test.benchtime"); f != nil && f.Value.String() == "1x" {
		return once
	}
	return full
}
