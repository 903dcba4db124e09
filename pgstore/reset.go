package pgstore

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strataxp/strata"
)

// resetPause is how long a pool is left alone when it was emptied: while a
// server is away every call fails.
const resetPause = time.Second

// resetter empties a pool whose connections lead to a server that is gone, or
// takes no writes any more: each would have to fail by itself otherwise.
type resetter struct {
	mu   sync.Mutex
	last time.Time
}

// after empties the pool if the error says that the server is gone.
func (r *resetter) after(err error, pool *pgxpool.Pool, clock strata.Clock) {
	if !serverGone(err) {
		return
	}
	now := clock.Now()
	r.mu.Lock()
	recently := !r.last.IsZero() && now.Sub(r.last) < resetPause
	if !recently {
		r.last = now
	}
	r.mu.Unlock()
	if !recently {
		pool.Reset()
	}
}

// serverGone reports whether an error says that a server shuts down, is a
// standby, or does not answer.
func serverGone(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	if state := sqlState(err); state != "" {
		return state == stateReadOnly || strings.HasPrefix(state, "57P0") && state <= stateCannotConnectNow ||
			strings.HasPrefix(state, "08") && state != stateProtocol
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return pgconn.Timeout(err) // it hangs; a wait for a free connection is no such error
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}
