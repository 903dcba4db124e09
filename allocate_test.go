package strata

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/strataxp/strata/internal/seed"
)

// day is an instant of an allocation's history.
func day(n int) time.Time { return time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n) }

// drawAllocation is a plan with a layer in which some buckets are taken, by
// running, draft and stopped experiments and a domain, and a ledger.
func drawAllocation(t *rapid.T) *Plan {
	p := &Plan{Layers: []Layer{{Key: "l"}, {Key: "other"}}}
	arms := []Treatment{{Key: "a", Weight: 1}, {Key: "b", Weight: 1}}
	taken := Buckets{}
	draw := func(name string) Buckets {
		from := rapid.IntRange(0, NumBuckets-1).Draw(t, name)
		set := BucketRange(from, from+rapid.IntRange(0, 3000).Draw(t, name+" length")).Minus(taken)
		taken = taken.Union(set)
		return set
	}
	for i, status := range []Status{StatusRunning, StatusDraft, StatusIntakeClosed, StatusStopped} {
		p.Experiments = append(p.Experiments, Experiment{Key: fmt.Sprintf("e%d", i), Layer: "l", Status: status, Treatments: arms, Buckets: draw("buckets")})
	}
	p.Experiments[0].Draining = draw("draining")
	p.Domains = []Domain{{Key: "d", Layer: "l", Buckets: draw("domain"), Draining: draw("domain draining")}}
	for i := range rapid.IntRange(0, 5).Draw(t, "tenures") {
		from := rapid.IntRange(0, NumBuckets-1).Draw(t, "tenure")
		layer := rapid.SampledFrom([]string{"l", "l", "other"}).Draw(t, "layer")
		p.release(layer, fmt.Sprintf("old%d", i), i, BucketRange(from, from+rapid.IntRange(1, 3000).Draw(t, "tenure length")), day(rapid.IntRange(0, 3).Draw(t, "day")))
	}
	return p
}

func TestPickFree(t *testing.T) {
	seed.OneGoroutine(t)
	rapid.Check(t, func(t *rapid.T) {
		p := drawAllocation(t)
		free := p.Free("l")
		for i := range p.Experiments {
			e := &p.Experiments[i]
			if e.Status != StatusStopped {
				require.True(t, free.Intersect(e.Buckets.Union(e.Draining)).IsEmpty(), "taken by %s", e.Key)
			} else {
				require.True(t, e.Buckets.Minus(free).IsEmpty(), "the buckets of stopped experiments are free")
			}
		}
		require.True(t, free.Intersect(p.Domains[0].Buckets.Union(p.Domains[0].Draining)).IsEmpty())

		n := rapid.IntRange(0, free.Len()).Draw(t, "n")
		got, err := p.PickFree("l", "new", n)
		require.NoError(t, err)
		require.Equal(t, n, got.Len())
		require.True(t, got.Minus(free).IsEmpty(), "never overlaps")
		again, err := p.PickFree("l", "new", n)
		require.NoError(t, err)
		require.Equal(t, got, again, "the same plan gives the same choice")

		// Never held first, then those that rested longest: nobody who was left
		// out may have rested longer than somebody who was chosen.
		since, newest := make(map[int]time.Time), time.Time{}
		for _, tenure := range p.Ledger {
			for b := range tenure.Buckets.All() {
				if tenure.Layer == "l" {
					since[b] = tenure.Until
				}
			}
		}
		for b := range got.All() {
			if since[b].After(newest) {
				newest = since[b]
			}
		}
		for b := range free.Minus(got).All() {
			require.False(t, since[b].Before(newest), "bucket %d rested since %v, and one since %v was chosen", b, since[b], newest)
		}

		_, err = p.PickFree("l", "new", free.Len()+1)
		require.ErrorIs(t, err, ErrInvalidPlan)
		require.ErrorContains(t, err, fmt.Sprintf("%d free buckets, %d wanted", free.Len(), free.Len()+1))
		_, err = p.PickFree("l", "new", -1)
		require.ErrorIs(t, err, ErrInvalidPlan)
	})
	_, err := (&Plan{}).PickFree("nowhere", "x", 1)
	require.ErrorContains(t, err, `layer "nowhere" does not exist`)
}

// Buckets are drawn, not cut off in a row, and each owner draws its own.
func TestPickFreeIsRandom(t *testing.T) {
	p := &Plan{Layers: []Layer{{Key: "l"}}}
	a, err := p.PickFree("l", "a", 1000)
	require.NoError(t, err)
	b, err := p.PickFree("l", "b", 1000)
	require.NoError(t, err)
	require.InDelta(t, 100, a.Intersect(b).Len(), 5*math.Sqrt(100*0.9*0.9), "five standard deviations of a fair draw")
	neighbours := 0
	for x := range a.All() {
		if a.Contains(x + 1) {
			neighbours++
		}
	}
	require.InDelta(t, 100, neighbours, 50)
	for tenth := range 10 {
		require.InDelta(t, 100, a.Intersect(BucketRange(tenth*1000, tenth*1000+1000)).Len(), 50)
	}
}

// Widening moves nobody, whatever else is in the layer: checked unit by unit.
func TestWidenMovesNobody(t *testing.T) {
	seed.OneGoroutine(t)
	rapid.Check(t, func(t *rapid.T) {
		p := drawAllocation(t)
		was, err := p.Clone()
		require.NoError(t, err)
		before, err := Compile(p, day(0))
		require.NoError(t, err)
		old := p.Experiments[0].Buckets
		n := rapid.IntRange(0, p.Free("l").Len()).Draw(t, "n")
		require.NoError(t, p.Widen("e0", n))
		require.NoError(t, p.Validate())
		require.Equal(t, old.Len()+n, p.Experiments[0].Buckets.Len())
		require.True(t, old.Minus(p.Experiments[0].Buckets).IsEmpty())
		after, err := Compile(p, day(0))
		require.NoError(t, err)
		for i := range 3000 {
			u := Unit{User: fmt.Sprintf("u%d", i)}
			a, b := before.Assign(u), after.Assign(u)
			if treatment := a.Peek("e0"); treatment != "" {
				require.Equal(t, treatment, b.Peek("e0"))
			}
		}
		for _, m := range Diff(was, p, day(0)) {
			require.False(t, m.Moves(), "%v", m)
		}
	})
	require.ErrorIs(t, (&Plan{}).Widen("x", 1), ErrNotFound)
	full := &Plan{Layers: []Layer{{Key: "l"}}, Experiments: []Experiment{{Key: "e", Layer: "l", Buckets: AllBuckets()}}}
	require.ErrorContains(t, full.Widen("e", 1), "0 free buckets, 1 wanted")
	require.Equal(t, NumBuckets, full.Experiments[0].Buckets.Len())
}

func TestNarrow(t *testing.T) {
	p := &Plan{Layers: []Layer{{Key: "l"}}, Experiments: []Experiment{{Key: "e", Layer: "l", Buckets: BucketRange(0, 1000)}}}
	require.NoError(t, p.Narrow("e", 400))
	left := p.Experiments[0].Buckets
	require.Equal(t, 600, left.Len())
	require.True(t, left.Minus(BucketRange(0, 1000)).IsEmpty())
	require.InDelta(t, 300, left.Intersect(BucketRange(0, 500)).Len(), 60, "drawn, not cut off at an end")
	require.ErrorContains(t, p.Narrow("e", 601), "has 600 buckets")
	require.ErrorIs(t, p.Narrow("e", -1), ErrInvalidPlan)
	require.ErrorIs(t, p.Narrow("x", 1), ErrNotFound)
	require.Equal(t, left, p.Experiments[0].Buckets)
}

// Of each bucket of a layer the ledger names the last holder only.
func TestTheLedgerRemembersTheLastHolder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type entry struct {
			holder string
			until  time.Time
		}
		model := make(map[string]map[int]entry)
		p := &Plan{}
		for i := range rapid.IntRange(0, 12).Draw(t, "releases") {
			layer := rapid.SampledFrom([]string{"l", "m"}).Draw(t, "layer")
			from := rapid.IntRange(0, 50).Draw(t, "from")
			set := BucketRange(from, from+rapid.IntRange(0, 30).Draw(t, "length"))
			holder := fmt.Sprintf("e%d", i)
			p.release(layer, holder, i, set, day(i))
			if model[layer] == nil {
				model[layer] = make(map[int]entry)
			}
			for b := range set.All() {
				model[layer][b] = entry{holder, day(i)}
			}
		}
		got := make(map[string]map[int]entry)
		for _, tenure := range p.Ledger {
			require.False(t, tenure.Buckets.IsEmpty(), "no empty entries")
			for b := range tenure.Buckets.All() {
				if got[tenure.Layer] == nil {
					got[tenure.Layer] = make(map[int]entry)
				}
				require.NotContains(t, got[tenure.Layer], b, "one entry a bucket")
				got[tenure.Layer][b] = entry{tenure.Holder, tenure.Until}
			}
		}
		for layer, want := range model {
			if len(want) > 0 {
				require.Equal(t, want, got[layer])
			}
		}
	})
}

func TestCarryOver(t *testing.T) {
	p := &Plan{Layers: []Layer{{Key: "l"}, {Key: "m"}}, Experiments: []Experiment{{Key: "e", Layer: "l", Buckets: BucketRange(100, 200)}}}
	p.release("l", "a", 0, BucketRange(0, 150), day(1))
	p.release("l", "b", 3, BucketRange(140, 160), day(2))
	p.release("l", "c", 0, BucketRange(500, 600), day(2))
	p.release("m", "d", 0, BucketRange(100, 200), day(2))
	var list []string
	for _, tenure := range p.CarryOver("e") {
		list = append(list, fmt.Sprintf("%s %d %v", tenure.Holder, tenure.Phase, tenure.Buckets))
	}
	require.Equal(t, []string{"a 0 100-139", "b 3 140-159"}, list)
	require.Nil(t, p.CarryOver("x"))
	require.Equal(t, 140, p.Ledger[0].Buckets.Len(), "the ledger is not changed")
	require.True(t, slices.ContainsFunc(p.Ledger, func(tenure Tenure) bool { return tenure.Holder == "d" }))
}
