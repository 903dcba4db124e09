package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/strataxp/strata"
)

var buttonColor = strata.StringParam("button.color", "grey")

// shop is a program that has an engine, and the book in which it writes down what
// it was told about each order.
type shop struct {
	eng    *strata.Engine
	times  *times
	ledger ledger
	orders atomic.Int64
}

func openShop(ctx context.Context, store strata.Store, spool string) (*shop, error) {
	p, err := plan()
	if err != nil {
		return nil, err
	}
	if _, err := strata.Publish(ctx, store, p, strata.PublishOptions{Author: "failover", Message: "a button in two colors"}); err != nil {
		return nil, err
	}
	eng, err := strata.Open(ctx, store, strata.Config{
		Params: []strata.Handle{buttonColor},
		Spool:  strata.SpoolConfig{Dir: spool},
	})
	return &shop{eng: eng, times: &times{}}, err
}

// shoppers is how many different people come.
const shoppers = 5000

// handle is what a request does: it looks up what the shopper sees and tracks
// what was bought. It returns how long that took.
func (s *shop) handle() time.Duration {
	order := fmt.Sprint("order-", s.orders.Add(1))
	unit := strata.Unit{User: fmt.Sprint("user-", rand.IntN(shoppers))}
	s.ledger.note(order, strata.LevelMemory)

	start := time.Now()
	a := s.eng.Assign(unit)
	_ = buttonColor.Get(a) // reading exposes
	err := a.Track(strata.Purchase{OrderID: order, Total: 20_00, Currency: "EUR"})
	took := time.Since(start)
	if err != nil {
		s.ledger.refuse(order)
	}
	return took
}

// pay is what the few requests do that wait until their event is safe.
func (s *shop) pay(ctx context.Context, level strata.Level) error {
	order := fmt.Sprint("order-", s.orders.Add(1))
	s.ledger.note(order, strata.LevelMemory)
	reached, err := s.eng.TrackDurable(ctx, strata.Unit{User: fmt.Sprint("user-", rand.IntN(shoppers))}, strata.Purchase{OrderID: order, Total: 20_00, Currency: "EUR"}, level)
	s.ledger.note(order, reached)
	return err
}

// serve opens the shop until the function it returns is called: requests come in
// at a constant rate, whether those before are done or not, and for each level
// somebody pays again and again.
func (s *shop) serve(rate int) (closeShop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var open sync.WaitGroup
	open.Go(func() { s.requests(ctx, rate, &open) })
	for level := strata.LevelWritten; level <= strata.LevelConfirmed; level++ {
		open.Go(func() {
			for s.pay(ctx, level) == nil {
				select {
				case <-ctx.Done():
				case <-time.After(10 * time.Millisecond):
				}
			}
		})
	}
	return func() {
		cancel()
		open.Wait()
	}
}

// requests starts those that are due, every millisecond.
func (s *shop) requests(ctx context.Context, rate int, open *sync.WaitGroup) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	start, served := time.Now(), 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		due := int(time.Since(start).Seconds() * float64(rate))
		if due == served {
			continue
		}
		n := due - served
		served = due
		open.Go(func() {
			for range n {
				s.times.add(s.handle())
			}
		})
	}
}

// patience is how long the end is waited for.
const patience = time.Minute

// confirmAll waits until all events are on both servers.
func (s *shop) confirmAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for s.eng.Status().Unconfirmed > 0 {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d events are not on both servers: %w", s.eng.Status().Unconfirmed, errors.Join(ctx.Err(), s.eng.Status().ConfirmErr))
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}
