package pgstore

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strataxp/strata"
)

// exposedATime is how many units Exposed reads at once.
const exposedATime = 50_000

// Exposed implements [strata.ExposureStore]. It reads units in portions, each
// in a transaction of its own, so that a slow reader holds nothing. A million
// take seconds; from where one has read before, only what is new is read.
func (s *Store) Exposed(ctx context.Context, params strata.ExposedParams) iter.Seq2[strata.ExposedUnit, error] {
	return func(yield func(strata.ExposedUnit, error) bool) {
		if err := s.exposed(ctx, params, yield); err != nil && !errors.Is(err, errStop) {
			yield(strata.ExposedUnit{}, s.failure(ctx, "list exposed units", err))
		}
	}
}

// errStop means that the caller wants no more.
var errStop = errors.New("pgstore: enough")

func (s *Store) exposed(ctx context.Context, params strata.ExposedParams, yield func(strata.ExposedUnit, error) bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.bringUpToDate(ctx); err != nil {
		return err
	}
	var subject int32
	err := s.pool.QueryRow(ctx, s.sql(`select subject from {schema}.subject where experiment = $1::text and phase = $2::integer`), params.Experiment, int32(params.Phase)).Scan(&subject)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	names := make(map[int32]string)
	after := params.After
	for {
		units, last, err := s.exposedPortion(ctx, subject, after, names)
		if err != nil {
			return err
		}
		for _, unit := range units {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !yield(unit, nil) {
				return errStop
			}
		}
		if last == after {
			return nil
		}
		after = last
	}
}

const selectExposed = `
select sequence, hash, treatment, plan_version, bucket from {schema}.exposure where subject = $1::integer and sequence > $2::bigint order by sequence limit $3::bigint`

// exposedPortion reads the next units, and returns the number of the last entry
// that it looked at.
func (s *Store) exposedPortion(ctx context.Context, subject int32, after int64, names map[int32]string) (units []strata.ExposedUnit, last int64, err error) {
	last = after
	var treatments []int32
	err = s.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		params := [][]byte{text(subject), text(after), text(exposedATime)}
		return queryRows(ctx, conn.Conn().PgConn(), s.sql(selectExposed), params, nil, func(row binaryRow) error {
			last = row.int64(0)
			if row.int32(4) < 0 { // recorded by another system
				return nil
			}
			units = append(units, strata.ExposedUnit{Sequence: last, Hash: uint64(row.int64(1)), Version: row.int64(3)})
			treatments = append(treatments, row.int32(2))
			return nil
		})
	})
	if err != nil {
		return nil, 0, err
	}
	for i, id := range treatments {
		if _, ok := names[id]; !ok {
			if err := treatmentNames(ctx, s.pool, s, names); err != nil {
				return nil, 0, err
			}
		}
		units[i].Treatment = names[id]
	}
	return units, last, nil
}

// treatmentNames reads the keys of all treatments.
func treatmentNames(ctx context.Context, db database, s *Store, into map[int32]string) error {
	var id int32
	var key string
	return scanRows(ctx, db, s.sql(`select treatment, key from {schema}.treatment`), nil, []any{&id, &key}, func() { into[id] = key })
}

// Exposure is what a support tool wants to know of a unit: which treatment it
// met, and when.
type Exposure struct {
	Experiment    string
	Phase         int
	Treatment     string
	Diversion     strata.Diversion
	FirstExposed  time.Time
	PlanVersion   int64
	Bucket        int
	Contradiction bool // the unit met another treatment too, and counts nowhere
}

// Exposures returns the exposures of a unit by each of its ids, in one round
// trip to the server. Exposures of the last second may be missing: it does not
// wait for the rollup.
func (s *Store) Exposures(ctx context.Context, unit strata.Unit) ([]Exposure, error) {
	var keys [][]byte
	for code := 1; code < len(diversions); code++ {
		if id := unit.ID(diversions[code]); id != "" {
			key := newUnitKey(diversionCode(code), s.pseudonym(diversions[code], id))
			keys = append(keys, key[:])
		}
	}
	const query = `select experiment, phase, treatment, diversion, first_at, plan_version, bucket, contradiction from {schema}.exposures_of($1::bytea[])`
	var list []Exposure
	var x Exposure
	var code int16
	into := []any{&x.Experiment, &x.Phase, &x.Treatment, &code, &x.FirstExposed, &x.PlanVersion, &x.Bucket, &x.Contradiction}
	err := scanRows(ctx, s.pool, s.sql(query), []any{keys}, into, func() {
		x.Diversion = ""
		if int(code) < len(diversions) {
			x.Diversion = diversions[code]
		}
		x.FirstExposed = x.FirstExposed.UTC()
		list = append(list, x)
	})
	return list, s.failure(ctx, "look up exposures", err)
}
