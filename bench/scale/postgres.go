package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strataxp/strata/internal/pgserver"
	"github.com/strataxp/strata/pgstore"
)

// extent says how far the curves on Postgres go. A test has less time.
type extent struct {
	stored  []int         // events, a multiple of chunk each
	chunk   int           // how many more are measured
	days    []int         // of a report
	spread  int           // events over these days
	engines []int         // that share a database
	idle    time.Duration // how long they are watched
	hasty   bool          // commits need not reach the disk
}

var fullExtent = extent{
	stored: []int{100_000, 1_000_000, 5_000_000}, chunk: 50_000,
	days: []int{30, 91, 182, 365}, spread: 200_000,
	engines: []int{1, 10, 100, 1000}, idle: 10 * time.Second,
}

// onPostgres starts a server and returns the curves that need one, and what stops it.
func onPostgres() ([]curve, func() error, error) { return onPostgresOf(fullExtent) }

func onPostgresOf(e extent) ([]curve, func() error, error) {
	// Commits reach the disk unless that is of no interest, and the log may be as long as docs/postgres.md
	// advises. Each engine that watches for plans has a connection.
	server, err := pgserver.Start(pgserver.Config{Fsync: !e.hasty, Settings: map[string]string{
		"max_connections": "1200", "max_wal_size": "4GB",
	}})
	if err != nil {
		return nil, nil, err
	}
	h := &history{server: server, extent: e, found: make(map[int]landmark)}
	curves := append(h.curves(), months(server, e))
	curves = append(curves, fleets(server, e)...)
	return curves, func() error { h.close(); return server.Discard() }, nil
}

// database makes an empty one with a store that rolls up when it is told to.
func database(server *pgserver.Server, name string) (store *pgstore.Store, dsn string, err error) {
	ctx := context.Background()
	if err := server.Exec(ctx, "create database "+name); err != nil {
		return nil, "", err
	}
	of := *server
	of.Database = name
	store, err = pgstore.Open(ctx, of.DSN(), pgstore.Config{NoRollup: true})
	return store, of.DSN(), err
}

// dropping drops a database behind what was done with it.
func dropping(server *pgserver.Server, name string, err error) error {
	return errors.Join(err, server.Exec(context.Background(), fmt.Sprintf("drop database if exists %s with (force)", name)))
}
