package sim

import (
	"cmp"
	"math"
	"slices"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/stats"
)

// findings adds up what the runs found.
func (s *setup) findings(r *results) *Findings {
	f := &Findings{
		Model: s.model.Name, Seed: s.o.Seed, AA: s.o.AA, Runs: s.o.Runs, Visitors: s.o.Visitors,
		Start: s.o.Start, Days: s.o.Days, Level: s.o.Level,
	}
	for _, o := range r.outcomes {
		f.Acts += int64(o.acts)
		f.Events += int64(o.events)
	}
	for i := range s.experiments {
		f.Experiments = append(f.Experiments, s.experimentFindings(r, i))
	}
	for i, pair := range s.pairs {
		f.Pairs = append(f.Pairs, s.pairFindings(r, i, pair))
	}
	f.Notes = append(f.notes(), s.uncompared...)
	return f
}

// meanOf is the mean over runs of a number; runs that have none are left out.
func meanOf(n int, number func(i int) (v float64, has bool)) Mean {
	var all sums
	for i := range n {
		if v, has := number(i); has {
			all.add(v, 1)
		}
	}
	if all.n == 0 {
		return Mean{}
	}
	m := Mean{Value: all.mean()}
	if all.n > 1 {
		m.SE = math.Sqrt(all.squares() / (all.n - 1) / all.n)
	}
	return m
}

// shareOf is the share of runs, of those that tell, for which something is so.
func shareOf(n int, so func(i int) (yes, tells bool)) Mean {
	count, all := 0.0, 0.0
	for i := range n {
		if yes, tells := so(i); tells {
			all++
			if yes {
				count++
			}
		}
	}
	if all == 0 {
		return Mean{}
	}
	p := count / all
	return Mean{Value: p, SE: math.Sqrt(p * (1 - p) / all)}
}

func (s *setup) experimentFindings(r *results, i int) ExperimentFindings {
	n := len(r.outcomes)
	of := func(run int) *experimentOutcome { return &r.outcomes[run].experiments[i] }
	number := func(get func(*experimentOutcome) int64) Mean {
		return meanOf(n, func(run int) (float64, bool) { return float64(get(of(run))), true })
	}
	share := func(is func(*experimentOutcome) bool) Mean {
		return shareOf(n, func(run int) (bool, bool) { return is(of(run)), true })
	}
	f := ExperimentFindings{
		Experiment:        s.experiments[i],
		Units:             number(func(o *experimentOutcome) int64 { return o.units }),
		Contradictions:    number(func(o *experimentOutcome) int64 { return o.contradictions }),
		SampleRatioAlarms: share(func(o *experimentOutcome) bool { return o.sampleRatio }),
		NotTrusted:        share(func(o *experimentOutcome) bool { return o.notTrusted }),
		Decided:           share(func(o *experimentOutcome) bool { return o.decided }),
	}
	f.Expected = s.expected(r, i)
	f.PlannedUnits = cmp.Or(s.met[f.Experiment].Analysis.PlannedUnits, stats.DefaultTuningN)
	for j := range r.outcomes[0].experiments[i].comparisons {
		f.Comparisons = append(f.Comparisons, s.comparisonFindings(r, i, j, f.Expected))
	}
	return f
}

// expected is how many units planning expects of those that met the experiment.
func (s *setup) expected(r *results, i int) float64 {
	var reachable, asked, let int64
	for _, o := range r.outcomes {
		e := &o.experiments[i]
		reachable, asked, let = reachable+e.reachable, asked+e.asked, let+e.let
	}
	key := s.experiments[i]
	forecast := strata.Forecast{
		UnitsPerDay: map[strata.Diversion]float64{s.met[key].by: float64(reachable) / float64(len(r.outcomes))},
		Days:        1,
	}
	if asked > 0 {
		forecast.Match = map[string]float64{key: float64(let) / float64(asked)}
	}
	capacity, err := s.plan.Capacity(forecast)
	if err != nil {
		return 0 // the plan is valid, and so is the forecast
	}
	for _, e := range capacity.Experiments {
		if e.Experiment == key {
			return e.UnitsPerDay
		}
	}
	return 0
}

func (s *setup) comparisonFindings(r *results, i, j int, expected float64) ComparisonFindings {
	n, key := len(r.outcomes), s.experiments[i]
	of := func(run int) *comparisonOutcome { return &r.outcomes[run].experiments[i].comparisons[j] }
	first := of(0)
	f := ComparisonFindings{Metric: first.metric, Treatment: first.treatment, Control: first.control}
	f.True = r.lift(worldKey{key, first.control, ""}, worldKey{key, first.treatment, ""}, first.metric)
	for run := range n {
		if !of(run).end.NoValue {
			f.Estimated++
		}
	}
	f.Lift = meanOf(n, func(run int) (float64, bool) { return of(run).end.Value, !of(run).end.NoValue })
	f.Bias = Mean{f.Lift.Value - f.True.Value, math.Hypot(f.Lift.SE, f.True.SE)}
	f.RatioBias = (1 + f.True.Value) * meanOf(n, func(run int) (float64, bool) {
		c := of(run)
		return c.se * c.se / (c.mean * c.mean), c.mean != 0
	}).Value
	covered := func(get func(*comparisonOutcome) stats.Estimate) Mean {
		return shareOf(n, func(run int) (bool, bool) {
			e := get(of(run))
			return e.Low <= f.True.Value && f.True.Value <= e.High, e.Reason == ""
		})
	}
	f.Covered = covered(func(o *comparisonOutcome) stats.Estimate { return o.end })
	f.AlwaysCovered = covered(func(o *comparisonOutcome) stats.Estimate { return o.always })
	verdict := func(code strata.VerdictCode) Mean {
		return shareOf(n, func(run int) (bool, bool) { return of(run).code == code, true })
	}
	f.Wins, f.Losses = verdict(strata.VerdictWin), verdict(strata.VerdictLoss)
	f.inert = f.True == Mean{} && slices.ContainsFunc(s.o.Effects, func(e Effect) bool { return e.Experiment == key && e.Treatment == first.treatment })
	f.PlannedPower = s.plannedPower(r, i, j, f.True.Value, expected)
	f.days(n, s.o.Days, of)
	f.PValues = stats.Test{PValue: 1, Reason: "there are effects"}
	if s.o.AA {
		f.PValues = uniformity(n, of)
	}
	return f
}

// days fills in the detection curves.
func (f *ComparisonFindings) days(n, days int, of func(int) *comparisonOutcome) {
	wins, losses := make([]int, days+1), make([]int, days+1)
	for run := range n {
		switch o := of(run); {
		case o.detected == 0 || o.detected > days:
		case o.better:
			wins[o.detected]++
		default:
			losses[o.detected]++
		}
	}
	won, lost := 0, 0
	for day := 1; day <= days; day++ {
		won, lost = won+wins[day], lost+losses[day]
		planned := shareOf(n, func(run int) (bool, bool) { return of(run).looks[day], true })
		f.ByDay = append(f.ByDay, DayFindings{Day: day, Wins: float64(won) / float64(n), Losses: float64(lost) / float64(n), Planned: planned.Value})
		if f.MedianDays == 0 && 2*(won+lost) >= n {
			f.MedianDays = day
		}
	}
}

// uniformity tests the p-values of all runs that have one.
func uniformity(n int, of func(int) *comparisonOutcome) stats.Test {
	var values []float64
	for run := range n {
		if p := of(run).pValue; p >= 0 {
			values = append(values, p)
		}
	}
	return stats.KolmogorovSmirnovUniform(values)
}

// lift is the true lift of one world over another, 0 where neither was played.
func (r *results) lift(control, treatment worldKey, metric string) Mean {
	c, t := r.truths[control], r.truths[treatment]
	if c == nil || t == nil {
		return Mean{}
	}
	return trueLift(c, t, metric)
}

// plannedPower is the power that planning promises for a true lift.
func (s *setup) plannedPower(r *results, i, j int, lift, expected float64) float64 {
	var mean, variance, control, treatment float64
	family := 1
	for _, o := range r.outcomes {
		c := &o.experiments[i].comparisons[j]
		n := float64(c.controlUnits)
		mean, variance = mean+n*c.mean, variance+n*n*c.se*c.se
		control, treatment = control+n, treatment+float64(c.treatmentUnits)
		family = max(family, c.family)
	}
	if mean == 0 || treatment == 0 || expected == 0 {
		return 0
	}
	mean, variance = mean/control, variance/control // n·se² is the variance
	// The expected units, divided as the runs divided them.
	own := 0.0
	for _, o := range r.outcomes {
		own += float64(o.experiments[i].units)
	}
	scale := expected / own
	se := math.Sqrt(variance*(1/(control*scale)+1/(treatment*scale))) / math.Abs(mean)
	power, err := stats.PowerZ(lift, se, stats.PowerPlan{Alpha: 1 - s.o.Level, Comparisons: family})
	if err != nil {
		return 0
	}
	return power
}

func (s *setup) pairFindings(r *results, i int, pair [2]int) PairFindings {
	f := PairFindings{Experiments: [2]string{s.experiments[pair[0]], s.experiments[pair[1]]}}
	f.Diversion = s.met[f.Experiments[0]].by
	for _, o := range r.outcomes {
		if f.Table == nil {
			f.Table = make([][]int64, len(o.tables[i]))
			for k := range f.Table {
				f.Table[k] = make([]int64, len(o.tables[i][k]))
			}
		}
		for k, row := range o.tables[i] {
			for l, count := range row {
				f.Table[k][l] += count
			}
		}
	}
	f.Independent = stats.ChiSquareTable(f.Table)
	for side, key := range f.Experiments {
		other := f.Experiments[1-side]
		if !s.affected(key) || !s.affected(other) {
			continue
		}
		for _, c := range r.outcomes[0].experiments[pair[side]].comparisons {
			f.Changes = append(f.Changes, Interference{
				Experiment: key, Metric: c.metric, Treatment: c.treatment,
				Alone: r.lift(worldKey{key, c.control, other}, worldKey{key, c.treatment, other}, c.metric),
				Both:  r.lift(worldKey{key, c.control, ""}, worldKey{key, c.treatment, ""}, c.metric),
			})
		}
	}
	return f
}
