package strata

import "fmt"

// bucketOwners checks that no two things in a layer own the same bucket. The
// buckets of stopped experiments are free.
func (v *validator) bucketOwners() {
	if !v.words && v.bucketsApart() {
		return
	}
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
		claim(x.Layer, v.item("domains", i)+".buckets", fmt.Sprintf("domain %q", x.Key), x.Buckets.Union(x.Draining))
	}
	for i := range v.plan.Experiments {
		x := &v.plan.Experiments[i]
		if x.Status != StatusStopped {
			claim(x.Layer, v.item("experiments", i)+".buckets", fmt.Sprintf("experiment %q", x.Key), x.Buckets.Union(x.Draining))
		}
	}
}

// bucketsApart is bucketOwners without words. Owners in layers that do not exist are
// reported elsewhere.
func (v *validator) bucketsApart() bool {
	for i := range v.plan.Layers {
		var all bucketUnion
		for _, d := range v.tree.nested[v.plan.Layers[i].Key] {
			if !all.add(d.Buckets, d.Draining) {
				return false
			}
		}
		for _, e := range v.tree.inLayer[v.plan.Layers[i].Key] {
			if e.Status != StatusStopped && !all.add(e.Buckets, e.Draining) {
				return false
			}
		}
	}
	return true
}

// bucketUnion adds up sets that should have no bucket in common. It copies nothing
// before there are two.
type bucketUnion struct {
	all Buckets
	own bool // the words of all are not a set's
}

// add adds what an owner holds, and reports whether none of it was there. Both sets of
// one owner may have buckets in common; that is reported elsewhere.
func (u *bucketUnion) add(open, draining Buckets) bool {
	if u.all.meets(open) || u.all.meets(draining) {
		return false
	}
	u.include(open)
	u.include(draining)
	return true
}

func (u *bucketUnion) include(set Buckets) {
	switch {
	case set.IsEmpty():
	case u.all.IsEmpty():
		u.all = set
	case !u.own:
		u.all, u.own = u.all.Union(set), true
	default:
		for i, w := range set.words {
			u.all.words[i] |= w
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
