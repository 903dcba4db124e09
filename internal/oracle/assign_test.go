package oracle_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/oracle"
	"github.com/strataxp/strata/internal/seed"
)

// reached counts what a test has met, by name.
type reached map[string]int

// require fails the test if one of the names was never met.
func (r reached) require(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		require.Positive(t, r[name], "no run has met %q, of %v", name, r)
	}
}

// see counts why units got what they got.
func (r reached) see(p *strata.Plan, a *strata.Assignment) {
	drains := make(map[string]bool) // by domain; a layer comes after those that it lies in
	for d := range a.All() {
		r[d.Reason().String()]++
		if d.Nested() != "" {
			drains[d.Nested()] = drains[d.Domain()] || p.Domain(d.Nested()).Draining.Contains(d.Bucket())
		}
		if d.Reason() == strata.ReasonHeld {
			r[keptBecause(p.Experiment(d.Experiment()), &d, drains[d.Domain()])]++
		}
		if d.Reason() != strata.ReasonAssigned && d.Reason() != strata.ReasonHeld {
			continue
		}
		depth := 0
		for l := p.Layer(d.Layer()); l.Domain != ""; l = p.Layer(p.Domain(l.Domain).Layer) {
			depth++
		}
		r[fmt.Sprint("depth ", depth)]++
		if len(p.Experiment(d.Experiment()).Schedule.Ramp) > 0 {
			r["on a ramp"]++
		}
		if p.Experiment(d.Experiment()).Audience != "" {
			r["in an audience"]++
		}
		if p.Layer(d.Layer()).Launch {
			r["launch"]++
		}
	}
}

// keptBecause says why a unit is held.
func keptBecause(e *strata.Experiment, d *strata.Decision, domainDrains bool) string {
	switch {
	case e.Status == strata.StatusIntakeClosed:
		return "kept while intake is closed"
	case e.Draining.Contains(d.Bucket()):
		return "kept while buckets drain"
	case domainDrains:
		return "kept while a domain drains"
	case e.Earlier[len(e.Earlier)-1].Audience != e.Audience:
		return "kept outside of the audience"
	}
	return "kept in another treatment"
}

// The model and the library give every unit the same, in plans of all kinds.
func TestModelAgreesWithCompiledPlans(t *testing.T) {
	seed.OneGoroutine(t)
	met := reached{}
	rapid.Check(t, func(t *rapid.T) {
		for range 9 {
			met.compareCompiled(t, drawPlan(t))
		}
		met.compareCompiled(t, drawDeepPlan(t))
	})
	met.require(t, "assigned", "audience", "not running", "no id", "not in a bucket", "intake closed", "nested domain", "depth 0", "depth 1", "depth 2", "depth 3", "on a ramp", "in an audience", "launch")
}

// compareCompiled compares what a plan gives units, at some instant.
func (r reached) compareCompiled(t *rapid.T, plan *strata.Plan) {
	at := noon.Add(time.Duration(rapid.IntRange(-150, 300).Draw(t, "minutes")) * time.Minute)
	snap, err := strata.Compile(plan, at)
	require.NoError(t, err)
	model, err := oracle.NewPlan(plan)
	require.NoError(t, err)
	require.NoError(t, oracle.Exclusive(plan))
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "units"), 1))
	for range 60 {
		a := snap.Assign(drawUnit(random))
		r.see(plan, a)
		requireSame(t, model, plan, at, a, nil, nil)
	}
}

// requireSame compares what the library gives a unit with what it should. A unit
// that met two treatments may get what either exposure leads to: see world.last.
func requireSame(t *rapid.T, model *oracle.Plan, plan *strata.Plan, at time.Time, a *strata.Assignment, first, last oracle.Held) {
	u := a.Unit()
	want, or := model.Treatments(at, &u, first), model.Treatments(at, &u, last)
	for _, key := range keys(plan) {
		if got := a.Peek(key); got != want[key] && got != or[key] {
			require.Equal(t, want[key], got, "experiment %q, unit %+v, at %s; %v\n%s", key, u, at, decisions(a), facts(plan, key, &u, first))
		}
	}
	if !maps.Equal(want, or) {
		return
	}
	values, err := model.Values(at, &u, first)
	require.NoError(t, err)
	for i := range plan.Parameters {
		p := &plan.Parameters[i]
		if got := peek(p, a); !reflect.DeepEqual(values[p.Key], got) {
			require.Equal(t, values[p.Key], got, "parameter %q, unit %+v, at %s; %v", p.Key, u, at, decisions(a))
		}
	}
}

// facts tells what bears on a unit in an experiment.
func facts(plan *strata.Plan, experiment string, u *strata.Unit, held oracle.Held) string {
	e := plan.Experiment(experiment)
	text, err := json.MarshalIndent(e, "", " ")
	if err != nil {
		return err.Error()
	}
	if held == nil {
		return fmt.Sprintf("plan %d: %s", plan.Version, text)
	}
	treatment, version, ok := held(experiment, e.Phase, u.ID(plan.Layer(e.Layer).Diversion))
	return fmt.Sprintf("plan %d: %s\nexposed before: %v, to %q by version %d", plan.Version, text, ok, treatment, version)
}

func decisions(a *strata.Assignment) (list []string) {
	for d := range a.All() {
		list = append(list, d.String())
	}
	return list
}

// peek reads a parameter without exposing the unit.
func peek(p *strata.Parameter, a *strata.Assignment) any {
	switch p.Type {
	case strata.TypeBool:
		return strata.BoolParam(p.Key, false).Peek(a)
	case strata.TypeInt:
		return strata.IntParam(p.Key, -1).Peek(a)
	case strata.TypeFloat:
		return strata.FloatParam(p.Key, -1).Peek(a)
	case strata.TypeJSON:
		return strata.JSONParam[any](p.Key, nil).Peek(a)
	}
	return strata.StringParam(p.Key, "").Peek(a)
}
