package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/jackc/pgx/v5"
)

// errBusy is a request that was due while all visitors waited for an answer.
var errBusy = fmt.Errorf("%d requests are under way: the shop does not keep up", mostOpen)

// ledger is the orders that the shop has acknowledged. It is safe for concurrent use.
type ledger struct {
	mu     sync.Mutex
	orders map[string]bool
	open   int64 // orders of which nobody knows whether they were taken
}

func newLedger() *ledger { return &ledger{orders: make(map[string]bool)} }

func (l *ledger) acknowledged(order string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.orders[order] = true
}

func (l *ledger) unknown() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open++
}

// audit compares the acknowledged orders with those stored, each with how often.
// declared is how many events the shop said it had not taken in, or had lost.
func (l *ledger) audit(stored map[string]int64, declared int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var missing, doubled, strange int64
	for order := range l.orders {
		if stored[order] == 0 {
			missing++
		}
	}
	for order, n := range stored {
		if n > 1 {
			doubled++
		}
		if !l.orders[order] {
			strange++
		}
	}
	if missing > declared || doubled > 0 || strange > l.open {
		return fmt.Errorf("of %d orders acknowledged %d are not stored (%d losses were declared), %d are stored twice; %d are stored that nobody was told of, with %d answers missing",
			len(l.orders), missing, declared, doubled, strange, l.open)
	}
	return nil
}

// count is how many orders were acknowledged.
func (l *ledger) count() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(len(l.orders))
}

// all returns the orders, each once.
func (l *ledger) all() map[string]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make(map[string]int64, len(l.orders))
	for order := range maps.Keys(l.orders) {
		list[order] = 1
	}
	return list
}

// storedOrders reads the orders in a database of the shop, and how often each is there.
func storedOrders(ctx context.Context, dsn string) (list map[string]int64, err error) {
	db, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close(ctx)) }()
	list = make(map[string]int64)
	//lint:ignore rowserrcheck ForEachRow returns the error of the rows
	rows, err := db.Query(ctx, `select order_id, count(*) from strata.event where order_id is not null group by order_id`)
	if err != nil {
		return nil, err
	}
	var order string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&order, &n}, func() error {
		list[order] = n
		return nil
	})
	return list, err
}
