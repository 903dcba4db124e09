package sim

import (
	"cmp"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/memstore"
)

// Options say how a plan is tried. The zero value runs the plan 20 times, each with
// 10,000 visitors within 14 days, and no effects.
type Options struct {
	// Seed is where all random numbers come from.
	Seed uint64

	// Visitors is how many people (and bots) come for the first time within Days,
	// in each run. Zero means 10,000.
	Visitors int

	// Days is how long the experiments run. Zero means up to the last end of their
	// schedules, or 14 where there is none. An experiment whose schedule has no end
	// gets one there.
	Days int

	// Runs is how often the plan is run, each time with other visitors. Zero means
	// 20. Shares of runs have a standard error of up to 1/(2·√Runs).
	Runs int

	// TruthVisitors is how many visitors the true effects are computed from. Zero
	// means 4 times Visitors.
	TruthVisitors int

	// Workers is how many runs go on at the same time. Each holds its events in
	// memory. Zero means one for each processor. The findings do not depend on it.
	Workers int

	// Start is when the runs begin. Zero means the first start of a schedule, or
	// Monday, 5 January 2026, UTC.
	Start time.Time

	// Meets says in which state of the model visitors meet each experiment.
	// Experiments that are missing are met where visits start.
	Meets map[string]string

	// Effects are what treatments change.
	Effects []Effect

	// AA leaves all effects out: what is found then is false.
	AA bool

	// Level is the confidence level of reports. Zero means 0.95.
	Level float64

	// NewStore makes the store of a run, which must be empty. It is called by several
	// goroutines, and the store is closed behind its run where it is an io.Closer.
	// Nil means memstore.New.
	NewStore func() (strata.Store, error)

	// Progress is told how many parts of the work are done, of how many. It is
	// called by one goroutine at a time, and holds the work up meanwhile. Nil means
	// that nobody wants to know.
	Progress func(done, total int)
}

// The defaults of [Options].
const (
	DefaultRunVisitors = 10_000
	DefaultDays        = 14
	DefaultRuns        = 20

	truthTimes = 4
	maxRuns    = 1_000_000
	maxDays    = 3_650
)

// setup is a plan ready to be run.
type setup struct {
	o           Options
	plan        *strata.Plan // as it is published in each run
	model       *Model
	experiments []string // that are reported, in the order of the plan
	met         map[string]*meet
	end         time.Time
	length      time.Duration // of the traffic: up to the end, and until windows are over
	visitors    func(n int) int
	boundaries  []time.Time
	pairs       [][2]int // of experiments that divert alike, by their places
	uncompared  []string // a note for each other pair
}

// meet is an experiment that visitors meet.
type meet struct {
	*strata.Experiment
	index int // among all that are met
	by    strata.Diversion
}

// prepare checks everything and fills in the defaults.
func prepare(plan *strata.Plan, m *Model, o Options) (*setup, error) {
	if plan == nil {
		return nil, fmt.Errorf("%w: the plan is nil", strata.ErrInvalidPlan)
	}
	if m == nil {
		return nil, fmt.Errorf("%w: the model is nil; try sim.Shop()", ErrInvalidModel)
	}
	if err := plan.Validate(); err != nil {
		return nil, err
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	clone, err := plan.Clone()
	if err != nil {
		return nil, err
	}
	s := &setup{o: o, plan: clone, model: m}
	s.plan.Version, s.plan.EffectiveAt = 0, time.Time{}
	if p := s.o.problems(s.plan, m); len(p) > 0 {
		return nil, &OptionsError{Problems: p}
	}
	s.defaults()
	if p := s.unplayable(); len(p) > 0 {
		return nil, &OptionsError{Problems: p}
	}
	s.launch()
	s.effects()
	for i, a := range s.experiments {
		for j, b := range s.experiments[:i] {
			if s.met[a].by == s.met[b].by {
				s.pairs = append(s.pairs, [2]int{j, i})
			} else {
				s.uncompared = append(s.uncompared, fmt.Sprintf("%s and %s divert by different ids, and are not compared with each other.", b, a))
			}
		}
	}
	if len(s.experiments) == 0 {
		var p problems
		p.report("plan", nil, "no experiment has metrics and could run; there is nothing to find")
		return nil, &OptionsError{Problems: p}
	}
	return s, nil
}

// unplayable says which experiments cannot be tried.
func (s *setup) unplayable() problems {
	var p problems
	for i := range s.plan.Experiments {
		e := &s.plan.Experiments[i]
		if e.Status == strata.StatusStopped {
			continue
		}
		path := fmt.Sprintf("plan.experiments[%d]", i)
		if l := s.plan.Layer(e.Layer); l != nil && (l.Diversion == strata.ByRequest || l.Diversion == strata.ByTenant) {
			p.report(path+".layer", e.Layer, "diverts by %s, and visitors have users, devices and sessions only; leave the experiment out", l.Diversion)
		}
		begins := e.Schedule.Start
		for _, step := range e.Schedule.Ramp {
			if step.At.After(begins) {
				begins = step.At
			}
		}
		if e.Schedule.End.IsZero() && !begins.Before(s.end) {
			p.report(path+".schedule", begins, "goes on at or behind the end, which is %d days behind the start; raise Days", s.o.Days)
		}
	}
	return p
}

func (o *Options) problems(plan *strata.Plan, m *Model) problems {
	var p problems
	p.check(o.Visitors >= 0 && o.Visitors <= maxVisitors/10, "Visitors", o.Visitors, "use a positive number, 0 for the default")
	p.check(o.TruthVisitors >= 0 && o.TruthVisitors <= maxVisitors/10, "TruthVisitors", o.TruthVisitors, "use a positive number, 0 for the default")
	p.check(o.Days >= 0 && o.Days <= maxDays, "Days", o.Days, "use 1 to %d, 0 for the default", maxDays)
	p.check(o.Runs >= 0 && o.Runs <= maxRuns, "Runs", o.Runs, "use 1 to %d, 0 for the default", maxRuns)
	p.check(o.Workers >= 0, "Workers", o.Workers, "use a positive number, 0 for one for each processor")
	p.check(o.Level == 0 || o.Level > 0 && o.Level < 1, "Level", o.Level, "use a number between 0 and 1, such as 0.95")
	for _, key := range slices.Sorted(maps.Keys(o.Meets)) {
		path := fmt.Sprintf("Meets[%q]", key)
		p.check(plan.Experiment(key) != nil, path, key, "the plan has no such experiment")
		p.check(m.state(o.Meets[key]) >= 0, path, o.Meets[key], "the model has no such state")
	}
	for i := range o.Effects {
		e := &o.Effects[i]
		path := fmt.Sprintf("Effects[%d]", i)
		e.check(&p, path, m)
		x := plan.Experiment(e.Experiment)
		if x == nil {
			p.report(path+".experiment", e.Experiment, "the plan has no such experiment")
			continue
		}
		known := slices.ContainsFunc(x.Treatments, func(t strata.Treatment) bool { return t.Key == e.Treatment })
		p.check(known, path+".treatment", e.Treatment, "the experiment has no such treatment")
	}
	return p
}

func (s *setup) defaults() {
	o := &s.o
	o.Visitors, o.Runs = cmp.Or(o.Visitors, DefaultRunVisitors), cmp.Or(o.Runs, DefaultRuns)
	o.TruthVisitors = cmp.Or(o.TruthVisitors, truthTimes*o.Visitors)
	o.Workers = cmp.Or(o.Workers, runtime.GOMAXPROCS(0))
	o.Level = cmp.Or(o.Level, 0.95)
	if o.NewStore == nil {
		o.NewStore = func() (strata.Store, error) { return memstore.New(), nil }
	}
	var first, last time.Time
	for i := range s.plan.Experiments {
		schedule := &s.plan.Experiments[i].Schedule
		if at := schedule.Start; !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
		if schedule.End.After(last) {
			last = schedule.End
		}
	}
	switch {
	case !o.Start.IsZero():
	case !first.IsZero():
		o.Start = first
	default:
		o.Start = defaultStart()
	}
	o.Start = o.Start.UTC().Truncate(time.Microsecond)
	if o.Days == 0 && last.After(o.Start) {
		o.Days = min(int(last.Sub(o.Start).Hours()/24+0.999), maxDays)
	}
	o.Days = cmp.Or(o.Days, DefaultDays)
	s.end = o.Start.AddDate(0, 0, o.Days)
}

// launch starts what waits, ends what has no end, and says who meets what.
func (s *setup) launch() {
	meets := map[string]string{}
	var settle time.Duration
	for i := range s.plan.Experiments {
		e := &s.plan.Experiments[i]
		if e.Status == strata.StatusStopped {
			continue
		}
		if e.Status == "" || e.Status == strata.StatusDraft {
			e.Status = strata.StatusRunning
		}
		if e.Schedule.End.IsZero() {
			e.Schedule.End = s.end
		}
		meets[e.Key] = cmp.Or(s.o.Meets[e.Key], s.model.Start)
		if len(e.Metrics) > 0 && len(e.Treatments) > 0 {
			s.experiments = append(s.experiments, e.Key)
		}
		for _, key := range e.Metrics {
			if m := s.plan.Metric(key); m != nil {
				settle = max(settle, time.Duration(m.Window))
			}
		}
		s.boundaries = append(s.boundaries, e.Schedule.Start, e.Schedule.End)
		for _, step := range e.Schedule.Ramp {
			s.boundaries = append(s.boundaries, step.At)
		}
	}
	s.o.Meets = meets
	s.met = map[string]*meet{}
	for i, key := range slices.Sorted(maps.Keys(meets)) {
		e := s.plan.Experiment(key)
		s.met[key] = &meet{e, i, cmp.Or(s.plan.Layer(e.Layer).Diversion, strata.ByUser)}
	}
	s.boundaries = slices.DeleteFunc(s.boundaries, func(t time.Time) bool { return !t.After(s.o.Start) })
	slices.SortFunc(s.boundaries, time.Time.Compare)
	inTime := s.end.Sub(s.o.Start)
	s.length = inTime + settle
	s.visitors = func(n int) int { return max(int(float64(n)*float64(s.length)/float64(inTime)), 1) }
}

// effects leaves out what changes nothing.
func (s *setup) effects() {
	idle := func(e Effect) bool { return s.o.AA || e.unchanged() || s.o.Meets[e.Experiment] == "" }
	s.o.Effects = slices.DeleteFunc(slices.Clone(s.o.Effects), idle)
}

// affected reports whether some treatment of an experiment changes something.
func (s *setup) affected(experiment string) bool {
	return slices.ContainsFunc(s.o.Effects, func(e Effect) bool { return e.Experiment == experiment })
}

// traffic makes a run's visitors.
func (s *setup) traffic(seed uint64, prefix string, visitors int, effects []Effect) (*Traffic, error) {
	return NewTraffic(s.model, TrafficOptions{
		Seed: seed, Visitors: s.visitors(visitors), Start: s.o.Start, Length: s.length,
		Effects: effects, Meets: s.o.Meets, Prefix: prefix,
	})
}
