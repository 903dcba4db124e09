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
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// env names the variable with the connection string of a server to share.
const env = "STRATA_POSTGRES"

// shared is the cluster of this process.
var shared struct {
	once    sync.Once
	cluster *Cluster
	err     error
}

// Main wraps the tests of a package, so that the shared cluster is stopped
// before somebody looks for leaks.
func Main(m *testing.M) interface{ Run() int } { return main{m} }

type main struct{ m *testing.M }

func (r main) Run() int {
	code := r.m.Run()
	if shared.cluster != nil {
		if err := shared.cluster.discard(); err != nil {
			fmt.Fprintln(os.Stderr, "pgtest:", err)
			return max(code, 1)
		}
	}
	return code
}

// Shared returns the cluster that all tests of this process share. Its
// databases have an empty search_path: an unqualified name is an error.
func Shared(t testing.TB) *Cluster {
	t.Helper()
	shared.once.Do(func() {
		if dsn := os.Getenv(env); dsn != "" {
			shared.cluster, shared.err = external(t.Context(), dsn)
		} else {
			shared.cluster, shared.err = start(Config{})
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

// external makes a database of our own on a server that somebody else runs.
func external(ctx context.Context, dsn string) (*Cluster, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", env, err)
	}
	c := &Cluster{host: cfg.Host, port: int(cfg.Port), user: cfg.User, password: cfg.Password, admin: cfg.Database}
	if c.admin == "" {
		c.admin = cfg.User
	}
	c.database = "strata_test_" + strings.ToLower(rand.Text()[:12])
	return c, c.createDatabase(ctx)
}

// createDatabase makes the database that tests use.
func (c *Cluster) createDatabase(ctx context.Context) error {
	name := pgx.Identifier{c.database}.Sanitize()
	for _, sql := range []string{
		"create database " + name + " template template0 encoding 'UTF8'",
		"alter database " + name + " set search_path = ''",
	} {
		if err := c.exec(ctx, c.admin, sql); err != nil {
			return err
		}
	}
	return nil
}

// DSN returns a connection string for the superuser.
func (c *Cluster) DSN() string { return c.DSNFor(c.user, c.password) }

// DSNFor returns a connection string for another role.
func (c *Cluster) DSNFor(user, password string) string {
	return c.dsn(user, password, c.database)
}

func (c *Cluster) dsn(user, password, database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(user, password),
		Host: fmt.Sprintf("%s:%d", c.host, c.port), Path: "/" + database, RawQuery: "sslmode=disable",
	}
	if strings.HasPrefix(c.host, "/") { // the folder of a Unix socket
		u.Host = ""
		u.RawQuery = url.Values{"host": {c.host}, "port": {fmt.Sprint(c.port)}}.Encode()
	}
	return u.String()
}

// Exec runs statements as the superuser, on a connection of their own.
func (c *Cluster) Exec(ctx context.Context, sql string) error { return c.exec(ctx, c.database, sql) }

func (c *Cluster) exec(ctx context.Context, database, sql string) error {
	conn, err := pgx.Connect(ctx, c.dsn(c.user, c.password, database))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	//lint:ignore errcheck the statement's own error says more
	_ = conn.Close(ctx)
	return err
}
