package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// Cluster is a running PostgreSQL server. Its methods that start and stop it
// are not safe for concurrent use.
type Cluster struct {
	host           string
	port           int
	user, password string
	database       string // which tests use
	admin          string // which is always there

	dir  string // empty for a server that somebody else runs
	bin  string
	as   *syscall.Credential
	proc *process // nil while it is stopped
}

// Config configures a [Cluster]. The zero value is right for most tests.
type Config struct {
	// Fsync makes commits reach the disk: for tests of what survives a crash.
	Fsync bool

	// Settings are lines of postgresql.conf; they override what is set here.
	Settings map[string]string
}

// How a server is told to stop.
const (
	Smart     = syscall.SIGTERM // waits for clients to leave
	Fast      = syscall.SIGINT  // ends connections, rolls their transactions back
	Immediate = syscall.SIGQUIT // as in a crash of the server; the next start recovers
	Killed    = syscall.SIGKILL // the postmaster is gone at once; its children notice
)

// patience bounds how long anything here is waited for.
const patience = time.Minute

// Start starts a cluster for one test, which may stop and kill it.
func Start(t testing.TB, cfg Config) *Cluster {
	t.Helper()
	c, err := start(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.discard()) })
	c.tailOnFailure(t)
	return c
}

func start(cfg Config) (*Cluster, error) {
	bin, err := findPostgres()
	if err != nil {
		return nil, err
	}
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := privateDir("strata-pg-", as)
	if err != nil {
		return nil, err
	}
	c := &Cluster{
		host: "127.0.0.1", user: "postgres", password: rand.Text(),
		database: "strata", admin: "postgres", dir: dir, bin: bin, as: as,
	}
	if err := c.init(cfg); err != nil {
		return nil, errors.Join(err, c.discard())
	}
	return c, nil
}

func (c *Cluster) init(cfg Config) error {
	if err := c.initdb(); err != nil {
		return err
	}
	if err := c.configure(cfg); err != nil {
		return err
	}
	// Somebody else may take the port before the server does.
	for try := 0; ; try++ {
		var err error
		if c.port, err = freePort(); err != nil {
			return err
		}
		if err = c.up(); err == nil {
			break
		}
		if try == 3 || !strings.Contains(c.logTail(), "could not bind") {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return c.createDatabase(ctx)
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }
func (c *Cluster) log() string  { return filepath.Join(c.dir, "log") }

func (c *Cluster) initdb() error {
	pwfile := filepath.Join(c.dir, "password")
	if err := writeFile(pwfile, c.password+"\n", c.as); err != nil {
		return err
	}
	// MD5, as scram-sha-256 takes 100 ms a connection under the race detector.
	cmd := exec.CommandContext(context.Background(), filepath.Join(c.bin, "initdb"), "-D", c.data(), "-U", c.user, "--pwfile", pwfile,
		"-A", "md5", "-E", "UTF8", "--locale=C", "--no-sync")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.as}
	cmd.Dir = c.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pgtest: initdb: %w\n%s", err, out)
	}
	return nil
}

// configure appends to postgresql.conf; the last line of a setting counts.
func (c *Cluster) configure(cfg Config) error {
	onOff := map[bool]string{true: "on", false: "off"}
	settings := map[string]string{
		"listen_addresses":           "127.0.0.1",
		"unix_socket_directories":    "", // their paths must be short, TMPDIR may not be
		"fsync":                      onOff[cfg.Fsync],
		"synchronous_commit":         "on",
		"full_page_writes":           onOff[cfg.Fsync],
		"max_connections":            "200",
		"max_locks_per_transaction":  "256", // dropping a schema locks each partition
		"shared_buffers":             "128MB",
		"autovacuum":                 "on",
		"jit":                        "off",
		"logging_collector":          "off",
		"password_encryption":        "md5",
		"log_line_prefix":            "%m [%p] %u ",
		"log_min_duration_statement": "-1",
	}
	maps.Copy(settings, cfg.Settings)
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "%s = '%s'\n", key, strings.ReplaceAll(settings[key], "'", "''"))
	}
	f, err := os.OpenFile(filepath.Join(c.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(b.String())
	return errors.Join(err, f.Close())
}

// up starts the server and waits until it answers.
func (c *Cluster) up() error {
	argv := []string{filepath.Join(c.bin, "postgres"), "-D", c.data(), "-p", strconv.Itoa(c.port)}
	deadline := time.Now().Add(patience)
	for {
		var err error
		if c.proc, err = startProcess(argv, c.dir, c.log(), c.as); err != nil {
			return err
		}
		if err = c.waitReady(deadline); err == nil {
			return nil
		}
		c.proc.stop(Immediate)
		c.proc = nil
		// After a kill the old children hold the memory for a moment.
		if time.Now().After(deadline) || !strings.Contains(c.logTail(), "still in use") {
			return fmt.Errorf("pgtest: the server does not start: %w\n%s", err, c.logTail())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (c *Cluster) waitReady(deadline time.Time) error {
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, c.dsn(c.user, c.password, c.admin))
		if err == nil {
			return conn.Close(ctx)
		}
		if c.proc.ended() || ctx.Err() != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Stop stops the server and returns when it has. Its data stay.
func (c *Cluster) Stop(t testing.TB, how syscall.Signal) {
	t.Helper()
	require.NotNil(t, c.proc, "the cluster is stopped, or is not ours")
	c.proc.stop(how)
	c.proc = nil
}

// Restart starts the server again, at the same port, stopping it first where it
// runs.
func (c *Cluster) Restart(t testing.TB, how syscall.Signal) {
	t.Helper()
	if c.proc != nil {
		c.Stop(t, how)
	}
	require.NotEmpty(t, c.dir, "the cluster is not ours")
	require.NoError(t, c.up())
}

// discard stops the server and removes everything.
func (c *Cluster) discard() error {
	if c.dir == "" {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return c.exec(ctx, c.admin, "drop database if exists "+pgx.Identifier{c.database}.Sanitize()+" with (force)")
	}
	if c.proc != nil {
		c.proc.stop(Immediate)
		c.proc = nil
	}
	return os.RemoveAll(c.dir)
}

// tailOnFailure shows the end of the server's log when the test fails.
func (c *Cluster) tailOnFailure(t testing.TB) {
	t.Cleanup(func() {
		if t.Failed() && c.dir != "" {
			t.Logf("the end of the server's log:\n%s", c.logTail())
		}
	})
}

func (c *Cluster) logTail() string { return tail(c.log(), 4096) }

// freePort returns a port that nobody listened on a moment ago.
func freePort() (int, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}
