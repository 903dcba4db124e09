package pgstore

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"
)

// copyEvents copies rows into the event table, of which it makes sure that it is
// the one that the rows were made for.
func (s *Store) copyEvents(ctx context.Context, tx pgx.Tx, rows *copyRows) error {
	if err := s.checkEventTable(ctx, tx); err != nil {
		return err
	}
	return s.copyRange(ctx, tx, rows, 0, len(rows.starts))
}

// checkEventTable describes the event table within the transaction, whose lock
// keeps it as it is until the end, and compares it with what rows are made for.
func (s *Store) checkEventTable(ctx context.Context, tx pgx.Tx) error {
	described, err := tx.Conn().PgConn().Prepare(ctx, "", s.sql(`select `+eventColumnNames()+` from {schema}.event`), nil)
	if err != nil {
		return changed(err)
	}
	for i, c := range eventColumns {
		if got := described.Fields[i].DataTypeOID; got != c.oid {
			return fmt.Errorf("%w: column %s has type %d, this program writes type %d; nothing was written", ErrSchemaChanged, c.name, got, c.oid)
		}
	}
	return nil
}

// copyRange copies some of the rows.
func (s *Store) copyRange(ctx context.Context, tx pgx.Tx, rows *copyRows, from, to int) error {
	source := &copySource{rows: io.MultiReader(strings.NewReader(copySignature), bytes.NewReader(rows.between(from, to)), strings.NewReader(copyEnd))}
	defer source.close()
	_, err := tx.Conn().PgConn().CopyFrom(ctx, source, s.sql(`copy {schema}.event (`+eventColumnNames()+`) from stdin (format binary)`))
	return changed(err)
}

// changed marks errors that come from a table of another form.
func changed(err error) error {
	if sqlState(err) != "" && driftError(err) {
		return fmt.Errorf("%w: %w", ErrSchemaChanged, err)
	}
	return err
}

// storing runs a transaction that copies events, and where that fails for a
// reason that has a remedy, once more: a day without a partition gets one, and a
// row that the server refuses is looked for.
func (s *Store) storing(ctx context.Context, store func(sift bool) error) error {
	err := store(false)
	if lacksPartition(err) {
		if err := s.makePartitions(ctx); err != nil {
			return err
		}
		err = store(false)
	}
	if suspectRow(err) {
		err = store(true)
	}
	return err
}

// sieve copies rows of which the server refuses some: halves of them, each
// behind a savepoint, until those that are refused stand alone. The transaction
// goes on with the others; where too many are refused, it must not.
type sieve struct {
	store   *Store
	tx      pgx.Tx
	rows    *copyRows
	limit   int // how many may be refused
	refused []refusedRow
}

type refusedRow struct {
	idx int64
	err error
}

// rejectable is how many of n records may be put aside: where more are refused,
// the fault is not theirs.
func rejectable(n int) int { return max(3, n/maxRejected) }

// siftEvents is copyEvents without the rows that the server refuses, which it
// returns.
func (s *Store) siftEvents(ctx context.Context, tx pgx.Tx, rows *copyRows) ([]refusedRow, error) {
	if err := s.checkEventTable(ctx, tx); err != nil {
		return nil, err
	}
	v := &sieve{store: s, tx: tx, rows: rows, limit: rejectable(len(rows.starts))}
	err := v.copy(ctx, 0, len(rows.starts))
	return v.refused, err
}

func (v *sieve) copy(ctx context.Context, from, to int) error {
	err := v.attempt(ctx, from, to)
	if !suspectRow(err) {
		return err
	}
	if to-from == 1 {
		v.refused = append(v.refused, refusedRow{v.rows.idx(from), err})
		if len(v.refused) > v.limit {
			return fmt.Errorf("%w: more than %d of %d records are refused, the last because: %w", ErrSchemaChanged, v.limit, len(v.rows.starts), err)
		}
		return nil
	}
	middle := (from + to) / 2
	if err := v.copy(ctx, from, middle); err != nil {
		return err
	}
	return v.copy(ctx, middle, to)
}

func (v *sieve) attempt(ctx context.Context, from, to int) error {
	savepoint, err := v.tx.Begin(ctx)
	if err != nil {
		return err
	}
	if err := v.store.copyRange(ctx, savepoint, v.rows, from, to); err != nil {
		if undoErr := savepoint.Rollback(ctx); undoErr != nil {
			return undoErr // the connection is lost, which no row is to blame for
		}
		return err
	}
	return savepoint.Commit(ctx)
}
