package sim

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/stats"
)

// outcome is what is kept of one run.
type outcome struct {
	acts        int
	events      int
	experiments []experimentOutcome // as setup.experiments
	tables      [][][]int64         // of each pair: units by both treatments
}

type experimentOutcome struct {
	units          int64 // in its own treatments, a shared control left out
	all            int64 // analysed, a shared control included
	reachable      int64 // that met it
	asked, let     int64 // of the units in its buckets: all, and those that its audience let in
	contradictions int64
	sampleRatio    bool // there is an alarm about it
	notTrusted     bool
	decided        bool // some primary comparison is a win or a loss
	comparisons    []comparisonOutcome
}

// comparisonOutcome is one treatment in one primary metric.
type comparisonOutcome struct {
	metric, treatment, control string
	index                      int // of the metric in the report
	end                        stats.Estimate
	always                     stats.Estimate
	pValue                     float64 // of one look; -1 where there is no test
	code                       strata.VerdictCode
	detected                   int // the first day on which the interval left 0 out, from 1; 0 for none
	better                     bool
	looks                      []bool  // by day, whether one look at its end would have found something
	mean, se                   float64 // of the control
	controlUnits               int64
	treatmentUnits             int64
	family                     int
}

// run plays one run of the plan.
func (s *setup) run(ctx context.Context, i int) (*outcome, error) {
	t, err := s.traffic(derive(s.o.Seed, uint64(i)), fmt.Sprintf("r%d-", i), s.o.Visitors, s.o.Effects)
	if err != nil {
		return nil, err
	}
	o := &outcome{}
	err = s.play(ctx, t, nil, func(x *site) error {
		o.acts, o.events = x.acts, x.events
		for _, key := range s.experiments {
			r, err := x.engine.Report(ctx, key, strata.ReportOptions{Level: s.o.Level})
			if err != nil {
				return err
			}
			o.experiments = append(o.experiments, s.experimentOutcome(x, r))
		}
		for _, pair := range s.pairs {
			o.tables = append(o.tables, s.table(x, pair))
		}
		return nil
	})
	return o, err
}

func (s *setup) experimentOutcome(x *site, r *strata.Report) experimentOutcome {
	o := experimentOutcome{all: r.Units, contradictions: r.Health.Contradictions, notTrusted: r.Verdict.Code == strata.VerdictNotTrusted}
	e := s.met[r.Experiment]
	for _, t := range r.Treatments {
		if hasTreatment(e.Experiment, t.Treatment) {
			o.units += t.Units
		}
	}
	for _, w := range r.Warnings {
		o.sampleRatio = o.sampleRatio || w.Code == strata.WarnSampleRatio && w.Severity == strata.Alarm
	}
	for _, u := range x.units[e.by] {
		switch u.met[e.index] {
		case never:
			continue
		case admitted:
			o.let++
			o.asked++
		case refused:
			o.asked++
		}
		o.reachable++
	}
	for i := range r.Metrics {
		if r.Metrics[i].Role != strata.RolePrimary {
			continue
		}
		for j := range r.Metrics[i].Comparisons {
			c := s.comparisonOutcome(r, i, j)
			o.decided = o.decided || c.code == strata.VerdictWin || c.code == strata.VerdictLoss
			o.comparisons = append(o.comparisons, c)
		}
	}
	return o
}

func hasTreatment(e *strata.Experiment, key string) bool {
	for i := range e.Treatments {
		if e.Treatments[i].Key == key {
			return true
		}
	}
	return false
}

func (s *setup) comparisonOutcome(r *strata.Report, metric, j int) comparisonOutcome {
	m := &r.Metrics[metric]
	c := &m.Comparisons[j]
	control, treatment := m.Estimates[0], m.Estimates[j+1]
	o := comparisonOutcome{
		metric: m.Label, treatment: c.Treatment, control: c.Control, index: metric,
		end: c.Lift, always: c.AlwaysValid.Lift, code: c.Verdict.Code, pValue: -1, family: c.Corrected.Family,
		mean: control.Estimate.Value, se: control.Estimate.SE, controlUnits: control.Units, treatmentUnits: treatment.Units,
	}
	if c.Test.Reason == "" {
		o.pValue = c.Test.PValue
	}
	s.days(&o, c.Days, m.Direction)
	return o
}

// days reads off the days of a comparison when it would have been clear: to somebody
// who looks at the end of every day, and to one who had planned to look then. On a
// day on which nothing changed it stands as it did before. Days end at midnight, and
// what is left of the last one counts with it where runs start at another hour.
func (s *setup) days(o *comparisonOutcome, days []strata.DayComparison, better strata.Direction) {
	o.looks = make([]bool, s.o.Days+1)
	critical := stats.NormalQuantile(1 - (1-s.o.Level)/2)
	midnight := s.o.Start.Truncate(24 * time.Hour)
	next := 1 // day without a look yet
	for _, day := range days {
		d, n := day.Difference, min(1+int(day.Day.Sub(midnight).Hours()/24), s.o.Days)
		if d.Reason != "" || n < 1 || !day.Day.Before(s.end) {
			continue
		}
		for ; next < n; next++ {
			o.looks[next] = o.looks[next-1]
		}
		o.looks[n], next = math.Abs(d.Value) > critical*d.SE, n+1
		if o.detected == 0 && (d.Low > 0 || d.High < 0) {
			o.detected = n
			o.better = (d.Low > 0) == (better == strata.Increase)
		}
	}
	for ; next <= s.o.Days; next++ {
		o.looks[next] = o.looks[next-1]
	}
}

// table counts the units that are in two experiments, by their treatments.
func (s *setup) table(x *site, pair [2]int) [][]int64 {
	a, b := s.met[s.experiments[pair[0]]], s.met[s.experiments[pair[1]]]
	rows, columns := treatmentIndex(a.Experiment), treatmentIndex(b.Experiment)
	table := make([][]int64, len(rows))
	for i := range table {
		table[i] = make([]int64, len(columns))
	}
	for _, u := range x.units[a.by] {
		row, inA := rows[u.got[a.index]]
		column, inB := columns[u.got[b.index]]
		if inA && inB {
			table[row][column]++
		}
	}
	return table
}

func treatmentIndex(e *strata.Experiment) map[string]int {
	index := map[string]int{}
	for i := range e.Treatments {
		index[e.Treatments[i].Key] = i
	}
	return index
}
