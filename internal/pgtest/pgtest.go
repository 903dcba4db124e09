// Package pgtest gives tests a real PostgreSQL: one private cluster for each
// test binary, started when the first test asks for it and gone when the binary
// is, however it ends.
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }
//
//	func TestSomething(t *testing.T) {
//		dsn, schema := pgtest.Schema(t)
//		…
//	}
//
// The programs are looked for in PATH, then in the newest folder of
// /usr/lib/postgresql. STRATA_POSTGRES, the connection string of a superuser with
// a password, makes tests share a server that runs already and asks for
// passwords; tests that stop or kill a server have one of their own all the same.
// Where there is no PostgreSQL a test fails and says what to install: it never
// skips.
//
// A cluster takes about two seconds and 40 MB of disk. It listens on the
// loopback interface only, with a random password, and does not sync to disk.
package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/pgserver"
)

// shared is the cluster of this process.
var shared struct {
	once    sync.Once
	cluster *Cluster // nil before
	err     error
}

// Main wraps the tests of a package, so that the shared servers are stopped
// before somebody looks for leaks.
func Main(m *testing.M) interface{ Run() int } { return main{m} }

type main struct{ m *testing.M }

func (r main) Run() int {
	code := r.m.Run()
	err := discardPair()
	if shared.cluster != nil {
		err = errors.Join(err, shared.cluster.Discard())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		return max(code, 1)
	}
	return code
}

// Shared returns the cluster that all tests of this process share. Its
// databases have an empty search_path: an unqualified name is an error.
func Shared(t testing.TB) *Cluster {
	t.Helper()
	shared.once.Do(func() {
		if dsn := os.Getenv(pgserver.Env); dsn != "" {
			shared.cluster, shared.err = own(pgserver.Use(t.Context(), dsn))
		} else {
			shared.cluster, shared.err = own(pgserver.Start(Config{}))
		}
	})
	require.NoError(t, shared.err)
	shared.cluster.tailOnFailure(t)
	return shared.cluster
}

// Schema returns the shared cluster's connection string, and the name of a
// schema that does not exist yet and is dropped at the end of the test. The
// name needs quotes, so that every test finds a place that forgot them.
func Schema(t testing.TB) (dsn, schema string) {
	t.Helper()
	c := Shared(t)
	schema = `Test "` + strings.ToLower(rand.Text()[:12]) + `"`
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		require.NoError(t, c.Exec(ctx, "drop schema if exists "+pgx.Identifier{schema}.Sanitize()+" cascade"))
	})
	return c.DSN(), schema
}
