package pgstore

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/strataxp/strata"
)

// PutPlan implements [strata.PlanStore]. It is one statement, which also tells
// those that watch; the author and the message are stored as they are, except
// that PostgreSQL takes no NUL.
func (s *Store) PutPlan(ctx context.Context, params strata.PutPlanParams) (int64, error) {
	const doing = "publish a plan"
	if s.cfg.ReadOnly {
		return 0, ErrReadOnly
	}
	plan, err := params.Plan.Clone()
	if err != nil {
		return 0, err
	}
	base := plan.Version
	plan.Version++
	plan.EffectiveAt = micros(plan.EffectiveAt)
	document, err := json.Marshal(plan)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", strata.ErrInvalidPlan, err)
	}
	// Of two that see the same newest version one waits here for the other,
	// and then does nothing.
	const insert = `
with stored as (
  insert into {schema}.plan_version (version, based_on, effective_at, author, message, published_at, document)
  select $1::bigint + 1, $1::bigint, $2::timestamptz, $3::text, $4::text, $5::timestamptz, $6::text::json
  where (select coalesce(max(version), 0) from {schema}.plan_version) = $1::bigint
  on conflict (version) do nothing
  returning version
)
select version, pg_catalog.pg_notify($7::text, version::text)::text from stored`
	var version int64
	var notified string
	err = s.inTx(ctx, readCommitted, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, s.sql(insert), base, nullable(plan.EffectiveAt), params.Author, params.Message,
			micros(params.At), string(document), s.channel()).Scan(&version, &notified)
		if err != nil {
			return err
		}
		return s.configure(ctx, tx, plan)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, s.conflict(ctx, base)
	}
	return version, s.failure(ctx, doing, err)
}

func (s *Store) conflict(ctx context.Context, base int64) error {
	var newest int64
	if err := s.pool.QueryRow(ctx, s.sql("select coalesce(max(version), 0) from {schema}.plan_version")).Scan(&newest); err != nil {
		return s.failure(ctx, "publish a plan", err)
	}
	return fmt.Errorf("%w: it is based on %d, the newest is %d", strata.ErrConflict, base, newest)
}

// planColumns are what scanPlan reads.
const planColumns = "version, effective_at, author, message, published_at, document::text"

// Plan implements [strata.PlanStore].
func (s *Store) Plan(ctx context.Context, params strata.PlanParams) (strata.PlanVersion, error) {
	const query = "select " + planColumns + ` from {schema}.plan_version
where version = case when $1::bigint = 0 then (select max(version) from {schema}.plan_version) else $1::bigint end`
	v, err := scanPlan(s.pool.QueryRow(ctx, s.sql(query), params.Version))
	if errors.Is(err, pgx.ErrNoRows) {
		return v, fmt.Errorf("%w: plan version %d", strata.ErrNotFound, params.Version)
	}
	return v, s.failure(ctx, "read a plan", err)
}

// PlansInEffect implements [strata.PlanStore]. Where nothing is new it reads two
// entries of an index.
func (s *Store) PlansInEffect(ctx context.Context, params strata.PlansInEffectParams) ([]strata.PlanVersion, error) {
	const query = "select " + planColumns + ` from {schema}.plan_version
where not exists (
  select from {schema}.plan_version newest
  where version = $2::bigint and (published_at = $3::timestamptz or $3::timestamptz is null)
  and not exists (select from {schema}.plan_version where version > newest.version))
and version >= coalesce((
  select version from {schema}.plan_version
  where effective_at is null or effective_at <= $1::timestamptz
  order by version desc limit 1), 0)
order by version`
	return s.plans(ctx, "read the plans in effect", scanPlan, query, micros(params.At), params.Known, nullable(micros(params.KnownAt)))
}

// PlanHistory implements [strata.PlanStore].
func (s *Store) PlanHistory(ctx context.Context, params strata.PlanHistoryParams) ([]strata.PlanVersion, error) {
	const query = `select version, effective_at, author, message, published_at from {schema}.plan_version
order by version desc limit case when $1::bigint > 0 then $1::bigint end`
	return s.plans(ctx, "read the history of plans", func(row pgx.Row) (strata.PlanVersion, error) { return scanEntry(row) }, query, int64(params.Limit))
}

// PlanDiff compares two stored versions as they assign at an instant, as
// [strata.Diff] does: what a change of plan did to whom, for audits. Version 0
// stands for the newest. It returns an error matching [strata.ErrNotFound] where
// a version is missing.
func (s *Store) PlanDiff(ctx context.Context, from, to int64, at time.Time) ([]strata.Move, error) {
	before, err := s.Plan(ctx, strata.PlanParams{Version: from})
	if err != nil {
		return nil, err
	}
	after, err := s.Plan(ctx, strata.PlanParams{Version: to})
	if err != nil {
		return nil, err
	}
	for _, v := range []strata.PlanVersion{before, after} {
		if err := v.Plan.Validate(); err != nil {
			return nil, fmt.Errorf("plan version %d: %w", v.Version, err)
		}
	}
	return strata.Diff(before.Plan, after.Plan, at), nil
}

func (s *Store) plans(ctx context.Context, doing string, scan func(pgx.Row) (strata.PlanVersion, error), query string, args ...any) ([]strata.PlanVersion, error) {
	rows, err := s.pool.Query(ctx, s.sql(query), args...)
	if err != nil {
		return nil, s.failure(ctx, doing, err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (strata.PlanVersion, error) { return scan(row) })
	if err != nil {
		return nil, s.failure(ctx, doing, err)
	}
	return list, nil
}

func scanPlan(row pgx.Row) (strata.PlanVersion, error) {
	var document string
	v, err := scanEntry(row, &document)
	if err != nil {
		return v, err
	}
	if v.Plan, err = strata.ParsePlan([]byte(document)); err != nil {
		return v, fmt.Errorf("plan version %d: %w", v.Version, err)
	}
	return v, nil
}

// scanEntry reads a version, and into more what follows it.
func scanEntry(row pgx.Row, more ...any) (v strata.PlanVersion, err error) {
	var effective *time.Time
	err = row.Scan(append([]any{&v.Version, &effective, &v.Author, &v.Message, &v.At}, more...)...)
	v.At = v.At.UTC()
	if effective != nil {
		v.EffectiveAt = effective.UTC()
	}
	return v, err
}

// micros returns an instant as it is stored.
func micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// nullable stores the zero time as null.
func nullable(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// channel returns the name under which plans of this schema are announced.
// Notices go to a whole database, and names are cut at 63 bytes.
func (s *Store) channel() string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s.cfg.Schema)) // a hash never fails
	return "strata_plan_" + hex.EncodeToString(h.Sum(nil))
}
