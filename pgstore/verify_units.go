package pgstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/rollup"
)

// units recomputes each unit from its raw events.
func (v *verifying) units(ctx context.Context) error {
	var active int16
	if err := v.tx.QueryRow(ctx, v.store.sql(`select diversions from {schema}.rollup_control`)).Scan(&active); err != nil {
		return err
	}
	for code := diversionCode(0); int(code) < len(diversions); code++ {
		if active&code.bit() == 0 {
			continue
		}
		if err := v.unitsBy(ctx, code); err != nil {
			return err
		}
	}
	var known int64
	err := v.tx.QueryRow(ctx, v.store.sql(`select count(*) from {schema}.unit_state`)).Scan(&known)
	if v.Since.IsZero() && known != v.matched {
		v.differ("the rollup knows %d units, of %d of which there are raw events", known, v.matched)
	}
	return err
}

// idColumns are the columns of the event table with a unit's ids.
var idColumns = [...]string{0: "null::text", 1: "e.tenant_id", 2: "e.user_id", 3: "e.device_id", 4: "e.session_id", 5: "e.request_id"}

// Batches that came in since the rollup are left out.
const selectRaw = `
select coalesce(%[1]s, ''), e.kind, e.event_time, e.total, e.discount, e.items, e.value, e.name, e.currency,
    case when e.kind = 1 then e.details::text end,
    e.kind = 4 and not coalesce(o.batch_id = e.batch_id and o.idx = e.idx, false)
from {schema}.event e
left join {schema}.purchase_order o on e.kind = 4
    and o.order_key = substring(sha256(convert_to(coalesce(e.tenant_id, ''), 'UTF8') || '\x00'::bytea || convert_to(coalesce(e.order_id, ''), 'UTF8')) for 16)
where not e.forced and (%[1]s is not null or e.kind = 1 and e.details->>'diversion' = $1)
    and not exists (select from {schema}.rollup_ticket t where t.batch_id = e.batch_id)
order by 1, e.batch_id, e.idx`

// rawUnit is a unit as its raw events make it.
type rawUnit struct {
	id string
	rollup.Unit
	facts []strata.Fact
}

func (v *verifying) unitsBy(ctx context.Context, code diversionCode) error {
	portion := make(map[unitKey]*rawUnit)
	var current *rawUnit
	// The units are compared in portions, over a second connection in the same
	// snapshot, as this one is busy with the events.
	compare, done, err := v.comparer(ctx)
	if err != nil {
		return err
	}
	defer done()
	diversion := ""
	if code > 0 {
		diversion = string(diversions[code])
	}
	sql := v.store.sql(fmt.Sprintf(selectRaw, idColumns[code]))
	err = queryRows(ctx, v.tx.Conn().PgConn(), sql, [][]byte{[]byte(diversion)}, nil, func(row binaryRow) error {
		v.Events++
		id := row.string(0)
		if current == nil || current.id != id {
			if len(portion) >= unitsATime {
				if err := compare(ctx, portion); err != nil {
					return err
				}
				clear(portion)
			}
			current = &rawUnit{id: id}
			portion[newUnitKey(code, id)] = current
		}
		return v.add(current, code, row)
	})
	if err != nil {
		return err
	}
	return compare(ctx, portion)
}

// add gives a raw event to its unit.
func (v *verifying) add(u *rawUnit, code diversionCode, row binaryRow) error {
	kind := row.int16(1)
	switch {
	case kind == kindExposure:
		var d exposureDetails
		if err := json.Unmarshal(row[9], &d); err != nil {
			return fmt.Errorf("an exposure of %q: %w", u.id, err)
		}
		if codeOf(d.Diversion) == code {
			u.Expose(rollup.Exposure{Subject: v.subjects[subjectKey{row.string(7), d.Phase}], Treatment: v.treatments[d.Treatment], At: row.micros(2)})
		}
	case row.bool(10):
		u.Repeats++
	case kind > 0 && int(kind) < len(kindsOf):
		u.facts = append(u.facts, row.fact(kind, 7, 8))
	}
	return nil
}

// comparer returns a function that compares units with what the rollup knows of
// them, in the snapshot of v's transaction.
func (v *verifying) comparer(ctx context.Context) (compare func(context.Context, map[unitKey]*rawUnit) error, done func(), err error) {
	var snapshot string
	if err := v.tx.QueryRow(ctx, `select pg_export_snapshot()`).Scan(&snapshot); err != nil {
		return nil, nil, err
	}
	tx, err := v.store.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, nil, err
	}
	done = func() { _ = tx.Rollback(context.WithoutCancel(ctx)) } // it has only read
	if _, err := tx.Exec(ctx, `set transaction snapshot '`+snapshot+`'`); err != nil {
		done()
		return nil, nil, err
	}
	compare = func(ctx context.Context, raw map[unitKey]*rawUnit) error {
		keys := make([][]byte, 0, len(raw))
		for key := range raw {
			keys = append(keys, slices.Clone(key[:]))
		}
		v.Units += int64(len(raw))
		err := queryRows(ctx, tx.Conn().PgConn(), v.store.sql(`select unit_key, state from {schema}.unit_state where unit_key = any($1::bytea[])`), [][]byte{byteaArray(keys)}, binaryFormat, func(row binaryRow) error {
			key := unitKey(row[0])
			var known rollup.Unit
			if err := known.Decode(row[1], 0); err != nil {
				return err
			}
			v.compareUnit(raw[key], &known)
			delete(raw, key)
			v.matched++
			return nil
		})
		for _, u := range raw {
			if u.facts != nil || u.Exposures != nil || u.Repeats > 0 {
				v.differ("unit %q: the rollup does not know it", u.id)
			}
		}
		return err
	}
	return compare, done, nil
}

func (v *verifying) compareUnit(raw *rawUnit, known *rollup.Unit) {
	strata.SortFacts(raw.facts)
	if !v.Since.IsZero() { // units know more than the raw events that are left
		if missing := without(raw.facts, known.Facts); missing > 0 {
			v.differ("unit %q: the rollup does not know %d of its %d events", raw.id, missing, len(raw.facts))
		}
		return
	}
	if !slices.Equal(raw.facts, known.Facts) {
		v.differ("unit %q: it has %d events, the rollup knows %d, or they differ", raw.id, len(raw.facts), len(known.Facts))
	}
	if !slices.Equal(raw.Exposures, known.Exposures) {
		v.differ("unit %q: its exposures are %v, the rollup knows %v", raw.id, raw.Exposures, known.Exposures)
	}
	if raw.Repeats != known.Repeats {
		v.differ("unit %q: it repeated %d orders, the rollup knows %d", raw.id, raw.Repeats, known.Repeats)
	}
}

// without counts the facts of a sorted list that another has not.
func without(facts, among []strata.Fact) (missing int) {
	left := make(map[strata.Fact]int, len(among))
	for _, f := range among {
		left[f]++
	}
	for _, f := range facts {
		if left[f]--; left[f] < 0 {
			missing++
		}
	}
	return missing
}
