package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/strataxp/strata"
)

// Totals replace lower ones, so that a batch that comes again adds nothing.
const (
	upsertStreamLoss = `
insert into {schema}.stream_loss as l (stream_id, kind, reason, events)
select $1::text::uuid, kind, reason, max(events) from unnest($2::text[], $3::text[], $4::bigint[]) as lost(kind, reason, events) group by kind, reason
on conflict (stream_id, kind, reason) do update set events = excluded.events where l.events < excluded.events`
	upsertUnitLoss = `
insert into {schema}.unit_loss as l (stream_id, experiment, phase, treatment, units)
select $1::text::uuid, experiment, phase, treatment, max(units) from unnest($2::text[], $3::integer[], $4::text[], $5::bigint[]) as lost(experiment, phase, treatment, units) group by experiment, phase, treatment
on conflict (experiment, phase, treatment, stream_id) do update set units = excluded.units where l.units < excluded.units`
)

// lose stores what a batch says that its writer lost.
func (s *Store) lose(ctx context.Context, tx pgx.Tx, batch *strata.Batch) error {
	if batch.Losses == nil {
		return nil
	}
	if err := s.loseEvents(ctx, tx, batch.Stream, batch.Losses.Events); err != nil {
		return err
	}
	return s.loseUnits(ctx, tx, batch.Stream, batch.Losses.Units)
}

func (s *Store) loseEvents(ctx context.Context, tx pgx.Tx, stream strata.StreamID, lost []strata.LostEvents) error {
	if len(lost) == 0 {
		return nil
	}
	var kinds, reasons []string
	var events []int64
	for _, l := range lost {
		kinds, reasons, events = append(kinds, cleanText(string(l.Kind))), append(reasons, cleanText(string(l.Reason))), append(events, l.Events)
	}
	_, err := tx.Exec(ctx, s.sql(upsertStreamLoss), stream.String(), kinds, reasons, events)
	return err
}

func (s *Store) loseUnits(ctx context.Context, tx pgx.Tx, stream strata.StreamID, lost []strata.LostUnits) error {
	if len(lost) == 0 {
		return nil
	}
	var experiments, treatments []string
	var phases []int32
	var units []int64
	for _, l := range lost {
		experiments, treatments = append(experiments, cleanText(l.Experiment)), append(treatments, cleanText(l.Treatment))
		phases, units = append(phases, int32(l.Phase)), append(units, l.Units)
	}
	_, err := tx.Exec(ctx, s.sql(upsertUnitLoss), stream.String(), experiments, phases, treatments, units)
	return err
}

const selectShed = `
select treatment, sum(units)::bigint from {schema}.unit_loss where experiment = $1::text and phase = $2::integer group by treatment`

// shed says for each treatment how many of its units lost events.
func (q *question) shed(ctx context.Context, treatments map[string]strata.TreatmentResults) error {
	var key string
	var units int64
	return scanRows(ctx, q.tx, q.store.sql(selectShed), []any{q.Experiment, int32(q.Phase)}, []any{&key, &units}, func() {
		if t, ok := treatments[key]; ok {
			t.Shed = min(units, t.Units)
			treatments[key] = t
		}
	})
}
