package pgstore

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Codes of errors that are handled by themselves.
const (
	stateProtocol         = "08P01" // also: a value shorter than its column
	stateBinaryLength     = "22P03"
	stateColumnCount      = "22P04"
	stateCheck            = "23514" // also: no partition for a row
	stateNotNull          = "23502" // a column that this code does not know
	stateUnique           = "23505"
	stateLimit            = "54000"
	stateReadOnly         = "25006"
	stateUnsupported      = "0A000" // also: to begin a transaction that may write, on a standby
	stateUndefinedTable   = "42P01"
	stateUndefinedColumn  = "42703"
	stateTypeMismatch     = "42804"
	stateInternal         = "XX000" // also: a version of jsonb that the server does not know
	stateSerialization    = "40001"
	stateDeadlock         = "40P01"
	stateLockNotAvailable = "55P03"
	stateUndefinedSchema  = "3F000"
	stateCannotConnectNow = "57P03" // behind 57P01, the administrator's shutdown, and 57P02, a crash
)

// sqlState returns the code of the server's error, or "".
func sqlState(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

// suspectRow reports whether an error may be due to one row of a batch, rather
// than to the table or the server.
func suspectRow(err error) bool {
	switch state := sqlState(err); state {
	case stateBinaryLength, stateColumnCount, stateNotNull:
		return false
	case stateCheck:
		return !lacksPartition(err)
	case stateLimit:
		return true
	default:
		return strings.HasPrefix(state, "22") || strings.HasPrefix(state, "23")
	}
}

// lacksPartition reports whether there is no partition for the events of now,
// and no default one. A check that a row does not pass has the same code, and a
// name.
func lacksPartition(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == stateCheck && pg.ConstraintName == ""
}

// driftError reports whether an error means that the table is not the one that
// this code writes to.
func driftError(err error) bool {
	switch sqlState(err) {
	case stateProtocol, stateBinaryLength, stateColumnCount, stateNotNull, stateUndefinedTable, stateUndefinedColumn, stateTypeMismatch, stateInternal:
		return true
	}
	return errors.Is(err, ErrSchemaChanged)
}

// worthRetrying reports whether a transaction of the store's own failed only
// because others were under way.
func worthRetrying(err error) bool {
	switch sqlState(err) {
	case stateSerialization, stateDeadlock, stateUnique:
		return true
	}
	return errors.Is(err, errRaced)
}
