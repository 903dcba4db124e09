package pgstore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/makeway"
	"github.com/strataxp/strata/internal/rollup"
)

// rolling is one transaction of the rollup: it takes tickets, reads their
// events, brings the units that they touch up to date, and adds what changed in
// them to the daily results. All of it, or nothing.
//
// Locks are taken in one order everywhere: orders, units by key, subjects by
// number, results by key. So two rollups wait for each other at times and seldom
// form a ring; where they do, one of them begins again.
type rolling struct {
	store   *Store
	tx      pgx.Tx
	control control
	frozen  map[int32]bool // subjects whose results stay as they are
	configs map[int32]*rollup.Config
	units   map[unitKey]*rolledUnit
	orders  map[orderKey][]*orderSeen
	cells   rollup.Cells
	names   *names
	ordinal int
	latest  map[int32]int64 // by subject, in microseconds
}

// unitKey is the first half of SHA-256 of a diversion and an id. Two ids with
// one key would be taken for one unit: among 10¹² ids that happens once in 10¹⁴
// installations.
type unitKey [16]byte

func newUnitKey(code diversionCode, id string) unitKey {
	return half(string(rune(code)), id)
}

// orderKey is the first half of SHA-256 of a tenant and an order id.
type orderKey [16]byte

func newOrderKey(tenant, order string) orderKey { return orderKey(half(tenant, order)) }

func half(a, b string) unitKey {
	var buffer [256]byte
	text := append(buffer[:0], a...)
	text = append(text, 0)
	text = append(text, b...)
	sum := sha256.Sum256(text)
	return unitKey(sum[:16])
}

// diversionCode is the number of a diversion in tables.
type diversionCode int16

var diversions = [...]strata.Diversion{1: strata.ByTenant, 2: strata.ByUser, 3: strata.ByDevice, 4: strata.BySession, 5: strata.ByRequest}

func codeOf(d strata.Diversion) diversionCode {
	for code, known := range diversions {
		if known == d && code > 0 {
			return diversionCode(code)
		}
	}
	return 0
}

func (c diversionCode) bit() int16 { return 1 << c }

// control says what the rollup looks after.
type control struct {
	diversions int16 // bits of those in use
	config     int32
}

// rolledUnit is a unit that a transaction touches.
type rolledUnit struct {
	key           unitKey
	diversion     diversionCode
	id            string
	known         bool  // there is a row
	config        int32 // by which it was counted
	stored        []byte
	before, after rollup.Unit
	facts         []strata.Fact
	repeats       int64
	exposures     []seenExposure // one for each subject
	changed       int            // from where on after.Facts differ
}

// seenExposure is what came of a unit's exposures to a subject: the earliest of
// them.
type seenExposure struct {
	rollup.Exposure
	ordinal int // of arrival
	details exposureDetails
}

// see takes an exposure in.
func (u *rolledUnit) see(x seenExposure) {
	for i := range u.exposures {
		e := &u.exposures[i]
		if e.Subject != x.Subject {
			continue
		}
		x.Contradiction = e.Contradiction || e.Treatment != x.Treatment
		x.ordinal = e.ordinal
		switch {
		case x.At < e.At:
			*e = x
		case x.At == e.At:
			e.details.Attributes = rollup.JoinAttributes(e.details.Attributes, x.details.Attributes)
		}
		e.Contradiction = x.Contradiction
		return
	}
	u.exposures = append(u.exposures, x)
}

// orderSeen is a purchase of a batch: where it stands, and whose fact it is.
type orderSeen struct {
	batch, idx int64
	fact       strata.Fact
	units      []*rolledUnit
}

// errRaced means that another transaction was faster; nothing was done.
var errRaced = errors.New("pgstore: another rollup was faster")

// errInactive means that events have exposures of a diversion that is not in
// use yet.
type errInactive struct{ diversions int16 }

func (e errInactive) Error() string {
	return fmt.Sprintf("pgstore: diversions %b are not rolled up yet", e.diversions)
}

// lockKey names the advisory lock that rollups share, and that a change of the
// control takes alone.
const lockRollup = `select pg_advisory_xact_lock_shared(hashtextextended($1::text || '.rollup', 0))`

const lockRollupAlone = `select pg_advisory_xact_lock(hashtextextended($1::text || '.rollup', 0))`

func (s *Store) newRolling(ctx context.Context, tx pgx.Tx) (*rolling, error) {
	r := &rolling{
		store: s, tx: tx, configs: make(map[int32]*rollup.Config), units: make(map[unitKey]*rolledUnit),
		orders: make(map[orderKey][]*orderSeen), cells: make(rollup.Cells), names: newNames(), latest: make(map[int32]int64),
	}
	if _, err := tx.Exec(ctx, lockRollup, s.cfg.Schema); err != nil {
		return nil, err
	}
	var zone string
	err := tx.QueryRow(ctx, s.sql(`select diversions, config, zone from {schema}.rollup_control`)).Scan(&r.control.diversions, &r.control.config, &zone)
	if err != nil {
		return nil, err
	}
	if zone != s.zone.String() { // another process set it while there were no results yet
		return nil, zoneError(s.zone, zone)
	}
	if r.frozen, err = s.frozenSubjects(ctx, tx); err != nil {
		return nil, err
	}
	_, err = r.config(ctx, r.control.config)
	return r, err
}

// frozenSubjects lists the subjects whose results stay as they are.
func (s *Store) frozenSubjects(ctx context.Context, tx pgx.Tx) (map[int32]bool, error) {
	frozen := make(map[int32]bool)
	var subject int32
	err := scanRows(ctx, tx, s.sql(`select subject from {schema}.subject where frozen_at is not null`), nil, []any{&subject}, func() { frozen[subject] = true })
	return frozen, err
}

// config returns the configuration with a number, ready for this transaction.
func (r *rolling) config(ctx context.Context, id int32) (*rollup.Config, error) {
	if c := r.configs[id]; c != nil {
		return c, nil
	}
	made, err := r.store.loadConfig(ctx, r.tx, id)
	if err != nil {
		return nil, err
	}
	c := &rollup.Config{Calendar: rollup.NewCalendar(made.zone), Subjects: made.subjects}
	r.configs[id] = c
	return c, nil
}

// unit returns the unit with an id, to which something is added.
func (r *rolling) unit(code diversionCode, id string) *rolledUnit {
	key := newUnitKey(code, id)
	u := r.units[key]
	if u == nil {
		u = &rolledUnit{key: key, diversion: code, id: id}
		r.units[key] = u
	}
	return u
}

// apply brings the units up to date in memory, on half of the processors: where all
// are busy computing, a web application's requests wait for one of them, and what comes
// in from the network is not even looked at for up to 10 ms.
func (r *rolling) apply(ctx context.Context) error {
	for _, u := range r.units { // so that the goroutines need not ask the server
		if _, err := r.config(ctx, u.config); err != nil {
			return err
		}
	}
	units := slices.Collect(maps.Values(r.units))
	shares := make([]*share, min(max(1, runtime.GOMAXPROCS(0)/2), len(units)/unitsAShare+1))
	var group errgroup.Group
	for i := range shares {
		s := r.newShare()
		shares[i] = s
		from, to := i*len(units)/len(shares), (i+1)*len(units)/len(shares)
		group.Go(func() error { return s.apply(units[from:to]) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, s := range shares {
		if err := r.cells.Merge(s.cells); err != nil {
			return err
		}
		for subject, at := range s.latest {
			r.saw(subject, at)
		}
	}
	return nil
}

// unitsAShare is how many units are worth a goroutine.
const unitsAShare = 256

// share is some of a transaction's units, which one goroutine brings up to date.
type share struct {
	configs map[int32]*rollup.Config
	config  int32 // the newest
	cells   rollup.Cells
	latest  map[int32]int64
}

func (r *rolling) newShare() *share {
	s := &share{configs: make(map[int32]*rollup.Config, len(r.configs)), config: r.control.config, cells: make(rollup.Cells), latest: make(map[int32]int64)}
	for id, c := range r.configs {
		s.configs[id] = &rollup.Config{Calendar: rollup.NewCalendar(r.store.zone), Subjects: c.Subjects}
	}
	return s
}

func (s *share) apply(units []*rolledUnit) error {
	now := s.configs[s.config]
	for i, u := range units {
		makeway.At(i)
		if err := u.before.Decode(u.stored, 0); err != nil {
			return fmt.Errorf("pgstore: the unit with the key %x: %w", u.key, err)
		}
		u.take()
		if err := now.Change(s.cells, s.configs[u.config], &u.before, &u.after, u.changed); err != nil {
			return fmt.Errorf("pgstore: the unit with the key %x: %w", u.key, err)
		}
		for i := range u.after.Exposures {
			at := u.after.Exposures[i].At
			if n := len(u.after.Facts); n > 0 {
				at = max(at, u.after.Facts[n-1].At)
			}
			subject := u.after.Exposures[i].Subject
			s.latest[subject] = max(s.latest[subject], at)
		}
		u.stored = u.after.Append(make([]byte, 0, len(u.stored)+32*len(u.facts)+64))
		u.before.Facts, u.after.Facts = nil, nil // ten times the size of what is stored, for all units of a transaction
	}
	return nil
}

// saw notes when something happened to a subject's units.
func (r *rolling) saw(subject int32, at int64) {
	if known, ok := r.latest[subject]; !ok || at > known {
		r.latest[subject] = at
	}
}

// take adds what came to what was known.
func (u *rolledUnit) take() {
	u.after = u.before.Clone(len(u.facts))
	u.after.Repeats += u.repeats
	strata.SortFacts(u.facts)
	u.changed = u.after.AddFacts(u.facts)
	for i := range u.exposures {
		u.after.Expose(u.exposures[i].Exposure)
	}
}
