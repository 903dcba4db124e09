package strata

import (
	"context"
	"time"
)

// PlanWatcher is implemented by stores that can tell of a new plan at once.
// Engines go on asking every [Config.RefreshInterval] all the same: a notice
// saves time, and nothing depends on it.
type PlanWatcher interface {
	// WatchPlans calls changed as soon as it watches, and behind each plan that
	// is published, possibly once for several; changed returns at once. It
	// blocks until ctx is done, or until it can no longer watch, and returns
	// why.
	WatchPlans(ctx context.Context, changed func()) error
}

// How long to wait before watching again: the first time, and at most. Polling
// goes on meanwhile.
const (
	minFollowDelay = 100 * time.Millisecond
	maxFollowDelay = 30 * time.Second
)

// follow has poll refresh at once whenever the store tells of a plan, until ctx
// is done.
func (r *refresher) follow(ctx context.Context, watcher PlanWatcher) {
	onError := r.engine.cfg.logError("watch for plans")
	delay := minFollowDelay
	for {
		began := r.clock.Now()
		err := watchPlans(ctx, watcher, func() { signal(r.changed) })
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			onError(err)
		}
		if r.clock.Now().Sub(began) > maxFollowDelay {
			delay = minFollowDelay // it worked for a while
		}
		timer, stop := r.clock.Timer(delay)
		select {
		case <-ctx.Done():
			stop()
			return
		case <-timer:
		}
		delay = min(2*delay, maxFollowDelay)
	}
}

// watchPlans calls the store, whose panic is an error like any other.
func watchPlans(ctx context.Context, watcher PlanWatcher, changed func()) (err error) {
	defer caught(&err)
	return watcher.WatchPlans(ctx, changed)
}
