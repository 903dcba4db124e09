package strata_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
)

func storeIsDown(context.Context) error { return errDown }

// savedPlan leaves a plan file behind.
func savedPlan(t *testing.T, store strata.Store) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "plan")
	eng := open(t, store, strata.Config{PlanFile: name, RefreshInterval: -1})
	require.NoError(t, eng.Status().PlanFileErr)
	require.FileExists(t, name)
	return name
}

// While the store is down Open starts from the file, says how old it is, and
// takes the store's plan as soon as there is one.
func TestOpenStartsFromThePlanFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		publish(t, store, colorPlan(1))
		saved := time.Now()
		name := savedPlan(t, store)
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.EqualValues(t, 0o600, info.Mode().Perm())

		time.Sleep(time.Hour)
		store.onPlans(storeIsDown)
		_, err = strata.Open(t.Context(), store, strata.Config{})
		require.ErrorIs(t, err, errDown, "without a file there is nothing to start from")
		eng := open(t, store, strata.Config{PlanFile: name, RefreshInterval: time.Second})
		status := eng.Status()
		require.EqualValues(t, 1, status.Version)
		require.True(t, saved.Equal(status.FromFile), "%v", status.FromFile)
		require.True(t, status.Refreshed.IsZero())
		require.ErrorIs(t, status.RefreshErr, errDown)
		require.Empty(t, status.Withheld)
		require.NotEmpty(t, treatments(eng, "cta-color", 1)[0])

		store.onPlans(nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		status = eng.Status()
		require.EqualValues(t, 1, status.Version)
		require.True(t, status.FromFile.IsZero())
		require.NoError(t, status.RefreshErr)
	})
}

// A version in the file that takes effect later does so without the store.
func TestPlanFileHoldsWhatTakesEffectLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFaulty()
		publish(t, store, colorPlan(1))
		next := colorPlan(1)
		next.Version, next.EffectiveAt, next.Experiments[0].Status = 1, time.Now().Add(time.Hour), strata.StatusStopped
		publish(t, store, next)
		name := savedPlan(t, store)
		store.onPlans(storeIsDown)
		eng := open(t, store, strata.Config{PlanFile: name})
		require.EqualValues(t, 1, eng.Status().Version)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.EqualValues(t, 2, eng.Status().Version)
		require.EqualValues(t, 2, open(t, store, strata.Config{PlanFile: name}).Status().Version)
	})
}

// The store's plan counts, also where it is older than the file's, or none.
func TestStoreKnowsBetterThanThePlanFile(t *testing.T) {
	for _, versions := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			full, restored := newFaulty(), newFaulty()
			for base := range int64(2) {
				plan := colorPlan(1)
				plan.Version = base
				publish(t, full, plan)
			}
			name := savedPlan(t, full)
			restored.onPlans(storeIsDown)
			eng := open(t, restored, strata.Config{PlanFile: name, RefreshInterval: -1})
			require.EqualValues(t, 2, eng.Status().Version)
			restored.onPlans(nil)
			if versions > 0 {
				publish(t, restored, colorPlan(1))
			}
			require.NoError(t, eng.Refresh(t.Context()))
			require.EqualValues(t, versions, eng.Status().Version)
			require.True(t, eng.Status().FromFile.IsZero())
		})
	}
}

// Whatever is wrong with the file is said beside the store's error; and a store
// that answers makes it right.
func TestDamagedPlanFileIsAnError(t *testing.T) {
	store := newFaulty()
	publish(t, store, colorPlan(1))
	name := savedPlan(t, store)
	good, err := os.ReadFile(name)
	require.NoError(t, err)
	for at := 0; at < len(good); at += 7 {
		flipped := append([]byte(nil), good...)
		flipped[at] ^= 1
		for _, bad := range [][]byte{good[:at], flipped} {
			require.NoError(t, os.WriteFile(name, bad, 0o600))
			store.onPlans(storeIsDown)
			_, err := strata.Open(t.Context(), store, strata.Config{PlanFile: name})
			require.ErrorIs(t, err, errDown)
			require.ErrorContains(t, err, "PlanFile")
		}
	}
	require.NoError(t, os.WriteFile(name, good[:len(good)/2], 0o600))
	store.onPlans(nil)
	require.NoError(t, open(t, store, strata.Config{PlanFile: name}).Status().PlanFileErr)
	store.onPlans(storeIsDown)
	require.EqualValues(t, 1, open(t, store, strata.Config{PlanFile: name}).Status().Version, "it was written anew")
}

// A path that leads to something else costs nobody's data, and no start.
func TestOnlyPlanFilesAreReplaced(t *testing.T) {
	store := newFaulty()
	publish(t, store, colorPlan(1))
	dir := t.TempDir()
	letter := filepath.Join(dir, "letter")
	require.NoError(t, os.WriteFile(letter, []byte("dear ada"), 0o600))
	for _, name := range []string{letter, dir, filepath.Join(dir, "missing", "plan")} {
		eng := open(t, store, strata.Config{PlanFile: name})
		require.ErrorContains(t, eng.Status().PlanFileErr, "PlanFile", name)
		require.EqualValues(t, 1, eng.Status().Version)
	}
	text, err := os.ReadFile(letter)
	require.NoError(t, err)
	require.Equal(t, "dear ada", string(text))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "a temporary file was left behind")
}

// A plan that the program cannot use is no reason to start from an old one.
func TestPlanFileHidesNoBadPlan(t *testing.T) {
	store := newFaulty()
	publish(t, store, colorPlan(1))
	name := savedPlan(t, store)
	other := strata.BoolParam("cta.color", false)
	_, err := strata.Open(t.Context(), store, strata.Config{PlanFile: name, Params: []strata.Handle{other}})
	require.Error(t, err)
	store.onPlans(storeIsDown)
	_, err = strata.Open(t.Context(), store, strata.Config{PlanFile: name, Params: []strata.Handle{other}})
	require.ErrorIs(t, err, errDown)
	require.ErrorContains(t, err, "cta.color")
}

// Kept units are known to the store alone: until it answers, their experiment
// serves defaults to all, so that nobody is moved.
func TestPlanFileMovesNoKeptUnit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 500
		store := newFaulty()
		publish(t, store, colorPlan(1))
		eng := open(t, store, strata.Config{RefreshInterval: -1})
		met := treatments(eng, "cta-color", n)
		expose(eng, "cta-color", 0, n)
		flush(t, eng)
		next, err := store.Plan(t.Context(), strata.PlanParams{})
		require.NoError(t, err)
		next.Plan.Experiments[0].Treatments[1].Weight = 3
		publish(t, store, next.Plan, keep("cta-color"))
		name := savedPlan(t, store)

		store.onPlans(storeIsDown)
		started := open(t, store, strata.Config{PlanFile: name, RefreshInterval: -1})
		require.Equal(t, []string{"cta-color"}, started.Status().Withheld)
		for i, got := range treatments(started, "cta-color", n) {
			require.Empty(t, got, "user %d", i)
		}
		store.onPlans(nil)
		require.NoError(t, started.Refresh(t.Context()))
		require.Equal(t, met, treatments(started, "cta-color", n))
		require.Empty(t, started.Status().Withheld)
		require.NotZero(t, started.Status().Kept["cta-color"])
	})
}
