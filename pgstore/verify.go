package pgstore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
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
	// events do. Zero where nothing was dropped.
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
// Events that are stored and not rolled up are rolled up first. It takes two
// connections of the pool.
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
	err := v.tx.QueryRow(ctx, v.store.sql(`select (select min(received_at) from {schema}.event), (select min(received_at) from {schema}.batch where n_rows > 0)`)).Scan(&first, &dropped)
	if err != nil || first == nil || dropped == nil || !dropped.Before(*first) {
		return err
	}
	v.Since = first.UTC()
	return nil
}

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
		f := strata.Fact{Kind: kindsOf[kind], At: row.micros(2), Total: row.int64(3), Discount: row.int64(4), Items: row.int64(5), Value: row.float64(6)}
		if kind == kindPurchase {
			f.Currency = row.string(8)
		} else {
			f.Name = strata.NameHash(row.string(7))
		}
		u.facts = append(u.facts, f)
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

// cells recomputes the daily results from the units.
func (v *verifying) cells(ctx context.Context) error {
	cells := make(rollup.Cells)
	var current int32
	if err := v.tx.QueryRow(ctx, v.store.sql(`select config from {schema}.rollup_control`)).Scan(&current); err != nil {
		return err
	}
	if err := v.loadConfigs(ctx); err != nil {
		return err
	}
	err := queryRows(ctx, v.tx.Conn().PgConn(), v.store.sql(`select config, state from {schema}.unit_state`), nil, nil, func(row binaryRow) error {
		var u rollup.Unit
		if err := u.Decode(row[1], 0); err != nil {
			return err
		}
		config := v.configs[row.int32(0)]
		if config == nil {
			return fmt.Errorf("a unit is counted by config %d, which is not there", row.int32(0))
		}
		return config.Contribute(cells, &u)
	})
	if err != nil {
		return err
	}
	return v.compareCells(ctx, cells, v.configs[current])
}

func (v *verifying) loadConfigs(ctx context.Context) error {
	ids := []int32{0}
	err := queryRows(ctx, v.tx.Conn().PgConn(), v.store.sql(`select id from {schema}.rollup_config`), nil, nil, func(row binaryRow) error {
		ids = append(ids, row.int32(0))
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range ids {
		loaded, err := v.store.loadConfig(ctx, v.tx, id)
		if err != nil {
			return err
		}
		v.configs[id] = &rollup.Config{Calendar: rollup.NewCalendar(loaded.zone), Subjects: loaded.subjects}
	}
	return nil
}

// storedCell is a row of the daily results as text.
type storedCell struct {
	units, repeats, matured, otherCurrency int64
	n                                      int64
	sums                                   string
}

const selectCells = `
select subject, treatment, metric, step, day - date '1970-01-01', units, repeats, matured, other_currency, n,
    concat_ws(' ', trim_scale(s0), trim_scale(s1), trim_scale(s2), trim_scale(s3),
        trim_scale(q0), trim_scale(q1), trim_scale(q2), trim_scale(q3), trim_scale(q4), trim_scale(q5), trim_scale(q6), trim_scale(q7), trim_scale(q8), trim_scale(q9))
from {schema}.result_day`

// compareCells compares the daily results of the newest config's metrics, and
// of the units themselves. Metrics that were dropped stay as they were.
func (v *verifying) compareCells(ctx context.Context, cells rollup.Cells, newest *rollup.Config) error {
	compared := func(cell rollup.Cell) bool {
		return !v.frozen[cell.Subject] && (cell.Metric == 0 || newest.Has(cell.Subject, cell.Metric))
	}
	err := queryRows(ctx, v.tx.Conn().PgConn(), v.store.sql(selectCells), nil, nil, func(row binaryRow) error {
		cell := rollup.Cell{Subject: row.int32(0), Treatment: row.int32(1), Metric: row.int32(2), Step: row.int32(3), Day: rollup.Day(row.int32(4))}
		if !compared(cell) {
			return nil
		}
		v.Cells++
		got := storedCell{row.int64(5), row.int64(6), row.int64(7), row.int64(8), row.int64(9), zeroless(row.string(10))}
		want := newStoredCell(cells[cell])
		if got != want {
			v.differ("daily results %+v: stored are %+v, the units make %+v", cell, got, want)
		}
		delete(cells, cell)
		return nil
	})
	if err != nil {
		return err
	}
	for cell, d := range cells {
		if want := newStoredCell(d); compared(cell) && want != (storedCell{}) {
			v.differ("daily results %+v: none are stored, the units make %+v", cell, want)
		}
	}
	return nil
}

func newStoredCell(d *rollup.Delta) storedCell {
	if d == nil {
		return storedCell{}
	}
	sums := d.Sums.Decimals()
	return storedCell{d.Units, d.Repeats, d.Matured, d.OtherCurrency, sums.N, zeroless(strings.Join(slices.Concat(sums.Sums, sums.Products), " "))}
}

// zeroless makes sums that are all zero equal to none at all.
func zeroless(sums string) string {
	if strings.Trim(sums, "0 ") == "" {
		return ""
	}
	return sums
}

const selectExposures = `
select x.unit_key, x.subject, x.treatment, x.first_at, x.contradiction, x.hash, x.bucket, x.plan_version, x.unit_id, u.state
from {schema}.exposure x left join {schema}.unit_state u using (unit_key)`

// exposures compares the exposures with what the units say, and has them
// assigned once more.
func (v *verifying) exposures(ctx context.Context) error {
	if err := v.loadPlans(ctx); err != nil {
		return err
	}
	return queryRows(ctx, v.tx.Conn().PgConn(), v.store.sql(selectExposures), nil, nil, func(row binaryRow) error {
		var u rollup.Unit
		if err := u.Decode(row[9], 0); err != nil {
			return err
		}
		stored := rollup.Exposure{Subject: row.int32(1), Treatment: row.int32(2), At: row.micros(3), Contradiction: row.bool(4)}
		if known := u.Exposed(stored.Subject); known == nil || *known != stored {
			v.differ("unit %q (%s): its exposure is %+v, the rollup knows %+v", row.string(8), hex.EncodeToString(row[0]), stored, known)
		}
		key := v.keys[stored.Subject]
		x := strata.Exposure{
			Experiment: key.experiment, Phase: key.phase, Treatment: v.names[stored.Treatment],
			Hash: uint64(row.int64(5)), Bucket: int(row.int32(6)), Version: row.int64(7),
		}
		snapshot := v.snapshots[x.Version]
		if snapshot == nil || x.Bucket < 0 {
			return nil // another system assigned, or a plan of another store
		}
		v.Exposures++
		if err := snapshot.Reproduce(x); err != nil {
			v.differ("unit %q: %v", row.string(8), err)
		}
		return nil
	})
}

// loadPlans compiles the plan versions that exposures name.
func (v *verifying) loadPlans(ctx context.Context) error {
	documents := make(map[int64][]byte)
	err := queryRows(ctx, v.tx.Conn().PgConn(), v.store.sql(`select version, document::text from {schema}.plan_version where version in (select distinct plan_version from {schema}.exposure)`), nil, nil, func(row binaryRow) error {
		documents[row.int64(0)] = bytes.Clone(row[1])
		return nil
	})
	if err != nil {
		return err
	}
	for _, version := range slices.SortedFunc(maps.Keys(documents), cmp.Compare[int64]) {
		plan, err := strata.ParsePlan(documents[version])
		if err != nil {
			return fmt.Errorf("plan version %d: %w", version, err)
		}
		snapshot, err := strata.Compile(plan, time.Time{})
		if errors.Is(err, strata.ErrInvalidPlan) {
			continue // stored without strata.Publish, and never used
		}
		if err != nil {
			return fmt.Errorf("plan version %d: %w", version, err)
		}
		v.snapshots[version] = snapshot
	}
	return nil
}
