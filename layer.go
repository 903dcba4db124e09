package strata

import (
	"fmt"
	"iter"
)

// Diversion says which of a unit's ids a layer hashes.
type Diversion string

// The diversions, from the coarsest to the finest. The empty Diversion means
// ByUser. A layer in a nested domain must not divert by a coarser id than the
// layers above it: a unit would be in and out of the experiment by turns.
const (
	ByTenant  Diversion = "tenant"
	ByUser    Diversion = "user"
	ByDevice  Diversion = "device"
	BySession Diversion = "session"
	ByRequest Diversion = "request"
)

// diversions is the order from coarse to fine; the index is the compiled form.
var diversions = [...]Diversion{ByTenant, ByUser, ByDevice, BySession, ByRequest}

const numDiversions = len(diversions)

// index returns the compiled form of d.
func (d Diversion) index() (int, bool) {
	if d == "" {
		d = ByUser
	}
	for i, known := range diversions {
		if d == known {
			return i, true
		}
	}
	return 0, false
}

// Layer is a set of parameters with its own salt and diversion, whose traffic
// is cut into [NumBuckets] buckets. It holds experiments and nested domains,
// each owning buckets of its own: two experiments of one layer never share a
// unit, two experiments of different layers are independent.
type Layer struct {
	Key         string `json:"key"`
	Description string `json:"description,omitempty"`

	// Domain is the key of the domain that the layer lies in. Empty means the
	// root domain, which has all traffic.
	Domain string `json:"domain,omitempty"`

	// Salt seeds the buckets. Empty means Key. No two layers may have the same.
	// Never change it while something runs: everybody would move.
	Salt string `json:"salt,omitempty"`

	// Diversion is the id that is hashed. Empty means ByUser. A unit without
	// that id is in nothing here.
	Diversion Diversion `json:"diversion,omitempty"`

	// Parameters are the keys of the parameters that experiments of this layer
	// may set. On any path through the tree at most one layer owns a parameter,
	// launch layers aside.
	Parameters []string `json:"parameters,omitempty"`

	// Launch makes this a launch layer: what its experiments set is the new
	// default, which experiments of other layers override. It lies in the root
	// domain, and at most one launch layer owns a parameter.
	Launch bool `json:"launch,omitempty"`
}

func (l *Layer) salt() string { return orKey(l.Salt, l.Key) }

// Domain is a share of a layer's traffic that is cut into layers again. The
// root domain has all traffic, is always there and is not written down.
type Domain struct {
	Key         string `json:"key"`
	Description string `json:"description,omitempty"`

	// Layer is the key of the layer whose buckets the domain owns.
	Layer string `json:"layer"`

	// Buckets is the domain's share of its layer. Shrinking it moves units of
	// every experiment inside.
	Buckets Buckets `json:"buckets,omitzero"`

	// Draining are buckets that were taken from the domain while experiments
	// ran inside. Units that were exposed there keep their treatments; nobody
	// else enters. [Publish] writes it.
	Draining Buckets `json:"draining,omitzero"`
}

// maxDepth bounds nesting. Each level multiplies the share that reaches an
// experiment; six levels of half the traffic each leave 1.6 %.
const maxDepth = 6

// tree is a plan's layers and domains by key, with what hangs on each. It is
// built from plans that may be invalid: the first of two equal keys wins, and
// names that lead nowhere are left out.
type tree struct {
	plan     *Plan
	layers   map[string]*Layer
	domains  map[string]*Domain
	inLayer  map[string][]*Experiment // layer key → its experiments
	nested   map[string][]*Domain     // layer key → the domains it holds
	inDomain map[string][]*Layer      // domain key ("" is the root) → its layers
}

func newTree(p *Plan) *tree {
	t := &tree{
		plan:    p,
		layers:  make(map[string]*Layer, len(p.Layers)),
		domains: make(map[string]*Domain, len(p.Domains)),
	}
	domains := firstOfEach(p.Domains, t.domains, func(d *Domain) string { return d.Key })
	t.nested = runsBy(domains, 0, func(d *Domain) string { return d.Layer })
	layers := firstOfEach(p.Layers, t.layers, func(l *Layer) string { return l.Key })
	t.inDomain = runsBy(layers, 1+len(p.Domains), func(l *Layer) string { return l.Domain })
	experiments := make([]*Experiment, len(p.Experiments))
	for i := range p.Experiments {
		experiments[i] = &p.Experiments[i]
	}
	t.inLayer = runsBy(experiments, len(p.Layers), func(e *Experiment) string { return e.Layer })
	return t
}

// firstOfEach files a list by key, and returns the first of each key.
func firstOfEach[T any](list []T, byKey map[string]*T, keyOf func(*T) string) []*T {
	first := make([]*T, 0, len(list))
	for i := range list {
		x := &list[i]
		if _, twice := byKey[keyOf(x)]; !twice {
			byKey[keyOf(x)] = x
			first = append(first, x)
		}
	}
	return first
}

// runsBy divides a list by what keyOf says, in order. Those of one group mostly stand
// side by side, and then the group is a part of the list.
func runsBy[T any](list []*T, size int, keyOf func(*T) string) map[string][]*T {
	by := make(map[string][]*T, size)
	for from := 0; from < len(list); {
		key, to := keyOf(list[from]), from+1
		for to < len(list) && keyOf(list[to]) == key {
			to++
		}
		if before := by[key]; before == nil {
			by[key] = list[from:to:to]
		} else {
			by[key] = append(before, list[from:to]...)
		}
		from = to
	}
	return by
}

// step is one level of the way from the root to a layer: the domain that is
// entered, and the layer that it takes its traffic from.
type step struct {
	layer  *Layer
	domain *Domain
}

// path returns the domains to be entered to reach l, outermost first. It fails
// on a name that leads nowhere, on a cycle and on too much depth.
func (t *tree) path(l *Layer) ([]step, error) {
	var up []step
	for at := l; at.Domain != ""; {
		d := t.domains[at.Domain]
		if d == nil {
			return nil, fmt.Errorf("layer %q lies in domain %q, which does not exist", at.Key, at.Domain)
		}
		above := t.layers[d.Layer]
		if above == nil {
			return nil, fmt.Errorf("domain %q takes its traffic from layer %q, which does not exist", d.Key, d.Layer)
		}
		up = append(up, step{above, d})
		if len(up) > maxDepth {
			return nil, fmt.Errorf("layer %q is nested more than %d deep, or in itself", l.Key, maxDepth)
		}
		at = above
	}
	for i, j := 0, len(up)-1; i < j; i, j = i+1, j-1 {
		up[i], up[j] = up[j], up[i]
	}
	return up, nil
}

// owned yields the parameters that can be set below l: its own and those of the
// layers in its nested domains. One that several layers own comes several times. The
// depth bound keeps cycles finite.
func (t *tree) owned(l *Layer) iter.Seq[string] {
	return func(yield func(string) bool) { t.yieldOwned(l, 0, yield) }
}

func (t *tree) yieldOwned(l *Layer, depth int, yield func(string) bool) bool {
	for _, key := range l.Parameters {
		if !yield(key) {
			return false
		}
	}
	if depth > maxDepth || len(t.nested) == 0 {
		return true
	}
	for _, d := range t.nested[l.Key] {
		for _, inner := range t.inDomain[d.Key] {
			if !t.yieldOwned(inner, depth+1, yield) {
				return false
			}
		}
	}
	return true
}
