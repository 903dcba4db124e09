package faults

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/audit"
)

// Evidence reads what a database holds of custom events, whose name is their id.
func Evidence(ctx context.Context, dsn, schema string) (*audit.Evidence, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	//lint:ignore errcheck it only reads
	defer conn.Close(context.WithoutCancel(ctx))
	in := pgx.Identifier{schema}.Sanitize()
	e := &audit.Evidence{Cursors: make(map[strata.StreamID]int64)}
	var stream, text string
	var first, last int64
	columns := []any{&stream, &first, &last, &text}
	for _, part := range []struct {
		sql  string
		take func(id strata.StreamID)
	}{
		{`select b.stream_id::text, e.idx, 0::bigint, coalesce(e.name, '') from ` + in + `.event e join ` + in + `.batch b using (batch_id)`,
			func(id strata.StreamID) {
				e.Rows = append(e.Rows, audit.Row{Stream: id, Index: first, ID: strings.Clone(text)})
			}},
		{`select stream_id::text, idx, 0::bigint, convert_from(record, 'UTF8') from ` + in + `.dead_letter`,
			func(id strata.StreamID) {
				e.Dead = append(e.Dead, audit.Row{Stream: id, Index: first, ID: deadName(text)})
			}},
		{`select stream_id::text, first_idx, last_idx, coalesce(reason, '') from ` + in + `.stream_gap`,
			func(id strata.StreamID) {
				e.Gaps = append(e.Gaps, audit.Gap{Stream: id, First: first, Last: last, Reason: strings.Clone(text)})
			}},
		{`select stream_id::text, last_idx, 0::bigint, '' from ` + in + `.stream`,
			func(id strata.StreamID) { e.Cursors[id] = first }},
	} {
		//lint:ignore rowserrcheck ForEachRow does
		rows, err := conn.Query(ctx, part.sql)
		if err != nil {
			return nil, err
		}
		_, err = pgx.ForEachRow(rows, columns, func() error {
			id, err := streamID(stream)
			part.take(id)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return e, nil
}

// streamID reads the usual form with hyphens.
func streamID(s string) (id strata.StreamID, err error) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err == nil && len(b) != len(id) {
		err = fmt.Errorf("%q is no id of a stream", s)
	}
	copy(id[:], b)
	return id, err
}

// deadName returns the name of the custom event in a dead letter.
func deadName(record string) string {
	var r struct{ Event struct{ EventName string } }
	if json.Unmarshal([]byte(record), &r) != nil {
		return ""
	}
	return r.Event.EventName
}
