package rollup

import (
	"time"

	"github.com/strataxp/strata"
)

// Cell names one number of the results: what changed on a day in one metric of
// one treatment. The zero Metric stands for the units themselves, the zero
// Treatment for those seen in two.
type Cell struct {
	Subject, Treatment, Metric int32
	Step                       int32 // of a funnel, from 0; else 0
	Day                        Day
}

// Delta is what changed in a cell.
type Delta struct {
	Sums          Sums
	Units         int64 // exposed first on that day; Metric 0 only
	Repeats       int64 // of their purchases; Metric 0 only
	Matured       int64 // units whose window ended on that day; step 0 only
	OtherCurrency int64 // step 0 only
}

// Cells are changes by cell. Their sum over a cell's days up to one is what the
// results were at the end of that day.
type Cells map[Cell]*Delta

func (c Cells) at(cell Cell) *Delta {
	d := c[cell]
	if d == nil {
		d = new(Delta)
		c[cell] = d
	}
	return d
}

// Merge adds other cells to these, and may keep them.
func (c Cells) Merge(other Cells) error {
	for cell, d := range other {
		mine := c[cell]
		if mine == nil {
			c[cell] = d
			continue
		}
		if err := mine.Sums.Merge(&d.Sums); err != nil {
			return err
		}
		mine.Units += d.Units
		mine.Repeats += d.Repeats
		mine.Matured += d.Matured
		mine.OtherCurrency += d.OtherCurrency
	}
	return nil
}

// Config says which metrics of which subjects are added up. It is not safe for
// concurrent use, as its calendar is not.
type Config struct {
	Calendar *Calendar
	Subjects map[int32][]*Metric
}

// Metric is a metric made ready.
type Metric struct {
	ID         int32 // above 0; other metrics have other ids
	Definition strata.Metric
	evaluator  *strata.Evaluator
	steps      int // 0 for all but funnels
}

// NewMetric makes a metric ready. until bounds it where it has no window; the
// zero time does not.
func NewMetric(id int32, definition *strata.Metric, until time.Time) *Metric {
	m := &Metric{ID: id, Definition: *definition, evaluator: strata.NewEvaluator(definition, until)}
	if definition.Type == strata.MetricFunnel {
		m.steps = len(definition.Steps)
	}
	return m
}

// contribution is where a metric's totals of a unit go.
type contribution struct {
	cells    Cells
	calendar *Calendar
	exposure *Exposure
	sign     int64 // −1 takes back
}

// series adds the unit's totals as they stood at the end of the day of its
// exposure, and of each day that changed them.
func (m *Metric) series(to contribution, facts []strata.Fact) error {
	e := m.evaluator.Begin(time.UnixMicro(to.exposure.At))
	day := to.calendar.Day(to.exposure.At)
	n := until(to.calendar, day, facts)
	e.Add(facts[:n]...)
	totals := e.Totals()
	if err := m.add(to, day, nil, &totals); err != nil {
		return err
	}
	return m.onward(to, &e, day, facts[n:], &totals)
}

// onward goes on with facts that are later than those that made totals.
func (m *Metric) onward(to contribution, e *strata.Evaluation, day Day, facts []strata.Fact, totals *strata.UnitTotals) error {
	for len(facts) > 0 {
		day = max(day, to.calendar.Day(facts[0].At))
		n := until(to.calendar, day, facts)
		e.Add(facts[:n]...)
		facts = facts[n:]
		next := e.Totals()
		if next == *totals {
			continue
		}
		if err := m.add(to, day, totals, &next); err != nil {
			return err
		}
		*totals = next
	}
	return nil
}

// until returns how many of the facts lie before the end of a day.
func until(calendar *Calendar, day Day, facts []strata.Fact) int {
	n := 0
	for n < len(facts) && calendar.Day(facts[n].At) <= day {
		n++
	}
	return n
}

// add puts a change of totals into the cells. before is nil where there were
// none.
func (m *Metric) add(to contribution, day Day, before, after *strata.UnitTotals) error {
	x := to.exposure
	if to.sign < 0 {
		before, after = after, before
	}
	cell := Cell{Subject: x.Subject, Treatment: x.Treatment, Metric: m.ID, Day: day}
	if m.steps == 0 {
		return to.cells.at(cell).change(before, after, -1)
	}
	for step := range m.steps {
		cell.Step = int32(step)
		if err := to.cells.at(cell).change(before, after, step); err != nil {
			return err
		}
	}
	return nil
}

// change replaces totals by others; nil means none. step is −1 but for funnels.
func (d *Delta) change(before, after *strata.UnitTotals, step int) error {
	if before != nil {
		if err := d.Sums.Remove(before, step); err != nil {
			return err
		}
		if step <= 0 {
			d.OtherCurrency -= before.OtherCurrency
		}
	}
	if after != nil {
		if err := d.Sums.Add(after, step); err != nil {
			return err
		}
		if step <= 0 {
			d.OtherCurrency += after.OtherCurrency
		}
	}
	return nil
}

// contribute adds all that a unit contributes to the metric.
func (m *Metric) contribute(to contribution, facts []strata.Fact) error {
	if m.Definition.Window > 0 {
		to.cells.at(Cell{Subject: to.exposure.Subject, Treatment: to.exposure.Treatment, Metric: m.ID, Day: m.maturity(to.calendar, to.exposure)}).Matured += to.sign
	}
	return m.series(to, facts)
}

// maturity is the day at whose end the window of an exposure is over for the
// first time.
func (m *Metric) maturity(calendar *Calendar, x *Exposure) Day {
	return calendar.Day(x.At + m.window() - 1)
}

// window is the length of the window in microseconds: no event lies between two.
func (m *Metric) window() int64 {
	return (time.Duration(m.Definition.Window) + time.Microsecond - 1).Microseconds()
}

// contributeUnit adds the unit itself; sign −1 takes it back.
func contributeUnit(cells Cells, calendar *Calendar, x *Exposure, repeats, sign int64) {
	if x.Contradiction {
		cells.at(Cell{Subject: x.Subject}).Units += sign
		return
	}
	d := cells.at(Cell{Subject: x.Subject, Treatment: x.Treatment, Day: calendar.Day(x.At)})
	d.Units += sign
	d.Repeats += sign * repeats
}

// Contribute adds all that a unit contributes to its subjects.
func (c *Config) Contribute(cells Cells, u *Unit) error {
	for i := range u.Exposures {
		x := &u.Exposures[i]
		contributeUnit(cells, c.Calendar, x, u.Repeats, 1)
		if x.Contradiction {
			continue
		}
		for _, m := range c.Subjects[x.Subject] {
			if err := m.contribute(contribution{cells, c.Calendar, x, 1}, u.Facts); err != nil {
				return err
			}
		}
	}
	return nil
}

// Withdraw takes out what Contribute added, of the subjects that is asked for.
func (c *Config) Withdraw(cells Cells, u *Unit, from func(subject int32) bool) error {
	for i := range u.Exposures {
		x := &u.Exposures[i]
		if !from(x.Subject) {
			continue
		}
		contributeUnit(cells, c.Calendar, x, u.Repeats, -1)
		if x.Contradiction {
			continue
		}
		for _, m := range c.Subjects[x.Subject] {
			if err := m.contribute(contribution{cells, c.Calendar, x, -1}, u.Facts); err != nil {
				return err
			}
		}
	}
	return nil
}
