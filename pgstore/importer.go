package pgstore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/strataxp/strata"
)

// The records of an import are dealt to streams in blocks. Both numbers are part
// of what is stored: changed, no import would find its place again.
const (
	importStreams = 16
	importBlock   = 10_000
)

// importer is an import under way.
type importer struct {
	store   *Store
	params  ImportParams
	started time.Time
	streams [importStreams]importStream
	free    chan []strata.Record // buffers to use again

	mu              sync.Mutex
	stored, skipped int64
}

// importStream is one of the streams that records are dealt to.
type importStream struct {
	id     strata.StreamID
	cursor int64 // when the import began
	seen   int64 // how many of the sequence's records were dealt to it
}

// importBatch is a run of records of one stream.
type importBatch struct {
	stream   int
	position int64 // of the first record in the sequence, from 1
	first    int64 // its index in the stream
	records  []strata.Record
}

func newImporter(s *Store, params ImportParams) *importer {
	m := &importer{store: s, params: params, started: s.cfg.Clock.Now(), free: make(chan []strata.Record, params.Lanes+2)}
	for i := range m.streams {
		m.streams[i].id = importStreamID(params.Name, i)
	}
	return m
}

// importStreamID derives a stream from the name of an import: a UUID of version
// 8, which is made of whatever its maker likes.
func importStreamID(name string, stream int) (id strata.StreamID) {
	hash := sha256.Sum256(fmt.Appendf(nil, "strata import\x00%s\x00%d", name, stream))
	copy(id[:], hash[:])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// importPlace returns the stream of a position of the sequence, from 0, and the
// index there.
func importPlace(position int64) (stream int, index int64) {
	block := position / importBlock
	return int(block % importStreams), block/importStreams*importBlock + position%importBlock + 1
}

// findPlaces asks how far each stream is.
func (m *importer) findPlaces(ctx context.Context) (err error) {
	for i := range m.streams {
		st := &m.streams[i]
		if st.cursor, err = m.store.Cursor(ctx, strata.CursorParams{Stream: st.id}); err != nil {
			return err
		}
	}
	return nil
}

// run reads the sequence and deals batches to lanes, each of which stores its
// own, in order.
func (m *importer) run(ctx context.Context, records iter.Seq2[strata.Record, error]) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	lanes := make([]chan importBatch, m.params.Lanes)
	var running sync.WaitGroup
	for i := range lanes {
		lanes[i] = make(chan importBatch)
		running.Go(func() {
			for b := range lanes[i] {
				if err := m.keep(ctx, b); err != nil {
					cancel(err) // the first one counts
				}
				m.giveBack(b.records)
			}
		})
	}
	func() {
		defer running.Wait() // also if the sequence panics
		defer func() {
			for _, lane := range lanes {
				close(lane)
			}
		}()
		if err := m.deal(ctx, records, lanes); err != nil {
			cancel(err)
		}
	}()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return m.compareEnds()
}

// deal cuts the sequence into batches, leaves out what is stored, and hands the
// rest to the lanes.
func (m *importer) deal(ctx context.Context, records iter.Seq2[strata.Record, error], lanes []chan importBatch) error {
	now := m.store.cfg.Clock.Now()
	b := importBatch{records: m.buffer()}
	position := int64(0)
	for record, err := range records {
		stream, index := importPlace(position)
		position++
		if err != nil {
			return m.failed(position, err)
		}
		st := &m.streams[stream]
		st.seen = index
		if position%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if index <= st.cursor {
			m.skip()
			continue
		}
		if err := strata.CheckRecord(&record, now); err != nil {
			return m.failed(position, err)
		}
		if len(b.records) == 0 {
			b.stream, b.position, b.first = stream, position, index
		}
		if b.records = append(b.records, record); len(b.records) == m.params.BatchSize || index%importBlock == 0 {
			if err := m.hand(ctx, b, lanes); err != nil {
				return err
			}
			b = importBatch{records: m.buffer()}
		}
	}
	return m.hand(ctx, b, lanes)
}

// hand gives a batch to the lane of its stream, and waits until it takes it.
func (m *importer) hand(ctx context.Context, b importBatch, lanes []chan importBatch) error {
	if len(b.records) == 0 {
		return nil
	}
	select {
	case lanes[b.stream%len(lanes)] <- b:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (m *importer) buffer() []strata.Record {
	select {
	case records := <-m.free:
		return records
	default:
		return make([]strata.Record, 0, m.params.BatchSize)
	}
}

func (m *importer) giveBack(records []strata.Record) {
	clear(records) // what they point to may go
	select {
	case m.free <- records[:0]:
	default:
	}
}

// compareEnds notices a sequence that is shorter than what is stored.
func (m *importer) compareEnds() error {
	for i := range m.streams {
		if st := &m.streams[i]; st.seen < st.cursor {
			return m.failed(m.stored+m.skipped, fmt.Errorf("%w: it ends here, and the store has %d records more of stream %v; give the import another name, or the sequence that it had",
				ErrImportDiffers, st.cursor-st.seen, st.id))
		}
	}
	return nil
}

func (m *importer) failed(position int64, err error) error {
	return &ImportError{Import: m.params.Name, Record: position, Err: err}
}

// Where a connection is lost, a batch is tried again.
const (
	importAttempts = 6
	importPause    = 100 * time.Millisecond // before the second attempt; each further one waits twice as long
)

// keep stores a batch, and counts it.
func (m *importer) keep(ctx context.Context, b importBatch) error {
	id, pause := m.streams[b.stream].id, importPause
	n := len(b.records)
	for try := 1; ; try++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := m.store.Ingest(ctx, strata.Batch{Stream: id, First: b.first, Records: b.records})
		if err == nil {
			m.count(n)
			return nil
		}
		if !lostConnection(err) || try == importAttempts || m.store.pause(ctx, pause) != nil {
			return m.failed(b.position, err)
		}
		pause *= 2
		// The batch may have been stored all the same.
		last, cursorErr := m.store.Cursor(ctx, strata.CursorParams{Stream: id})
		if cursorErr != nil {
			continue
		}
		done := min(max(last-b.first+1, 0), int64(len(b.records)))
		b.first, b.position, b.records = b.first+done, b.position+done, b.records[done:]
	}
}

// lostConnection reports whether another attempt may find a server that works.
func lostConnection(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, strata.ErrCursor) || errors.Is(err, strata.ErrFenced) || errors.Is(err, ErrSchemaChanged) {
		return false
	}
	server, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return true // the driver's: the network
	}
	switch server.Code[:2] {
	case "08", "53", "57": // connection, resources, an operator
		return true
	}
	return worthRetrying(err) || server.Code == stateLockNotAvailable
}

func (m *importer) skip() {
	m.mu.Lock()
	m.skipped++
	m.mu.Unlock()
}

// count takes note of records that were stored, and tells how far it is.
func (m *importer) count(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stored += int64(n)
	if m.params.Progress != nil {
		m.params.Progress(m.progress())
	}
}

// progress needs the lock while lanes are running.
func (m *importer) progress() ImportProgress {
	p := ImportProgress{Stored: m.stored, Skipped: m.skipped, Total: m.params.Total, Elapsed: m.store.cfg.Clock.Now().Sub(m.started)}
	if p.Elapsed > 0 {
		p.Rate = float64(p.Stored) / p.Elapsed.Seconds()
	}
	if left := p.Total - p.Stored - p.Skipped; left > 0 && p.Rate > 0 {
		p.Left = time.Duration(float64(left) / p.Rate * float64(time.Second))
	}
	return p
}
