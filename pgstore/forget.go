package pgstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/strataxp/strata"
)

// Forgotten is what [Store.Forget] has removed.
type Forgotten struct {
	Units     int64    // of which something was known
	Exposures int64    // rows
	Events    int64    // raw events deleted
	Stripped  int64    // raw events that belong to others too: ids and details removed
	Frozen    []string // closed experiments whose results stay as they are, from now on
}

// Forget removes what is known of persons, devices or whatever else the ids of
// the units name: their exposures, what the rollup knows, their raw events,
// and dead letters in which an id occurs. A raw event that has another id too,
// which was not named, stays for that one: without the ids that were named,
// and without its details.
//
// Results of experiments that run go on without the units. Results of closed
// ones (stopped, past their end, in an earlier phase, or no longer in the newest
// plan) stay what they are: their daily results are frozen, and nothing changes
// them any more. Questions that the daily results cannot answer are answered
// without the units.
//
// Name every id that you know of a person, and as many persons in one call as
// you have: each call reads all raw events once, as they have no index, and
// holds up rollups meanwhile, though no writer. It is one transaction. What
// arrives afterwards under the same ids is a new unit. The role needs the right
// to delete from event.
func (s *Store) Forget(ctx context.Context, units ...strata.Unit) (Forgotten, error) {
	if s.cfg.ReadOnly {
		return Forgotten{}, ErrReadOnly
	}
	ids := s.idsOf(units)
	if ids.empty() {
		return Forgotten{}, nil
	}
	if _, err := s.catchUp(ctx); err != nil {
		return Forgotten{}, s.failure(ctx, "roll up before forgetting", err)
	}
	for {
		done, err := s.forgetOnce(ctx, ids)
		if !errors.Is(err, errSweeping) {
			return done, s.failure(ctx, "forget", err)
		}
		if err := s.pause(ctx, rollupPause); err != nil {
			return Forgotten{}, s.failure(ctx, "forget", err)
		}
	}
}

// errSweeping means that units are still being counted by the newest plan, by
// another process perhaps: results must not be frozen then.
var errSweeping = errors.New("pgstore: a sweep is under way")

func (s *Store) forgetOnce(ctx context.Context, ids idLists) (done Forgotten, err error) {
	if err := s.sweep(ctx); err != nil {
		return Forgotten{}, err
	}
	err = s.rollingAlone(ctx, func(r *rolling) error {
		f := &forgetting{rolling: r, ids: ids}
		err := f.all(ctx)
		done = f.Forgotten
		return err
	})
	if err != nil {
		return Forgotten{}, err
	}
	return done, nil
}

// idLists are ids by diversionCode. One that PostgreSQL cannot store can be in a
// dead letter only.
type idLists [len(diversions)][]string

func (s *Store) idsOf(units []strata.Unit) (ids idLists) {
	for i := range units {
		for code := 1; code < len(diversions); code++ {
			if id := units[i].ID(diversions[code]); id != "" {
				ids[code] = append(ids[code], s.pseudonym(diversions[code], id))
			}
		}
	}
	return ids
}

// storable leaves out what is in no column.
func storable(ids []string) []string {
	list := []string{}
	for _, id := range ids {
		if storableText(id) == nil {
			list = append(list, id)
		}
	}
	return list
}

func (l *idLists) empty() bool {
	for _, ids := range l {
		if len(ids) > 0 {
			return false
		}
	}
	return true
}

// forgetting is one run of Forget.
type forgetting struct {
	*rolling
	Forgotten
	ids idLists
}

func (f *forgetting) all(ctx context.Context) error {
	var complete bool
	err := f.tx.QueryRow(ctx, f.store.sql(`select coalesce((select complete from {schema}.rollup_config where id = $1::integer), true)`), f.control.config).Scan(&complete)
	if err != nil {
		return err
	}
	if !complete {
		return errSweeping
	}
	for code, ids := range f.ids {
		for _, id := range ids {
			f.unit(diversionCode(code), id)
		}
	}
	if err := f.loadUnits(ctx); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{f.freeze, f.withdraw, f.writeCells, f.deleteUnits, f.deleteEvents, f.deleteDeadLetters} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// freeze keeps the results of closed experiments in which a unit is.
func (f *forgetting) freeze(ctx context.Context) error {
	plan, err := f.store.newestPlan(ctx, f.tx)
	if err != nil {
		return err
	}
	subjects := make(map[int32]bool)
	for _, u := range f.units {
		if err := u.before.Decode(u.stored, 0); err != nil {
			return fmt.Errorf("the unit with the key %x: %w", u.key, err)
		}
		for i := range u.before.Exposures {
			subjects[u.before.Exposures[i].Subject] = true
		}
	}
	for subject := range subjects {
		var key subjectKey
		if err := f.tx.QueryRow(ctx, f.store.sql(`select experiment, phase from {schema}.subject where subject = $1::integer`), subject).Scan(&key.experiment, &key.phase); err != nil {
			return err
		}
		if f.frozen[subject] || !closed(plan, key, f.store.cfg.Clock.Now()) {
			continue
		}
		if _, err := f.tx.Exec(ctx, f.store.sql(`update {schema}.subject set frozen_at = now(), frozen_config = $2::integer where subject = $1::integer`), subject, f.control.config); err != nil {
			return err
		}
		f.frozen[subject] = true
		f.Frozen = append(f.Frozen, key.experiment)
	}
	return nil
}

// newestPlan returns the newest plan, or nil where there is none.
func (s *Store) newestPlan(ctx context.Context, tx pgx.Tx) (*strata.Plan, error) {
	var document *string
	err := tx.QueryRow(ctx, s.sql(`select (select document::text from {schema}.plan_version order by version desc limit 1)`)).Scan(&document)
	if err != nil || document == nil {
		return nil, err
	}
	return strata.ParsePlan([]byte(*document))
}

// closed reports whether an experiment's phase is over. Where there is no plan
// at all nothing is: somebody else decides what runs.
func closed(plan *strata.Plan, key subjectKey, now time.Time) bool {
	if plan == nil {
		return false
	}
	e := plan.Experiment(key.experiment)
	if e == nil || e.Phase != key.phase || e.Status == strata.StatusStopped {
		return true
	}
	return !e.Schedule.End.IsZero() && !now.Before(e.Schedule.End)
}

// withdraw takes the units out of the results that are not frozen.
func (f *forgetting) withdraw(ctx context.Context) error {
	for _, u := range f.units {
		config, err := f.config(ctx, u.config)
		if err != nil {
			return err
		}
		if err := config.Withdraw(f.cells, &u.before, func(subject int32) bool { return !f.frozen[subject] }); err != nil {
			return err
		}
	}
	return nil
}

func (f *forgetting) deleteUnits(ctx context.Context) error {
	keys := make([][]byte, 0, len(f.units))
	for key := range f.units {
		keys = append(keys, key[:])
	}
	units, err := f.tx.Exec(ctx, f.store.sql(`delete from {schema}.unit_state where unit_key = any($1::bytea[])`), keys)
	if err != nil {
		return err
	}
	exposures, err := f.tx.Exec(ctx, f.store.sql(`delete from {schema}.exposure where unit_key = any($1::bytea[])`), keys)
	f.Units, f.Exposures = units.RowsAffected(), exposures.RowsAffected()
	return err
}

// deleteEvents deletes raw events that have no other id, and takes the ids out
// of those that have.
func (f *forgetting) deleteEvents(ctx context.Context) error {
	var named, others, strip []string
	var args []any
	for code := 1; code < len(diversions); code++ {
		column := strings.TrimPrefix(idColumns[code], "e.")
		if len(f.ids[code]) == 0 {
			others = append(others, column+" is null")
			continue
		}
		args = append(args, storable(f.ids[code]))
		mine := fmt.Sprintf("%s = any($%d::text[])", column, len(args))
		named = append(named, mine)
		others = append(others, fmt.Sprintf("(%s is null or %s)", column, mine))
		strip = append(strip, fmt.Sprintf("%s = case when %s then null else %[1]s end", column, mine))
	}
	where := "(" + strings.Join(named, " or ") + ")"
	deleted, err := f.tx.Exec(ctx, f.store.sql(`delete from {schema}.event where `+where+` and `+strings.Join(others, " and ")), args...)
	if err != nil {
		return err
	}
	// An exposure's details are those of the unit that was exposed: they go
	// with it, or belong to another.
	stripped, err := f.tx.Exec(ctx, f.store.sql(`update {schema}.event set details = case when kind = 1 then details end, `+strings.Join(strip, ", ")+` where `+where), args...)
	if err != nil {
		return err
	}
	f.Events, f.Stripped = deleted.RowsAffected(), stripped.RowsAffected()
	// An exposure of a unit that was named is left over where it has other ids.
	for code := 1; code < len(diversions); code++ {
		if len(f.ids[code]) == 0 {
			continue
		}
		column := strings.TrimPrefix(idColumns[code], "e.")
		left, err := f.tx.Exec(ctx, f.store.sql(`delete from {schema}.event where kind = 1 and details->>'diversion' = $1::text and `+column+` is null`), string(diversions[code]))
		if err != nil {
			return err
		}
		f.Events, f.Stripped = f.Events+left.RowsAffected(), f.Stripped-left.RowsAffected()
	}
	return nil
}

func (f *forgetting) deleteDeadLetters(ctx context.Context) error {
	for _, ids := range f.ids {
		for _, id := range ids {
			quoted, err := json.Marshal(id) // as records are written; others may write to the outbox
			if err != nil {
				return err
			}
			_, err = f.tx.Exec(ctx, f.store.sql(`
delete from {schema}.dead_letter where position(convert_to($2::text, 'UTF8') in record) > 0 or position(convert_to(to_json($1::text)::text, 'UTF8') in record) > 0`), cleanText(id), string(quoted))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// rollingAlone is rolling while no other rollup runs.
func (s *Store) rollingAlone(ctx context.Context, f func(r *rolling) error) error {
	return s.inTx(ctx, readCommitted, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockRollupAlone, s.cfg.Schema); err != nil {
			return err
		}
		r, err := s.newRolling(ctx, tx)
		if err != nil {
			return err
		}
		return f(r)
	})
}
