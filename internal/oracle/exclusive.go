package oracle

import (
	"fmt"

	"github.com/strataxp/strata"
)

// Exclusive returns an error where two owners have one bucket of a layer: what
// experiments and domains own, and what drains from them. Drafts reserve their
// buckets; experiments that were stopped own none.
func Exclusive(p *strata.Plan) error {
	read, err := NewPlan(p)
	if err != nil {
		return err
	}
	owners := make(map[string][]string) // by layer, for each bucket
	for key := range read.layers {
		owners[key] = make([]string, numBuckets)
	}
	claim := func(layer, owner string, set buckets) error {
		for b := range set {
			if !set[b] {
				continue
			}
			if other := owners[layer][b]; other != "" {
				return fmt.Errorf("oracle: plan %d: bucket %d of layer %q belongs to %s and to %s; give it to one", p.Version, b, layer, other, owner)
			}
			owners[layer][b] = owner
		}
		return nil
	}
	for _, e := range read.experiments {
		if e.Status == strata.StatusStopped {
			continue
		}
		if err := claim(e.Layer, fmt.Sprintf("experiment %q", e.Key), e.buckets); err != nil {
			return err
		}
		if err := claim(e.Layer, fmt.Sprintf("experiment %q (draining)", e.Key), e.draining); err != nil {
			return err
		}
	}
	for i := range p.Domains {
		d := read.domains[p.Domains[i].Key]
		if err := claim(d.Layer, fmt.Sprintf("domain %q", d.Key), d.buckets); err != nil {
			return err
		}
		if err := claim(d.Layer, fmt.Sprintf("domain %q (draining)", d.Key), d.draining); err != nil {
			return err
		}
	}
	return nil
}
