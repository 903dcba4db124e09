package pgstore

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// names are the numbers of subjects and treatments, as one transaction has seen
// or entered them. They are not kept beyond it: it may roll back, and a server
// that has taken over from another one may have lost what was entered last.
type names struct {
	subjects   map[subjectKey]int32
	treatments map[string]int32
}

type subjectKey struct {
	experiment string
	phase      int
}

func newNames() *names {
	return &names{subjects: make(map[subjectKey]int32), treatments: make(map[string]int32)}
}

// subject returns the number of an experiment's phase, which it enters where
// there is none.
func (n *names) subject(ctx context.Context, tx pgx.Tx, s *Store, experiment string, phase int) (int32, error) {
	key := subjectKey{experiment, phase}
	if id, ok := n.subjects[key]; ok {
		return id, nil
	}
	id, err := numberOf(ctx, tx, s.sql(`select subject from {schema}.subject where experiment = $1::text and phase = $2::integer`),
		s.sql(`insert into {schema}.subject (experiment, phase) values ($1::text, $2::integer) on conflict do nothing`), experiment, int32(phase))
	n.subjects[key] = id
	return id, err
}

// treatment returns the number of a treatment's key, as subject does.
func (n *names) treatment(ctx context.Context, tx pgx.Tx, s *Store, treatment string) (int32, error) {
	if id, ok := n.treatments[treatment]; ok {
		return id, nil
	}
	id, err := numberOf(ctx, tx, s.sql(`select treatment from {schema}.treatment where key = $1::text`),
		s.sql(`insert into {schema}.treatment (key) values ($1::text) on conflict do nothing`), treatment)
	n.treatments[treatment] = id
	return id, err
}

// numberOf looks a number up, and enters one where there is none.
func numberOf(ctx context.Context, tx pgx.Tx, look, enter string, args ...any) (id int32, err error) {
	err = tx.QueryRow(ctx, look, args...).Scan(&id)
	if !errors.Is(err, pgx.ErrNoRows) {
		return id, err
	}
	if _, err := tx.Exec(ctx, enter, args...); err != nil {
		return 0, err
	}
	err = tx.QueryRow(ctx, look, args...).Scan(&id)
	return id, err
}
