package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/strataxp/strata"
)

// ledger is what the shop was told about its orders. It is safe for concurrent use.
type ledger struct {
	mu      sync.Mutex
	levels  map[string]strata.Level // the highest that was acknowledged
	refused int64
}

func (l *ledger) note(order string, level strata.Level) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.levels == nil {
		l.levels = make(map[string]strata.Level)
	}
	l.levels[order] = max(l.levels[order], level)
}

func (l *ledger) refuse(order string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.levels, order)
	l.refused++
}

func (l *ledger) orders() map[string]strata.Level {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.levels)
}

// stock is what the database has of the orders.
type stock struct {
	events        int64 // of all kinds
	stored        int64 // orders
	lost, doubled int64
	levels        map[strata.Level]int64 // orders by the highest level that was acknowledged
}

// count compares the orders in a database with those in the ledger.
func count(ctx context.Context, dsn string, orders map[string]strata.Level) (s stock, err error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	if err := conn.QueryRow(ctx, `select count(*), count(*) - count(distinct (b.stream_id, e.idx)) from strata.event e join strata.batch b using (batch_id)`).Scan(&s.events, &s.doubled); err != nil {
		return s, err
	}
	times := make(map[string]int64)
	//lint:ignore rowserrcheck ForEachRow returns the error of the rows
	rows, err := conn.Query(ctx, `select order_id, count(*) from strata.event where order_id is not null group by order_id`)
	if err != nil {
		return s, err
	}
	var order string
	var n int64
	if _, err := pgx.ForEachRow(rows, []any{&order, &n}, func() error {
		times[order] = n
		return nil
	}); err != nil {
		return s, err
	}
	s.compare(orders, times)
	return s, nil
}

// compare counts the orders that are stored, how often.
func (s *stock) compare(orders map[string]strata.Level, times map[string]int64) {
	s.levels = make(map[strata.Level]int64)
	for order, level := range orders {
		s.levels[level]++
		switch n := times[order]; {
		case n == 0:
			s.lost++
		default:
			s.stored++
			s.doubled += n - 1
		}
	}
}

// totals are the figures of the end.
type totals struct {
	stock
	tracked, refused      int64
	written, resent, gaps int64 // as the engine counts
}

func total(s *shop, found stock) totals {
	status := s.eng.Status()
	t := totals{stock: found, refused: s.ledger.refused, written: status.Written, resent: status.Resent, gaps: status.Lost}
	for _, n := range found.levels {
		t.tracked += n
	}
	return t
}

func (t totals) print() {
	line := func(what string, n int64) { fmt.Printf("  %-52s %12s\n", what, thousands(n)) }
	fmt.Println("Orders:")
	line("tracked", t.tracked)
	line("  without waiting", t.levels[strata.LevelMemory])
	for level := strata.LevelWritten; level <= strata.LevelConfirmed; level++ {
		line("  acknowledged as "+level.String(), t.levels[level])
	}
	line("refused, as the buffer was full", t.refused)
	line("stored", t.stored)
	line("lost", t.lost)
	fmt.Println("Events of all kinds:")
	line("stored", t.events)
	line("stored twice", t.doubled)
	line("acknowledged by a server that died, and sent again", t.resent)
}

// verdict is an error where anything is not as it was promised.
func (t totals) verdict() error {
	if t.lost > 0 || t.doubled > 0 || t.gaps > 0 || t.written != t.events {
		return fmt.Errorf("%d orders are lost and %d events doubled; the engine counts %d events stored and %d lost, the database has %d", t.lost, t.doubled, t.written, t.gaps, t.events)
	}
	return nil
}

// thousands writes a number as people read it.
func thousands(n int64) string {
	if n < 0 {
		return "-" + thousands(-n)
	}
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
