package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/pgserver"
)

// Bouncer starts a PgBouncer before a cluster, with transaction pooling, and
// returns its connection string for the superuser. It is stopped at the end of
// the test. Its few server connections go from client to client, so that what
// depends on a session fails.
func Bouncer(t testing.TB, c *Cluster) (dsn string) {
	t.Helper()
	program, err := findBouncer()
	require.NoError(t, err)
	as, err := pgserver.Unprivileged()
	require.NoError(t, err)
	dir, err := pgserver.PrivateDir("strata-bouncer-", as)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	log := filepath.Join(dir, "log")

	users := fmt.Sprintf("%s %s\n", quoted(c.User), quoted(c.Password))
	require.NoError(t, pgserver.WriteFile(filepath.Join(dir, "users.txt"), users, as))
	b := *c.Server
	b.Host = "127.0.0.1"
	b.Port, err = pgserver.FreePort()
	require.NoError(t, err)
	require.NoError(t, pgserver.WriteFile(filepath.Join(dir, "pgbouncer.ini"), fmt.Sprintf(`[databases]
* = host=%s port=%d

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = md5
auth_file = %s/users.txt
pool_mode = transaction
max_client_conn = 500
default_pool_size = 4
server_round_robin = 1
`, c.Host, c.Port, b.Port, dir), as))
	p, err := pgserver.StartProcess([]string{program, filepath.Join(dir, "pgbouncer.ini")}, dir, log, as)
	require.NoError(t, err)
	t.Cleanup(func() {
		p.Stop(Killed)
		if t.Failed() {
			t.Logf("the end of PgBouncer's log:\n%s", pgserver.Tail(log, 4096))
		}
	})
	for deadline := time.Now().Add(pgserver.Patience); ; time.Sleep(10 * time.Millisecond) {
		conn, err := pgx.Connect(t.Context(), b.DSN())
		if err == nil {
			require.NoError(t, conn.Close(t.Context()))
			return b.DSN()
		}
		if p.Ended() || time.Now().After(deadline) {
			require.NoError(t, err, "PgBouncer does not start: %s", pgserver.Tail(log, 4096))
		}
	}
}

func quoted(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func findBouncer() (string, error) {
	for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} { // sbin is not in everybody's PATH
		if found, err := exec.LookPath(name); err == nil {
			return found, nil
		}
	}
	return "", errors.New("pgtest: PgBouncer is not installed: there is no pgbouncer in PATH nor in /usr/sbin; on Debian: apt-get install pgbouncer")
}
