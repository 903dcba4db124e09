package pgstore

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// partitionsAhead is for how many days partitions are made ahead.
const partitionsAhead = 3

// makePartitions makes the partitions of the days ahead.
func (s *Store) makePartitions(ctx context.Context) error {
	_, err := s.pool.Exec(ctx, s.sql(`select {schema}.make_partitions($1::integer)`), int32(partitionsAhead))
	return err
}

// dropLockTimeout bounds how long writers wait for a drop that waits for readers.
const dropLockTimeout = "5s"

// DropPartitions drops the raw events of whole days (in UTC, by when they were
// received) before an instant, and returns the names of the tables that are gone,
// oldest first. Results, exposures and units stay as they are: they are kept
// apart. It stops at the first day of which something is not rolled up yet, so
// call [Store.RollUp] before; none is no error.
//
// What is gone is what only raw events can tell: an experiment that is the first
// to divert by a kind of unit does not see what those units did then.
//
// It takes milliseconds for a day, during which nobody writes or rolls up. Where
// a reader keeps it waiting for more than five seconds it gives up, with SQLSTATE
// 55P03; try again. Only the owner of the schema may drop, see [RolesSQL].
func (s *Store) DropPartitions(ctx context.Context, before time.Time) ([]string, error) {
	if s.cfg.ReadOnly {
		return nil, ErrReadOnly
	}
	const doing = "drop partitions"
	var dropped []string
	err := s.inTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select set_config('lock_timeout', $1::text, true)`, dropLockTimeout); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, s.sql(`select {schema}.drop_partitions($1::text::date)`), before.UTC().Format(time.DateOnly))
		if err != nil {
			return err
		}
		dropped, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return nil, s.failure(ctx, doing, err)
	}
	return dropped, nil
}
