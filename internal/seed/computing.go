package seed

import "testing"

// OneGoroutine skips a test under the race detector, unless tests run at length.
// It is for tests that only compute, in one goroutine or in some that others test
// with the detector: it makes them fifteen times slower and has nothing to find. scripts/test runs them without.
func OneGoroutine(t testing.TB) {
	t.Helper()
	if Race && !Long() {
		t.Skip("computes in one goroutine; the run without the race detector has it")
	}
}
