package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/strataxp/strata/internal/page"
	"github.com/strataxp/strata/internal/pgserver"
)

// scenario is what happens to the shop while it is under load, with strata and
// without.
type scenario struct {
	name, about string

	postgres  bool // else the store is in memory
	keepAlive bool // else each request has a connection of its own
	args      []string

	// prepare readies what the fault needs, when the shop is up; nil is nothing.
	prepare func(context.Context, *stage) error

	// fault happens halfway through the phase; nil is none. It returns when ctx is
	// done at the latest, which is when the phase is over.
	fault func(context.Context, *stage) error

	// repair undoes the fault before the shop is closed; nil where nothing is to do.
	repair func(context.Context, *stage) error
}

// stage is what a fault can get hold of.
type stage struct {
	server    *pgserver.Server // nil without PostgreSQL
	shop      *shop
	strata    bool
	publisher *publisher
}

// scenarios are all that there are, in the order in which they are played.
func scenarios() []scenario {
	plain := scenario{name: "plain", about: "PostgreSQL takes the events, connections are kept", postgres: true, keepAlive: true}
	with := func(s scenario, change func(*scenario)) scenario {
		change(&s)
		return s
	}
	return []scenario{
		plain,
		with(plain, func(s *scenario) {
			s.name, s.about, s.keepAlive = "noreuse", "a connection for each request", false
		}),
		with(plain, func(s *scenario) {
			s.name, s.about, s.args = "elsewhere", "results are added up by some other process, here by none", []string{"-rollup=false"}
		}),
		with(plain, func(s *scenario) { s.name, s.about, s.postgres = "memory", "the store is in memory", false }),
		with(plain, func(s *scenario) {
			s.name, s.about = "stopped", "PostgreSQL is stopped at once halfway through, and away until the end"
			s.fault = func(_ context.Context, g *stage) error { return g.server.Stop(pgserver.Immediate) }
			s.repair = func(_ context.Context, g *stage) error { return g.server.Restart(pgserver.Immediate) }
		}),
		with(plain, func(s *scenario) {
			s.name, s.about = "hung", "all processes of PostgreSQL are halted halfway through, until the end"
			s.fault = func(_ context.Context, g *stage) error { return g.server.Pause() }
			s.repair = func(_ context.Context, g *stage) error { return g.server.Resume() }
		}),
		with(plain, func(s *scenario) {
			s.name, s.about = "restarted", "PostgreSQL is restarted halfway through"
			s.fault = func(_ context.Context, g *stage) error { return g.server.Restart(pgserver.Fast) }
		}),
		with(plain, func(s *scenario) {
			s.name = "refresh"
			s.about = fmt.Sprintf("a plan with %s further experiments, from halfway on published anew as fast as that goes", page.Thousands(moreExperiments))
			s.args = []string{"-refresh", "1s"}
			s.prepare, s.fault, s.repair = preparePublisher, publishOn, endPublisher
		}),
	}
}

// chosen are the scenarios whose names match.
func chosen(pattern string) (list []scenario, err error) {
	re, err := regexp.Compile("^(" + pattern + ")$")
	if err != nil {
		return nil, fmt.Errorf("-scenarios: %w", err)
	}
	var names []string
	for _, s := range scenarios() {
		names = append(names, s.name)
		if re.MatchString(s.name) {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("-scenarios %q matches none of: %s", pattern, strings.Join(names, " "))
	}
	return list, nil
}

func preparePublisher(ctx context.Context, g *stage) (err error) {
	if g.publisher, err = startPublisher(ctx, g.server.DSN()); err != nil || !g.strata {
		return err
	}
	return g.until(ctx, func(h health) bool { return h.Plan >= 2 })
}

// until waits for the shop to be in some state.
func (g *stage) until(ctx context.Context, ready func(health) bool) error {
	for range 300 {
		h, err := g.shop.ask(ctx)
		if err != nil {
			return err
		}
		if ready(h) {
			return nil
		}
		pause(100 * time.Millisecond)
	}
	return fmt.Errorf("the shop does not see the plan that was published")
}

func publishOn(ctx context.Context, g *stage) error {
	if err := g.publisher.begin(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func endPublisher(_ context.Context, g *stage) error { return g.publisher.end() }
