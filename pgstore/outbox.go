package pgstore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/strataxp/strata"
)

// outboxATime is how many events leave the outbox in one transaction.
const outboxATime = 5_000

// emptyOutbox moves the events that were in the outbox before the call into the
// event table: those in the hands of another process it waits for. Where there
// are none it costs one look at the end of an index.
func (s *Store) emptyOutbox(ctx context.Context) error {
	var newest *int64
	if err := s.pool.QueryRow(ctx, s.sql(`select max(id) from {schema}.outbox`)).Scan(&newest); err != nil || newest == nil {
		return err
	}
	rows := rowsPool.Get().(*copyRows)
	defer rowsPool.Put(rows)
	for {
		var n int
		err := s.storing(ctx, func(sift bool) (err error) {
			n, err = s.moveOutbox(ctx, *newest, rows, sift)
			return err
		})
		if err != nil {
			return err
		}
		if n == outboxATime {
			continue
		}
		var left bool // in the hands of another process
		if err := s.pool.QueryRow(ctx, s.sql(`select exists (select from {schema}.outbox where id <= $1::bigint)`), *newest).Scan(&left); err != nil || !left {
			return err
		}
		if n > 0 {
			continue
		}
		if err := s.pause(ctx, rollupPause); err != nil {
			return err
		}
	}
}

// outboxRow is an event in the outbox.
type outboxRow struct {
	id       int64
	document []byte
	record   strata.Record
}

const takeOutbox = `
with taken as (
    select id from {schema}.outbox where id <= $1::bigint order by id limit $2::bigint for update skip locked
)
delete from {schema}.outbox o using taken where o.id = taken.id returning o.id, o.record::text`

const enterOutbox = `
with entered as (
    insert into {schema}.batch (first_idx, last_idx, n_rows, n_rejected) values ($1::bigint, $2::bigint, $3::integer, $4::integer) returning batch_id
), part as (
    select format('%I.%I', $5::text, 'event_' || to_char(now() at time zone 'UTC', 'YYYYMMDD')) as name
)
select batch_id, part.name, coalesce(pg_relation_size(to_regclass(part.name)) / 8192, 0) from entered, part`

// moveOutbox makes a batch of the oldest events that nobody else is moving, and
// returns how many it took. An event's index in the batch is its id in the
// outbox. What cannot be read or kept goes to dead_letter with the stream
// 00000000-0000-0000-0000-000000000000, and holds nothing up.
func (s *Store) moveOutbox(ctx context.Context, newest int64, rows *copyRows, sift bool) (n int, err error) {
	err = s.inTx(ctx, readCommitted, func(tx pgx.Tx) error {
		taken, err := s.takeOutbox(ctx, tx, newest)
		if n = len(taken); err != nil || n == 0 {
			return err
		}
		dead := s.readOutbox(taken, rows)
		var id int64
		var p place
		err = tx.QueryRow(ctx, s.sql(enterOutbox), taken[0].id, taken[n-1].id, int32(n-len(dead)), int32(len(dead)), s.cfg.Schema).Scan(&id, &p.partition, &p.pages)
		if err != nil {
			return err
		}
		rows.setBatch(id)
		refused, err := s.copyBatch(ctx, tx, id, p, rows, sift)
		if err != nil {
			return err
		}
		for _, r := range refused {
			i, _ := slices.BinarySearchFunc(taken, r.idx, func(row outboxRow, id int64) int { return cmp.Compare(row.id, id) })
			dead = append(dead, deadLetter{idx: r.idx, document: taken[i].document, err: r.err})
		}
		return s.bury(ctx, tx, strata.StreamID{}, dead)
	})
	return n, err
}

// takeOutbox removes the oldest events from the outbox.
func (s *Store) takeOutbox(ctx context.Context, tx pgx.Tx, newest int64) ([]outboxRow, error) {
	var taken []outboxRow
	err := queryRows(ctx, tx.Conn().PgConn(), s.sql(takeOutbox), [][]byte{text(newest), text(outboxATime)}, nil, func(row binaryRow) error {
		taken = append(taken, outboxRow{id: row.int64(0), document: bytes.Clone(row[1])})
		return nil
	})
	slices.SortFunc(taken, func(a, b outboxRow) int { return cmp.Compare(a.id, b.id) })
	return taken, err
}

// readOutbox makes rows of events, and returns those that it cannot make any of.
func (s *Store) readOutbox(taken []outboxRow, rows *copyRows) (dead []deadLetter) {
	now := s.cfg.Clock.Now()
	rows.reset()
	for i := range taken {
		row := &taken[i]
		var err error
		if row.record, err = decodeOutbox(row.document); err == nil {
			err = strata.CheckRecord(&row.record, now)
		}
		if err == nil {
			err = rows.add(row.id, &row.record)
		}
		if err != nil {
			dead = append(dead, deadLetter{idx: row.id, document: row.document, err: errors.Join(errUnstorable, err)})
		}
	}
	return dead
}
