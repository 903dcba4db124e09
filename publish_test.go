package strata_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/memstore"
)

// edited is the newest plan with a change.
func edited(t testing.TB, store strata.Store, change func(*strata.Plan)) *strata.Plan {
	t.Helper()
	v, err := store.Plan(t.Context(), strata.PlanParams{})
	require.NoError(t, err)
	change(v.Plan)
	return v.Plan
}

func TestPublishRefusesAStaleBase(t *testing.T) {
	store := memstore.New()
	publish(t, store, colorPlan(1))
	_, err := strata.Publish(t.Context(), store, colorPlan(1), strata.PublishOptions{Author: "a", Message: "m"})
	require.ErrorIs(t, err, strata.ErrConflict)
	ahead := colorPlan(1)
	ahead.Version = 7
	_, err = strata.Publish(t.Context(), store, ahead, strata.PublishOptions{Author: "a", Message: "m"})
	require.ErrorIs(t, err, strata.ErrConflict)
}

func TestPublishNamesEverythingMissing(t *testing.T) {
	_, err := strata.Publish(t.Context(), memstore.New(), nil, strata.PublishOptions{Moves: map[string]strata.Policy{"x": "maybe"}})
	for _, text := range []string{"plan is nil", "Author", "Message", `Moves["x"]`} {
		require.ErrorContains(t, err, text)
	}
}

func TestPublishLeavesTheCallersPlanAlone(t *testing.T) {
	store := memstore.New()
	plan := colorPlan(1)
	stored := publish(t, store, plan)
	require.Zero(t, plan.Version)
	require.EqualValues(t, 1, stored.Version)
	history, err := store.PlanHistory(t.Context(), strata.PlanHistoryParams{})
	require.NoError(t, err)
	require.Equal(t, "test", history[0].Author)
}

// What moves units of a running experiment is refused unless named, and the
// error says who would move.
func TestPublishRefusesMovesNobodyAskedFor(t *testing.T) {
	changes := map[string]func(*strata.Plan){
		"narrowing":        func(p *strata.Plan) { _ = p.Narrow("cta-color", 1000) },
		"re-weighting":     func(p *strata.Plan) { p.Experiments[0].Treatments[1].Weight = 3 },
		"a new treatment":  func(p *strata.Plan) { addTreatment(p) },
		"another audience": func(p *strata.Plan) { p.Experiments[0].Audience = `country == "DE"` },
		"another salt":     func(p *strata.Plan) { p.Experiments[0].Salt = "new" },
		"a layer's salt":   func(p *strata.Plan) { p.Layers[0].Salt = "new" },
		"removal":          func(p *strata.Plan) { p.Experiments = nil },
		"another end":      func(p *strata.Plan) { p.Experiments[0].Schedule.End = time.Now().Add(-time.Hour) },
		"back to draft":    func(p *strata.Plan) { p.Experiments[0].Status = strata.StatusDraft },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			store := memstore.New()
			publish(t, store, colorPlan(0.5))
			plan := edited(t, store, change)
			_, err := strata.Publish(t.Context(), store, plan, strata.PublishOptions{Author: "a", Message: "m"})
			require.ErrorIs(t, err, strata.ErrMovesUnits)
			var moves *strata.MoveError
			require.ErrorAs(t, err, &moves)
			require.Equal(t, "cta-color", moves.Moves[0].Experiment)
			require.ErrorContains(t, err, "PublishOptions.Moves")
			publish(t, store, plan, fresh("cta-color"))
		})
	}
}

func addTreatment(p *strata.Plan) {
	e := p.Experiment("cta-color")
	e.Treatments = append(e.Treatments, strata.Treatment{Key: "blue", Weight: 1, Values: strata.Values{"cta.color": "blue"}})
}

// What moves nobody, or says by itself what it does, needs no mention.
func TestPublishAcceptsWhatMovesNobody(t *testing.T) {
	for name, change := range map[string]func(*strata.Plan){
		"widening":       func(p *strata.Plan) { _ = p.Widen("cta-color", 1000) },
		"stopping":       func(p *strata.Plan) { p.Experiments[0].Status = strata.StatusStopped },
		"closing intake": func(p *strata.Plan) { p.Experiments[0].Status = strata.StatusIntakeClosed },
		"a new phase":    func(p *strata.Plan) { p.Experiments[0].Phase++; p.Experiments[0].Treatments[1].Weight = 9 },
		"scaled weights": func(p *strata.Plan) {
			p.Experiments[0].Treatments[0].Weight, p.Experiments[0].Treatments[1].Weight = 7, 7
		},
		"new values": func(p *strata.Plan) { p.Experiments[0].Treatments[1].Values["cta.color"] = "lime" },
		"a metric":   func(p *strata.Plan) { p.Metrics[0].Window = strata.Duration(time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			store := memstore.New()
			publish(t, store, colorPlan(0.5))
			publish(t, store, edited(t, store, change))
		})
	}
}

// kept publishes a change that keeps the units of cta-color, of which users
// 0 … 999 were exposed before, and checks who has what afterwards: exposed users
// keep their treatment, and everybody else has what a plan without a past would
// give.
func kept(t *testing.T, change func(*strata.Plan)) (eng *strata.Engine, store *memstore.Store) {
	t.Helper()
	eng, store = opened(t, colorPlan(0.6))
	before := treatments(eng, "cta-color", 3000)
	expose(eng, "cta-color", 0, 1000)
	flush(t, eng)
	plan := edited(t, store, change)
	publish(t, store, plan, keep("cta-color"))
	require.NoError(t, eng.Refresh(t.Context()))

	newest, err := strata.Compile(plan, time.Now())
	require.NoError(t, err)
	after := treatments(eng, "cta-color", 3000)
	changed := 0
	for i, treatment := range after {
		if i < 1000 && before[i] != "" {
			require.Equal(t, before[i], treatment, "exposed user %d moved", i)
			continue
		}
		a := newest.Assign(user(i))
		require.Equal(t, a.Peek("cta-color"), treatment, "user %d was not exposed", i)
		if treatment != before[i] {
			changed++
		}
	}
	require.Positive(t, changed, "the change moved nobody, so the test shows nothing")
	return eng, store
}

func TestKeepThroughNarrowing(t *testing.T) {
	eng, store := kept(t, func(p *strata.Plan) { _ = p.Narrow("cta-color", 3000) })
	require.Positive(t, eng.Status().Kept["cta-color"])
	require.Less(t, eng.Status().Kept["cta-color"], 450, "only units in the buckets taken away are held")
	v, err := store.Plan(t.Context(), strata.PlanParams{})
	require.NoError(t, err)
	require.Equal(t, 3000, v.Plan.Experiment("cta-color").Draining.Len())
	require.Equal(t, 4000, v.Plan.Free("ui").Len(), "draining buckets are not free")
}

func TestKeepThroughReweighting(t *testing.T) {
	eng, _ := kept(t, func(p *strata.Plan) { p.Experiments[0].Treatments[1].Weight = 4 })
	held := eng.Status().Kept["cta-color"]
	require.Positive(t, held)
	require.Less(t, held, 300, "only those who would draw another treatment are held: 30 % of 600")
}

func TestKeepThroughANewTreatment(t *testing.T) { kept(t, addTreatment) }

func TestKeepThroughAnAudience(t *testing.T) {
	kept(t, func(p *strata.Plan) { p.Experiments[0].Audience = `country == "DE"` })
}

// Pitfall 14: a phase that was narrowed is still read right, because exposed
// units stay where they are.
func TestPitfall14NarrowingThenReadingTheSamePhase(t *testing.T) {
	eng, store := kept(t, func(p *strata.Plan) { _ = p.Narrow("cta-color", 3000) })
	expose(eng, "cta-color", 0, 3000)
	flush(t, eng)
	require.Zero(t, results(t, store, "cta-color").Contradictions)
}

func TestKeepThroughSeveralChanges(t *testing.T) {
	eng, store := opened(t, colorPlan(0.8))
	first := map[int]string{}
	exposeAll := func(from, to int) {
		for i := from; i < to; i++ {
			a := eng.Assign(user(i))
			if treatment := a.Treatment("cta-color"); treatment != "" && first[i] == "" {
				first[i] = treatment
			}
		}
		flush(t, eng)
	}
	exposeAll(0, 500)
	for i, change := range []func(*strata.Plan){
		func(p *strata.Plan) { p.Experiments[0].Treatments[0].Weight = 5 },
		func(p *strata.Plan) { _ = p.Narrow("cta-color", 4000) },
		addTreatment,
		func(p *strata.Plan) { p.Experiments[0].Treatments[2].Weight = 20 },
		func(p *strata.Plan) { p.Experiments[0].Audience = `vip` },
		func(p *strata.Plan) { p.Experiments[0].Status = strata.StatusIntakeClosed },
	} {
		publish(t, store, edited(t, store, change), keep("cta-color"))
		require.NoError(t, eng.Refresh(t.Context()))
		exposeAll(500*(i+1), 500*(i+2))
		for j, treatment := range first {
			a := eng.Assign(user(j))
			require.Equal(t, treatment, a.Peek("cta-color"), "user %d moved at change %d", j, i)
		}
	}
	require.Zero(t, results(t, store, "cta-color").Contradictions)
}

func TestClosingIntakeKeepsTheExposed(t *testing.T) {
	eng, store := opened(t, colorPlan(1))
	before := treatments(eng, "cta-color", 200)
	expose(eng, "cta-color", 0, 100)
	publish(t, store, edited(t, store, func(p *strata.Plan) { p.Experiments[0].Status = strata.StatusIntakeClosed }))
	require.NoError(t, eng.Refresh(t.Context())) // writes this process's own exposures first
	after := treatments(eng, "cta-color", 200)
	require.Equal(t, before[:100], after[:100])
	for _, treatment := range after[100:] {
		require.Empty(t, treatment)
	}
}

// Exposures of another process that were still on their way when the plan
// changed come in with a later refresh.
func TestLateExposuresAreKeptAfterTheNextRefresh(t *testing.T) {
	eng, store := opened(t, colorPlan(1))
	other := open(t, store, strata.Config{FlushInterval: -1, RefreshInterval: -1})
	before := treatments(other, "cta-color", 100)
	expose(other, "cta-color", 0, 100) // in memory
	publish(t, store, edited(t, store, func(p *strata.Plan) { p.Experiments[0].Status = strata.StatusIntakeClosed }))
	require.NoError(t, eng.Refresh(t.Context()))
	require.Empty(t, treatments(eng, "cta-color", 1)[0])
	flush(t, other)
	require.NoError(t, eng.Refresh(t.Context()))
	require.Equal(t, before, treatments(eng, "cta-color", 100))
}

// Pitfall 8: a unit that was not in is not kept out: widening admits it.
func TestPitfall08BeingOutIsNotSticky(t *testing.T) {
	eng, store := opened(t, colorPlan(0.1))
	expose(eng, "cta-color", 0, 1000)
	flush(t, eng)
	publish(t, store, edited(t, store, func(p *strata.Plan) { require.NoError(t, p.Widen("cta-color", 9000)) }))
	require.NoError(t, eng.Refresh(t.Context()))
	for i, treatment := range treatments(eng, "cta-color", 1000) {
		require.NotEmpty(t, treatment, "user %d stayed out", i)
	}
}

// Pitfall 15: a restart draws everybody anew, and keeps statistics apart.
func TestPitfall15ARestartKeepsStatisticsApart(t *testing.T) {
	eng, store := opened(t, colorPlan(1))
	before := treatments(eng, "cta-color", 1000)
	expose(eng, "cta-color", 0, 1000)
	flush(t, eng)
	stored := publish(t, store, edited(t, store, func(p *strata.Plan) { p.Experiments[0].Phase = 1 }))
	require.NoError(t, eng.Refresh(t.Context()))
	same := 0
	for i, treatment := range treatments(eng, "cta-color", 1000) {
		if treatment == before[i] {
			same++
		}
	}
	require.InDelta(t, 500, same, 80)
	expose(eng, "cta-color", 0, 100)
	flush(t, eng)
	r, err := store.Results(t.Context(), strata.ResultsParams{Experiment: "cta-color", Phase: 1})
	require.NoError(t, err)
	require.EqualValues(t, 100, r.Treatments["grey"].Units+r.Treatments["green"].Units)
	require.Zero(t, r.Contradictions)
	require.Len(t, stored.CarryOver("cta-color"), 1, "the new phase's buckets felt the old one")
}

// Fresh, asked for with a change that moves nobody, takes nothing from units that
// were exposed before: later changes keep them. Found by simulation (simtest, seed
// 10264).
func TestFreshOfNothingKeepsEverybody(t *testing.T) {
	store := memstore.New()
	publish(t, store, colorPlan(1))
	eng := open(t, store, strata.Config{RefreshInterval: -1})
	expose(eng, "cta-color", 0, 400)
	before := treatments(eng, "cta-color", 400)
	flush(t, eng)

	publish(t, store, edited(t, store, func(p *strata.Plan) { p.Experiments[0].Description = "said better" }), fresh("cta-color"))
	publish(t, store, edited(t, store, func(p *strata.Plan) { p.Experiments[0].Treatments[1].Weight = 5 }), keep("cta-color"))
	require.NoError(t, eng.Refresh(t.Context()))
	require.Equal(t, before, treatments(eng, "cta-color", 400))
	require.NotEqual(t, treatments(eng, "cta-color", 2000)[400:], make([]string, 1600), "others are drawn by the new weights")
}

func TestFreshMovesTheExposedAndSaysSo(t *testing.T) {
	eng, store := opened(t, colorPlan(1))
	expose(eng, "cta-color", 0, 1000)
	flush(t, eng)
	publish(t, store, edited(t, store, func(p *strata.Plan) { p.Experiments[0].Treatments[1].Weight = 3 }), fresh("cta-color"))
	require.NoError(t, eng.Refresh(t.Context()))
	expose(eng, "cta-color", 0, 1000)
	flush(t, eng)
	require.InDelta(t, 250, results(t, store, "cta-color").Contradictions, 60)
	require.Empty(t, eng.Status().Kept)
}

// nestedPlan runs an experiment inside a domain that has most of a layer.
func labPlan(t testing.TB, share float64) *strata.Plan {
	b := strata.NewPlan()
	b.String("cta.color", "grey")
	b.Layer("split", strata.ByUser).Domain("lab", share).Layer("ui", strata.ByUser, "cta.color").
		Experiment("cta-color", 1).
		Treatment("grey", 1, nil).
		Treatment("green", 1, strata.Values{"cta.color": "green"}).
		Running()
	plan, err := b.Build()
	require.NoError(t, err)
	return plan
}

// Pitfall 12: a holdout that is added to a running experiment's layer cannot
// swallow who was exposed. Its buckets come from the experiment's, which keeps
// them, draining, until it is over; a holdout gets what is free.
func TestPitfall12AHoldoutSwallowsNobodyExposed(t *testing.T) {
	eng, store := opened(t, colorPlan(0.9))
	before := treatments(eng, "cta-color", 1000)
	expose(eng, "cta-color", 0, 1000)
	flush(t, eng)
	holdout := strata.Experiment{Key: "holdout", Layer: "ui", Status: strata.StatusRunning,
		Treatments: []strata.Treatment{{Key: "on", Weight: 1}, {Key: "out", Weight: 0}}}
	taking := edited(t, store, func(p *strata.Plan) {
		taken := strata.BucketRange(0, 5000).Intersect(p.Experiments[0].Buckets)
		p.Experiments[0].Buckets = p.Experiments[0].Buckets.Minus(taken)
		holdout.Buckets = taken
		p.Experiments = append(p.Experiments, holdout)
	})
	opts := keep("cta-color")
	opts.Author, opts.Message = "a", "m"
	_, err := strata.Publish(t.Context(), store, taking, opts)
	require.ErrorIs(t, err, strata.ErrInvalidPlan)
	require.ErrorContains(t, err, "belong to")

	publish(t, store, edited(t, store, func(p *strata.Plan) {
		set, err := p.PickFree("ui", "holdout", 1000)
		require.NoError(t, err)
		holdout.Buckets = set
		p.Experiments = append(p.Experiments, holdout)
	}))
	require.NoError(t, eng.Refresh(t.Context()))
	require.Equal(t, before, treatments(eng, "cta-color", 1000))
}

// Pitfall 13: a domain that shrinks moves nobody who was exposed, and is not
// published unnoticed.
func TestPitfall13ShrinkingADomainIsNoticedAndKeepsTheExposed(t *testing.T) {
	eng, store := opened(t, labPlan(t, 0.8))
	before := treatments(eng, "cta-color", 2000)
	expose(eng, "cta-color", 0, 1000)
	flush(t, eng)
	plan := edited(t, store, func(p *strata.Plan) {
		p.Domains[0].Buckets = p.Domains[0].Buckets.Minus(strata.BucketRange(0, 5000))
	})
	_, err := strata.Publish(t.Context(), store, plan, strata.PublishOptions{Author: "a", Message: "m"})
	require.ErrorIs(t, err, strata.ErrMovesUnits)
	publish(t, store, plan, keep("cta-color"))
	require.NoError(t, eng.Refresh(t.Context()))
	left := 0
	for i, treatment := range treatments(eng, "cta-color", 2000) {
		switch {
		case i < 1000:
			require.Equal(t, before[i], treatment, "exposed user %d", i)
		case treatment != before[i]:
			require.Empty(t, treatment)
			left++
		}
	}
	require.InDelta(t, 400, left, 80)
}

func TestStoppingGivesTheBucketsBack(t *testing.T) {
	store := memstore.New()
	publish(t, store, colorPlan(0.5))
	held := colorPlan(0.5).Experiments[0].Buckets
	stored := publish(t, store, edited(t, store, func(p *strata.Plan) { p.Experiments[0].Status = strata.StatusStopped }))
	require.True(t, stored.Experiment("cta-color").Buckets.IsEmpty())
	require.Equal(t, 10_000, stored.Free("ui").Len())
	require.Len(t, stored.Ledger, 1)
	require.True(t, stored.Ledger[0].Buckets.Equal(held))

	// The next experiment gets what rested longest: what nobody ever held.
	next := publish(t, store, edited(t, store, func(p *strata.Plan) {
		require.NoError(t, p.Validate())
		set, err := p.PickFree("ui", "next", 6000)
		require.NoError(t, err)
		require.Equal(t, 1000, set.Intersect(held).Len())
		p.Experiments = append(p.Experiments, strata.Experiment{Key: "next", Layer: "ui", Status: strata.StatusRunning, Buckets: set,
			Treatments: []strata.Treatment{{Key: "a", Weight: 1}, {Key: "b", Weight: 1}}})
	}))
	over := next.CarryOver("next")
	require.Len(t, over, 1)
	require.Equal(t, "cta-color", over[0].Holder)
	require.Equal(t, 1000, over[0].Buckets.Len())
}

func TestDrainingEndsWithTheExperiment(t *testing.T) {
	_, store := opened(t, colorPlan(0.6))
	publish(t, store, edited(t, store, func(p *strata.Plan) { _ = p.Narrow("cta-color", 2000) }), keep("cta-color"))
	taken := edited(t, store, func(p *strata.Plan) {
		p.Experiments = append(p.Experiments, strata.Experiment{Key: "next", Layer: "ui",
			Buckets:    p.Experiments[0].Draining,
			Treatments: []strata.Treatment{{Key: "a", Weight: 1}, {Key: "b", Weight: 1}}})
	})
	_, err := strata.Publish(t.Context(), store, taken, strata.PublishOptions{Author: "a", Message: "m"})
	require.ErrorIs(t, err, strata.ErrInvalidPlan, "draining buckets belong to the experiment")
	stored := publish(t, store, edited(t, store, func(p *strata.Plan) { p.Experiments[0].Status = strata.StatusStopped }))
	require.True(t, stored.Experiment("cta-color").Draining.IsEmpty())
	require.Equal(t, 10_000, stored.Free("ui").Len())
}

func TestPublishRefusesTooManyKept(t *testing.T) {
	eng, store := opened(t, colorPlan(1))
	expose(eng, "cta-color", 0, 100)
	flush(t, eng)
	plan := edited(t, store, func(p *strata.Plan) { p.Experiments[0].Status = strata.StatusIntakeClosed })
	_, err := strata.Publish(t.Context(), store, plan, strata.PublishOptions{Author: "a", Message: "m", MaxKept: 99})
	require.ErrorIs(t, err, strata.ErrTooManyKept)
	require.ErrorContains(t, err, "new phase")
	_, err = strata.Publish(t.Context(), store, plan, strata.PublishOptions{Author: "a", Message: "m", MaxKept: 100})
	require.NoError(t, err)
}

// Nobody can be kept when ids hash differently, or when their treatment is gone.
func TestKeepSaysWhatItCannotDo(t *testing.T) {
	for name, change := range map[string]func(*strata.Plan){
		"salt":      func(p *strata.Plan) { p.Experiments[0].Salt = "other" },
		"diversion": func(p *strata.Plan) { p.Layers[0].Diversion = strata.ByDevice },
		"treatment": func(p *strata.Plan) { p.Experiments[0].Treatments[1].Key = "lime" },
	} {
		t.Run(name, func(t *testing.T) {
			store := memstore.New()
			publish(t, store, colorPlan(1))
			opts := keep("cta-color")
			opts.Author, opts.Message = "a", "m"
			_, err := strata.Publish(t.Context(), store, edited(t, store, change), opts)
			require.ErrorIs(t, err, strata.ErrInvalidPlan)
			var problems *strata.PlanError
			require.ErrorAs(t, err, &problems)
			require.Contains(t, problems.Problems[0].Path, "experiments[0]")
		})
	}
}

// A plan with EffectiveAt leaves exposures time to arrive: those recorded
// between publishing and the switch are kept as well.
func TestEffectiveAtKeepsExposuresUntilTheSwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		publish(t, store, colorPlan(1))
		eng := open(t, store, strata.Config{})
		expose(eng, "cta-color", 0, 50)
		flush(t, eng)
		plan := edited(t, store, func(p *strata.Plan) {
			p.EffectiveAt = time.Now().Add(time.Minute)
			p.Experiments[0].Status = strata.StatusIntakeClosed
		})
		publish(t, store, plan)
		time.Sleep(20 * time.Second)
		before := treatments(eng, "cta-color", 100)
		expose(eng, "cta-color", 50, 100)
		time.Sleep(39 * time.Second)
		require.Equal(t, before, treatments(eng, "cta-color", 100))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.EqualValues(t, 2, eng.Status().Version)
		require.Equal(t, before, treatments(eng, "cta-color", 100))
		require.Empty(t, treatments(eng, "cta-color", 101)[100])
	})
}

func TestEnginePublishRefreshes(t *testing.T) {
	eng, store := opened(t, colorPlan(1))
	plan := edited(t, store, func(p *strata.Plan) { p.Experiments[0].Status = strata.StatusStopped })
	stored, err := eng.Publish(t.Context(), plan, strata.PublishOptions{Author: "a", Message: "m"})
	require.NoError(t, err)
	require.EqualValues(t, 2, stored.Version)
	require.Empty(t, treatments(eng, "cta-color", 1)[0])
	_, err = eng.Publish(t.Context(), plan, strata.PublishOptions{Author: "a", Message: "m"})
	require.True(t, errors.Is(err, strata.ErrConflict))
}
