package pgstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/strataxp/strata"
)

// TrackTx records events of a unit in a transaction of the application's own:
// they count if it commits, and never were if it does not. Use it for the order
// that must agree with the experiment to the cent, and [strata.Engine.Track] for
// the rest, which costs the request nothing.
//
// tx is a [pgx.Tx], or a [sql.Tx] of whichever driver (or what embeds one), on
// the database that the store is in. All events travel in one statement. It
// takes no lock that another transaction waits for. Some moments after the commit,
// and before the next results, a rollup takes the events in; a transaction that
// stays open holds up neither it nor other writers.
//
// Events are checked as by Track, with a Time of now where they have none; errors
// match [strata.ErrInvalidEvent] then, and nothing was sent. Exposures are
// refused. An error of the server leaves the transaction as failed as any other
// statement's would. The role needs the rights of [RolesSQL]'s app on the
// schema. What a forced assignment does is not known here: leave it out.
func (s *Store) TrackTx(ctx context.Context, tx any, unit strata.Unit, events ...strata.Event) error {
	if s.cfg.ReadOnly {
		return ErrReadOnly
	}
	exec, err := execOf(tx)
	if err != nil || len(events) == 0 {
		return err
	}
	now := s.cfg.Clock.Now()
	records := make([]*outboxRecord, len(events))
	for i, event := range events {
		r, err := newOutboxRecord(&unit, event, now)
		if err != nil {
			return err
		}
		record, err := r.record()
		if err != nil {
			return err
		}
		if err := strata.CheckRecord(&record, now); err != nil {
			return err
		}
		r.Unit = newOutboxUnit(s.pseudonymous(&unit)) // not before: it would hide what is wrong with an id
		records[i] = r
	}
	document, err := json.Marshal(records)
	if err != nil {
		return fmt.Errorf("%w: %w", strata.ErrInvalidEvent, err)
	}
	return s.failure(ctx, "track in a transaction", exec(ctx, s.sql(insertOutbox), string(document)))
}

const insertOutbox = `
insert into {schema}.outbox (record) select r.value from json_array_elements($1::text::json) with ordinality r (value, n) order by r.n`

// sqlTx is what [sql.Tx] and its wrappers have, and [sql.DB] has not: there, the
// events would not be part of the transaction.
type sqlTx interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	Commit() error
}

// execOf returns how a statement is run in a transaction.
func execOf(tx any) (func(ctx context.Context, sql string, args ...any) error, error) {
	switch tx := tx.(type) {
	case pgx.Tx:
		return func(ctx context.Context, sql string, args ...any) error {
			_, err := tx.Exec(ctx, sql, args...)
			return err
		}, nil
	case sqlTx:
		return func(ctx context.Context, sql string, args ...any) error {
			_, err := tx.ExecContext(ctx, sql, args...)
			return err
		}, nil
	}
	return nil, &ConfigError{Field: "tx", Value: fmt.Sprintf("%T", tx), Cure: "is not a transaction; pass a pgx.Tx or a *sql.Tx"}
}
