package pgstore_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/strataxp/strata/internal/pgtest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := shorten(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	goleak.VerifyTestMain(pgtest.Main(m))
}

// long says whether tests that repeat themselves do so at length: with
// STRATA_LONG=1, as scripts/soak sets it. What they look at is the same.
var long = os.Getenv("STRATA_LONG") != ""

// rounds is how often something is repeated: n times, or with STRATA_LONG many
// times.
func rounds(n, many int) int {
	if long {
		return many
	}
	return n
}

// shorten cuts the loops of the suite as -short does, and makes rapid try a
// property 25 times in place of 100, unless somebody says otherwise: every step
// is a round trip to a server here, and the suite runs in three modes.
func shorten() error {
	if long {
		return nil
	}
	said := make(map[string]bool)
	flag.Visit(func(f *flag.Flag) { said[f.Name] = true })
	for name, value := range map[string]string{"test.short": "true", "rapid.checks": "25"} {
		if said[name] {
			continue
		}
		if err := flag.Set(name, value); err != nil {
			return err
		}
	}
	return nil
}
