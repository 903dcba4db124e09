package pgstore

import (
	"errors"
	"strings"
)

// RolesSQL returns statements that grant two roles, which must exist, what they
// need in a schema and no more. Either may be empty: then nothing is granted.
//
//   - app is for programs with an engine. It reads and writes rows, and has
//     partitions made for the days ahead; it can neither create, alter nor drop
//     anything else, nor change the history of plans or the version of the
//     schema. Open the store with [Config.NoMigrate].
//   - reader is for reports and people: it reads everything and writes nothing.
//     Open the store with [Config.ReadOnly].
//
// Run them as the role that migrates, behind each migration; tables that this
// role makes meanwhile are granted as well. They may be run again.
// An empty schema means DefaultSchema; a name that PostgreSQL would not take is
// refused with a [ConfigError]. The text also serves as documentation:
//
//	grant usage on schema "strata" to "shop";
//	…
func RolesSQL(schema, app, reader string) (string, error) {
	cfg := Config{Schema: schema}.withDefaults()
	errs := []error{cfg.validate()}
	text := ""
	if app != "" {
		errs = append(errs, checkName("app", app))
		text += strings.ReplaceAll(appSQL, "{role}", quote(app))
	}
	if reader != "" {
		errs = append(errs, checkName("reader", reader))
		text += strings.ReplaceAll(readerSQL, "{role}", quote(reader))
	}
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	return inSchema(text, quote(cfg.Schema)), nil
}

const appSQL = `-- The application: rows, and nothing else.
grant usage on schema {schema} to {role};
grant select, insert, update, delete on all tables in schema {schema} to {role};
grant usage, select on all sequences in schema {schema} to {role};
alter default privileges in schema {schema} grant select, insert, update, delete on tables to {role};
alter default privileges in schema {schema} grant usage, select on sequences to {role};
grant execute on function {schema}.make_partitions(integer), {schema}.exposures_of(bytea[]) to {role};
-- The history of plans is only ever added to, and the schema's version is the owner's.
revoke update, delete on {schema}.plan_version from {role};
revoke insert, update, delete on {schema}.migration from {role};
`

const readerSQL = `-- Reports: everything, and only to read.
grant usage on schema {schema} to {role};
grant select on all tables in schema {schema} to {role};
alter default privileges in schema {schema} grant select on tables to {role};
grant execute on function {schema}.exposures_of(bytea[]) to {role};
`
