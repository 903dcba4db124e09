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

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/makeway"
	"github.com/strataxp/strata/internal/rollup"
)

// ticket is a batch to be rolled up.
type ticket struct {
	batch      int64
	diversions int16 // bits; 0 means all in use
	receivedAt int64 // as Postgres counts
	rows       int32
	first      int64 // pages
	last       int64
}

// ticketsATime is how many tickets a transaction looks at; so many it keeps from
// others while it runs.
const ticketsATime = 16

const takeTickets = `
with seen as (
    select batch_id, diversions, n_rows from {schema}.rollup_ticket order by batch_id, diversions limit %d for update skip locked
), taken as (
    select batch_id, diversions from (select *, sum(n_rows) over (order by batch_id, diversions) - n_rows as before from seen) s where before < $1
)
delete from {schema}.rollup_ticket t using taken where t.batch_id = taken.batch_id and t.diversions = taken.diversions
returning t.batch_id, t.diversions, t.received_at, t.n_rows, t.first_page, t.last_page`

// takeTickets takes the oldest tickets that nobody else holds, for about so
// many rows.
func (r *rolling) takeTickets(ctx context.Context, rows int) ([]ticket, error) {
	var tickets []ticket
	sql := r.store.sql(fmt.Sprintf(takeTickets, ticketsATime))
	err := queryRows(ctx, r.tx.Conn().PgConn(), sql, [][]byte{text(rows)}, nil, func(row binaryRow) error {
		tickets = append(tickets, ticket{row.int64(0), row.int16(1), row.int64(2), row.int32(3), row.int64(4), row.int64(5)})
		return nil
	})
	slices.SortFunc(tickets, func(a, b ticket) int {
		return cmp.Or(cmp.Compare(a.batch, b.batch), cmp.Compare(a.diversions, b.diversions))
	})
	return tickets, err
}

const readEvents = `
select idx, kind, event_time, total, discount, items, value, forced, user_id, device_id, session_id, tenant_id, request_id, name, order_id, currency,
    case when kind = 1 then details::text end
from {schema}.event where received_at = $1 and batch_id = $2`

// eventTypes are the types of the columns of readEvents.
var eventTypes = []uint32{
	pgtype.Int8OID, pgtype.Int2OID, pgtype.TimestamptzOID, pgtype.Int8OID, pgtype.Int8OID, pgtype.Int8OID, pgtype.Float8OID, pgtype.BoolOID,
	pgtype.TextOID, pgtype.TextOID, pgtype.TextOID, pgtype.TextOID, pgtype.TextOID, pgtype.TextOID, pgtype.TextOID, pgtype.TextOID, pgtype.TextOID,
}

// strayPages is how far before the end of a table a batch may begin: what other
// writers have extended it by and not used.
const strayPages = 128

// read reads a ticket's events. It looks first where they are likely to be,
// which costs as many pages as they take; if some are missing there, it scans
// what was received at that time.
func (r *rolling) read(ctx context.Context, t *ticket) error {
	var events []readEvent
	collect := func(row binaryRow) error {
		events = append(events, newReadEvent(row))
		return nil
	}
	conn := r.tx.Conn().PgConn()
	params := [][]byte{binary.BigEndian.AppendUint64(nil, uint64(t.receivedAt)), text(t.batch)}
	formats := []int16{1, 0}
	if t.last > 0 {
		pages := fmt.Sprintf(" and ctid >= '(%d,0)'::tid and ctid < '(%d,0)'::tid", max(t.first-strayPages, 0), t.last)
		if err := queryTyped(ctx, conn, r.store.sql(readEvents)+pages, params, formats, eventTypes, collect); err != nil {
			return err
		}
	}
	if len(events) < int(t.rows) {
		events = events[:0]
		if err := queryTyped(ctx, conn, r.store.sql(readEvents), params, formats, eventTypes, collect); err != nil {
			return err
		}
	}
	slices.SortFunc(events, func(a, b readEvent) int { return cmp.Compare(a.idx, b.idx) })
	mask := t.diversions
	if mask == 0 {
		mask = r.control.diversions
	}
	for i := range events {
		makeway.At(i)
		if err := r.take(ctx, t, &events[i], mask); err != nil {
			return err
		}
	}
	return nil
}

// readEvent is a row of the event table, as far as the rollup needs it.
type readEvent struct {
	idx     int64
	kind    int16
	forced  bool
	ids     [len(diversions)]string // by diversionCode
	name    string
	order   string
	fact    strata.Fact
	details []byte // of an exposure
}

// kindsOf are the kinds of events by their code in the table.
var kindsOf = [...]strata.Kind{kindExposure: strata.KindExposure, kindPageView: strata.KindPageView, kindClick: strata.KindClick,
	kindPurchase: strata.KindPurchase, kindConversion: strata.KindConversion, kindCustom: strata.KindCustom}

func newReadEvent(row binaryRow) readEvent {
	e := readEvent{
		idx: row.int64(0), kind: row.int16(1), forced: row.bool(7), name: row.string(13), order: row.string(14),
		ids: [...]string{0: "", 1: row.string(11), 2: row.string(8), 3: row.string(9), 4: row.string(10), 5: row.string(12)},
	}
	if e.kind == kindExposure {
		e.details = bytes.Clone(row[16])
	}
	e.fact = row.fact(e.kind, 13, 15)
	return e
}

// fact makes a fact of an event's row: its time, total, discount, items and value
// are the columns 2 to 6. Of a kind that this program does not know the fact has
// none.
func (r binaryRow) fact(kind int16, name, currency int) strata.Fact {
	f := strata.Fact{At: r.micros(2), Total: r.int64(3), Discount: r.int64(4), Items: r.int64(5), Value: r.float64(6)}
	if kind > 0 && int(kind) < len(kindsOf) {
		f.Kind = kindsOf[kind]
	}
	if kind == kindPurchase {
		f.Currency = r.string(currency)
	} else {
		f.Name = strata.NameHash(r.string(name))
	}
	return f
}

// take gives an event to the units that it belongs to.
func (r *rolling) take(ctx context.Context, t *ticket, e *readEvent, mask int16) error {
	if e.kind == kindExposure {
		return r.takeExposure(ctx, t, e, mask)
	}
	if e.fact.Kind == "" {
		return fmt.Errorf("pgstore: event %d of batch %d is of kind %d, which this program does not know: leave it to a newer one", e.idx, t.batch, e.kind)
	}
	if e.forced {
		return nil
	}
	var seen *orderSeen
	if e.kind == kindPurchase {
		seen = &orderSeen{batch: t.batch, idx: e.idx, fact: e.fact}
		key := newOrderKey(e.ids[1], e.order)
		r.orders[key] = append(r.orders[key], seen)
	}
	for code := diversionCode(1); int(code) < len(diversions); code++ {
		if mask&code.bit() == 0 || e.ids[code] == "" {
			continue
		}
		u := r.unit(code, e.ids[code])
		if seen != nil {
			seen.units = append(seen.units, u)
		} else {
			u.facts = append(u.facts, e.fact)
		}
	}
	return nil
}

func (r *rolling) takeExposure(ctx context.Context, t *ticket, e *readEvent, mask int16) error {
	var details exposureDetails
	if err := json.Unmarshal(e.details, &details); err != nil {
		return fmt.Errorf("pgstore: exposure %d of batch %d cannot be read: %w", e.idx, t.batch, err)
	}
	code := codeOf(details.Diversion)
	switch {
	case mask&code.bit() != 0:
	case t.diversions == 0:
		return errInactive{code.bit()}
	default:
		return nil // this ticket is for another diversion
	}
	subject, err := r.names.subject(ctx, r.tx, r.store, e.name, details.Phase)
	if err != nil {
		return err
	}
	treatment, err := r.names.treatment(ctx, r.tx, r.store, details.Treatment)
	if err != nil {
		return err
	}
	id := ""
	if code > 0 {
		id = e.ids[code]
	}
	r.saw(subject, e.fact.At) // each of a unit's exposures
	r.ordinal++
	r.unit(code, id).see(seenExposure{
		Exposure: rollup.Exposure{Subject: subject, Treatment: treatment, At: e.fact.At},
		ordinal:  r.ordinal, details: details,
	})
	return nil
}

// settleOrders finds out which purchases are repeats: all but the first that any
// rollup saw, which is entered for good.
func (r *rolling) settleOrders(ctx context.Context) error {
	if len(r.orders) == 0 {
		return nil
	}
	keys := slices.SortedFunc(maps.Keys(r.orders), func(a, b orderKey) int { return bytes.Compare(a[:], b[:]) })
	list, batches, idxs := make([][]byte, len(keys)), make([]int64, len(keys)), make([]int64, len(keys))
	for i, key := range keys {
		list[i] = slices.Clone(key[:])
		first := r.orders[key][0]
		batches[i], idxs[i] = first.batch, first.idx
	}
	conn := r.tx.Conn().PgConn()
	insert := r.store.sql(`insert into {schema}.purchase_order select * from unnest($1::bytea[], $2::bigint[], $3::bigint[]) on conflict do nothing`)
	params := [][]byte{byteaArray(list), int8Array(batches), int8Array(idxs)}
	if err := queryRows(ctx, conn, insert, params, binaryFormat, func(binaryRow) error { return nil }); err != nil {
		return err
	}
	winners := make(map[orderKey][2]int64, len(keys))
	err := queryRows(ctx, conn, r.store.sql(`select order_key, batch_id, idx from {schema}.purchase_order where order_key = any($1::bytea[])`), params[:1], binaryFormat, func(row binaryRow) error {
		winners[orderKey(row[0])] = [2]int64{row.int64(1), row.int64(2)}
		return nil
	})
	if err != nil {
		return err
	}
	for key, list := range r.orders {
		for _, seen := range list {
			first := winners[key] == [2]int64{seen.batch, seen.idx}
			for _, u := range seen.units {
				if first {
					u.facts = append(u.facts, seen.fact)
				} else {
					u.repeats++
				}
			}
		}
	}
	return nil
}

// loadUnits reads and locks what is known of the units.
func (r *rolling) loadUnits(ctx context.Context) error {
	keys := make([][]byte, 0, len(r.units))
	for key := range r.units {
		keys = append(keys, slices.Clone(key[:]))
	}
	slices.SortFunc(keys, bytes.Compare)
	sql := r.store.sql(`select unit_key, config, state from {schema}.unit_state where unit_key = any($1::bytea[]) order by unit_key for update`)
	return queryRows(ctx, r.tx.Conn().PgConn(), sql, [][]byte{byteaArray(keys)}, binaryFormat, func(row binaryRow) error {
		u := r.units[unitKey(row[0])]
		u.known, u.config, u.stored = true, row.int32(1), bytes.Clone(row[2])
		return nil
	})
}
