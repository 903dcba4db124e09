package simtest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/strataxp/strata"
)

// cluster is the store that all processes share, with a log of all that it has
// taken in, and perhaps a standby that follows behind.
type cluster struct {
	fresh   func() strata.Store // an empty store
	standby bool
	lag     time.Duration // of the standby

	mu        sync.Mutex
	store     strata.Store
	log       []entry
	exposed   map[subject][]exposed // by unit and phase, in the order of arrival
	timelines []map[subject]int64   // for each failover, the last numbers of exposures that the standby had
}

// entry is something that the store has taken in.
type entry struct {
	at    time.Time
	plan  *strata.PutPlanParams // or
	batch *strata.Batch
}

// subject is a unit in a phase of an experiment.
type subject struct {
	experiment string
	phase      int
	id         string
}

// exposed is a unit's exposure as the store has it.
type exposed struct {
	treatment string
	version   int64
	time      time.Time // of the exposure, by the clock of its process
	stored    time.Time
}

// ingest hands a batch to the store, and logs it where it was taken in.
func (c *cluster) ingest(ctx context.Context, b strata.Batch) error {
	err := c.now().Ingest(ctx, b)
	if err == nil {
		c.took(entry{at: time.Now(), batch: &b})
	}
	return err
}

// putPlan hands a plan to the store, and logs it where it was taken in.
func (c *cluster) putPlan(ctx context.Context, p strata.PutPlanParams) (int64, error) {
	version, err := c.now().PutPlan(ctx, p)
	if err == nil {
		plan := *p.Plan // Publish goes on with it
		p.Plan = &plan
		c.took(entry{at: time.Now(), plan: &p})
	}
	return version, err
}

// now returns the store that is the primary now.
func (c *cluster) now() strata.Store {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.store
}

func (c *cluster) took(e entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = append(c.log, e)
	c.index(e)
}

// index notes the exposures of an entry. The lock is held.
func (c *cluster) index(e entry) {
	if e.batch == nil {
		return
	}
	for i := range e.batch.Records {
		r := &e.batch.Records[i]
		if x, ok := r.Event.(strata.Exposure); ok {
			key := subject{x.Experiment, x.Phase, idOf(&r.Unit, x.Diversion)}
			c.exposed[key] = append(c.exposed[key], exposed{x.Treatment, x.Version, x.Time, e.at})
		}
	}
}

// has returns the exposures of a unit that the store has.
func (c *cluster) has(key subject) []exposed {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.exposed[key])
}

// confirmed returns the cursors of streams at the standby.
func (c *cluster) confirmed(streams []strata.StreamID) []int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := make([]int64, len(streams))
	for _, e := range c.log {
		if e.batch == nil || !c.replicated(e) {
			continue
		}
		if i := slices.Index(streams, e.batch.Stream); i >= 0 {
			last[i] = e.batch.Last()
		}
	}
	return last
}

// replicated reports whether the standby has an entry.
func (c *cluster) replicated(e entry) bool { return time.Since(e.at) > c.lag }

// failOver makes the standby the primary, and gives it a new standby that has all.
// It returns how many records and plans are gone.
func (c *cluster) failOver(ctx context.Context) (forgot, plans int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	store, log := c.fresh(), c.log
	c.log, c.exposed = nil, make(map[subject][]exposed)
	for _, e := range log {
		if !c.replicated(e) {
			if e.plan != nil {
				plans++
			} else {
				forgot += len(e.batch.Records)
			}
			continue
		}
		if e.plan != nil {
			_, err = store.PutPlan(ctx, *e.plan)
		} else {
			err = store.Ingest(ctx, *e.batch)
		}
		if err != nil {
			return forgot, plans, fmt.Errorf("simtest: the standby does not take what the primary took: %w", err)
		}
		c.log = append(c.log, e)
		c.index(e)
	}
	had, err := numbers(ctx, store, log)
	c.store, c.timelines = store, append(c.timelines, had)
	return forgot, plans, err
}

// numbers returns the last numbers of exposures that a store has, by phase of the
// experiments that a log knows.
func numbers(ctx context.Context, store strata.Store, log []entry) (map[subject]int64, error) {
	had := make(map[subject]int64)
	for _, e := range log {
		if e.batch == nil {
			continue
		}
		for i := range e.batch.Records {
			if x, ok := e.batch.Records[i].Event.(strata.Exposure); ok {
				had[subject{experiment: x.Experiment, phase: x.Phase}] = 0
			}
		}
	}
	for s := range had {
		for x, err := range store.Exposed(ctx, strata.ExposedParams{Experiment: s.experiment, Phase: s.phase}) {
			if err != nil {
				return nil, err
			}
			had[s] = x.Sequence
		}
	}
	return had, nil
}

// list returns exposures, with numbers that no failover gives twice: what the
// primary has numbered since one comes above all numbers before.
func (c *cluster) list(ctx context.Context, params strata.ExposedParams) (list []strata.ExposedUnit, err error) {
	c.mu.Lock()
	store, timelines := c.store, c.timelines
	c.mu.Unlock()
	after := params.After
	if len(timelines) > 0 {
		params.After = 0
	}
	for x, err := range store.Exposed(ctx, params) {
		if err != nil {
			return nil, err
		}
		raw := x.Sequence
		for i, had := range timelines {
			if raw > had[subject{experiment: params.Experiment, phase: params.Phase}] {
				x.Sequence = raw + int64(i+1)<<40
			}
		}
		if x.Sequence > after {
			list = append(list, x)
		}
	}
	return list, nil
}

// records returns all records that the store has, in the order of arrival.
func (c *cluster) records() (all []strata.Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.log {
		if e.batch != nil {
			all = append(all, e.batch.Records...)
		}
	}
	return all
}

// idOf returns the id of a unit that a diversion hashes.
func idOf(u *strata.Unit, d strata.Diversion) string {
	switch d {
	case strata.ByTenant:
		return u.Tenant
	case strata.ByDevice:
		return u.Device
	case strata.BySession:
		return u.Session
	case strata.ByRequest:
		return u.Request
	}
	return u.User
}
