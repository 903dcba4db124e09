package pgstore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/rollup"
)

// cells recomputes the daily results from the units.
func (v *verifying) cells(ctx context.Context) error {
	cells := make(rollup.Cells)
	var current int32
	if err := v.tx.QueryRow(ctx, v.store.sql(`select config from {schema}.rollup_control`)).Scan(&current); err != nil {
		return err
	}
	if err := v.loadConfigs(ctx); err != nil {
		return err
	}
	err := queryRows(ctx, v.tx.Conn().PgConn(), v.store.sql(`select config, state from {schema}.unit_state`), nil, nil, func(row binaryRow) error {
		var u rollup.Unit
		if err := u.Decode(row[1], 0); err != nil {
			return err
		}
		config := v.configs[row.int32(0)]
		if config == nil {
			return fmt.Errorf("a unit is counted by config %d, which is not there", row.int32(0))
		}
		return config.Contribute(cells, &u)
	})
	if err != nil {
		return err
	}
	return v.compareCells(ctx, cells, v.configs[current])
}

func (v *verifying) loadConfigs(ctx context.Context) error {
	ids := []int32{0}
	err := queryRows(ctx, v.tx.Conn().PgConn(), v.store.sql(`select id from {schema}.rollup_config`), nil, nil, func(row binaryRow) error {
		ids = append(ids, row.int32(0))
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range ids {
		loaded, err := v.store.loadConfig(ctx, v.tx, id)
		if err != nil {
			return err
		}
		v.configs[id] = &rollup.Config{Calendar: rollup.NewCalendar(loaded.zone), Subjects: loaded.subjects}
	}
	return nil
}

// storedCell is a row of the daily results as text.
type storedCell struct {
	units, repeats, matured, otherCurrency int64
	n                                      int64
	sums                                   string
}

const selectCells = `
select subject, treatment, metric, step, day - date '1970-01-01', units, repeats, matured, other_currency, n,
    concat_ws(' ', trim_scale(s0), trim_scale(s1), trim_scale(s2), trim_scale(s3),
        trim_scale(q0), trim_scale(q1), trim_scale(q2), trim_scale(q3), trim_scale(q4), trim_scale(q5), trim_scale(q6), trim_scale(q7), trim_scale(q8), trim_scale(q9))
from {schema}.result_day`

// compareCells compares the daily results of the newest config's metrics, and
// of the units themselves. Metrics that were dropped stay as they were.
func (v *verifying) compareCells(ctx context.Context, cells rollup.Cells, newest *rollup.Config) error {
	compared := func(cell rollup.Cell) bool {
		return !v.frozen[cell.Subject] && (cell.Metric == 0 || newest.Has(cell.Subject, cell.Metric))
	}
	err := queryRows(ctx, v.tx.Conn().PgConn(), v.store.sql(selectCells), nil, nil, func(row binaryRow) error {
		cell := rollup.Cell{Subject: row.int32(0), Treatment: row.int32(1), Metric: row.int32(2), Step: row.int32(3), Day: rollup.Day(row.int32(4))}
		if !compared(cell) {
			return nil
		}
		v.Cells++
		got := storedCell{row.int64(5), row.int64(6), row.int64(7), row.int64(8), row.int64(9), zeroless(row.string(10))}
		want := newStoredCell(cells[cell])
		if got != want {
			v.differ("daily results %+v: stored are %+v, the units make %+v", cell, got, want)
		}
		delete(cells, cell)
		return nil
	})
	if err != nil {
		return err
	}
	for cell, d := range cells {
		if want := newStoredCell(d); compared(cell) && want != (storedCell{}) {
			v.differ("daily results %+v: none are stored, the units make %+v", cell, want)
		}
	}
	return nil
}

func newStoredCell(d *rollup.Delta) storedCell {
	if d == nil {
		return storedCell{}
	}
	sums := d.Sums.Decimals()
	return storedCell{d.Units, d.Repeats, d.Matured, d.OtherCurrency, sums.N, zeroless(strings.Join(slices.Concat(sums.Sums, sums.Products), " "))}
}

// zeroless makes sums that are all zero equal to none at all.
func zeroless(sums string) string {
	if strings.Trim(sums, "0 ") == "" {
		return ""
	}
	return sums
}

const selectExposures = `
select x.unit_key, x.subject, x.treatment, x.first_at, x.contradiction, x.hash, x.bucket, x.plan_version, x.unit_id, u.state
from {schema}.exposure x left join {schema}.unit_state u using (unit_key)`

// exposures compares the exposures with what the units say, and has them
// assigned once more.
func (v *verifying) exposures(ctx context.Context) error {
	if err := v.loadPlans(ctx); err != nil {
		return err
	}
	return queryRows(ctx, v.tx.Conn().PgConn(), v.store.sql(selectExposures), nil, nil, func(row binaryRow) error {
		var u rollup.Unit
		if err := u.Decode(row[9], 0); err != nil {
			return err
		}
		stored := rollup.Exposure{Subject: row.int32(1), Treatment: row.int32(2), At: row.micros(3), Contradiction: row.bool(4)}
		if known := u.Exposed(stored.Subject); known == nil || *known != stored {
			v.differ("unit %q (%s): its exposure is %+v, the rollup knows %+v", row.string(8), hex.EncodeToString(row[0]), stored, known)
		}
		key := v.keys[stored.Subject]
		x := strata.Exposure{
			Experiment: key.experiment, Phase: key.phase, Treatment: v.names[stored.Treatment],
			Hash: uint64(row.int64(5)), Bucket: int(row.int32(6)), Version: row.int64(7),
		}
		snapshot := v.snapshots[x.Version]
		if snapshot == nil || x.Bucket < 0 {
			return nil // another system assigned, or a plan of another store
		}
		v.Exposures++
		if err := snapshot.Reproduce(x); err != nil {
			v.differ("unit %q: %v", row.string(8), err)
		}
		return nil
	})
}

// loadPlans compiles the plan versions that exposures name.
func (v *verifying) loadPlans(ctx context.Context) error {
	documents := make(map[int64][]byte)
	err := queryRows(ctx, v.tx.Conn().PgConn(), v.store.sql(`select version, document::text from {schema}.plan_version where version in (select distinct plan_version from {schema}.exposure)`), nil, nil, func(row binaryRow) error {
		documents[row.int64(0)] = bytes.Clone(row[1])
		return nil
	})
	if err != nil {
		return err
	}
	for _, version := range slices.SortedFunc(maps.Keys(documents), cmp.Compare[int64]) {
		plan, err := strata.ParsePlan(documents[version])
		if err != nil {
			return fmt.Errorf("plan version %d: %w", version, err)
		}
		snapshot, err := strata.Compile(plan, time.Time{})
		if errors.Is(err, strata.ErrInvalidPlan) {
			continue // stored without strata.Publish, and never used
		}
		if err != nil {
			return fmt.Errorf("plan version %d: %w", version, err)
		}
		v.snapshots[version] = snapshot
	}
	return nil
}
