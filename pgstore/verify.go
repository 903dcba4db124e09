package pgstore

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/rollup"
)

// Verification is what [Store.Verify] has compared, and found.
type Verification struct {
	Events    int64 // raw events read, once for each kind of unit in use
	Units     int64 // units recomputed from raw events
	Cells     int64 // rows of the daily results recomputed from units
	Exposures int64 // exposures assigned once more by the plans that they name

	// Differences is how many were found, and Found says the first hundred.
	Differences int64
	Found       []string

	// Since is when the oldest raw event was received that is still there, where
	// retention has dropped some: then units may know of more than the raw
	// events do. The time of the verification where all were dropped, zero where
	// none was.
	Since time.Time
}

// OK reports whether nothing differs.
func (v *Verification) OK() bool { return v.Differences == 0 }

const maxFound = 100

func (v *Verification) differ(format string, args ...any) {
	if v.Differences++; v.Differences <= maxFound {
		v.Found = append(v.Found, fmt.Sprintf(format, args...))
	}
}

// Verify recomputes everything and compares: each unit from its raw events, the
// daily results from the units, and the treatment of every exposure by the plan
// version that assigned it. It reads all events, sorted by unit on the server's
// disk, in one snapshot, and blocks nobody; memory does not grow with events or
// units. An error means that it could not finish; differences are no error.
//
// Events that are stored and not rolled up are rolled up first; with
// [Config.ReadOnly] they are left out. It takes two connections of the pool.
func (s *Store) Verify(ctx context.Context) (*Verification, error) {
	if n := s.pool.Config().MaxConns; n < 2 {
		return nil, &ConfigError{Field: "pool_max_conns", Value: n, Cure: "is less than 2; verifying reads over two connections at once"}
	}
	if err := s.bringUpToDate(ctx); err != nil {
		return nil, s.failure(ctx, "roll up before verifying", err)
	}
	v := &Verification{}
	err := s.inTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		run := &verifying{Verification: v, store: s, tx: tx, configs: make(map[int32]*rollup.Config), names: make(map[int32]string), subjects: make(map[subjectKey]int32), snapshots: make(map[int64]*strata.Snapshot)}
		return run.all(ctx)
	})
	return v, s.failure(ctx, "verify", err)
}

// verifying is one run of Verify.
type verifying struct {
	*Verification
	store      *Store
	tx         pgx.Tx
	configs    map[int32]*rollup.Config
	names      map[int32]string // of treatments
	treatments map[string]int32
	subjects   map[subjectKey]int32
	keys       map[int32]subjectKey
	frozen     map[int32]bool
	snapshots  map[int64]*strata.Snapshot
	matched    int64 // units that both know
}

func (v *verifying) all(ctx context.Context) error {
	for _, step := range []func(context.Context) error{v.lookUp, v.horizon, v.units, v.cells, v.exposures} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// lookUp reads the numbers of subjects and treatments.
func (v *verifying) lookUp(ctx context.Context) error {
	v.treatments, v.keys, v.frozen = make(map[string]int32), make(map[int32]subjectKey), make(map[int32]bool)
	conn := v.tx.Conn().PgConn()
	err := queryRows(ctx, conn, v.store.sql(`select treatment, key from {schema}.treatment`), nil, nil, func(row binaryRow) error {
		v.names[row.int32(0)], v.treatments[row.string(1)] = row.string(1), row.int32(0)
		return nil
	})
	if err != nil {
		return err
	}
	return queryRows(ctx, conn, v.store.sql(`select subject, experiment, phase, frozen_at is not null from {schema}.subject`), nil, nil, func(row binaryRow) error {
		key := subjectKey{row.string(1), int(row.int32(2))}
		v.subjects[key], v.keys[row.int32(0)], v.frozen[row.int32(0)] = row.int32(0), key, row.bool(3)
		return nil
	})
}

// horizon finds out whether raw events were dropped.
func (v *verifying) horizon(ctx context.Context) error {
	var first, dropped *time.Time
	err := v.tx.QueryRow(ctx, v.store.sql(`select (select coalesce(min(received_at), now()) from {schema}.event), (select min(received_at) from {schema}.batch where n_rows > 0)`)).Scan(&first, &dropped)
	if err != nil || dropped == nil || !dropped.Before(*first) {
		return err
	}
	v.Since = first.UTC()
	return nil
}
