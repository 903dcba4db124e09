package strata

import "slices"

// funnelStep is a [Step] made ready.
type funnelStep struct {
	filter
	within int64 // in microseconds; 0 for no limit
}

// progress is how far a unit got in a funnel.
type progress struct {
	taken int   // how many steps
	from  int64 // when the last of them was taken, or the unit exposed
}

func (v *Evaluator) setSteps(steps []Step) {
	v.measures = 0
	steps = steps[:min(len(steps), maxSteps)]
	var names []string
	for i := range steps {
		s := funnelStep{filter: filter{kind: steps[i].Event, name: NameHash(steps[i].Name)}}
		if steps[i].Within > 0 {
			s.within = microsUp(steps[i].Within)
		}
		v.steps = append(v.steps, s)
		if steps[i].Name != "" {
			names = append(names, steps[i].Name)
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		v.names = append(v.names, NameHash(name))
	}
}

func (p *progress) totals(t *UnitTotals, steps int) {
	t.Exact, t.Variables = true, steps
	for i := range p.taken {
		t.Integers[i] = 1
	}
}

// follow takes steps by facts, one instant after the other.
func (e *Evaluation) follow(facts []Fact) {
	for len(facts) > 0 && e.funnel.taken < len(e.of.steps) {
		n := 1
		for n < len(facts) && facts[n].At == facts[0].At {
			n++
		}
		if at := facts[0].At; at >= e.exposed && at < e.end {
			e.funnel.take(e.of, facts[:n])
		}
		facts = facts[n:]
	}
}

// take takes as many steps as the facts of one instant will. A fact takes one
// step, so no more than all steps are used up.
func (p *progress) take(v *Evaluator, facts []Fact) {
	var used [maxSteps]int
	for n := 0; p.taken < len(v.steps); n++ {
		step := &v.steps[p.taken]
		i := v.firstMatch(step, facts, used[:n])
		if i < 0 {
			return
		}
		if step.within > 0 && facts[i].At-p.from >= step.within {
			return // too late, and so is all that follows
		}
		p.taken++
		p.from, used[n] = facts[i].At, i
	}
}

// firstMatch returns which of the facts of one instant, those used up aside,
// takes the step; -1 means none.
func (v *Evaluator) firstMatch(step *funnelStep, facts []Fact, used []int) int {
	best, bestRank := -1, 0
	for i := range facts {
		if !step.matches(&facts[i]) || slices.Contains(used, i) {
			continue
		}
		if step.name != 0 {
			return i // all that match have the same name
		}
		rank := slices.Index(v.names, facts[i].Name)
		if rank < 0 {
			return i // no step names it: no other is before it
		}
		if best < 0 || rank < bestRank {
			best, bestRank = i, rank
		}
	}
	return best
}

func (s *funnelStep) matches(f *Fact) bool {
	return f.Kind == s.kind && (s.name == 0 || f.Name == s.name)
}
