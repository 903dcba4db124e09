package oracle

import (
	"cmp"
	"fmt"

	"github.com/strataxp/strata"
)

// Plan is a plan as the model reads it. The [strata.Plan] that it was made of
// must not be changed while it is used. Methods are pure and safe for concurrent
// use.
type Plan struct {
	source      *strata.Plan
	layers      map[string]*layer
	domains     map[string]*domain
	experiments []*experiment
}

// layer is a layer with its place in the tree.
type layer struct {
	*strata.Layer
	salt   string
	within *domain // nil is the root domain
}

// domain is a domain with its buckets read.
type domain struct {
	*strata.Domain
	layer             *layer
	buckets, draining buckets
}

// experiment is an experiment with its texts read.
type experiment struct {
	*strata.Experiment
	layer             *layer
	salt              string
	buckets, draining buckets
	audience          condition
	newest            allocation
	earlier           []allocation
}

// allocation is one way to draw treatments for units of an audience.
type allocation struct {
	treatments []string
	weights    []int
	audience   string
}

// maxDepth is how many domains may lie in each other; the documentation says six.
const maxDepth = 6

// NewPlan reads a plan. It fails where a name leads nowhere or twice, where
// domains lie in themselves, and where a text cannot be read.
func NewPlan(p *strata.Plan) (*Plan, error) {
	out := &Plan{source: p, layers: make(map[string]*layer), domains: make(map[string]*domain)}
	for _, step := range []func() error{out.readLayers, out.readDomains, out.connect, out.readExperiments} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("oracle: plan %d: %w", p.Version, err)
		}
	}
	return out, nil
}

func (p *Plan) readLayers() error {
	for i := range p.source.Layers {
		l := &p.source.Layers[i]
		if p.layers[l.Key] != nil {
			return fmt.Errorf("two layers have the key %q; rename one", l.Key)
		}
		if _, err := idOf(&strata.Unit{}, l.Diversion); err != nil {
			return fmt.Errorf("layer %q: %w", l.Key, err)
		}
		p.layers[l.Key] = &layer{Layer: l, salt: cmp.Or(l.Salt, l.Key)}
	}
	return nil
}

func (p *Plan) readDomains() error {
	for i := range p.source.Domains {
		d := &p.source.Domains[i]
		if p.domains[d.Key] != nil {
			return fmt.Errorf("two domains have the key %q; rename one", d.Key)
		}
		owned, draining, err := readBoth(d.Buckets, d.Draining)
		if err != nil {
			return fmt.Errorf("domain %q: %w", d.Key, err)
		}
		p.domains[d.Key] = &domain{Domain: d, layer: p.layers[d.Layer], buckets: owned, draining: draining}
		if p.layers[d.Layer] == nil {
			return fmt.Errorf("domain %q: there is no layer %q; name one of the plan", d.Key, d.Layer)
		}
	}
	return nil
}

// connect hangs layers into their domains.
func (p *Plan) connect() error {
	for _, l := range p.layers {
		if l.Domain == "" {
			continue
		}
		if l.within = p.domains[l.Domain]; l.within == nil {
			return fmt.Errorf("layer %q: there is no domain %q; name one of the plan", l.Key, l.Domain)
		}
	}
	for key, l := range p.layers {
		depth := 0
		for at := l; at.within != nil; at = at.within.layer {
			if depth++; depth > maxDepth {
				return fmt.Errorf("layer %q lies in more than %d domains, or in itself; nest it less deep", key, maxDepth)
			}
		}
	}
	return nil
}

func (p *Plan) readExperiments() error {
	known := make(map[string]bool)
	for i := range p.source.Experiments {
		e := &p.source.Experiments[i]
		if known[e.Key] {
			return fmt.Errorf("two experiments have the key %q; rename one", e.Key)
		}
		known[e.Key] = true
		read, err := p.readExperiment(e)
		if err != nil {
			return fmt.Errorf("experiment %q: %w", e.Key, err)
		}
		p.experiments = append(p.experiments, read)
	}
	return nil
}

func (p *Plan) readExperiment(e *strata.Experiment) (*experiment, error) {
	out := &experiment{Experiment: e, layer: p.layers[e.Layer], salt: cmp.Or(e.Salt, e.Key)}
	if out.layer == nil {
		return nil, fmt.Errorf("there is no layer %q; name one of the plan", e.Layer)
	}
	switch e.Status {
	case "", strata.StatusDraft, strata.StatusRunning, strata.StatusIntakeClosed, strata.StatusStopped:
	default:
		return nil, fmt.Errorf("there is no status %q; use one of the Status constants", e.Status)
	}
	var err error
	if out.buckets, out.draining, err = readBoth(e.Buckets, e.Draining); err != nil {
		return nil, err
	}
	if out.audience, err = parseAudience(e.Audience); err != nil {
		return nil, err
	}
	out.newest.audience = e.Audience
	for i := range e.Treatments {
		out.newest.add(e.Treatments[i].Key, e.Treatments[i].Weight)
	}
	for _, was := range e.Earlier {
		a := allocation{audience: was.Audience}
		for _, w := range was.Weights {
			a.add(w.Treatment, w.Weight)
		}
		out.earlier = append(out.earlier, a)
	}
	return out, nil
}

func (a *allocation) add(treatment string, weight int) {
	a.treatments, a.weights = append(a.treatments, treatment), append(a.weights, weight)
}
