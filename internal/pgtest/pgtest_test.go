package pgtest_test

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/pgtest"
)

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return conn
}

func show(t *testing.T, conn *pgx.Conn, sql string, args ...any) (value string) {
	t.Helper()
	require.NoError(t, conn.QueryRow(t.Context(), sql, args...).Scan(&value))
	return value
}

func TestSchemaIsFreshAndNamesMustBeQualified(t *testing.T) {
	dsn, schema := pgtest.Schema(t)
	_, other := pgtest.Schema(t)
	require.NotEqual(t, schema, other)
	conn := connect(t, dsn)
	require.Equal(t, "0", show(t, conn, "select count(*)::text from pg_namespace where nspname = $1", schema))
	quoted := pgx.Identifier{schema}.Sanitize()
	_, err := conn.Exec(t.Context(), "create schema "+quoted)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "create table "+quoted+".a (n int)")
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "create table b (n int)")
	require.ErrorContains(t, err, "no schema has been selected")
}

func TestSchemaIsDroppedBehindTheTest(t *testing.T) {
	var dsn, schema string
	t.Run("user", func(t *testing.T) {
		dsn, schema = pgtest.Schema(t)
		require.NoError(t, pgtest.Shared(t).Exec(t.Context(), "create schema "+pgx.Identifier{schema}.Sanitize()))
	})
	require.Equal(t, "0", show(t, connect(t, dsn), "select count(*)::text from pg_namespace where nspname = $1", schema))
}

func TestServerIsSetUpForTests(t *testing.T) {
	if os.Getenv("STRATA_POSTGRES") != "" {
		t.Skip("the settings of a server that somebody else runs are theirs")
	}
	conn := connect(t, pgtest.Shared(t).DSN())
	for name, want := range map[string]string{"fsync": "off", "jit": "off", "autovacuum": "on", "max_connections": "200", "shared_buffers": "128MB", "server_encoding": "UTF8"} {
		require.Equal(t, want, show(t, conn, "show "+name), name)
	}
}

func TestClusterKeepsItsDataThroughRestarts(t *testing.T) {
	t.Parallel()
	c := pgtest.Start(t, pgtest.Config{Fsync: true, Settings: map[string]string{"work_mem": "5MB"}})
	require.Equal(t, "on", show(t, connect(t, c.DSN()), "show fsync"))
	require.Equal(t, "5MB", show(t, connect(t, c.DSN()), "show work_mem"))
	require.NoError(t, c.Exec(t.Context(), "create schema s; create table s.a (n int)"))
	for _, how := range []syscall.Signal{pgtest.Fast, pgtest.Immediate, pgtest.Killed} {
		require.NoError(t, c.Exec(t.Context(), "insert into s.a values (1)"))
		c.Stop(t, how)
		_, err := pgx.Connect(t.Context(), c.DSN())
		require.Error(t, err, "the server answers behind %v", how)
		c.Restart(t, how)
	}
	require.Equal(t, "3", show(t, connect(t, c.DSN()), "select count(*)::text from s.a"))
}

func TestBouncerPoolsTransactions(t *testing.T) {
	t.Parallel()
	c := pgtest.Shared(t)
	dsn := pgtest.Bouncer(t, c) + "&default_query_exec_mode=exec"
	conn := connect(t, dsn)
	seen := map[string]bool{}
	for range 2 {
		var held []pgx.Tx
		for range 3 {
			tx, err := connect(t, dsn).Begin(t.Context())
			require.NoError(t, err)
			var pid string
			require.NoError(t, tx.QueryRow(t.Context(), "select pg_backend_pid()::text").Scan(&pid))
			seen[pid] = true
			held = append(held, tx)
		}
		for _, tx := range held {
			require.NoError(t, tx.Rollback(t.Context()))
		}
	}
	require.LessOrEqual(t, len(seen), 4, "six clients had this many servers")
	require.Equal(t, `""`, show(t, conn, "show search_path"), "names must be qualified here too")
}

// The victim is this test binary, started once more and killed.
func TestClusterDiesWithTheTestBinary(t *testing.T) {
	if os.Getenv("PGTEST_VICTIM") != "" {
		c := pgtest.Start(t, pgtest.Config{})
		conn := connect(t, c.DSN())
		_, err := os.Stdout.WriteString("data " + show(t, conn, "show data_directory") + "\n")
		require.NoError(t, err)
		select {} // until it is killed
	}
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestClusterDiesWithTheTestBinary$", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), "PGTEST_VICTIM=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	data := ""
	for lines := bufio.NewScanner(out); data == "" && lines.Scan(); {
		_, data, _ = strings.Cut(lines.Text(), "data ")
	}
	require.NotEmpty(t, data)
	require.DirExists(t, data)
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.Eventually(t, func() bool {
		_, err := os.Stat(data)
		return os.IsNotExist(err)
	}, time.Minute, 20*time.Millisecond, "the folder is left behind, and the server with it")
}
