package strata_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
)

// fullPlan is goodPlan with everything else that a plan can hold.
func fullPlan() *strata.Plan {
	p := goodPlan()
	p.Version, p.EffectiveAt = 7, noon.Add(time.Hour)
	p.Parameters[0].Description = "<what> & \"why\""
	p.Domains[0].Description, p.Layers[0].Description = "a domain", "a layer"
	p.Domains[1].Draining = strata.BucketRange(9990, 9995)
	p.Experiments[2].Buckets = strata.BucketRange(5000, 9000)
	p.Experiments[2].Salt, p.Experiments[2].Phase, p.Experiments[2].Description = "größe", 3, "an experiment"
	p.Experiments[2].Draining = strata.BucketList(9100)
	p.Experiments[2].Earlier = []strata.Allocation{{Audience: "vip", Weights: []strata.Weight{{Treatment: "t0", Weight: 2}, {Treatment: "t1", Weight: 1}}}}
	p.Experiments[2].Treatments[0].Description = "as ever"
	p.Metrics[0].Window, p.Metrics[0].Direction, p.Metrics[0].Guardrail = strata.Duration(72*time.Hour), strata.Decrease, true
	p.Metrics[4].Steps[1].Within = strata.Duration(90 * time.Minute)
	p.Ledger = []strata.Tenure{{Layer: "outer", Holder: "old", Phase: 2, Buckets: strata.BucketRange(1, 3), Until: noon}}
	return p
}

// A plan survives its JSON form: the same again, to the byte, with the same
// answers.
func TestAPlanSurvivesItsJSON(t *testing.T) {
	p := fullPlan()
	text, err := json.Marshal(p)
	require.NoError(t, err)
	again, err := strata.ParsePlan(text)
	require.NoError(t, err)
	second, err := json.Marshal(again)
	require.NoError(t, err)
	require.JSONEq(t, string(text), string(second))
	require.Equal(t, string(text), string(second))
	require.NoError(t, again.Validate())
	s, r := compiled(t, p), compiled(t, again)
	for i, a := range visitors(s, 300) {
		b := r.Assign(visitor(i))
		require.Equal(t, texts(a), texts(b))
	}
	clone, err := p.Clone()
	require.NoError(t, err)
	require.Equal(t, again, clone)
	clone.Experiments[0].Treatments[0].Key = "changed"
	clone.Experiments[0].Metrics[0] = "changed"
	require.Equal(t, "t0", p.Experiments[0].Treatments[0].Key, "a deep copy")
	require.Equal(t, "buyers", p.Experiments[0].Metrics[0])

	empty, err := json.Marshal(&strata.Plan{})
	require.NoError(t, err)
	require.Equal(t, "{}", string(empty))
}

// Integers keep all 64 bits on their way through JSON.
func TestHugeIntegersKeepTheirDigits(t *testing.T) {
	for text, want := range map[string]int64{
		"9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64,
		"9007199254740993": 1<<53 + 1, "-9007199254740993": -(1<<53 + 1), "1e3": 1000, "5.0": 5,
	} {
		p, err := strata.ParsePlan(fmt.Appendf(nil, `{"parameters":[{"key":"n","type":"int","default":%s}]}`, text))
		require.NoError(t, err)
		for range 2 {
			param := strata.IntParam("n", -1)
			require.Equal(t, want, param.Get(compiled(t, p).Assign(visitor(1))), text)
			p, err = p.Clone() // once more through JSON
			require.NoError(t, err)
		}
	}
	for _, text := range []string{"9223372036854775808", "1.5", "1e400", "1e19", `"1"`, "true", "null", "9007199254740993.0"} {
		p, err := strata.ParsePlan(fmt.Appendf(nil, `{"parameters":[{"key":"n","type":"int","default":%s}]}`, text))
		require.NoError(t, err, text)
		require.ErrorContains(t, p.Validate(), "expected an integer", text)
	}
}

func TestParsePlanIsStrict(t *testing.T) {
	for _, c := range []struct {
		text  string
		paths []string // of the problems
		cure  string
	}{
		{`{"experimnts":[]}`, []string{"experimnts"}, "unknown field; the fields here are version, effective_at, parameters"},
		{`{"Version":1}`, []string{"Version"}, "unknown field"},
		{`{"experiments":[{"key":"a"},{"key":"b","treatments":[{"key":"t","wieght":1}]}]}`, []string{"experiments[1].treatments[0].wieght"}, "key, description, weight, values"},
		{`{"experiments":[{"schedule":{"ramp":[{"at":"2025-06-02T12:00:00Z","share":1,"x":0}],"begin":null}}]}`,
			[]string{"experiments[0].schedule.ramp[0].x", "experiments[0].schedule.begin"}, "unknown field"},
		{`{"metrics":[{"denominator":{"evnt":"click"}}]}`, []string{"metrics[0].denominator.evnt"}, "unknown field"},
		{`{"metrics":[{"measure":{"events":"click"},"steps":[{"kind":"click"}]}],"ledger":[{"who":1}]}`,
			[]string{"metrics[0].measure.events", "metrics[0].steps[0].kind", "ledger[0].who"}, "unknown field"},
		{`{"version":1,"version":2}`, []string{"version"}, "given twice"},
		{`{"layers":[{"key":"a","salt":"x","key":"b"}]}`, []string{"layers[0].key"}, "given twice"},
		{`{"experiments":[{"treatments":[{"values":{"p":1,"p":2}}]}]}`, []string{"experiments[0].treatments[0].values.p"}, "given twice"},
		{`{"parameters":[{"default":{"a":{"b":1,"b":2}}}]}`, []string{"parameters[0].default.a.b"}, "given twice"},
		{`{} {}`, []string{""}, "text after the document"},
		{`{}x`, []string{""}, "text after the document"},
		{`{"version":1`, []string{""}, "not JSON at byte"},
		{``, []string{""}, "not JSON at byte 0"},
		{`{"a":}`, []string{"a", ""}, "unknown field"},
		{strings.Repeat(`{"parameters":[{"default":`, 60), nil, "nested more than 100 deep"},
	} {
		_, err := strata.ParsePlan([]byte(c.text))
		require.ErrorIs(t, err, strata.ErrInvalidPlan, c.text)
		require.ErrorContains(t, err, c.cure, c.text)
		var list *strata.PlanError
		require.True(t, errors.As(err, &list), c.text)
		var paths []string
		for _, x := range list.Problems {
			paths = append(paths, x.Path)
		}
		if c.paths != nil {
			require.Equal(t, c.paths, paths, c.text)
		}
	}
}

// What is well formed but of the wrong type is the decoder's to refuse.
func TestParsePlanRefusesWrongTypes(t *testing.T) {
	for text, piece := range map[string]string{
		`[]`: "cannot unmarshal array", `7`: "cannot unmarshal number",
		`{"version":"1"}`:                                   "version",
		`{"experiments":{}}`:                                "experiments",
		`{"effective_at":"tomorrow"}`:                       "tomorrow",
		`{"experiments":[{"buckets":[1,2]}]}`:               "buckets must be a string",
		`{"experiments":[{"buckets":"1-"}]}`:                "is not a bucket",
		`{"metrics":[{"window":"3 days"}]}`:                 "is not a duration",
		`{"metrics":[{"window":7}]}`:                        "window",
		`{"experiments":[{"treatments":[{"weight":1.5}]}]}`: "weight",
	} {
		_, err := strata.ParsePlan([]byte(text))
		require.ErrorIs(t, err, strata.ErrInvalidPlan, text)
		require.ErrorContains(t, err, piece, text)
	}
	p := fullPlan()
	require.Error(t, json.Unmarshal([]byte(`{"nothing":1}`), p))
	require.Equal(t, fullPlan(), p, "a failure changes nothing")
}

func TestPlanLookUps(t *testing.T) {
	p := goodPlan()
	require.Same(t, &p.Parameters[1], p.Parameter("middle.p"))
	require.Same(t, &p.Domains[1], p.Domain("lab"))
	require.Same(t, &p.Layers[2], p.Layer("middle"))
	require.Same(t, &p.Experiments[2], p.Experiment("out"))
	require.Same(t, &p.Metrics[4], p.Metric("funnel"))
	require.Nil(t, p.Parameter("x"))
	require.Nil(t, p.Domain("x"))
	require.Nil(t, p.Layer("x"))
	require.Nil(t, p.Experiment("x"))
	require.Nil(t, p.Metric("x"))
}

// The builder collects what went wrong and says it all at the end.
func TestTheBuilderCollectsItsErrors(t *testing.T) {
	b := strata.NewPlan()
	b.Int("n", 1)
	l := b.Layer("l", strata.ByUser, "n")
	l.Experiment("a", 1.5).Treatment("x", 1, nil).Treatment("y", 1, strata.Values{"n": "text"})
	l.Experiment("b", 0.7).Treatment("x", 1, nil).Treatment("y", 1, nil)
	l.Experiment("c", 0.4).Treatment("x", 1, nil).Treatment("y", 1, nil)
	_, err := b.Build()
	require.ErrorIs(t, err, strata.ErrInvalidPlan)
	for _, piece := range []string{`"a": a share of 1.5; use 0 to 1`, `layer "l" has 3000 free buckets, 4000 wanted`, "expected an integer"} {
		require.ErrorContains(t, err, piece)
	}
}

// Whatever parses prints in a form that parses to the same plan; what is valid
// as well compiles and assigns.
func FuzzParsePlan(f *testing.F) {
	for _, p := range []*strata.Plan{{}, fullPlan(), sharedControlPlan(), launchPlan(), reasonsPlan()} {
		text, err := json.Marshal(p)
		require.NoError(f, err)
		f.Add(text)
	}
	f.Add([]byte(`null`))
	f.Add([]byte(`{"layers":[{"key":"a","domain":"d"}],"domains":[{"key":"d","layer":"a","buckets":"0-9"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := strata.ParsePlan(text)
		if err != nil {
			require.ErrorIs(t, err, strata.ErrInvalidPlan)
			return
		}
		first, err := json.Marshal(p)
		if err != nil {
			return // a year beyond 9999 is read and not written
		}
		again, err := strata.ParsePlan(first)
		require.NoError(t, err)
		second, err := json.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(first), string(second))
		snap, err := strata.Compile(p, noon)
		require.Equal(t, p.Validate() == nil, err == nil, "what is valid compiles")
		for _, m := range strata.Diff(p, again, noon) {
			require.True(t, err != nil || !m.Moves(), "%v", m)
		}
		if err == nil {
			a := snap.Assign(strangers()[1])
			for d := range a.All() {
				_ = d.String()
			}
			for i := range p.Experiments {
				a.Peek(p.Experiments[i].Key)
			}
		}
	})
}
