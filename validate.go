package strata

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
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
// problem, or nil. It does not change the plan. Cost: below 1 µs an experiment,
// audiences aside, and some 20 µs where there is a problem.
func (p *Plan) Validate() error {
	_, err := p.validated()
	return err
}

// validated is Validate, and returns what was found out on the way.
func (p *Plan) validated() (*validator, error) {
	t := newTree(p)
	quick := &validator{plan: p, tree: t}
	if quick.check() {
		return quick, nil
	}
	v := &validator{plan: p, tree: t, words: true}
	v.check()
	return nil, &PlanError{Problems: v.problems}
}

// validator walks through a plan. A plan is nearly always valid, and to say where a
// problem would be costs more than to look for it: so the first walk only finds out
// whether there is one, and the second, with words set, names them all.
type validator struct {
	plan      *Plan
	tree      *tree
	params    map[string]*knownParameter
	metric    map[string]*Metric
	byKey     map[string]*Experiment
	audiences audiences

	round    int // how many domains apart has looked at
	words    bool
	found    bool      // there is a problem
	problems []Problem // with words
}

// knownParameter is a parameter and the layer that apart has last seen owning it.
type knownParameter struct {
	*Parameter
	owner *Layer
	round int // when that was
}

// check walks through the plan and reports whether all is well.
func (v *validator) check() bool {
	v.parameters()
	v.domains()
	v.layers()
	v.ownership()
	v.bucketOwners()
	v.metrics()
	v.experiments()
	v.ledger()
	return !v.found
}

func (v *validator) report(path string, value any, format string, args ...any) {
	v.found = true
	if v.words {
		v.problems = append(v.problems, Problem{Path: path, Value: value, Cure: fmt.Sprintf(format, args...)})
	}
}

// item is the path of an element of a list. All paths are empty without words.
func (v *validator) item(list string, i int) string {
	if !v.words {
		return ""
	}
	return fmt.Sprintf("%s[%d]", list, i)
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
		if !alphanumeric && (i == 0 || c != '.' && c != '_' && c != '-') {
			return false
		}
	}
	return true
}

func (v *validator) salt(path, salt string) {
	if len(salt) > maxSaltBytes || !utf8.ValidString(salt) || strings.IndexByte(salt, 0) >= 0 {
		v.report(path, salt, "use at most %d bytes of UTF-8 without NUL", maxSaltBytes)
	}
}

func (v *validator) parameters() {
	v.params = make(map[string]*knownParameter, len(v.plan.Parameters))
	known := make([]knownParameter, len(v.plan.Parameters))
	for i := range v.plan.Parameters {
		x := &v.plan.Parameters[i]
		path := v.item("parameters", i)
		v.key(path+".key", x.Key, v.params[x.Key] != nil)
		known[i].Parameter = x
		v.params[x.Key] = &known[i]
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
		path := v.item("domains", i)
		v.key(path+".key", x.Key, v.tree.domains[x.Key] != x)
		if l := v.tree.layers[x.Layer]; l == nil {
			v.report(path+".layer", x.Layer, "no layer has this key")
		} else if l.Launch {
			v.report(path+".layer", x.Layer, "a launch layer holds launches only; put the domain in another layer")
		}
		if x.Buckets.meets(x.Draining) {
			v.report(path+".draining", x.Buckets.Intersect(x.Draining).String(), "these buckets are open as well; name each once")
		}
	}
}

func (v *validator) layers() {
	salts := make(saltOwners)
	salted := anyOf(v.plan.Layers, func(x *Layer) bool { return x.Salt != "" })
	for i := range v.plan.Layers {
		x := &v.plan.Layers[i]
		path := v.item("layers", i)
		v.key(path+".key", x.Key, v.tree.layers[x.Key] != x)
		v.salt(path+".salt", x.Salt)
		if other := salts.add(salted, x.salt(), x.Key); other != x.Key {
			v.report(path+".salt", x.salt(), "layer %q has the same salt, so both would cut traffic alike; choose another", other)
		}
		v.references(path+".parameters", "parameter", x.Parameters, func(key string) bool { return v.params[key] != nil })
		v.layerPlace(path, x)
	}
}

// references checks a list of keys: each exists, and none stands twice.
func (v *validator) references(path, kind string, keys []string, exists func(key string) bool) {
	var seen keySet
	for i, key := range keys {
		at := v.item(path, i)
		if !exists(key) {
			v.report(at, key, "no %s has this key", kind)
		}
		if seen.add(key) {
			v.report(at, key, "named twice; keep one")
		}
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
				v.report(v.item(v.item("layers", i)+".parameters", j), key, "launch layer %q owns it already; a parameter has one launch layer", other)
			}
			launched[key] = l.Key
		}
	}
}

func (v *validator) disjoint(domain string) {
	if !v.words && v.apart(domain) {
		return
	}
	owner := make(map[string]string)
	for _, l := range v.tree.inDomain[domain] {
		if l.Launch {
			continue
		}
		for _, key := range slices.Compact(slices.Sorted(v.tree.owned(l))) {
			if other, taken := owner[key]; taken {
				v.report(v.item("layers", v.layerIndex(l))+".parameters", key,
					"can be set twice on one path, in or below layer %q and in or below layer %q; give it to one of them", other, l.Key)
			}
			owner[key] = l.Key
		}
	}
}

// apart reports whether no parameter can be set in or below two layers of a domain.
// Those that do not exist are reported elsewhere.
func (v *validator) apart(domain string) bool {
	v.round++
	for _, l := range v.tree.inDomain[domain] {
		if l.Launch {
			continue
		}
		for key := range v.tree.owned(l) {
			p := v.params[key]
			if p == nil {
				continue
			}
			if p.round == v.round && p.owner != l {
				return false
			}
			p.round, p.owner = v.round, l
		}
	}
	return true
}

func (v *validator) layerIndex(l *Layer) int {
	for i := range v.plan.Layers {
		if &v.plan.Layers[i] == l {
			return i
		}
	}
	return -1
}

func (v *validator) ledger() {
	for i := range v.plan.Ledger {
		if v.plan.Ledger[i].Layer == "" {
			v.report(v.item("ledger", i)+".layer", nil, "a layer is required")
		}
	}
}

func (v *validator) audience(path, text string) {
	if text == "" {
		return
	}
	if _, err := v.audiences.compile(text); err != nil {
		v.report(path, text, "%v", err)
	}
}
