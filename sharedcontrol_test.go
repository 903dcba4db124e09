package strata_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
)

// sharedControlPlan compares two experiments with one control: "first" has it,
// "second" borrows it.
func sharedControlPlan() *strata.Plan {
	second := running("second", 5000, 8000)
	second.SharedControl = "first"
	second.Treatments = []strata.Treatment{{Key: "s1", Weight: 1, Values: strata.Values{"p": "s1"}}}
	return oneLayer(running("first", 0, 5000), second)
}

func TestASharedControlServesBoth(t *testing.T) {
	count := make(map[string]int)
	for _, a := range visitors(compiled(t, sharedControlPlan()), 3000) {
		d := decision(a, "l")
		first, second := a.Peek("first"), a.Peek("second")
		count[first+"/"+second]++
		switch b := d.Bucket(); {
		case b < 5000 && first == "t0":
			require.Equal(t, "t0", second, "the control of the one is the control of the other")
		case b < 5000:
			require.Equal(t, "t1", first)
			require.Empty(t, second)
		case b < 8000:
			require.Empty(t, first)
			require.Equal(t, "s1", second)
		default:
			require.Empty(t, first+second)
		}
	}
	require.Len(t, count, 4)
}

// Reading the parameter in the control exposes to both experiments; elsewhere
// to the unit's own only.
func TestASharedControlIsExposedToBoth(t *testing.T) {
	eng, store := engineOn(t, sharedControlPlan())
	param := strata.StringParam("p", "")
	want := map[string]map[string]int{"first": {}, "second": {}}
	for i := range 1000 {
		a := eng.Assign(visitor(i))
		param.Get(a)
		for key, count := range want {
			if x := a.Peek(key); x != "" {
				count[x]++
			}
		}
	}
	require.Len(t, want["first"], 2)
	require.Len(t, want["second"], 2)
	require.Equal(t, want["first"], exposedTo(t, eng, store, "first"))
	require.Equal(t, want["second"], exposedTo(t, eng, store, "second"))
	require.Equal(t, want["first"]["t0"], want["second"]["t0"])
}

// An experiment that is not running, or that admits nobody any more, counts no
// new units in a control that is not its own: its treatments get none either.
func TestASharedControlAdmitsNobodyToAnExperimentThatDoesNot(t *testing.T) {
	for _, status := range []strata.Status{strata.StatusDraft, strata.StatusIntakeClosed, strata.StatusStopped} {
		t.Run(string(status), func(t *testing.T) {
			p := sharedControlPlan()
			p.Experiments[1].Status = status
			eng, store := engineOn(t, p)
			param := strata.StringParam("p", "")
			for i := range 300 {
				a := eng.Assign(visitor(i))
				param.Get(a)
				a.Expose("second")
			}
			require.NotEmpty(t, exposedTo(t, eng, store, "first"))
			require.Empty(t, exposedTo(t, eng, store, "second"))
		})
	}
}
