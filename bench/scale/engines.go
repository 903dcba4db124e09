package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgserver"
	"github.com/strataxp/strata/pgstore"
)

// poolSize is how many connections the engines share, besides one each to watch by.
const poolSize = 20

// fleet is engines of one database, with default settings. They are simulated: all run in
// this process, and share a pool, where each would have its own machine and its own pool.
type fleet struct {
	server  *pgserver.Server
	count   *counter
	pool    *pgxpool.Pool
	stores  []*pgstore.Store
	engines []*strata.Engine
	version int64
}

// fleets are the curves of engines that share a database.
func fleets(server *pgserver.Server, e extent) []curve {
	list := []curve{
		{name: "engines-idle", title: "Statements a second while nothing happens, by engines (one store)", unit: perSecond,
			expected: "6 of the store, whose rollup looks for work twice a second with three questions, and linear, a fifth each, as engines ask for plans every 5 s", exponent: 1},
		{name: "engines-processor", title: "The server's processor time per second while nothing happens, by engines (one store)",
			expected: "linear, tens of microseconds a statement, and what a server takes that has nothing to do", exponent: 1},
		{name: "engines-herd", title: "Statements a second in the busiest tenth of one, some seconds after a plan, by engines (one store)", unit: perSecond,
			expected: "linear, as when nothing happens: a notice has all engines ask once, and then each goes on at its own times", exponent: 1},
		{name: "engines-plan", title: "From publishing until the last engine has the plan, by engines (one store)",
			expected: "flat, then linear: all ask at once, over 20 connections, and here they compile on the same processors", exponent: 1},
		{name: "engines-plan-processor", title: "The server's processor time until the last engine has a plan, by engines (one store)",
			expected: "linear, a statement each, and what publishing takes", exponent: 1},
		{name: "stores-idle", title: "Statements a second while nothing happens, by engines with a store each", unit: perSecond,
			expected: "linear, 6.2 each: every store looks for work, as Config.NoRollup says how to prevent", exponent: 1},
		{name: "stores-processor", title: "The server's processor time per second while nothing happens, by engines with a store each",
			expected: "linear, tens of microseconds a statement", exponent: 1},
	}
	measures := []func(context.Context, *fleet, extent) (float64, error){idleStatements, idleProcessor, herd, untilPlan, planProcessor, idleStatements, idleProcessor}
	for i := range list {
		list[i].size, list[i].sizes = "engines", e.engines
		each := strings.HasPrefix(list[i].name, "stores-")
		list[i].measure = func(n int) (float64, error) {
			name := strings.ReplaceAll(list[i].name, "-", "_")
			v, err := withFleet(server, name, n, each, func(ctx context.Context, f *fleet) (float64, error) { return measures[i](ctx, f, e) })
			return v, dropping(server, name, err)
		}
	}
	return list
}

// withFleet measures n engines, which have a store each or share one.
func withFleet(server *pgserver.Server, name string, n int, each bool, measure func(context.Context, *fleet) (float64, error)) (v float64, err error) {
	ctx := context.Background()
	first, dsn, err := database(server, name)
	if err != nil {
		return 0, err
	}
	first.Close()
	f := &fleet{server: server, count: &counter{}}
	defer func() { err = errors.Join(err, f.close(ctx)) }()
	if err := f.open(ctx, dsn, n, each); err != nil {
		return 0, err
	}
	return measure(ctx, f)
}

func (f *fleet) open(ctx context.Context, dsn string, n int, each bool) error {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return err
	}
	cfg.MaxConns, cfg.MinConns, cfg.ConnConfig.Tracer = poolSize, poolSize, f.count
	if f.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return err
	}
	for i := range n {
		if each || i == 0 {
			store, err := pgstore.New(ctx, f.pool, pgstore.Config{})
			if err != nil {
				return err
			}
			f.stores = append(f.stores, store)
		}
		eng, err := strata.Open(ctx, f.stores[len(f.stores)-1], strata.Config{})
		if err != nil {
			return err
		}
		f.engines = append(f.engines, eng)
	}
	if err := until(func() bool { return f.count.watching.Load() == int64(n) }); err != nil {
		return fmt.Errorf("%d of %d engines watch: %w", f.count.watching.Load(), n, err)
	}
	_, err = f.publish(ctx) // from here on all know one
	return err
}

// close closes a few engines at a time: one is given a moment to part from the server,
// which a thousand in one process would wait for each other in.
func (f *fleet) close(ctx context.Context) error {
	var all sync.WaitGroup
	const atOnce = 8
	errs := make([]error, atOnce)
	for g := range atOnce {
		all.Go(func() {
			for i := g; i < len(f.engines); i += atOnce {
				_, err := f.engines[i].Close(ctx)
				errs[g] = errors.Join(errs[g], err)
			}
		})
	}
	all.Wait()
	for _, s := range f.stores {
		s.Close()
	}
	if f.pool != nil {
		f.pool.Close()
	}
	return errors.Join(errs...)
}

// publish publishes a plan, and returns how long the last engine waited for it.
func (f *fleet) publish(ctx context.Context) (time.Duration, error) {
	plan := planOf(10, 1)
	plan.Version = f.version
	start := time.Now()
	if _, err := strata.Publish(ctx, f.stores[0], plan, strata.PublishOptions{Author: "bench", Message: "again"}); err != nil {
		return 0, err
	}
	f.version++
	missing := slices.Clone(f.engines)
	err := until(func() bool {
		missing = slices.DeleteFunc(missing, func(e *strata.Engine) bool { return e.Snapshot().Version() == f.version })
		return len(missing) == 0
	})
	if err != nil {
		return 0, fmt.Errorf("%d engines do not have the plan: %w", len(missing), err)
	}
	return time.Since(start), nil
}

// until waits for something.
func until(done func() bool) error {
	const patience, pause = time.Minute, 200 * time.Microsecond
	for start := time.Now(); !done(); time.Sleep(pause) {
		if time.Since(start) > patience {
			return errors.New("nothing came of waiting for a minute")
		}
	}
	return nil
}

// untilPlan is the median of several.
func untilPlan(ctx context.Context, f *fleet, _ extent) (float64, error) {
	var all []time.Duration
	for range 5 {
		t, err := f.publish(ctx)
		if err != nil {
			return 0, err
		}
		all = append(all, t)
	}
	slices.Sort(all)
	return float64(all[len(all)/2].Nanoseconds()), nil
}

// planProcessor is the least of several.
func planProcessor(ctx context.Context, f *fleet, _ extent) (float64, error) {
	best := 0.0
	for range 5 {
		before, err := processorTime(f.server.Pid())
		if err != nil {
			return 0, err
		}
		if _, err := f.publish(ctx); err != nil {
			return 0, err
		}
		after, err := processorTime(f.server.Pid())
		if err != nil {
			return 0, err
		}
		best = least0(best, float64(spent(before, after)))
	}
	return best, nil
}

// idleStatements counts statements while nothing happens.
func idleStatements(_ context.Context, f *fleet, e extent) (float64, error) {
	time.Sleep(e.idle / 4) // engines ask together, a moment after each interval
	before := f.count.statements.Load()
	start := time.Now()
	time.Sleep(e.idle)
	return float64(f.count.statements.Load()-before) / time.Since(start).Seconds(), f.healthy()
}

// idleProcessor is for how long in a second processors are busy with the server.
func idleProcessor(_ context.Context, f *fleet, e extent) (float64, error) {
	time.Sleep(e.idle / 4)
	before, err := processorTime(f.server.Pid())
	if err != nil {
		return 0, err
	}
	start := time.Now()
	time.Sleep(e.idle)
	wall := time.Since(start)
	after, err := processorTime(f.server.Pid())
	return float64(spent(before, after)) / wall.Seconds(), errors.Join(err, f.healthy())
}

// herd is the rate in the busiest tenth of a second, long after a plan was published.
func herd(ctx context.Context, f *fleet, e extent) (float64, error) {
	if _, err := f.publish(ctx); err != nil {
		return 0, err
	}
	time.Sleep(e.idle / 4)
	f.count.record()
	time.Sleep(e.idle)
	const tenth = 100 * time.Millisecond
	return float64(busiest(f.count.recorded(), tenth)) / tenth.Seconds(), f.healthy()
}

// busiest is the highest number of instants that lie within a span.
func busiest(instants []time.Time, span time.Duration) int {
	slices.SortFunc(instants, time.Time.Compare)
	most, from := 0, 0
	for i, t := range instants {
		for t.Sub(instants[from]) >= span {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

// healthy fails where an engine could not ask.
func (f *fleet) healthy() error {
	for i, eng := range f.engines {
		if err := eng.Status().RefreshErr; err != nil {
			return fmt.Errorf("engine %d: %w", i, err)
		}
	}
	return nil
}
