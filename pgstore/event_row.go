package pgstore

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/strataxp/strata"
)

// Rows of the event table in COPY's binary format. Postgres does not convert
// what it reads there: a column of another type of the same width takes the bits
// as they are. So the table is described in the transaction that copies, and
// compared with this list.

// eventColumn is a column as this code writes it.
type eventColumn struct {
	name string
	oid  uint32
}

// eventColumns are the columns written, in the order of a row.
var eventColumns = []eventColumn{
	{"batch_id", pgtype.Int8OID}, // first: it is filled in when it is known
	{"idx", pgtype.Int8OID},
	{"event_time", pgtype.TimestamptzOID},
	{"total", pgtype.Int8OID},
	{"discount", pgtype.Int8OID},
	{"items", pgtype.Int8OID},
	{"value", pgtype.Float8OID},
	{"kind", pgtype.Int2OID},
	{"forced", pgtype.BoolOID},
	{"user_id", pgtype.TextOID},
	{"device_id", pgtype.TextOID},
	{"session_id", pgtype.TextOID},
	{"tenant_id", pgtype.TextOID},
	{"request_id", pgtype.TextOID},
	{"name", pgtype.TextOID},
	{"order_id", pgtype.TextOID},
	{"currency", pgtype.TextOID},
	{"details", pgtype.JSONBOID},
}

func eventColumnNames() string {
	names := make([]string, len(eventColumns))
	for i, c := range eventColumns {
		names[i] = c.name
	}
	return strings.Join(names, ", ")
}

// Codes of kinds in the event table.
const (
	kindExposure = iota + 1
	kindPageView
	kindClick
	kindPurchase
	kindConversion
	kindCustom
)

// errUnstorable means that a record cannot be kept, whoever tries.
var errUnstorable = errors.New("pgstore: a record cannot be stored")

// add appends a record. It fails with errUnstorable, and adds nothing.
func (c *copyRows) add(idx int64, r *strata.Record) (err error) {
	start := len(c.data)
	defer func() {
		if err != nil {
			c.data = c.data[:start]
		}
	}()
	c.data = binary.BigEndian.AppendUint16(c.data, uint16(len(eventColumns)))
	c.int64(0)
	c.int64(idx)
	row, err := newEventRow(r)
	if err != nil {
		return err
	}
	if err := c.time(row.at); err != nil {
		return err
	}
	if row.value != nil && (math.IsNaN(*row.value) || math.IsInf(*row.value, 0)) {
		return fmt.Errorf("%w: its value is %v, of which no sum can be made", errUnstorable, *row.value)
	}
	c.optional(row.total)
	c.optional(row.discount)
	c.optional(row.items)
	if row.value == nil {
		c.null()
	} else {
		c.int64(int64(math.Float64bits(*row.value)))
	}
	c.length(2)
	c.data = binary.BigEndian.AppendUint16(c.data, uint16(row.kind))
	c.length(1)
	c.data = append(c.data, flag(r.Forced))
	for _, text := range [...]string{r.Unit.User, r.Unit.Device, r.Unit.Session, r.Unit.Tenant, r.Unit.Request, row.name, row.order, row.currency} {
		if err := c.text(text); err != nil {
			return err
		}
	}
	c.jsonb(row.details)
	c.starts = append(c.starts, start)
	return nil
}

// eventRow is a record in terms of columns.
type eventRow struct {
	at                     time.Time
	kind                   int16
	total, discount, items *int64
	value                  *float64
	name, order, currency  string
	details                []byte
}

// exposureDetails are the fields of an exposure that have no column.
type exposureDetails struct {
	Phase      int               `json:"phase"`
	Treatment  string            `json:"treatment"`
	Diversion  strata.Diversion  `json:"diversion"`
	Bucket     int               `json:"bucket"`
	Hash       uint64            `json:"hash"`
	Version    int64             `json:"plan_version"`
	External   bool              `json:"external,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

type itemDetails struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
	Price    int64  `json:"price"`
}

func newEventRow(r *strata.Record) (row eventRow, err error) {
	if r.Event == nil {
		return row, fmt.Errorf("%w: it has no event", errUnstorable)
	}
	row.at = r.Event.At()
	var details any
	switch e := r.Event.(type) {
	case strata.Exposure:
		row.kind, row.name = kindExposure, e.Experiment
		details = exposureDetails{e.Phase, e.Treatment, e.Diversion, e.Bucket, e.Hash, e.Version, e.External, e.Attributes}
	case strata.PageView:
		row.kind, row.name = kindPageView, e.Page
		if e.Referrer != "" {
			details = map[string]string{"referrer": e.Referrer}
		}
	case strata.Click:
		row.kind, row.name = kindClick, e.Target
		if e.Page != "" {
			details = map[string]string{"page": e.Page}
		}
	case strata.Purchase:
		details = row.purchase(&e)
	case strata.Conversion:
		row.kind, row.name, row.value = kindConversion, e.Goal, &e.Value
	case strata.Custom:
		row.kind, row.name, row.value = kindCustom, e.EventName, &e.Value
		if len(e.Properties) > 0 {
			details = map[string]any{"properties": e.Properties}
		}
	default:
		return row, fmt.Errorf("%w: an event of type %T", errUnstorable, e)
	}
	if details != nil {
		row.details, err = jsonDetails(details)
	}
	return row, err
}

func (row *eventRow) purchase(p *strata.Purchase) (details any) {
	fact := strata.NewFact(*p)
	row.kind, row.order, row.currency = kindPurchase, p.OrderID, p.Currency
	row.total, row.discount, row.items = &p.Total, &p.Discount, &fact.Items
	if len(p.Items) == 0 {
		return nil
	}
	items := make([]itemDetails, len(p.Items))
	for i, item := range p.Items {
		items[i] = itemDetails(item)
	}
	return map[string]any{"items": items}
}

// jsonDetails refuses what jsonb has no form for: NUL. Text that is not UTF-8
// would be changed by the encoder, which nothing here must do.
func jsonDetails(details any) ([]byte, error) {
	document, err := json.Marshal(details)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnstorable, err)
	}
	if hasBadEscape(document) {
		return nil, fmt.Errorf("%w: text in its details is not UTF-8 without NUL", errUnstorable)
	}
	return document, nil
}

// hasBadEscape reports whether a document has an escape for NUL, or for the
// character that the encoder puts in place of what is not UTF-8.
func hasBadEscape(document []byte) bool {
	for i := 0; i < len(document); i++ {
		if document[i] != '\\' {
			continue
		}
		i++ // what is escaped may be a backslash
		if rest := document[i:]; bytes.HasPrefix(rest, []byte("u0000")) || bytes.HasPrefix(rest, []byte("ufffd")) {
			return true
		}
	}
	return false
}
