package pgstore

import (
	"bytes"
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
	return bytes.Clone(rows.finish(1))
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
