package simtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/strataxp/strata"
)

// Options say how many worlds are played.
type Options struct {
	// Seeds is how many worlds are played, and First the seed of the first one;
	// the others follow. Zero means 10 worlds, from seed 0 on.
	Seeds int
	First uint64

	// Shrink is how many smaller worlds are tried where one fails. Zero means 60,
	// -1 none.
	Shrink int
}

// Outcome is what playing a script has shown.
type Outcome struct {
	Script   *Script
	Failures []string // "[check] when: what"; empty if all is well
	Trace    []string // the last lines of what happened
	Sum      uint64   // of the whole trace: plays of the same script have the same
	Requests int
	Hits     map[string]int // how often rare things happened
	Tally    *Tally
}

// Run plays random worlds, each on an empty store, and fails the test for the first
// one in which something is wrong, with a script that is as short as could be
// found. Every fourth world fails over again and again: see [Script.WithFailovers].
// Over all worlds it checks how treatments were drawn.
//
// newStore is called inside of a bubble of testing/synctest, with a test that ends
// with the world, and again for each failover. It returns what rarely happens and
// did, for tests that want to be sure.
func Run(t *testing.T, newStore func(t *testing.T) strata.Store, o Options) (hits map[string]int) {
	t.Helper()
	if o.Seeds == 0 {
		o.Seeds = 10
	}
	if o.Seeds < 0 {
		t.Fatalf("Options.Seeds = %d; use a positive number, 0 for 10", o.Seeds)
	}
	hits, tally := make(map[string]int), newTally()
	for i := range o.Seeds {
		seed := o.First + uint64(i)
		script := NewScript(seed)
		if seed%4 == 3 {
			script = script.WithFailovers()
		}
		out := Play(t, script, newStore)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		if len(out.Failures) > 0 {
			out = Shrink(t, out, newStore, o.Shrink)
			t.Fatalf("seed %d, made as small as could be:\n%s\n%s", seed, out.Script, out)
		}
		for name, n := range out.Hits {
			hits[name] += n
		}
		tally.Add(out.Tally)
	}
	if err := tally.Check(); err != nil {
		t.Fatalf("seeds %d to %d: %v", o.First, o.First+uint64(o.Seeds)-1, err)
	}
	return hits
}

// Play plays a script in a bubble of testing/synctest.
func Play(t *testing.T, script *Script, newStore func(t *testing.T) strata.Store) *Outcome {
	t.Helper()
	if err := script.valid(); err != nil {
		t.Fatal(err)
	}
	w := play(t, script, newStore)
	out := &Outcome{Script: script, Sum: w.trace.sum, Trace: w.trace.tail, Requests: w.requests, Hits: w.hits.n, Tally: w.tally}
	for _, f := range w.failures {
		out.Failures = append(out.Failures, f.String())
	}
	return out
}

// Failed reports whether a check failed.
func (o *Outcome) Failed(check string) bool {
	for _, f := range o.Failures {
		if strings.HasPrefix(f, "["+check+"]") {
			return true
		}
	}
	return false
}

// String tells the failures.
func (o *Outcome) String() string {
	if len(o.Failures) == 0 {
		return "all is well"
	}
	return fmt.Sprintf("%d requests\n%s", o.Requests, strings.Join(o.Failures, "\n"))
}
