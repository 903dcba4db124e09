package strata

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// What the engine makes of a Confirmer, which store.go describes: what a lane
// or a leftover has sent is kept until every server that may take over has it.

// confirmInterval is how often standbys are asked what they have.
const confirmInterval = time.Second

// suspectAfter is how many rounds without any news make the engine ask the
// primary as well: after a failover while nothing was being sent, nobody else
// would notice that the new one has less.
const suspectAfter = 10

// confirmation asks for what is confirmed, for all streams of the process.
type confirmation struct {
	confirmer Confirmer
	clock     Clock
	timeout   time.Duration
	maxAge    time.Duration
	onError   func(error)

	mu      sync.Mutex
	streams []*confirming
	lastErr error
}

// confirming is a stream whose records are kept until they are confirmed.
type confirming struct {
	stream    StreamID
	progress  *watermarks
	confirmed func(upTo int64)
	suspect   func()
	aged      func(before time.Time) // lets go of what is kept for too long; nil for nothing
	relieve   func()                 // lets go of what there is no room for; nil for nothing
	rounds    int                    // without news
}

func newConfirmation(e *Engine) *confirmation {
	return &confirmation{
		confirmer: e.confirmer, clock: e.cfg.Clock, timeout: e.cfg.StoreTimeout, maxAge: e.cfg.Spool.MaxAge,
		onError: e.cfg.logError("ask standbys what they have"),
	}
}

// add takes a stream in; remove lets it go.
func (c *confirmation) add(s *confirming) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.streams = append(c.streams, s)
}

func (c *confirmation) remove(stream StreamID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, s := range c.streams {
		if s.stream == stream {
			c.streams = append(c.streams[:i:i], c.streams[i+1:]...)
			return
		}
	}
}

// run asks every second until ctx is done.
func (c *confirmation) run(ctx context.Context) {
	for pause(ctx, c.clock, confirmInterval, nil, nil) {
		c.round(ctx)
		c.age()
	}
}

// round asks about all streams that have something to confirm.
func (c *confirmation) round(ctx context.Context) {
	pending := c.pending()
	if len(pending) == 0 {
		c.failed(nil)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	ids := make([]StreamID, len(pending))
	for i, s := range pending {
		ids[i] = s.stream
	}
	last, err := c.confirmer.Confirmed(ctx, ConfirmedParams{Streams: ids})
	if errors.Is(err, context.Canceled) {
		return
	}
	c.failed(err)
	for i, s := range pending {
		// A standby cannot have what the primary has not acknowledged, except
		// where that is not known yet.
		before := s.progress.mark(LevelConfirmed)
		if err == nil {
			s.confirmed(min(last[i], s.progress.mark(LevelCommitted)))
		}
		if s.progress.mark(LevelConfirmed) > before {
			s.rounds = 0
		} else if s.rounds++; s.rounds%suspectAfter == 0 {
			s.suspect()
		}
	}
}

// age lets go of what no standby has confirmed for too long.
func (c *confirmation) age() {
	before := c.clock.Now().Add(-c.maxAge)
	c.mu.Lock()
	streams := slices.Clone(c.streams)
	c.mu.Unlock()
	for _, s := range streams {
		if s.aged != nil {
			s.aged(before)
		}
		if s.relieve != nil {
			s.relieve()
		}
	}
}

func (c *confirmation) pending() []*confirming {
	c.mu.Lock()
	defer c.mu.Unlock()
	var pending []*confirming
	for _, s := range c.streams {
		if s.progress.mark(LevelConfirmed) < s.progress.mark(LevelCommitted) {
			pending = append(pending, s)
		} else {
			s.rounds = 0
		}
	}
	return pending
}

func (c *confirmation) failed(err error) {
	c.mu.Lock()
	again := err == nil || c.lastErr != nil && c.lastErr.Error() == err.Error()
	c.lastErr = err
	c.mu.Unlock()
	if !again {
		c.onError(err)
	}
}

func (c *confirmation) err() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lastErr
}

// confirmerOf returns the store's ability to confirm, or nil.
func confirmerOf(store Store) (c Confirmer, err error) {
	defer caught(&err)
	if c, ok := store.(Confirmer); ok && c.Confirms() {
		return guardedConfirmer{c}, nil
	}
	return nil, nil
}

// guardedConfirmer turns panics of the store into errors, as guarded does.
type guardedConfirmer struct{ Confirmer }

func (g guardedConfirmer) Confirmed(ctx context.Context, params ConfirmedParams) (last []int64, err error) {
	defer caught(&err)
	last, err = g.Confirmer.Confirmed(ctx, params)
	if err == nil && len(last) != len(params.Streams) {
		err = fmt.Errorf("strata: the store confirmed %d streams, having been asked about %d", len(last), len(params.Streams))
	}
	return last, err
}
