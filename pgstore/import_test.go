package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/pgstore"
)

// history is a sequence of n conversions, each with its position as its value.
func history(n int) iter.Seq2[strata.Record, error] {
	return func(yield func(strata.Record, error) bool) {
		start := time.Date(2003, 1, 1, 0, 0, 0, 0, time.UTC)
		for i := range n {
			r := strata.Record{Unit: strata.Unit{User: fmt.Sprint("user-", i%1000)},
				Event: strata.Conversion{Time: start.Add(time.Duration(i) * time.Minute), Goal: "signup", Value: float64(i + 1)}}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// importing is a store for imports, with a pool that a test looks into it by.
type importing struct {
	*pgstore.Store
	look   *pgxpool.Pool
	schema string
	name   string // of the store's connections
}

func openImporting(t testing.TB) *importing {
	t.Helper()
	dsn, schema := pgtest.Schema(t)
	look, err := pgxpool.New(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(look.Close)
	in := &importing{look: look, schema: pgx.Identifier{schema}.Sanitize(), name: "import-" + schema[len(schema)-13:len(schema)-1]}
	in.Store, err = pgstore.Open(t.Context(), dsn+"&application_name="+in.name, pgstore.Config{Schema: schema, NoRollup: true})
	require.NoError(t, err)
	t.Cleanup(in.Close)
	return in
}

// complete checks that each of the first n records of a history is there once.
func (in *importing) complete(t testing.TB, n int) {
	t.Helper()
	var rows, values int
	var sum float64
	require.NoError(t, in.look.QueryRow(t.Context(), "select count(*), count(distinct value), coalesce(sum(value), 0) from "+in.schema+".event").Scan(&rows, &values, &sum))
	require.Equal(t, []int{n, n}, []int{rows, values}, "rows, and different ones")
	require.EqualValues(t, n*(n+1)/2, sum)
}

func TestImportStoresEachRecordOnce(t *testing.T) {
	t.Parallel()
	n := rounds(12_345, 25_321)
	for _, params := range []pgstore.ImportParams{{}, {Lanes: 1, BatchSize: 999}, {Lanes: 16, BatchSize: 10_000}, {Lanes: 3, BatchSize: 5_000}} {
		t.Run(fmt.Sprintf("lanes=%d,batch=%d", params.Lanes, params.BatchSize), func(t *testing.T) {
			in := openImporting(t)
			params.Name, params.Total = "history", int64(n)
			var calls int
			var last pgstore.ImportProgress
			params.Progress = func(p pgstore.ImportProgress) {
				calls++
				assert.Greater(t, p.Stored, last.Stored)
				assert.EqualValues(t, n, p.Total)
				last = p
			}
			result, err := in.Import(t.Context(), history(n), params)
			require.NoError(t, err)
			require.EqualValues(t, n, result.Stored)
			require.Zero(t, result.Skipped)
			require.EqualValues(t, n, last.Stored)
			require.Positive(t, calls)
			require.Zero(t, last.Left)
			in.complete(t, n)

			params.Progress = nil
			params.Lanes, params.BatchSize = 2, 1_234 // any number finds what others stored
			result, err = in.Import(t.Context(), history(n), params)
			require.NoError(t, err)
			require.Zero(t, result.Stored)
			require.EqualValues(t, n, result.Skipped)
			in.complete(t, n)

			result, err = in.Import(t.Context(), history(n+500), params) // the sequence has grown
			require.NoError(t, err)
			require.EqualValues(t, 500, result.Stored)
			in.complete(t, n+500)

			_, err = in.Import(t.Context(), history(n), params)
			require.ErrorIs(t, err, pgstore.ErrImportDiffers)
		})
	}
}

// Broken off at random points, an import goes on where it was.
func TestImportGoesOn(t *testing.T) {
	t.Parallel()
	in, r := openImporting(t), rand.New(rand.NewPCG(seed.Of(t), 1))
	const n = 60_000
	broken := 0
	for done := false; !done; {
		ctx, cancel := context.WithCancel(t.Context())
		left := r.IntN(n)
		sequence := func(yield func(strata.Record, error) bool) {
			for record, err := range history(n) {
				if left--; left == 0 {
					cancel()
				}
				if !yield(record, err) {
					return
				}
			}
		}
		result, err := in.Import(ctx, sequence, pgstore.ImportParams{Name: "x", Lanes: 1 + r.IntN(4), BatchSize: 100 + r.IntN(3_000)})
		if done = err == nil; !done {
			require.ErrorIs(t, err, context.Canceled)
			broken++
		}
		if broken > 30 || result.Skipped > n/2 {
			cancel()
			_, err := in.Import(t.Context(), history(n), pgstore.ImportParams{Name: "x"})
			require.NoError(t, err)
			done = true
		}
		cancel()
	}
	in.complete(t, n)
}

// Connections are cut all the time, also between a commit and its answer.
func TestImportOutlivesItsConnections(t *testing.T) {
	t.Parallel()
	in := openImporting(t)
	const n = 12_000
	ctx, cancel := context.WithCancel(t.Context())
	cutting, cuts := make(chan struct{}), atomic.Int64{}
	go func() {
		defer close(cutting)
		for ctx.Err() == nil {
			tag, err := in.look.Exec(ctx, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1 and state <> 'idle' and random() < 0.02", in.name)
			if err == nil {
				cuts.Add(tag.RowsAffected())
			}
		}
	}()
	params := pgstore.ImportParams{Name: "x", Lanes: 4, BatchSize: 500}
	_, err := in.Import(t.Context(), history(n), params)
	for tries := 0; err != nil && tries < 20; tries++ { // six attempts may not be enough
		_, err = in.Import(t.Context(), history(n), params)
	}
	cancel()
	<-cutting
	if err != nil {
		_, err = in.Import(t.Context(), history(n), params)
	}
	require.NoError(t, err)
	t.Logf("%d connections cut", cuts.Load())
	in.complete(t, n)
}

func TestImportNamesTheRecord(t *testing.T) {
	t.Parallel()
	in := openImporting(t)
	const n = 12_000
	broken := errors.New("the file ends in the middle of a line")
	sequence := func(bad int, event strata.Event, failure error) iter.Seq2[strata.Record, error] {
		return func(yield func(strata.Record, error) bool) {
			i := 0
			for record, err := range history(n) {
				if i++; i == bad {
					record.Event, err = event, failure
				}
				if !yield(record, err) {
					return
				}
			}
		}
	}
	for _, test := range []struct {
		bad     int
		event   strata.Event
		failure error
		kind    error
	}{
		{1, strata.Conversion{Goal: "no time"}, nil, strata.ErrInvalidEvent},
		{11_111, strata.Conversion{Time: time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), Goal: "x"}, nil, strata.ErrInvalidEvent},
		{500, nil, broken, broken},
	} {
		_, err := in.Import(t.Context(), sequence(test.bad, test.event, test.failure), pgstore.ImportParams{Name: "x"})
		var at *pgstore.ImportError
		require.ErrorAs(t, err, &at)
		require.EqualValues(t, test.bad, at.Record)
		require.ErrorIs(t, err, test.kind)
		require.ErrorContains(t, err, fmt.Sprint("record ", test.bad))
	}
	_, err := in.Import(t.Context(), history(n), pgstore.ImportParams{Name: "x"}) // mended
	require.NoError(t, err)
	in.complete(t, n)
}

// An import whose streams somebody fences off ends at once, and goes on when they
// are free again.
func TestImportIsFencedOff(t *testing.T) {
	t.Parallel()
	in := openImporting(t)
	fenced := func(yes bool) {
		_, err := in.look.Exec(t.Context(), fmt.Sprintf("update %s.stream set fenced = %v", in.schema, yes))
		require.NoError(t, err)
	}
	params := pgstore.ImportParams{Name: "fenced", Lanes: 1, BatchSize: 100}
	stored := make(chan struct{}, 1)
	params.Progress = func(pgstore.ImportProgress) {
		select {
		case stored <- struct{}{}:
		default:
		}
	}
	var position int
	_, err := in.Import(t.Context(), func(yield func(strata.Record, error) bool) {
		for r, err := range history(2000) {
			if position++; position == 500 {
				<-stored // the stream is known by then
				fenced(true)
			}
			if !yield(r, err) {
				return
			}
		}
	}, params)
	require.ErrorIs(t, err, strata.ErrFenced)
	_, err = in.Import(t.Context(), history(2000), params)
	require.ErrorIs(t, err, strata.ErrFenced)
	fenced(false)
	_, err = in.Import(t.Context(), history(2000), params)
	require.NoError(t, err)
	in.complete(t, 2000)
}

func TestImportNamesEveryBadParameter(t *testing.T) {
	t.Parallel()
	in := openImporting(t)
	_, err := in.Import(t.Context(), history(1), pgstore.ImportParams{Lanes: 17, BatchSize: 10_001, Total: -1})
	require.ErrorIs(t, err, strata.ErrConfig)
	for _, field := range []string{"Name", "Lanes", "BatchSize", "Total"} {
		require.ErrorContains(t, err, field)
	}
}

// A sequence that panics takes no goroutine with it.
func TestImportOfASequenceThatPanics(t *testing.T) {
	t.Parallel()
	in := openImporting(t)
	require.PanicsWithValue(t, "oh", func() {
		_, err := in.Import(t.Context(), func(yield func(strata.Record, error) bool) { panic("oh") }, pgstore.ImportParams{Name: "x"})
		assert.NoError(t, err)
	})
}

// BenchmarkImport reports the rate of an import, and what part it is of that of a
// single COPY of the same rows, encoded before, into the same table.
func BenchmarkImport(b *testing.B) {
	n := seed.Cut(200_000, 5_000)
	var records []strata.Record
	for r, err := range history(n) {
		require.NoError(b, err)
		records = append(records, r)
	}
	sequence := func(yield func(strata.Record, error) bool) {
		for i := range records {
			if !yield(records[i], nil) {
				return
			}
		}
	}
	in := openImporting(b)
	var imported, copied time.Duration
	for i := 0; b.Loop(); i++ {
		result, err := in.Import(b.Context(), sequence, pgstore.ImportParams{Name: fmt.Sprint("run ", i)})
		require.NoError(b, err)
		imported += result.Elapsed
		b.StopTimer()
		copied += in.copyAtOnce(b, records)
		b.StartTimer()
	}
	b.ReportMetric(float64(n)*float64(b.N)/imported.Seconds(), "rows/s")
	b.ReportMetric(copied.Seconds()/imported.Seconds(), "of-COPY")
}

// copyAtOnce copies rows like those of an import into the table of events.
func (in *importing) copyAtOnce(b *testing.B, records []strata.Record) time.Duration {
	rows := make([][]any, len(records))
	for i, r := range records {
		e := r.Event.(strata.Conversion)
		rows[i] = []any{int64(1), int64(i), e.Time, e.Value, int16(5), false, r.Unit.User, e.Goal}
	}
	conn, err := in.look.Acquire(b.Context())
	require.NoError(b, err)
	defer conn.Release()
	var schema string
	require.NoError(b, conn.QueryRow(b.Context(), "select (parse_ident($1))[1]", in.schema).Scan(&schema))
	start := time.Now()
	_, err = conn.CopyFrom(b.Context(), pgx.Identifier{schema, "event"},
		[]string{"batch_id", "idx", "event_time", "value", "kind", "forced", "user_id", "name"}, pgx.CopyFromRows(rows))
	require.NoError(b, err)
	return time.Since(start)
}
