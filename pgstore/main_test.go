package pgstore_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/internal/seed"
)

// Every step is a round trip to a server here, and the suite runs in three
// modes: so its loops are those of -short, and rapid tries less.
func TestMain(m *testing.M) {
	if err := errors.Join(seed.Default("test.short", "true"), seed.Default("rapid.checks", "25")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	goleak.VerifyTestMain(pgtest.Main(m))
}

// rounds is how often something is repeated: n times, or many times at length.
func rounds(n, many int) int {
	if seed.Long() {
		return many
	}
	return n
}
