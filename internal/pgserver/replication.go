package pgserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// pollPause is how long the servers are left alone between two questions.
const pollPause = 5 * time.Millisecond

// StartStandby copies a running server, which was started with
// [Config.Replication], and starts the copy as its standby: it follows, and may
// be read. It has the settings of its primary but for those of cfg, and the same
// users. [Server.Discard] removes it. It takes about two seconds.
func (c *Server) StartStandby(cfg Config) (*Server, error) {
	if c.proc == nil {
		return nil, errors.New("pgserver: a standby needs a running server of ours")
	}
	dir, err := PrivateDir("strata-pg-", c.as)
	if err != nil {
		return nil, err
	}
	b := &Server{Host: c.Host, User: c.User, Password: c.Password, Database: c.Database, admin: c.admin, dir: dir, bin: c.bin, as: c.as}
	if err := b.copyOf(c); err != nil {
		return nil, errors.Join(err, b.Discard())
	}
	if err := b.appendSettings(cfg.Settings); err != nil {
		return nil, errors.Join(err, b.Discard())
	}
	if err := b.bind(); err != nil {
		return nil, errors.Join(err, b.Discard())
	}
	return b, nil
}

// copyOf makes the data of a standby.
func (c *Server) copyOf(primary *Server) error {
	if err := os.RemoveAll(c.data()); err != nil {
		return err
	}
	return c.run("pg_basebackup", "--pgdata", c.data(), "--dbname", primary.conninfo(), "--checkpoint", "fast",
		"--wal-method", "stream", "--write-recovery-conf", "--no-sync")
}

// conninfo is a connection string for the programs of PostgreSQL.
func (c *Server) conninfo() string {
	return fmt.Sprintf("host=%s port=%d user=%s password=%s dbname=%s sslmode=disable", c.Host, c.Port, c.User, c.Password, c.admin)
}

// run runs a program of PostgreSQL.
func (c *Server) run(program string, args ...string) error {
	cmd := exec.CommandContext(context.Background(), filepath.Join(c.bin, program), args...)
	cmd.SysProcAttr = attributes(c.as, false)
	cmd.Dir = c.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pgserver: %s: %w\n%s", program, err, out)
	}
	return nil
}

// Promote makes a standby a primary, and returns when it takes writes. What its
// receiver had not received when it was halted it never gets.
func (c *Server) Promote(ctx context.Context) error {
	receiver := c.receiver
	c.receiver = 0
	if err := c.Exec(ctx, "select pg_promote(false)"); err != nil {
		return err
	}
	if receiver != 0 { // it is to end before it reads on
		if err := errors.Join(kill(receiver, syscall.SIGTERM), kill(receiver, sigCont)); err != nil {
			return fmt.Errorf("pgserver: the halted receiver: %w", err)
		}
	}
	return c.until(ctx, "select not pg_is_in_recovery()")
}

// Rejoin makes a former primary, or a standby of it, a standby of the server that
// has taken over. It is stopped first where it runs. What it has that the new
// primary does not know is undone; where that is impossible it is copied anew.
func (c *Server) Rejoin(ctx context.Context, primary *Server) error {
	if c.proc != nil {
		if err := c.Stop(Fast); err != nil {
			return err
		}
	}
	// The new timeline is in the control file, where it is looked for, only
	// behind a checkpoint.
	if err := primary.Exec(ctx, "checkpoint"); err != nil {
		return err
	}
	err := c.run("pg_rewind", "--target-pgdata", c.data(), "--source-server", primary.conninfo(), "--write-recovery-conf", "--no-sync")
	if err != nil {
		if copyErr := c.copyOf(primary); copyErr != nil {
			return errors.Join(err, copyErr)
		}
	}
	return c.up()
}

// LSN returns how much of a primary's log is on its disk.
func (c *Server) LSN(ctx context.Context) (lsn string, err error) {
	conn, err := pgx.Connect(ctx, c.DSN())
	if err != nil {
		return "", err
	}
	err = conn.QueryRow(ctx, "select pg_current_wal_flush_lsn()::text").Scan(&lsn)
	return lsn, errors.Join(err, conn.Close(ctx))
}

// WaitReplayed waits until a standby shows what is in the log up to lsn.
func (c *Server) WaitReplayed(ctx context.Context, lsn string) error {
	return c.until(ctx, "select pg_last_wal_replay_lsn() >= '"+lsn+"'")
}

// CaughtUp waits until a standby shows all that its primary has now.
func (c *Server) CaughtUp(ctx context.Context, primary *Server) error {
	lsn, err := primary.LSN(ctx)
	if err != nil {
		return err
	}
	return c.WaitReplayed(ctx, lsn)
}

// until asks again and again, until the answer is true.
func (c *Server) until(ctx context.Context, question string) error {
	conn, err := pgx.Connect(ctx, c.DSN())
	if err != nil {
		return err
	}
	defer func() {
		//lint:ignore errcheck nothing was promised through it
		_ = conn.Close(context.WithoutCancel(ctx))
	}()
	for {
		var yes bool
		if err := conn.QueryRow(ctx, question).Scan(&yes); err != nil || yes {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("pgserver: waiting for %q: %w", question, ctx.Err())
		case <-time.After(pollPause):
		}
	}
}

// PauseReceiver halts the process of a standby that receives the primary's log:
// from then on the standby stays behind, and is read as before.
func (c *Server) PauseReceiver(ctx context.Context) error {
	const streaming = "from pg_stat_wal_receiver where status = 'streaming'"
	if err := c.until(ctx, "select exists (select "+streaming+")"); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, c.DSN())
	if err != nil {
		return err
	}
	var pid int
	err = conn.QueryRow(ctx, "select pid "+streaming).Scan(&pid)
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return err
	}
	c.receiver = pid
	return halt(ctx, pid)
}

// halt halts a receiver while it waits. One that was reading would read all that
// has come meanwhile before it noticed that it is to end.
func halt(ctx context.Context, pid int) error {
	for {
		if err := kill(pid, sigStop); err != nil {
			return err
		}
		for !stopped(pid) && ctx.Err() == nil {
			time.Sleep(100 * time.Microsecond)
		}
		if waits(pid) || ctx.Err() != nil {
			return ctx.Err()
		}
		if err := kill(pid, sigCont); err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// ResumeReceiver lets the standby receive again.
func (c *Server) ResumeReceiver() error {
	if c.receiver == 0 {
		return errors.New("pgserver: the receiver is not halted")
	}
	pid := c.receiver
	c.receiver = 0
	return kill(pid, sigCont)
}

// Pause halts all processes of the server, as a machine that hangs: connections
// are accepted by the system, and nobody answers.
func (c *Server) Pause() error {
	if c.proc == nil {
		return errStopped
	}
	return c.proc.Pause()
}

// Resume lets the server go on behind [Server.Pause], and its receiver too.
func (c *Server) Resume() error {
	if c.proc == nil {
		return errStopped
	}
	c.receiver = 0
	c.proc.Resume()
	return nil
}

// MultiDSN returns a connection string for the superuser that lists several
// servers, which must have the same users. attrs are further parameters, such as
// "target_session_attrs=any"; empty means none.
func MultiDSN(attrs string, servers ...*Server) string {
	hosts := make([]string, 0, len(servers))
	for _, s := range servers {
		hosts = append(hosts, net.JoinHostPort(s.Host, strconv.Itoa(s.Port)))
	}
	first := servers[0]
	u := url.URL{Scheme: "postgres", User: url.UserPassword(first.User, first.Password), Host: strings.Join(hosts, ","), Path: "/" + first.Database, RawQuery: "sslmode=disable"}
	if attrs != "" {
		u.RawQuery += "&" + attrs
	}
	return u.String()
}
