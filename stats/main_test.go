package stats

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/strataxp/strata/internal/seed"
)

// Nothing here runs beside anything: the run without the race detector has it all.
func TestMain(m *testing.M) {
	if seed.Race && !seed.Long() {
		fmt.Println("computes in one goroutine; the run without the race detector has it")
		return
	}
	if err := seed.Default("rapid.checks", "40"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	goleak.VerifyTestMain(m)
}
