package pgstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// rollups is what a store knows for its rollups.
type rollups struct {
	zone    *time.Location
	configs configCache
	answers answers

	stop    context.CancelFunc // of the background rollup
	running sync.WaitGroup
}

func newRollups(cfg *Config) *rollups {
	return &rollups{zone: cfg.Zone, configs: configCache{known: make(map[int32]*loadedConfig)}, stop: func() {}}
}

// start begins the background rollup, if there shall be one.
func (s *Store) start(ctx context.Context) {
	if s.cfg.NoRollup || s.cfg.ReadOnly {
		return
	}
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.running.Go(func() { s.background(ctx) })
}

// finish ends the background rollup, and waits for it.
func (s *Store) finish() {
	s.stop()
	s.running.Wait()
}

// prepare checks the zone of the daily results, or sets it while there are none,
// and makes the partitions that are missing.
func (s *Store) prepare(ctx context.Context, db database) error {
	var zone string
	if err := db.QueryRow(ctx, s.sql(`select zone from {schema}.rollup_control`)).Scan(&zone); err != nil {
		return err
	}
	if zone != s.zone.String() {
		if s.cfg.ReadOnly {
			return zoneError(s.zone, zone)
		}
		if err := s.setZone(ctx, db, zone); err != nil {
			return err
		}
	}
	if s.cfg.ReadOnly {
		return nil
	}
	_, err := db.Exec(ctx, s.sql(`select {schema}.make_partitions($1::integer)`), int32(partitionsAhead))
	return err
}

// setZone sets the zone where there are no results yet, nor a rollup under way
// that makes the first.
func (s *Store) setZone(ctx context.Context, db database, found string) error {
	return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `set transaction isolation level read committed`); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, lockRollupAlone, s.cfg.Schema); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, s.sql(`update {schema}.rollup_control set zone = $1::text where not exists (select from {schema}.result_day)`), s.zone.String())
		if err == nil && tag.RowsAffected() == 0 {
			err = zoneError(s.zone, found)
		}
		return err
	})
}

func zoneError(wanted *time.Location, found string) error {
	return &ConfigError{Field: "Zone", Value: wanted.String(), Cure: fmt.Sprintf("the daily results are by days of %s; use that, and ReportOptions.Zone for other reports", found)}
}

// rowsATime is how many events a transaction of the rollup takes in, roughly:
// enough that units which come again are written once.
const rowsATime = 50_000

// rollupPause is how long a rollup waits for another that holds what it needs.
const rollupPause = 20 * time.Millisecond

// RollUp brings exposures and results up to date with everything that was
// stored before the call, and returns how many batches it took in. It is what
// the store does by itself in the background, and before it answers a question;
// call it where [Config.NoRollup] is set. Any number of processes may do so at
// once: they share the work. A rollup that dies leaves nothing half done.
func (s *Store) RollUp(ctx context.Context) (batches int, err error) {
	if s.cfg.ReadOnly {
		return 0, ErrReadOnly
	}
	for more := true; more && err == nil; { // events come in while a sweep goes on
		var n int
		if n, err = s.catchUp(ctx); err == nil {
			batches += n
			more, err = s.sweepOnce(ctx)
		}
	}
	return batches, s.failure(ctx, "roll up", err)
}

// bringUpToDate is what is done before a question is answered.
func (s *Store) bringUpToDate(ctx context.Context) error {
	if s.cfg.ReadOnly {
		return nil
	}
	_, err := s.catchUp(ctx)
	return err
}

// catchUp rolls up everything that was stored before.
func (s *Store) catchUp(ctx context.Context) (batches int, err error) {
	if err := s.emptyOutbox(ctx); err != nil {
		return 0, err
	}
	var newest *int64
	if err := s.pool.QueryRow(ctx, s.sql(`select max(batch_id) from {schema}.rollup_ticket`)).Scan(&newest); err != nil || newest == nil {
		return 0, err
	}
	for {
		n, err := s.rollOnce(ctx)
		if err != nil {
			return batches, err
		}
		batches += n
		var left bool // perhaps in the hands of another rollup
		if err := s.pool.QueryRow(ctx, s.sql(`select exists (select from {schema}.rollup_ticket where batch_id <= $1::bigint)`), *newest).Scan(&left); err != nil || !left {
			return batches, err
		}
		if n > 0 {
			continue
		}
		if err := s.pause(ctx, rollupPause); err != nil {
			return batches, err
		}
	}
}

// pause waits, or returns the context's error.
func (s *Store) pause(ctx context.Context, d time.Duration) error {
	fires, stop := s.cfg.Clock.Timer(d)
	defer stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-fires:
		return nil
	}
}

// attempts bounds how often a transaction begins again because others were in
// its way.
const attempts = 20

// rollOnce takes in some batches, and returns how many; none where there are
// none, or others are at them.
func (s *Store) rollOnce(ctx context.Context) (n int, err error) {
	err = s.rolling(ctx, func(r *rolling) error {
		n = 0 // it may begin again
		tickets, err := r.takeTickets(ctx, rowsATime)
		if err != nil || len(tickets) == 0 {
			return err
		}
		n = len(tickets)
		for i := range tickets {
			if err := r.read(ctx, &tickets[i]); err != nil {
				return err
			}
		}
		if err := r.settleOrders(ctx); err != nil {
			return err
		}
		return r.bring(ctx)
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// bring brings the units that were touched up to date.
func (r *rolling) bring(ctx context.Context) error {
	if len(r.units) == 0 {
		return nil
	}
	if err := r.loadUnits(ctx); err != nil {
		return err
	}
	if err := r.apply(ctx); err != nil {
		return err
	}
	return r.write(ctx)
}

// rolling runs one transaction of the rollup, and again when others were in its
// way.
func (s *Store) rolling(ctx context.Context, f func(r *rolling) error) error {
	for attempt := 1; ; attempt++ {
		err := s.inTx(ctx, readCommitted, func(tx pgx.Tx) error {
			r, err := s.newRolling(ctx, tx)
			if err != nil {
				return err
			}
			return f(r)
		})
		var inactive errInactive
		switch {
		case err == nil:
			return nil
		case errors.As(err, &inactive):
			if err := s.activate(ctx, inactive.diversions); err != nil {
				return err
			}
		case !worthRetrying(err) || attempt == attempts || ctx.Err() != nil:
			return err
		default:
			if err := s.pause(ctx, rollupPause); err != nil {
				return err
			}
		}
	}
}

// activate takes diversions into use, and brings the batches that were rolled up
// without them back.
func (s *Store) activate(ctx context.Context, bits int16) error {
	return s.inTx(ctx, readCommitted, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockRollupAlone, s.cfg.Schema); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, s.sql(`update {schema}.rollup_control set diversions = diversions | $1::smallint where diversions & $1::smallint = 0`), bits)
		if err != nil || tag.RowsAffected() == 0 {
			return err // another process has done it
		}
		_, err = tx.Exec(ctx, s.sql(`
insert into {schema}.rollup_ticket (batch_id, diversions, received_at, n_rows, first_page, last_page)
select batch_id, $1::smallint, received_at, n_rows, first_page, last_page from {schema}.batch b
where n_rows > 0 and not exists (select from {schema}.rollup_ticket t where t.batch_id = b.batch_id and t.diversions = 0)`), bits)
		return err
	})
}

// Freshness says how far the rollup is behind.
type Freshness struct {
	Batches int64     // stored and not rolled up
	Oldest  time.Time // when the oldest of them was received; zero when there is none
	Outbox  int64     // events written by TrackTx and not moved yet

	// Recomputed is the share of units that count by the metrics of the newest
	// plan, from 0 to 1. Until it is 1, results of metrics that were added to a
	// running experiment are added up from its units at each question.
	Recomputed float64
}

// Freshness returns how far the rollup is behind. The cost does not depend on
// the number of events.
func (s *Store) Freshness(ctx context.Context) (Freshness, error) {
	var f Freshness
	var oldest *time.Time
	err := s.pool.QueryRow(ctx, s.sql(`select (select count(*) from {schema}.rollup_ticket), (select min(received_at) from {schema}.rollup_ticket), (select count(*) from {schema}.outbox)`)).
		Scan(&f.Batches, &oldest, &f.Outbox)
	if err != nil {
		return Freshness{}, s.failure(ctx, "freshness", err)
	}
	if oldest != nil {
		f.Oldest = oldest.UTC()
	}
	f.Recomputed, err = s.recomputed(ctx)
	return f, s.failure(ctx, "freshness", err)
}

// background rolls up, sweeps and makes partitions until ctx is done.
func (s *Store) background(ctx context.Context) {
	var partitioned time.Time
	for ctx.Err() == nil {
		_, err := s.RollUp(ctx)
		if now := s.cfg.Clock.Now(); err == nil && now.Sub(partitioned) > partitionEvery {
			if err = s.makePartitions(ctx); err == nil {
				partitioned = now
			}
		}
		if err != nil && ctx.Err() == nil {
			s.logError("roll up", err)
		}
		if s.pause(ctx, s.cfg.RollupInterval) != nil {
			return
		}
	}
}

// partitionEvery is how often partitions are made for the days ahead.
const partitionEvery = 10 * time.Minute

func (s *Store) logError(what string, err error) {
	if s.cfg.Logger != nil {
		s.cfg.Logger.Error(fmt.Sprintf("pgstore: cannot %s", what), "error", err)
	}
}
