package simtest

import (
	"slices"
	"strings"
	"testing"

	"github.com/strataxp/strata"
)

// Shrink makes the script of an outcome that failed smaller, as long as the same
// check fails: fewer steps, processes and visitors. It plays at most tries worlds
// (0 means 60, -1 none) and returns the outcome of the smallest that fails.
func Shrink(t *testing.T, failed *Outcome, newStore func(t *testing.T) strata.Store, tries int) *Outcome {
	t.Helper()
	if tries == 0 {
		tries = 60
	}
	s := &shrinking{t: t, newStore: newStore, tries: tries, best: failed, check: checkOf(failed)}
	for again := true; again; {
		again = s.dropSteps() || s.simplify()
	}
	return s.best
}

type shrinking struct {
	t        *testing.T
	newStore func(t *testing.T) strata.Store
	tries    int
	best     *Outcome
	check    string
}

// checkOf is the check that failed first.
func checkOf(o *Outcome) string {
	check, _, _ := strings.Cut(strings.TrimPrefix(o.Failures[0], "["), "]")
	return check
}

// fails plays a smaller script, and takes it over if it fails alike.
func (s *shrinking) fails(smaller *Script) bool {
	if s.tries <= 0 {
		return false
	}
	s.tries--
	out := Play(s.t, smaller, s.newStore)
	if !out.Failed(s.check) {
		return false
	}
	s.best = out
	return true
}

// dropSteps leaves out half of the steps, a quarter, and so on.
func (s *shrinking) dropSteps() (smaller bool) {
	for size := len(s.best.Script.Steps); size > 0; size /= 2 {
		for from := 0; from < len(s.best.Script.Steps); {
			script := *s.best.Script
			script.Steps = slices.Delete(slices.Clone(script.Steps), from, min(from+size, len(script.Steps)))
			if s.fails(&script) {
				smaller = true
			} else {
				from += size
			}
		}
	}
	return smaller
}

// simplify takes away what else there is.
func (s *shrinking) simplify() bool {
	for _, change := range []func(*Script) bool{
		func(c *Script) bool { c.Visitors /= 2; return c.Visitors > 0 },
		func(c *Script) bool { c.Visitors -= c.Visitors / 4; return c.Visitors/4 > 0 },
		func(c *Script) bool { c.Processes = c.Processes[:len(c.Processes)-1]; return len(c.Processes) > 0 },
		func(c *Script) bool { was := c.Standby; c.Standby = false; return was },
	} {
		script := *s.best.Script
		if change(&script) && s.fails(&script) {
			return true
		}
	}
	return false
}
