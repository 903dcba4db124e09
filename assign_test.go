package strata_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/seed"
)

// nestedPlan cuts traffic twice: half of the users enter the domain "lab" of
// layer "outer", half of those enter "cage" of layer "middle", where "inner"
// runs on all devices.
func nestedPlan() *strata.Plan {
	return &strata.Plan{
		Parameters: []strata.Parameter{
			{Key: "outer.p", Type: strata.TypeString, Default: "default"},
			{Key: "middle.p", Type: strata.TypeString, Default: "default"},
			{Key: "inner.p", Type: strata.TypeString, Default: "default"},
		},
		Domains: []strata.Domain{
			{Key: "cage", Layer: "middle", Buckets: strata.BucketRange(5000, 10000)},
			{Key: "lab", Layer: "outer", Buckets: strata.BucketRange(0, 5000)},
		},
		Layers: []strata.Layer{
			{Key: "innermost", Domain: "cage", Diversion: strata.ByDevice, Parameters: []string{"inner.p"}},
			{Key: "outer", Parameters: []string{"outer.p"}},
			{Key: "middle", Domain: "lab", Parameters: []string{"middle.p"}},
		},
		Experiments: []strata.Experiment{
			{Key: "inner", Layer: "innermost", Status: strata.StatusRunning, Buckets: strata.AllBuckets(), Treatments: arms("inner.p", 1, 1)},
			{Key: "mid", Layer: "middle", Status: strata.StatusRunning, Buckets: strata.BucketRange(0, 5000), Treatments: arms("middle.p", 1, 1)},
			{Key: "out", Layer: "outer", Status: strata.StatusRunning, Buckets: strata.BucketRange(5000, 10000), Treatments: arms("outer.p", 1, 1)},
		},
	}
}

func TestNestedDomainsLeadTheWay(t *testing.T) {
	snap := compiled(t, nestedPlan())
	params := map[string]*strata.Param[string]{
		"out": strata.StringParam("outer.p", ""), "mid": strata.StringParam("middle.p", ""), "inner": strata.StringParam("inner.p", ""),
	}
	count := make(map[string]int)
	const n = 4000
	for i, a := range visitors(snap, n) {
		outer, middle, innermost := decision(a, "outer"), decision(a, "middle"), decision(a, "innermost")
		require.NotNil(t, outer)
		var in string
		switch {
		case outer.Bucket() >= 5000:
			in = "out"
			require.Nil(t, middle, "the domain was not entered")
			require.Nil(t, innermost)
		case middle.Bucket() < 5000:
			in = "mid"
			require.Equal(t, "lab", outer.Nested())
			require.Equal(t, strata.ReasonDomain, outer.Reason())
			require.Equal(t, "lab", middle.Domain())
			require.Nil(t, innermost)
		default:
			in = "inner"
			require.Equal(t, "cage", middle.Nested())
			require.Equal(t, "cage", innermost.Domain())
		}
		for key, p := range params {
			treatment := a.Peek(key)
			require.Equal(t, key == in, treatment != "", "visitor %d, experiment %q", i, key)
			want := "default"
			if treatment == "t1" {
				want = "t1"
			}
			require.Equal(t, want, p.Peek(a))
		}
		count[in]++
	}
	require.InDelta(t, n/2, count["out"], 160) // five standard deviations
	require.InDelta(t, n/4, count["mid"], 140)
	require.InDelta(t, n/4, count["inner"], 140)
}

func TestExperimentsOfOneLayerExcludeEachOther(t *testing.T) {
	snap := compiled(t, oneLayer(running("a", 0, 4000), running("b", 4000, 7000), running("c", 9000, 10000)))
	for i, a := range visitors(snap, 5000) {
		in := 0
		for _, key := range []string{"a", "b", "c"} {
			if a.Peek(key) != "" {
				in++
			}
		}
		b := decision(a, "l").Bucket()
		require.Equal(t, b < 7000 || b >= 9000, in == 1, "visitor %d in bucket %d is in %d experiments", i, b, in)
		require.LessOrEqual(t, in, 1)
	}
}

// Layers of up to 16 bits an owner: many experiments in one layer, each finds
// its own buckets.
func TestOwnersOfManySizes(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 15, 16, 17, 300} {
		var list []strata.Experiment
		width := strata.NumBuckets / n
		for i := range n {
			list = append(list, running(fmt.Sprintf("e%d", i), i*width, (i+1)*width))
		}
		snap := compiled(t, oneLayer(list...))
		for _, a := range visitors(snap, 500) {
			d := decision(a, "l")
			want := ""
			if b := d.Bucket(); b < n*width {
				want = fmt.Sprintf("e%d", b/width)
			}
			require.Equal(t, want, d.Experiment(), "%d experiments, bucket %d", n, d.Bucket())
		}
	}
}

func TestAudienceDecidesAfterTheBucket(t *testing.T) {
	e := running("a", 0, 5000)
	e.Audience = `country == "DE"`
	snap := compiled(t, oneLayer(e, running("b", 5000, 10000)))
	for i := range 1000 {
		german, french, nobody := visitor(i), visitor(i), visitor(i)
		german.Attributes = map[string]any{"country": "DE"}
		french.Attributes = map[string]any{"country": "FR"}
		in, out, unknown := snap.Assign(german), snap.Assign(french), snap.Assign(nobody)
		d := decision(out, "l")
		if d.Bucket() >= 5000 {
			require.Equal(t, strata.ReasonAssigned, d.Reason())
			require.Equal(t, in.Peek("b"), out.Peek("b"), "attributes do not enter the draw")
			continue
		}
		require.Equal(t, strata.ReasonAudience, d.Reason())
		require.Equal(t, "a", d.Experiment())
		require.Empty(t, d.Treatment())
		require.Empty(t, out.Peek("a"))
		require.Empty(t, out.Peek("b"))
		require.Equal(t, strata.ReasonAudience, decision(unknown, "l").Reason(), "a missing attribute does not match")
		require.NotEmpty(t, in.Peek("a"))
	}
}

func TestAUnitWithoutTheIDIsInNothing(t *testing.T) {
	p := nestedPlan()
	snap := compiled(t, p)
	noDevice := 0
	for i := range 1000 {
		none := snap.Assign(strata.Unit{Session: "s", Request: "r", Tenant: "t"})
		require.Equal(t, strata.ReasonNoID, decision(none, "outer").Reason())
		require.Equal(t, -1, decision(none, "outer").Bucket())

		u := visitor(i)
		u.Device = ""
		a := snap.Assign(u)
		require.Empty(t, a.Peek("inner"), "never a fallback to the user's id")
		if d := decision(a, "innermost"); d != nil {
			noDevice++
			require.Equal(t, strata.ReasonNoID, d.Reason())
			require.Equal(t, "default", strata.StringParam("inner.p", "").Peek(a))
		}
	}
	require.Positive(t, noDevice)
}

// Buckets that drain out of a domain admit nobody to what runs inside; only
// units that the store remembers stay there.
func TestADrainingDomainAdmitsNobody(t *testing.T) {
	p := nestedPlan()
	p.Domains[1].Buckets, p.Domains[1].Draining = strata.BucketRange(0, 2500), strata.BucketRange(2500, 5000)
	p.Experiments[1].Buckets = strata.Buckets{}
	p.Domains[0].Buckets = strata.AllBuckets() // so that "inner" has all of its layers
	inner := strata.StringParam("inner.p", "")
	count := make(map[strata.Reason]int)
	for _, a := range visitors(compiled(t, p), 1000) {
		outer, innermost := decision(a, "outer"), decision(a, "innermost")
		if outer.Bucket() >= 5000 {
			require.Nil(t, innermost)
			continue
		}
		require.Equal(t, strata.ReasonDomain, outer.Reason())
		want := strata.ReasonAssigned
		if outer.Bucket() >= 2500 {
			want = strata.ReasonIntakeClosed
			require.Empty(t, a.Peek("inner"))
			require.Equal(t, "default", inner.Peek(a))
		}
		require.Equal(t, want, innermost.Reason())
		require.Equal(t, innermost.Treatment(), a.Peek("inner"))
		count[want]++
	}
	require.Len(t, count, 2)
}

// reasonsPlan has a layer for each reason that a layer by itself can have.
func reasonsPlan() *strata.Plan {
	p := &strata.Plan{}
	for _, x := range []struct {
		layer  string
		change func(*strata.Experiment)
	}{
		{"assigned", func(*strata.Experiment) {}},
		{"empty", func(e *strata.Experiment) { e.Buckets = strata.Buckets{} }},
		{"draft", func(e *strata.Experiment) { e.Status = strata.StatusDraft }},
		{"early", func(e *strata.Experiment) { e.Schedule.Start = noon.Add(1) }},
		{"late", func(e *strata.Experiment) { e.Schedule.End = noon }},
		{"ramping", func(e *strata.Experiment) { e.Schedule.Ramp = []strata.RampStep{{At: noon.Add(1), Share: 1}} }},
		{"stopped", func(e *strata.Experiment) { e.Status = strata.StatusStopped }},
		{"closed", func(e *strata.Experiment) { e.Status = strata.StatusIntakeClosed }},
		{"draining", func(e *strata.Experiment) { e.Buckets, e.Draining = e.Draining, e.Buckets }},
		{"audience", func(e *strata.Experiment) { e.Audience = "vip" }},
	} {
		e := running("e-"+x.layer, 0, strata.NumBuckets)
		e.Layer, e.Treatments = x.layer, arms("", 1, 1)
		x.change(&e)
		p.Layers = append(p.Layers, strata.Layer{Key: x.layer})
		p.Experiments = append(p.Experiments, e)
	}
	p.Layers = append(p.Layers, strata.Layer{Key: "by-session", Diversion: strata.BySession},
		strata.Layer{Key: "nesting"}, strata.Layer{Key: "nested", Domain: "d"})
	p.Domains = []strata.Domain{{Key: "d", Layer: "nesting", Buckets: strata.AllBuckets()}}
	return p
}

func TestAllGivesEveryReason(t *testing.T) {
	a := compiled(t, reasonsPlan()).Assign(visitor(1))
	got := make(map[string]string)
	var order []string
	for d := range a.All() {
		got[d.Layer()] = d.Reason().String()
		order = append(order, d.Layer())
	}
	require.Equal(t, map[string]string{
		"assigned": "assigned", "empty": "not in a bucket", "draft": "not running", "early": "not running", "late": "not running",
		"ramping": "not running", "stopped": "not in a bucket", "closed": "intake closed", "draining": "intake closed",
		"audience": "audience", "by-session": "no id", "nesting": "nested domain", "nested": "not in a bucket",
	}, got)
	require.Equal(t, []string{"nesting", "nested"}, order[len(order)-2:], "a nested layer comes behind the one that led to it")
	forced, err := a.Force("e-draft", "t1")
	require.NoError(t, err)
	require.Equal(t, strata.ReasonForced, decision(forced, "draft").Reason())

	n := 0
	for range a.All() {
		if n++; n == 3 {
			break
		}
	}
	require.Equal(t, 3, n, "the iteration stops when it is told to")
}

func TestADecisionAsTextAndJSON(t *testing.T) {
	p := oneLayer(running("cta-color", 0, 10000))
	p.Experiments[0].Treatments = []strata.Treatment{{Key: "green", Weight: 1, Values: strata.Values{"p": "green"}}, {Key: "never", Weight: 0}}
	p.Experiments[0].Phase = 2
	a := compiled(t, p).Assign(visitor(1))
	d := decision(a, "l")
	require.Equal(t, fmt.Sprintf("l: cta-color=green (assigned, bucket %d)", d.Bucket()), d.String())
	text, err := json.Marshal(d)
	require.NoError(t, err)
	require.JSONEq(t, fmt.Sprintf(`{"layer":"l","experiment":"cta-color","phase":2,"treatment":"green","bucket":%d,"reason":"assigned","values":{"p":"green"}}`, d.Bucket()), string(text))
}

func TestTheZeroAssignmentIsSafe(t *testing.T) {
	for name, a := range map[string]*strata.Assignment{"nil": nil, "zero": {}} {
		t.Run(name, func(t *testing.T) { requireEmpty(t, a) })
	}
}

func requireEmpty(t *testing.T, a *strata.Assignment) {
	t.Helper()
	require.Zero(t, a.Unit())
	require.False(t, a.Forced())
	require.ErrorIs(t, a.Track(strata.PageView{Page: "/"}), strata.ErrClosed)
	_, waiting := a.TrackDurable(t.Context(), strata.PageView{Page: "/"}, strata.LevelMemory)
	require.ErrorIs(t, waiting, strata.ErrClosed)
	require.Empty(t, a.Peek("x"))
	require.Empty(t, a.Treatment("x"))
	require.False(t, a.Expose("x"))
	require.Zero(t, a.Version())
	require.Equal(t, "fallback", strata.StringParam("p", "fallback").Get(a))
	for range a.All() {
		t.Fatal("the zero assignment has no layers")
	}
	_, err := a.Force("x", "y")
	require.ErrorIs(t, err, strata.ErrNotFound)
}

// Neither the order of maps nor the number of the snapshot enters an answer.
func TestTheSamePlanCompiledTwiceAnswersAlike(t *testing.T) {
	seed.OneGoroutine(t)
	for _, p := range []*strata.Plan{nestedPlan(), reasonsPlan(), sharedControlPlan(), launchPlan()} {
		first := compiled(t, p)
		for range 5 {
			again, err := p.Clone()
			require.NoError(t, err)
			second := compiled(t, again)
			for i, a := range visitors(first, 300) {
				b := second.Assign(visitor(i))
				require.Equal(t, texts(a), texts(b))
			}
		}
	}
}

// The order in which a plan lists things moves nobody.
func TestTheOrderOfThePlanDoesNotMatter(t *testing.T) {
	p, turned := nestedPlan(), nestedPlan()
	slices.Reverse(turned.Layers)
	slices.Reverse(turned.Domains)
	slices.Reverse(turned.Experiments)
	slices.Reverse(turned.Parameters)
	s, r := compiled(t, p), compiled(t, turned)
	for i, a := range visitors(s, 500) {
		b := r.Assign(visitor(i))
		require.ElementsMatch(t, texts(a), texts(b))
	}
}

func texts(a *strata.Assignment) []string {
	var list []string
	for d := range a.All() {
		list = append(list, d.String())
	}
	return list
}
