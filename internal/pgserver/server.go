// Package pgserver starts a private PostgreSQL for a test or an example: one that
// listens on the loopback interface only, with a random password, does not sync
// to disk, and is gone when the program is, however it ends. It takes about two
// seconds and 40 MB of disk.
//
// The programs are looked for in PATH, then in the newest folder of
// /usr/lib/postgresql.
//
// A server is started on a Unix only; elsewhere [Use] takes one that runs already.
package pgserver

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
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a running PostgreSQL server. Its methods that start and stop it
// are not safe for concurrent use.
type Server struct {
	Host           string
	Port           int
	User, Password string // of the superuser
	Database       string // the one to use
	admin          string // one that is always there

	dir  string // empty for a server that somebody else runs
	bin  string
	as   *Credential
	proc *Process // nil while it is stopped

	receiver int // a standby's process that is halted; 0 means none
}

// Config configures a [Server]. The zero value is right for most uses.
type Config struct {
	// Fsync makes commits reach the disk: for tests of what survives a crash.
	Fsync bool

	// Replication prepares a server that is to have standbys, and to become one
	// itself ([Server.Rejoin]).
	Replication bool

	// Settings are lines of postgresql.conf; they override what is set here.
	Settings map[string]string
}

// How a server is told to stop.
const (
	Smart     = syscall.SIGTERM // waits for clients to leave
	Fast      = syscall.SIGINT  // ends connections, rolls their transactions back
	Immediate = syscall.SIGQUIT // as in a crash of the server; the next start recovers
	Killed    = syscall.SIGKILL // all of its processes are gone at once
)

// Patience bounds how long anything here is waited for.
const Patience = time.Minute

// Start starts a server. [Server.Discard] stops it and leaves nothing behind. Where
// the system is no Unix it fails with an error matching errors.ErrUnsupported.
func Start(cfg Config) (*Server, error) {
	as, err := Unprivileged()
	if err != nil {
		return nil, err
	}
	bin, err := findPostgres()
	if err != nil {
		return nil, err
	}
	dir, err := PrivateDir("strata-pg-", as)
	if err != nil {
		return nil, err
	}
	c := &Server{
		Host: "127.0.0.1", User: "postgres", Password: rand.Text(),
		Database: "strata", admin: "postgres", dir: dir, bin: bin, as: as,
	}
	if err := c.init(cfg); err != nil {
		return nil, errors.Join(err, c.Discard())
	}
	return c, nil
}

func (c *Server) init(cfg Config) error {
	if err := c.initdb(); err != nil {
		return err
	}
	if err := c.configure(cfg); err != nil {
		return err
	}
	if err := c.bind(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	return c.createDatabase(ctx)
}

// bind starts the server at a free port. Somebody else may take the port before
// the server does.
func (c *Server) bind() error {
	for try := 0; ; try++ {
		var err error
		if c.Port, err = FreePort(); err != nil {
			return err
		}
		if err = c.up(); err == nil {
			return nil
		}
		if try == 3 || !strings.Contains(c.LogTail(), "could not bind") {
			return err
		}
	}
}

func (c *Server) data() string { return filepath.Join(c.dir, "data") }
func (c *Server) log() string  { return filepath.Join(c.dir, "log") }

func (c *Server) initdb() error {
	pwfile := filepath.Join(c.dir, "password")
	if err := WriteFile(pwfile, c.Password+"\n", c.as); err != nil {
		return err
	}
	// MD5, as scram-sha-256 takes 100 ms a connection under the race detector.
	cmd := exec.CommandContext(context.Background(), filepath.Join(c.bin, "initdb"), "-D", c.data(), "-U", c.User, "--pwfile", pwfile,
		"-A", "md5", "-E", "UTF8", "--locale=C", "--no-sync")
	cmd.SysProcAttr = attributes(c.as, false)
	cmd.Dir = c.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pgserver: initdb: %w\n%s", err, out)
	}
	return nil
}

// configure appends to postgresql.conf; the last line of a setting counts.
func (c *Server) configure(cfg Config) error {
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
	if cfg.Replication {
		maps.Copy(settings, map[string]string{
			"full_page_writes":             "on", // pg_rewind needs both
			"wal_log_hints":                "on",
			"wal_keep_size":                "512MB", // in place of slots, which would have to be dropped
			"wal_sender_timeout":           "0",     // a receiver may be halted for long
			"hot_standby":                  "on",
			"max_wal_senders":              "10",
			"wal_receiver_status_interval": "1s",
			"wal_retrieve_retry_interval":  "200ms",
		})
	}
	maps.Copy(settings, cfg.Settings)
	return c.appendSettings(settings)
}

func (c *Server) appendSettings(settings map[string]string) error {
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
func (c *Server) up() error {
	argv := []string{filepath.Join(c.bin, "postgres"), "-D", c.data(), "-p", strconv.Itoa(c.Port)}
	deadline := time.Now().Add(Patience)
	for {
		var err error
		if c.proc, err = StartProcess(argv, c.dir, c.log(), c.as); err != nil {
			return err
		}
		if err = c.waitReady(deadline); err == nil {
			return nil
		}
		c.proc.Stop(Immediate)
		c.proc = nil
		// After a kill the old children hold the memory for a moment.
		if time.Now().After(deadline) || !strings.Contains(c.LogTail(), "still in use") {
			return fmt.Errorf("pgserver: the server does not start: %w\n%s", err, c.LogTail())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (c *Server) waitReady(deadline time.Time) error {
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, c.dsn(c.User, c.Password, c.admin))
		if err == nil {
			return conn.Close(ctx)
		}
		if c.proc.Ended() || ctx.Err() != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

var errStopped = errors.New("pgserver: the server is stopped, or is not ours")

// Stop stops the server and returns when it has. Its data stay.
func (c *Server) Stop(how syscall.Signal) error {
	if c.proc == nil {
		return errStopped
	}
	c.proc.Stop(how)
	c.proc, c.receiver = nil, 0
	return nil
}

// Restart starts the server again, at the same port, stopping it first where it
// runs.
func (c *Server) Restart(how syscall.Signal) error {
	if c.dir == "" {
		return errors.New("pgserver: the server is not ours")
	}
	if c.proc != nil {
		if err := c.Stop(how); err != nil {
			return err
		}
	}
	return c.up()
}

// Discard stops the server and removes everything.
func (c *Server) Discard() error {
	if c.dir == "" {
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		return c.exec(ctx, c.admin, "drop database if exists "+pgx.Identifier{c.Database}.Sanitize()+" with (force)")
	}
	if c.proc != nil {
		c.proc.Stop(Immediate)
		c.proc = nil
	}
	return os.RemoveAll(c.dir)
}

// Pid returns the number of the server's process, the parent of all others; 0
// where it is stopped, or not ours.
func (c *Server) Pid() int {
	if c.proc == nil {
		return 0
	}
	return c.proc.pid
}

// LogTail returns the end of the server's log; nothing for one that somebody
// else runs.
func (c *Server) LogTail() string {
	if c.dir == "" {
		return ""
	}
	return Tail(c.log(), 4096)
}

// FreePort returns a port that nobody listened on a moment ago.
func FreePort() (int, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}
