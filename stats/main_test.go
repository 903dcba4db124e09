package stats

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/strataxp/strata/internal/seed"
)

func TestMain(m *testing.M) {
	err := seed.Default("rapid.checks", "40")
	if seed.Race { // nothing here runs beside anything
		err = errors.Join(err, seed.Default("test.short", "true"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	goleak.VerifyTestMain(m)
}
