package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/strataxp/strata"
)

// Errors that callers may want to branch on. They arrive as an [Error], which
// says what was being done and what to do about it. Match them with [errors.Is];
// the driver's own error is found with [errors.As].
var (
	// ErrConnection means that the server cannot be reached, or does not let
	// us in: host, port, password, database, a standby, too many connections.
	ErrConnection = errors.New("pgstore: cannot connect")

	// ErrServerVersion means that the server is older than PostgreSQL 14.
	ErrServerVersion = errors.New("pgstore: the server is too old")

	// ErrPrivilege means that the role may not do what was asked.
	ErrPrivilege = errors.New("pgstore: a privilege is missing")

	// ErrReadOnly means that the store was opened with [Config.ReadOnly], and
	// was asked to write.
	ErrReadOnly = errors.New("pgstore: the store was opened to read only; open one without Config.ReadOnly to write")

	// ErrSchemaVersion means that the schema is missing, or that it is older or
	// newer than this program.
	ErrSchemaVersion = errors.New("pgstore: the schema does not fit this program")
)

// Error is a failure of the database. It matches the sentinel that it belongs
// to, if there is one, and whatever the driver's error matches.
type Error struct {
	Doing string // what was being done, for example "publish a plan"
	Cure  string // what to do about it; empty where we do not know
	Kind  error  // one of this package's sentinels, or nil
	Err   error  // what the driver says; it never holds a password
}

func (e *Error) Error() string {
	text := fmt.Sprintf("pgstore: cannot %s: %v", e.Doing, e.Err)
	if e.Cure != "" {
		text += "; " + e.Cure
	}
	return text
}

// Unwrap returns the sentinel and the driver's error, and [strata.ErrPermanent]
// where trying again alone will not help.
func (e *Error) Unwrap() []error {
	all := []error{e.Err}
	if e.Kind != nil {
		all = append(all, e.Kind)
	}
	if permanent(e.Err) {
		all = append(all, strata.ErrPermanent)
	}
	return all
}

// permanent reports whether somebody must act before a call can succeed: the
// password, a privilege, the database, the schema. Everything else is taken to
// pass by itself.
func permanent(err error) bool {
	if errors.Is(err, ErrSchemaChanged) {
		return true
	}
	switch state := sqlState(err); {
	case state == "3D000", state == "3F000": // no such database, no such schema
		return true
	case strings.HasPrefix(state, "28"): // who we are
		return true
	case strings.HasPrefix(state, "42"): // what is there, and what we may
		return cures[state].cure != cureExec
	}
	return false
}

// Where the cure is the same for several codes.
const (
	cureBusy    = "raise max_connections, lower pool_max_conns in the connection string, or put a PgBouncer in between"
	cureMigrate = "run pgstore.Migrate, or open the store once without NoMigrate as a role that may create tables; and check that Config.Schema is the one that was migrated"
	cureExec    = "behind PgBouncer add default_query_exec_mode=exec to the connection string"
	cureRole    = "check user and password in the connection string, and the server's pg_hba.conf"
)

// cures says what an error of the server means, by its SQLSTATE.
var cures = map[string]struct {
	kind error
	cure string
}{
	"28P01": {ErrConnection, cureRole},
	"28000": {ErrConnection, cureRole},
	"3D000": {ErrConnection, "create the database, or correct its name in the connection string"},
	"53300": {ErrConnection, cureBusy},
	"57P03": {ErrConnection, "the server is starting or stopping; try again"},
	"25006": {ErrConnection, "the server is a standby or read-only; list all hosts in the connection string"},
	"42501": {ErrPrivilege, "let the schema's owner run the statements of pgstore.RolesSQL for this role; to migrate, connect as a role that may create the schema and owns its tables"},
	"3F000": {ErrSchemaVersion, cureMigrate},
	"42P01": {ErrSchemaVersion, cureMigrate},
	"42703": {ErrSchemaVersion, cureMigrate},
	"42P05": {nil, cureExec},
	"26000": {nil, cureExec},
}

// failure makes an error of this package out of the driver's. An error of a call
// whose context is done matches the context's. It returns nil for nil, and
// leaves alone what is an [Error] already. Where the error says that the server
// is gone, connections that are our own are given up.
func (s *Store) failure(ctx context.Context, doing string, err error) error {
	err = failure(ctx, doing, err)
	if err != nil && s.owned && s.pool != nil {
		s.reset.after(err, s.pool, s.cfg.Clock)
	}
	return err
}

func failure(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	if ctxErr := ctx.Err(); ctxErr != nil && !errors.Is(err, ctxErr) {
		err = fmt.Errorf("%w: %w", ctxErr, err)
	}
	if _, known := errors.AsType[*Error](err); known {
		return err
	}
	e := &Error{Doing: doing, Err: err}
	if server, ok := errors.AsType[*pgconn.PgError](err); ok {
		e.Kind, e.Cure = cures[server.Code].kind, cures[server.Code].cure
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok && e.Kind == nil {
		e.Kind = ErrConnection
		switch {
		case errors.Is(err, pgconn.ErrReadOnlyConnection):
			e.Cure = "no host in the connection string takes writes: a failover may be under way; try again, and check that all hosts are listed"
		case e.Cure == "":
			e.Cure = "check host and port in the connection string, and that the server runs and lets this machine in"
		}
	}
	return e
}
