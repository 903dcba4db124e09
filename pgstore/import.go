package pgstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/strataxp/strata"
)

// ErrImportDiffers means that the store has more records of an import than the
// sequence: it is not the sequence that was imported under that name.
var ErrImportDiffers = errors.New("pgstore: not the sequence that was imported under this name")

// ImportParams are the parameters of [Store.Import].
type ImportParams struct {
	// Name tells imports apart: what was stored under a name is skipped when
	// the same name is imported again. Required, at most 200 bytes.
	Name string

	// Lanes is how many connections write at once, at most 16. Any number may
	// go on where another one stopped. Zero means DefaultImportLanes (4).
	Lanes int

	// BatchSize is how many records a transaction holds, at most 10,000. So
	// many for each lane and two more are in memory at once. Zero means 10,000.
	BatchSize int

	// Total is how many records the sequence has, for [ImportProgress.Left].
	// Zero means that nobody knows.
	Total int64

	// Progress is told how far the import is, after each batch, by one
	// goroutine at a time. Writing waits for it. Nil is fine.
	Progress func(ImportProgress)
}

// DefaultImportLanes is the default of [ImportParams.Lanes].
const DefaultImportLanes = 4

// ImportProgress is how far an import is.
type ImportProgress struct {
	Stored  int64         // records stored by this run
	Skipped int64         // records found stored already
	Total   int64         // as in ImportParams; 0 where nobody knows
	Elapsed time.Duration // since the call
	Rate    float64       // records stored a second, by this run on average
	Left    time.Duration // at that rate; 0 where Total or the rate is unknown
}

// ImportResult is what [Store.Import] did. Also with an error it holds what was
// stored before.
type ImportResult struct {
	Stored  int64 // records stored by this run
	Skipped int64 // records found stored already
	Elapsed time.Duration
}

// ImportError says at which record an import stopped. What came before may be
// stored or not; the same import goes on where it should.
type ImportError struct {
	Import string // the name
	Record int64  // the position in the sequence, from 1; for a batch that was not stored, of its first record
	Err    error  // of the sequence; or an EventError; or of the store
}

func (e *ImportError) Error() string {
	return fmt.Sprintf("pgstore: import %q, record %d: %v", e.Import, e.Record, e.Err)
}

// Unwrap returns the reason.
func (e *ImportError) Unwrap() error { return e.Err }

func (p ImportParams) withDefaults() ImportParams {
	if p.Lanes == 0 {
		p.Lanes = DefaultImportLanes
	}
	if p.BatchSize == 0 {
		p.BatchSize = importBlock
	}
	return p
}

func (p ImportParams) validate() error {
	var err error
	if p.Name == "" || len(p.Name) > 200 {
		err = errors.Join(err, &ConfigError{Field: "Name", Value: p.Name, Cure: "give 1 to 200 bytes, the same when an import shall go on"})
	}
	if p.Lanes < 1 || p.Lanes > importStreams {
		err = errors.Join(err, &ConfigError{Field: "Lanes", Value: p.Lanes, Cure: fmt.Sprintf("must lie between 1 and %d; 0 means %d", importStreams, DefaultImportLanes)})
	}
	if p.BatchSize < 1 || p.BatchSize > importBlock {
		err = errors.Join(err, &ConfigError{Field: "BatchSize", Value: p.BatchSize, Cure: fmt.Sprintf("must lie between 1 and %d, which 0 means", importBlock)})
	}
	if p.Total < 0 {
		err = errors.Join(err, &ConfigError{Field: "Total", Value: p.Total, Cure: "is negative; leave it 0 where nobody knows"})
	}
	return err
}

// Import stores the records of a sequence, each exactly once: a history that
// another system kept. Where it was broken off, by whatever, call it again with
// the same name and the same sequence: it skips what is stored and goes on. A
// connection that is lost is made again, a few times; then Import fails.
//
// The records are checked as [Engine.Track] would ([strata.CheckRecord]), and
// may be of any time since 2000, in any order. A record must not change when the
// next one is yielded. Import stops at the first bad record, or error of the
// sequence, with an [ImportError]; while batches are under way others of later
// records may have been stored. It fails with [ErrImportDiffers] if the sequence
// is shorter than what is stored; that it is another one of the same length it
// cannot tell.
//
// Records travel by COPY, several batches at once, each in a transaction of its
// own with its cursor ([Store.Ingest]). Results contain them after the next
// rollup. The rate is that of COPY into the event table, less the cost of making
// the records (BenchmarkImport). Memory is bounded by the batches under way.
func (s *Store) Import(ctx context.Context, records iter.Seq2[strata.Record, error], params ImportParams) (ImportResult, error) {
	params = params.withDefaults()
	if err := params.validate(); err != nil {
		return ImportResult{}, err
	}
	m := newImporter(s, params)
	err := m.findPlaces(ctx)
	if err == nil {
		err = m.run(ctx, records)
	}
	if ctx.Err() != nil {
		err = s.failure(ctx, "import", err)
	}
	p := m.progress()
	return ImportResult{Stored: p.Stored, Skipped: p.Skipped, Elapsed: p.Elapsed}, err
}
