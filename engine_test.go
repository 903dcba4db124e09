package strata_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/memstore"
)

func TestOpenNamesEveryBadField(t *testing.T) {
	_, err := strata.Open(t.Context(), nil, strata.Config{
		RefreshInterval: -2, FlushInterval: -5, BatchSize: -1, BufferBytes: 10, ExposureFilter: -1, StoreTimeout: -1,
		Params: []strata.Handle{nil},
	})
	require.ErrorIs(t, err, strata.ErrConfig)
	for _, field := range []string{"RefreshInterval", "FlushInterval", "BatchSize", "BufferBytes", "ExposureFilter", "StoreTimeout", "Params", "store is nil"} {
		require.ErrorContains(t, err, field)
	}
	var bad *strata.ConfigError
	require.ErrorAs(t, err, &bad)
	require.NotEmpty(t, bad.Cure)
}

func TestOpenFailsWhenTheStoreIsDown(t *testing.T) {
	store := newFaulty()
	store.onPlans(func(context.Context) error { return errDown })
	_, err := strata.Open(t.Context(), store, strata.Config{})
	require.ErrorIs(t, err, errDown) // and TestMain finds no goroutine left
}

func TestAnEmptyStoreGivesDefaults(t *testing.T) {
	eng := open(t, memstore.New(), strata.Config{})
	a := eng.Assign(user(1))
	require.Empty(t, a.Treatment("anything"))
	require.Equal(t, "grey", strata.StringParam("cta.color", "grey").Get(a))
	require.Zero(t, a.Version())
}

// Users who are called like the treatments that they get are exposed as others are.
func TestUnitsCalledLikeTreatmentsAreExposed(t *testing.T) {
	for salt := range 8 {
		plan := colorPlan(1)
		plan.Experiments[0].Salt = fmt.Sprint("salt", salt)
		eng, store := opened(t, plan)
		for _, user := range []string{"grey", "green"} {
			require.NotEmpty(t, eng.Assign(strata.Unit{User: user}).Treatment("cta-color"))
		}
		flush(t, eng)
		r := results(t, store, "cta-color")
		require.EqualValues(t, 2, r.Treatments["grey"].Units+r.Treatments["green"].Units, "salt %d", salt)
	}
}

func TestReadingExposesOnceAndPeekingNever(t *testing.T) {
	eng, store := opened(t, colorPlan(1))
	color := strata.StringParam("cta.color", "grey")
	for range 3 {
		a := eng.Assign(user(1))
		require.Equal(t, color.Peek(a), color.Get(a))
		require.Equal(t, a.Peek("cta-color"), a.Treatment("cta-color"))
	}
	b := eng.Assign(user(2))
	b.Peek("cta-color")
	color.Peek(b)
	for range b.All() {
	}
	flush(t, eng)
	require.EqualValues(t, 1, eng.Status().Written, "one exposure for three reads")
	r := results(t, store, "cta-color")
	require.EqualValues(t, 1, r.Treatments["grey"].Units+r.Treatments["green"].Units)
}

// Everything read through one assignment comes from one snapshot.
func TestAnAssignmentKeepsItsSnapshot(t *testing.T) {
	eng, store := opened(t, colorPlan(1))
	color := strata.StringParam("cta.color", "grey")
	before := eng.Assign(user(1))
	next := colorPlan(1)
	next.Version = 1
	next.Experiments[0].Status = strata.StatusStopped
	next.Parameters[0].Default = "blue"
	publish(t, store, next)
	require.NoError(t, eng.Refresh(t.Context()))
	require.NotEqual(t, "blue", color.Get(before))
	require.Equal(t, "blue", color.Get(eng.Assign(user(1))))
	require.EqualValues(t, 1, before.Version())
	require.NotEqual(t, "blue", color.Get(before), "the handle's cache must not mix snapshots")
}

// Pitfall 17: forced units are marked and never counted.
func TestPitfall17ForcedUnitsAreNeverCounted(t *testing.T) {
	eng, store := opened(t, colorPlan(1))
	a := eng.Assign(user(1))
	was := a.Peek("cta-color")
	want := map[string]string{"grey": "green", "green": "grey"}[was]
	forced, err := a.Force("cta-color", want)
	require.NoError(t, err)
	require.True(t, forced.Forced())
	require.Equal(t, want, forced.Treatment("cta-color"))
	require.NoError(t, forced.Track(strata.Purchase{OrderID: "qa", Total: 1, Currency: "EUR"}))
	require.Equal(t, was, a.Treatment("cta-color"), "the original is not changed")
	flush(t, eng)
	r := results(t, store, "cta-color", buyers())
	require.Equal(t, map[string]int64{was: 1}, units(r))
	require.Zero(t, r.Treatments[was].Metrics["buyers"].Moments[0].Mean(0), "a forced purchase converts nobody")
}

func TestTrackAfterCloseIsRefused(t *testing.T) {
	eng, err := strata.Open(t.Context(), memstore.New(), strata.Config{})
	require.NoError(t, err)
	left, err := eng.Close(t.Context())
	require.NoError(t, err)
	require.Zero(t, left)
	require.ErrorIs(t, eng.Track(user(1), strata.PageView{Page: "/"}), strata.ErrClosed)
	require.Empty(t, treatments(eng, "x", 1)[0], "assignments go on")
	left, err = eng.Close(t.Context())
	require.NoError(t, err, "a second Close does nothing")
	require.Zero(t, left)
}

// Close returns by its deadline when the store hangs, says what it could not
// write, and leaves no goroutine (TestMain looks).
func TestCloseIsBoundedAndCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		store.onIngest(func(ctx context.Context, _ strata.Batch, _ func() error) error {
			<-ctx.Done()
			return ctx.Err()
		})
		eng, err := strata.Open(context.Background(), store, strata.Config{})
		require.NoError(t, err)
		for i := range 5 {
			require.NoError(t, eng.Track(user(i), strata.PageView{Page: "/"}))
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		began := time.Now()
		left, err := eng.Close(ctx)
		require.Equal(t, 3*time.Second, time.Since(began))
		require.Equal(t, strata.Left{Memory: 5}, left)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "5 events are not written")
	})
}

func TestFlushAfterCloseDoesNotHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		store.onIngest(func(context.Context, strata.Batch, func() error) error { return errDown })
		eng, err := strata.Open(context.Background(), store, strata.Config{})
		require.NoError(t, err)
		require.NoError(t, eng.Track(user(1), strata.PageView{Page: "/"}))
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err = eng.Close(ctx)
		require.ErrorIs(t, err, errDown, "the reason is the store's")
		left, err := eng.Flush(context.Background())
		require.Equal(t, strata.Left{Memory: 1}, left)
		require.ErrorIs(t, err, strata.ErrClosed)
	})
}

// Events wait at most FlushInterval, and go in one batch.
func TestEventsAreWrittenOncePerInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		sizes := make(chan int, 10)
		store.onIngest(func(_ context.Context, b strata.Batch, apply func() error) error {
			sizes <- len(b.Records)
			return apply()
		})
		eng := open(t, store, strata.Config{FlushInterval: time.Second})
		for i := range 3 {
			require.NoError(t, eng.Track(user(i), strata.Click{Target: "buy"}))
		}
		time.Sleep(999 * time.Millisecond)
		synctest.Wait()
		require.Empty(t, sizes)
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		require.Len(t, sizes, 1)
		require.Equal(t, 3, <-sizes)
	})
}

// A store that is down is asked again for ever, at growing intervals, and what
// waited is written when it is back.
func TestBackOffAndRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		var log strings.Builder
		store.onIngest(func(context.Context, strata.Batch, func() error) error { return errDown })
		eng := open(t, store, strata.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		require.NoError(t, eng.Track(user(1), strata.PageView{Page: "/"}))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		tries := store.attempts()
		require.Greater(t, tries, 10*60/30, "at least one try in 30 s")
		require.Less(t, tries, 200, "no busy loop")
		status := eng.Status()
		require.ErrorIs(t, status.WriteErr, errDown)
		require.False(t, status.FailingSince.IsZero())
		require.EqualValues(t, 1, status.Unwritten)

		store.onIngest(nil)
		time.Sleep(31 * time.Second)
		synctest.Wait()
		status = eng.Status()
		require.NoError(t, status.WriteErr)
		require.Zero(t, status.Unwritten)
		require.EqualValues(t, 1, status.Written)
		require.Contains(t, log.String(), "cannot write events")
	})
}

func TestAFullBufferRefusesAndReserves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		store.onIngest(func(context.Context, strata.Batch, func() error) error { return errDown })
		eng := open(t, store, strata.Config{BufferBytes: 512 << 10})
		views, refused := 0, 0
		for i := range 1000 {
			err := eng.Track(user(i), strata.PageView{Page: strings.Repeat("p", 1000)})
			if err == nil {
				views++
				continue
			}
			require.ErrorIs(t, err, strata.ErrBufferFull)
			refused++
		}
		require.Positive(t, refused)
		purchases := 0
		for ; purchases < 200; purchases++ { // room is kept for them, whatever page views come in between
			require.NoError(t, eng.Track(user(1), strata.Purchase{OrderID: fmt.Sprint(purchases), Currency: "EUR"}))
			_ = eng.Track(user(1), strata.PageView{Page: strings.Repeat("p", 1000)})
		}
		status := eng.Status()
		require.EqualValues(t, refused+purchases, status.Refused[strata.KindPageView].Shed)
		require.LessOrEqual(t, status.BufferedBytes, 512<<10)
		store.onIngest(nil)
		flush(t, eng)
		require.EqualValues(t, views+purchases, eng.Status().Written, "what was taken in is written")
		require.NoError(t, eng.Track(user(1), strata.PageView{Page: "/"}), "there is room again")
	})
}

// Track never waits, whatever the store does, from many goroutines at once.
func TestTrackFromManyGoroutines(t *testing.T) {
	eng, store := opened(t, colorPlan(1))
	var done sync.WaitGroup
	const goroutines, each = 16, 500
	for g := range goroutines {
		done.Go(func() {
			for i := range each {
				a := eng.Assign(user(g*each + i))
				a.Treatment("cta-color")
				if err := a.Track(strata.Purchase{OrderID: fmt.Sprint(g, "-", i), Total: 1, Currency: "EUR"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done.Wait()
	flush(t, eng)
	r := results(t, store, "cta-color", buyers())
	total := int64(0)
	for _, x := range r.Treatments {
		total += x.Units
		require.InDelta(t, 1, x.Metrics["buyers"].Moments[0].Mean(0), 0)
	}
	require.EqualValues(t, goroutines*each, total)
}

func TestConfigParamsRefuseAnotherType(t *testing.T) {
	store := memstore.New()
	publish(t, store, colorPlan(1))
	_, err := strata.Open(t.Context(), store, strata.Config{Params: []strata.Handle{strata.IntParam("cta.color", 1)}})
	require.ErrorIs(t, err, strata.ErrInvalidPlan)
	require.ErrorContains(t, err, "cta.color")

	// Without the check the code's default is read, and nothing breaks.
	eng := open(t, store, strata.Config{})
	require.Equal(t, int64(1), strata.IntParam("cta.color", 1).Get(eng.Assign(user(1))))
}

func TestRecordExposureOfAnotherSystem(t *testing.T) {
	b := strata.NewPlan()
	b.Metric(buyers())
	layer := b.Layer("campaign", strata.ByUser)
	layer.Experiment("mail", 0).Treatment("none", 1, nil).Treatment("mail", 1, nil).Metrics("buyers").Running()
	layer.Experiment("draft", 0).Treatment("a", 1, nil).Treatment("b", 1, nil)
	plan, err := b.Build()
	require.NoError(t, err)
	eng, store := opened(t, plan)

	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	require.NoError(t, eng.RecordExposure(strata.ExternalExposure{Unit: user(1), Experiment: "mail", Treatment: "mail", Time: at}))
	require.NoError(t, eng.Track(user(1), strata.Purchase{OrderID: "1", Time: at.Add(-time.Hour), Currency: "EUR"}))
	for _, bad := range []strata.ExternalExposure{
		{Unit: user(1), Experiment: "nope", Treatment: "mail"},
		{Unit: user(1), Experiment: "mail", Treatment: "nope"},
		{Unit: user(1), Experiment: "draft", Treatment: "a"},
		{Unit: strata.Unit{Device: "d"}, Experiment: "mail", Treatment: "mail"},
		{Unit: strata.Unit{User: "a\x00"}, Experiment: "mail", Treatment: "mail"},
		{Unit: user(1), Experiment: "mail", Treatment: "mail", Time: time.Unix(0, 0)},
	} {
		require.ErrorIs(t, eng.RecordExposure(bad), strata.ErrInvalidEvent)
	}
	flush(t, eng)
	r := results(t, store, "mail", buyers())
	require.Equal(t, map[string]int64{"mail": 1}, units(r))
	require.Zero(t, r.Treatments["mail"].Metrics["buyers"].Moments[0].Mean(0), "the purchase came before the exposure")
	require.Equal(t, at, r.Treatments["mail"].FirstExposure)
}

func TestRefreshSurvivesABrokenStore(t *testing.T) {
	store := newFaulty()
	publish(t, store, colorPlan(1))
	eng := open(t, store, strata.Config{RefreshInterval: -1})
	store.onPlans(func(context.Context) error { return errDown })
	require.ErrorIs(t, eng.Refresh(t.Context()), errDown)
	require.ErrorIs(t, eng.Status().RefreshErr, errDown)
	require.NotEmpty(t, treatments(eng, "cta-color", 1)[0])
	store.onPlans(nil)
	require.NoError(t, eng.Refresh(t.Context()))
	require.NoError(t, eng.Status().RefreshErr)
}

// A plan that the store holds and this code cannot use changes nothing.
func TestRefreshRefusesAnInvalidPlan(t *testing.T) {
	store := memstore.New()
	publish(t, store, colorPlan(1))
	eng := open(t, store, strata.Config{RefreshInterval: -1})
	bad := colorPlan(1)
	bad.Version, bad.Experiments[0].Layer = 1, "nowhere"
	_, err := store.PutPlan(t.Context(), strata.PutPlanParams{Plan: bad})
	require.NoError(t, err)
	require.ErrorIs(t, eng.Refresh(t.Context()), strata.ErrInvalidPlan)
	require.EqualValues(t, 1, eng.Status().Version)
	require.NotEmpty(t, treatments(eng, "cta-color", 1)[0])
}

func TestOpenHonoursItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := strata.Open(ctx, memstore.New(), strata.Config{})
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, errors.Is(err, strata.ErrConfig))
}

// A store that does not heed its context cannot hold Close up for ever.
func TestCloseGivesUpOnAStoreThatDoesNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, release := newFaulty(), make(chan struct{})
		store.onIngest(func(context.Context, strata.Batch, func() error) error { <-release; return nil })
		eng, err := strata.Open(context.Background(), store, strata.Config{})
		require.NoError(t, err)
		require.NoError(t, eng.Track(user(1), strata.PageView{Page: "/"}))
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		began := time.Now()
		left, err := eng.Close(ctx)
		require.Equal(t, 3*time.Second, time.Since(began))
		require.Equal(t, strata.Left{Memory: 1}, left)
		require.ErrorContains(t, err, "goroutine is left behind")
		close(release)
	})
}

func TestReportDoesNotHangWhenTheStoreTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		publish(t, store, colorPlan(1))
		eng := open(t, store, strata.Config{StoreTimeout: time.Second})
		expose(eng, "cta-color", 0, 10)
		store.onIngest(func(context.Context, strata.Batch, func() error) error { return errDown })
		began := time.Now()
		r, err := eng.Report(context.Background(), "cta-color", strata.ReportOptions{})
		require.ErrorIs(t, err, errDown)
		require.NotNil(t, r, "what is stored is reported all the same")
		require.Equal(t, time.Second, time.Since(began))
		store.onIngest(nil)
	})
}

// Refusing under overload allocates nothing.
func TestAFullBufferRefusesWithoutAllocating(t *testing.T) {
	store := newFaulty()
	publish(t, store, colorPlan(1))
	store.onIngest(func(ctx context.Context, _ strata.Batch, _ func() error) error { <-ctx.Done(); return ctx.Err() })
	eng, err := strata.Open(t.Context(), store, strata.Config{BufferBytes: 256 << 10, RefreshInterval: -1})
	require.NoError(t, err)
	for err == nil {
		err = eng.Track(user(1), strata.Purchase{OrderID: "o", Currency: "EUR"})
	}
	a := eng.Assign(user(1))
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		_ = a.Track(strata.Purchase{OrderID: "o", Currency: "EUR"})
		a.Treatment("cta-color") // its exposure is refused as well, each time
	}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	left, err := eng.Close(ctx)
	require.Positive(t, left.Memory)
	require.ErrorIs(t, err, context.Canceled)
}
