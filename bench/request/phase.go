package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strataxp/strata/internal/pgserver"
)

// phase is a while of load on a shop of its own, with strata or without.
type phase struct {
	scenario
	strata bool
	rate   int
	length time.Duration
	warm   time.Duration // load before, which does not count
	seed   uint64        // of the visitors
	number int           // names the database

	dbNice  int    // priority of the server
	profile string // what the files with profiles of the shop begin with; empty means none
}

// result is what came of a phase.
type result struct {
	*outcome
	first  health // when the load began
	health health // when it was over
	closed closed
}

// run plays a phase: a shop of its own with an empty database, load, its end, and the
// audit of what was stored.
func (p phase) run(ctx context.Context, binary string, server *pgserver.Server) (r result, err error) {
	args := append([]string{fmt.Sprintf("-strata=%v", p.strata)}, p.args...)
	if p.postgres {
		drop, err := p.database(ctx, server)
		if err != nil {
			return r, err
		}
		defer func() { err = errors.Join(err, drop()) }()
		args = append(args, "-dsn", server.DSN())
	}
	s, err := startShop(ctx, binary, args...)
	if err != nil {
		return r, err
	}
	g := &stage{server: server, shop: s, strata: p.strata}
	r, err = p.load(ctx, g)
	if err == nil {
		r.health, err = s.ask(ctx)
	}
	if p.repair != nil {
		err = errors.Join(err, p.repair(ctx, g))
	}
	if p.fault != nil && p.postgres { // it may be a new process
		err = errors.Join(err, yield(server.Pid(), p.dbNice))
	}
	var end error
	r.closed, end = s.stop()
	if err = errors.Join(err, end); err != nil {
		return r, err
	}
	return r, p.audit(ctx, r, server)
}

// database makes an empty one.
func (p phase) database(ctx context.Context, server *pgserver.Server) (drop func() error, err error) {
	server.Database = "postgres"
	name := fmt.Sprintf("%s_%d", p.name, p.number)
	if err := server.Exec(ctx, "create database "+name); err != nil {
		return nil, err
	}
	server.Database = name
	return func() error {
		server.Database = "postgres"
		return server.Exec(ctx, "drop database "+name+" with (force)")
	}, nil
}

// load sends requests, and breaks something halfway.
func (p phase) load(ctx context.Context, g *stage) (r result, err error) {
	if p.prepare != nil {
		if err := p.prepare(ctx, g); err != nil {
			return r, err
		}
	}
	c := &client{addr: g.shop.addr, keepAlive: p.keepAlive}
	defer c.close()
	w := newCrowd(c, p.rate, p.seed, newLedger())
	w.run(ctx, newSchedule(time.Now(), p.rate, p.warm), time.Time{})
	if r.first, err = g.shop.ask(ctx); err != nil {
		return r, err
	}
	profiled := p.profileShop(ctx, g.shop)
	s := newSchedule(time.Now(), p.rate, p.length)
	var breaks time.Time
	broken := make(chan error, 1)
	faulty, over := context.WithCancel(ctx)
	defer over()
	if p.fault == nil {
		broken <- nil
	} else {
		breaks = s.start.Add(p.length / 2)
		go func() {
			pause(time.Until(breaks))
			broken <- p.fault(faulty, g)
		}()
	}
	r.outcome = w.run(ctx, s, breaks)
	over()
	return r, errors.Join(<-broken, <-profiled, ctx.Err())
}

// profileShop has the shop profile itself for the length of the phase.
func (p phase) profileShop(ctx context.Context, s *shop) <-chan error {
	done := make(chan error, 1)
	if p.profile == "" {
		done <- nil
		return done
	}
	go func() {
		done <- errors.Join(
			s.save(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", max(1, int(p.length.Seconds()))), p.profile+"-cpu.pprof"),
			s.save(ctx, "/debug/pprof/allocs", p.profile+"-allocs.pprof"))
	}()
	return done
}

// audit fails where an order that was acknowledged is not in the store, or anything
// else was not as the shop said.
func (p phase) audit(ctx context.Context, r result, server *pgserver.Server) error {
	if !p.strata {
		return nil
	}
	name := fmt.Sprintf("%s, phase %d", p.name, p.number)
	if r.closed.left > 0 {
		return fmt.Errorf("%s: %d of %d events are not delivered, though the store is back", name, r.closed.left, r.closed.accepted)
	}
	stored := r.book.all() // a store in memory is gone
	if p.postgres {
		var err error
		if stored, err = storedOrders(ctx, server.DSN()); err != nil {
			return err
		}
	}
	if err := r.book.audit(stored, r.closed.refused+r.closed.lost); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
