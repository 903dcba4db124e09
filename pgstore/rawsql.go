package pgstore

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Bulk reads and writes go straight to the protocol: in binary, in an unnamed
// statement that is parsed, run and forgotten in one exchange. That is the
// fastest, and it is the same behind a pooler and whichever way the pool of the
// application is set to run queries.

// scanRows runs an ordinary query and calls each for every row, which has been
// read into the variables then.
func scanRows(ctx context.Context, db database, sql string, args []any, into []any, each func()) error {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		each()
	}
	return rows.Err()
}

// binaryFormat asks for every column in binary.
var binaryFormat = []int16{1}

// queryRows runs a query whose parameters are text, and calls each with every
// row; the values are valid until it returns.
func queryRows(ctx context.Context, conn *pgconn.PgConn, sql string, params [][]byte, formats []int16, each func(row binaryRow) error) error {
	return queryTyped(ctx, conn, sql, params, formats, nil, each)
}

// queryTyped is queryRows for a table that somebody may have changed: it fails
// with ErrSchemaChanged where the columns are not of the types expected, whose
// bits would be taken for another value.
func queryTyped(ctx context.Context, conn *pgconn.PgConn, sql string, params [][]byte, formats []int16, types []uint32, each func(row binaryRow) error) error {
	reader := conn.ExecParams(ctx, sql, params, nil, formats, binaryFormat)
	failed := checkTypes(reader.FieldDescriptions(), types)
	for reader.NextRow() {
		if failed == nil {
			failed = each(reader.Values())
		}
	}
	if _, err := reader.Close(); err != nil {
		return err
	}
	return failed
}

// checkTypes compares the types of columns with those expected, if any are.
func checkTypes(fields []pgconn.FieldDescription, types []uint32) error {
	for i, want := range types {
		if i < len(fields) && fields[i].DataTypeOID != want { // none are there where the query failed
			return fmt.Errorf("%w: column %s has type %d, this program reads type %d", ErrSchemaChanged, fields[i].Name, fields[i].DataTypeOID, want)
		}
	}
	return nil
}

// binaryRow is a row as it came. The methods trust the query to have columns
// of the type; a null is the zero value.
type binaryRow [][]byte

func (r binaryRow) int64(i int) int64 {
	if r[i] == nil {
		return 0
	}
	return int64(binary.BigEndian.Uint64(r[i]))
}

func (r binaryRow) int32(i int) int32 {
	if r[i] == nil {
		return 0
	}
	return int32(binary.BigEndian.Uint32(r[i]))
}

func (r binaryRow) int16(i int) int16 {
	if r[i] == nil {
		return 0
	}
	return int16(binary.BigEndian.Uint16(r[i]))
}

func (r binaryRow) float64(i int) float64 { return math.Float64frombits(uint64(r.int64(i))) }

func (r binaryRow) bool(i int) bool { return len(r[i]) == 1 && r[i][0] != 0 }

// micros reads a timestamp in microseconds since 1970.
func (r binaryRow) micros(i int) int64 {
	if r[i] == nil {
		return 0
	}
	return r.int64(i) + epoch
}

func (r binaryRow) string(i int) string { return string(r[i]) }

// text formats a parameter of any simple type for the server to read.
func text(v any) []byte { return fmt.Append(nil, v) }

// timestamp formats an instant as a parameter.
func timestamp(at time.Time) []byte {
	return at.UTC().AppendFormat(nil, "2006-01-02T15:04:05.999999Z07:00")
}

// Types of elements of arrays.
const (
	byteaOID       = 17
	int8OID        = 20
	int4OID        = 23
	timestamptzOID = 1184
)

// appendArray begins an array of n elements in binary.
func appendArray(b []byte, element uint32, n int) []byte {
	dimensions := uint32(1)
	if n == 0 {
		dimensions = 0
	}
	b = binary.BigEndian.AppendUint32(b, dimensions)
	b = binary.BigEndian.AppendUint32(b, 0) // no nulls
	b = binary.BigEndian.AppendUint32(b, element)
	if n == 0 {
		return b
	}
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	return binary.BigEndian.AppendUint32(b, 1) // the first index
}

// byteaArray is a parameter of type bytea[] in binary.
func byteaArray(values [][]byte) []byte {
	size := 20
	for _, v := range values {
		size += 4 + len(v)
	}
	b := appendArray(make([]byte, 0, size), byteaOID, len(values))
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, uint32(len(v)))
		b = append(b, v...)
	}
	return b
}

// int8Array is a parameter of type bigint[] in binary.
func int8Array(values []int64) []byte { return wideArray(int8OID, values) }

// timestamptzArray is a parameter of type timestamptz[] in binary, of instants
// as Postgres counts them.
func timestamptzArray(values []int64) []byte { return wideArray(timestamptzOID, values) }

func wideArray(element uint32, values []int64) []byte {
	b := appendArray(nil, element, len(values))
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, 8)
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	}
	return b
}

// int4Array is a parameter of type integer[] in binary.
func int4Array(values []int32) []byte {
	b := appendArray(nil, int4OID, len(values))
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, 4)
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	return b
}
