package simtest_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/sim/simtest"
)

// Failovers right behind a change of plan, which may be lost with it, and another
// change right behind the failover.
func TestFailovers(t *testing.T) {
	first := seed.Of(t) % (1 << 32)
	for i := range uint64(worlds(2, 200)) {
		out := simtest.Play(t, withFailovers(simtest.NewScript(first+i)), inMemory)
		if len(out.Failures) > 0 {
			out = simtest.Shrink(t, out, inMemory, 0)
			t.Fatalf("STRATA_SEED=%d, made as small as could be:\n%s\n%s", first+i, out.Script, out)
		}
	}
}

// withFailovers puts failovers between the steps of a script.
func withFailovers(s *simtest.Script) *simtest.Script {
	r := rand.New(rand.NewPCG(s.Seed, 77))
	s.Standby, s.Length = true, 5*time.Hour
	seconds := func(from, to int) time.Duration { return time.Duration(from+r.IntN(to-from)) * time.Second }
	var steps []simtest.Step
	for i, step := range s.Steps {
		step.At = time.Duration(r.Int64N(int64(s.Length))).Truncate(time.Second)
		steps = append(steps, step)
		if i%2 == 0 {
			steps = append(steps, simtest.Step{At: step.At + seconds(0, 100), Do: "fail over"})
			again := s.Steps[r.IntN(len(s.Steps))]
			again.At = step.At + seconds(100, 400)
			steps = append(steps, again)
		}
	}
	slices.SortStableFunc(steps, func(a, b simtest.Step) int { return int(a.At - b.At) })
	s.Steps = steps
	return s
}
