package strata_test

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/seed"
)

// strangers are 20,000 units with all ids, each independent of the others.
var strangers = sync.OnceValue(func() []strata.Unit {
	units := make([]strata.Unit, 20000)
	for i := range units {
		units[i] = strata.Unit{
			Tenant: fmt.Sprintf("t%d", i), User: fmt.Sprintf("u%d", i), Device: fmt.Sprintf("d%d", i),
			Session: fmt.Sprintf("s%d", i), Request: fmt.Sprintf("r%d", i),
		}
	}
	return units
})

const (
	diffSlots     = 40 // each layer is cut into so many equal pieces
	diffSlotWidth = strata.NumBuckets / diffSlots
)

// town is a random plan in the making: three layers in a row, each nested in
// the one before, and experiments that own some of the pieces. Owner "" is
// nobody; the owners "lab" and "cage" are the domains.
type town struct {
	salts       [3]string
	diversions  [3]strata.Diversion
	experiments map[string]*strata.Experiment
	layerOf     map[string]int
	owner       [3][diffSlots]string
}

var (
	townLayers  = [3]string{"outer", "middle", "inner"}
	townDomains = [3]string{"", "lab", "cage"} // the domain that each layer lies in
	fine        = []strata.Diversion{strata.ByUser, strata.ByDevice, strata.BySession}
)

func drawTown(t *rapid.T) *town {
	c := &town{experiments: make(map[string]*strata.Experiment), layerOf: make(map[string]int)}
	for l := range townLayers {
		c.salts[l] = fmt.Sprintf("salt-%d-%d", l, rapid.IntRange(0, 1<<20).Draw(t, "salt"))
		c.diversions[l] = fine[rapid.IntRange(0, l).Draw(t, "diversion")]
		if l > 0 {
			c.diversions[l] = finer(c.diversions[l], c.diversions[l-1])
		}
	}
	for i := range rapid.IntRange(1, 5).Draw(t, "experiments") {
		key := fmt.Sprintf("e%d", i)
		c.experiments[key] = &strata.Experiment{
			Key: key, Salt: fmt.Sprintf("%s-%d", key, rapid.IntRange(0, 1<<20).Draw(t, "salt")),
			Status: strata.StatusRunning, Treatments: drawArms(t),
		}
		c.layerOf[key] = rapid.IntRange(0, 2).Draw(t, "layer")
	}
	for l := range townLayers {
		for s := range c.owner[l] {
			c.owner[l][s] = rapid.SampledFrom(c.owners(l)).Draw(t, "owner")
		}
	}
	return c
}

// finer returns the finer of two diversions; a nested layer must not be coarser
// than the one above.
func finer(a, b strata.Diversion) strata.Diversion {
	return fine[max(slices.Index(fine, a), slices.Index(fine, b))]
}

func drawArms(t *rapid.T) []strata.Treatment {
	keys := rapid.Permutation([]string{"a", "b", "c", "d"}).Draw(t, "treatments")[:rapid.IntRange(2, 4).Draw(t, "arms")]
	var list []strata.Treatment
	for i, key := range keys {
		w := rapid.IntRange(0, 6).Draw(t, "weight")
		if i == 0 {
			w++ // some weight there must be
		}
		list = append(list, strata.Treatment{Key: key, Weight: w})
	}
	return list
}

// owners lists who may own buckets in a layer, domains first.
func (c *town) owners(layer int) []string {
	list := []string{""}
	if layer < 2 {
		list = append(list, townDomains[layer+1])
	}
	for i := range 5 {
		if key := fmt.Sprintf("e%d", i); c.experiments[key] != nil && c.layerOf[key] == layer {
			list = append(list, key)
		}
	}
	return list
}

// changed draws a change of plan: of each experiment, layer and piece most stay
// as they are.
func (c *town) changed(t *rapid.T) *town {
	n := &town{salts: c.salts, diversions: c.diversions, owner: c.owner, experiments: make(map[string]*strata.Experiment), layerOf: make(map[string]int)}
	now := func(what string) bool { return rapid.IntRange(0, 9).Draw(t, what) == 0 }
	if now("new layer salt") {
		n.salts[rapid.IntRange(0, 2).Draw(t, "which")] += "-changed"
	}
	if now("new diversion") {
		n.diversions[2] = strata.BySession
	}
	for i := range 5 {
		key := fmt.Sprintf("e%d", i)
		old := c.experiments[key]
		if old == nil || now("removed") {
			continue
		}
		e := *old
		switch rapid.IntRange(0, 9).Draw(t, "change") {
		case 0:
			e.Treatments = drawArms(t)
		case 1:
			e.Phase++
		case 2:
			e.Salt += "-changed"
		case 3:
			e.Status = rapid.SampledFrom([]strata.Status{strata.StatusDraft, strata.StatusStopped, strata.StatusIntakeClosed}).Draw(t, "status")
		}
		n.experiments[key], n.layerOf[key] = &e, c.layerOf[key]
		if now("other layer") {
			n.layerOf[key] = rapid.IntRange(0, 2).Draw(t, "layer")
		}
	}
	moving := rapid.IntRange(0, 1).Draw(t, "buckets move") == 1
	for l := range townLayers {
		owners := n.owners(l)
		for s, was := range c.owner[l] {
			stays := false
			for _, o := range owners {
				stays = stays || o == was
			}
			if !stays || moving && rapid.IntRange(0, 4).Draw(t, "moves") == 0 {
				n.owner[l][s] = rapid.SampledFrom(owners).Draw(t, "owner")
			}
		}
	}
	return n
}

func (c *town) plan(t require.TestingT) *strata.Plan {
	p := &strata.Plan{}
	for l, key := range townLayers {
		p.Layers = append(p.Layers, strata.Layer{Key: key, Domain: townDomains[l], Salt: c.salts[l], Diversion: c.diversions[l]})
		if l > 0 {
			p.Domains = append(p.Domains, strata.Domain{Key: townDomains[l], Layer: townLayers[l-1], Buckets: c.owned(l-1, townDomains[l])})
		}
	}
	for i := range 5 {
		key := fmt.Sprintf("e%d", i)
		if e := c.experiments[key]; e != nil {
			x := *e
			x.Layer, x.Buckets = townLayers[c.layerOf[key]], c.owned(c.layerOf[key], key)
			p.Experiments = append(p.Experiments, x)
		}
	}
	require.NoError(t, p.Validate())
	return p
}

func (c *town) owned(layer int, who string) strata.Buckets {
	var set strata.Buckets
	for s, o := range c.owner[layer] {
		if o == who {
			set = set.Union(strata.BucketRange(s*diffSlotWidth, (s+1)*diffSlotWidth))
		}
	}
	return set
}

// fates counts what becomes of units.
type fates struct{ stays, changes, enters, leaves int }

// count compares what two snapshots give each unit. Reading the experiments is
// left to one walk over the layers: it is what Peek says, see TestPeekIsAll.
func count(before, after *strata.Snapshot, units []strata.Unit) map[string]*fates {
	all := make(map[string]*fates)
	fate := func(key string) *fates {
		if all[key] == nil {
			all[key] = new(fates)
		}
		return all[key]
	}
	var was, is []strata.Decision
	for i := range units {
		was, is = assigned(before, units[i], was[:0]), assigned(after, units[i], is[:0])
		for _, d := range was {
			switch now := treatmentIn(is, d.Experiment()); now {
			case "":
				fate(d.Experiment()).leaves++
			case d.Treatment():
				fate(d.Experiment()).stays++
			default:
				fate(d.Experiment()).changes++
			}
		}
		for _, d := range is {
			if treatmentIn(was, d.Experiment()) == "" {
				fate(d.Experiment()).enters++
			}
		}
	}
	return all
}

// assigned lists the decisions that give the unit a treatment.
func assigned(s *strata.Snapshot, u strata.Unit, list []strata.Decision) []strata.Decision {
	a := s.Assign(u)
	for d := range a.All() {
		if d.Treatment() != "" {
			list = append(list, d)
		}
	}
	return list
}

func treatmentIn(list []strata.Decision, experiment string) string {
	for _, d := range list {
		if d.Experiment() == experiment {
			return d.Treatment()
		}
	}
	return ""
}

// Reading an experiment by its key and walking over all layers agree.
func TestPeekIsAll(t *testing.T) {
	seed.OneGoroutine(t)
	rapid.Check(t, func(t *rapid.T) {
		snap, err := strata.Compile(drawTown(t).plan(t), noon)
		require.NoError(t, err)
		for _, u := range strangers()[:200] {
			a, list := snap.Assign(u), assigned(snap, u, nil)
			for i := range 5 {
				key := fmt.Sprintf("e%d", i)
				require.Equal(t, treatmentIn(list, key), a.Peek(key))
			}
		}
	})
}

// Diff says what really happens to units: its shares against a count of 20,000,
// within 6 standard errors (and 12 units, where the normal approximation is
// poor). One run of 100 plans compares some 2,000 shares, so chance fails it
// once in 100,000 runs. Where Diff says that nobody moves, nobody may.
func TestDiffAgainstCounting(t *testing.T) {
	seed.OneGoroutine(t)
	t.Parallel()
	units := strangers()
	if testing.Short() {
		units = units[:4000]
	}
	n := len(units)
	rapid.Check(t, func(t *rapid.T) {
		c := drawTown(t)
		before := c.plan(t)
		after := c.changed(t).plan(t)
		got := make(map[string]strata.Move)
		for _, m := range strata.Diff(before, after, noon) {
			got[m.Experiment] = m
		}
		s, err := strata.Compile(before, noon)
		require.NoError(t, err)
		r, err := strata.Compile(after, noon)
		require.NoError(t, err)
		counted := count(s, r, units)
		for i := range 5 {
			key := fmt.Sprintf("e%d", i)
			m, f := got[key], counted[key]
			if f == nil {
				f = new(fates)
			}
			for _, x := range []struct {
				what string
				want float64
				got  int
			}{{"stays", m.Stays, f.stays}, {"changes", m.Changes, f.changes}, {"enters", m.Enters, f.enters}, {"leaves", m.Leaves, f.leaves}} {
				share := float64(x.got) / float64(n)
				require.InDelta(t, x.want, share, 6*math.Sqrt(x.want*(1-x.want)/float64(n))+12/float64(n), "%s %s: %v", key, x.what, m)
				if x.want == 0 {
					require.Zero(t, x.got, "%s %s: %v", key, x.what, m)
				}
				require.GreaterOrEqual(t, x.want, 0.0)
			}
			if !m.Moves() {
				require.Zero(t, f.changes+f.leaves, "%v", m)
			}
		}
	})
}

// For one layer the shares can be counted exactly: every bucket, and every
// point at which one of the two divisions of the weights has a border.
func TestDiffAgainstEnumeration(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old, now := running("e", 0, 0), running("e", 0, 0)
		old.Treatments, now.Treatments = drawArms(t), drawArms(t)
		old.Buckets = strata.BucketList(rapid.SliceOfN(rapid.IntRange(0, 9999), 1, 50).Draw(t, "old")...)
		now.Buckets = strata.BucketList(rapid.SliceOfN(rapid.IntRange(0, 9999), 1, 50).Draw(t, "new")...).
			Union(strata.BucketRange(0, rapid.IntRange(0, 5000).Draw(t, "more")))
		before, after := oneLayer(old), oneLayer(now)
		for _, e := range []*strata.Experiment{&before.Experiments[0], &after.Experiments[0]} {
			for i := range e.Treatments {
				e.Treatments[i].Values = nil
			}
		}
		var f fates
		a, b := border(old.Treatments), border(now.Treatments)
		grid := len(a) * len(b)
		for bucket := range strata.NumBuckets {
			was, is := old.Buckets.Contains(bucket), now.Buckets.Contains(bucket)
			if !was && !is {
				continue
			}
			for x := range grid {
				switch from, to := a[x/len(b)], b[x/len(a)]; {
				case !was:
					f.enters++
				case !is:
					f.leaves++
				case from == to:
					f.stays++
				default:
					f.changes++
				}
			}
		}
		moves := strata.Diff(before, after, noon)
		require.Len(t, moves, 1)
		m, whole := moves[0], float64(grid*strata.NumBuckets)
		require.InDelta(t, float64(f.stays)/whole, m.Stays, 1e-12)
		require.InDelta(t, float64(f.changes)/whole, m.Changes, 1e-12)
		require.InDelta(t, float64(f.enters)/whole, m.Enters, 1e-12)
		require.InDelta(t, float64(f.leaves)/whole, m.Leaves, 1e-12)
		require.Equal(t, f.changes == 0, m.Changes == 0, "zero is exact")
		require.Equal(t, f.leaves == 0, m.Leaves == 0, "zero is exact")
		require.Equal(t, f.enters == 0, m.Enters == 0, "zero is exact")
	})
}

// border writes a division out: one entry for each unit of weight.
func border(arms []strata.Treatment) (list []string) {
	for _, t := range arms {
		for range t.Weight {
			list = append(list, t.Key)
		}
	}
	return list
}

// A plan that changes nothing moves nobody, exactly, however deep it nests:
// shares of three layers and more used to differ in their last digits.
func TestDiffOfAPlanWithItselfIsExactlyNothing(t *testing.T) {
	p := nestedPlan()
	for _, width := range []int{1, 3, 7, 49, 333, 1234, 9999} {
		p.Domains[0].Buckets, p.Domains[1].Buckets = strata.BucketRange(0, 10000-width), strata.BucketRange(0, width)
		p.Experiments[0].Buckets = strata.BucketRange(0, 7777)
		p.Experiments[1].Buckets = strata.BucketRange(10000-width, 10000)
		p.Experiments[2].Buckets = strata.BucketRange(width, 10000)
		require.NoError(t, p.Validate())
		for range 50 { // the order of a map is another one each time
			for _, m := range strata.Diff(p, p, noon) {
				require.Zero(t, m.Changes, "%v", m)
				require.Zero(t, m.Leaves, "%v", m)
				require.Zero(t, m.Enters, "%v", m)
				require.False(t, m.Moves())
			}
		}
	}
}

func TestDiffSaysWhyAndInWhichOrder(t *testing.T) {
	before := oneLayer(running("gone", 0, 100), running("closing", 100, 200), running("anew", 200, 300), running("other", 300, 400), running("same", 400, 500))
	after, err := before.Clone()
	require.NoError(t, err)
	after.Experiments = after.Experiments[1:]
	after.Experiments[0].Status = strata.StatusIntakeClosed
	after.Experiments[1].Phase = 1
	after.Experiments[2].Audience = "vip"
	after.Experiments = append(after.Experiments, running("new", 500, 600))
	after.Experiments[4].Layer, after.Experiments[4].Treatments = "l", arms("p", 1, 1)
	var lines []string
	for _, m := range strata.Diff(before, after, noon) {
		lines = append(lines, m.String())
	}
	require.Equal(t, []string{
		"closing: 0 % change treatment, 1 % leave, 0 % enter, 0 % stay (stops or closes)",
		"anew: 0.5 % change treatment, 0 % leave, 0 % enter, 0.5 % stay (new phase)",
		"other: 0 % change treatment, 0 % leave, 0 % enter, 1 % stay (audience changed)",
		"same: 0 % change treatment, 0 % leave, 0 % enter, 1 % stay",
		"new: 0 % change treatment, 0 % leave, 1 % enter, 0 % stay",
		"gone: 0 % change treatment, 1 % leave, 0 % enter, 0 % stay (stops or closes)",
	}, lines)
}
