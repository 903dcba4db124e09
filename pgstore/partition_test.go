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

// partitionName is the name of the partition of n days from now.
func partitionName(t *testing.T, dsn string, n int) string {
	t.Helper()
	return query(t, dsn, fmt.Sprintf(`select 'event_' || to_char((now() at time zone 'UTC')::date + %d, 'YYYYMMDD')`, n))[0]
}

// partitions lists the tables that events are in.
func partitions(t *testing.T, dsn, schema string) []string {
	t.Helper()
	return query(t, dsn, `select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = $1::text::regclass order by 1`, quoted(schema)+".event")
}

// purchases are records of an exposed user, whose results are easily told.
func purchases(n int) []strata.Record {
	at := time.Unix(1e9, 0).UTC()
	records := []strata.Record{exposed("ada", at)}
	for i := range n - 1 {
		p := bought(fmt.Sprint(i), 1)
		p.Time = at.Add(time.Duration(i) * time.Second)
		records = append(records, strata.Record{Unit: ada, Event: p})
	}
	return records
}

func TestPartitionsAreMadeAhead(t *testing.T) {
	t.Parallel()
	dsn, schema := pgtest.Schema(t)
	s := open(t, dsn, schema)
	want := []string{}
	for day := range 4 {
		want = append(want, partitionName(t, dsn, day))
	}
	require.Equal(t, append(want, "event_default"), partitions(t, dsn, schema))
	l := newLedger(t, s, dsn, schema, manyRecords(10)...)
	require.NoError(t, l.all(t.Context()))
	require.Len(t, query(t, dsn, `select * from `+l.in+`.`+want[0]), 10)
	require.Equal(t, []string{"0"}, query(t, dsn, `select `+l.in+`.make_partitions(3)`))
	require.Equal(t, []string{"2"}, query(t, dsn, `select `+l.in+`.make_partitions(5)`))
}

// Where nobody made the day's partition, events go to the default one; where
// somebody dropped that too, a writer has them made. Either way they count.
func TestP10PartitionsThatAreMissing(t *testing.T) {
	t.Parallel()
	for name, drop := range map[string]string{
		"of the day": "drop table {in}.%s",
		"all":        "drop table {in}.%s, {in}.event_default",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, l := attacked(t, 0)
			l.records = purchases(11)
			l.sql(t, fmt.Sprintf(drop, partitionName(t, l.dsn, 0)))
			require.NoError(t, l.all(t.Context()))
			tx, err := pgx.Connect(t.Context(), l.dsn)
			require.NoError(t, err)
			defer func() { require.NoError(t, tx.Close(context.WithoutCancel(t.Context()))) }()
			if name == "all" {
				_, err := s.RollUp(t.Context())
				require.NoError(t, err)
				l.sql(t, fmt.Sprintf("drop table {in}.%s", partitionName(t, l.dsn, 0)))
			}
			require.NoError(t, pgx.BeginFunc(t.Context(), tx, func(tx pgx.Tx) error { return s.TrackTx(t.Context(), tx, ada, bought("tx", 100)) }))
			_, total, _ := revenue(t, s)
			require.EqualValues(t, 110, total)
			require.Empty(t, query(t, l.dsn, `select * from `+l.in+`.dead_letter`))
			l.sql(t, "select {in}.make_partitions(3)") // what lies in the default partition does not stop it
		})
	}
}

// A partition is dropped when all of it is rolled up, and no result changes.
func TestDropPartitions(t *testing.T) {
	t.Parallel()
	dsn, schema := pgtest.Schema(t)
	s, err := pgstore.Open(t.Context(), dsn, pgstore.Config{Schema: schema, NoRollup: true})
	require.NoError(t, err)
	defer s.Close()
	l := newLedger(t, s, dsn, schema, purchases(50)...)
	require.NoError(t, l.all(t.Context()))
	tomorrow := time.Now().Add(24 * time.Hour)

	dropped, err := s.DropPartitions(t.Context(), tomorrow)
	require.NoError(t, err)
	require.Empty(t, dropped, "they are not rolled up yet")
	before := everyResult(t, s)
	dropped, err = s.DropPartitions(t.Context(), time.Now())
	require.NoError(t, err)
	require.Empty(t, dropped, "today is not before today")
	dropped, err = s.DropPartitions(t.Context(), tomorrow)
	require.NoError(t, err)
	require.Equal(t, []string{partitionName(t, dsn, 0)}, dropped)
	require.Empty(t, query(t, dsn, `select * from `+l.in+`.event`))
	require.Equal(t, before, everyResult(t, s))
	v, err := s.Verify(t.Context())
	require.NoError(t, err)
	require.True(t, v.OK(), "units without raw events are what a drop leaves: %v", v.Found)
	require.False(t, v.Since.IsZero())

	more := newLedger(t, s, dsn, schema, strata.Record{Unit: ada, Event: strata.Purchase{Time: time.Unix(2e9, 0).UTC(), OrderID: "0", Total: 1, Currency: "EUR"}})
	require.NoError(t, more.all(t.Context()))
	n, _, repeats := revenue(t, s)
	require.EqualValues(t, 49, n)
	require.EqualValues(t, 1, repeats, "an order is known although its event is gone")
}

// everyResult asks in each way in which results are made.
func everyResult(t *testing.T, s *pgstore.Store) (all []strata.Results) {
	t.Helper()
	for _, params := range []strata.ResultsParams{
		{Metrics: orders}, {Metrics: orders, Daily: true}, {Metrics: orders, CompleteWindows: true}, {Metrics: orders, Attribute: "country"},
	} {
		params.Experiment = "e"
		results, err := s.Results(t.Context(), params)
		require.NoError(t, err)
		all = append(all, results)
	}
	return all
}

// Partitions are dropped under the hands of writers and rollups: nothing that
// was stored goes uncounted.
func TestDropPartitionsUnderLoad(t *testing.T) {
	t.Parallel()
	s, l := attacked(t, 0)
	const n = 1500
	l.records = purchases(n + 1)
	done := make(chan struct{})
	var dropping sync.WaitGroup
	drops := 0
	dropping.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			dropped, err := s.DropPartitions(t.Context(), time.Now().Add(24*time.Hour))
			if sqlState := fmt.Sprint(err); err != nil && !assert.Contains(t, sqlState, "55P03") {
				return
			}
			drops += len(dropped)
			if err := pgtest.Shared(t).Exec(t.Context(), "select "+l.in+".make_partitions(1)"); !assert.NoError(t, err) {
				return
			}
		}
	})
	for first := int64(1); first <= n+1; first += 10 {
		require.NoError(t, l.store.Ingest(t.Context(), l.batch(first, min(first+9, n+1))))
		_, err := s.RollUp(t.Context()) // else there is never a moment to drop in
		require.NoError(t, err)
	}
	close(done)
	dropping.Wait()
	purchases, total, repeats := revenue(t, s)
	require.EqualValues(t, n, purchases)
	require.EqualValues(t, n, total)
	require.Zero(t, repeats)
	t.Logf("%d partitions were dropped meanwhile", drops)
	require.NotZero(t, drops)
}

// A batch that is under way while its partition is about to be dropped, and that
// commits before, is not dropped: it is not counted yet.
func TestDropPartitionsSeesBatchesUnderWay(t *testing.T) {
	t.Parallel()
	dsn, schema := pgtest.Schema(t)
	s, err := pgstore.Open(t.Context(), dsn, pgstore.Config{Schema: schema, NoRollup: true})
	require.NoError(t, err)
	defer s.Close()
	in := quoted(schema)
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `
with b as (insert into `+in+`.batch (first_idx, last_idx, n_rows) values (1, 1, 1) returning batch_id),
    e as (insert into `+in+`.event (event_time, batch_id, idx, kind, forced, user_id, name) select now(), batch_id, 1, 2, false, 'ada', '/' from b)
insert into `+in+`.rollup_ticket (batch_id, n_rows) select batch_id, 1 from b`)
	require.NoError(t, err)
	type answer struct {
		dropped []string
		err     error
	}
	answers := make(chan answer, 1)
	go func() {
		dropped, err := s.DropPartitions(t.Context(), time.Now().Add(24*time.Hour))
		answers <- answer{dropped, err}
	}()
	require.Eventually(t, func() bool {
		return len(query(t, dsn, `select pid from pg_locks where not granted and relation in (select oid from pg_class where relnamespace = $1::text::regnamespace)`, in)) > 0
	}, time.Minute, time.Millisecond)
	require.NoError(t, tx.Commit(t.Context()))
	got := <-answers
	require.NoError(t, got.err)
	require.Empty(t, got.dropped)
	_, err = s.RollUp(t.Context())
	require.NoError(t, err)
}
