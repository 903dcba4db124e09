package pgtest_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/pgserver"
	"github.com/strataxp/strata/internal/pgtest"
)

func requireRows(t *testing.T, c *pgtest.Cluster, want int, why string) {
	t.Helper()
	require.Equal(t, fmt.Sprint(want), show(t, connect(t, c.DSN()), "select count(*)::text from s.a"), why)
}

// A standby that is behind takes over, without what it did not receive; the old
// primary comes back as its standby, without what only it had; and the other way
// round.
func TestServersTakeOver(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	a := pgtest.Start(t, pgtest.Config{Replication: true, Settings: map[string]string{"work_mem": "5MB"}})
	require.NoError(t, a.Exec(ctx, "create schema s; create table s.a (n int)"))
	b := a.StartStandby(t, pgtest.Config{Settings: map[string]string{"work_mem": "6MB"}})
	require.Equal(t, "5MB 6MB", show(t, connect(t, a.DSN()), "show work_mem")+" "+show(t, connect(t, b.DSN()), "show work_mem"))

	require.NoError(t, a.Exec(ctx, "insert into s.a values (1)"))
	require.NoError(t, b.CaughtUp(ctx, a.Server))
	requireRows(t, b, 1, "the standby follows")
	require.NoError(t, b.PauseReceiver(ctx))
	require.NoError(t, a.Exec(ctx, "insert into s.a values (2)"))
	require.NoError(t, b.ResumeReceiver())
	require.NoError(t, b.CaughtUp(ctx, a.Server))
	require.Error(t, b.ResumeReceiver(), "it is not halted")

	require.NoError(t, b.PauseReceiver(ctx))
	require.NoError(t, a.Exec(ctx, "insert into s.a values (3), (4)"))
	dead, dataOfA := processesOf(a), show(t, connect(t, a.DSN()), "show data_directory")
	require.Greater(t, len(dead), 3)
	a.Stop(t, pgtest.Killed)
	for _, pid := range dead {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		require.True(t, err != nil || strings.Contains(string(stat), ") Z "), "a process of the dead server lives: %s", stat)
	}
	require.NoError(t, b.Promote(ctx))
	requireRows(t, b, 2, "it takes over with what it had")
	require.NoError(t, b.Exec(ctx, "insert into s.a values (5)"))

	folder := newFolder(t, dataOfA)
	require.NoError(t, a.Rejoin(ctx, b.Server))
	require.False(t, folder.replaced(t), "it was copied, though it could have been rewound")
	require.NoError(t, a.CaughtUp(ctx, b.Server))
	requireRows(t, a, 3, "what only the old primary had is undone")
	require.ErrorContains(t, a.Exec(ctx, "insert into s.a values (6)"), "25006")

	require.NoError(t, a.Promote(ctx))
	require.NoError(t, a.Exec(ctx, "insert into s.a values (7)"))
	folder = newFolder(t, show(t, connect(t, b.DSN()), "show data_directory"))
	require.NoError(t, os.RemoveAll(folder.Name()+"/pg_xact"))
	require.NoError(t, b.Rejoin(ctx, a.Server))
	require.True(t, folder.replaced(t), "it was rewound, though it could not be")
	require.NoError(t, b.CaughtUp(ctx, a.Server))
	requireRows(t, b, 4, "")

	dsn := pgserver.MultiDSN("target_session_attrs=read-write", b.Server, a.Server)
	require.Equal(t, fmt.Sprint(a.Port), show(t, connect(t, dsn), "select inet_server_port()::text"))
	require.Equal(t, fmt.Sprint(b.Port), show(t, connect(t, pgserver.MultiDSN("", b.Server, a.Server)), "select inet_server_port()::text"))
}

// folder is held open, so that another one under its name is told from it.
type folder struct{ *os.File }

func newFolder(t *testing.T, name string) folder {
	f, err := os.Open(name)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return folder{f}
}

func (f folder) replaced(t *testing.T) bool {
	before, err := f.Stat()
	require.NoError(t, err)
	now, err := os.Stat(f.Name())
	require.NoError(t, err)
	return !os.SameFile(before, now)
}

// processesOf lists the server's processes.
func processesOf(c *pgtest.Cluster) (pids []string) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err == nil && strings.Contains(string(stat), fmt.Sprintf(") S %d ", c.Pid())) {
			pids = append(pids, e.Name())
		}
	}
	return append(pids, fmt.Sprint(c.Pid()))
}

// A server that hangs takes connections and says nothing; it goes on as if
// nothing had been, and can be stopped while it hangs.
func TestServersHang(t *testing.T) {
	t.Parallel()
	c := pgtest.Start(t, pgtest.Config{})
	conn := connect(t, c.DSN())
	for range 2 {
		require.NoError(t, c.Pause())
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, err := pgx.Connect(ctx, c.DSN())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		cancel()
		require.NoError(t, c.Resume())
		require.Equal(t, "1", show(t, conn, "select '1'"))
	}
	require.NoError(t, c.Pause())
	c.Restart(t, pgtest.Fast)
	require.NoError(t, c.Pause())
	c.Stop(t, pgtest.Killed)
	require.Error(t, c.Pause())
	require.Error(t, c.Resume())
}
