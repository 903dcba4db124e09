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

// shorten makes rapid try a property 25 times in place of 100, as every step is
// a round trip to a server here, unless somebody says another number.
func shorten() error {
	set := long
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "rapid.checks" })
	if set {
		return nil
	}
	return flag.Set("rapid.checks", "25")
}
