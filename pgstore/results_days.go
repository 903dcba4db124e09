package pgstore

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/rollup"
)

// fromDays reads the daily results. How far units were immature at an instant
// within a day is told by the exposures of one day: those whose window ended
// between that day's beginning and the instant.
func (q *question) fromDays(ctx context.Context, metrics []*rollup.Metric) (strata.Results, error) {
	calendar := rollup.NewCalendar(q.store.zone)
	s := &rollup.Standings{Units: make(map[int32][]rollup.UnitsStanding), Values: make(map[rollup.ValueKey][]rollup.ValueStanding)}
	results := strata.Results{Latest: q.latestEvent()}
	if err := q.readUnitDays(ctx, calendar, s, &results); err != nil {
		return strata.Results{}, err
	}
	if len(metrics) > 0 {
		if err := q.readValueDays(ctx, calendar, s, metrics); err != nil {
			return strata.Results{}, err
		}
	}
	results.Treatments = s.Treatments(q.ResultsParams, metrics, q.names)
	if q.Daily {
		results.Days = s.Days(calendar, q.ResultsParams, metrics, q.names)
	}
	return results, nil
}

const selectUnitDays = `
select treatment, day - date '1970-01-01', units, repeats from {schema}.result_day where subject = $1::integer and metric = 0 order by treatment, day`

// readUnitDays reads how many units had been exposed by the end of each day.
func (q *question) readUnitDays(ctx context.Context, calendar *rollup.Calendar, s *rollup.Standings, results *strata.Results) error {
	err := queryRows(ctx, q.tx.Conn().PgConn(), q.store.sql(selectUnitDays), [][]byte{text(q.subject)}, nil, func(row binaryRow) error {
		treatment := row.int32(0)
		if treatment == 0 {
			results.Contradictions += row.int64(2)
			return nil
		}
		results.RepeatedOrders += row.int64(3)
		now := rollup.UnitsStanding{Day: rollup.Day(row.int32(1)), Units: row.int64(2)}
		list := s.Units[treatment]
		if len(list) > 0 {
			now.Units += list[len(list)-1].Units
		}
		s.Units[treatment] = append(list, now)
		return nil
	})
	if err != nil {
		return err
	}
	return q.readFirstAndLast(ctx, calendar, s)
}

// Each of them is at the end of an index.
const selectFirstAndLast = `
select k.ordinal,
    (select min(x.first_at) from {schema}.exposure x where x.subject = $1::integer and x.treatment = k.treatment and not x.contradiction),
    (select max(x.first_at) from {schema}.exposure x where x.subject = $1::integer and x.treatment = k.treatment and not x.contradiction and x.first_at < k.before)
from unnest($2::integer[], $3::timestamptz[]) with ordinality k(treatment, before, ordinal)`

// readFirstAndLast reads when the units were exposed that were first and last
// by the end of each day; of the last day only, where days were not asked for.
func (q *question) readFirstAndLast(ctx context.Context, calendar *rollup.Calendar, s *rollup.Standings) error {
	var wanted []*rollup.UnitsStanding
	var treatments []int32
	var ends []int64
	for treatment, list := range s.Units {
		from := 0
		if !q.Daily {
			from = len(list) - 1
		}
		for i := from; i < len(list); i++ {
			wanted, treatments = append(wanted, &list[i]), append(treatments, treatment)
			ends = append(ends, calendar.End(list[i].Day).UnixMicro()-epoch)
		}
	}
	params := [][]byte{text(q.subject), int4Array(treatments), timestamptzArray(ends)}
	return queryRows(ctx, q.tx.Conn().PgConn(), q.store.sql(selectFirstAndLast), params, []int16{0, 1, 1}, func(row binaryRow) error {
		standing := wanted[row.int64(0)-1]
		standing.First, standing.Last = row.micros(1), row.micros(2)
		return nil
	})
}

// The days' changes are added up by the server, whose numeric is exact.
const selectValueDays = `
select metric, treatment, step, day - date '1970-01-01', (sum(matured) over w)::bigint, (sum(other_currency) over w)::bigint, (sum(n) over w)::bigint,
    (sum(s0) over w)::text, (sum(s1) over w)::text, (sum(s2) over w)::text, (sum(s3) over w)::text,
    (sum(q0) over w)::text, (sum(q1) over w)::text, (sum(q2) over w)::text, (sum(q3) over w)::text, (sum(q4) over w)::text,
    (sum(q5) over w)::text, (sum(q6) over w)::text, (sum(q7) over w)::text, (sum(q8) over w)::text, (sum(q9) over w)::text
from {schema}.result_day where subject = $1::integer and metric = any($2::integer[])
window w as (partition by metric, treatment, step order by day)
order by metric, treatment, step, day`

// readValueDays reads how the metrics stood at the end of each day.
func (q *question) readValueDays(ctx context.Context, calendar *rollup.Calendar, s *rollup.Standings, metrics []*rollup.Metric) error {
	matured, err := q.newMaturity(ctx, calendar, metrics)
	if err != nil {
		return err
	}
	ids := make([]int32, 0, len(metrics))
	for _, m := range metrics {
		ids = append(ids, m.ID)
	}
	err = queryRows(ctx, q.tx.Conn().PgConn(), q.store.sql(selectValueDays), [][]byte{text(q.subject), int4Array(ids)}, []int16{0, 1}, func(row binaryRow) error {
		key := rollup.ValueKey{Metric: row.int32(0), Treatment: row.int32(1), Step: row.int32(2)}
		now := rollup.ValueStanding{Day: rollup.Day(row.int32(3)), OtherCurrency: row.int64(5)}
		var err error
		if now.Moments, err = decimalsOf(row).Moments(); err != nil {
			return fmt.Errorf("metric %d of the daily results of %s: %w", key.Metric, now.Day, err)
		}
		list := s.Values[key]
		now.Matured = matured.at(key, now.Day, row.int64(4))
		if n := len(list); n > 0 && now.Day > matured.today && list[n-1].Moments == now.Moments && list[n-1].OtherCurrency == now.OtherCurrency {
			return nil // only windows end on this day, and it is still to come
		}
		s.Values[key] = append(list, now)
		return nil
	})
	if err == nil {
		matured.settle(s)
	}
	return err
}

// decimalsOf reads sums and products; the first null is behind the last
// variable.
func decimalsOf(row binaryRow) rollup.Decimals {
	d := rollup.Decimals{N: row.int64(6)}
	for i := 7; i < 11 && row[i] != nil; i++ {
		d.Sums = append(d.Sums, row.string(i))
	}
	for i := range len(d.Sums) * (len(d.Sums) + 1) / 2 {
		d.Products = append(d.Products, row.string(11+i))
	}
	return d
}

// maturity tells how many units were mature at the end of a day, or at the
// instant of the report where that is earlier.
type maturity struct {
	today         rollup.Day // of the instant
	metrics       map[int32]*rollup.Metric
	before        map[rollup.ValueKey]int64 // by the end of the day before today
	sinceMidnight map[maturedKey]int64      // on the day itself, up to the instant
}

type maturedKey struct {
	treatment int32
	window    strata.Duration
}

// selectMatured counts the units of which a window ended in a span of time.
//
// It asks for each treatment by itself, as the index has the treatment before the time: in
// one question for all, the server read the exposures of the whole experiment.
const selectMatured = `
select k.treatment, x.units from {schema}.treatment k, lateral (
    select count(*) as units from {schema}.exposure x
    where x.subject = $1::integer and x.treatment = k.treatment and not x.contradiction and x.first_at > $2::timestamptz and x.first_at <= $3::timestamptz
) x where x.units > 0`

func (q *question) newMaturity(ctx context.Context, calendar *rollup.Calendar, metrics []*rollup.Metric) (*maturity, error) {
	m := &maturity{today: math.MaxInt32, metrics: make(map[int32]*rollup.Metric), before: make(map[rollup.ValueKey]int64), sinceMidnight: make(map[maturedKey]int64)}
	for _, metric := range metrics {
		m.metrics[metric.ID] = metric
	}
	if q.At.IsZero() {
		return m, nil
	}
	at := q.At.Truncate(time.Microsecond)
	m.today = calendar.Day(at.UnixMicro())
	if q.frozen != nil { // some of its exposures are gone: windows count that ended before that day
		return m, nil
	}
	begin := calendar.Begin(m.today)
	asked := make(map[strata.Duration]bool)
	for _, metric := range metrics {
		window := metric.Definition.Window
		if window == 0 || asked[window] {
			continue
		}
		asked[window] = true
		from, to := begin.Add(-time.Duration(window)), q.At.Add(-time.Duration(window)) // cut to microseconds behind the subtraction
		params := [][]byte{text(q.subject), timestamp(from), timestamp(to)}
		err := queryRows(ctx, q.tx.Conn().PgConn(), q.store.sql(selectMatured), params, nil, func(row binaryRow) error {
			m.sinceMidnight[maturedKey{row.int32(0), window}] = row.int64(1)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}

// at returns how many units were mature, given how many windows had ended by
// the end of the day.
func (m *maturity) at(key rollup.ValueKey, day rollup.Day, ended int64) int64 {
	if day < m.today {
		m.before[key] = ended
		return ended
	}
	return m.now(key)
}

func (m *maturity) now(key rollup.ValueKey) int64 {
	return m.before[key] + m.sinceMidnight[maturedKey{key.Treatment, m.metrics[key.Metric].Definition.Window}]
}

// settle adds the day of the instant where only windows ended on it.
func (m *maturity) settle(s *rollup.Standings) {
	for key, list := range s.Values {
		last := list[len(list)-1]
		if key.Step == 0 && last.Day < m.today && m.now(key) != last.Matured {
			last.Day, last.Matured = m.today, m.now(key)
			s.Values[key] = append(list, last)
		}
	}
}
