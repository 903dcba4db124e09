package pgstore

import (
	"net"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// How soon a server is taken for gone that does not answer any more: one that
// lost its power, or whose address went to another machine, never says so, and
// the system's own patience is a quarter of an hour.
const (
	connectTimeout    = 5 * time.Second // where the connection string has none
	userTimeout       = 15 * time.Second
	keepAliveIdle     = 10 * time.Second
	keepAliveInterval = 5 * time.Second
	keepAliveCount    = 3
)

// impatient makes connections notice soon that the other end is gone.
func impatient(cfg *pgconn.Config, dsn string) {
	if !says(dsn, "connect_timeout", "PGCONNECT_TIMEOUT") {
		cfg.ConnectTimeout = connectTimeout
	}
	dialer := &net.Dialer{
		Timeout:         cfg.ConnectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount},
		Control:         setUserTimeout,
	}
	cfg.DialFunc = dialer.DialContext
}

// says reports whether a connection string, or the environment, has a setting.
func says(dsn, setting, variable string) bool {
	return strings.Contains(dsn, setting) || os.Getenv(variable) != ""
}

// forWriting makes a connection string that lists several hosts, and does not
// say which of them it means, mean the one that takes writes.
func forWriting(cfg *pgxpool.Config, dsn string) {
	if len(hosts(cfg)) > 1 && !says(dsn, "target_session_attrs", "PGTARGETSESSIONATTRS") {
		cfg.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
}

// hosts lists the servers of a connection string. With sslmode=prefer a server
// is in it twice.
func hosts(cfg *pgxpool.Config) []string {
	list := []string{hostPort(cfg.ConnConfig.Host, cfg.ConnConfig.Port)}
	for _, f := range cfg.ConnConfig.Fallbacks {
		if name := hostPort(f.Host, f.Port); name != list[len(list)-1] {
			list = append(list, name)
		}
	}
	return list
}
