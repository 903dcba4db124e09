package pgstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/makeway"
)

// ErrSchemaChanged means that the event table is not the one that this version
// of the program writes to: a column is missing or has another type. Nothing was
// written. Put the column back, or upgrade the program; the writer keeps its
// events and tries again.
var ErrSchemaChanged = errors.New("pgstore: the event table has changed")

// maxRejected is which part of a batch may be rejected: where more is, the
// fault is not the records'.
const maxRejected = 100 // one in …

// Ingest implements [strata.EventStore]. A batch is one transaction: the
// stream's cursor, the events by COPY, and a ticket for the rollup. It takes no
// lock that another stream's batch waits for. Records that Postgres can never
// keep (text that is not UTF-8, or what a constraint that somebody added refuses)
// are put into dead_letter, once each; if they are more than one in 100, and more
// than three, the batch is refused with ErrSchemaChanged instead. A stream that
// somebody has fenced off ([Store.Fence]) is refused with [strata.ErrFenced].
func (s *Store) Ingest(ctx context.Context, batch strata.Batch) error {
	if s.cfg.ReadOnly {
		return ErrReadOnly
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(batch.Records) == 0 && batch.Gap == 0 && batch.Losses == nil {
		return nil
	}
	if batch.First < 1 || batch.Gap < 0 || batch.First <= batch.Gap {
		last, err := s.Cursor(ctx, strata.CursorParams{Stream: batch.Stream})
		if err != nil {
			return err
		}
		return &strata.CursorError{Stream: batch.Stream, First: batch.First, Last: last}
	}
	rows := rowsPool.Get().(*copyRows)
	defer rowsPool.Put(rows)
	err := s.storing(ctx, func(sift bool) error { return s.ingest(ctx, &batch, rows, sift) })
	return s.failure(ctx, "ingest", err)
}

var rowsPool = sync.Pool{New: func() any { return new(copyRows) }}

// deadLetter is a record that cannot be kept.
type deadLetter struct {
	idx      int64
	record   *strata.Record
	document []byte // in place of the record, if it cannot be read
	err      error
}

// ingest stores a batch in one transaction. sift says that the server refused a
// row of it before.
func (s *Store) ingest(ctx context.Context, batch *strata.Batch, rows *copyRows, sift bool) error {
	rows.reset()
	var dead []deadLetter
	for i := range batch.Records {
		makeway.At(i)
		idx, r := batch.First+int64(i), &batch.Records[i]
		if len(s.cfg.PseudonymKey) > 0 {
			r = &strata.Record{Unit: s.pseudonymous(&r.Unit), Forced: r.Forced, Event: r.Event}
		}
		if err := rows.add(idx, r); err != nil {
			dead = append(dead, deadLetter{idx: idx, record: r, err: err})
		}
	}
	if n := len(batch.Records); len(dead) > rejectable(n) {
		return fmt.Errorf("%w: %d of %d records cannot be stored, the first because: %w", ErrSchemaChanged, len(dead), n, dead[0].err)
	}
	return s.inTx(ctx, bounded, func(tx pgx.Tx) error {
		id, place, err := s.advance(ctx, tx, batch, len(dead))
		if err != nil {
			return err
		}
		if err := s.lose(ctx, tx, batch); err != nil {
			return err
		}
		rows.setBatch(id)
		refused, err := s.copyBatch(ctx, tx, id, place, rows, sift)
		if err != nil {
			return err
		}
		for _, r := range refused {
			record := batch.Records[r.idx-batch.First]
			record.Unit = s.pseudonymous(&record.Unit)
			dead = append(dead, deadLetter{idx: r.idx, record: &record, err: r.err})
		}
		if len(refused) > 0 {
			if _, err := tx.Exec(ctx, s.sql(`update {schema}.stream set rejected = rejected + $2::bigint where stream_id = $1::uuid`), batch.Stream.String(), int64(len(refused))); err != nil {
				return err
			}
		}
		return s.bury(ctx, tx, batch.Stream, dead)
	})
}

// copyBatch copies the rows of a batch that is entered, and leaves a ticket for
// them. It returns those that the server refused, if it was asked to look.
func (s *Store) copyBatch(ctx context.Context, tx pgx.Tx, id int64, place place, rows *copyRows, sift bool) (refused []refusedRow, err error) {
	n := len(rows.starts)
	if n == 0 {
		return nil, nil
	}
	if sift {
		refused, err = s.siftEvents(ctx, tx, rows)
	} else {
		err = s.copyEvents(ctx, tx, rows)
	}
	if err != nil {
		return nil, err
	}
	if len(refused) > 0 {
		n -= len(refused)
		if _, err := tx.Exec(ctx, s.sql(`update {schema}.batch set n_rows = $2::integer, n_rejected = n_rejected + $3::integer where batch_id = $1::bigint`), id, int32(n), int32(len(refused))); err != nil {
			return nil, err
		}
		if n == 0 {
			return refused, nil
		}
	}
	_, err = tx.Exec(ctx, s.sql(insertTicket), id, int32(n), place.pages, place.partition)
	return refused, err
}

// place is where the rows of a batch are likely to go.
type place struct {
	partition string
	pages     int64 // of the partition, before
}

const insertTicket = `
insert into {schema}.rollup_ticket (batch_id, n_rows, first_page, last_page)
select $1::bigint, $2::integer, $3::bigint, coalesce(pg_relation_size(to_regclass($4::text)) / 8192, 0)`

// The cursor moves, and the batch is entered, in one statement; with a cursor
// elsewhere it returns no row and writes nothing.
const (
	advanceFirst = `
with moved as (
    insert into {schema}.stream as s (stream_id, last_idx, rejected) values ($1::uuid, $4::bigint, $6::bigint)
    on conflict (stream_id) do update set last_idx = excluded.last_idx, rejected = s.rejected + excluded.rejected, seen_at = now() where s.last_idx = $2::bigint and not s.fenced
    returning stream_id
), ` + enterBatch
	advanceNext = `
with moved as (
    update {schema}.stream set last_idx = $4::bigint, rejected = rejected + $6::bigint, seen_at = now() where stream_id = $1::uuid and last_idx = $2::bigint and not fenced
    returning stream_id
), ` + enterBatch
	enterBatch = `gap as (
    insert into {schema}.stream_gap (stream_id, first_idx, last_idx, reason) select stream_id, $2::bigint + 1, $3::bigint - 1, nullif($8::text, '') from moved where $3::bigint - 1 > $2::bigint
), entered as (
    insert into {schema}.batch (stream_id, first_idx, last_idx, n_rows, n_rejected) select stream_id, $3::bigint, $4::bigint, $5::integer, $6::integer from moved
    returning batch_id
), part as (
    select format('%I.%I', $7::text, 'event_' || to_char(now() at time zone 'UTC', 'YYYYMMDD')) as name
)
select batch_id, part.name, coalesce(pg_relation_size(to_regclass(part.name)) / 8192, 0) from entered, part`
)

// advance moves the stream's cursor from where the batch says it is.
func (s *Store) advance(ctx context.Context, tx pgx.Tx, batch *strata.Batch, rejected int) (id int64, p place, err error) {
	expected := batch.First - batch.Gap - 1
	statement := advanceNext
	if expected == 0 {
		statement = advanceFirst
	}
	err = tx.QueryRow(ctx, s.sql(statement), batch.Stream.String(), expected, batch.First, batch.Last(), int32(len(batch.Records)-rejected), int32(rejected), s.cfg.Schema, cleanText(batch.GapReason)).
		Scan(&id, &p.partition, &p.pages)
	if !errors.Is(err, pgx.ErrNoRows) {
		return id, p, err
	}
	var last int64
	var fenced bool
	err = tx.QueryRow(ctx, s.sql(`select coalesce(max(last_idx), 0), coalesce(bool_or(fenced), false) from {schema}.stream where stream_id = $1::uuid`), batch.Stream.String()).Scan(&last, &fenced)
	if err != nil {
		return 0, p, err
	}
	if fenced {
		return 0, p, fencedOff("ingest", batch.Stream)
	}
	return 0, p, &strata.CursorError{Stream: batch.Stream, First: batch.First, Last: last}
}

// bury puts records aside that cannot be kept.
func (s *Store) bury(ctx context.Context, tx pgx.Tx, stream strata.StreamID, dead []deadLetter) error {
	for i := range dead {
		d := &dead[i]
		record := d.document
		if record == nil {
			record = deadRecord(d.record)
		}
		state := sqlState(d.err)
		if _, err := tx.Exec(ctx, s.sql(`insert into {schema}.dead_letter (stream_id, idx, sqlstate, reason, record) values ($1::uuid, $2::bigint, $3::text, $4::text, $5::bytea)`),
			stream.String(), d.idx, state, cleanText(d.err.Error()), record); err != nil {
			return err
		}
	}
	return nil
}

// deadRecord is a record as JSON, which may hold what no text column takes.
func deadRecord(r *strata.Record) []byte {
	document, err := json.Marshal(r)
	if err != nil {
		return fmt.Appendf(nil, "%q", fmt.Sprintf("%+v", *r))
	}
	return document
}

// cleanText makes any text storable.
func cleanText(s string) string {
	return string(bytes.ReplaceAll(bytes.ToValidUTF8([]byte(s), []byte("?")), []byte{0}, []byte("?")))
}

// Cursor implements [strata.EventStore]. The row is locked, so that the answer
// waits for a batch that is still under way in a connection that the writer has
// lost, and, as it writes, for a synchronous standby like the batch itself.
func (s *Store) Cursor(ctx context.Context, params strata.CursorParams) (int64, error) {
	if s.cfg.ReadOnly {
		return 0, ErrReadOnly
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	var last int64
	var fenced bool
	err := s.inTx(ctx, bounded, func(tx pgx.Tx) error {
		// A first batch may be under way, whose row cannot be seen yet: the
		// unique key waits for it.
		tag, err := tx.Exec(ctx, s.sql(`insert into {schema}.stream (stream_id, last_idx) values ($1::uuid, 0) on conflict (stream_id) do nothing`), params.Stream.String())
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 1 {
			return errUnknownStream // rolls back: asking leaves no trace
		}
		return tx.QueryRow(ctx, s.sql(`select last_idx, fenced from {schema}.stream where stream_id = $1::uuid for update`), params.Stream.String()).Scan(&last, &fenced)
	})
	if errors.Is(err, errUnknownStream) {
		return 0, nil
	}
	if err == nil && fenced {
		return 0, fencedOff("ask for the cursor", params.Stream)
	}
	return last, s.failure(ctx, "cursor", err)
}

var errUnknownStream = errors.New("pgstore: unknown stream")
