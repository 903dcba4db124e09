package pgstore_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/pgstore"
)

// lost are losses of a treatment of the first experiment of benchPlan.
func lost(units int64) *strata.Losses {
	return &strata.Losses{
		Events: []strata.LostEvents{{Kind: strata.KindClick, Reason: strata.LossShed, Events: 2 * units}, {Kind: strata.KindPurchase, Reason: strata.LossInvalid, Events: 1}},
		Units:  []strata.LostUnits{{Experiment: "experiment0", Treatment: "control", Units: units}},
	}
}

func TestGapsAndLossesAreThereForPeople(t *testing.T) {
	t.Parallel()
	_, l := attacked(t, 10)
	require.NoError(t, l.store.Ingest(t.Context(), l.batch(1, 3)))
	b := l.batch(7, 10)
	b.Gap, b.GapReason, b.Losses = 3, "a failover took them\x00\xff", lost(4)
	require.NoError(t, l.store.Ingest(t.Context(), b))
	b = strata.Batch{Stream: l.stream, First: 13, Gap: 2}
	require.NoError(t, l.store.Ingest(t.Context(), b))
	require.Equal(t, []string{"4 6 a failover took them??", "11 12"},
		query(t, l.dsn, `select concat_ws(' ', first_idx, last_idx, reason) from `+l.in+`.stream_gap order by first_idx`))
	require.Equal(t, []string{"click shed 8", "purchase invalid 1"}, query(t, l.dsn, `select concat_ws(' ', kind, reason, events) from `+l.in+`.stream_loss order by 1`))
	require.Equal(t, []string{"12 false 0 5 9"}, query(t, l.dsn, `select last_idx, fenced, rejected, gap, lost from `+l.in+`.writer`))
}

// Losses stand and fall with their batch, and are entered along with it.
func TestLossesBelongToTheirBatch(t *testing.T) {
	t.Parallel()
	_, l := attacked(t, 10)
	b := l.batch(1, 10)
	b.Losses = lost(4)
	l.sql(t, `alter table {event} rename kind to kind_of`)
	require.ErrorIs(t, l.store.Ingest(t.Context(), b), pgstore.ErrSchemaChanged)
	count := `select (select count(*) from ` + l.in + `.stream_loss), (select count(*) from ` + l.in + `.unit_loss)`
	require.Equal(t, []string{"0 0"}, query(t, l.dsn, count))
	l.sql(t, `alter table {event} rename kind_of to kind`)
	require.NoError(t, l.store.Ingest(t.Context(), b))
	require.Equal(t, []string{"2 1"}, query(t, l.dsn, count))
	require.Equal(t, []string{"1"}, query(t, l.dsn, `
select count(distinct x) from (select xmin::text x from `+l.in+`.batch union all select xmin::text from `+l.in+`.stream_loss union all select xmin::text from `+l.in+`.unit_loss) t`), "transactions")
	l.require(t, 10, nil, nil)
}

func TestFrozenResultsKnowLosses(t *testing.T) {
	t.Parallel()
	f := newFrozen(t, "views")
	require.NoError(t, f.Ingest(t.Context(), strata.Batch{Stream: strata.StreamID{2}, First: 1, Losses: lost(3)}))
	f.plan.Experiments[0].Status = strata.StatusStopped
	f.put(t)
	require.NotEmpty(t, f.forget(t).Frozen)
	r, err := f.Results(t.Context(), strata.ResultsParams{Experiment: "experiment0", Metrics: benchPlan(1).Metrics[2:3]})
	require.NoError(t, err)
	require.EqualValues(t, 3, r.Treatments["control"].Shed)
}

// A writer that is fenced off stores nothing more, whether it writes on or asks
// first, and goes on when it is let in again.
func TestFencedStreamIsRefused(t *testing.T) {
	t.Parallel()
	s, l := attacked(t, 10)
	unknown := strata.StreamID{9}
	for _, stream := range []strata.StreamID{l.stream, unknown} {
		if stream == l.stream {
			require.NoError(t, s.Ingest(t.Context(), l.batch(1, 5)))
		}
		require.NoError(t, s.Fence(t.Context(), stream))
		require.NoError(t, s.Fence(t.Context(), stream), "once more")
		b := l.batch(6, 10)
		if stream == unknown {
			b = l.batch(1, 5)
		}
		b.Stream = stream
		for _, b := range []strata.Batch{b, {Stream: stream, First: b.First, Losses: lost(1)}, {Stream: stream, First: 1, Gap: 2}} {
			err := s.Ingest(t.Context(), b)
			require.ErrorIs(t, err, strata.ErrFenced)
			require.NotErrorIs(t, err, strata.ErrCursor)
			require.ErrorContains(t, err, stream.String())
		}
		_, err := s.Cursor(t.Context(), strata.CursorParams{Stream: stream})
		require.ErrorIs(t, err, strata.ErrFenced)
	}
	require.Empty(t, query(t, l.dsn, `select from `+l.in+`.stream_loss`))
	l.sql(t, `update {in}.stream set fenced = false`)
	require.NoError(t, s.Ingest(t.Context(), l.batch(6, 10)))
	l.require(t, 10, nil, nil)
	last, err := s.Cursor(t.Context(), strata.CursorParams{Stream: unknown})
	require.NoError(t, err)
	require.Zero(t, last)

	reader, err := pgstore.Open(t.Context(), l.dsn, pgstore.Config{Schema: l.schema(), ReadOnly: true})
	require.NoError(t, err)
	defer reader.Close()
	require.ErrorIs(t, reader.Fence(t.Context(), l.stream), pgstore.ErrReadOnly)
}

// A fence waits for the batch that is under way, and stops the next one.
func TestFenceWaitsForABatch(t *testing.T) {
	t.Parallel()
	s, l := attacked(t, 40)
	var fencing sync.WaitGroup
	stored := 0
	for first := int64(1); first <= 40; first++ {
		if first == 20 {
			fencing.Go(func() { assert.NoError(t, s.Fence(t.Context(), l.stream)) })
		}
		if err := s.Ingest(t.Context(), l.batch(first, first)); err != nil {
			require.ErrorIs(t, err, strata.ErrFenced)
			break
		}
		stored++
	}
	fencing.Wait()
	require.ErrorIs(t, s.Ingest(t.Context(), l.batch(int64(stored)+1, int64(stored)+1)), strata.ErrFenced)
	require.Equal(t, []string{fmt.Sprint(stored, " true")}, query(t, l.dsn, `select last_idx, fenced from `+l.in+`.stream`))
}

// A transaction of a writer neither waits for ever nor stays open for ever.
func TestWritersTransactionsAreBounded(t *testing.T) {
	t.Parallel()
	s, l := attacked(t, 1)
	l.sql(t, `create table {in}.seen (setting text);
create function {in}.see() returns trigger language plpgsql as $$ begin
	insert into {in}.seen values (current_setting('lock_timeout')), (current_setting('idle_in_transaction_session_timeout'));
	return null;
end $$;
create trigger see after insert on {in}.batch for each statement execute function {in}.see()`)
	require.NoError(t, l.all(t.Context()))
	require.Equal(t, []string{"30s", "1min"}, query(t, l.dsn, `select setting from `+l.in+`.seen`))
	var after string
	require.NoError(t, s.Pool().QueryRow(t.Context(), "select current_setting('lock_timeout')").Scan(&after))
	require.Equal(t, "0", after, "the setting outlives its transaction")
}

// When a server says that it shuts down, connections that lie idle are not tried
// one by one.
func TestPoolIsEmptiedWhenTheServerGoes(t *testing.T) {
	t.Parallel()
	s, l := attacked(t, 1)
	pool := s.Pool()
	var held []pgx.Tx
	for range 3 {
		tx, err := pool.Begin(t.Context())
		require.NoError(t, err)
		held = append(held, tx)
	}
	for _, tx := range held {
		require.NoError(t, tx.Rollback(t.Context()))
	}
	before := pool.Stat().NewConnsCount()
	l.sql(t, `create function {in}.die() returns trigger language plpgsql as $$ begin
	perform pg_terminate_backend(pg_backend_pid()); return null;
end $$;
create trigger die after insert on {in}.batch for each statement execute function {in}.die()`)
	require.ErrorContains(t, l.all(t.Context()), "57P01")
	require.Eventually(t, func() bool { return pool.Stat().IdleConns() == 0 || pool.Stat().NewConnsCount() > before }, time.Minute, time.Millisecond)
	l.sql(t, `drop trigger die on {in}.batch`)
	require.NoError(t, l.all(t.Context()))
	require.Greater(t, pool.Stat().NewConnsCount(), before)
	l.require(t, 1, nil, nil)
}

// Without a server to ask everything is confirmed; with one that is no standby,
// or cannot be asked, nothing is, and the store works all the same.
func TestConfirmationNeedsAStandby(t *testing.T) {
	t.Parallel()
	dsn, schema := pgtest.Schema(t)
	for name, test := range map[string]struct {
		standbys []string
		says     string
	}{
		"the primary itself": {[]string{dsn}, "no standby confirms"},
		"one is down":        {[]string{dsn, "postgres://app:hunter2@127.0.0.1:" + closedPort(t) + "/x?sslmode=disable"}, "ask the standby 127.0.0.1:"},
		"its password":       {[]string{pgtest.Shared(t).DSNFor("nobody", "hunter2")}, "password"},
	} {
		s, err := pgstore.Open(t.Context(), dsn, pgstore.Config{Schema: schema, NoRollup: true, Standbys: test.standbys})
		require.NoError(t, err, name)
		require.True(t, s.Confirms())
		require.NoError(t, s.Ingest(t.Context(), strata.Batch{Stream: strata.StreamID{1, name[0]}, First: 1, Records: manyRecords(2)}))
		_, err = s.Confirmed(t.Context(), strata.ConfirmedParams{Streams: []strata.StreamID{{1}}})
		require.ErrorContains(t, err, test.says, name)
		require.NotContains(t, fmt.Sprintf("%v %+v", err, err), "hunter2", name)
		none, err := s.Confirmed(t.Context(), strata.ConfirmedParams{})
		require.NoError(t, err)
		require.Empty(t, none)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = s.Confirmed(ctx, strata.ConfirmedParams{Streams: []strata.StreamID{{1}}})
		require.ErrorIs(t, err, context.Canceled)
		s.Close()
	}
	s := open(t, dsn, schema)
	require.False(t, s.Confirms())
}

func TestStandbysAreOneServerEach(t *testing.T) {
	t.Parallel()
	dsn, schema := pgtest.Schema(t)
	_, err := pgstore.Open(t.Context(), dsn, pgstore.Config{Schema: schema, Standbys: []string{"postgres://a:hunter2@h1,h2/x", "hunter2", dsn, "postgres://a:hunter2@h/x?sslmode=no"}})
	require.ErrorIs(t, err, strata.ErrConfig)
	for _, says := range []string{"Standbys[0]", "h1:5432", "Standbys[1]", "Standbys[3]", "sslmode"} {
		require.ErrorContains(t, err, says)
	}
	require.NotContains(t, err.Error(), "hunter2")
	require.NotContains(t, err.Error(), "Standbys[2]")
}
