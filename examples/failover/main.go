// Failover shows what a shop notices when its database's primary dies: nothing.
//
//	go run ./examples/failover
//	go run ./examples/failover -failovers 20 -rate 2000
//
// It starts a primary and an asynchronous standby on this machine and a shop whose
// requests assign shoppers and track events at a constant rate, whatever happens.
// Then it kills the primary, while the standby is behind; the standby takes over,
// the old primary follows it, and so on. In the end it counts: what was
// acknowledged, at which level, what of it is lost (nothing) or stored twice
// (nothing), and how long requests took meanwhile.
//
// It fails if anything was lost or doubled.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/pgstore"
)

type options struct {
	failovers int
	rate      int           // requests a second
	open      time.Duration // before and after each failover
	lag       time.Duration // of the standby, when the primary dies
	away      time.Duration // from then until somebody has the standby take over
}

func main() {
	log.SetFlags(0)
	var o options
	var seconds float64
	flag.IntVar(&o.failovers, "failovers", 1, "how often the primary is killed")
	flag.IntVar(&o.rate, "rate", 1000, "requests a second")
	flag.Float64Var(&seconds, "seconds", 3, "how long the shop is open before and after each failover")
	flag.DurationVar(&o.lag, "lag", 300*time.Millisecond, "how far the standby is behind when the primary dies")
	flag.DurationVar(&o.away, "away", time.Second, "how long there is no primary before the standby is told to take over")
	flag.Parse()
	o.open = time.Duration(seconds * float64(time.Second))
	if err := run(context.Background(), o); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, o options) (err error) {
	if o.failovers < 0 || o.rate < 1 || o.open <= 0 || o.lag < 0 || o.away < 0 {
		return fmt.Errorf("-failovers %d -rate %d -seconds %g -lag %v -away %v: none may be negative, and there must be requests", o.failovers, o.rate, o.open.Seconds(), o.lag, o.away)
	}
	servers, err := startServers()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, servers.discard()) }()
	store, err := pgstore.Open(ctx, servers.dsn(), pgstore.Config{Standbys: servers.each(), NoRollup: true})
	if err != nil {
		return err
	}
	defer store.Close()
	spool, err := os.MkdirTemp("", "strata-failover-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(spool)) }()
	s, err := openShop(ctx, store, spool)
	if err != nil {
		return err
	}
	// Nothing is left to write behind play; elsewhere it is an error already.
	defer s.eng.Close(ctx)
	fmt.Printf("Two servers are up, and a shop that serves %s requests a second.\n\n", thousands(int64(o.rate)))
	return play(ctx, o, servers, s)
}

// play keeps the shop open while servers fail, and reports.
func play(ctx context.Context, o options, servers *pair, s *shop) error {
	closeShop := s.serve(o.rate)
	defer closeShop()
	var events []failover
	for range o.failovers {
		pause(o.open)
		f, err := servers.fail(ctx, o, s)
		if err != nil {
			return err
		}
		events = append(events, f)
	}
	pause(o.open)
	closeShop()
	if err := s.confirmAll(ctx); err != nil {
		return err
	}
	if _, err := s.eng.Close(ctx); err != nil {
		return err
	}
	stored, err := count(ctx, servers.primary.DSN(), s.ledger.orders())
	if err != nil {
		return err
	}
	printFailovers(events)
	printRequests(s.times.summary())
	t := total(s, stored)
	t.print()
	return t.verdict()
}

// pause lets the shop do its work.
func pause(d time.Duration) { time.Sleep(d) }

// plan is an experiment of which each shopper sees one half.
func plan() (*strata.Plan, error) {
	b := strata.NewPlan()
	b.String("button.color", "grey")
	b.Metric(strata.Metric{Key: "buyers", Type: strata.MetricConversion, Measure: strata.Measure{Event: strata.KindPurchase}})
	b.Layer("ui", strata.ByUser, "button.color").Experiment("button", 1).
		Treatment("grey", 1, nil).
		Treatment("green", 1, strata.Values{"button.color": "green"}).
		Metrics("buyers").
		Running()
	return b.Build()
}
