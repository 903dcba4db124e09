package simtest_test

import (
	"testing"

	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/sim/simtest"
)

// Failovers right behind a change of plan, which may be lost with it, and another
// change right behind the failover.
func TestFailovers(t *testing.T) {
	first := seed.Of(t) % (1 << 32)
	for i := range uint64(worlds(2, 200)) {
		out := simtest.Play(t, simtest.NewScript(first+i).WithFailovers(), inMemory)
		if len(out.Failures) > 0 {
			out = simtest.Shrink(t, out, inMemory, 0)
			t.Fatalf("STRATA_SEED=%d, made as small as could be:\n%s\n%s", first+i, out.Script, out)
		}
	}
}
