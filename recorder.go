package strata

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/strataxp/strata/internal/makeway"
)

// budget bounds the memory of the events of all lanes together, in bytes. What a
// batch takes while it is on its way, as records and as the store's encoding, is
// set aside beforehand.
type budget struct {
	limit int64
	chunk int          // size of a chunk
	held  atomic.Int64 // memory of all chunks not given back
	shedding
}

// inFlightShare is the part of [Config.BufferBytes] that is set aside for
// batches on their way, and batchCost what such a batch takes for each byte of
// its records: the copy that carries their strings, the decoded records, what the
// store encodes.
const (
	inFlightShare = 4
	batchCost     = 6
)

func newBudget(bufferBytes int) *budget {
	limit := bufferBytes - bufferBytes/inFlightShare
	return &budget{limit: int64(limit), chunk: min(maxChunkBytes, limit/chunksAtLeast)}
}

// batchBytes is how many bytes of records one stream may send at a time. There is
// one more than lanes: what dead processes left.
func batchBytes(cfg *Config) int {
	return cfg.BufferBytes / inFlightShare / batchCost / (cfg.Lanes + 1)
}

// A chunk is a small part of the buffer, so that what is empty in the last one does
// not matter.
const (
	maxChunkBytes = 64 << 10
	chunksAtLeast = 128
	chunkOverhead = 128 // of memory, beside the bytes
)

// fill returns which part of the buffer is in use.
func (b *budget) fill() float64 { return float64(b.held.Load()) / float64(b.limit) }

// take reserves n bytes for a chunk, or says that there is no room.
func (b *budget) take(n int) bool {
	if b.held.Add(int64(n)) > b.limit {
		b.held.Add(int64(-n))
		return false
	}
	return true
}

// recorder is a lane's bounded buffer between Track and the goroutines that write.
// Events are copied into chunks of bytes and numbered; the chunks stay until
// what they hold is safe elsewhere. Nothing waits here: the lock is held for the
// time of a copy.
type recorder struct {
	budget   *budget
	losses   *losses
	progress *watermarks // where what the store has is kept until it is confirmed; else nil

	mu     sync.Mutex
	open   *chunk
	sealed []*chunk // in the order of their indexes
	spare  []byte   // of one chunk, to use again
	last   int64    // index of the last record taken in
	given  int64    // records given up for want of room before they were confirmed
	closed bool
}

// chunk is a run of records: each a uvarint length and the bytes of its record.
// A sealed chunk is not written to any more.
type chunk struct {
	first int64 // index of the first record
	count int64
	bytes []byte
	since time.Time // when the first record was taken in
	pins  int       // who reads it at present: its memory must not be used again
}

func (c *chunk) lastIndex() int64 { return c.first + c.count - 1 }

// errFull and errShed hold the errors of a full buffer, made once: under
// overload refusing must not cost an allocation each.
var (
	errFull = fullErrors("there is no room for a %s; the store is slow or down, or Config.BufferBytes is too small")
	errShed = fullErrors("a %s was dropped with all that its unit does now, so that others stay whole; the store is slow or down, or Config.BufferBytes is too small")
)

func fullErrors(format string) (errs [numKindCodes]error) {
	for code := range errs {
		errs[code] = fmt.Errorf("%w: "+format, ErrBufferFull, kindCodes[code])
	}
	return errs
}

// reserved reports whether a report cannot do without events of a kind.
func reserved(code int) bool {
	return code == codeExposure || code == codePurchase || code == codeConversion
}

// append takes a record in and returns its index, or says why not. The event was
// checked. sealed reports that this filled a chunk, so that there is something
// to do.
func (r *recorder) append(u *Unit, e Event, code int, at time.Time, flags byte) (index int64, sealed bool, err error) {
	size := sizeBound(u, e) + binary.MaxVarintLen32
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0, false, ErrClosed
	}
	r.makeRoom()
	if r.budget.sheds(u, code) {
		return 0, false, r.losses.refuse(code, LossShed)
	}
	chunks := len(r.sealed)
	c := r.room(size, at)
	if c == nil {
		return 0, false, r.losses.refuse(code, LossFull)
	}
	start := len(c.bytes)
	const prefix = 3 // a padded uvarint: records are below 2 MiB
	c.bytes = append(c.bytes, 0, 0, 0)
	c.bytes = appendRecord(c.bytes, u, e, at, flags)
	putPaddedUvarint(c.bytes[start:start+prefix], len(c.bytes)-start-prefix)
	c.count++
	r.last++
	return r.last, len(r.sealed) > chunks, nil
}

// putPaddedUvarint writes n as a uvarint of exactly three bytes.
func putPaddedUvarint(b []byte, n int) {
	b[0], b[1], b[2] = byte(n)|0x80, byte(n>>7)|0x80, byte(n>>14)
}

// room returns a chunk with size bytes to spare, or nil when the buffer is full.
func (r *recorder) room(size int, now time.Time) *chunk {
	if r.open != nil && cap(r.open.bytes)-len(r.open.bytes) >= size {
		return r.open
	}
	r.seal()
	need := max(r.budget.chunk, size)
	if !r.budget.take(need + chunkOverhead) {
		return nil
	}
	if r.spare != nil && cap(r.spare) == need {
		r.open, r.spare = &chunk{bytes: r.spare}, nil
	} else {
		r.open = &chunk{bytes: make([]byte, 0, need)}
	}
	r.open.first, r.open.since = r.last+1, now
	return r.open
}

// seal ends the open chunk. One that is far from full shrinks to what it holds:
// with little traffic and a store that is away there would be many.
func (r *recorder) seal() {
	c := r.open
	if c == nil || c.count == 0 {
		return
	}
	if len(c.bytes) < cap(c.bytes)/2 {
		large := c.bytes
		c.bytes = append(make([]byte, 0, len(large)), large...)
		r.budget.held.Add(int64(cap(c.bytes) - cap(large)))
		r.keep(large)
	}
	r.sealed = append(r.sealed, c)
	r.open = nil
}

// keep puts the memory of a chunk aside to be used again.
func (r *recorder) keep(b []byte) {
	if r.spare == nil && cap(b) == r.budget.chunk {
		r.spare = b[:0]
	}
}

// pin returns the sealed chunk that holds a record, or the first one behind it;
// nil where there is none, with the index of the last record ever. Where it is not
// sealed yet it is now. The chunk can be read until unpin.
func (r *recorder) pin(index int64) (c *chunk, last int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last < index {
		return nil, r.last
	}
	if n := len(r.sealed); n == 0 || r.sealed[n-1].lastIndex() < index {
		r.seal()
	}
	for _, c := range r.sealed {
		if c.lastIndex() >= index {
			c.pins++
			return c, r.last
		}
	}
	return nil, r.last
}

func (r *recorder) unpin(c *chunk) {
	r.mu.Lock()
	c.pins--
	r.mu.Unlock()
}

// release gives back the memory of the chunks up to an index.
func (r *recorder) release(upTo int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop(upTo)
}

// evictFrom is how full the buffer may be before it lets go of what the store has
// and no standby has confirmed: the limit wins. Nothing is shed for its sake.
const evictFrom = 0.4

// makeRoom lets go of what the store has when there is little room. The lock is
// held.
func (r *recorder) makeRoom() {
	if r.progress == nil || len(r.sealed) == 0 || r.budget.fill() < evictFrom {
		return
	}
	if first := r.sealed[0].first; r.progress.mark(LevelCommitted) >= r.sealed[0].lastIndex() {
		dropped := r.drop(r.progress.mark(LevelCommitted))
		r.given += max(0, dropped-max(first-1, r.progress.mark(LevelConfirmed)))
	}
}

// relieve is makeRoom for who is not about to take something in.
func (r *recorder) relieve() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.makeRoom()
}

// evicted returns how many records were given up before they were confirmed.
func (r *recorder) evicted() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.given
}

// drop is release with the lock held. It returns the last index dropped.
func (r *recorder) drop(upTo int64) (last int64) {
	n := 0
	for n < len(r.sealed) && r.sealed[n].lastIndex() <= upTo {
		c := r.sealed[n]
		r.sealed[n] = nil
		last = c.lastIndex()
		r.budget.held.Add(-int64(cap(c.bytes) + chunkOverhead))
		if c.pins == 0 {
			r.keep(c.bytes)
		}
		n++
	}
	r.sealed = r.sealed[n:]
	r.budget.relax()
	return last
}

// total returns the index of the last record ever taken in.
func (r *recorder) total() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// oldest returns since when the oldest record behind an index is held here; zero
// for none.
func (r *recorder) oldest(behind int64) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.sealed {
		if c.lastIndex() > behind {
			return c.since
		}
	}
	if r.open != nil && r.open.count > 0 {
		return r.open.since
	}
	return time.Time{}
}

// close makes every further append fail with ErrClosed.
func (r *recorder) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
}

// decodeRecords appends the records of a run, from the one at position skip on,
// at most limit records and about maxBytes of them, but at least one. One copy of
// the bytes carries the strings of all of them.
func decodeRecords(into []Record, run []byte, skip int64, limit, maxBytes int) ([]Record, error) {
	d := decoder{rest: string(run)}
	for ; skip > 0 && d.rest != ""; skip-- {
		d.string()
	}
	if len(d.rest) > maxBytes {
		d.rest = string([]byte(d.rest[:wholeRecords(d.rest, maxBytes)])) // lets go of the rest
	}
	for d.rest != "" && limit > 0 {
		makeway.At(limit)
		r, err := decodeRecord(d.string())
		if err != nil {
			return into, err
		}
		into = append(into, r)
		limit--
	}
	if d.bad {
		return into, errCorrupt
	}
	return into, nil
}

// wholeRecords returns how many bytes of a run the records take that fit into a
// limit; at least one record.
func wholeRecords(run string, limit int) int {
	d := decoder{rest: run}
	end := 0
	for d.rest != "" && !d.bad {
		d.string()
		if n := len(run) - len(d.rest); n > limit && end > 0 {
			break
		}
		end = len(run) - len(d.rest)
	}
	return end
}
