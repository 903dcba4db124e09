package strata

import (
	"encoding/binary"
	"fmt"
	"sync"
	"time"
)

// recorder is the bounded buffer between Track and the store. Events are copied
// into chunks of bytes; the flusher takes whole chunks, and gives their memory
// back when the store has them. Nothing waits here: the lock is held for the
// time of a copy.
type recorder struct {
	limit int // bytes of chunks, those in flight included

	mu       sync.Mutex
	open     *chunk
	sealed   []*chunk
	spare    *chunk // one chunk to use again, so that a steady trickle allocates nothing
	held     int    // bytes of memory of all chunks not given back
	used     int    // bytes of records in them
	accepted int64  // records taken in, ever
	refused  [numKindCodes]Refused
	closed   bool
}

// chunk is a run of records: each a uvarint length and the bytes of its record.
type chunk struct {
	bytes []byte
	count int
}

const (
	chunkBytes = 64 << 10

	// commonShare is the part of the buffer that page views, clicks and custom
	// events may fill. The rest is reserved for exposures, purchases and
	// conversions, which a report cannot do without.
	commonShare = 0.7
)

// Refused counts events that were not taken in, by reason.
type Refused struct {
	Invalid int64 // refused with ErrInvalidEvent
	Full    int64 // refused with ErrBufferFull
}

// errFull holds the errors of a full buffer, made once: under overload refusing
// must not cost an allocation each.
var errFull = func() (errs [numKindCodes]error) {
	for code := range errs {
		errs[code] = fmt.Errorf("%w: a %s was dropped; the store is slow or down, or Config.BufferBytes is too small", ErrBufferFull, kindCodes[code])
	}
	return errs
}()

// append takes a record in, or says why not. The event was checked. sealed
// reports that this filled a chunk, so that the flusher has something to do.
func (r *recorder) append(u *Unit, e Event, code int, at time.Time, flags byte) (sealed bool, err error) {
	size := sizeBound(u, e) + binary.MaxVarintLen32
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false, ErrClosed
	}
	chunks := len(r.sealed)
	c := r.room(size, code)
	if c == nil {
		r.refused[code].Full++
		return false, errFull[code]
	}
	start := len(c.bytes)
	const prefix = 3 // a padded uvarint: records are below 2 MiB
	c.bytes = append(c.bytes, 0, 0, 0)
	c.bytes = appendRecord(c.bytes, u, e, at, flags)
	putPaddedUvarint(c.bytes[start:start+prefix], len(c.bytes)-start-prefix)
	c.count++
	r.accepted++
	r.used += len(c.bytes) - start
	return len(r.sealed) > chunks, nil
}

// putPaddedUvarint writes n as a uvarint of exactly three bytes.
func putPaddedUvarint(b []byte, n int) {
	b[0], b[1], b[2] = byte(n)|0x80, byte(n>>7)|0x80, byte(n>>14)
}

// room returns a chunk with size bytes to spare, or nil when the buffer is full
// for this kind of event.
func (r *recorder) room(size, code int) *chunk {
	reserved := code == codeExposure || code == codePurchase || code == codeConversion
	if !reserved && r.used+size > int(float64(r.limit)*commonShare) {
		return nil
	}
	if r.open != nil && cap(r.open.bytes)-len(r.open.bytes) >= size {
		return r.open
	}
	need := max(chunkBytes, size)
	if r.held+need > r.limit {
		return nil
	}
	r.seal()
	if r.spare != nil && cap(r.spare.bytes) >= need {
		r.open, r.spare = r.spare, nil
	} else {
		r.open = &chunk{bytes: make([]byte, 0, need)}
	}
	r.held += cap(r.open.bytes)
	return r.open
}

func (r *recorder) seal() {
	if r.open != nil && r.open.count > 0 {
		r.sealed = append(r.sealed, r.open)
		r.open = nil
	}
}

// refuse counts an event that was not valid.
func (r *recorder) refuse(code int) {
	r.mu.Lock()
	r.refused[code].Invalid++
	r.mu.Unlock()
}

// take returns the oldest chunks with at most limit records in all, but at
// least one chunk if there is any, and how many records they hold.
func (r *recorder) take(limit int) (chunks []*chunk, records int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.sealed) == 0 {
		r.seal()
	}
	n := 0
	for n < len(r.sealed) && (n == 0 || records+r.sealed[n].count <= limit) {
		records += r.sealed[n].count
		n++
	}
	chunks = r.sealed[:n:n]
	r.sealed = r.sealed[n:]
	return chunks, records
}

// giveBack returns the memory of chunks that the store has.
func (r *recorder) giveBack(chunks []*chunk) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range chunks {
		r.held -= cap(c.bytes)
		r.used -= len(c.bytes)
		if r.spare == nil && cap(c.bytes) == chunkBytes {
			c.bytes, c.count = c.bytes[:0], 0
			r.spare = c
		}
	}
}

// total returns how many records were ever taken in.
func (r *recorder) total() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.accepted
}

// close makes every further append fail with ErrClosed.
func (r *recorder) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
}

// status returns the bytes held and the counts of refused events by kind.
func (r *recorder) status() (held int, refused map[Kind]Refused) {
	r.mu.Lock()
	defer r.mu.Unlock()
	refused = make(map[Kind]Refused)
	for code, n := range r.refused {
		if n != (Refused{}) {
			refused[kindCodes[code]] = n
		}
	}
	return r.held, refused
}

// decode returns the records of a chunk. One copy of the bytes carries the
// strings of all of them.
func (c *chunk) decode(into []Record) ([]Record, error) {
	d := decoder{rest: string(c.bytes)}
	for d.rest != "" {
		r, err := decodeRecord(d.string())
		if err != nil {
			return into, err
		}
		into = append(into, r)
	}
	return into, nil
}
