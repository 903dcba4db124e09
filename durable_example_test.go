package strata_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/memstore"
)

// A purchase must not be lost with the process: wait until it is on the disk. The
// request waits for one sync of it, together with all others that do.
func ExampleEngine_TrackDurable() {
	dir, err := os.MkdirTemp("", "spool")
	if err != nil {
		panic(err)
	}
	//lint:ignore errcheck a temporary folder
	defer os.RemoveAll(dir)
	ctx := context.Background()
	eng, err := strata.Open(ctx, memstore.New(), strata.Config{
		FlushInterval: time.Hour, // the store is far away in this example
		Spool:         strata.SpoolConfig{Dir: dir, MinFreeBytes: -1},
	})
	if err != nil {
		panic(err)
	}
	level, err := eng.TrackDurable(ctx, strata.Unit{User: "ada"},
		strata.Purchase{OrderID: "o-17", Total: 49_99, Currency: "EUR"}, strata.LevelSynced)
	fmt.Println(level, err)

	left, err := eng.Close(ctx)
	fmt.Println(left, err)
	// Output:
	// synced <nil>
	// nothing left <nil>
}

// What a process cannot write at its end is on the disk, and the next one sends it.
func ExampleEngine_Close_spool() {
	dir, err := os.MkdirTemp("", "spool")
	if err != nil {
		panic(err)
	}
	//lint:ignore errcheck a temporary folder
	defer os.RemoveAll(dir)
	store := newFaulty()
	down := func(context.Context, strata.Batch, func() error) error { return errDown }
	store.onIngest(down)
	ctx := context.Background()
	cfg := strata.Config{Spool: strata.SpoolConfig{Dir: dir, MinFreeBytes: -1}}
	eng, err := strata.Open(ctx, store, cfg)
	if err != nil {
		panic(err)
	}
	for i := range 3 {
		_ = eng.Track(user(i), strata.PageView{Page: "/"})
	}
	left, err := eng.Close(ctx)
	fmt.Println(left.Memory, left.Spool, err)

	store.onIngest(nil)
	next, err := strata.Open(ctx, store, cfg)
	if err != nil {
		panic(err)
	}
	for next.Status().LeftoverWritten < 3 {
		runtime.Gosched()
	}
	fmt.Println(next.Status().LeftoverWritten, "sent")
	_, _ = next.Close(ctx)
	// Output:
	// 0 3 strata: 3 events are not written: the store is down
	// 3 sent
}
