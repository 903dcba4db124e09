package strata

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/strataxp/strata/internal/audience"
)

// Limits on a plan. They are far above what anybody runs, and keep a generated
// plan from exhausting the process that loads it.
const (
	maxKeyBytes    = 100
	maxSaltBytes   = 200
	maxTreatments  = 250
	maxWeight      = 1 << 20
	maxTotalWeight = 1 << 28 // two sums multiplied must fit an int64
)

// Validate checks the whole plan and returns a [*PlanError] that lists every
// problem, or nil. It does not change the plan. Cost: about 10 µs an
// experiment.
func (p *Plan) Validate() error {
	v := &validator{plan: p, tree: newTree(p)}
	v.parameters()
	v.domains()
	v.layers()
	v.ownership()
	v.bucketOwners()
	v.metrics()
	v.experiments()
	v.ledger()
	if len(v.problems) == 0 {
		return nil
	}
	return &PlanError{Problems: v.problems}
}

type validator struct {
	plan     *Plan
	tree     *tree
	params   map[string]*Parameter
	metric   map[string]*Metric
	byKey    map[string]*Experiment
	problems []Problem
}

func (v *validator) report(path string, value any, format string, args ...any) {
	v.problems = append(v.problems, Problem{Path: path, Value: value, Cure: fmt.Sprintf(format, args...)})
}

// key checks the form of a key and that it is the first of its kind.
func (v *validator) key(path, key string, twice bool) {
	switch {
	case key == "":
		v.report(path, nil, "a key is required: letters, digits, '.', '_' and '-'")
	case !validKey(key):
		v.report(path, key, "use at most %d letters, digits, '.', '_' and '-', starting with a letter or digit", maxKeyBytes)
	case twice:
		v.report(path, key, "this key is used twice; keys are unique among their kind")
	}
}

func validKey(key string) bool {
	if key == "" || len(key) > maxKeyBytes {
		return false
	}
	for i := 0; i < len(key); i++ {
		c := key[i]
		alphanumeric := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alphanumeric && (i == 0 || !strings.ContainsRune("._-", rune(c))) {
			return false
		}
	}
	return true
}

func (v *validator) salt(path, salt string) {
	if len(salt) > maxSaltBytes || !utf8.ValidString(salt) || strings.ContainsRune(salt, 0) {
		v.report(path, salt, "use at most %d bytes of UTF-8 without NUL", maxSaltBytes)
	}
}

func (v *validator) parameters() {
	v.params = make(map[string]*Parameter, len(v.plan.Parameters))
	for i := range v.plan.Parameters {
		x := &v.plan.Parameters[i]
		path := fmt.Sprintf("parameters[%d]", i)
		v.key(path+".key", x.Key, v.params[x.Key] != nil)
		v.params[x.Key] = x
		switch x.Type {
		case TypeBool, TypeInt, TypeFloat, TypeString, TypeJSON:
			if _, err := compileValue(x.Type, x.Default); err != nil {
				v.report(path+".default", x.Default, "%v", err)
			}
		default:
			v.report(path+".type", x.Type, "use bool, int, float, string or json")
		}
	}
}

func (v *validator) domains() {
	for i := range v.plan.Domains {
		x := &v.plan.Domains[i]
		path := fmt.Sprintf("domains[%d]", i)
		v.key(path+".key", x.Key, v.tree.domains[x.Key] != x)
		if l := v.tree.layers[x.Layer]; l == nil {
			v.report(path+".layer", x.Layer, "no layer has this key")
		} else if l.Launch {
			v.report(path+".layer", x.Layer, "a launch layer holds launches only; put the domain in another layer")
		}
		if both := x.Buckets.Intersect(x.Draining); !both.IsEmpty() {
			v.report(path+".draining", both.String(), "these buckets are open as well; name each once")
		}
	}
}

func (v *validator) layers() {
	salts := make(map[string]string)
	for i := range v.plan.Layers {
		x := &v.plan.Layers[i]
		path := fmt.Sprintf("layers[%d]", i)
		v.key(path+".key", x.Key, v.tree.layers[x.Key] != x)
		v.salt(path+".salt", x.Salt)
		if other, taken := salts[x.salt()]; taken && other != x.Key {
			v.report(path+".salt", x.salt(), "layer %q has the same salt, so both would cut traffic alike; choose another", other)
		}
		salts[x.salt()] = x.Key
		v.references(path+".parameters", "parameter", x.Parameters, func(key string) bool { return v.params[key] != nil })
		v.layerPlace(path, x)
	}
}

// references checks a list of keys: each exists, and none stands twice.
func (v *validator) references(path, kind string, keys []string, exists func(key string) bool) {
	seen := make(map[string]bool)
	for i, key := range keys {
		at := fmt.Sprintf("%s[%d]", path, i)
		if !exists(key) {
			v.report(at, key, "no %s has this key", kind)
		}
		if seen[key] {
			v.report(at, key, "named twice; keep one")
		}
		seen[key] = true
	}
}

// layerPlace checks where the layer hangs in the tree, and its diversion.
func (v *validator) layerPlace(path string, x *Layer) {
	own, ok := x.Diversion.index()
	if !ok {
		v.report(path+".diversion", x.Diversion, "use tenant, user, device, session or request")
	}
	if x.Launch && x.Domain != "" {
		v.report(path+".domain", x.Domain, "a launch layer lies in the root domain; leave this empty")
	}
	up, err := v.tree.path(x)
	if err != nil {
		v.report(path+".domain", x.Domain, "%v", err)
		return
	}
	for _, s := range up {
		if above, known := s.layer.Diversion.index(); ok && known && own < above {
			v.report(path+".diversion", diversions[own], "layer %q above diverts by %s, which is finer: a unit would be in and out by turns; divert by %s or finer",
				s.layer.Key, diversions[above], diversions[above])
		}
	}
}

// ownership checks that on any path at most one layer sets a parameter: the
// layers of one domain apply together, so what they own must be disjoint.
func (v *validator) ownership() {
	for i := range v.plan.Domains {
		v.disjoint(v.plan.Domains[i].Key)
	}
	v.disjoint("")
	launched := make(map[string]string)
	for i := range v.plan.Layers {
		l := &v.plan.Layers[i]
		if !l.Launch {
			continue
		}
		for j, key := range l.Parameters {
			if other, taken := launched[key]; taken {
				v.report(fmt.Sprintf("layers[%d].parameters[%d]", i, j), key, "launch layer %q owns it already; a parameter has one launch layer", other)
			}
			launched[key] = l.Key
		}
	}
}

func (v *validator) disjoint(domain string) {
	owner := make(map[string]string)
	for _, l := range v.tree.inDomain[domain] {
		if l.Launch {
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(v.tree.owned(l))) {
			if other, taken := owner[key]; taken {
				v.report(fmt.Sprintf("layers[%d].parameters", v.layerIndex(l)), key,
					"can be set twice on one path, in or below layer %q and in or below layer %q; give it to one of them", other, l.Key)
			}
			owner[key] = l.Key
		}
	}
}

func (v *validator) layerIndex(l *Layer) int {
	for i := range v.plan.Layers {
		if &v.plan.Layers[i] == l {
			return i
		}
	}
	return -1
}

// bucketOwners checks that no two things in a layer own the same bucket. The
// buckets of stopped experiments are free.
func (v *validator) bucketOwners() {
	claimed := make(map[string]*claims)
	claim := func(layer, path, key string, set Buckets) {
		if set.IsEmpty() {
			return
		}
		c := claimed[layer]
		if c == nil {
			c = new(claims)
			claimed[layer] = c
		}
		if other, which := c.add(key, set); !which.IsEmpty() {
			v.report(path, which.String(), "these buckets of layer %q belong to %s already; choose free ones (Plan.Free lists them)", layer, other)
		}
	}
	for i := range v.plan.Domains {
		x := &v.plan.Domains[i]
		claim(x.Layer, fmt.Sprintf("domains[%d].buckets", i), fmt.Sprintf("domain %q", x.Key), x.Buckets.Union(x.Draining))
	}
	for i := range v.plan.Experiments {
		x := &v.plan.Experiments[i]
		if x.Status != StatusStopped {
			claim(x.Layer, fmt.Sprintf("experiments[%d].buckets", i), fmt.Sprintf("experiment %q", x.Key), x.Buckets.Union(x.Draining))
		}
	}
}

// claims remembers who owns which buckets of one layer.
type claims struct {
	all  Buckets
	who  []string
	sets []Buckets
}

// add returns the first owner of buckets in set and which those are, or records
// the claim.
func (c *claims) add(key string, set Buckets) (string, Buckets) {
	if !c.all.Intersect(set).IsEmpty() {
		for i, s := range c.sets {
			if both := s.Intersect(set); !both.IsEmpty() {
				return c.who[i], both
			}
		}
	}
	c.all = c.all.Union(set)
	c.who, c.sets = append(c.who, key), append(c.sets, set)
	return "", Buckets{}
}

func (v *validator) ledger() {
	for i := range v.plan.Ledger {
		if v.plan.Ledger[i].Layer == "" {
			v.report(fmt.Sprintf("ledger[%d].layer", i), nil, "a layer is required")
		}
	}
}

func (v *validator) audience(path, text string) {
	if text == "" {
		return
	}
	if _, err := audience.Compile(text); err != nil {
		v.report(path, text, "%v", err)
	}
}
