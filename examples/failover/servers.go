package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgserver"
)

// pair is a primary, and a standby that follows it some time behind. They change
// places.
type pair struct{ primary, standby *pgserver.Server }

func startServers() (*pair, error) {
	primary, err := pgserver.Start(pgserver.Config{Replication: true})
	if err != nil {
		return nil, err // it says what to install
	}
	standby, err := primary.StartStandby(pgserver.Config{})
	if err != nil {
		return nil, errors.Join(err, primary.Discard())
	}
	return &pair{primary, standby}, nil
}

func (p *pair) discard() error { return errors.Join(p.standby.Discard(), p.primary.Discard()) }

// dsn lists both servers; whichever takes writes is the one.
func (p *pair) dsn() string { return pgserver.MultiDSN("", p.primary, p.standby) }

// each has a connection string for each server that may ever be a standby.
func (p *pair) each() []string { return []string{p.primary.DSN(), p.standby.DSN()} }

// failover is how long each part of one took, and what it cost.
type failover struct {
	promoted  time.Duration // from the kill until the standby took writes
	stored    time.Duration // from then until the first event was stored there
	rejoined  time.Duration // from then until the old primary followed as a standby
	confirmed time.Duration // from then until an event was on both servers
	resent    int64         // events that had been acknowledged, and were sent once more
}

// fail kills the primary, has the standby take over and the old primary follow.
func (p *pair) fail(ctx context.Context, o options, s *shop) (f failover, err error) {
	if err := p.standby.PauseReceiver(ctx); err != nil { // a slow network
		return f, err
	}
	pause(o.lag)
	resent := s.eng.Status().Resent
	s.times.enter(during)
	took := stopwatch()
	if err := p.primary.Stop(pgserver.Killed); err != nil {
		return f, err
	}
	pause(o.away)
	if err := p.standby.Promote(ctx); err != nil {
		return f, err
	}
	p.primary, p.standby = p.standby, p.primary
	f.promoted = took()
	if err := s.pay(ctx, strata.LevelCommitted); err != nil {
		return f, err
	}
	f.stored = took()
	s.times.enter(after)
	if err := p.standby.Rejoin(ctx, p.primary); err != nil {
		return f, err
	}
	f.rejoined = took()
	if err := s.pay(ctx, strata.LevelConfirmed); err != nil {
		return f, err
	}
	f.confirmed = took()
	f.resent = s.eng.Status().Resent - resent
	return f, nil
}

// stopwatch returns a function that tells how long it is since it was called last.
func stopwatch() func() time.Duration {
	last := time.Now()
	return func() time.Duration {
		now := time.Now()
		took := now.Sub(last)
		last = now
		return took
	}
}

func printFailovers(list []failover) {
	if len(list) == 0 {
		return
	}
	fmt.Println("What each failover took, from one column to the next, in milliseconds:")
	fmt.Println()
	fmt.Printf("%10s %12s %14s %17s %14s %12s\n", "failover", "standby", "first event", "old primary", "an event on", "events")
	fmt.Printf("%10s %12s %14s %17s %14s %12s\n", "", "took over", "stored there", "follows as such", "both servers", "sent again")
	for i, f := range list {
		fmt.Printf("%10d %12d %14d %17d %14d %12s\n", i+1, f.promoted.Milliseconds(), f.stored.Milliseconds(), f.rejoined.Milliseconds(), f.confirmed.Milliseconds(), thousands(f.resent))
	}
	fmt.Println()
}
