package stats

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/strataxp/strata/internal/seed"
)

func TestMain(m *testing.M) {
	checks := "40"
	if seed.Race { // nothing here runs beside anything
		checks = "10"
		if err := seed.Default("test.short", "true"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	if err := seed.Default("rapid.checks", checks); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	goleak.VerifyTestMain(m)
}
