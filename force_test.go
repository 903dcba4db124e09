package strata_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
)

// Forcing overrules everything: status, bucket, audience, schedule, a missing
// id, and the domains on the way.
func TestForceOverrulesEverything(t *testing.T) {
	p := nestedPlan()
	p.Experiments[0].Status = strata.StatusDraft
	p.Experiments[0].Audience = "vip"
	p.Experiments[0].Buckets = strata.Buckets{}
	p.Experiments[0].Schedule.End = noon
	snap := compiled(t, p)
	inner := strata.StringParam("inner.p", "")
	for _, u := range []strata.Unit{visitor(1), visitor(2), visitor(3), {}} {
		a := snap.Assign(u)
		before := texts(a)
		f, err := a.Force("inner", "t1")
		require.NoError(t, err)
		require.True(t, f.Forced())
		require.Equal(t, "t1", f.Peek("inner"))
		require.Equal(t, "t1", inner.Peek(f))
		require.Empty(t, f.Peek("out"), "the unit is led into the domain, and out of what it had there")
		require.Empty(t, f.Peek("mid"))
		for _, layer := range []string{"outer", "middle"} {
			require.Equal(t, strata.ReasonDomain, decision(f, layer).Reason())
		}
		d := decision(f, "innermost")
		require.Equal(t, strata.ReasonForced, d.Reason())
		require.Equal(t, -1, d.Bucket(), "no bucket decided")

		require.False(t, a.Forced(), "the assignment it was made from is as it was")
		require.Equal(t, before, texts(a))
	}
}

func TestForceSeveral(t *testing.T) {
	p := oneLayer(running("a", 0, 5000), running("b", 5000, 10000))
	for _, x := range []struct {
		key     string
		weights []int
	}{{"two", []int{1, 1}}, {"three", []int{1, 1, 1}}} { // the fast draw and the other one
		p.Layers = append(p.Layers, strata.Layer{Key: "layer-" + x.key})
		e := running(x.key, 0, 10000)
		e.Layer, e.Treatments = "layer-"+x.key, arms("", x.weights...)
		p.Experiments = append(p.Experiments, e)
	}
	snap := compiled(t, p)
	for i := range 20 {
		start := snap.Assign(visitor(i))
		x, err := start.Force("a", "t1")
		require.NoError(t, err)
		before := texts(x)
		for _, key := range []string{"two", "three"} {
			require.Equal(t, start.Peek(key), x.Peek(key), "other layers decide as before")
			for _, treatment := range []string{"t0", "t1"} {
				y, err := x.Force(key, treatment)
				require.NoError(t, err)
				require.Equal(t, "t1", y.Peek("a"))
				require.Equal(t, treatment, y.Peek(key))
				d := decision(y, "layer-"+key)
				require.Equal(t, treatment, d.Treatment())
				require.Equal(t, strata.ReasonForced, d.Reason())
				require.Equal(t, before, texts(x), "the assignment it was made from is as it was")
				require.Equal(t, start.Peek(key), x.Peek(key))
			}
		}
		z, err := x.Force("b", "t0")
		require.NoError(t, err)
		require.Empty(t, z.Peek("a"), "one layer, one experiment: the last one counts")
		require.Equal(t, "t0", z.Peek("b"))
		require.Equal(t, "t1", x.Peek("a"), "a copy")
	}
}

func TestForceWhatDoesNotExist(t *testing.T) {
	a := compiled(t, sharedControlPlan()).Assign(visitor(1))
	for _, c := range [][2]string{{"nothing", "t1"}, {"first", "nothing"}, {"second", "t0"}} {
		f, err := a.Force(c[0], c[1])
		require.ErrorIs(t, err, strata.ErrNotFound, "%v", c)
		require.ErrorContains(t, err, c[0])
		require.False(t, f.Forced())
	}
}

// A forced control is the control of whoever shares it.
func TestForceASharedControl(t *testing.T) {
	a := compiled(t, sharedControlPlan()).Assign(visitor(1))
	f, err := a.Force("first", "t0")
	require.NoError(t, err)
	require.Equal(t, "t0", f.Peek("second"))
	f, err = a.Force("first", "t1")
	require.NoError(t, err)
	require.Empty(t, f.Peek("second"))
}
