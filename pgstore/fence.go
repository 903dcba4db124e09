package pgstore

import (
	"context"
	"fmt"

	"github.com/strataxp/strata"
)

// Fence locks the writer of a stream out, for good: a process that must not
// write any more and cannot be reached, perhaps because it is a copy of another
// one. It waits for a batch that is under way. The stream's next batch fails
// with an error matching [strata.ErrFenced], and so does the question for its
// cursor; nothing is stored, and the writer keeps what it has. A stream that the
// store does not know is fenced as well. In SQL:
//
//	update strata.stream set fenced = true where stream_id = '…'
//
// A writer that was told never tries again, so setting fenced to false helps only
// one that has not noticed yet: any other process must be restarted, and then
// writes a stream of its own.
func (s *Store) Fence(ctx context.Context, stream strata.StreamID) error {
	if s.cfg.ReadOnly {
		return ErrReadOnly
	}
	_, err := s.pool.Exec(ctx, s.sql(`
insert into {schema}.stream (stream_id, last_idx, fenced) values ($1::text::uuid, 0, true) on conflict (stream_id) do update set fenced = true`), stream.String())
	return s.failure(ctx, "fence a stream off", err)
}

// fencedOff is what the writer of a fenced stream is told.
func fencedOff(doing string, stream strata.StreamID) error {
	return &Error{
		Doing: doing, Kind: strata.ErrFenced,
		Err:  fmt.Errorf("somebody has fenced stream %s off", stream),
		Cure: "end this process; if it is the right one, restart it: it begins a new stream, and this one is not tried again",
	}
}
