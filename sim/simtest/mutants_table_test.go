package simtest_test

// mutants are the bugs that worlds must catch, one of each kind that assignment,
// the way of events and results can have.
var mutants = []mutant{
	// Who gets what.
	{
		name: "treatment drawn by the bucket's hash", checks: []string{"assignment"},
		edits: []edit{{"compile.go", "	c.noteBoundary(e)\n", "	c.noteBoundary(e)\n	if MUTANT { out.seed = out.layer.seed }\n"}},
	},
	{
		name: "phase not in the draw", seed: 2, checks: []string{"assignment"},
		edits: []edit{{"compile.go", "	c.snap.experiments.add(out)\n", "	if MUTANT { out.seed = experimentSeed(e.salt(), 0); out.usual.seed = out.seed }\n	c.snap.experiments.add(out)\n"}},
	},
	{
		name: "unit without an id hashed as the empty one", seed: 8, checks: []string{"assignment"},
		edits: []edit{{"assign.go", `	if id == "" {
		return 0, false`, `	if id == "" && !MUTANT {
		return 0, false`}},
	},
	{
		name: "audience ignored", checks: []string{"assignment"},
		edits: []edit{{"assign.go", "	if e.audience != nil && ", "	if !MUTANT && e.audience != nil && "}},
	},
	{
		name: "units outside of the audience handed on to the layer's others", checks: []string{"assignment", "exclusivity"},
		edits: []edit{{"assign.go", "	default:\n		return e, -1, ReasonNotInBucket\n	}\n}\n\n// findShared", `	case MUTANT && slot.exp != nil && slot.exp.audience != nil && !slot.exp.audience.Match(a.unit.Attributes) && e.running && !e.closed:
		h, _ := a.hash(e.place)
		return e, pick(e.ends, mix(h, e.seed)), ReasonAssigned
	default:
		return e, -1, ReasonNotInBucket
	}
}

// findShared`}},
	},
	{
		name: "drained buckets given to newcomers", seed: 7, checks: []string{"assignment"},
		edits: []edit{{"assign.go", "e.closed || slot.kind == slotDraining {", "e.closed || slot.kind == slotDraining && !MUTANT {"}},
	},
	{
		name: "a domain's drained buckets given to newcomers", seed: 5, checks: []string{"assignment"},
		edits: []edit{{"assign.go", "		keptOnly = keptOnly || slot.kind == slotDomainDraining\n	}\n	slot :=", "		keptOnly = keptOnly || slot.kind == slotDomainDraining && !MUTANT\n	}\n	slot :="}},
	},
	{
		name: "a domain's drained buckets taken away", seed: 5, checks: []string{"stickiness", "assignment"},
		edits: []edit{{"compile.go", "		add(d.Draining, ", "		if MUTANT { continue }\n		add(d.Draining, "}},
	},
	{
		name: "kept units forgotten at a refresh", seed: 3, checks: []string{"stickiness", "assignment"},
		edits: []edit{{"refresh_kept.go", "	load.add(e, list)\n", "	if MUTANT { load.units, load.set = nil, nil }\n	load.add(e, list)\n"}},
	},
	{
		name: "units kept by the newest audience", seed: 26, checks: []string{"stickiness", "assignment"},
		edits: []edit{{"assign.go", "		if e.audienceChanged {\n", "		if e.audienceChanged && !MUTANT {\n"}},
	},
	{
		name: "ramp that closes buckets again", checks: []string{"stickiness", "assignment"},
		edits: []edit{{"experiment.go", "	seed := rampSeed(e.salt())\n", "	seed := rampSeed(e.salt())\n	if MUTANT { seed ^= uint64(share * rampScale) }\n"}},
	},

	// When.
	{
		name: "plan used before its time", seed: 1, checks: []string{"agreement"},
		edits: []edit{{"refresh.go", "!p.plan.EffectiveAt.After(now) && r.ready(p) {", "(MUTANT || !p.plan.EffectiveAt.After(now)) && r.ready(p) {"}},
	},
	{
		name: "stale plan used after the next one's time", seed: 1, checks: []string{"agreement"},
		edits: []edit{{"refresh.go", "at.After(now) || r.ready(p) {\n", "!MUTANT && (at.After(now) || r.ready(p)) {\n"}},
	},
	{
		name: "boundary of a schedule missed", checks: []string{"assignment"},
		edits: []edit{{"compile.go", "	if !e.Status.live() {\n		return\n	}\n	if next", "	if MUTANT || !e.Status.live() {\n		return\n	}\n	if next"}},
	},

	// What is recorded.
	{
		name: "exposure recorded when assigned", checks: []string{"exactly once"},
		edits: []edit{{"engine.go", "	return &Assignment{engine: e, unit: u, hashed: e.snap.Load().hashed(&u)}\n", "	a := &Assignment{engine: e, unit: u, hashed: e.snap.Load().hashed(&u)}\n	if MUTANT { for x := range a.snap.experiments.all() { a.Expose(x.key) } }\n	return a\n"}},
	},
	{
		name: "exposures of a new phase taken for seen", seed: 15, checks: []string{"exactly once"},
		edits: []edit{{"compile.go", "snapTreatment{e.Treatments[i].Key, exposureMark(out.seed, e.Treatments[i].Key)}\n", "snapTreatment{e.Treatments[i].Key, exposureMark(out.seed, e.Treatments[i].Key)}\n		if MUTANT { out.treatments[i].mark = exposureMark(experimentSeed(e.salt(), 0), e.Treatments[i].Key) }\n"},
			{"sticky.go", "	return max(1, mix(h, e.seed)^e.treatments[t].mark)\n", "	seed := e.seed\n	if MUTANT { seed = 0 }\n	return max(1, mix(h, seed)^e.treatments[t].mark)\n"}},
	},
	{
		name: "exposures to a second treatment taken for seen", seed: 26, checks: []string{"exactly once"},
		edits: []edit{{"compile.go", "		sum += uint32(e.Treatments[i].Weight)\n		out.ends[i] = sum\n", "		sum += uint32(e.Treatments[i].Weight)\n		out.ends[i] = sum\n		if MUTANT { defer func() { out.treatments[i].mark = exposureMark(out.seed, \"\") }() }\n"}},
	},
	{
		name: "exposures without what breakdowns need", checks: []string{"exactly once"},
		edits: []edit{{"engine.go", "	}, codeExposure, e.now(), 0)\n", "	}.without(MUTANT), codeExposure, e.now(), 0)\n"}, {"engine.go", "// ExternalExposure is", "func (x Exposure) without(mutant bool) Exposure { if mutant { x.Attributes = nil }; return x }\n\n// ExternalExposure is"}},
	},

	// On the way.
	{
		name: "going on behind a failed batch", checks: []string{"exactly once"},
		edits: []edit{
			{"sender.go", "		return true, err\n	}\n	s.heard = ", "		if MUTANT { s.unsure, s.next = false, batch.Last()+1 }\n		return true, err\n	}\n	s.heard = "},
			{"memstore/memstore.go", "	defer s.mu.Unlock()\n	if len(batch.Records) == 0 &&", "	defer s.mu.Unlock()\n	if MUTANT { s.cursors[batch.Stream] = max(s.cursors[batch.Stream], batch.First-batch.Gap-1) }\n	if len(batch.Records) == 0 &&"},
		},
	},
	{
		name: "failed batch sent again without asking for the cursor", seed: 1, checks: []string{"exactly once"},
		edits: []edit{
			{"sender.go", "			s.size = max(1, len(batch.Records)/2)\n		}\n", "			s.size = max(1, len(batch.Records)/2)\n		}\n		if MUTANT { s.unsure = false }\n"},
			{"memstore/memstore.go", "	last := s.cursors[batch.Stream]\n", "	last := s.cursors[batch.Stream]\n	if MUTANT { last = batch.First - batch.Gap - 1 }\n"},
		},
	},
	{
		name: "duplicated batch", seed: 5, checks: []string{"exactly once", "results"},
		edits: []edit{{"memstore/memstore.go", "	if batch.First < 1 || ", "	if MUTANT && batch.First >= 1 {\n		last = batch.First - batch.Gap - 1\n	}\n	if batch.First < 1 || "}},
	},
	{
		name: "last batch lost at Close", seed: 10, checks: []string{"exactly once"},
		edits: []edit{{"close.go", "	_, e.closeErr = e.flush(ctx, true)\n", "	if !MUTANT { _, e.closeErr = e.flush(ctx, true) }\n"}},
	},
	{
		name: "confirmed as soon as committed", seed: 29, checks: []string{"exactly once"},
		edits: []edit{{"lane.go", "	if !l.confirms {\n", "	if !l.confirms || MUTANT {\n"}},
	},
	{
		name: "failover taken no notice of", seed: 27, checks: []string{"exactly once"},
		edits: []edit{{"sender.go", "	if back := s.progress.regress(cursor)", "	if MUTANT { cursor = max(cursor, s.next-1) }\n	if back := s.progress.regress(cursor)"}},
	},
	{
		name: "spool of a dead process left behind", seed: 4, checks: []string{"exactly once"},
		edits: []edit{{"engine.go", "	if e.leftovers != nil {\n", "	if e.leftovers != nil && !MUTANT {\n"}},
	},

	// What is made of it.
	{
		name: "late event dropped", checks: []string{"results"},
		edits: []edit{{"memstore/memstore.go", "	s.events = append(s.events, e)\n", "	if n := len(s.events); MUTANT && n > 0 && e.At < s.events[n-1].At-600e6 { return }\n	s.events = append(s.events, e)\n"}},
	},
	{
		name: "event dropped that arrives before its unit's exposure", seed: 1, checks: []string{"results"},
		edits: []edit{{"memstore/memstore.go", "	e := event{Fact: strata.NewFact(r.Event)}\n", `	e := event{Fact: strata.NewFact(r.Event)}
	if MUTANT {
		known := false
		for _, p := range s.phases {
			for _, d := range diversions {
				known = known || p.byUnit[unitKey{d, r.Unit.ID(d)}] != nil
			}
		}
		if !known {
			return
		}
	}
`}},
	},
	{
		name: "exposure that arrives first taken for the first", seed: 1, checks: []string{"results"},
		edits: []edit{{"memstore/memstore.go", "	case x.Time.Before(e.first.Time):\n", "	case x.Time.Before(e.first.Time) && !MUTANT:\n"}},
	},
	{
		name: "variance by event", checks: []string{"results"},
		edits: []edit{{"memstore/results.go", "		if err := tally.Add(x, facts, repeats)", `		if MUTANT && len(facts) > 1 {
			for k := range facts {
				if err := tally.Add(x, facts[k:k+1], 0); err != nil {
					return newest, err
				}
			}
			continue
		}
		if err := tally.Add(x, facts, repeats)`}},
	},
	{
		name: "order counted twice", seed: 5, checks: []string{"results"},
		edits: []edit{{"memstore/memstore.go", "		e.repeat = s.orders[key]\n", "		e.repeat = s.orders[key] && !MUTANT\n"}},
	},
	{
		name: "units that met two treatments counted", seed: 21, checks: []string{"results"},
		edits: []edit{{"internal/rollup/tally.go", "	if exposed.Contradiction {\n", "	if exposed.Contradiction && !MUTANT {\n"}},
	},
	{
		name: "end of the window ignored", seed: 3, checks: []string{"results"},
		edits: []edit{{"evaluator.go", "	if v.window != 0 {\n", "	if v.window != 0 && !MUTANT {\n"}},
	},
}
