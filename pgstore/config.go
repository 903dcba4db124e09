package pgstore

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/strataxp/strata"
)

// Config configures a [Store]. The zero value is a sensible production setting.
type Config struct {
	// Schema is where everything lies: any name that PostgreSQL takes, quotes
	// and spaces included. Empty means DefaultSchema ("strata"). Two schemas of
	// one database know nothing of each other.
	Schema string

	// NoMigrate leaves the schema as it is. Where it is older than this
	// program, [Open] then fails with [ErrSchemaVersion]; run [Migrate] before.
	NoMigrate bool

	// ReadOnly is for reports on a standby, or by a role that may only read. The
	// store writes nothing and refuses what would, with [ErrReadOnly]; the
	// schema is left as it is. Results and lists of exposed units are then what
	// was rolled up, and [Store.Freshness] says how far that is behind: some
	// other process must roll up.
	ReadOnly bool

	// Lazy makes [Open] return without having connected, so that a program can
	// start while the server is down. What Open would have checked, and
	// migrated, the first connection does, and calls return what it finds.
	Lazy bool

	// NoRollup keeps the store from rolling up in the background, for programs
	// that only write events or only publish plans. Some process should roll
	// up: results and lists of exposed units are brought up to date when they
	// are asked for, which takes longer the more there is to do.
	NoRollup bool

	// RollupInterval is how long the background rollup rests when there is
	// nothing to do. Zero means DefaultRollupInterval (500 ms).
	RollupInterval time.Duration

	// Zone is where days begin in the daily results. It is fixed when the
	// schema has its first results; another one is refused then. Reports in
	// another zone are possible all the same, and cost a pass over the units.
	// Nil means UTC.
	Zone *time.Location

	// Standbys are connection strings, one for each server that may take over
	// as the primary; list the present one as well, so that the list stays true
	// when they have changed places. An engine then keeps events until all of
	// them have them ([Store.Confirmed]), and sends again what a failover has
	// lost. The role needs to read the table stream there. A standby that is
	// down keeps neither Open nor writers from working, but what is written
	// meanwhile stays with the engines. Leave target_session_attrs out. Empty
	// means that what is stored counts as confirmed.
	Standbys []string

	// PseudonymKey replaces the ids of users, devices, sessions and requests by a
	// keyed hash before they are stored (not those of tenants), so that the
	// database alone names nobody. At least 16 bytes, the same in every process
	// and for ever: with another key everybody is somebody else. What it does
	// not cover: pages, properties and order ids are stored as they are, and
	// exposures carry the hash by which units are assigned, which whoever has a
	// list of all ids can look up. Empty means ids as they are.
	PseudonymKey []byte

	// Logger receives failures of the background rollup. Nil means that
	// nothing is logged; [Store.Freshness] tells what is behind.
	Logger *slog.Logger

	// Clock is where waiting is done by. Nil means the system's clock.
	Clock strata.Clock
}

// DefaultRollupInterval is the default of [Config.RollupInterval].
const DefaultRollupInterval = 500 * time.Millisecond

// DefaultSchema is where a store lies if nothing else is said.
const DefaultSchema = "strata"

// maxIdentifier is the length of a name in bytes up to which PostgreSQL does not
// cut it.
const maxIdentifier = 63

func (c Config) withDefaults() Config {
	if c.Schema == "" {
		c.Schema = DefaultSchema
	}
	if c.RollupInterval == 0 {
		c.RollupInterval = DefaultRollupInterval
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	if c.Clock == nil {
		c.Clock = strata.SystemClock()
	}
	return c
}

// validate reports every bad field, not only the first.
func (c Config) validate() error {
	err := checkName("Schema", c.Schema)
	if c.RollupInterval < 0 {
		err = errors.Join(err, &ConfigError{Field: "RollupInterval", Value: c.RollupInterval, Cure: "is negative; use NoRollup to have no background rollup"})
	}
	if n := len(c.PseudonymKey); n > 0 && n < 16 {
		err = errors.Join(err, &ConfigError{Field: "PseudonymKey", Cure: fmt.Sprintf("has %d bytes; give at least 16 that nobody can guess", n)})
	}
	return errors.Join(err, checkZone(c.Zone))
}

// checkZone refuses a zone that PostgreSQL and other processes could not look up
// by its name, or not find the same.
func checkZone(zone *time.Location) error {
	if named, err := time.LoadLocation(zone.String()); err != nil || zone == time.Local || !sameZone(zone, named) {
		return &ConfigError{Field: "Zone", Value: zone.String(), Cure: "is not the name of a zone that every process knows; use time.UTC or time.LoadLocation(\"Europe/Berlin\")"}
	}
	return nil
}

// sameZone reports whether two zones have one name, and clocks that agree in
// each month of two generations: a fixed zone may have any name.
func sameZone(a, b *time.Location) bool {
	if a == b || a.String() != b.String() {
		return a == b
	}
	for month := range 12 * 60 {
		at := time.Date(1990, time.January+time.Month(month), 1, 0, 0, 0, 0, time.UTC)
		_, one := at.In(a).Zone()
		_, two := at.In(b).Zone()
		if one != two {
			return false
		}
	}
	return true
}

// checkName checks a name that is given to PostgreSQL.
func checkName(field, name string) error {
	cure := ""
	switch {
	case name == "":
		cure = "is empty; give a name"
	case len(name) > maxIdentifier:
		cure = fmt.Sprintf("has %d bytes; PostgreSQL cuts names behind the %dth", len(name), maxIdentifier)
	case !utf8.ValidString(name) || strings.ContainsRune(name, 0):
		cure = "is not valid UTF-8, or holds a NUL; PostgreSQL takes neither"
	case strings.HasPrefix(name, "pg_"):
		cure = "begins with pg_, which PostgreSQL keeps to itself; choose another name"
	default:
		return nil
	}
	return &ConfigError{Field: field, Value: name, Cure: cure}
}

// ConfigError says which field of [Config], or which parameter of a function, was
// refused and why. It matches [strata.ErrConfig].
type ConfigError struct {
	Field string // as spelled in Config, for example "Schema"
	Value any    // what was passed, never a secret; nil when it is missing
	Cure  string // what is wrong and what to do about it
}

func (e *ConfigError) Error() string {
	if e.Value == nil {
		return fmt.Sprintf("pgstore: %s: %s", e.Field, e.Cure)
	}
	return fmt.Sprintf("pgstore: %s = %#v: %s", e.Field, e.Value, e.Cure)
}

// Unwrap makes every ConfigError match [strata.ErrConfig].
func (e *ConfigError) Unwrap() error { return strata.ErrConfig }

// quote returns a name as it is written in SQL.
func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// inSchema puts a quoted schema name into SQL, in which it is written {schema},
// or {schema_literal} where a text is wanted.
func inSchema(text, quoted string) string {
	name := strings.ReplaceAll(quoted[1:len(quoted)-1], `""`, `"`)
	literal := "'" + strings.ReplaceAll(name, "'", "''") + "'"
	return strings.NewReplacer("{schema}", quoted, "{schema_literal}", literal).Replace(text)
}
