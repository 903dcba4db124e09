package pgstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/rollup"
)

// Results implements [strata.ResultStore].
//
// What the newest plan's experiments measure is read from the daily results,
// whose number does not depend on that of units or events. What is asked for in
// another way is added up from the units that were exposed, in a pass over them:
// metrics that the plan does not give the experiment, complete windows only, an
// attribute, days of another zone than the store's, and metrics that were added
// to a running experiment until every unit is counted. Memory does not grow with
// the number of units.
//
// Batches that are stored and not rolled up yet are rolled up first, unless
// [Config.ReadOnly] forbids it.
func (s *Store) Results(ctx context.Context, params strata.ResultsParams) (strata.Results, error) {
	if err := ctx.Err(); err != nil {
		return strata.Results{}, err
	}
	if err := s.bringUpToDate(ctx); err != nil {
		return strata.Results{}, s.failure(ctx, "roll up before results", err)
	}
	var results strata.Results
	err := s.inTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		var err error
		results, err = s.results(ctx, tx, &params)
		return err
	})
	return results, s.failure(ctx, "add up results", err)
}

// answers counts the ways in which questions were answered.
type answers struct{ fromDays, fromUnits atomic.Int64 }

// question is what was asked, in terms of tables.
type question struct {
	*strata.ResultsParams
	store   *Store
	tx      pgx.Tx
	subject int32
	frozen  *int32 // the config of daily results that stay as they are
	latest  *time.Time
	names   map[int32]string // of treatments
}

func (s *Store) results(ctx context.Context, tx pgx.Tx, params *strata.ResultsParams) (strata.Results, error) {
	q := question{ResultsParams: params, store: s, tx: tx, names: make(map[int32]string)}
	known, err := q.lookUp(ctx)
	if err != nil || !known {
		return strata.Results{Treatments: make(map[string]strata.TreatmentResults)}, err
	}
	metrics, err := q.rolledUp(ctx)
	if err != nil {
		return strata.Results{}, err
	}
	var results strata.Results
	if metrics != nil || len(params.Metrics) == 0 && q.ordinary() {
		s.answers.fromDays.Add(1)
		results, err = q.fromDays(ctx, metrics)
	} else {
		s.answers.fromUnits.Add(1)
		results, err = q.fromUnits(ctx)
	}
	if err != nil {
		return strata.Results{}, err
	}
	return results, q.shed(ctx, results.Treatments)
}

// ordinary reports whether the daily results can answer what was asked, as far
// as that does not depend on the metrics.
func (q *question) ordinary() bool {
	return !q.CompleteWindows && q.Attribute == "" && (!q.Daily || sameZone(q.store.zone, zoneOf(q.Zone)))
}

// zoneOf returns the zone that is meant where nil means UTC.
func zoneOf(zone *time.Location) *time.Location {
	if zone == nil {
		return time.UTC
	}
	return zone
}

// rolledUp returns the metrics that were asked for as the rollup numbers them,
// or nil where it has not got all of them.
func (q *question) rolledUp(ctx context.Context) ([]*rollup.Metric, error) {
	if !q.ordinary() {
		return nil, nil
	}
	if q.frozen != nil {
		return q.frozenMetrics(ctx)
	}
	var zone string
	if err := q.tx.QueryRow(ctx, q.store.sql(`select zone from {schema}.rollup_control`)).Scan(&zone); err != nil {
		return nil, err
	}
	if zone != q.store.zone.String() { // another process set it while there were no results yet
		return nil, zoneError(q.store.zone, zone)
	}
	var id, swept int32
	var complete bool
	err := q.tx.QueryRow(ctx, q.store.sql(`select id, subject, complete from {schema}.rollup_config where id = (select config from {schema}.rollup_control)`)).Scan(&id, &swept, &complete)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	current, err := q.store.loadConfig(ctx, q.tx, id)
	if err != nil {
		return nil, err
	}
	counted := current
	if !complete && swept <= q.subject {
		if counted, err = q.store.completeConfig(ctx, q.tx); err != nil {
			return nil, err
		}
	}
	return q.metricsIn(current, counted), nil
}

// frozenMetrics returns the metrics of daily results that stay as they are.
// Where the experiment runs again they do not tell how it stands.
func (q *question) frozenMetrics(ctx context.Context) ([]*rollup.Metric, error) {
	plan, err := q.store.newestPlan(ctx, q.tx)
	if err != nil || !closed(plan, subjectKey{q.Experiment, q.Phase}, q.store.cfg.Clock.Now()) {
		return nil, err
	}
	config, err := q.store.loadConfig(ctx, q.tx, *q.frozen)
	if err != nil {
		return nil, err
	}
	return q.metricsIn(config, config), nil
}

// metricsIn returns the metrics that were asked for as a config numbers them, or
// nil where it or the one that all units are counted by lacks one.
func (q *question) metricsIn(config, counted *loadedConfig) []*rollup.Metric {
	var metrics []*rollup.Metric
	for i := range q.Metrics {
		wanted := newConfigMetric(q.Metrics[i], q.Until)
		m := config.document.subject(q.subject).find(&wanted)
		if m == nil || !counted.document.subject(q.subject).has(m.ID) {
			return nil
		}
		metrics = append(metrics, rollup.NewMetric(m.ID, &q.Metrics[i], q.Until))
	}
	return metrics
}

// find returns the metric with the same numbers, or nil.
func (c *configSubject) find(wanted *configMetric) *configMetric {
	if c == nil {
		return nil
	}
	for i := range c.Metrics {
		if c.Metrics[i].same(wanted) {
			return &c.Metrics[i]
		}
	}
	return nil
}

// lookUp finds the subject, and reports whether there is one.
func (q *question) lookUp(ctx context.Context) (known bool, err error) {
	const query = `select subject, latest, frozen_config from {schema}.subject where experiment = $1::text and phase = $2::integer`
	err = q.tx.QueryRow(ctx, q.store.sql(query), q.Experiment, int32(q.Phase)).Scan(&q.subject, &q.latest, &q.frozen)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, treatmentNames(ctx, q.tx, q.store, q.names)
}

const selectUnits = `
select x.treatment, x.first_at, x.contradiction, u.state, case when $2::boolean then x.attributes::text end
from {schema}.exposure x join {schema}.unit_state u using (unit_key) where x.subject = $1::integer`

// eachUnit calls each with every unit that was exposed, which is valid until it
// returns.
func (q *question) eachUnit(ctx context.Context, attributes bool, each func(x rollup.Exposed, unit *rollup.Unit) error) error {
	var unit rollup.Unit
	return queryRows(ctx, q.tx.Conn().PgConn(), q.store.sql(selectUnits), [][]byte{text(q.subject), text(attributes)}, nil, func(row binaryRow) error {
		if err := unit.Decode(row[3], 0); err != nil {
			return err
		}
		x := rollup.Exposed{Treatment: q.names[row.int32(0)], At: time.UnixMicro(row.micros(1)).UTC(), Contradiction: row.bool(2)}
		if row[4] != nil {
			if err := json.Unmarshal(row[4], &x.Attributes); err != nil {
				return err
			}
		}
		return each(x, &unit)
	})
}

// fromUnits adds up every exposed unit.
func (q *question) fromUnits(ctx context.Context) (strata.Results, error) {
	t := rollup.NewTally(q.ResultsParams)
	err := q.eachUnit(ctx, q.Attribute != "", func(x rollup.Exposed, unit *rollup.Unit) error {
		return t.Add(x, unit.Facts, unit.Repeats)
	})
	if err != nil {
		return strata.Results{}, fmt.Errorf("from units: %w", err)
	}
	results, err := t.Results()
	results.Latest = q.latestEvent()
	return results, err
}

// latestEvent is kept for each subject, as it must not go back.
func (q *question) latestEvent() time.Time {
	if q.latest == nil {
		return time.Time{}
	}
	return q.latest.UTC()
}
