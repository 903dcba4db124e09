package pgstore

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// rollbackTimeout bounds how long a connection may take to say that it gave up.
const rollbackTimeout = 5 * time.Second

// readCommitted is how every transaction runs that writes: a statement behind a
// wait for a lock must see what the lock was waited for. A connection string may
// have another default.
var readCommitted = pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}

// bounded is readCommitted for transactions of writers, which others may have to
// wait for: it ends by itself where the program has vanished in its middle, and
// does not wait for ever for a table that somebody has locked. It is one
// statement to the server, and holds nothing beyond the transaction.
var bounded = pgx.TxOptions{BeginQuery: "begin isolation level read committed read write; set local lock_timeout = '30s'; set local idle_in_transaction_session_timeout = '1min'"}

// inTx runs f in a transaction. Whatever fails rolls back; a connection that
// cannot even do that is closed. A commit that did not wait for the synchronous
// standby fails with ErrUnreplicated.
func (s *Store) inTx(ctx context.Context, opts pgx.TxOptions, f func(tx pgx.Tx) error) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	tookNotice(conn.Conn().PgConn()) // of a transaction before
	tx, err := conn.BeginTx(ctx, opts)
	if err != nil {
		return beginError(err)
	}
	if err := f(tx); err != nil {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		if undoErr := tx.Rollback(undo); undoErr != nil && !errors.Is(undoErr, pgx.ErrTxClosed) {
			_ = tx.Conn().Close(undo) // the first error says more
		}
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	if tookNotice(conn.Conn().PgConn()) {
		return ErrUnreplicated
	}
	return nil
}

// beginError gives the refusal of a standby to begin what may write the code that
// each statement that writes would get: its own one means many things. A
// connection leads to a standby where something stands in between, such as
// PgBouncer, that has kept it while the server changed its role.
func beginError(err error) error {
	if server, ok := errors.AsType[*pgconn.PgError](err); ok && server.Code == stateUnsupported {
		server.Code = stateReadOnly
	}
	return err
}
