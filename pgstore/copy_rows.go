package pgstore

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// copyRows is a COPY stream under construction.
type copyRows struct {
	data   []byte
	starts []int // of the rows
}

// What stands before and behind the rows of a stream.
const (
	copySignature = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	copyEnd       = "\xff\xff"
)

// reset empties the rows and keeps the memory.
func (c *copyRows) reset() {
	c.data, c.starts = append(c.data[:0], copySignature...), c.starts[:0]
}

// setBatch fills in the batch of events.
func (c *copyRows) setBatch(batch int64) {
	for _, start := range c.starts {
		binary.BigEndian.PutUint64(c.data[start+6:], uint64(batch)) // behind the number of fields and the length
	}
}

// idx returns the index of the record in a row of events.
func (c *copyRows) idx(row int) int64 {
	return int64(binary.BigEndian.Uint64(c.data[c.starts[row]+18:])) // behind the batch and the length
}

// between returns the rows in [from, to), without what surrounds them in a
// stream.
func (c *copyRows) between(from, to int) []byte {
	end := len(c.data)
	if to < len(c.starts) {
		end = c.starts[to]
	}
	return c.data[c.starts[from]:end]
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func (c *copyRows) length(n int) { c.data = binary.BigEndian.AppendUint32(c.data, uint32(n)) }

func (c *copyRows) null() { c.length(-1) }

func (c *copyRows) int64(v int64) {
	c.length(8)
	c.data = binary.BigEndian.AppendUint64(c.data, uint64(v))
}

func (c *copyRows) optional(v *int64) {
	if v == nil {
		c.null()
		return
	}
	c.int64(*v)
}

// text writes a text, and an empty one as null.
func (c *copyRows) text(s string) error {
	if s == "" {
		c.null()
		return nil
	}
	if err := storableText(s); err != nil {
		return err
	}
	c.length(len(s))
	c.data = append(c.data, s...)
	return nil
}

// storableText refuses what Postgres has no text for.
func storableText(s string) error {
	if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
		return fmt.Errorf("%w: %.60q is not UTF-8 without NUL", errUnstorable, s)
	}
	return nil
}

func (c *copyRows) jsonb(document []byte) {
	if document == nil {
		c.null()
		return
	}
	c.length(len(document) + 1)
	c.data = append(append(c.data, 1), document...) // the version of the format
}

// epoch is where Postgres counts time from.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

// The times that can be stored, and read again everywhere.
var (
	earliest = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
)

func (c *copyRows) time(at time.Time) error {
	if at.Before(earliest) || !at.Before(latest) {
		return fmt.Errorf("%w: the time is of the year %d", errUnstorable, at.Year())
	}
	c.int64(at.UnixMicro() - epoch)
	return nil
}

// row begins a row of so many fields.
func (c *copyRows) row(fields int) {
	c.starts = append(c.starts, len(c.data))
	c.data = binary.BigEndian.AppendUint16(c.data, uint16(fields))
}

func (c *copyRows) int32(v int32) {
	c.length(4)
	c.data = binary.BigEndian.AppendUint32(c.data, uint32(v))
}

// bytes writes a bytea, or a text that is known to be one.
func (c *copyRows) bytes(b []byte) {
	c.length(len(b))
	c.data = append(c.data, b...)
}

// end returns the whole stream.
func (c *copyRows) end() []byte { return append(c.data, copyEnd...) }
