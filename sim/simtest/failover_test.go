package simtest_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/strataxp/strata/sim/simtest"
)

func TestManyFailovers(t *testing.T) {
	for n := range uint64(12) {
		s := simtest.NewScript(n)
		s.Standby = true
		s.Length = 5 * time.Hour
		r := rand.New(rand.NewPCG(n, 77))
		var steps []simtest.Step
		for i, step := range s.Steps {
			at := time.Duration(r.Int64N(int64(s.Length))).Truncate(time.Second)
			step.At = at
			steps = append(steps, step)
			if i%2 == 0 {
				steps = append(steps, simtest.Step{At: at + time.Duration(r.IntN(100))*time.Second, Do: "fail over"})
				again := s.Steps[r.IntN(len(s.Steps))]
				again.At = at + time.Duration(100+r.IntN(300))*time.Second
				steps = append(steps, again)
			}
		}
		slices.SortStableFunc(steps, func(a, b simtest.Step) int { return int(a.At - b.At) })
		s.Steps = steps
		if o := simtest.Play(t, s, inMemory); len(o.Failures) > 0 {
			o = simtest.Shrink(t, o, inMemory, 60)
			t.Errorf("%s\n%s", o.Script, o)
			if n > 10 {
				return
			}
		}
	}
}
