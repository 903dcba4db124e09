package strata_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"math"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
)

// goodPlan has a bit of everything, and nothing wrong.
func goodPlan() *strata.Plan {
	p := nestedPlan()
	p.Parameters = append(p.Parameters,
		strata.Parameter{Key: "flag", Type: strata.TypeBool, Default: false},
		strata.Parameter{Key: "limit", Type: strata.TypeInt, Default: 1 << 60},
		strata.Parameter{Key: "rate", Type: strata.TypeFloat, Default: 0.5},
		strata.Parameter{Key: "menu", Type: strata.TypeJSON, Default: []any{"a", 1}})
	p.Layers = append(p.Layers, strata.Layer{Key: "launches", Launch: true, Parameters: []string{"flag", "limit"}})
	p.Metrics = []strata.Metric{
		{Key: "buyers", Type: strata.MetricConversion, Measure: strata.Measure{Event: strata.KindPurchase}},
		{Key: "views", Type: strata.MetricCount, Measure: strata.Measure{Event: strata.KindPageView}, Cap: 100},
		{Key: "revenue", Type: strata.MetricSum, Measure: strata.Measure{Event: strata.KindPurchase, Value: strata.ValueTotal, Currency: "EUR"}},
		{Key: "order-value", Type: strata.MetricRatio, Measure: strata.Measure{Event: strata.KindPurchase, Value: strata.ValueTotal, Currency: "EUR"},
			Denominator: &strata.Measure{Event: strata.KindPurchase}},
		{Key: "funnel", Type: strata.MetricFunnel, Steps: []strata.Step{{Event: strata.KindPageView}, {Event: strata.KindPurchase}}},
	}
	p.Metrics[0].PrePeriod, p.Metrics[0].MinimumEffect = strata.Duration(14*24*time.Hour), 0.01
	p.Metrics[1].Guardrail, p.Metrics[1].Margin = true, 0.03
	p.Experiments[0].Metrics = []string{"buyers", "revenue"}
	p.Experiments[0].Analysis = strata.Analysis{Primary: []string{"revenue"}, PlannedUnits: 100_000, Breakdowns: []string{"country"}}
	p.Experiments[0].Audience = `country in ["DE", "AT"] && app_version >= 5`
	p.Experiments[0].Schedule = strata.Schedule{Start: noon, End: noon.Add(10 * time.Hour), Ramp: []strata.RampStep{
		{At: noon, Share: 0.1}, {At: noon.Add(time.Hour), Share: 1}}}
	launch := running("launch", 0, 100)
	launch.Layer = "launches"
	launch.Treatments = []strata.Treatment{{Key: "on", Weight: 1, Values: strata.Values{"flag": true, "limit": 7}}}
	p.Experiments = append(p.Experiments, launch)
	shares := running("shares", 6000, 6100)
	shares.Layer, shares.SharedControl = "middle", "mid"
	p.Experiments[1].Buckets = strata.BucketRange(0, 4000)
	shares.Buckets = strata.BucketRange(4000, 5000)
	shares.Treatments = []strata.Treatment{{Key: "s1", Weight: 1, Values: strata.Values{"middle.p": "s1"}}}
	p.Experiments = append(p.Experiments, shares)
	return p
}

func TestAGoodPlanHasNoProblems(t *testing.T) {
	for _, p := range []*strata.Plan{{}, goodPlan(), nestedPlan(), launchPlan(), sharedControlPlan(), reasonsPlan()} {
		require.NoError(t, p.Validate())
	}
}

// brokenPlans breaks goodPlan in one way each. The experiments are inner (0),
// mid (1), out (2), launch (3) and shares (4).
var brokenPlans = []struct {
	name   string
	change func(*strata.Plan)
	path   string // of a problem
	cure   string // a piece of what it says
}{
	{"no key", func(p *strata.Plan) { p.Parameters[3].Key = "" }, "parameters[3].key", "a key is required"},
	{"key with a space", func(p *strata.Plan) { p.Metrics[0].Key = "my metric" }, "metrics[0].key", "letters, digits"},
	{"key starts with a dot", func(p *strata.Plan) { p.Experiments[2].Key = ".out" }, "experiments[2].key", "starting with a letter or digit"},
	{"key of letters we do not allow", func(p *strata.Plan) { p.Experiments[2].Key = "größe" }, "experiments[2].key", "letters, digits"},
	{"key too long", func(p *strata.Plan) { p.Experiments[2].Key = strings.Repeat("k", 101) }, "experiments[2].key", "at most 100"},
	{"parameter twice", func(p *strata.Plan) { p.Parameters[1].Key = "outer.p" }, "parameters[1].key", "used twice"},
	{"layer twice", func(p *strata.Plan) { p.Layers[3].Key = "outer" }, "layers[3].key", "used twice"},
	{"domain twice", func(p *strata.Plan) { p.Domains[1].Key = "cage" }, "domains[1].key", "used twice"},
	{"experiment twice", func(p *strata.Plan) { p.Experiments[2].Key = "mid" }, "experiments[2].key", "used twice"},
	{"metric twice", func(p *strata.Plan) { p.Metrics[1].Key = "buyers" }, "metrics[1].key", "used twice"},
	{"treatment twice", func(p *strata.Plan) { p.Experiments[2].Treatments[1].Key = "t0" }, "experiments[2].treatments[1].key", "used twice"},
	{"treatment without key", func(p *strata.Plan) { p.Experiments[2].Treatments[1].Key = "" }, "experiments[2].treatments[1].key", "a key is required"},

	{"unknown type", func(p *strata.Plan) { p.Parameters[0].Type = "text" }, "parameters[0].type", "use bool, int, float, string or json"},
	{"default of another type", func(p *strata.Plan) { p.Parameters[0].Default = 1 }, "parameters[0].default", "expected a string, found the number 1"},
	{"no default", func(p *strata.Plan) { p.Parameters[0].Default = nil }, "parameters[0].default", "expected a string, found nothing"},
	{"bool from a text", func(p *strata.Plan) { p.Parameters[3].Default = "true" }, "parameters[3].default", "expected true or false, found a string"},
	{"int with a fraction", func(p *strata.Plan) { p.Parameters[4].Default = 1.5 }, "parameters[4].default", "expected an integer, found 1.5"},
	{"int too large", func(p *strata.Plan) { p.Parameters[4].Default = uint64(1 << 63) }, "parameters[4].default", "expected an integer"},
	{"float not finite", func(p *strata.Plan) { p.Parameters[5].Default = math.NaN() }, "parameters[5].default", "finite"},
	{"json that is none", func(p *strata.Plan) { p.Parameters[6].Default = func() {} }, "parameters[6].default", "expected a JSON value"},

	{"domain in no layer", func(p *strata.Plan) { p.Domains[1].Layer = "nowhere" }, "domains[1].layer", "no layer has this key"},
	{"domain in a launch layer", func(p *strata.Plan) { p.Domains[1].Layer = "launches" }, "domains[1].layer", "a launch layer holds launches only"},
	{"domain open and draining", func(p *strata.Plan) { p.Domains[1].Draining = strata.BucketRange(0, 3) }, "domains[1].draining", "open as well"},
	{"bucket of two domains", func(p *strata.Plan) {
		p.Domains = append(p.Domains, strata.Domain{Key: "d", Layer: "outer", Buckets: strata.BucketRange(4999, 5000)})
	}, "domains[2].buckets", `belong to domain "lab" already`},

	{"layer salt too long", func(p *strata.Plan) { p.Layers[0].Salt = strings.Repeat("s", 201) }, "layers[0].salt", "at most 200 bytes"},
	{"layer salt with NUL", func(p *strata.Plan) { p.Layers[0].Salt = "a\x00b" }, "layers[0].salt", "without NUL"},
	{"layer salt not UTF-8", func(p *strata.Plan) { p.Layers[0].Salt = "\xff" }, "layers[0].salt", "UTF-8"},
	{"layer salt twice", func(p *strata.Plan) { p.Layers[1].Salt = "innermost" }, "layers[1].salt", `layer "innermost" has the same salt`},
	{"layer with a parameter that is not there", func(p *strata.Plan) { p.Layers[0].Parameters[0] = "nothing" }, "layers[0].parameters[0]", "no parameter has this key"},
	{"layer names a parameter twice", func(p *strata.Plan) { p.Layers[1].Parameters = []string{"outer.p", "outer.p"} }, "layers[1].parameters[1]", "named twice"},
	{"unknown diversion", func(p *strata.Plan) { p.Layers[0].Diversion = "cookie" }, "layers[0].diversion", "use tenant, user, device, session or request"},
	{"launch layer in a domain", func(p *strata.Plan) { p.Layers[3].Domain = "lab" }, "layers[3].domain", "a launch layer lies in the root domain"},
	{"layer in no domain", func(p *strata.Plan) { p.Layers[0].Domain = "nowhere" }, "layers[0].domain", `lies in domain "nowhere", which does not exist`},
	{"layer below a domain in no layer", func(p *strata.Plan) { p.Domains[0].Layer = "nowhere" }, "layers[0].domain", `domain "cage" takes its traffic from layer "nowhere"`},
	{"layer in itself", func(p *strata.Plan) { p.Layers[1].Domain = "cage" }, "layers[1].domain", "nested more than 6 deep, or in itself"},
	{"coarser below finer", func(p *strata.Plan) { p.Layers[1].Diversion = strata.BySession }, "layers[2].diversion", `layer "outer" above diverts by session, which is finer`},
	{"coarser two levels below", func(p *strata.Plan) { p.Layers[0].Diversion = strata.ByTenant }, "layers[0].diversion", "divert by user or finer"},
	{"parameter of two layers", func(p *strata.Plan) {
		p.Layers = append(p.Layers, strata.Layer{Key: "x", Parameters: []string{"outer.p"}})
	}, "layers[4].parameters", `can be set twice on one path, in or below layer "outer" and in or below layer "x"`},
	{"parameter of a layer and of one nested elsewhere", func(p *strata.Plan) {
		p.Layers = append(p.Layers, strata.Layer{Key: "x", Parameters: []string{"inner.p"}})
	}, "layers[4].parameters", `below layer "outer"`},
	{"parameter of two layers in one domain", func(p *strata.Plan) {
		p.Layers = append(p.Layers, strata.Layer{Key: "x", Domain: "lab", Parameters: []string{"inner.p"}})
	}, "layers[4].parameters", `below layer "middle"`},
	{"parameter of two launch layers", func(p *strata.Plan) {
		p.Layers = append(p.Layers, strata.Layer{Key: "x", Launch: true, Parameters: []string{"flag"}})
	}, "layers[4].parameters[0]", `launch layer "launches" owns it already`},

	{"experiment in no layer", func(p *strata.Plan) { p.Experiments[2].Layer = "nowhere" }, "experiments[2].layer", "no layer has this key"},
	{"experiment salt too long", func(p *strata.Plan) { p.Experiments[2].Salt = strings.Repeat("s", 201) }, "experiments[2].salt", "at most 200 bytes"},
	{"experiment salt twice", func(p *strata.Plan) { p.Experiments[2].Salt = "mid" }, "experiments[2].salt", `experiment "mid" has the same salt`},
	{"negative phase", func(p *strata.Plan) { p.Experiments[2].Phase = -1 }, "experiments[2].phase", "count from 0"},
	{"unknown status", func(p *strata.Plan) { p.Experiments[2].Status = "paused" }, "experiments[2].status", "use draft, running, intake_closed or stopped"},
	{"bucket open and draining", func(p *strata.Plan) { p.Experiments[2].Draining = strata.BucketList(9000) }, "experiments[2].draining", "open as well"},
	{"bucket of two experiments", func(p *strata.Plan) { p.Experiments[4].Buckets = strata.BucketRange(3999, 4002) }, "experiments[4].buckets", `of layer "middle" belong to experiment "mid" already`},
	{"bucket of a domain", func(p *strata.Plan) { p.Experiments[2].Buckets = strata.BucketRange(4000, 6000) }, "experiments[2].buckets", `belong to domain "lab" already`},
	{"draining bucket of another", func(p *strata.Plan) { p.Experiments[4].Draining = strata.BucketList(3999) }, "experiments[4].buckets", `belong to experiment "mid" already`},
	{"audience with a mistake", func(p *strata.Plan) { p.Experiments[2].Audience = "country = 1" }, "experiments[2].audience", "="},

	{"one treatment", func(p *strata.Plan) { p.Experiments[2].Treatments = arms("", 1) }, "experiments[2].treatments", "2 to 250 treatments"},
	{"no treatment in a launch", func(p *strata.Plan) { p.Experiments[3].Treatments = nil }, "experiments[3].treatments", "1 to 250 treatments"},
	{"too many treatments", func(p *strata.Plan) { p.Experiments[2].Treatments = arms("", make([]int, 251)...) }, "experiments[2].treatments", "2 to 250 treatments"},
	{"negative weight", func(p *strata.Plan) { p.Experiments[2].Treatments[0].Weight = -1 }, "experiments[2].treatments[0].weight", "integers from 0"},
	{"weight too large", func(p *strata.Plan) { p.Experiments[2].Treatments[0].Weight = 1<<20 + 1 }, "experiments[2].treatments[0].weight", "to 1048576"},
	{"no weight at all", func(p *strata.Plan) { p.Experiments[2].Treatments = arms("", 0, 0) }, "experiments[2].treatments", "must sum to something"},
	{"value of no parameter", func(p *strata.Plan) { p.Experiments[2].Treatments[0].Values = strata.Values{"nothing": 1} }, `experiments[2].treatments[0].values["nothing"]`, "no parameter has this key"},
	{"value of another layer's parameter", func(p *strata.Plan) { p.Experiments[2].Treatments[0].Values = strata.Values{"flag": true} }, `experiments[2].treatments[0].values["flag"]`, `layer "outer" does not own this parameter`},
	{"value of another type", func(p *strata.Plan) { p.Experiments[3].Treatments[0].Values = strata.Values{"flag": "on"} }, `experiments[3].treatments[0].values["flag"]`, "expected true or false, found a string"},

	{"shares with nobody", func(p *strata.Plan) { p.Experiments[4].SharedControl = "nobody" }, "experiments[4].shared_control", "no experiment has this key"},
	{"shares with itself", func(p *strata.Plan) { p.Experiments[4].SharedControl = "shares" }, "experiments[4].shared_control", "names the experiment itself"},
	{"shares a shared control", func(p *strata.Plan) {
		third := running("third", 4900, 5000)
		p.Experiments[4].Buckets = strata.BucketRange(4000, 4900)
		third.Layer, third.SharedControl = "middle", "shares"
		third.Treatments = []strata.Treatment{{Key: "x", Weight: 1, Values: strata.Values{"middle.p": "x"}}}
		p.Experiments = append(p.Experiments, third)
	}, "experiments[5].shared_control", `name "mid"`},
	{"shares across layers", func(p *strata.Plan) { p.Experiments[4].SharedControl = "out" }, "experiments[4].shared_control", `lies in layer "outer"`},
	{"shares with another audience", func(p *strata.Plan) { p.Experiments[4].Audience = "vip" }, "experiments[4].shared_control", "another audience"},
	{"shares but sets other parameters", func(p *strata.Plan) { p.Experiments[4].Treatments[0].Values = nil }, "experiments[4].shared_control", "sets other parameters"},
	{"shares a control of the same name", func(p *strata.Plan) { p.Experiments[4].Treatments[0].Key = "t0" }, "experiments[4].shared_control", `its control "t0" is a treatment here too`},

	{"ends before it starts", func(p *strata.Plan) { p.Experiments[0].Schedule.End = noon }, "experiments[0].schedule.end", "ends before or when it starts"},
	{"ramp share of 0", func(p *strata.Plan) { p.Experiments[0].Schedule.Ramp[0].Share = 0 }, "experiments[0].schedule.ramp[0].share", "above 0 and at most 1"},
	{"ramp share not a number", func(p *strata.Plan) { p.Experiments[0].Schedule.Ramp[0].Share = math.NaN() }, "experiments[0].schedule.ramp[0].share", "above 0 and at most 1"},
	{"ramp step without instant", func(p *strata.Plan) { p.Experiments[0].Schedule.Ramp[0].At = time.Time{} }, "experiments[0].schedule.ramp[0].at", "an instant is required"},
	{"ramp step after the end", func(p *strata.Plan) { p.Experiments[0].Schedule.Ramp[1].At = noon.Add(10 * time.Hour) }, "experiments[0].schedule.ramp[1].at", "not before the end"},
	{"ramp that shrinks", func(p *strata.Plan) { p.Experiments[0].Schedule.Ramp[1].Share = 0.05 }, "experiments[0].schedule.ramp[1]", "later and larger"},
	{"ramp out of order", func(p *strata.Plan) { p.Experiments[0].Schedule.Ramp[1].At = noon }, "experiments[0].schedule.ramp[1]", "later and larger"},

	{"unknown metric", func(p *strata.Plan) { p.Experiments[0].Metrics[0] = "nothing" }, "experiments[0].metrics[0]", "no metric has this key"},
	{"metric named twice", func(p *strata.Plan) { p.Experiments[0].Metrics[1] = "buyers" }, "experiments[0].metrics[1]", "named twice"},
	{"earlier treatment gone", func(p *strata.Plan) {
		p.Experiments[2].Earlier = []strata.Allocation{{Weights: []strata.Weight{{Treatment: "gone", Weight: 1}}}}
	}, "experiments[2].earlier[0].weights[0].treatment", "stays in the plan, with weight 0"},
	{"earlier weight negative", func(p *strata.Plan) {
		p.Experiments[2].Earlier = []strata.Allocation{{Weights: []strata.Weight{{Treatment: "t0", Weight: -1}}}}
	}, "experiments[2].earlier[0].weights[0].weight", "integers from 0"},
	{"earlier without weight", func(p *strata.Plan) { p.Experiments[2].Earlier = []strata.Allocation{{}} }, "experiments[2].earlier[0].weights", "must sum to something"},
	{"earlier audience with a mistake", func(p *strata.Plan) {
		p.Experiments[2].Earlier = []strata.Allocation{{Audience: "upper(x)", Weights: []strata.Weight{{Treatment: "t0", Weight: 1}}}}
	}, "experiments[2].earlier[0].audience", "not part of the language"},

	{"negative window", func(p *strata.Plan) { p.Metrics[0].Window = -1 }, "metrics[0].window", "positive, or zero"},
	{"unknown direction", func(p *strata.Plan) { p.Metrics[0].Direction = "up" }, "metrics[0].direction", "increase or decrease"},
	{"cap on a conversion", func(p *strata.Plan) { p.Metrics[0].Cap = 1 }, "metrics[0].cap", "on a count or sum"},
	{"negative cap", func(p *strata.Plan) { p.Metrics[1].Cap = -1 }, "metrics[1].cap", "positive number"},
	{"cap of half a view", func(p *strata.Plan) { p.Metrics[1].Cap = 2.5 }, "metrics[1].cap", "use a whole number"},
	{"negative pre-period", func(p *strata.Plan) { p.Metrics[0].PrePeriod = -1 }, "metrics[0].pre_period", "positive, or zero"},
	{"pre-period of a funnel", func(p *strata.Plan) { p.Metrics[4].PrePeriod = 1 }, "metrics[4].pre_period", "for a conversion"},
	{"minimum effect that is no number", func(p *strata.Plan) { p.Metrics[0].MinimumEffect = math.NaN() }, "metrics[0].minimum_effect", "relative lift"},
	{"margin of everything", func(p *strata.Plan) { p.Metrics[0].Guardrail, p.Metrics[0].Margin = true, 1 }, "metrics[0].margin", "below 1"},
	{"margin without guardrail", func(p *strata.Plan) { p.Metrics[0].Margin = 0.1 }, "metrics[0].margin", "only a guardrail"},
	{"primary metric of another experiment", func(p *strata.Plan) { p.Experiments[0].Analysis.Primary = []string{"views"} }, "experiments[0].analysis.primary[0]", "metric of the experiment"},
	{"negative plan of units", func(p *strata.Plan) { p.Experiments[0].Analysis.PlannedUnits = -1 }, "experiments[0].analysis.planned_units", "planned for"},
	{"breakdown twice", func(p *strata.Plan) { p.Experiments[0].Analysis.Breakdowns = []string{"country", "country"} }, "experiments[0].analysis.breakdowns[1]", "each once"},
	{"too many breakdowns", func(p *strata.Plan) { p.Experiments[0].Analysis.Breakdowns = strings.Split("abcdefghijk", "") }, "experiments[0].analysis.breakdowns", "at most 10"},
	{"ratio without denominator", func(p *strata.Plan) { p.Metrics[3].Denominator = nil }, "metrics[3].denominator", "a ratio needs one"},
	{"denominator of a count", func(p *strata.Plan) { p.Metrics[1].Denominator = &strata.Measure{Event: strata.KindClick} }, "metrics[1].denominator", "only a ratio has one"},
	{"steps of a count", func(p *strata.Plan) { p.Metrics[1].Steps = p.Metrics[4].Steps }, "metrics[1].steps", "only a funnel has steps"},
	{"unknown metric type", func(p *strata.Plan) { p.Metrics[0].Type = "median" }, "metrics[0].type", "use conversion, count"},
	{"funnel without steps", func(p *strata.Plan) { p.Metrics[4].Steps = nil }, "metrics[4].steps", "1 to 20 steps"},
	{"funnel with a measure", func(p *strata.Plan) { p.Metrics[4].Measure.Event = strata.KindClick }, "metrics[4].measure", "a funnel has steps"},
	{"negative step", func(p *strata.Plan) { p.Metrics[4].Steps[1].Within = -1 }, "metrics[4].steps[1].within", "positive, or zero"},
	{"count with a value", func(p *strata.Plan) { p.Metrics[0].Measure.Value = strata.ValueTotal }, "metrics[0].measure.value", "leave it empty or use a sum"},
	{"sum without value", func(p *strata.Plan) { p.Metrics[2].Measure.Value = "" }, "metrics[2].measure.value", "have these values"},
	{"sum of a value that the event lacks", func(p *strata.Plan) { p.Metrics[2].Measure.Value = strata.ValueAmount }, "metrics[2].measure.value", "[total discount items]"},
	{"money without currency", func(p *strata.Plan) { p.Metrics[2].Measure.Currency = "" }, "metrics[2].measure.currency", "money needs a currency"},
	{"currency in small letters", func(p *strata.Plan) { p.Metrics[0].Measure.Currency = "eur" }, "metrics[0].measure.currency", "three capital letters"},
	{"currency of a page view", func(p *strata.Plan) { p.Metrics[1].Measure.Currency = "EUR" }, "metrics[1].measure.currency", "only purchases"},
	{"name of a purchase", func(p *strata.Plan) { p.Metrics[0].Measure.Name = "big" }, "metrics[0].measure.name", "purchases have no name"},
	{"unknown kind", func(p *strata.Plan) { p.Metrics[0].Measure.Event = "scroll" }, "metrics[0].measure.event", "use page_view"},
	{"ledger without layer", func(p *strata.Plan) { p.Ledger = []strata.Tenure{{Holder: "x"}} }, "ledger[0].layer", "a layer is required"},
}

func TestBrokenPlans(t *testing.T) {
	for _, c := range brokenPlans {
		t.Run(c.name, func(t *testing.T) {
			p := goodPlan()
			c.change(p)
			problems := problemsOf(t, p)
			for _, found := range problems {
				if found.Path == c.path && strings.Contains(found.Cure, c.cure) {
					return
				}
			}
			t.Fatalf("no problem at %s that says %q, but\n%v", c.path, c.cure, problems)
		})
	}
}

func problemsOf(t *testing.T, p *strata.Plan) []strata.Problem {
	t.Helper()
	err := p.Validate()
	require.ErrorIs(t, err, strata.ErrInvalidPlan)
	var list *strata.PlanError
	require.True(t, errors.As(err, &list))
	_, err = strata.Compile(p, noon)
	require.ErrorIs(t, err, strata.ErrInvalidPlan, "an invalid plan does not compile")
	return list.Problems
}

// Every sentence that validation can say is said by one of the broken plans.
func TestEveryRuleHasABrokenPlan(t *testing.T) {
	var said []string
	for _, c := range brokenPlans {
		p := goodPlan()
		c.change(p)
		for _, found := range problemsOf(t, p) {
			said = append(said, found.Cure)
		}
	}
	files, err := filepath.Glob("validate*.go")
	require.NoError(t, err)
	rules := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src := parse(t, name)
		ast.Inspect(src.file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) < 3 {
				return true
			}
			if fn, ok := call.Fun.(*ast.SelectorExpr); !ok || fn.Sel.Name != "report" {
				return true
			}
			format, ok := call.Args[2].(*ast.BasicLit)
			require.True(t, ok && format.Kind == token.STRING, "%s: the sentence is not a literal", src.at(n))
			text, err := strconv.Unquote(format.Value)
			require.NoError(t, err)
			pattern := regexp.MustCompile("^" + regexp.MustCompile(`%(\[\d\])?[vqds]`).ReplaceAllString(regexp.QuoteMeta(text), ".*") + "$")
			found := false
			for _, s := range said {
				found = found || pattern.MatchString(s)
			}
			if rules++; !found {
				t.Errorf("%s: no broken plan makes validation say %q", src.at(n), text)
			}
			return true
		})
	}
	require.Greater(t, rules, 60)
}

// One round trip: everything that is wrong is said at once, in the order of the
// document, and the same each time.
func TestAllProblemsAtOnce(t *testing.T) {
	broken := func() *strata.Plan {
		p := goodPlan()
		p.Parameters[5].Default = "x"
		p.Layers[0].Diversion = "cookie"
		p.Layers = append(p.Layers, strata.Layer{Key: "x", Parameters: []string{"inner.p", "outer.p", "middle.p"}})
		p.Experiments[2].Phase = -1
		p.Experiments[3].Treatments[0].Values = strata.Values{"flag": 1, "limit": "x", "nothing": true}
		p.Metrics[0].Direction = "up"
		return p
	}
	first := problemsOf(t, broken())
	var paths []string
	for _, x := range first {
		paths = append(paths, x.Path)
	}
	require.Equal(t, []string{
		"parameters[5].default", "layers[0].diversion", "layers[4].parameters", "layers[4].parameters", "layers[4].parameters", "metrics[0].direction",
		"experiments[2].phase", `experiments[3].treatments[0].values["flag"]`, `experiments[3].treatments[0].values["limit"]`, `experiments[3].treatments[0].values["nothing"]`,
	}, paths)
	for range 20 {
		require.Equal(t, first, problemsOf(t, broken()))
	}
	lines := strings.Split(broken().Validate().Error(), "\n")
	require.Len(t, lines, 1+len(first), "a line for each")
	require.Contains(t, lines[0], "10 problem(s)")
	require.Equal(t, `  layers[0].diversion = "cookie": use tenant, user, device, session or request`, lines[2])
}

// Nesting works to the stated depth and not beyond.
func TestDepthOfNesting(t *testing.T) {
	deep := func(levels int) *strata.Plan {
		p := &strata.Plan{Layers: []strata.Layer{{Key: "l0"}}}
		for i := range levels {
			p.Domains = append(p.Domains, strata.Domain{Key: fmt.Sprintf("d%d", i), Layer: fmt.Sprintf("l%d", i), Buckets: strata.AllBuckets()})
			p.Layers = append(p.Layers, strata.Layer{Key: fmt.Sprintf("l%d", i+1), Domain: fmt.Sprintf("d%d", i)})
		}
		e := running("e", 0, 10000)
		e.Layer, e.Treatments = p.Layers[levels].Key, arms("", 1, 1)
		p.Experiments = []strata.Experiment{e}
		return p
	}
	a := compiled(t, deep(6)).Assign(visitor(1))
	require.NotEmpty(t, a.Peek("e"))
	n := 0
	for range a.All() {
		n++
	}
	require.Equal(t, 7, n)
	require.ErrorContains(t, deep(7).Validate(), "nested more than 6 deep")
}

// Two domains of one layer may divide the same parameters differently: no unit
// is in both.
func TestSiblingDomainsMayOwnTheSameParameter(t *testing.T) {
	p := oneLayer()
	p.Layers[0].Parameters = nil
	p.Domains = []strata.Domain{
		{Key: "left", Layer: "l", Buckets: strata.BucketRange(0, 5000)},
		{Key: "right", Layer: "l", Buckets: strata.BucketRange(5000, 10000)},
	}
	for _, side := range []string{"left", "right"} {
		p.Layers = append(p.Layers, strata.Layer{Key: side, Domain: side, Parameters: []string{"p"}})
		e := running("e-"+side, 0, 10000)
		e.Layer = side
		e.Treatments = []strata.Treatment{{Key: "off", Weight: 0}, {Key: "on", Weight: 1, Values: strata.Values{"p": side}}}
		p.Experiments = append(p.Experiments, e)
	}
	param := strata.StringParam("p", "")
	for _, a := range visitors(compiled(t, p), 200) {
		require.Equal(t, decision(a, "l").Nested(), param.Peek(a))
	}
}
