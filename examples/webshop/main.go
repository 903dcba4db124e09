// Webshop shows how strata is wired into net/http: a shop with twenty layers of
// experiments, whose pages read parameters, whose visitors are known by cookies,
// and which tracks what they do.
//
//	go run ./examples/webshop                          # a demonstration of some seconds
//	go run ./examples/webshop -addr localhost:8080     # a shop to click through
//	go run ./examples/webshop -addr localhost:8080 -dsn postgres://app:secret@db:5432/shop
//
// What to copy is in visitor.go: the middleware that makes a [strata.Unit] of
// cookies and assigns each request once, and how tracking treats errors; in plan.go:
// handles and the plan; in pages.go: handlers that read and track; in serve.go: the
// order in which a server ends.
//
// With -strata=false the same pages are served with nothing assigned and nothing
// tracked: that is what the load generator of the module bench compares with.
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type options struct {
	addr    string // empty: the demonstration
	debug   string // where to listen for those who run the shop; empty: nowhere
	dsn     string // of PostgreSQL; empty: in memory
	spool   string // folder that keeps events; empty: none
	strata  bool
	rollup  bool          // add results up in this process, where there is PostgreSQL
	refresh time.Duration // as strata.Config.RefreshInterval

	visitors int // of the demonstration
}

func main() {
	log.SetFlags(0)
	var o options
	flag.StringVar(&o.addr, "addr", "", "address to serve at until SIGINT or SIGTERM, such as localhost:8080; without it there is a demonstration")
	flag.StringVar(&o.debug, "debug", "", "address with /debug/strata and /debug/pprof, such as localhost:8081; without it there is none")
	flag.StringVar(&o.dsn, "dsn", "", "connection string of a PostgreSQL to keep everything in; without it that is memory")
	flag.StringVar(&o.spool, "spool", "", "folder on a local disk that keeps events until they are stored")
	flag.BoolVar(&o.strata, "strata", true, "assign and track; without it every page shows the defaults")
	flag.BoolVar(&o.rollup, "rollup", true, "add up results in this process; where there are many, one or two of them should, or a process that serves nobody")
	flag.DurationVar(&o.refresh, "refresh", 0, "how often the store is asked for a newer plan; 0 means the library's default")
	flag.IntVar(&o.visitors, "visitors", 800, "how many come to the demonstration")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		log.Print(err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, out io.Writer) error {
	if o.addr == "" && !o.strata {
		return errors.New("-strata=false needs -addr: there is nothing to demonstrate")
	}
	s, err := openShop(ctx, o, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	if o.addr == "" {
		return demonstrate(ctx, s, o.visitors, out)
	}
	return serve(ctx, o, s, out)
}
