package oracle_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/strataxp/strata/internal/seed"
)

func TestMain(m *testing.M) {
	if err := seed.Default("rapid.checks", "4"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}
