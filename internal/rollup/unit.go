package rollup

import (
	"maps"
	"slices"
	"sort"

	"github.com/strataxp/strata"
)

// Unit is what is known of one id: a user, a device. The zero value is a unit
// of which nothing is known.
type Unit struct {
	Exposures []Exposure    // by Subject, one for each
	Facts     []strata.Fact // in the order of strata.SortFacts; nothing forced, no repeats
	Repeats   int64         // purchases that had been stored before
}

// Exposure is a unit's first exposure in a phase of an experiment.
type Exposure struct {
	Subject       int32 // which phase of which experiment, as the caller numbers them
	Treatment     int32 // as the caller numbers them
	At            int64 // microseconds since 1970
	Contradiction bool  // another treatment was seen too
}

// Exposed returns the unit's exposure to a subject, or nil.
func (u *Unit) Exposed(subject int32) *Exposure {
	i := u.position(subject)
	if i == len(u.Exposures) || u.Exposures[i].Subject != subject {
		return nil
	}
	return &u.Exposures[i]
}

func (u *Unit) position(subject int32) int {
	return sort.Search(len(u.Exposures), func(i int) bool { return u.Exposures[i].Subject >= subject })
}

// Expose takes an exposure in: the earliest is kept, and another treatment is
// remembered. It reports whether the unit is exposed to the subject for the
// first time, and whether x is now its earliest exposure.
func (u *Unit) Expose(x Exposure) (fresh, earliest bool) {
	i := u.position(x.Subject)
	if i == len(u.Exposures) || u.Exposures[i].Subject != x.Subject {
		u.Exposures = slices.Insert(u.Exposures, i, x)
		return true, true
	}
	e := &u.Exposures[i]
	contradiction := e.Contradiction || x.Contradiction || e.Treatment != x.Treatment
	if earliest = x.At < e.At; earliest {
		*e = x
	}
	e.Contradiction = contradiction
	return false, earliest
}

// AddFacts takes facts in, which must be sorted. It returns from which position
// on Facts has changed: len(u.Facts) as it was where all are later than what
// was known.
func (u *Unit) AddFacts(facts []strata.Fact) (changed int) {
	n := len(u.Facts)
	if len(facts) == 0 {
		return n
	}
	for changed = n; changed > 0 && u.Facts[changed-1].At >= facts[0].At; {
		changed--
	}
	u.Facts = append(u.Facts, facts...)
	if changed < n {
		strata.SortFacts(u.Facts[changed:])
	}
	return changed
}

// Clone returns a copy that shares nothing with u. There is room for more facts.
func (u *Unit) Clone(room int) Unit {
	c := *u
	c.Exposures = slices.Clone(u.Exposures)
	c.Facts = append(make([]strata.Fact, 0, len(u.Facts)+room), u.Facts...)
	return c
}

// JoinAttributes joins the attributes of two exposures of one instant, so that
// it does not matter which came first: of each the value that is last in the
// order of bytes. It may return either map.
func JoinAttributes(a, b map[string]string) map[string]string {
	if len(b) == 0 {
		return a
	}
	joined := maps.Clone(b)
	for name, value := range a {
		joined[name] = max(value, joined[name])
	}
	return joined
}
