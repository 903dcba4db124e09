package strata_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/seed"
)

// What the documentation says about allocation. AllocsPerRun works under the
// race detector as well: it counts, it does not time.

var (
	sinkTreatment string
	sinkDecisions int
)

//go:noinline
func readThroughHelper(a *strata.Assignment) string { return a.Treatment("exp-0") }

//go:noinline
func readByValue(a *strata.Assignment, p *strata.Param[string]) string { return p.Get(a) }

//go:noinline
func countDecisions(a *strata.Assignment) (n int) {
	for d := range a.All() {
		if d.Reason() == strata.ReasonAssigned {
			n++
		}
	}
	return n
}

func TestAssigningDoesNotAllocate(t *testing.T) {
	seed.OneGoroutine(t)
	const condition = `country in ["DE", "AT"] && app_version >= 5`
	attributes := map[string]any{"country": "AT", "app_version": 7}
	u := strata.Unit{User: "ada@example.com", Attributes: attributes}
	param := strata.StringParam("param-0", "off")
	plan := benchPlan(100, "")
	for name, audience := range map[string]string{"everybody": "", "audience": condition} {
		for i := range plan.Experiments {
			plan.Experiments[i].Audience = audience
		}
		snap := compiled(t, plan)
		eng, _ := engineOn(t, plan)
		// The first reading records the exposure; those after it find it noted.
		first := eng.Assign(u)
		require.NotEmpty(t, first.Treatment("exp-0"))
		for what, do := range map[string]func(){
			"Snapshot.Assign and Treatment": func() { a := snap.Assign(u); sinkTreatment = a.Treatment("exp-0") },
			"Engine.Assign and Treatment":   func() { a := eng.Assign(u); sinkTreatment = a.Treatment("exp-0") },
			"through a helper":              func() { a := eng.Assign(u); sinkTreatment = readThroughHelper(a) },
			"Peek":                          func() { a := eng.Assign(u); sinkTreatment = a.Peek("exp-7") },
			"Param.Get":                     func() { sinkTreatment = param.Get(eng.Assign(u)) },
			"Param.Get through a helper":    func() { sinkTreatment = readByValue(eng.Assign(u), param) },
			"Param.Peek":                    func() { sinkTreatment = param.Peek(snap.Assign(u)) },
			"All":                           func() { sinkDecisions = countDecisions(eng.Assign(u)) },
			"All, inlined": func() {
				a := snap.Assign(u)
				for d := range a.All() {
					sinkDecisions += d.Bucket()
				}
			},
		} {
			require.Zero(t, testing.AllocsPerRun(50, do), "%s, %s", what, name)
		}
		require.Equal(t, 100, countDecisions(eng.Assign(u)))
	}
}

func TestNestingDoesNotAllocate(t *testing.T) {
	snap := compiled(t, nestedPlan())
	param := strata.StringParam("inner.p", "")
	for i := range 20 {
		u := visitor(i)
		require.Zero(t, testing.AllocsPerRun(50, func() {
			a := snap.Assign(u)
			sinkTreatment = param.Peek(a)
			sinkTreatment = a.Peek("inner")
			sinkDecisions = countDecisions(a)
		}))
	}
}

// A plan is loaded with few allocations: each treatment's values are a map and what is in
// it, and everything else is cut from slabs.
func TestLoadingAllocatesLittle(t *testing.T) {
	seed.OneGoroutine(t)
	const experiments = 1000
	plan := layeredPlan(experiments)
	text, err := json.Marshal(plan)
	require.NoError(t, err)
	for what, c := range map[string]struct {
		most float64 // by experiment
		do   func() error
	}{
		"ParsePlan": {4.5, func() error { _, err := strata.ParsePlan(text); return err }},
		"Validate":  {0.1, plan.Validate},
		"Compile":   {0.25, func() error { _, err := strata.Compile(plan, noon); return err }},
		"Clone":     {2.5, func() error { _, err := plan.Clone(); return err }},
	} {
		allocs := testing.AllocsPerRun(3, func() { require.NoError(t, c.do()) })
		require.LessOrEqual(t, allocs/experiments, c.most, what)
	}
}
