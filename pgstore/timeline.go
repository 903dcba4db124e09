package pgstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The numbers of exposures must never be given twice: engines ask for those behind
// the last one that they have seen. A failover takes the newest numbers with it, and
// the new primary would give them to other units. So numbers begin anew with each
// timeline, which a promotion raises (PostgreSQL manual, "Continuous Archiving",
// section "Timelines"), and
// above all those of the timelines before.

// numbersPerTimeline is how many exposures of a subject a timeline has numbers for.
const numbersPerTimeline = 1 << 40

// timelineQuery reads the timeline from the name of the file that the write-ahead
// log is written to. Everybody may call both functions.
const timelineQuery = `select ('x' || pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::bigint`

// timelineOf returns the server's timeline, or 0 where the server does not tell, as
// some that are not quite PostgreSQL do not.
func (s *Store) timelineOf(ctx context.Context, tx pgx.Tx) (timeline int64, err error) {
	if s.noTimeline.Load() {
		return 0, nil
	}
	if s.tellsTimeline.Load() {
		err = tx.QueryRow(ctx, timelineQuery).Scan(&timeline)
		return timeline, err
	}
	try, err := tx.Begin(ctx) // a savepoint
	if err != nil {
		return 0, err
	}
	err = try.QueryRow(ctx, timelineQuery).Scan(&timeline)
	var refused *pgconn.PgError
	if errors.As(err, &refused) && permanentTimeline(refused.Code) {
		s.noTimeline.Store(true)
		return 0, try.Rollback(ctx)
	}
	if err != nil {
		return 0, fmt.Errorf("read the server's timeline: %w", err)
	}
	s.tellsTimeline.Store(true)
	return timeline, try.Commit(ctx)
}

// permanentTimeline reports whether a server that answers so will never tell: no
// privilege, no such function, not supported.
func permanentTimeline(code string) bool {
	return code == "42501" || code == "42883" || code == "0A000"
}
