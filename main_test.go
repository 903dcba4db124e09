package strata_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/strataxp/strata/internal/seed"
)

func TestMain(m *testing.M) {
	checks := "40"
	if seed.Race {
		checks = "15"
	}
	if err := seed.Default("rapid.checks", checks); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	goleak.VerifyTestMain(m)
}
