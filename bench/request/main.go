// Request measures what strata costs a whole web application: the shop in
// examples/webshop, as a process of its own, under requests that come in at a constant
// rate, with strata and without, while its PostgreSQL is stopped, hangs and comes back.
//
//	go -C bench run ./request                           # all of it: some ten minutes
//	go -C bench run ./request -scenarios 'plain|hung' -rate 1500
//	go -C bench run ./request -markdown >figures.md
//
// Latency counts from when a request was due and not from when it could be sent, so
// that a stall counts for every request that came in meanwhile. The generator waits in
// the kernel for the next request to be due; how late it was is reported as well.
//
// Without -rate the highest rate is searched that the machine holds without strata:
// where 99.9 % of the requests are answered within 10 ms, 99 % of the rate is achieved
// and none fails, in two of three trials; rates rise by a fifth. The comparison is made
// at a share of that, as strata, PostgreSQL and the visitors are to find room on the
// same machine.
//
// A machine where others work as well makes the tail, for both variants: -dbnice 19
// has PostgreSQL make way for the shop, and nice -n -10 in front of the command, as root,
// has everything else make way for all of it.
//
// Rounds with strata and without alternate, each with a new process and an empty
// database, and in each the fault happens in both. After each round with strata the
// orders in the database are compared with those that visitors were told of; where one
// is missing without the shop having declared a loss, the exit code is 1.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/strataxp/strata/internal/page"
	"github.com/strataxp/strata/internal/pgserver"
)

type options struct {
	rate      int
	share     float64
	scenarios string
	length    time.Duration
	rounds    int
	warm      time.Duration
	markdown  bool
	profiles  string
	shop      string
	args      string
	publish   string
	dbNice    int
}

func main() {
	log.SetFlags(0)
	var o options
	flag.IntVar(&o.rate, "rate", 0, "requests a second; 0 searches what the machine holds without strata, and takes a share of it")
	flag.Float64Var(&o.share, "share", 0.5, "which share of the rate that was found")
	flag.StringVar(&o.scenarios, "scenarios", ".*", "regular expression: which scenarios")
	flag.DurationVar(&o.length, "duration", 10*time.Second, "how long each phase is")
	flag.IntVar(&o.rounds, "rounds", 3, "how many phases with strata, and as many without")
	flag.DurationVar(&o.warm, "warm", time.Second, "load before each phase that does not count")
	flag.BoolVar(&o.markdown, "markdown", false, "write tables for docs/performance.md")
	flag.StringVar(&o.profiles, "profiles", "", "folder for profiles of the shop's time and memory in each phase; they cost a few per cent")
	flag.IntVar(&o.dbNice, "dbnice", 0, "priority of PostgreSQL, up to 19 for the lowest: it gets what is left, rather as if it had a machine of its own")
	flag.StringVar(&o.shop, "shop", "", "a shop that was built before, perhaps on another version of the library; without it the present one is built")
	flag.StringVar(&o.args, "args", "", "further arguments of the shop, such as -rollup=false, separated by spaces")
	flag.StringVar(&o.publish, "publish", "", "used by the scenario refresh, for a process of its own")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if o.publish != "" {
		err = publish(ctx, o.publish, os.Stdin, os.Stdout)
	} else {
		err = run(ctx, o, os.Stdout)
	}
	if err != nil {
		log.Print(err)
		stop()
		os.Exit(1)
	}
}

func (o options) validate() error {
	if o.rate < 0 || o.share <= 0 || o.share > 1 || o.length < 100*time.Millisecond || o.rounds < 1 || o.warm < 0 {
		return fmt.Errorf("-rate %d -share %g -duration %v -rounds %d -warm %v: there must be requests, for 100ms at least, at a share above 0 and up to 1", o.rate, o.share, o.length, o.rounds, o.warm)
	}
	return nil
}

// run measures what was asked for, and prints it as it is known.
func run(ctx context.Context, o options, out io.Writer) (err error) {
	list, err := chosen(o.scenarios)
	if err := errors.Join(err, o.validate()); err != nil {
		return err
	}
	shop, remove, err := binary(ctx, o.shop)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	print := printer{out, o.markdown}
	print.header()
	if o.rate == 0 {
		best, err := search(ctx, shop, print)
		if err != nil {
			return err
		}
		o.rate = max(1, int(float64(best)*o.share))
	}
	print.text(fmt.Sprintf("%s requests a second; phases of %v, %d with strata and %d without.", page.Thousands(int64(o.rate)), o.length, o.rounds, o.rounds))
	for _, s := range list {
		s.args = append(s.args, strings.Fields(o.args)...)
		c, err := compare(ctx, o, s, shop)
		if err != nil {
			return err
		}
		print.comparison(c)
	}
	return nil
}

// search finds the highest rate that the machine holds without strata.
func search(ctx context.Context, shop string, print printer) (int, error) {
	plain := scenario{name: "search", keepAlive: true}
	var rows [][]string
	best, err := highest(ladder(300, 50_000), func(rate int) (bool, error) {
		p := phase{scenario: plain, rate: rate, length: 2 * time.Second, warm: 500 * time.Millisecond, seed: uint64(rate)}
		r, err := p.run(ctx, shop, nil)
		if err != nil {
			return false, err
		}
		f, verdict := r.all().figures(), "no"
		if holds(r.outcome) {
			verdict = "yes"
		}
		rows = append(rows, []string{page.Thousands(int64(rate)), millis(f.p50), millis(f.p99), millis(f.p999), percent(r.achieved()), page.Thousands(r.errors), verdict})
		return verdict == "yes", nil
	})
	if err != nil {
		return 0, err
	}
	print.heading("The highest rate without strata")
	print.table([]string{"requests/s", "p50 ms", "p99 ms", "p99.9 ms", "achieved", "errors", "held"}, rows)
	if best == 0 {
		return 0, errors.New("the machine does not hold the lowest rate; is something else running? Choose one with -rate")
	}
	print.text(fmt.Sprintf("It holds %s requests a second.", page.Thousands(int64(best))))
	return best, nil
}

// comparison is a scenario with strata and without, round by round.
type comparison struct {
	scenario
	rate          int
	without, with []result
}

// compare plays a scenario. The order changes from round to round, so that nobody is
// always first.
func compare(ctx context.Context, o options, s scenario, shop string) (c comparison, err error) {
	c = comparison{scenario: s, rate: o.rate}
	var server *pgserver.Server
	if s.postgres {
		if server, err = pgserver.Start(pgserver.Config{}); err != nil {
			return c, err
		}
		defer func() { err = errors.Join(err, server.Discard()) }()
		if err := yield(server.Pid(), o.dbNice); err != nil {
			return c, err
		}
	}
	for i := range 2 * o.rounds {
		round, second := i/2, i%2 == 1
		p := phase{scenario: s, strata: (round%2 == 0) == second, rate: o.rate, length: o.length, warm: o.warm, seed: uint64(round), number: i, dbNice: o.dbNice}
		if o.profiles != "" {
			p.profile = filepath.Join(o.profiles, fmt.Sprintf("%s-%d-strata-%v", s.name, round, p.strata))
		}
		r, err := p.run(ctx, shop, server)
		if err != nil {
			return c, err
		}
		if p.strata {
			c.with = append(c.with, r)
		} else {
			c.without = append(c.without, r)
		}
	}
	return c, nil
}
