package pgstore

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrUnreplicated means that the server has committed, and was kept from waiting
// for its synchronous standby: a failover may take what was written with it. The
// outcome is open, as if the answer had been lost; a writer asks for its cursor,
// which waits for the standby.
var ErrUnreplicated = errors.New("pgstore: committed, but the synchronous standby has not confirmed it")

// unreplicated marks a connection whose COMMIT was not replicated.
const unreplicated = "strata: unreplicated"

// OnNotice notices that a COMMIT did not wait for its synchronous standby, as
// somebody cancelled the wait: PostgreSQL reports success then, with a warning.
// Connections that [Open] makes have it. Give it to a pool of your own before
// [New] ([pgconn.Config.OnNotice]), or call it from your own handler: without it
// such a batch counts as stored on the standby.
func OnNotice(conn *pgconn.PgConn, notice *pgconn.Notice) {
	if notice.Routine == "SyncRepWaitForLSN" || strings.Contains(notice.Detail+notice.Message, "not have been replicated to the standby") {
		conn.CustomData()[unreplicated] = true
	}
}

// tookNotice reports whether a connection has the mark, and removes it.
func tookNotice(conn *pgconn.PgConn) bool {
	marked := conn.CustomData()[unreplicated] != nil
	delete(conn.CustomData(), unreplicated)
	return marked
}
