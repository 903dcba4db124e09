package faults_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/internal/seed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(tests{m}) }

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
