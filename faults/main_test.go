package faults_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/internal/seed"
)

// A proxy that is stopped leaves goroutines of its own behind, now and then.
func TestMain(m *testing.M) {
	zerolog.SetGlobalLevel(zerolog.Disabled)
	const proxy = "github.com/Shopify/toxiproxy/v2"
	goleak.VerifyTestMain(tests{m},
		goleak.IgnoreAnyFunction(proxy+"/toxics.(*ToxicStub).Run"),
		goleak.IgnoreAnyFunction(proxy+"/stream.(*ChanWriter).Write"),
		goleak.IgnoreAnyFunction(proxy+".(*ToxicLink).read"),
		goleak.IgnoreAnyFunction(proxy+".(*ToxicLink).write"))
}

// tests are those of this package, with a private server, and without what was
// built for them when they are done.
type tests struct{ m *testing.M }

func (r tests) Run() int {
	// They wait for processes more than they compute.
	if err := seed.Default("test.parallel", "5"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	code := pgtest.Main(r.m).Run()
	if err := removeBuilds(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}
