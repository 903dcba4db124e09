package simtest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/sim"
)

// experimentKeys are the experiments of a world, and meets says in which state of
// the model a visitor meets each. Those of draft begin as drafts.
var (
	meets = map[string]string{
		"color": "land", "price": "view", "search": "search", "menu": "browse", "pay": "checkout", "rollout": "land", "depth": "view", "extra": "view",
	}
	experimentKeys = slices.Sorted(maps.Keys(meets))
)

// controlKey is the control's key in all experiments.
const controlKey = "off"

// effects are what treatments do to visitors: that of pay is worth something, the
// others are A/A tests.
var effects = []sim.Effect{{Experiment: "pay", Treatment: "short", From: "checkout", To: "pay", Weight: 2}}

// model is a shop in which many come back within hours, and many buy.
func model() *sim.Model {
	m := sim.Shop()
	m.Returns = sim.Returns{Chance: 0.7, Gap: sim.LogNormal{Median: strata.Duration(2 * time.Hour), Sigma: 1}}
	m.Devices.Accounts, m.Devices.Remembered = 0.8, 0.8
	for i := range m.States {
		if m.States[i].Key == "land" {
			m.States[i].Login = 0.5
		}
	}
	return m
}

// firstPlan is the plan that a world begins with: layers of three diversions, one
// of them nested in a domain, an audience, a ramp, a draft and a rollout.
func firstPlan(start time.Time) (*strata.Plan, error) {
	b := strata.NewPlan()
	b.String("color", "grey").String("price", "plain").String("search", "old").String("menu", "top").String("pay", "long").String("depth", "flat")
	for _, m := range metrics() {
		b.Metric(m)
	}
	two := func(l *strata.LayerBuilder, key string, share float64, param, on string) *strata.ExperimentBuilder {
		return l.Experiment(key, share).Treatment(controlKey, 1, nil).Treatment(on, 1, strata.Values{param: on}).Metrics("orders", "revenue", "pages")
	}
	ui := b.Layer("ui", strata.ByUser, "color", "price")
	two(ui, "color", 0.4, "color", "green").Running()
	two(ui, "price", 0.3, "price", "bold").Treatment("huge", 2, strata.Values{"price": "huge"}).Audience(`country in ["DE", "AT", "NL"]`).Running()
	two(ui, "extra", 0.1, "color", "blue")
	device := b.Layer("device", strata.ByDevice, "menu", "pay")
	two(device, "menu", 0.5, "menu", "left").Running()
	two(device, "pay", 0.4, "pay", "short").Running()
	two(b.Layer("session", strata.BySession, "search"), "search", 0.6, "search", "new").Running()
	inner := b.Layer("outer", strata.ByDevice).Domain("half", 0.5).Layer("inner", strata.ByDevice, "depth")
	two(inner, "depth", 0.7, "depth", "deep").Running()
	launch := b.LaunchLayer("launch", strata.ByUser, "search")
	two(launch, "rollout", 0.5, "search", "fast").Running()
	p, err := b.Build()
	if err != nil {
		return nil, fmt.Errorf("simtest: the first plan: %w", err)
	}
	p.Experiment("menu").Schedule.Ramp = []strata.RampStep{{At: start, Share: 0.2}, {At: start.Add(9*time.Hour + time.Millisecond), Share: 0.8}, {At: start.Add(20 * time.Hour), Share: 1}}
	// Buckets in a row make the plan a short text, which is read often.
	free := map[string]int{}
	for i := range p.Experiments {
		e := &p.Experiments[i]
		n := e.Buckets.Len()
		e.Buckets = strata.BucketRange(free[e.Layer], free[e.Layer]+n)
		free[e.Layer] += n
	}
	p.Domain("half").Buckets = strata.BucketRange(0, strata.NumBuckets/2)
	p.Experiment("color").Analysis.Breakdowns = []string{"country"}
	return p, nil
}

// metrics are of every type that a store adds up exactly.
func metrics() []strata.Metric {
	orders := strata.Measure{Event: strata.KindPurchase}
	return []strata.Metric{
		{Key: "orders", Type: strata.MetricConversion, Measure: orders, Window: strata.Duration(3 * time.Hour)},
		{Key: "revenue", Type: strata.MetricSum, Measure: strata.Measure{Event: strata.KindPurchase, Value: strata.ValueTotal, Currency: "EUR"}, Cap: 200_00, PrePeriod: strata.Duration(12 * time.Hour)},
		{Key: "pages", Type: strata.MetricCount, Measure: strata.Measure{Event: strata.KindPageView}},
	}
}

// change changes a plan. e is the step's experiment, n its amount.
type change func(p *strata.Plan, e *strata.Experiment, n int) error

// changes are what an author may do, by name. Some cannot be done at times:
// publishing refuses them.
var changes = map[string]change{
	"widen": func(p *strata.Plan, e *strata.Experiment, n int) error {
		return p.Widen(e.Key, n%(1+min(2000, p.Free(e.Layer).Len())))
	},
	"narrow": func(p *strata.Plan, e *strata.Experiment, n int) error { return p.Narrow(e.Key, n%(1+e.Buckets.Len())) },
	"take drained buckets back": func(_ *strata.Plan, e *strata.Experiment, _ int) error {
		e.Buckets = e.Buckets.Union(e.Draining)
		return nil
	},
	"weigh": func(_ *strata.Plan, e *strata.Experiment, n int) error {
		e.Treatments[n%len(e.Treatments)].Weight = 1 + n/8%9
		return nil
	},
	"add a treatment": func(_ *strata.Plan, e *strata.Experiment, n int) error {
		e.Treatments = append(e.Treatments, strata.Treatment{Key: fmt.Sprint("arm-", len(e.Treatments)), Weight: 1 + n%3})
		return nil
	},
	"audience": func(_ *strata.Plan, e *strata.Experiment, n int) error {
		e.Audience = []string{``, `country == "DE"`, `country in ["DE", "FR", "AT"]`, `country != "DE" && country != "NL"`, `!(country == "AT") || device == "phone"`}[n%5]
		return nil
	},
	"close intake": func(_ *strata.Plan, e *strata.Experiment, _ int) error {
		e.Status = strata.StatusIntakeClosed
		return nil
	},
	"run":  func(_ *strata.Plan, e *strata.Experiment, _ int) error { e.Status = strata.StatusRunning; return nil },
	"stop": func(_ *strata.Plan, e *strata.Experiment, _ int) error { e.Status = strata.StatusStopped; return nil },
	"new phase": func(_ *strata.Plan, e *strata.Experiment, _ int) error {
		e.Phase++
		e.Status = strata.StatusRunning
		return nil
	},
	"add a metric": func(p *strata.Plan, e *strata.Experiment, n int) error {
		key := fmt.Sprint("clicks-", len(p.Metrics))
		p.Metrics = append(p.Metrics, strata.Metric{Key: key, Type: strata.MetricCount, Measure: strata.Measure{Event: strata.KindCustom, Name: "add_to_cart"}, Window: strata.Duration(time.Duration(n%48) * time.Hour)})
		e.Metrics = append(e.Metrics, key)
		return nil
	},
	"shrink the domain": func(p *strata.Plan, _ *strata.Experiment, n int) error {
		d := p.Domain("half")
		d.Buckets = d.Buckets.Minus(strata.BucketRange(0, n%strata.NumBuckets))
		return nil
	},
	"grow the domain": func(p *strata.Plan, _ *strata.Experiment, _ int) error {
		d := p.Domain("half")
		d.Buckets = d.Buckets.Union(d.Draining).Union(p.Free("outer"))
		return nil
	},
	"launch": func(p *strata.Plan, _ *strata.Experiment, n int) error {
		e := p.Experiment("rollout")
		return p.Widen(e.Key, n%(1+p.Free(e.Layer).Len()))
	},
	"ramp": func(p *strata.Plan, e *strata.Experiment, n int) error {
		at := p.EffectiveAt.Add(time.Duration(1+n%7200) * time.Second)
		e.Schedule.Ramp = []strata.RampStep{{At: at, Share: 0.5}, {At: at.Add(time.Hour), Share: 1}}
		return nil
	},
	"end": func(p *strata.Plan, e *strata.Experiment, n int) error {
		e.Schedule.End = p.EffectiveAt.Add(time.Duration(1+n%7200) * time.Second)
		return nil
	},
}

// changeNames are what changes are drawn from. Those behind which units meet another
// treatment, or drain, come more often.
var changeNames = append(slices.Sorted(maps.Keys(changes)), "weigh", "weigh", "new phase", "shrink the domain")
