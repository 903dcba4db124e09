package main

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func fixed(workload, subject string, exposures bool, nanos ...float64) *task {
	return &task{
		workload: workload, subject: subject, exposures: exposures, floor: strings.HasPrefix(subject, "floor"),
		figures: figures{least: nanos, nanos: nanos, allocs: make([]float64, len(nanos))},
	}
}

func TestTable(t *testing.T) {
	w := workload{name: oneOf1, title: "One experiment", floor: floorLookup}
	tasks := []*task{
		fixed(oneOf1, "growthbook", true, 3000, 4000),
		fixed(oneOf1, "growthbook", false, 1500, 1500),
		fixed(oneOf1, "strata", true, 60),
		fixed(oneOf1, "strata", false, 40, 44),
		fixed(oneOf1, floorLookup, false, 20, 22),
		fixed(oneOf100, "strata", false, 1),
	}
	tasks[1].figures.allocs = []float64{14, 14}
	table := newTable(&w, tasks)

	var text strings.Builder
	table.write(&text, false)
	require.Equal(t, `One experiment (one-of-1)

library                exposures  best     median   p90/p10  allocs  × floor  × floor, medians  × strata
floor b: map and hash             20.0 ns  21.0 ns  1.08     0       1.00     1.00
strata                 off        40.0 ns  42.0 ns  1.08     0       2.00     2.00              1.00
growthbook             off        1.50 µs  1.50 µs  1.00     14.0    75.0     71.4              37.5
strata                 on         60.0 ns  60.0 ns  1.00     0       3.00     2.86              1.00
growthbook             on         3.00 µs  3.50 µs  1.26     0       150      167               50.0

`, text.String())

	text.Reset()
	table.write(&text, true)
	require.Contains(t, text.String(), "### One experiment\n\n| library | exposures | best |")
	require.Contains(t, text.String(), "\n|---|---|--:|--:|--:|--:|--:|--:|--:|\n")
	require.Contains(t, text.String(), "\n| strata | off | 40.0 ns | 42.0 ns | 1.08 | 0 | 2.00 | 2.00 | 1.00 |\n")
}

func TestUnits(t *testing.T) {
	for nanos, want := range map[float64]string{
		0.5: "0.50 ns", 99.94: "99.9 ns", 999.4: "999 ns", 999.6: "1.00 µs", 43_210: "43.2 µs", 1.5e6: "1.50 ms", 2e9: "2000 ms",
	} {
		require.Equal(t, want, duration(nanos))
	}
	require.Equal(t, "0", decimal(0.004))
}

// keptTasks are measurements with which every target holds, barely.
func keptTasks() map[string]*task {
	tasks := map[string]*task{}
	add := func(name, workload, subject string, exposures bool, nanos float64) {
		tasks[name] = fixed(workload, subject, exposures, nanos)
	}
	for _, w := range []string{oneOf1, oneOf100} {
		add(w+" floor", w, floorLookup, false, 20)
		for _, exposures := range bothStates {
			add(w+" strata"+choose(exposures), w, "strata", exposures, 40)
			add(w+" rival"+choose(exposures), w, "growthbook", exposures, 400)
		}
	}
	add("floor", allBatch, floorLoop, false, 400)
	add("all", allBatch, "strata", false, 800)
	add("rival's loop", allLoop, "growthbook", false, 40_000)
	add("rival's batch", allBatch, "launchdarkly", false, 50_000)
	add("load", loading, "strata", false, 1e6)
	add("rival's load", loading, "posthog", false, 1e6)
	return tasks
}

func list(tasks map[string]*task) []*task {
	var all []*task
	for _, t := range tasks {
		all = append(all, t)
	}
	return all
}

func missed(tasks map[string]*task) (promises []string) {
	for _, t := range targets(list(tasks)) {
		if !t.kept {
			promises = append(promises, t.promise)
		}
	}
	return promises
}

func TestTargets(t *testing.T) {
	require.Empty(t, missed(keptTasks()))
	for name, nanos := range map[string]float64{
		oneOf1 + " floor": 19, oneOf1 + " rivaloff": 399, oneOf1 + " rivalon": 399, oneOf100 + " rivalon": 399,
		"floor": 399, "rival's loop": 39_999, "rival's batch": 39_999, "rival's load": 0.99e6,
	} {
		tasks := keptTasks()
		tasks[name].figures.nanos[0] = nanos
		require.NotEmpty(t, missed(tasks), name)
	}
	tasks := keptTasks()
	tasks["all"].figures.allocs[0] = 1
	require.Equal(t, []string{"one experiment and all of 100: no allocations"}, missed(tasks))
}

func TestWhatWasNotMeasuredIsMissed(t *testing.T) {
	for _, promise := range targets(nil) {
		require.False(t, promise.kept)
		require.Equal(t, "not measured", promise.found)
	}
	var out strings.Builder
	require.False(t, writeTargets(&out, targets(nil)))
	require.Contains(t, out.String(), "MISSED  one-of-1, exposures off: times floor b, at most 2: not measured\n")
	require.True(t, writeTargets(&out, targets(list(keptTasks()))))
}

func TestRun(t *testing.T) {
	for _, markdown := range []bool{false, true} {
		args := []string{"-rounds", "2", "-sample", "50us", "-seed", "7", "-workloads", "^one-of-1$|^parallel$|^first", "-subjects", "strata|launchdarkly"}
		if markdown {
			args = append(args, "-markdown")
		}
		var out, notes strings.Builder
		require.NoError(t, run(args, &out, &notes))
		require.Contains(t, out.String(), "2 rounds of samples of 50µs, seed 7\n")
		require.Contains(t, out.String(), "launchdarkly: github.com/launchdarkly/go-server-sdk/v7 ")
		require.Contains(t, out.String(), "Not obtainable through the module proxy used: ConfigCat")
		require.Contains(t, out.String(), "  one-of-1, exposures off: times as fast as launchdarkly, at least 10: ")
		require.NotContains(t, out.String(), "\nposthog:\n", "a remark about what was not measured")
		require.Contains(t, notes.String(), "round 2 of 2")
	}
}

func TestCheckFailsWhereATargetIsMissed(t *testing.T) {
	args := []string{"-rounds", "1", "-sample", "10us", "-workloads", "^load", "-subjects", "^growthbook", "-check"}
	require.ErrorIs(t, run(args, io.Discard, io.Discard), errMissed)
}

func TestOptionsThatCannotBe(t *testing.T) {
	for _, args := range [][]string{{"-rounds", "0"}, {"-sample", "0s"}, {"-workloads", "("}, {"-subjects", "("}, {"-what"}} {
		require.Error(t, run(args, io.Discard, io.Discard), args)
	}
}
