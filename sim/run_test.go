package sim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/memstore"
	"github.com/strataxp/strata/sim"
)

var (
	buyers  = strata.Metric{Key: "buyers", Type: strata.MetricConversion, Measure: strata.Measure{Event: strata.KindPurchase}}
	revenue = strata.Metric{Key: "revenue", Type: strata.MetricSum, Measure: strata.Measure{Event: strata.KindPurchase, Value: strata.ValueTotal, Currency: "EUR"}}
)

// shopPlan has two overlapping experiments, at the product and at the checkout.
func shopPlan(t testing.TB) *strata.Plan {
	t.Helper()
	b := strata.NewPlan()
	b.Metric(buyers)
	b.Metric(revenue)
	b.Layer("checkout", strata.ByDevice).Experiment("one-page", 1).
		Treatment("off", 1, nil).Treatment("on", 1, nil).Metrics("buyers", "revenue").Running()
	b.Layer("product", strata.ByDevice).Experiment("photos", 0.8).
		Treatment("small", 1, nil).Treatment("large", 1, nil).Metrics("buyers")
	plan, err := b.Build()
	require.NoError(t, err)
	return plan
}

func shopOptions() sim.Options {
	return sim.Options{
		Seed: 1, Visitors: 4_000, Days: 10, Runs: 8,
		Meets: map[string]string{"one-page": "checkout", "photos": "view"},
		Effects: []sim.Effect{
			{Experiment: "one-page", Treatment: "on", From: "checkout", To: "pay", Weight: 2},
			{Experiment: "photos", Treatment: "large", From: "view", To: "add_to_cart", Weight: 1.3},
		},
	}
}

// coin is the smallest shop: half of its visitors buy, once, for 10 euros.
func coin() *sim.Model {
	return &sim.Model{
		Name: "coin", Start: "come", Baskets: sim.Baskets{Median: 10_00},
		States: []sim.State{
			{Key: "come", Next: []sim.Transition{{To: "buy", Weight: 1}, {To: "leave", Weight: 1}}},
			{Key: "buy", Event: sim.Track{Kind: strata.KindPurchase}, Next: []sim.Transition{{To: "leave", Weight: 1}}},
			{Key: "leave"},
		},
	}
}

// coinPlan has experiments a, b, … in layers of their own, each on all devices.
func coinPlan(t testing.TB, experiments int, change func(p *strata.Plan)) *strata.Plan {
	t.Helper()
	b := strata.NewPlan()
	b.Metric(buyers)
	b.Metric(revenue)
	for i := range experiments {
		key := string(rune('a' + i))
		b.Layer("layer-"+key, strata.ByDevice).Experiment(key, 1).Treatment("off", 1, nil).Treatment("on", 1, nil).Metrics("buyers").Running()
	}
	plan, err := b.Build()
	require.NoError(t, err)
	if change != nil {
		change(plan)
	}
	return plan
}

func ran(t testing.TB, p *strata.Plan, m *sim.Model, o sim.Options) *sim.Findings {
	t.Helper()
	f, err := sim.Run(t.Context(), p, m, o)
	require.NoError(t, err)
	return f
}

// All forms of the findings are the same for any number of workers, and the plan
// is what it was.
func TestFindingsFollowFromTheSeed(t *testing.T) {
	t.Parallel()
	o := shopOptions()
	o.Visitors, o.Runs, o.Days, o.TruthVisitors, o.Effects = 300, 2, 4, 240, o.Effects[1:]
	plan := shopPlan(t)
	before, err := json.Marshal(plan)
	require.NoError(t, err)
	var forms [3]string
	for i, workers := range []int{1, 3, 2} {
		o.Workers = workers
		if i == 2 {
			o.Seed, o.AA = o.Seed+1, true // which is quick
		}
		f := ran(t, plan, sim.Shop(), o)
		data, err := json.Marshal(f)
		require.NoError(t, err)
		var html bytes.Buffer
		require.NoError(t, f.WriteHTML(&html))
		forms[i] = f.String() + string(data) + html.String()
		wellFormed(t, html.String())
		for line := range strings.Lines(f.String()) {
			require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 100, line)
		}
	}
	require.Equal(t, forms[0], forms[1])
	require.NotEqual(t, forms[0], forms[2])
	after, err := json.Marshal(plan)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func wellFormed(t *testing.T, page string) {
	t.Helper()
	dec := xml.NewDecoder(strings.NewReader(page))
	dec.Entity = xml.HTMLEntity
	for {
		_, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
	}
}

// A weight of 1.5 makes six in ten buy where five did: a lift of 20 %, and of 32 %
// in revenue with baskets worth a tenth more. It is found, and estimated rightly.
func TestTheTrueLiftIsFound(t *testing.T) {
	seed.OneGoroutine(t)
	t.Parallel()
	plan := coinPlan(t, 1, func(p *strata.Plan) {
		p.Experiments[0].Metrics = []string{"buyers", "revenue"}
		p.Experiments[0].Analysis.Primary = []string{"buyers", "revenue"}
	})
	f := ran(t, plan, coin(), sim.Options{
		Seed: seed.Of(t), Visitors: 2_000, Runs: 10, Days: 7, TruthVisitors: 4_000,
		Effects: []sim.Effect{{Experiment: "a", Treatment: "on", From: "come", To: "buy", Weight: 1.5, Basket: 1.1}},
	})
	e := f.Experiments[0]
	require.InDelta(t, 2_000, e.Units.Value, 0.5, "every device meets it, up to the last instant")
	require.InDelta(t, e.Expected, e.Units.Value, 0.5)
	for i, lift := range []float64{0.2, 0.32} {
		c := e.Comparisons[i]
		require.Equal(t, []string{"buyers", "revenue"}[i], c.Metric)
		require.InDelta(t, lift, c.True.Value, 8*c.True.SE)
		require.Less(t, c.True.SE, 0.04, "the same visitors in both worlds")
		require.InDelta(t, 0, c.Bias.Value, 7*c.Bias.SE)
		require.GreaterOrEqual(t, c.Wins.Value, 0.7, "its power is above 0.95")
		require.Zero(t, c.Losses.Value)
		require.Greater(t, c.PlannedPower, 0.9)
		require.GreaterOrEqual(t, c.Covered.Value, 0.6, "of 10 at 95 %")
		require.Len(t, c.ByDay, 7)
		require.Positive(t, c.MedianDays)
		last := c.ByDay[6]
		require.GreaterOrEqual(t, last.Planned, 0.7)
		require.GreaterOrEqual(t, last.Wins, c.ByDay[5].Wins)
		require.NotEmpty(t, c.PValues.Reason)
	}
	require.Empty(t, f.Notes)
}

// Without effects about one run in twenty finds something: of 20 runs more than 6
// do with a probability of 3e-5.
func TestAAFindsNothing(t *testing.T) {
	seed.OneGoroutine(t)
	t.Parallel()
	runs := 20
	if seed.Long() {
		runs = 400
	}
	f := ran(t, coinPlan(t, 2, nil), coin(), sim.Options{
		Seed: seed.Of(t), Visitors: 600, Runs: runs, Days: 7, AA: true,
		Effects: []sim.Effect{{Experiment: "a", Treatment: "on", From: "come", To: "buy", Weight: 3}},
	})
	require.True(t, f.AA)
	limit := 0.05 + 5.5*math.Sqrt(0.05*0.95/float64(runs))
	for _, e := range f.Experiments {
		require.LessOrEqual(t, e.Decided.Value, limit)
		c := e.Comparisons[0]
		require.Zero(t, c.True)
		require.Empty(t, c.PValues.Reason)
		require.Greater(t, c.PValues.PValue, 1e-4)
		require.LessOrEqual(t, c.ByDay[6].Wins+c.ByDay[6].Losses, limit)
		require.InDelta(t, 0, c.Bias.Value, 7*c.Bias.SE)
	}
	require.Len(t, f.Pairs, 1)
	require.Empty(t, f.Pairs[0].Independent.Reason)
	require.Greater(t, f.Pairs[0].Independent.PValue, 1e-4)
	require.Empty(t, f.Pairs[0].Changes)
	require.Contains(t, f.String(), "p uniform")
}

// Two experiments on one transition: b doubles the weight of buying. Where it has
// done so already, a's factor 2 lifts from 2/3 to 4/5 and not from 1/2 to 2/3; half
// of a's units have it.
func TestExperimentsThatMeetChangeEachOther(t *testing.T) {
	seed.OneGoroutine(t)
	t.Parallel()
	effect := func(experiment string) sim.Effect {
		return sim.Effect{Experiment: experiment, Treatment: "on", From: "come", To: "buy", Weight: 2}
	}
	f := ran(t, coinPlan(t, 2, nil), coin(), sim.Options{
		Seed: seed.Of(t), Visitors: 400, Runs: 2, Days: 3, TruthVisitors: 2_400, Effects: []sim.Effect{effect("a"), effect("b")},
	})
	require.Len(t, f.Pairs[0].Changes, 2)
	alone, both := (2.0/3-0.5)/0.5, (2.0/3+4.0/5)/(0.5+2.0/3)-1
	for _, c := range f.Pairs[0].Changes {
		require.InDelta(t, alone, c.Alone.Value, 8*c.Alone.SE)
		require.InDelta(t, both, c.Both.Value, 8*c.Both.SE)
	}
	require.Contains(t, f.String(), "without the other")
}

// Faults of a plan show: ramps keep units out, and so does an audience that nobody
// matches. (Validation refuses what would make experiments depend on each other.)
func TestFaultsOfAPlanAreTold(t *testing.T) {
	seed.OneGoroutine(t)
	t.Parallel()
	start := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	f := ran(t, coinPlan(t, 2, func(p *strata.Plan) {
		p.Experiments[0].Schedule.Ramp = []strata.RampStep{{At: start, Share: 0.2}, {At: start.AddDate(0, 0, 3), Share: 1}}
		p.Experiments[0].Analysis.PlannedUnits = 300
		p.Experiments[1].Audience = `country == "Atlantis"`
	}), coin(), sim.Options{Seed: seed.Of(t), Visitors: 400, Runs: 3, Days: 6})
	require.Len(t, f.Notes, 2)
	require.Contains(t, f.Notes[0], "a reaches")
	require.Contains(t, f.Notes[1], "Nobody is in b")
	require.Zero(t, f.Experiments[1].Expected)
	require.NotEmpty(t, f.Pairs[0].Independent.Reason)
}

// What is wrong is said, and what is not is not.
func TestNotes(t *testing.T) {
	var f sim.Findings
	at := func(v, se float64) sim.Mean { return sim.Mean{Value: v, SE: se} }
	reset := func() {
		c := sim.ComparisonFindings{Estimated: 100, Metric: "m", Treatment: "t", True: at(0.1, 0.01), Lift: at(0.1, 0.01), Bias: at(0, 0.01), Wins: at(0.8, 0.04)}
		c.PValues.PValue = 0.5
		f = sim.Findings{Runs: 100, Days: 7, Level: 0.95, Experiments: []sim.ExperimentFindings{{Experiment: "e", Units: at(1000, 1), Expected: 1001, PlannedUnits: 1000,
			Comparisons: []sim.ComparisonFindings{c}}}, Pairs: []sim.PairFindings{{Experiments: [2]string{"e", "x"}}}}
		f.Pairs[0].Independent.PValue = 0.5
		f.Pairs[0].Changes = []sim.Interference{{Experiment: "x", Metric: "m", Treatment: "t", Alone: at(0.1, 0.01), Both: at(0.11, 0.01)}}
	}
	reset()
	require.Empty(t, sim.Notes(&f))
	for want, spoil := range map[string]func(e *sim.ExperimentFindings, c *sim.ComparisonFindings){
		"Nobody is in e":                        func(e *sim.ExperimentFindings, _ *sim.ComparisonFindings) { e.Units = sim.Mean{} },
		"e reaches 1,000":                       func(e *sim.ExperimentFindings, _ *sim.ComparisonFindings) { e.Expected = 1200 },
		"sample ratio":                          func(e *sim.ExperimentFindings, _ *sim.ComparisonFindings) { e.SampleRatioAlarms.Value = 0.1 },
		"meet two treatments":                   func(e *sim.ExperimentFindings, _ *sim.ComparisonFindings) { e.Contradictions.Value = 10 },
		"there is nothing":                      func(e *sim.ExperimentFindings, _ *sim.ComparisonFindings) { f.AA, e.Decided.Value = true, 0.2 },
		"not uniform":                           func(_ *sim.ExperimentFindings, c *sim.ComparisonFindings) { f.AA, c.PValues.PValue = true, 1e-6 },
		"is biased":                             func(_ *sim.ExperimentFindings, c *sim.ComparisonFindings) { c.Bias.Value = 0.1 },
		"found in 20.00 %":                      func(_ *sim.ExperimentFindings, c *sim.ComparisonFindings) { c.Wins.Value = 0.2 },
		"not independent":                       func(*sim.ExperimentFindings, *sim.ComparisonFindings) { f.Pairs[0].Independent.PValue = 1e-9 },
		"The effect of e changes the lift of x": func(*sim.ExperimentFindings, *sim.ComparisonFindings) { f.Pairs[0].Changes[0].Both.Value = 0.3 },
	} {
		reset()
		spoil(&f.Experiments[0], &f.Experiments[0].Comparisons[0])
		notes := sim.Notes(&f)
		require.Len(t, notes, 1, want)
		require.Contains(t, notes[0], want)
	}
}

// Units are counted by the id that a layer diverts by: users where visitors have
// logged in, and an audience lets in its share of them. Metrics with a window are
// complete, since visitors come until it is over.
func TestUsersAudiencesAndWindows(t *testing.T) {
	seed.OneGoroutine(t)
	t.Parallel()
	m := coin()
	m.Devices = sim.Devices{Shares: []float64{1, 1}, Switch: 0.5, Accounts: 0.5, Remembered: 0.5}
	m.States[0].Login = 0.8
	m.Returns = sim.Returns{Chance: 0.3, Gap: sim.LogNormal{Median: strata.Duration(20 * time.Hour), Sigma: 0.5}}
	m.Attributes = []sim.Attribute{{Name: "country", Values: []sim.AttributeValue{{Value: "DE", Weight: 3}, {Value: "FR", Weight: 1}}}}
	plan := coinPlan(t, 1, func(p *strata.Plan) {
		p.Layers[0].Diversion = strata.ByUser
		p.Experiments[0].Audience = `country == "DE"`
		p.Metrics[0].Window = strata.Duration(2 * 24 * time.Hour)
	})
	f := ran(t, plan, m, sim.Options{Seed: seed.Of(t), Visitors: 2_000, Runs: 2, Days: 6, AA: true})
	e := f.Experiments[0]
	users := 2_000 * 0.5 * (0.8 + 0.2*0.3*0.8) * 0.75
	require.InDelta(t, users, e.Units.Value, 5*math.Sqrt(users))
	require.InDelta(t, e.Expected, e.Units.Value, 5*math.Sqrt(users))
	require.Zero(t, e.Contradictions.Value)
}

// A shared control counts for neither experiment's own units, and true lifts go by
// it.
func TestSharedControl(t *testing.T) {
	seed.OneGoroutine(t)
	t.Parallel()
	b := strata.NewPlan()
	b.Metric(buyers)
	layer := b.Layer("l", strata.ByDevice)
	layer.Experiment("first", 0.5).Treatment("off", 1, nil).Treatment("on", 1, nil).Metrics("buyers").Running()
	layer.Experiment("second", 0.25).Treatment("cut", 1, nil).Treatment("new", 1, nil).Metrics("buyers").Running()
	plan, err := b.Build()
	require.NoError(t, err)
	plan.Experiments[1].SharedControl, plan.Experiments[1].Treatments = "first", plan.Experiments[1].Treatments[1:]
	f := ran(t, plan, coin(), sim.Options{
		Seed: seed.Of(t), Visitors: 800, Runs: 2, Days: 3, TruthVisitors: 3_000,
		Effects: []sim.Effect{{Experiment: "second", Treatment: "new", From: "come", To: "buy", Weight: 1.5}},
	})
	second := f.Experiments[1]
	require.InDelta(t, 200, second.Units.Value, 60)
	require.Equal(t, "off", second.Comparisons[0].Control)
	require.InDelta(t, 0.2, second.Comparisons[0].True.Value, 8*second.Comparisons[0].True.SE)
}

// With hardly anybody there is nothing to estimate, and nothing that JSON cannot
// hold.
func TestHardlyAnybodyComes(t *testing.T) {
	seed.OneGoroutine(t)
	t.Parallel()
	for visitors := 1; visitors < 4; visitors++ {
		o := sim.Options{Seed: seed.Of(t), Visitors: visitors, Runs: 1, Days: 1, TruthVisitors: 8,
			Effects: []sim.Effect{{Experiment: "a", Treatment: "on", From: "come", To: "buy", Weight: 2}}}
		f := ran(t, coinPlan(t, 1, nil), coin(), o)
		_, err := json.Marshal(f)
		require.NoError(t, err)
		require.NotContains(t, f.String(), "NaN")
		require.NotContains(t, f.String(), "Inf")
		wellFormedFindings(t, f)
	}
}

func wellFormedFindings(t *testing.T, f *sim.Findings) {
	t.Helper()
	var html bytes.Buffer
	require.NoError(t, f.WriteHTML(&html))
	wellFormed(t, html.String())
}

func TestProgressIsTold(t *testing.T) {
	var told []string
	ran(t, coinPlan(t, 1, nil), coin(), sim.Options{Visitors: 20, Runs: 3, Days: 2, Workers: 2, Progress: func(done, total int) {
		told = append(told, fmt.Sprintf("%d/%d", done, total))
	}})
	require.Equal(t, []string{"1/3", "2/3", "3/3"}, told)
}

func TestFailuresAreTold(t *testing.T) {
	plan, broken := coinPlan(t, 1, nil), errors.New("no disk")
	o := sim.Options{Visitors: 20, Runs: 3, Days: 2, Workers: 1}
	o.NewStore = func() (strata.Store, error) { return nil, broken }
	_, err := sim.Run(t.Context(), plan, coin(), o)
	require.ErrorIs(t, err, broken)

	ctx, cancel := context.WithCancel(t.Context())
	o.NewStore = func() (strata.Store, error) { cancel(); return memstore.New(), nil }
	_, err = sim.Run(ctx, plan, coin(), o)
	require.ErrorIs(t, err, context.Canceled)
}

func TestRunOptionsValidation(t *testing.T) {
	plan := coinPlan(t, 1, nil)
	effect := sim.Effect{Experiment: "a", Treatment: "on", From: "come", To: "buy", Weight: 2}
	other := func(change func(e *sim.Effect)) []sim.Effect {
		e := effect
		change(&e)
		return []sim.Effect{e}
	}
	for path, o := range map[string]sim.Options{
		"Visitors":              {Visitors: -1},
		"TruthVisitors":         {TruthVisitors: -1},
		"Days":                  {Days: 5_000},
		"Runs":                  {Runs: -1},
		"Workers":               {Workers: -1},
		"Level":                 {Level: 1},
		`Meets["z"]`:            {Meets: map[string]string{"z": "come"}},
		`Meets["a"]`:            {Meets: map[string]string{"a": "moon"}},
		"Effects[0].experiment": {Effects: other(func(e *sim.Effect) { e.Experiment = "z" })},
		"Effects[0].treatment":  {Effects: other(func(e *sim.Effect) { e.Treatment = "z" })},
		"Effects[0].from":       {Effects: other(func(e *sim.Effect) { e.From = "buy"; e.To = "come" })},
	} {
		_, err := sim.Run(t.Context(), plan, coin(), o)
		require.ErrorIs(t, err, sim.ErrOptions, path)
		var problem *sim.OptionsError
		require.ErrorAs(t, err, &problem)
		require.Equal(t, path, problem.Problems[0].Path)
	}
	_, err := sim.Run(t.Context(), nil, coin(), sim.Options{})
	require.ErrorIs(t, err, strata.ErrInvalidPlan)
	_, err = sim.Run(t.Context(), plan, nil, sim.Options{})
	require.ErrorIs(t, err, sim.ErrInvalidModel)
	_, err = sim.Run(t.Context(), &strata.Plan{}, coin(), sim.Options{})
	require.ErrorIs(t, err, sim.ErrOptions, "nothing to find")
	_, err = sim.Run(t.Context(), coinPlan(t, 1, func(p *strata.Plan) { p.Layers = nil }), coin(), sim.Options{})
	require.ErrorIs(t, err, strata.ErrInvalidPlan)
	_, err = sim.Run(t.Context(), plan, &sim.Model{}, sim.Options{})
	require.ErrorIs(t, err, sim.ErrInvalidModel)
}

// A look that was planned for a later day than the experiment's last finds what was
// found then, and days begin at any hour.
func TestCurvesGoOn(t *testing.T) {
	seed.OneGoroutine(t)
	t.Parallel()
	o := sim.Options{
		Seed: 1, Visitors: 1_500, Runs: 6, Days: 6, TruthVisitors: 200, Start: time.Date(2026, 1, 5, 18, 0, 0, 0, time.UTC),
		Effects: []sim.Effect{{Experiment: "a", Treatment: "on", From: "come", To: "buy", Weight: 3}},
	}
	short := coinPlan(t, 1, func(p *strata.Plan) { p.Experiments[0].Schedule.End = o.Start.AddDate(0, 0, 3) })
	for name, plan := range map[string]*strata.Plan{"ends early": short, "ends with the runs": coinPlan(t, 1, nil)} {
		c := ran(t, plan, coin(), o).Experiments[0].Comparisons[0]
		require.EqualValues(t, 1, c.Wins.Value, name)
		require.EqualValues(t, 1, c.ByDay[5].Planned, name)
		require.EqualValues(t, 1, c.ByDay[5].Wins, name)
		require.Equal(t, 6, c.Estimated, name)
	}
	o.Days = 1
	c := ran(t, coinPlan(t, 1, nil), coin(), o).Experiments[0].Comparisons[0]
	require.EqualValues(t, 1, c.ByDay[0].Planned, "one day that is parts of two")
}

func TestWhatCannotBeTriedIsSaid(t *testing.T) {
	seed.OneGoroutine(t)
	t.Parallel()
	o := sim.Options{Visitors: 100, Runs: 2, Days: 2, TruthVisitors: 100}
	for name, c := range map[string]struct {
		change func(*strata.Plan)
		says   string
	}{
		"a layer of requests": {func(p *strata.Plan) { p.Layers[0].Diversion = strata.ByRequest }, "diverts by request"},
		"a late start":        {func(p *strata.Plan) { p.Experiments[1].Schedule.Start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) }, "raise Days"},
		"a long ramp": {func(p *strata.Plan) {
			p.Experiments[0].Schedule.Ramp = []strata.RampStep{{At: time.Date(2026, 1, 25, 0, 0, 0, 0, time.UTC), Share: 1}}
		}, "raise Days"},
	} {
		plan := coinPlan(t, 2, c.change)
		start := o
		start.Start = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
		_, err := sim.Run(t.Context(), plan, coin(), start)
		require.ErrorIs(t, err, sim.ErrOptions, name)
		require.ErrorContains(t, err, c.says, name)
	}
	f := ran(t, coinPlan(t, 2, func(p *strata.Plan) { p.Layers[1].Diversion = strata.BySession }), coin(), o)
	require.Contains(t, strings.Join(f.Notes, "\n"), "a and b divert by different ids")
	o.Meets = map[string]string{"a": "leave"}
	o.Effects = []sim.Effect{{Experiment: "a", Treatment: "on", From: "come", To: "buy", Weight: 3}}
	f = ran(t, coinPlan(t, 1, nil), coin(), o)
	require.Contains(t, strings.Join(f.Notes, "\n"), "its effect changes nothing")
}
