package pgstore

import (
	"context"
	"maps"
	"sync"

	"github.com/jackc/pgx/v5"
)

// names are the numbers of subjects and treatments. A transaction notes what it
// has entered in a child, and hands it over when it has committed.
type names struct {
	mu         sync.Mutex
	parent     *names
	subjects   map[subjectKey]int32
	treatments map[string]int32
}

type subjectKey struct {
	experiment string
	phase      int
}

func newNames(parent *names) *names {
	return &names{parent: parent, subjects: make(map[subjectKey]int32), treatments: make(map[string]int32)}
}

func (n *names) child() *names { return newNames(n) }

// commit hands over what a child has learned.
func (n *names) commit() {
	n.parent.mu.Lock()
	defer n.parent.mu.Unlock()
	maps.Copy(n.parent.subjects, n.subjects)
	maps.Copy(n.parent.treatments, n.treatments)
}

// look finds a number that a child or its parent knows.
func look[K comparable](n *names, of func(*names) map[K]int32, key K) (int32, bool) {
	if id, ok := of(n)[key]; ok {
		return id, true
	}
	n.parent.mu.Lock()
	defer n.parent.mu.Unlock()
	id, ok := of(n.parent)[key]
	return id, ok
}

// subject returns the number of an experiment's phase, which it enters where
// there is none.
func (n *names) subject(ctx context.Context, tx pgx.Tx, s *Store, experiment string, phase int) (int32, error) {
	key := subjectKey{experiment, phase}
	if id, ok := look(n, func(n *names) map[subjectKey]int32 { return n.subjects }, key); ok {
		return id, nil
	}
	if _, err := tx.Exec(ctx, s.sql(`insert into {schema}.subject (experiment, phase) values ($1::text, $2::integer) on conflict do nothing`), experiment, int32(phase)); err != nil {
		return 0, err
	}
	var id int32
	err := tx.QueryRow(ctx, s.sql(`select subject from {schema}.subject where experiment = $1::text and phase = $2::integer`), experiment, int32(phase)).Scan(&id)
	n.subjects[key] = id
	return id, err
}

// treatment returns the number of a treatment's key, as subject does.
func (n *names) treatment(ctx context.Context, tx pgx.Tx, s *Store, treatment string) (int32, error) {
	if id, ok := look(n, func(n *names) map[string]int32 { return n.treatments }, treatment); ok {
		return id, nil
	}
	if _, err := tx.Exec(ctx, s.sql(`insert into {schema}.treatment (key) values ($1::text) on conflict do nothing`), treatment); err != nil {
		return 0, err
	}
	var id int32
	err := tx.QueryRow(ctx, s.sql(`select treatment from {schema}.treatment where key = $1::text`), treatment).Scan(&id)
	n.treatments[treatment] = id
	return id, err
}
