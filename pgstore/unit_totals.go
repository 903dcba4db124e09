package pgstore

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/rollup"
)

// UnitTotals is what one unit contributes to each metric, in the order in which
// they were asked for. Units are not named.
type UnitTotals struct {
	Treatment    string
	FirstExposed time.Time
	Attributes   map[string]string // recorded with the exposure; nil where there are none
	Totals       []strata.UnitTotals
}

// UnitTotals yields what each unit contributes that counts in an experiment's
// results: for what sums over units cannot tell, such as quantiles, trimmed means,
// other caps and the bootstrap, which package stats has, or for a notebook. With
// params.CompleteWindows units are left out that are immature in any of the
// metrics. Daily, Zone and Attribute are not looked at.
//
// The order is the server's. Units are read as they are consumed, in one
// transaction, so memory does not grow with their number; a caller that takes
// hours keeps vacuum from its work. Events that are stored and not rolled up are
// rolled up first. An error ends the sequence.
func (s *Store) UnitTotals(ctx context.Context, params strata.ResultsParams) iter.Seq2[UnitTotals, error] {
	return func(yield func(UnitTotals, error) bool) {
		err := s.unitTotals(ctx, params, yield)
		if err != nil && !errors.Is(err, errStop) {
			yield(UnitTotals{}, s.failure(ctx, "read totals of units", err))
		}
	}
}

func (s *Store) unitTotals(ctx context.Context, params strata.ResultsParams, yield func(UnitTotals, error) bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.bringUpToDate(ctx); err != nil {
		return err
	}
	evaluators := make([]*strata.Evaluator, len(params.Metrics))
	for i := range params.Metrics {
		evaluators[i] = strata.NewEvaluator(&params.Metrics[i], params.Until)
	}
	return s.inTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		q := question{ResultsParams: &params, store: s, tx: tx, names: make(map[int32]string)}
		known, err := q.lookUp(ctx)
		if err != nil || !known {
			return err
		}
		return q.eachUnit(ctx, true, func(x rollup.Exposed, unit *rollup.Unit) error {
			if x.Contradiction || params.CompleteWindows && slices.ContainsFunc(params.Metrics, func(m strata.Metric) bool { return m.Immature(x.At, params.At) }) {
				return nil
			}
			out := UnitTotals{Treatment: x.Treatment, FirstExposed: x.At, Attributes: x.Attributes, Totals: make([]strata.UnitTotals, len(evaluators))}
			for i, v := range evaluators {
				e := v.Begin(x.At)
				e.Add(unit.Facts...)
				out.Totals[i] = e.Totals()
			}
			if !yield(out, nil) {
				return errStop
			}
			return nil
		})
	})
}
