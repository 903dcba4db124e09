package pgstore

import (
	"errors"
	"fmt"
	"strings"
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

	// Lazy makes [Open] return without having connected, so that a program can
	// start while the server is down. What Open would have checked, and
	// migrated, the first connection does, and calls return what it finds.
	Lazy bool
}

// DefaultSchema is where a store lies if nothing else is said.
const DefaultSchema = "strata"

// maxIdentifier is the length of a name in bytes up to which PostgreSQL does not
// cut it.
const maxIdentifier = 63

func (c Config) withDefaults() Config {
	if c.Schema == "" {
		c.Schema = DefaultSchema
	}
	return c
}

// validate reports every bad field, not only the first.
func (c Config) validate() error { return errors.Join(checkName("Schema", c.Schema)) }

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

// inSchema puts a quoted schema name into SQL, in which it is written {schema}.
func inSchema(text, quoted string) string { return strings.ReplaceAll(text, "{schema}", quoted) }
