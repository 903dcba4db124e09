package pgstore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/strataxp/strata/internal/rollup"
)

// write stores what apply has changed.
func (r *rolling) write(ctx context.Context) error {
	if err := r.writeUnits(ctx); err != nil {
		return err
	}
	if err := r.writeSubjects(ctx); err != nil {
		return err
	}
	return r.writeCells(ctx)
}

// writeUnits updates the units that have a row, and copies in those that have
// none. A unit that another rollup entered meanwhile fails on the key.
func (r *rolling) writeUnits(ctx context.Context) error {
	var known, states [][]byte
	var fresh copyRows
	fresh.reset()
	size := 0
	for _, key := range slices.SortedFunc(maps.Keys(r.units), func(a, b unitKey) int { return bytes.Compare(a[:], b[:]) }) {
		u := r.units[key]
		if !u.known {
			fresh.row(3)
			fresh.bytes(key[:])
			fresh.int32(r.control.config)
			fresh.bytes(u.stored)
			continue
		}
		known, states = append(known, key[:]), append(states, u.stored)
		if size += len(u.stored); size > bytesATime {
			if err := r.updateUnits(ctx, known, states); err != nil {
				return err
			}
			known, states, size = known[:0], states[:0], 0
		}
	}
	if err := r.updateUnits(ctx, known, states); err != nil {
		return err
	}
	return r.copy(ctx, &fresh, "unit_state (unit_key, config, state)")
}

// bytesATime is how much of units travels in one statement: a message has 1 GB
// at most.
const bytesATime = 64 << 20

func (r *rolling) updateUnits(ctx context.Context, keys, states [][]byte) error {
	if len(keys) == 0 {
		return nil
	}
	const update = `update {schema}.unit_state u set state = c.state, config = $3::integer from unnest($1::bytea[], $2::bytea[]) as c(unit_key, state) where u.unit_key = c.unit_key`
	params := [][]byte{byteaArray(keys), byteaArray(states), text(r.control.config)}
	result := r.tx.Conn().PgConn().ExecParams(ctx, r.store.sql(update), params, nil, []int16{1, 1, 0}, nil).Read()
	if result.Err != nil {
		return result.Err
	}
	if n := result.CommandTag.RowsAffected(); n != int64(len(keys)) {
		return fmt.Errorf("%w: %d of %d units were there", errRaced, n, len(keys))
	}
	return nil
}

// copy copies rows into a table of our own.
func (r *rolling) copy(ctx context.Context, rows *copyRows, into string) error {
	if len(rows.starts) == 0 {
		return nil
	}
	_, err := r.tx.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(rows.end()), r.store.sql("copy {schema}."+into+" from stdin (format binary)"))
	return err
}

// newExposure is an exposure that makes a row.
type newExposure struct {
	unit *rolledUnit
	seen *seenExposure
}

// writeSubjects numbers new exposures and enters them, and notes the latest
// events. A subject's row is locked from the number on to the commit: so numbers
// become visible in their order.
func (r *rolling) writeSubjects(ctx context.Context) error {
	fresh, known := make(map[int32][]newExposure), make(map[int32][]newExposure)
	for _, u := range r.units {
		for i := range u.exposures {
			seen := &u.exposures[i]
			to := known
			if u.before.Exposed(seen.Subject) == nil {
				to = fresh
			}
			to[seen.Subject] = append(to[seen.Subject], newExposure{u, seen})
		}
	}
	last, err := r.advanceSubjects(ctx, fresh, known)
	if err != nil {
		return err
	}
	for subject, list := range known {
		for _, x := range list {
			if err := r.updateExposure(ctx, x.unit, x.seen, last[subject]); err != nil {
				return err
			}
			last[subject]--
		}
	}
	var rows copyRows
	rows.reset()
	for subject, list := range fresh {
		slices.SortFunc(list, func(a, b newExposure) int { return cmp.Compare(a.seen.ordinal, b.seen.ordinal) })
		sequence := last[subject] - int64(len(list))
		for _, x := range list {
			sequence++
			if err := rows.exposure(x, sequence); err != nil {
				return err
			}
		}
	}
	return r.copy(ctx, &rows, "exposure (unit_key, hash, sequence, plan_version, first_at, subject, treatment, bucket, diversion, contradiction, unit_id, attributes)")
}

func (c *copyRows) exposure(x newExposure, sequence int64) error {
	d := &x.seen.details
	c.row(12)
	c.bytes(x.unit.key[:])
	c.int64(int64(d.Hash))
	c.int64(sequence)
	c.int64(d.Version)
	c.int64(x.seen.At - epoch)
	c.int32(x.seen.Subject)
	c.int32(x.seen.Treatment)
	c.int32(int32(d.Bucket))
	c.length(2)
	c.data = binary.BigEndian.AppendUint16(c.data, uint16(x.unit.diversion))
	c.length(1)
	c.data = append(c.data, flag(x.seen.Contradiction))
	c.bytes([]byte(x.unit.id))
	document, err := attributesJSON(d.Attributes)
	c.jsonb(document)
	return err
}

func attributesJSON(attributes map[string]string) ([]byte, error) {
	if len(attributes) == 0 {
		return nil, nil
	}
	return json.Marshal(attributes)
}

// updateExposure changes the row of a unit that had been exposed before, if
// there is anything to change: rarely is there. What another system recorded
// first and this one has assigned is listed as something new, under the number.
func (r *rolling) updateExposure(ctx context.Context, u *rolledUnit, seen *seenExposure, sequence int64) error {
	known, now := u.before.Exposed(seen.Subject), u.after.Exposed(seen.Subject)
	d := &seen.details
	switch {
	case seen.At < known.At:
		document, err := attributesJSON(d.Attributes)
		if err != nil {
			return err
		}
		_, err = r.tx.Exec(ctx, r.store.sql(`update {schema}.exposure set hash = $3::bigint, plan_version = $4::bigint, first_at = $5::timestamptz, treatment = $6::integer, bucket = $7::integer,
			contradiction = $8::boolean, attributes = $9::text::jsonb, sequence = case when bucket < 0 then $10::bigint else sequence end
			where unit_key = $1::bytea and subject = $2::integer`),
			u.key[:], seen.Subject, int64(d.Hash), d.Version, time.UnixMicro(seen.At).UTC(), seen.Treatment, int32(d.Bucket), now.Contradiction, nullableText(document), sequence)
		return err
	case seen.At == known.At && len(d.Attributes) > 0:
		return r.joinAttributes(ctx, u, now, seen)
	case known.Contradiction != now.Contradiction:
		_, err := r.tx.Exec(ctx, r.store.sql(`update {schema}.exposure set contradiction = true where unit_key = $1::bytea and subject = $2::integer`), u.key[:], seen.Subject)
		return err
	}
	return nil
}

func nullableText(document []byte) *string {
	if document == nil {
		return nil
	}
	s := string(document)
	return &s
}

// joinAttributes joins the attributes of two exposures of one instant.
func (r *rolling) joinAttributes(ctx context.Context, u *rolledUnit, now *rollup.Exposure, seen *seenExposure) error {
	var stored *string
	err := r.tx.QueryRow(ctx, r.store.sql(`select attributes::text from {schema}.exposure where unit_key = $1::bytea and subject = $2::integer`), u.key[:], seen.Subject).Scan(&stored)
	if err != nil {
		return err
	}
	var known map[string]string
	if stored != nil {
		if err := json.Unmarshal([]byte(*stored), &known); err != nil {
			return err
		}
	}
	document, err := attributesJSON(rollup.JoinAttributes(known, seen.details.Attributes))
	if err != nil {
		return err
	}
	_, err = r.tx.Exec(ctx, r.store.sql(`update {schema}.exposure set attributes = $3::text::jsonb, contradiction = $4::boolean where unit_key = $1::bytea and subject = $2::integer`),
		u.key[:], seen.Subject, nullableText(document), now.Contradiction)
	return err
}

// subjectChange is what writeSubjects changes in a subject's row.
type subjectChange struct {
	Subject int32     `json:"subject"`
	Fresh   int       `json:"fresh"`
	Latest  time.Time `json:"latest"`
}

// advanceSubjects draws numbers for new exposures, and returns the last one of
// each subject.
func (r *rolling) advanceSubjects(ctx context.Context, fresh, known map[int32][]newExposure) (last map[int32]int64, err error) {
	last = make(map[int32]int64)
	var changes []subjectChange
	for _, subject := range slices.Sorted(maps.Keys(r.latest)) {
		changes = append(changes, subjectChange{subject, len(fresh[subject]) + len(known[subject]), time.UnixMicro(r.latest[subject]).UTC()})
	}
	if len(changes) == 0 {
		return last, nil
	}
	document, err := json.Marshal(changes)
	if err != nil {
		return nil, err
	}
	var subject int32
	var sequence int64
	timeline := int64(0)
	if len(fresh)+len(known) > 0 {
		if timeline, err = r.store.timelineOf(ctx, r.tx); err != nil {
			return nil, err
		}
	}
	err = scanRows(ctx, r.tx, r.store.sql(advanceSubjects), []any{string(document), timeline * numbersPerTimeline}, []any{&subject, &sequence}, func() { last[subject] = sequence })
	return last, err
}

const advanceSubjects = `
with changes as (
    select * from json_to_recordset($1::text::json) as c(subject integer, fresh integer, latest timestamptz)
), locked as (
    select s.subject from {schema}.subject s where s.subject in (select subject from changes) order by s.subject for update
)
update {schema}.subject s set last_sequence = case when c.fresh > 0 then greatest(s.last_sequence, $2::bigint) else s.last_sequence end + c.fresh, latest = greatest(s.latest, c.latest)
from changes c join locked using (subject) where s.subject = c.subject
returning s.subject, s.last_sequence`

// cellRow is a row of result_day in JSON.
type cellRow struct {
	Subject       int32    `json:"subject"`
	Metric        int32    `json:"metric"`
	Treatment     int32    `json:"treatment"`
	Step          int32    `json:"step"`
	Day           string   `json:"day"`
	Units         int64    `json:"units"`
	Repeats       int64    `json:"repeats"`
	Matured       int64    `json:"matured"`
	OtherCurrency int64    `json:"other_currency"`
	N             int64    `json:"n"`
	Sums          []string `json:"s"`
	Products      []string `json:"q"`
}

// writeCells adds what changed to the daily results.
func (r *rolling) writeCells(ctx context.Context) error {
	var rows []cellRow
	for cell, d := range r.cells {
		if r.frozen[cell.Subject] {
			continue
		}
		sums := d.Sums.Decimals()
		rows = append(rows, cellRow{
			cell.Subject, cell.Metric, cell.Treatment, cell.Step, cell.Day.String(),
			d.Units, d.Repeats, d.Matured, d.OtherCurrency, sums.N, sums.Sums, sums.Products,
		})
	}
	if len(rows) == 0 {
		return nil
	}
	slices.SortFunc(rows, func(a, b cellRow) int {
		return cmp.Or(cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Metric, b.Metric), cmp.Compare(a.Treatment, b.Treatment), cmp.Compare(a.Step, b.Step), cmp.Compare(a.Day, b.Day))
	})
	document, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	_, err = r.tx.Exec(ctx, r.store.sql(addCells), string(document))
	return err
}

// addCells adds rows of JSON to the daily results; a null is no change. Rows
// come in the order of the key.
var addCells = `
insert into {schema}.result_day as d (subject, metric, treatment, step, day, units, repeats, matured, other_currency, n, s0, s1, s2, s3, q0, q1, q2, q3, q4, q5, q6, q7, q8, q9)
select subject, metric, treatment, step, day, units, repeats, matured, other_currency, n,
    (s->>0)::numeric, (s->>1)::numeric, (s->>2)::numeric, (s->>3)::numeric,
    (q->>0)::numeric, (q->>1)::numeric, (q->>2)::numeric, (q->>3)::numeric, (q->>4)::numeric, (q->>5)::numeric, (q->>6)::numeric, (q->>7)::numeric, (q->>8)::numeric, (q->>9)::numeric
from json_to_recordset($1::text::json) as c(subject integer, metric integer, treatment integer, step integer, day date,
    units bigint, repeats bigint, matured bigint, other_currency bigint, n bigint, s json, q json)
on conflict (subject, metric, treatment, step, day) do update set
    units = d.units + excluded.units, repeats = d.repeats + excluded.repeats, matured = d.matured + excluded.matured,
    other_currency = d.other_currency + excluded.other_currency, n = d.n + excluded.n` + addColumns("s", 4) + addColumns("q", 10)

// addColumns adds numeric columns of which either side may be null.
func addColumns(name string, n int) string {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, ",\n    %[1]s%[2]d = case when excluded.%[1]s%[2]d is null then d.%[1]s%[2]d else coalesce(d.%[1]s%[2]d, 0) + excluded.%[1]s%[2]d end", name, i)
	}
	return b.String()
}
