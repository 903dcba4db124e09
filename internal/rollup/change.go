package rollup

import (
	"slices"
	"time"

	"github.com/strataxp/strata"
)

// Change adds to the cells what the step from one state of a unit to the next
// changes. was is the config by which the unit was counted before; where it is
// another one than c, metrics that are new are added, and those that are gone
// stay as they were. changed is what [Unit.AddFacts] returned: where all new
// facts are later than the old ones, the cost is that of one pass over the
// unit's facts for each metric that they concern; else of three.
func (c *Config) Change(cells Cells, was *Config, before, after *Unit, changed int) error {
	for i := range after.Exposures {
		x := &after.Exposures[i]
		old := before.Exposed(x.Subject)
		same := old != nil && *old == *x
		if !same || before.Repeats != after.Repeats {
			if old != nil {
				contributeUnit(cells, c.Calendar, old, before.Repeats, -1)
			}
			contributeUnit(cells, c.Calendar, x, after.Repeats, 1)
		}
		for _, m := range c.Subjects[x.Subject] {
			counted := old != nil && (was == c || was.Has(x.Subject, m.ID))
			var err error
			if same && counted && changed == len(before.Facts) {
				err = m.extend(cells, c.Calendar, x, after.Facts, changed)
			} else {
				err = m.replace(cells, c.Calendar, counted, old, before.Facts, x, after.Facts)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// Has reports whether the config has a metric of a subject.
func (c *Config) Has(subject, metric int32) bool {
	return slices.ContainsFunc(c.Subjects[subject], func(m *Metric) bool { return m.ID == metric })
}

// extend adds what facts from a position on change, which are later than all
// before.
func (m *Metric) extend(cells Cells, calendar *Calendar, x *Exposure, facts []strata.Fact, from int) error {
	exposed := time.UnixMicro(x.At)
	if x.Contradiction || !m.concerned(exposed, facts[from:]) {
		return nil
	}
	e := m.evaluator.Begin(exposed)
	e.Add(facts[:from]...)
	totals := e.Totals()
	return m.onward(contribution{cells, calendar, x, 1}, &e, calendar.Day(x.At), facts[from:], &totals)
}

func (m *Metric) concerned(exposed time.Time, facts []strata.Fact) bool {
	for i := range facts {
		if m.evaluator.Concerns(exposed, &facts[i]) {
			return true
		}
	}
	return false
}

// replace takes out what the unit contributed, if it was counted, and adds what
// it contributes now.
func (m *Metric) replace(cells Cells, calendar *Calendar, counted bool, old *Exposure, oldFacts []strata.Fact, x *Exposure, facts []strata.Fact) error {
	if counted && !old.Contradiction {
		if err := m.contribute(contribution{cells, calendar, old, -1}, oldFacts); err != nil {
			return err
		}
	}
	if x.Contradiction {
		return nil
	}
	return m.contribute(contribution{cells, calendar, x, 1}, facts)
}
