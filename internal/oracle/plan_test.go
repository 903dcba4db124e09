package oracle_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/oracle"
)

// Mistakes in a plan, each with a word of what is said about it.
var mistakes = map[string]func(*strata.Plan){
	"two layers":      func(p *strata.Plan) { p.Layers = append(p.Layers, p.Layers[0]) },
	"two domains":     func(p *strata.Plan) { p.Domains = append(p.Domains, p.Domains[0]) },
	"two experiments": func(p *strata.Plan) { p.Experiments = append(p.Experiments, p.Experiments[0]) },
	`diversion "x"`:   func(p *strata.Plan) { p.Layers[0].Diversion = "x" },
	`layer "x"`:       func(p *strata.Plan) { p.Domains[0].Layer = "x" },
	`domain "x"`:      func(p *strata.Plan) { p.Layers[1].Domain = "x" },
	`no layer "y"`:    func(p *strata.Plan) { p.Experiments[0].Layer = "y" },
	"in itself":       func(p *strata.Plan) { p.Layers[0].Domain = "lab" },
	`status "x"`:      func(p *strata.Plan) { p.Experiments[0].Status = "x" },
	`audience "x ="`:  func(p *strata.Plan) { p.Experiments[0].Audience = "x =" },
}

// small is a plan with an experiment at the root and one in a domain.
func small() *strata.Plan {
	arms := []strata.Treatment{{Key: "off", Weight: 1, Values: strata.Values{"p": 1}}, {Key: "on", Weight: 1, Values: strata.Values{"p": 2.0}}}
	return &strata.Plan{
		Parameters: []strata.Parameter{{Key: "p", Type: strata.TypeInt, Default: 0}},
		Layers:     []strata.Layer{{Key: "outer"}, {Key: "inner", Domain: "lab"}},
		Domains:    []strata.Domain{{Key: "lab", Layer: "outer", Buckets: strata.BucketRange(0, 5000), Draining: strata.BucketRange(9000, 10_000)}},
		Experiments: []strata.Experiment{
			{Key: "a", Layer: "outer", Status: strata.StatusRunning, Buckets: strata.BucketRange(5000, 8000), Draining: strata.BucketRange(8000, 9000), Treatments: arms},
			{Key: "b", Layer: "inner", Status: strata.StatusRunning, Buckets: strata.AllBuckets(), Treatments: arms},
		},
	}
}

func TestPlansThatCannotBeRead(t *testing.T) {
	_, err := oracle.NewPlan(small())
	require.NoError(t, err)
	for says, mistake := range mistakes {
		p := small()
		mistake(p)
		_, err := oracle.NewPlan(p)
		require.ErrorContains(t, err, says)
		require.Error(t, oracle.Exclusive(p))
	}
}

// Whatever owns a bucket, owned or draining, nobody else may.
func TestExclusive(t *testing.T) {
	require.NoError(t, oracle.Exclusive(small()))
	taken := []strata.Buckets{strata.BucketList(4999), strata.BucketList(9999), strata.BucketList(5000), strata.BucketList(8999)}
	for _, set := range taken {
		p := small()
		p.Experiments = append(p.Experiments, strata.Experiment{Key: "c", Layer: "outer", Buckets: set})
		require.ErrorContains(t, oracle.Exclusive(p), `"c"`, "a draft reserves its buckets")
		p.Experiments[2].Status = strata.StatusStopped
		require.NoError(t, oracle.Exclusive(p), "what was stopped owns nothing")
		p.Experiments = p.Experiments[:2]
		p.Domains = append(p.Domains, strata.Domain{Key: "d", Layer: "outer", Draining: set})
		require.ErrorContains(t, oracle.Exclusive(p), `"d" (draining)`)
	}
}

// Two treatments of a unit that set one parameter are a mistake of the plan, and
// so is a value of another type.
func TestValuesThatCannotBe(t *testing.T) {
	p := small()
	p.Layers = append(p.Layers, strata.Layer{Key: "other"})
	p.Experiments = append(p.Experiments, p.Experiments[1])
	p.Experiments[2].Key, p.Experiments[2].Layer = "c", "other"
	model, err := oracle.NewPlan(p)
	require.NoError(t, err)
	_, err = model.Values(noon, &strata.Unit{User: "x2"}, nil)
	require.Error(t, err)
	p = small()
	p.Parameters[0].Default = 1.5
	p.Experiments = nil
	model, err = oracle.NewPlan(p)
	require.NoError(t, err)
	_, err = model.Values(noon, &strata.Unit{User: "x2"}, nil)
	require.ErrorContains(t, err, "1.5 is no int")
}

// Who is kept, by the rules of docs/changing.md.
func TestKeptUnits(t *testing.T) {
	anyone := &strata.Unit{User: "u"}
	held := func(version int64) oracle.Held {
		return func(experiment string, phase int, id string) (string, int64, bool) {
			return "on", version, experiment == "e" && phase == 0 && id == "u"
		}
	}
	for what, change := range map[string]func(*strata.Experiment){
		"re-weighted":   func(e *strata.Experiment) { e.Earlier = earlier("") },
		"left out":      func(e *strata.Experiment) { e.Audience, e.Earlier = "false", earlier("") },
		"draining":      func(e *strata.Experiment) { e.Buckets, e.Draining = strata.Buckets{}, strata.AllBuckets() },
		"intake closed": func(e *strata.Experiment) { e.Status = strata.StatusIntakeClosed },
	} {
		p := onlyFor("")
		e := &p.Experiments[0]
		e.Treatments[1].Key = "on" // with weight 0: nobody new
		e.History = strata.History{Begun: true, KeepFrom: 3, KeepBefore: 5}
		change(e)
		model, err := oracle.NewPlan(p)
		require.NoError(t, err)
		newest := model.Treatments(noon, anyone, nil)["e"]
		require.NotEqual(t, "on", newest)
		for version, want := range map[int64]string{2: newest, 3: "on", 4: "on", 5: newest} {
			require.Equal(t, want, model.Treatments(noon, anyone, held(version))["e"], "%s, exposed by version %d", what, version)
		}
		e.Status = strata.StatusStopped
		require.Empty(t, model.Treatments(noon, anyone, held(4)), "stopping moves everybody to the defaults")
	}
}

// earlier is an allocation in which everybody in an audience drew "on".
func earlier(audience string) []strata.Allocation {
	return []strata.Allocation{{Weights: []strata.Weight{{Treatment: "t"}, {Treatment: "on", Weight: 1}}, Audience: audience}}
}
