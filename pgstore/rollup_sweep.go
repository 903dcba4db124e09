package pgstore

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
)

// A sweep counts every unit by the newest config, after a plan has brought new
// metrics. Events go on being rolled up meanwhile; they count the units that
// they touch by the newest config, too.

// unitsATime is how many units a transaction of a sweep counts.
const unitsATime = 2_000

// sweeping is a config whose sweep is not over.
type sweeping struct {
	id       int32
	subject  int32 // how far it is
	sequence int64
	todo     []int32 // subjects, ascending
}

// sweep counts units until every one is counted by the newest config. It
// returns early where another process sweeps.
func (s *Store) sweep(ctx context.Context) error {
	for {
		more, err := s.sweepOnce(ctx)
		if err != nil || !more {
			return err
		}
	}
}

func (s *Store) sweepOnce(ctx context.Context) (more bool, err error) {
	var complete bool
	err = s.pool.QueryRow(ctx, s.sql(`select coalesce((select complete from {schema}.rollup_config where id = (select config from {schema}.rollup_control)), true)`)).Scan(&complete)
	if err != nil || complete {
		return false, err
	}
	err = s.rolling(ctx, func(r *rolling) error {
		more = false
		w, err := r.sweeping(ctx)
		if err != nil || w == nil {
			return err
		}
		more, err = r.sweepSome(ctx, w)
		return err
	})
	return more, err
}

// sweeping locks the newest config, if its sweep is not over and nobody else is
// at it.
func (r *rolling) sweeping(ctx context.Context) (*sweeping, error) {
	w := &sweeping{id: r.control.config}
	err := r.tx.QueryRow(ctx, r.store.sql(`select subject, sequence from {schema}.rollup_config where id = $1::integer and not complete for update skip locked`), w.id).Scan(&w.subject, &w.sequence)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	w.todo, err = r.store.uncounted(ctx, r.tx, w.id)
	w.todo = slices.DeleteFunc(w.todo, func(subject int32) bool { return subject < w.subject })
	return w, err
}

// uncounted lists the subjects of a config that have metrics which the last
// complete one had not.
func (s *Store) uncounted(ctx context.Context, tx pgx.Tx, id int32) ([]int32, error) {
	before, err := s.completeConfig(ctx, tx)
	if err != nil {
		return nil, err
	}
	now, err := s.loadConfig(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	return uncounted(&now.document, &before.document), nil
}

// completeConfig returns the newest config by which every unit is counted.
func (s *Store) completeConfig(ctx context.Context, tx pgx.Tx) (*loadedConfig, error) {
	var id int32
	if err := tx.QueryRow(ctx, s.sql(`select coalesce(max(id), 0) from {schema}.rollup_config where complete`)).Scan(&id); err != nil {
		return nil, err
	}
	return s.loadConfig(ctx, tx, id)
}

// sweepSome counts the next units, and notes how far it is.
func (r *rolling) sweepSome(ctx context.Context, w *sweeping) (more bool, err error) {
	if len(w.todo) == 0 {
		_, err := r.tx.Exec(ctx, r.store.sql(`update {schema}.rollup_config set complete = true where id = $1::integer`), w.id)
		return false, err
	}
	subject, after := w.todo[0], int64(0)
	if subject == w.subject {
		after = w.sequence
	}
	n, last := 0, after
	keys := r.store.sql(`select sequence, unit_key from {schema}.exposure where subject = $1::integer and sequence > $2::bigint order by sequence limit $3::bigint`)
	err = queryRows(ctx, r.tx.Conn().PgConn(), keys, [][]byte{text(subject), text(after), text(unitsATime)}, nil, func(row binaryRow) error {
		key := unitKey(row[1])
		r.units[key] = &rolledUnit{key: key}
		n, last = n+1, row.int64(0)
		return nil
	})
	if err != nil {
		return false, err
	}
	if err := r.bring(ctx); err != nil {
		return false, err
	}
	if n < unitsATime {
		subject, last = subject+1, 0
	}
	_, err = r.tx.Exec(ctx, r.store.sql(`update {schema}.rollup_config set subject = $2::integer, sequence = $3::bigint where id = $1::integer`), w.id, subject, last)
	return true, err
}

// recomputed returns which share of the units is counted by the newest config.
func (s *Store) recomputed(ctx context.Context) (share float64, err error) {
	share = 1
	err = s.inTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		var id, at int32
		var sequence int64
		var complete bool
		err := tx.QueryRow(ctx, s.sql(`select id, subject, sequence, complete from {schema}.rollup_config where id = (select config from {schema}.rollup_control)`)).Scan(&id, &at, &sequence, &complete)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && complete {
			return nil
		}
		if err != nil {
			return err
		}
		todo, err := s.uncounted(ctx, tx, id)
		if err != nil {
			return err
		}
		var done, all float64
		for _, subject := range todo {
			var last int64
			if err := tx.QueryRow(ctx, s.sql(`select last_sequence from {schema}.subject where subject = $1::integer`), subject).Scan(&last); err != nil {
				return err
			}
			all += float64(last % numbersPerTimeline)
			switch {
			case subject < at:
				done += float64(last % numbersPerTimeline)
			case subject == at && sequence/numbersPerTimeline == last/numbersPerTimeline:
				done += float64(min(sequence, last) % numbersPerTimeline)
			}
		}
		if all > 0 {
			share = done / all
		}
		return nil
	})
	return share, err
}
