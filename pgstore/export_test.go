package pgstore

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
)

// Answers returns how many questions were answered from the daily results, and
// how many from units.
func (s *Store) Answers() (fromDays, fromUnits int64) {
	return s.answers.fromDays.Load(), s.answers.fromUnits.Load()
}

// SQL puts the schema's name into a statement.
func (s *Store) SQL(text string) string { return s.sql(text) }

// CopyRows returns records as the stream that Ingest copies.
func CopyRows(t testing.TB, records []strata.Record) []byte {
	var rows copyRows
	rows.reset()
	for i := range records {
		require.NoError(t, rows.add(int64(i+1), &records[i]))
	}
	rows.setBatch(1)
	return bytes.Clone(rows.end())
}

// PlainTable makes a table like event without indexes, and returns a function
// that copies rows into it.
func (s *Store) PlainTable(t testing.TB) func(t testing.TB, rows []byte) {
	_, err := s.pool.Exec(t.Context(), s.sql(`create table {schema}.plain (like {schema}.event including defaults)`))
	require.NoError(t, err)
	return func(t testing.TB, rows []byte) {
		require.NoError(t, s.pool.AcquireFunc(t.Context(), func(conn *pgxpool.Conn) error {
			_, err := conn.Conn().PgConn().CopyFrom(t.Context(), bytes.NewReader(rows), s.sql(`copy {schema}.plain (`+eventColumnNames()+`) from stdin (format binary)`))
			return err
		}))
	}
}

// CopyFrom copies records into the plain table as pgx does it.
func (s *Store) CopyFrom(t testing.TB, records []strata.Record) {
	names := make([]string, len(eventColumns))
	for i, c := range eventColumns {
		names[i] = c.name
	}
	_, err := s.pool.CopyFrom(t.Context(), pgx.Identifier{s.cfg.Schema, "plain"}, names, pgx.CopyFromSlice(len(records), func(i int) ([]any, error) {
		r := &records[i]
		row, err := newEventRow(r)
		nullable := func(text string) any {
			if text == "" {
				return nil
			}
			return text
		}
		u := &r.Unit
		return []any{int64(1), int64(i + 1), row.at, row.total, row.discount, row.items, row.value, row.kind, r.Forced,
			nullable(u.User), nullable(u.Device), nullable(u.Session), nullable(u.Tenant), nullable(u.Request), nullable(row.name), nullable(row.order), nullable(row.currency), nil}, err
	}))
	require.NoError(t, err)
}

// Vacuum vacuums and analyses all tables. Each transaction of the rollup leaves
// versions of rows behind, which would be counted with the pages: so it writes
// the daily results anew.
func (s *Store) Vacuum(t testing.TB) {
	for _, statement := range []string{"vacuum (full, analyze) {schema}.result_day", "vacuum (analyze) {schema}.exposure", "vacuum (analyze) {schema}.unit_state", "vacuum (analyze) {schema}.event"} {
		_, err := s.pool.Exec(t.Context(), s.sql(statement))
		require.NoError(t, err)
	}
}

// Pages returns how many pages the queries of Results read for an experiment.
func (s *Store) Pages(t testing.TB, experiment string) int {
	subject := subjectOf(experiment)
	return s.pagesOf(t,
		strings.ReplaceAll(selectUnitDays, "$1", subject),
		strings.NewReplacer("$1", subject, "$2", "(select array_agg(distinct metric) from {schema}.result_day)").Replace(selectValueDays),
		strings.NewReplacer("$1", subject, "$2::integer[], $3", "array[1, 2, 1, 2], array[now(), now(), '2025-03-05', '2025-03-05']").Replace(selectFirstAndLast),
	)
}

// MaturityPages returns how many pages are read to learn that no window ended at some time
// long after.
func (s *Store) MaturityPages(t testing.TB, experiment string) int {
	return s.pagesOf(t, strings.NewReplacer("$1", subjectOf(experiment), "$2", "'2030-01-01'", "$3", "'2030-01-02'").Replace(selectMatured))
}

func subjectOf(experiment string) string {
	return "(select subject from {schema}.subject where experiment = '" + experiment + "')"
}

// pagesOf returns how many pages statements read.
func (s *Store) pagesOf(t testing.TB, statements ...string) int {
	pages := 0
	for _, sql := range statements {
		var plan []struct {
			Plan struct {
				Hit  int `json:"Shared Hit Blocks"`
				Read int `json:"Shared Read Blocks"`
			}
		}
		var document []byte
		require.NoError(t, s.pool.QueryRow(t.Context(), s.sql(`explain (analyze, buffers, format json) `+sql)).Scan(&document))
		require.NoError(t, json.Unmarshal(document, &plan))
		pages += plan[0].Plan.Hit + plan[0].Plan.Read
	}
	return pages
}

// Straightforward adds up three metrics from raw events, as one would by hand.
func (s *Store) Straightforward(t testing.TB, experiment string) {
	_, err := s.pool.Exec(t.Context(), s.sql(`
with exposed as (
    select e.user_id, e.details->>'treatment' as treatment, min(e.event_time) as at from {schema}.event e
    where e.kind = 1 and e.name = $1::text group by 1, 2
), unit as (
    select x.treatment, x.user_id, count(*) filter (where e.kind = 4) as orders, coalesce(sum(e.total) filter (where e.currency = 'EUR'), 0) as revenue, count(*) filter (where e.kind = 2) as views
    from exposed x left join {schema}.event e on e.user_id = x.user_id and e.event_time >= x.at and not e.forced group by 1, 2
)
select treatment, count(*), avg((orders > 0)::int), avg(revenue), var_samp(revenue), avg(views), var_samp(views), sum(revenue) / nullif(sum(orders), 0) from unit group by 1`), experiment)
	require.NoError(t, err)
}

// RequireNoTrace checks that ids occur in no column of any table.
func (s *Store) RequireNoTrace(t testing.TB, ids ...string) {
	rows, err := s.pool.Query(t.Context(), `select table_name::text from information_schema.tables where table_schema = $1 and table_type = 'BASE TABLE'`, s.cfg.Schema)
	require.NoError(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	for _, table := range tables {
		var found []string
		require.NoError(t, s.pool.QueryRow(t.Context(), `select coalesce(array_agg(id), '{}') from unnest($1::text[]) id where exists (select from `+pgx.Identifier{s.cfg.Schema, table}.Sanitize()+` x where position('"' || id || '"' in to_json(x)::text) > 0)`, ids).Scan(&found))
		require.Empty(t, found, "in table %s", table)
	}
}

// DSN is how the store is connected.
func (s *Store) DSN() string { return s.pool.Config().ConnString() }

// Lose empties tables, as a standby may lack them.
func (s *Store) Lose(t testing.TB, tables ...string) {
	for _, table := range tables {
		_, err := s.pool.Exec(t.Context(), s.sql(`truncate {schema}.`+table+` restart identity`))
		require.NoError(t, err)
	}
	_, err := s.pool.Exec(t.Context(), s.sql(`update {schema}.rollup_control set config = 0, diversions = 0`))
	require.NoError(t, err)
}

// Pool returns the store's connections.
func (s *Store) Pool() *pgxpool.Pool { return s.pool }
