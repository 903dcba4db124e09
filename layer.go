package strata

import "fmt"

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
		plan:     p,
		layers:   make(map[string]*Layer, len(p.Layers)),
		domains:  make(map[string]*Domain, len(p.Domains)),
		inLayer:  make(map[string][]*Experiment),
		nested:   make(map[string][]*Domain),
		inDomain: make(map[string][]*Layer),
	}
	for i := range p.Domains {
		d := &p.Domains[i]
		if _, twice := t.domains[d.Key]; !twice {
			t.domains[d.Key] = d
			t.nested[d.Layer] = append(t.nested[d.Layer], d)
		}
	}
	for i := range p.Layers {
		l := &p.Layers[i]
		if _, twice := t.layers[l.Key]; !twice {
			t.layers[l.Key] = l
			t.inDomain[l.Domain] = append(t.inDomain[l.Domain], l)
		}
	}
	for i := range p.Experiments {
		e := &p.Experiments[i]
		t.inLayer[e.Layer] = append(t.inLayer[e.Layer], e)
	}
	return t
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

// owned returns the parameters that can be set below l: its own and those of
// the layers in its nested domains. The depth bound keeps cycles finite.
func (t *tree) owned(l *Layer) map[string]bool {
	params := make(map[string]bool)
	t.collectOwned(l, params, 0)
	return params
}

func (t *tree) collectOwned(l *Layer, into map[string]bool, depth int) {
	for _, key := range l.Parameters {
		into[key] = true
	}
	if depth > maxDepth {
		return
	}
	for _, d := range t.nested[l.Key] {
		for _, inner := range t.inDomain[d.Key] {
			t.collectOwned(inner, into, depth+1)
		}
	}
}
