package strata_test

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/memstore"
)

// refused publishes a change that must not be published, whatever is asked for.
func refused(t *testing.T, store strata.Store, because string, change func(*strata.Plan), opts strata.PublishOptions) {
	t.Helper()
	opts.Author, opts.Message = "a", "m"
	_, err := strata.Publish(t.Context(), store, edited(t, store, change), opts)
	require.ErrorIs(t, err, strata.ErrInvalidPlan)
	require.ErrorContains(t, err, because)
}

func status(s strata.Status) func(*strata.Plan) {
	return func(p *strata.Plan) { p.Experiments[0].Status = s }
}

// A phase that has begun is drawn in one way, however long it pauses.
func TestAPhaseIsDrawnInOneWay(t *testing.T) {
	salted := func(p *strata.Plan) {
		p.Experiments[0].Status, p.Experiments[0].Salt = strata.StatusRunning, "other"
	}
	t.Run("closed, then another salt", func(t *testing.T) {
		_, store := opened(t, colorPlan(1))
		publish(t, store, edited(t, store, status(strata.StatusIntakeClosed)))
		refused(t, store, "drawn anew", salted, strata.PublishOptions{})
	})
	t.Run("over by schedule, then another salt", func(t *testing.T) {
		_, store := opened(t, colorPlan(1))
		publish(t, store, edited(t, store, func(p *strata.Plan) { p.Experiments[0].Schedule.End = time.Now().Add(-time.Hour) }), fresh("cta-color"))
		refused(t, store, "drawn anew", func(p *strata.Plan) { p.Experiments[0].Schedule.End = time.Time{}; salted(p) }, strata.PublishOptions{})
	})
	t.Run("stopped, then started", func(t *testing.T) {
		_, store := opened(t, colorPlan(1))
		publish(t, store, edited(t, store, status(strata.StatusStopped)))
		again := func(p *strata.Plan) {
			p.Experiments[0].Status, p.Experiments[0].Buckets = strata.StatusRunning, strata.AllBuckets()
		}
		refused(t, store, "raise its phase", again, strata.PublishOptions{})
		publish(t, store, edited(t, store, func(p *strata.Plan) { again(p); p.Experiments[0].Phase = 1 }))
	})
	t.Run("removed, then another of the same key", func(t *testing.T) {
		_, store := opened(t, colorPlan(1))
		publish(t, store, edited(t, store, func(p *strata.Plan) { p.Experiments = nil }), fresh("cta-color"))
		again := func(p *strata.Plan) { p.Experiments = colorPlan(1).Experiments }
		refused(t, store, "another key, or a higher phase", again, strata.PublishOptions{})
		publish(t, store, edited(t, store, func(p *strata.Plan) { again(p); p.Experiments[0].Phase = 1 }))
	})
	t.Run("a phase back", func(t *testing.T) {
		_, store := opened(t, colorPlan(1))
		publish(t, store, edited(t, store, func(p *strata.Plan) { p.Experiments[0].Phase = 3 }))
		refused(t, store, "phases only rise", func(p *strata.Plan) { p.Experiments[0].Phase = 2 }, strata.PublishOptions{})
	})
}

// Keep is refused where nobody could be kept.
func TestKeepIsNotPromisedInVain(t *testing.T) {
	soon := time.Now().Add(time.Hour)
	for name, change := range map[string]func(*strata.Plan){
		"removed":       func(p *strata.Plan) { p.Experiments = nil },
		"draft":         status(strata.StatusDraft),
		"starts later":  func(p *strata.Plan) { p.Experiments[0].Schedule.Start = soon },
		"ramps down":    func(p *strata.Plan) { p.Experiments[0].Schedule.Ramp = []strata.RampStep{{At: soon, Share: 1}} },
		"already ended": func(p *strata.Plan) { p.Experiments[0].Schedule.End = time.Now().Add(-time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			_, store := opened(t, colorPlan(1))
			refused(t, store, "cta-color", change, keep("cta-color"))
		})
	}
	_, store := opened(t, colorPlan(1))
	refused(t, store, "does not have", func(*strata.Plan) {}, keep("nobody"))
}

// broken lets listing exposed units fail.
type broken struct {
	*memstore.Store
	down atomic.Bool
}

func (b *broken) Exposed(ctx context.Context, p strata.ExposedParams) iter.Seq2[strata.ExposedUnit, error] {
	if b.down.Load() {
		return func(yield func(strata.ExposedUnit, error) bool) { yield(strata.ExposedUnit{}, errDown) }
	}
	return b.Store.Exposed(ctx, p)
}

// A plan that keeps units does not take effect before it is known who they are;
// one that changes something else waits for nothing.
func TestNoSwitchWithoutTheKeptUnits(t *testing.T) {
	store := &broken{Store: memstore.New()}
	publish(t, store, colorPlan(1))
	eng := open(t, store, strata.Config{RefreshInterval: -1})
	before := treatments(eng, "cta-color", 300)
	expose(eng, "cta-color", 0, 300)
	flush(t, eng)
	closed := edited(t, store, status(strata.StatusIntakeClosed))
	publish(t, store, closed)
	store.down.Store(true)
	require.ErrorIs(t, eng.Refresh(t.Context()), errDown)
	require.EqualValues(t, 1, eng.Status().Version, "the switch waits")
	require.Equal(t, before, treatments(eng, "cta-color", 300))

	store.down.Store(false)
	require.NoError(t, eng.Refresh(t.Context()))
	require.EqualValues(t, 2, eng.Status().Version)
	require.Equal(t, before, treatments(eng, "cta-color", 300))

	store.down.Store(false)
	publish(t, store, edited(t, store, func(p *strata.Plan) { p.Parameters[0].Description = "new" }))
	store.down.Store(true)
	require.ErrorIs(t, eng.Refresh(t.Context()), errDown)
	require.EqualValues(t, 3, eng.Status().Version, "what is known already goes along")
	require.Equal(t, before, treatments(eng, "cta-color", 300))
}

// A switch that is due and cannot be made yet is made as soon as it can, and
// meanwhile nothing spins: in the bubble of this test, time would stand still.
func TestADueSwitchWaitsForTheKeptUnits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &broken{Store: memstore.New()}
		publish(t, store, colorPlan(1))
		eng := open(t, store, strata.Config{RefreshInterval: 5 * time.Second})
		before := treatments(eng, "cta-color", 100)
		expose(eng, "cta-color", 0, 100)
		publish(t, store, edited(t, store, func(p *strata.Plan) {
			p.EffectiveAt, p.Experiments[0].Status = time.Now().Add(time.Minute), strata.StatusIntakeClosed
		}))
		store.down.Store(true)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.EqualValues(t, 1, eng.Status().Version)
		require.Equal(t, before, treatments(eng, "cta-color", 100))
		store.down.Store(false)
		time.Sleep(6 * time.Second)
		synctest.Wait()
		require.EqualValues(t, 2, eng.Status().Version)
		require.Equal(t, before, treatments(eng, "cta-color", 100))
	})
}

// Two plans wait, one second apart, and both keep units; so do the users who met
// their treatment a moment before the switch.
func TestUnitsExposedUntilTheSwitchAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		publish(t, store, colorPlan(1))
		eng := open(t, store, strata.Config{})
		at := time.Now().Add(time.Minute)
		publish(t, store, edited(t, store, func(p *strata.Plan) {
			p.EffectiveAt, p.Experiments[0].Treatments[1].Weight = at, 5
		}), keep("cta-color"))
		publish(t, store, edited(t, store, func(p *strata.Plan) {
			p.EffectiveAt, p.Experiments[0].Status = at.Add(time.Second), strata.StatusIntakeClosed
		}))
		time.Sleep(30 * time.Second)
		before := treatments(eng, "cta-color", 2000)
		expose(eng, "cta-color", 0, 1000)
		time.Sleep(time.Until(at) - time.Millisecond)
		expose(eng, "cta-color", 1000, 2000)
		for _, moment := range []time.Time{at.Add(time.Millisecond), at.Add(time.Second + time.Millisecond), at.Add(time.Minute)} {
			time.Sleep(time.Until(moment))
			synctest.Wait()
			require.Equal(t, before, treatments(eng, "cta-color", 2000), "at %v", moment.Sub(at))
		}
		require.EqualValues(t, 3, eng.Status().Version)
		expose(eng, "cta-color", 0, 2000)
		flush(t, eng)
		require.Zero(t, results(t, store, "cta-color").Contradictions)
	})
}

// A plan for tomorrow that the program cannot read does not hold up a stop of
// today.
func TestAPendingPlanOfAnotherTypeHoldsUpNothing(t *testing.T) {
	store := memstore.New()
	publish(t, store, colorPlan(1))
	cfg := strata.Config{RefreshInterval: -1, Params: []strata.Handle{strata.StringParam("cta.color", "grey")}}
	eng := open(t, store, cfg)
	publish(t, store, edited(t, store, status(strata.StatusStopped)))
	publish(t, store, edited(t, store, func(p *strata.Plan) {
		p.EffectiveAt = time.Now().Add(24 * time.Hour)
		p.Experiments, p.Parameters[0] = nil, strata.Parameter{Key: "cta.color", Type: strata.TypeInt, Default: 1}
	}))
	require.ErrorContains(t, eng.Refresh(t.Context()), "cta.color")
	require.EqualValues(t, 2, eng.Status().Version)
	require.Empty(t, treatments(eng, "cta-color", 1)[0])
	require.ErrorContains(t, eng.Status().RefreshErr, "cta.color")
}

// When treatments change places, units that meet the other one are contradictions.
func TestSwappedTreatmentsAreContradictions(t *testing.T) {
	eng, store := opened(t, colorPlan(1))
	expose(eng, "cta-color", 0, 100)
	publish(t, store, edited(t, store, func(p *strata.Plan) {
		e := &p.Experiments[0]
		e.Treatments[0], e.Treatments[1] = e.Treatments[1], e.Treatments[0]
	}), fresh("cta-color"))
	require.NoError(t, eng.Refresh(t.Context()))
	expose(eng, "cta-color", 0, 100)
	flush(t, eng)
	require.EqualValues(t, 100, results(t, store, "cta-color").Contradictions)
}

// Units that followed a Fresh change are kept as they are since, not as they were
// before it.
func TestKeepAfterFresh(t *testing.T) {
	eng, store := opened(t, colorPlan(0.8))
	expose(eng, "cta-color", 0, 500)
	flush(t, eng)
	publish(t, store, edited(t, store, func(p *strata.Plan) { p.Experiments[0].Treatments[1].Weight = 3 }), fresh("cta-color"))
	require.NoError(t, eng.Refresh(t.Context()))
	expose(eng, "cta-color", 0, 1000)
	flush(t, eng)
	before := treatments(eng, "cta-color", 1000)
	publish(t, store, edited(t, store, func(p *strata.Plan) { _ = p.Narrow("cta-color", 2000) }), keep("cta-color"))
	require.NoError(t, eng.Refresh(t.Context()))
	for i, treatment := range treatments(eng, "cta-color", 1000) {
		if i >= 500 && before[i] != "" {
			require.Equal(t, before[i], treatment, "user %d", i)
		} else if treatment != "" {
			require.Equal(t, before[i], treatment, "user %d went back", i)
		}
	}
}

func sharedPlan(t testing.TB) *strata.Plan {
	b := strata.NewPlan()
	b.String("cta.color", "grey")
	ui := b.Layer("ui", strata.ByUser, "cta.color")
	ui.Experiment("green", 0.6).Treatment("grey", 1, nil).Treatment("green", 1, strata.Values{"cta.color": "green"}).Running()
	ui.Experiment("blue", 0.3).Treatment("blue", 1, strata.Values{"cta.color": "blue"}).SharedControl("green").Running()
	plan, err := b.Build()
	require.NoError(t, err)
	return plan
}

// A control that others share moves nobody of theirs unasked, keeps whom they
// exposed, and does not go away under them.
func TestASharedControlStays(t *testing.T) {
	eng, store := opened(t, sharedPlan(t))
	before := treatments(eng, "blue", 2000)
	expose(eng, "blue", 0, 2000)
	flush(t, eng)
	reweight := func(p *strata.Plan) { p.Experiment("green").Treatments[1].Weight = 5 }
	_, err := strata.Publish(t.Context(), store, edited(t, store, reweight), strata.PublishOptions{Author: "a", Message: "m", Moves: map[string]strata.Policy{"green": strata.Keep}})
	require.ErrorIs(t, err, strata.ErrMovesUnits)
	require.ErrorContains(t, err, "blue")
	publish(t, store, edited(t, store, reweight), keep("green", "blue"))
	require.NoError(t, eng.Refresh(t.Context()))
	require.Equal(t, before, treatments(eng, "blue", 2000))

	for name, change := range map[string]func(*strata.Plan){
		"stopped": func(p *strata.Plan) { p.Experiment("green").Status = strata.StatusStopped },
		"phase":   func(p *strata.Plan) { p.Experiment("green").Phase = 1 },
	} {
		t.Run(name, func(t *testing.T) { refused(t, store, `control of experiment "blue"`, change, keep("green", "blue")) })
	}
	publish(t, store, edited(t, store, func(p *strata.Plan) {
		p.Experiment("green").Status, p.Experiment("blue").Status = strata.StatusStopped, strata.StatusStopped
	}))
}

// A sharer learns nothing while its control does not run.
func TestASharerWaitsForItsControl(t *testing.T) {
	plan := sharedPlan(t)
	plan.Experiment("green").Status = strata.StatusDraft
	eng, store := opened(t, plan)
	expose(eng, "blue", 0, 500)
	flush(t, eng)
	require.Empty(t, results(t, store, "blue").Treatments)
	publish(t, store, edited(t, store, func(p *strata.Plan) { p.Experiment("green").Status = strata.StatusRunning }))
	require.NoError(t, eng.Refresh(t.Context()))
	expose(eng, "blue", 0, 500)
	flush(t, eng)
	require.Len(t, results(t, store, "blue").Treatments, 2)
}

// Nor does it while its own ramp has opened nothing.
func TestASharerMeetsNoControlBeforeItsRamp(t *testing.T) {
	plan := sharedPlan(t)
	plan.Experiment("blue").Schedule.Ramp = []strata.RampStep{{At: time.Now().Add(time.Hour), Share: 0.5}}
	eng, store := opened(t, plan)
	color := strata.StringParam("cta.color", "grey")
	for i := range 500 {
		color.Get(eng.Assign(user(i)))
	}
	flush(t, eng)
	require.Empty(t, results(t, store, "blue").Treatments)
	require.Len(t, results(t, store, "green").Treatments, 2)
}

// A program may say its whole plan anew on top of the stored one.
func TestAPlanSaidAnewKeepsItsBuckets(t *testing.T) {
	say := func(p *strata.Plan, a, b float64) *strata.Plan {
		builder := strata.ChangePlan(p)
		builder.String("cta.color", "grey")
		ui := builder.Layer("ui", strata.ByUser, "cta.color")
		for key, share := range map[string]float64{"a": a, "b": b} {
			ui.Experiment(key, share).Treatment("grey", 1, nil).Treatment("green", 1, strata.Values{"cta.color": "green"}).Running()
		}
		plan, err := builder.Build()
		require.NoError(t, err)
		return plan
	}
	eng, store := opened(t, say(&strata.Plan{}, 0.3, 0.3))
	before := map[string][]string{"a": treatments(eng, "a", 2000), "b": treatments(eng, "b", 2000)}
	publish(t, store, edited(t, store, func(p *strata.Plan) { say(p, 0.3, 0.3) }))
	publish(t, store, edited(t, store, func(p *strata.Plan) { say(p, 0.5, 0.3) }))
	require.NoError(t, eng.Refresh(t.Context()))
	require.Equal(t, before["b"], treatments(eng, "b", 2000))
	in := 0
	for i, treatment := range treatments(eng, "a", 2000) {
		if before["a"][i] != "" {
			require.Equal(t, before["a"][i], treatment)
		}
		if treatment != "" {
			in++
		}
	}
	require.InDelta(t, 1000, in, 120)
}

// Widening takes an experiment's own draining buckets back first, and the stored
// plan can be published again as it is.
func TestWideningBackTakesWhatDrains(t *testing.T) {
	_, store := opened(t, colorPlan(0.6))
	publish(t, store, edited(t, store, func(p *strata.Plan) { _ = p.Narrow("cta-color", 2000) }), keep("cta-color"))
	publish(t, store, edited(t, store, func(*strata.Plan) {}))
	stored := publish(t, store, edited(t, store, func(p *strata.Plan) { require.NoError(t, p.Widen("cta-color", 2500)) }))
	e := stored.Experiment("cta-color")
	require.Equal(t, 6500, e.Buckets.Len())
	require.True(t, e.Draining.IsEmpty())
	publish(t, store, edited(t, store, func(p *strata.Plan) { p.Experiments[0].Phase++; addTreatment(p) }))
}

// Sample ratios of shared controls are not tested when a share was changed.
func TestSampleRatioOfAResizedSharer(t *testing.T) {
	eng, store := opened(t, sharedPlan(t))
	expose(eng, "blue", 0, 500)
	require.Empty(t, report(t, eng, "blue").Health.SampleRatio.Reason)
	publish(t, store, edited(t, store, func(p *strata.Plan) { require.NoError(t, p.Widen("blue", 500)) }))
	require.Contains(t, report(t, eng, "blue").Health.SampleRatio.Reason, "did not stay fixed")
}

// A report goes by the plan in effect, and can go by any earlier one.
func TestReportsGoByThePlanInEffect(t *testing.T) {
	eng, store := opened(t, colorPlan(1))
	expose(eng, "cta-color", 0, 50)
	publish(t, store, edited(t, store, func(p *strata.Plan) {
		p.EffectiveAt, p.Experiments[0].Phase = time.Now().Add(time.Hour), 1
	}))
	require.EqualValues(t, 50, report(t, eng, "cta-color").Units)
	publish(t, store, edited(t, store, func(p *strata.Plan) { p.EffectiveAt, p.Experiments = time.Time{}, nil }), fresh("cta-color"))
	_, err := eng.Report(t.Context(), "cta-color", strata.ReportOptions{})
	require.ErrorIs(t, err, strata.ErrNotFound)
	require.EqualValues(t, 50, report(t, eng, "cta-color", strata.ReportOptions{Version: 1}).Units)
}

// A treatment that is retired with weight 0 raises no alarm.
func TestARetiredTreatmentRaisesNoAlarm(t *testing.T) {
	eng, store := opened(t, colorPlan(1))
	expose(eng, "cta-color", 0, 500)
	flush(t, eng)
	publish(t, store, edited(t, store, func(p *strata.Plan) { p.Experiments[0].Treatments[1].Weight = 0 }), keep("cta-color"))
	require.NotContains(t, fmt.Sprint(report(t, eng, "cta-color").Warnings), strata.Alarm)
}

// What happened just after an exposure counts although the clock was set back.
func TestTheClockMayBeSetBack(t *testing.T) {
	clock := new(stepClock)
	clock.set(time.Now())
	store := memstore.New()
	publish(t, store, colorPlan(1))
	eng := open(t, store, strata.Config{Clock: clock, RefreshInterval: -1, FlushInterval: -1})
	a := eng.Assign(user(1))
	a.Treatment("cta-color")
	clock.set(clock.Now().Add(-2 * time.Second))
	require.NoError(t, a.Track(strata.Purchase{OrderID: "o", Currency: "EUR"}))
	flush(t, eng)
	for _, r := range results(t, store, "cta-color", buyers()).Treatments {
		require.Equal(t, 1.0, r.Metrics["buyers"].Moments[0].Mean(0))
	}
}

// stepClock stands still until it is set, and its timers are the system's.
type stepClock struct{ nanos atomic.Int64 }

func (c *stepClock) set(t time.Time) { c.nanos.Store(t.UnixNano()) }

func (c *stepClock) Now() time.Time { return time.Unix(0, c.nanos.Load()) }

func (c *stepClock) Timer(d time.Duration) (<-chan time.Time, func()) {
	timer := time.NewTimer(d)
	return timer.C, func() { timer.Stop() }
}

// An id that decides nothing cannot hide an exposure.
func TestABadUnrelatedIDDoesNotHideTheExposure(t *testing.T) {
	eng, store := opened(t, colorPlan(1))
	a := eng.Assign(strata.Unit{User: "ada", Session: "a\x00b"})
	require.NotEmpty(t, a.Treatment("cta-color"))
	b := eng.Assign(strata.Unit{User: "a\x00b"})
	b.Treatment("cta-color")
	flush(t, eng)
	n := int64(0)
	for _, r := range results(t, store, "cta-color").Treatments {
		n += r.Units
	}
	require.EqualValues(t, 1, n)
	require.EqualValues(t, 1, eng.Status().Refused[strata.KindExposure].Invalid)
}

func TestTheZeroDecision(t *testing.T) {
	var d strata.Decision
	require.Empty(t, d.Layer()+d.Domain()+d.Nested()+d.Experiment()+d.Treatment())
	require.Equal(t, -1, d.Bucket())
	require.Empty(t, d.Values())
	require.NotEmpty(t, d.String())
	_, err := d.MarshalJSON()
	require.NoError(t, err)
}
