package strata_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
)

// launchPlan rolls the parameter p out to half of the users, while an
// experiment on a fifth of them tries another value.
func launchPlan() *strata.Plan {
	p := oneLayer(running("trial", 0, 2000))
	p.Layers = append(p.Layers, strata.Layer{Key: "launches", Launch: true, Parameters: []string{"p"}})
	launch := running("roll-out", 0, 5000)
	launch.Layer = "launches"
	launch.Treatments = []strata.Treatment{{Key: "new", Weight: 1, Values: strata.Values{"p": "launched"}}}
	p.Experiments = append(p.Experiments, launch)
	return p
}

// What a launch sets is the new default. An experiment overrides it, and its
// control sees it.
func TestALaunchIsTheNewDefault(t *testing.T) {
	param := strata.StringParam("p", "in the code")
	seen := make(map[string]int)
	for _, a := range visitors(compiled(t, launchPlan()), 2000) {
		base := "default"
		if a.Peek("roll-out") == "new" {
			base = "launched"
		}
		switch trial := a.Peek("trial"); trial {
		case "t1":
			require.Equal(t, "t1", param.Peek(a), "the experiment's value comes before the launch's")
			seen["t1 over "+base]++
		default:
			require.Equal(t, base, param.Peek(a))
			seen["trial="+trial+" "+base]++
		}
	}
	require.Len(t, seen, 6, "%v", seen)
}

// Reading a parameter exposes whoever had a say: the experiment that owns it
// here, also its control, which sets nothing; and the launch, if its value or
// its absence of one was what came out. A launch that was overridden was not
// met.
func TestReadingExposesExperimentAndLaunch(t *testing.T) {
	eng, store := engineOn(t, launchPlan())
	param := strata.StringParam("p", "")
	trial, launch := make(map[string]int), make(map[string]int)
	for i := range 1000 {
		a := eng.Assign(visitor(i))
		param.Get(a)
		if x := a.Peek("trial"); x != "" {
			trial[x]++
		}
		if x := a.Peek("roll-out"); x != "" && a.Peek("trial") != "t1" {
			launch[x]++
		}
	}
	require.Equal(t, trial, exposedTo(t, eng, store, "trial"))
	require.Equal(t, launch, exposedTo(t, eng, store, "roll-out"))
}

// An experiment that does not touch the parameter is not exposed by reading it.
func TestReadingExposesOnlyWhatTouches(t *testing.T) {
	p := oneLayer(running("a", 0, 5000), running("b", 5000, 10000))
	p.Parameters = append(p.Parameters, strata.Parameter{Key: "q", Type: strata.TypeString, Default: ""})
	p.Layers[0].Parameters = append(p.Layers[0].Parameters, "q")
	p.Experiments[1].Treatments = arms("q", 1, 1)
	eng, store := engineOn(t, p)
	param := strata.StringParam("p", "")
	for i := range 500 {
		param.Get(eng.Assign(visitor(i)))
		param.Peek(eng.Assign(visitor(1000 + i)))
		param.Get(eng.Snapshot().Assign(visitor(2000 + i)))
	}
	exposed := exposedTo(t, eng, store, "a")
	require.InDelta(t, 250, exposed["t0"]+exposed["t1"], 60, "peeking and bare snapshots expose nobody")
	require.Empty(t, exposedTo(t, eng, store, "b"))
}
