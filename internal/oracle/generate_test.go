package oracle_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/strataxp/strata"
)

// noon is the instant around which schedules are drawn.
var noon = time.Date(2025, 6, 2, 12, 0, 0, 0, time.UTC)

// fromCoarse are the diversions from the coarsest to the finest.
var fromCoarse = []strata.Diversion{strata.ByTenant, strata.ByUser, strata.ByDevice, strata.BySession, strata.ByRequest}

// generator draws valid plans.
type generator struct {
	t      *rapid.T
	plan   *strata.Plan
	lively bool // a small plan in which most experiments run, with a domain
	deep   bool // a domain in each layer, which has most of it, down to the third
}

func (g *generator) int(low, high int, label string) int {
	return rapid.IntRange(low, high).Draw(g.t, label)
}

func (g *generator) chance(percent int, label string) bool {
	return g.int(0, 99, label) >= 100-percent // shrinks to false
}

// drawPlan draws a plan with layers, nested domains and experiments of all
// kinds, and with a launch layer or without one.
func drawPlan(t *rapid.T) *strata.Plan { return (&generator{t: t}).draw() }

// drawLivelyPlan is drawPlan for small plans in which much goes on.
func drawLivelyPlan(t *rapid.T) *strata.Plan { return (&generator{t: t, lively: true}).draw() }

// drawDeepPlan is drawPlan for plans in which most units come far down.
func drawDeepPlan(t *rapid.T) *strata.Plan {
	return (&generator{t: t, lively: true, deep: true}).draw()
}

func (g *generator) draw() *strata.Plan {
	g.plan = &strata.Plan{}
	layers := 1
	if !g.lively {
		layers = g.int(1, 2, "layers")
	}
	for range layers {
		g.layer("", 0, 0)
	}
	if g.chance(50, "launch") {
		l := strata.Layer{Key: "launch", Launch: true}
		for _, p := range g.plan.Parameters {
			l.Parameters = append(l.Parameters, p.Key)
		}
		g.plan.Layers = append(g.plan.Layers, l)
		g.share(&l, nil)
	}
	return g.plan
}

// layer adds a layer with a parameter of its own, with experiments, and perhaps
// with a domain. Layers below one by session do not divert by user.
func (g *generator) layer(within string, coarsest, depth int) {
	key := fmt.Sprintf("layer%d", len(g.plan.Layers))
	diversion := coarsest
	if g.chance(40, "other diversion") {
		diversion = g.int(coarsest, len(fromCoarse)-1, "diversion")
	}
	l := strata.Layer{Key: key, Domain: within, Diversion: fromCoarse[diversion], Parameters: []string{g.parameter()}}
	if g.chance(20, "layer salt") {
		l.Salt = "salt/" + key
	}
	g.plan.Layers = append(g.plan.Layers, l)
	var nested *strata.Domain
	if g.nests(depth) {
		nested = &strata.Domain{Key: "domain-" + key, Layer: key}
	}
	g.share(&l, nested)
	if nested == nil {
		return
	}
	g.plan.Domains = append(g.plan.Domains, *nested)
	inner := 1
	if !g.deep {
		inner = g.int(1, 2, "inner layers")
	}
	for range inner {
		g.layer(nested.Key, diversion, depth+1)
	}
}

// nests draws whether a layer has a domain.
func (g *generator) nests(depth int) bool {
	if g.deep {
		return depth < 3
	}
	if g.lively {
		return depth == 0 || depth == 1 && g.chance(30, "domain")
	}
	return depth < 3 && g.chance(60, "domain")
}

var paramTypes = []strata.ParamType{strata.TypeString, strata.TypeBool, strata.TypeInt, strata.TypeFloat, strata.TypeJSON}

// parameter adds a parameter and returns its key.
func (g *generator) parameter() string {
	n := len(g.plan.Parameters)
	p := strata.Parameter{Key: fmt.Sprintf("param%d", n), Type: paramTypes[n%len(paramTypes)]}
	p.Default = valueFor(p.Type, 0)
	g.plan.Parameters = append(g.plan.Parameters, p)
	return p.Key
}

// valueFor returns the n-th value of a type.
func valueFor(kind strata.ParamType, n int) any {
	switch kind {
	case strata.TypeBool:
		return n%2 == 1
	case strata.TypeInt:
		return n + 1<<60 // no float64 holds it
	case strata.TypeFloat:
		return float64(n) / 3
	case strata.TypeJSON:
		return map[string]any{"n": n, "list": []any{true, nil, "x"}}
	}
	return fmt.Sprint("text ", n)
}

// share divides a layer's buckets, in blocks, among experiments, a domain and
// nobody.
func (g *generator) share(l *strata.Layer, nested *strata.Domain) {
	owned := make([]strata.Buckets, 1+g.int(1, 3, "experiments"))
	const block = strata.NumBuckets / 20
	owners := len(owned)
	if nested != nil {
		owners += 3 // much of a layer is its domain's, or the depth is empty
		if g.deep {
			owners += 10
		}
	}
	for b := 0; b < strata.NumBuckets; b += block {
		owner, set := g.int(0, owners-1, "owner"), strata.BucketRange(b, b+block)
		switch {
		case owner >= len(owned):
			nested.Buckets = nested.Buckets.Union(set)
		case owner > 0:
			owned[owner] = owned[owner].Union(set)
		}
	}
	for i, set := range owned[1:] {
		g.experiment(l, i, set)
	}
}

func (g *generator) experiment(l *strata.Layer, i int, set strata.Buckets) {
	e := strata.Experiment{
		Key: fmt.Sprintf("%s-exp%d", l.Key, i), Layer: l.Key, Phase: g.int(0, 2, "phase"), Buckets: set,
		Status: rapid.SampledFrom([]strata.Status{strata.StatusRunning, strata.StatusRunning, strata.StatusRunning, "", strata.StatusDraft, strata.StatusIntakeClosed, strata.StatusStopped}).Draw(g.t, "status"),
	}
	if g.lively && g.chance(80, "runs") {
		e.Status = strata.StatusRunning
	}
	if g.chance(20, "salt") {
		e.Salt = "another salt of " + e.Key
	}
	if g.chance(40, "audience") {
		e.Audience = drawAudience(g.t, 2)
	}
	e.Schedule = g.schedule()
	for n := range g.int(2, 4, "treatments") {
		e.Treatments = append(e.Treatments, g.treatment(l, n))
	}
	e.Treatments[0].Weight++ // not all are 0
	g.plan.Experiments = append(g.plan.Experiments, e)
}

func (g *generator) treatment(l *strata.Layer, n int) strata.Treatment {
	t := strata.Treatment{Key: fmt.Sprintf("t%d", n), Weight: g.int(0, 5, "weight"), Values: strata.Values{}}
	for _, key := range l.Parameters {
		if n > 0 && g.chance(70, "sets") {
			t.Values[key] = valueFor(g.plan.Parameter(key).Type, n)
		}
	}
	return t
}

// schedule draws limits around noon.
func (g *generator) schedule() (s strata.Schedule) {
	if g.chance(15, "start") {
		s.Start = noon.Add(time.Duration(g.int(-2, 1, "start at")) * time.Hour)
	}
	if g.chance(15, "end") {
		s.End = noon.Add(time.Duration(g.int(3, 9, "end at")) * time.Hour / 2)
	}
	if g.chance(30, "ramp") {
		first := g.int(-3, 1, "ramp at")
		for i, share := range []float64{0.2, 1. / 3, 0.7, 1}[g.int(0, 2, "ramp from"):] {
			step := strata.RampStep{At: noon.Add(time.Duration(first+i) * 20 * time.Minute), Share: share}
			if s.End.IsZero() || step.At.Before(s.End) {
				s.Ramp = append(s.Ramp, step)
			}
		}
	}
	return s
}

// drawAudience draws a condition of every form in the table of
// docs/audience.md.
func drawAudience(t *rapid.T, depth int) string {
	if depth > 0 && rapid.IntRange(0, 2).Draw(t, "inner condition") > 0 {
		a, b := drawAudience(t, depth-1), drawAudience(t, depth-1)
		join := rapid.SampledFrom([]string{"%s and %s", "%s or %s", "not (%s) && %s", "%s || !(%s)", "(%s or %s)", "not (%s and %s)"}).Draw(t, "join")
		return fmt.Sprintf(join, a, b)
	}
	return rapid.SampledFrom(conditions).Draw(t, "condition")
}

var conditions = []string{
	`country == "DE"`, `country != "DE"`, `"AT" == country`, `country in ["DE", "AT"]`, `country not in ['DE', "FR"]`, `country == nil`, `country != nil`,
	`app.version >= 5`, `app.version < 5`, `3 <= app.version`, `app.version == 4.5`, `app.version != 7`, `app.version in [1, 2, 3.5, 7]`, `app.version not in [4, 5]`, `app.version > -1`, `app.version == nil`,
	`premium`, `not premium`, `!premium`, `premium == true`, `premium != true`, `false == premium`, `premium != nil`, `true`, `false`,
	`"beta" in tags`, `"beta" not in tags`, `tags == nil`,
	`page contains "shop"`, `page startsWith "/shop"`, `page endsWith "?"`, `page matches "^/shop/[a-z]+$"`, `page == "it's \"quoted\""`,
}

type named string

// drawAttributes makes attributes from a number: the same from the same.
func drawAttributes(r *rand.Rand) map[string]any {
	out := make(map[string]any)
	set := func(key string, values ...any) {
		if i := r.IntN(len(values) + 1); i < len(values) { // else it is missing
			out[key] = values[i]
		}
	}
	set("country", "DE", "AT", named("DE"), "FR", 7, nil, true)
	set("app.version", 4, 4.5, 5.0, uint8(7), int64(3), float32(3.5), "5", -2, nil)
	set("premium", true, false, true, false, "yes")
	set("tags", []string{"beta"}, []string{"alpha", "beta"}, []string{}, []any{"beta", "x"}, []any{"x"}, "beta")
	set("page", "/shop/shoes", "/shop/", "/home?", "", `it's "quoted"`)
	return out
}

// drawUnit makes a unit that lacks some of its ids.
func drawUnit(r *rand.Rand) strata.Unit {
	ids := make([]string, len(fromCoarse))
	for i := range ids {
		if r.IntN(12) > 0 {
			ids[i] = fmt.Sprintf("id-%d-%d", i, r.Uint32())
		}
	}
	return strata.Unit{Tenant: ids[0], User: ids[1], Device: ids[2], Session: ids[3], Request: ids[4], Attributes: drawAttributes(r)}
}

// keys returns the keys of a plan's experiments.
func keys(p *strata.Plan) []string {
	var list []string
	for i := range p.Experiments {
		list = append(list, p.Experiments[i].Key)
	}
	slices.Sort(list)
	return list
}
