package pgstore

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migration is a numbered step from one version of the schema to the next.
type Migration struct {
	Version int    // from 1, without gaps
	Name    string // for example "plans"

	// Up and Down are what goes there and back: several statements each, which
	// belong in one transaction. They include the row of table migration by
	// which [Open] knows the version.
	Up, Down string
}

// Migrations returns all steps in ascending order, for those who migrate with a
// tool of their own. The first one creates the schema if it is missing; the
// last step down leaves it there, empty. An empty schema means DefaultSchema.
func Migrations(schema string) ([]Migration, error) {
	cfg := Config{Schema: schema}.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	list, err := steps()
	if err != nil {
		return nil, err
	}
	quoted := quote(cfg.Schema)
	list = slices.Clone(list)
	for i := range list {
		list[i] = list[i].in(quoted)
	}
	list[0].Up = "create schema if not exists " + quoted + ";\n" + list[0].Up
	return list, nil
}

// in puts a schema's name into the step.
func (m Migration) in(quoted string) Migration {
	m.Up, m.Down = inSchema(m.Up, quoted), inSchema(m.Down, quoted)
	return m
}

var migrationName = regexp.MustCompile(`^(\d{4})_([a-z0-9_]+)\.up\.sql$`)

// steps reads the embedded files, in which the schema is written {schema}.
var steps = sync.OnceValues(func() ([]Migration, error) { return readSteps(migrationFiles) })

func readSteps(files fs.FS) ([]Migration, error) {
	entries, err := fs.ReadDir(files, "migrations") // sorted by name
	if err != nil {
		return nil, err
	}
	var list []Migration
	for _, entry := range entries {
		found := migrationName.FindStringSubmatch(entry.Name())
		if found == nil {
			continue
		}
		version, err := strconv.Atoi(found[1])
		if err != nil {
			return nil, err
		}
		if version != len(list)+1 {
			return nil, fmt.Errorf("pgstore: migration %s: the number behind %04d is %04d", entry.Name(), len(list), len(list)+1)
		}
		m, err := readStep(files, version, found[2])
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

func readStep(files fs.FS, version int, name string) (Migration, error) {
	base := fmt.Sprintf("migrations/%04d_%s", version, name)
	up, err := fs.ReadFile(files, base+".up.sql")
	if err != nil {
		return Migration{}, err
	}
	down, err := fs.ReadFile(files, base+".down.sql")
	if err != nil {
		return Migration{}, err
	}
	return Migration{
		Version: version, Name: name,
		Up:   fmt.Sprintf("%s\ninsert into {schema}.migration (version, name) values (%d, '%s');\n", up, version, name),
		Down: fmt.Sprintf("delete from {schema}.migration where version = %d;\n\n%s", version, down),
	}, nil
}

// MigrateParams are the parameters of [Migrate]. The zero value brings the
// default schema to the newest version.
type MigrateParams struct {
	Schema string // empty means DefaultSchema

	// To is the version to go to, up or down. Going down drops tables with all
	// that is in them. Zero means the newest version; -1 takes everything off,
	// and leaves an empty schema.
	To int
}

// Migrate brings a schema to another version, each step in a transaction of its
// own: what fails leaves the steps before. Several processes may migrate at
// once; they wait for each other. A schema that is newer than this program is
// refused with [ErrSchemaVersion], whatever To is. Errors are those of [Open].
func Migrate(ctx context.Context, dsn string, params MigrateParams) error {
	cfg, err := parseDSN("dsn", dsn)
	if err != nil {
		return err
	}
	forWriting(cfg, dsn)
	conn, err := pgx.ConnectConfig(ctx, cfg.ConnConfig)
	if err != nil {
		return failure(ctx, "migrate", err)
	}
	defer func() {
		//lint:ignore errcheck what was to be done is committed
		_ = conn.Close(context.WithoutCancel(ctx))
	}()
	return migrate(ctx, conn, params)
}

// MigratePool is [Migrate] through a pool that the program has already.
func MigratePool(ctx context.Context, pool *pgxpool.Pool, params MigrateParams) error {
	return migrate(ctx, pool, params)
}

func migrate(ctx context.Context, db database, params MigrateParams) error {
	cfg := Config{Schema: params.Schema}.withDefaults()
	list, err := steps()
	if err != nil {
		return err
	}
	if err := cfg.validate(); err != nil {
		return err
	}
	target := params.To
	switch {
	case target == 0:
		target = len(list)
	case target == off:
		target = 0
	case target < 0 || target > len(list):
		return &ConfigError{Field: "To", Value: target, Cure: fmt.Sprintf("this program knows the versions 1 to %d; 0 means the newest, -1 none", len(list))}
	}
	if err := checkServer(ctx, db); err != nil {
		return failure(ctx, "migrate", err)
	}
	return failure(ctx, fmt.Sprintf("migrate schema %s to version %d", quote(cfg.Schema), target), migrateTo(ctx, db, cfg.Schema, target))
}

// off is the value of a number that switches something off.
const off = -1

func migrateTo(ctx context.Context, db database, schema string, target int) error {
	for {
		done, err := migrateStep(ctx, db, schema, target)
		if done || err != nil {
			return err
		}
	}
}

// migrateStep goes one version towards the target.
func migrateStep(ctx context.Context, db database, schema string, target int) (done bool, err error) {
	tx, err := db.Begin(ctx)
	if err != nil {
		return false, err
	}
	defer func() {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		//lint:ignore errcheck it is committed, or the first error says more
		_ = tx.Rollback(undo)
	}()
	// The lock belongs to the transaction: one of a session would be lost, or
	// never given back, behind PgBouncer.
	const lock = "select pg_advisory_xact_lock(hashtextextended('strata migration of ' || $1::text, 0))"
	if _, err := tx.Exec(ctx, lock, schema); err != nil {
		return false, err
	}
	version, err := schemaVersion(ctx, tx, schema)
	if err != nil {
		return false, err
	}
	list, err := steps()
	if err != nil {
		return false, err
	}
	if version > len(list) {
		return false, newerSchema(schema, version, len(list))
	}
	if version == target {
		return true, tx.Commit(ctx)
	}
	if version == 0 {
		if err := createSchema(ctx, tx, schema); err != nil {
			return false, err
		}
	}
	var text string
	if version < target {
		text = list[version].in(quote(schema)).Up
	} else {
		text = list[version-1].in(quote(schema)).Down
	}
	// Without arguments, and in this mode, it may hold several statements.
	if _, err := tx.Exec(ctx, text, pgx.QueryExecModeSimpleProtocol); err != nil {
		return false, err
	}
	return false, tx.Commit(ctx)
}

// createSchema creates the schema unless it is there. It looks first: "if not
// exists" needs the privilege to create one also where one exists.
func createSchema(ctx context.Context, tx pgx.Tx, schema string) error {
	var exists bool
	if err := tx.QueryRow(ctx, "select exists (select from pg_catalog.pg_namespace where nspname = $1::text)", schema).Scan(&exists); err != nil || exists {
		return err
	}
	_, err := tx.Exec(ctx, "create schema "+quote(schema))
	return err
}

// schemaVersion returns the version of a schema, 0 where there is none.
func schemaVersion(ctx context.Context, db database, schema string) (int, error) {
	// Not to_regclass: behind a wait for the lock it may still answer from the
	// server's cache that there is none.
	const find = `select exists (
  select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname = $1::text and c.relname = 'migration')`
	var exists bool
	if err := db.QueryRow(ctx, find, schema).Scan(&exists); err != nil || !exists {
		return 0, err
	}
	var version int64
	err := db.QueryRow(ctx, inSchema("select coalesce(max(version), 0)::bigint from {schema}.migration", quote(schema))).Scan(&version)
	return int(version), err
}

// checkSchema makes sure that the schema is of this program's version.
func (s *Store) checkSchema(ctx context.Context, db database) error {
	version, err := schemaVersion(ctx, db, s.cfg.Schema)
	if err != nil {
		return err
	}
	list, err := steps()
	switch {
	case err != nil:
		return err
	case version > len(list):
		return newerSchema(s.cfg.Schema, version, len(list))
	case version == len(list):
		return nil
	case s.cfg.NoMigrate, s.cfg.ReadOnly:
		return olderSchema(s.cfg.Schema, version, len(list))
	}
	return migrate(ctx, db, MigrateParams{Schema: s.cfg.Schema})
}

func newerSchema(schema string, version, known int) error {
	return &Error{
		Doing: "use schema " + quote(schema), Kind: ErrSchemaVersion,
		Err:  fmt.Errorf("it is of version %d, and this program knows versions up to %d", version, known),
		Cure: "upgrade the program; a newer one has migrated the schema",
	}
}

func olderSchema(schema string, version, known int) error {
	found := fmt.Errorf("it is of version %d, and this program needs version %d", version, known)
	if version == 0 {
		found = fmt.Errorf("it does not exist, or was not migrated, and this program needs version %d", known)
	}
	return &Error{Doing: "use schema " + quote(schema), Kind: ErrSchemaVersion, Err: found, Cure: cureMigrate}
}

// minServer is the oldest server, in the form of server_version_num.
const minServer = 140000

func checkServer(ctx context.Context, db database) error {
	var version int64
	if err := db.QueryRow(ctx, "select pg_catalog.current_setting('server_version_num')::bigint").Scan(&version); err != nil {
		return err
	}
	return checkServerVersion(version)
}

func checkServerVersion(version int64) error {
	if version >= minServer {
		return nil
	}
	return &Error{
		Doing: "use this server", Kind: ErrServerVersion,
		Err:  fmt.Errorf("it is PostgreSQL %d.%d", version/10000, version%10000),
		Cure: "upgrade it to PostgreSQL 14 or newer",
	}
}
