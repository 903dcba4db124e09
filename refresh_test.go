package strata_test

import (
	"context"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/memstore"
)

// A new plan is in effect everywhere after RefreshInterval.
func TestRefreshFindsANewPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		publish(t, store, colorPlan(1))
		eng := open(t, store, strata.Config{RefreshInterval: 5 * time.Second})
		next := colorPlan(1)
		next.Version, next.Experiments[0].Status = 1, strata.StatusStopped
		publish(t, store, next)
		require.NotEmpty(t, treatments(eng, "cta-color", 1)[0])
		time.Sleep(5*time.Second + time.Millisecond)
		synctest.Wait()
		require.Empty(t, treatments(eng, "cta-color", 1)[0])
		require.EqualValues(t, 2, eng.Status().Version)
	})
}

// Every engine switches at EffectiveAt, not before and not after, although one
// of them has not reached the store since long before.
func TestEffectiveAtSwitchesAllAtOneInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good, cut := newFaulty(), newFaulty()
		cut.Store = good.Store
		publish(t, good, colorPlan(1))
		engines := []*strata.Engine{
			open(t, good, strata.Config{RefreshInterval: 7 * time.Second}),
			open(t, cut, strata.Config{RefreshInterval: 11 * time.Second}),
			open(t, good, strata.Config{RefreshInterval: time.Hour}),
		}
		at := time.Now().Add(time.Minute)
		next := colorPlan(1)
		next.Version, next.EffectiveAt, next.Experiments[0].Status = 1, at, strata.StatusStopped
		publish(t, good, next)
		require.NoError(t, engines[2].Refresh(t.Context()))
		time.Sleep(30 * time.Second)
		cut.onPlans(func(context.Context) error { return errDown })

		time.Sleep(time.Until(at) - time.Nanosecond)
		synctest.Wait()
		for i, eng := range engines {
			require.NotEmpty(t, treatments(eng, "cta-color", 1)[0], "engine %d switched too early", i)
			require.EqualValues(t, 2, eng.Status().Newest)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		for i, eng := range engines {
			require.Empty(t, treatments(eng, "cta-color", 1)[0], "engine %d did not switch", i)
			require.EqualValues(t, 2, eng.Status().Version)
		}
	})
}

// A later version that takes effect at once replaces one that still waits.
func TestALaterVersionReplacesAPendingOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		publish(t, store, colorPlan(1))
		eng := open(t, store, strata.Config{RefreshInterval: -1})
		pending := colorPlan(1)
		pending.Version, pending.EffectiveAt, pending.Parameters[0].Default = 1, time.Now().Add(time.Hour), "pending"
		publish(t, store, pending)
		now := colorPlan(1)
		now.Version, now.Parameters[0].Default, now.Experiments[0].Status = 2, "now", strata.StatusStopped
		publish(t, store, now)
		require.NoError(t, eng.Refresh(t.Context()))
		color := strata.StringParam("cta.color", "code")
		require.Equal(t, "now", color.Get(eng.Assign(user(1))))
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.Equal(t, "now", color.Get(eng.Assign(user(1))))
	})
}

// Start, ramp steps and end take effect at their instants, with no refresh.
func TestSchedulesTakeEffectAtTheirBoundaries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now().Add(time.Hour)
		plan := colorPlan(1)
		plan.Experiments[0].Schedule = strata.Schedule{
			Start: start, End: start.Add(4 * time.Hour),
			Ramp: []strata.RampStep{{At: start.Add(time.Hour), Share: 0.1}, {At: start.Add(2 * time.Hour), Share: 0.5}, {At: start.Add(3 * time.Hour), Share: 1}},
		}
		store := memstore.New()
		publish(t, store, plan)
		eng := open(t, store, strata.Config{RefreshInterval: -1})
		const n = 2000
		in := func() int {
			count := 0
			for _, treatment := range treatments(eng, "cta-color", n) {
				if treatment != "" {
					count++
				}
			}
			return count
		}
		for _, want := range []struct {
			after time.Duration
			share float64
		}{{0, 0}, {time.Hour, 0}, {2 * time.Hour, 0.1}, {3 * time.Hour, 0.5}, {4 * time.Hour, 1}, {5 * time.Hour, 0}} {
			time.Sleep(time.Until(start.Add(want.after - time.Hour)))
			synctest.Wait()
			require.InDelta(t, want.share, float64(in())/n, 0.05, "after %v", want.after)
		}
		require.True(t, eng.Snapshot().Next().IsZero(), "nothing is due any more")
	})
}

// Pitfall 16: ramping moves nobody. Who is in stays in, with the same treatment.
func TestPitfall16RampStepsMoveNobody(t *testing.T) {
	plan := colorPlan(0.7)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 20 {
		plan.Experiments[0].Schedule.Ramp = append(plan.Experiments[0].Schedule.Ramp,
			strata.RampStep{At: start.Add(time.Duration(i) * time.Hour), Share: float64(i+1) / 20})
	}
	had := make(map[int]string)
	for hour := range 20 {
		snap, err := strata.Compile(plan, start.Add(time.Duration(hour)*time.Hour))
		require.NoError(t, err)
		for i := range 3000 {
			a := snap.Assign(user(i))
			treatment := a.Peek("cta-color")
			if was, in := had[i]; in {
				require.Equal(t, was, treatment, "user %d moved at step %d", i, hour)
			}
			if treatment != "" {
				had[i] = treatment
			}
		}
	}
	require.InDelta(t, 2100, len(had), 150)
}

// A store that hangs delays neither a switch nor a look at the status.
func TestAHangingStoreDelaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		publish(t, store, colorPlan(1))
		eng := open(t, store, strata.Config{RefreshInterval: 5 * time.Second})
		at := time.Now().Add(time.Minute)
		next := colorPlan(1)
		next.Version, next.EffectiveAt, next.Experiments[0].Status = 1, at, strata.StatusStopped
		publish(t, store, next)
		time.Sleep(10 * time.Second)
		store.onPlans(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		time.Sleep(time.Until(at))
		synctest.Wait()
		require.Empty(t, treatments(eng, "cta-color", 1)[0], "the switch waited for the store")
		began := time.Now()
		require.EqualValues(t, 2, eng.Status().Version)
		require.Zero(t, time.Since(began))

		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, eng.Refresh(ctx), context.DeadlineExceeded)
		require.Equal(t, 10*time.Millisecond, time.Since(began))
	})
}

// A failover takes the newest plan, and another one is published in its place:
// processes that had loaded the lost one take the new one, although it has the same
// number. Found by simulation (a change, a failover and a change within minutes:
// simtest.TestFailovers, seeds 2 and 3).
func TestAPlanThatAFailoverTookIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		primary, standby := newFaulty(), memstore.New()
		publish(t, primary, colorPlan(1))
		publish(t, standby, colorPlan(1))
		lost := colorPlan(1)
		lost.Version, lost.Experiments[0].Status = 1, strata.StatusStopped
		publish(t, primary, lost)
		eng := open(t, primary, strata.Config{RefreshInterval: -1})
		require.Empty(t, treatments(eng, "cta-color", 1)[0])

		time.Sleep(time.Minute)
		primary.Store = standby
		next := colorPlan(1)
		next.Version, next.Experiments[0].Description = 1, "another change"
		publish(t, standby, next)
		require.NoError(t, eng.Refresh(t.Context()))
		require.EqualValues(t, 2, eng.Status().Version)
		require.NotEmpty(t, treatments(eng, "cta-color", 1)[0], "the plan that was lost is still in effect here")
	})
}

// hiding is a store that may fail to list exposed units.
type hiding struct {
	strata.Store
	hides bool
}

func (h *hiding) Exposed(ctx context.Context, params strata.ExposedParams) iter.Seq2[strata.ExposedUnit, error] {
	if h.hides {
		return func(yield func(strata.ExposedUnit, error) bool) { yield(strata.ExposedUnit{}, errDown) }
	}
	return h.Store.Exposed(ctx, params)
}

// A failover takes the plan that keeps units, and whom the next one keeps cannot be
// read: a process goes on keeping those that it knows, also when some other
// experiment's schedule has it compile its plan again.
func TestKeptUnitsOutliveAFailover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := colorPlan(1)
		first.Experiments[0].Schedule.Ramp = []strata.RampStep{{At: time.Now(), Share: 0.9}, {At: time.Now().Add(time.Hour), Share: 1}}
		store, standby := &hiding{Store: memstore.New()}, memstore.New()
		publish(t, store, first)
		publish(t, standby, first)
		eng := open(t, store, strata.Config{RefreshInterval: -1})
		expose(eng, "cta-color", 0, 400)
		met := treatments(eng, "cta-color", 400)
		flush(t, eng)
		time.Sleep(time.Minute)
		publish(t, store, edited(t, store, func(p *strata.Plan) { p.Experiments[0].Treatments[1].Weight = 9 }), keep("cta-color"))
		require.NoError(t, eng.Refresh(t.Context()))
		require.Equal(t, met, treatments(eng, "cta-color", 400))

		time.Sleep(time.Minute)
		store.Store, store.hides = standby, true
		publish(t, standby, edited(t, standby, func(p *strata.Plan) { p.Experiments[0].Treatments[1].Weight = 5 }), keep("cta-color"))
		require.ErrorIs(t, eng.Refresh(t.Context()), errDown)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		for i, treatment := range treatments(eng, "cta-color", 400) {
			if met[i] != "" {
				require.Equal(t, met[i], treatment, "unit %d moved", i)
			}
		}
	})
}
