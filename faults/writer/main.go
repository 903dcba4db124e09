// Command writer is the program that the fault tests kill: it tracks events as
// fast as it may and writes down what it was told about each. It ends by itself
// when its standard input does, or on SIGTERM, after having closed the engine;
// then it prints its last status as JSON.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/faults"
	"github.com/strataxp/strata/pgstore"
)

type options struct {
	dsn, schema, standbys, level    string
	spool, plan, ledger             string
	goroutines, lanes, buffer, size int
	spoolBytes, minFree             int64
	pause, wait                     time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.dsn, "dsn", "", "connection string")
	flag.StringVar(&o.schema, "schema", pgstore.DefaultSchema, "schema")
	flag.StringVar(&o.standbys, "standbys", "", "connection strings of standbys, separated by spaces")
	flag.StringVar(&o.spool, "spool", "", "folder of the spool; empty means none")
	flag.StringVar(&o.plan, "plan", "", "Config.PlanFile")
	flag.Int64Var(&o.spoolBytes, "spool-bytes", 0, "Spool.MaxBytes")
	flag.Int64Var(&o.minFree, "min-free", 0, "Spool.MinFreeBytes")
	flag.StringVar(&o.ledger, "ledger", "", "file to write down what is known")
	flag.StringVar(&o.level, "level", "written", "level to wait for: memory, written, synced, committed, confirmed")
	flag.IntVar(&o.goroutines, "goroutines", 4, "how many track at the same time")
	flag.IntVar(&o.lanes, "lanes", 2, "Config.Lanes")
	flag.IntVar(&o.buffer, "buffer", 0, "Config.BufferBytes")
	flag.IntVar(&o.size, "size", 0, "bytes to add to each event, at most 50000")
	flag.DurationVar(&o.pause, "pause", 0, "pause between two events of a goroutine")
	flag.DurationVar(&o.wait, "wait", 5*time.Second, "how long to wait for the level")
	flag.Parse()
	if err := run(&o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(o *options) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		//lint:ignore errcheck whatever ends it, it has ended
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	store, err := pgstore.Open(ctx, o.dsn, pgstore.Config{Schema: o.schema, Lazy: true, NoRollup: true, Standbys: strings.Fields(o.standbys)})
	if err != nil {
		return err
	}
	defer store.Close()
	ledger, err := faults.OpenLedger(o.ledger)
	if err != nil {
		return err
	}
	eng, err := open(ctx, store, o)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	w := &writer{eng: eng, ledger: ledger, o: o, prefix: fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano())}
	for i := 0; i < o.size; i += maxProperty {
		if w.properties == nil {
			w.properties = make(map[string]any)
		}
		w.properties[fmt.Sprint("padding", i)] = strings.Repeat("x", min(o.size-i, maxProperty))
	}
	err = w.work(ctx)
	status, goroutines := eng.Status(), runtime.NumGoroutine()
	closing, done := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer done()
	left, closeErr := eng.Close(closing)
	if closeErr != nil && left.Memory > 0 {
		err = errors.Join(err, closeErr)
	}
	return errors.Join(err, w.report(left, &status, goroutines), ledger.Close())
}

// open opens an engine. It needs a plan, and goes without where the store is down.
func open(ctx context.Context, store *pgstore.Store, o *options) (*strata.Engine, error) {
	return strata.Open(ctx, store, strata.Config{
		Lanes: o.lanes, BufferBytes: o.buffer, NoWatch: true, StoreTimeout: 5 * time.Second, FlushInterval: 50 * time.Millisecond,
		PlanFile: o.plan, Spool: strata.SpoolConfig{Dir: o.spool, MaxBytes: o.spoolBytes, MinFreeBytes: o.minFree},
	})
}

// maxProperty is how long the text of a property may be.
const maxProperty = 1000

type writer struct {
	eng     *strata.Engine
	ledger  *faults.LedgerFile
	o       *options
	prefix  string
	refused atomic.Int64
	slowest atomic.Int64 // a call of Track, in nanoseconds

	properties map[string]any // of each event
}

// work tracks until ctx is done.
func (w *writer) work(ctx context.Context) error {
	var all sync.WaitGroup
	errs := make([]error, w.o.goroutines)
	for g := range w.o.goroutines {
		all.Go(func() {
			for i := 0; ctx.Err() == nil && errs[g] == nil; i++ {
				errs[g] = w.track(ctx, fmt.Sprintf("%s-%d-%d", w.prefix, g, i))
				if w.o.pause > 0 {
					select {
					case <-ctx.Done():
					case <-time.After(w.o.pause):
					}
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// track tracks one event and writes down what is known of it.
func (w *writer) track(ctx context.Context, id string) error {
	if err := w.ledger.Took(id, strata.LevelMemory); err != nil {
		return err
	}
	unit, event := strata.Unit{User: id}, strata.Custom{EventName: id, Properties: w.properties}
	level := levelNamed(w.o.level)
	if level == strata.LevelMemory {
		start := time.Now()
		err := w.eng.Track(unit, event)
		for took := int64(time.Since(start)); took > w.slowest.Load(); {
			w.slowest.Store(took)
		}
		w.count(err)
		return nil
	}
	wait, cancel := context.WithTimeout(ctx, w.o.wait)
	defer cancel()
	reached, err := w.eng.TrackDurable(wait, unit, event, level)
	w.count(err)
	return w.ledger.Took(id, reached)
}

func (w *writer) count(err error) {
	if errors.Is(err, strata.ErrBufferFull) {
		w.refused.Add(1)
	}
}

// levelNamed returns the level of a name.
func levelNamed(name string) strata.Level {
	for level := strata.LevelConfirmed; level > strata.LevelMemory; level-- {
		if level.String() == name {
			return level
		}
	}
	return strata.LevelMemory
}

// report is what a writer prints when it ends.
type report struct {
	Left               strata.Left
	Written, Resent    int64
	Lost, Refused      int64
	TrimmedUnconfirmed int64
	Slowest            time.Duration

	// As it was before it closed.
	SpoolErr   string
	Goroutines int
}

func (w *writer) report(left strata.Left, before *strata.EngineStatus, goroutines int) error {
	s := w.eng.Status()
	r := report{
		Left: left, Written: s.Written, Resent: s.Resent, Lost: s.Lost, Refused: w.refused.Load(),
		TrimmedUnconfirmed: s.TrimmedUnconfirmed, Slowest: time.Duration(w.slowest.Load()), Goroutines: goroutines,
	}
	if before.SpoolErr != nil {
		r.SpoolErr = before.SpoolErr.Error()
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}
