package rollup_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/rollup"
)

// plain is a cell's change in a form that can be compared. Cells in which
// nothing changed are left out.
type plain struct {
	Units, Repeats, Matured, OtherCurrency int64
	Sums                                   rollup.Decimals
}

func plainCells(cells rollup.Cells, of func(rollup.Cell) bool) map[rollup.Cell]plain {
	out := make(map[rollup.Cell]plain)
	for cell, d := range cells {
		p := plain{d.Units, d.Repeats, d.Matured, d.OtherCurrency, d.Sums.Decimals()}
		if p.Sums.N == 0 && !slices.ContainsFunc(slices.Concat(p.Sums.Sums, p.Sums.Products), func(s string) bool { return s != "0" }) {
			p.Sums = rollup.Decimals{}
		}
		if of(cell) && !reflect.DeepEqual(p, plain{}) {
			out[cell] = p
		}
	}
	return out
}

func every(rollup.Cell) bool { return true }

func newConfig(t *rapid.T, calendar *rollup.Calendar) *rollup.Config {
	c := &rollup.Config{Calendar: calendar, Subjects: make(map[int32][]*rollup.Metric)}
	for subject := int32(1); subject <= 3; subject++ {
		for _, m := range readyMetrics(subject) {
			if rapid.IntRange(0, 3).Draw(t, "metric") > 0 {
				c.Subjects[subject] = append(c.Subjects[subject], m)
			}
		}
	}
	return c
}

func atOnce(t require.TestingT, c *rollup.Config, u *rollup.Unit) rollup.Cells {
	cells := make(rollup.Cells)
	require.NoError(t, c.Contribute(cells, u))
	return cells
}

// step takes a portion in and keeps the cells up to date.
func step(t require.TestingT, c, was *rollup.Config, cells rollup.Cells, u *rollup.Unit, p portion) {
	before, after := u.Clone(0), u.Clone(len(p.facts))
	changed := take(&after, p)
	require.NoError(t, c.Change(cells, was, &before, &after, changed))
	*u = after
}

// The invariant of the package: kept up to date bit by bit, in any order, cells
// are what they are when all is added up at once, and withdrawn they are zero.
func TestChangesAddUpToTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone, err := time.LoadLocation(rapid.SampledFrom([]string{"UTC", "America/Sao_Paulo"}).Draw(t, "zone"))
		require.NoError(t, err)
		c := newConfig(t, rollup.NewCalendar(zone))
		portions := rapid.SliceOfN(rapid.Custom(drawPortion), 1, 6).Draw(t, "portions")
		cells, u := make(rollup.Cells), rollup.Unit{}
		for _, p := range portions {
			step(t, c, c, cells, &u, p)
			require.Equal(t, plainCells(atOnce(t, c, &u), every), plainCells(cells, every))
		}
		// Another order, in one portion.
		var all portion
		for _, p := range slices.Backward(portions) {
			all.facts, all.exposures, all.repeats = append(all.facts, p.facts...), append(all.exposures, p.exposures...), all.repeats+p.repeats
		}
		other, shuffled := rollup.Unit{}, make(rollup.Cells)
		step(t, c, c, shuffled, &other, all)
		require.Equal(t, plainCells(cells, every), plainCells(shuffled, every))
		require.NoError(t, c.Withdraw(cells, &u, func(int32) bool { return true }))
		require.Empty(t, plainCells(cells, every))
	})
}

// Metrics that a change of config adds are counted from all that is known; those
// that it takes away stay as they were.
func TestChangeOfConfig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		calendar := rollup.NewCalendar(nil)
		was, is := newConfig(t, calendar), newConfig(t, calendar)
		cells, u := make(rollup.Cells), rollup.Unit{}
		for _, p := range rapid.SliceOfN(rapid.Custom(drawPortion), 0, 3).Draw(t, "before") {
			step(t, was, was, cells, &u, p)
		}
		stood := plainCells(cells, func(c rollup.Cell) bool { return c.Metric > 0 && !has(is, c) })
		from := was
		for _, p := range rapid.SliceOfN(rapid.Custom(drawPortion), 1, 3).Draw(t, "after") {
			step(t, is, from, cells, &u, p)
			from = is
		}
		require.Equal(t, plainCells(atOnce(t, is, &u), every), plainCells(cells, func(c rollup.Cell) bool { return c.Metric == 0 || has(is, c) }))
		require.Equal(t, stood, plainCells(cells, func(c rollup.Cell) bool { return c.Metric > 0 && !has(is, c) }))
	})
}

func has(c *rollup.Config, cell rollup.Cell) bool {
	return slices.ContainsFunc(c.Subjects[cell.Subject], func(m *rollup.Metric) bool { return m.ID == cell.Metric })
}

// Day by day, the cells up to then add up to what the definition of a metric says
// of the facts before that day's end.
func TestCellsAreWhatEvaluationsSay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone, err := time.LoadLocation("America/Sao_Paulo")
		require.NoError(t, err)
		c := &rollup.Config{Calendar: rollup.NewCalendar(zone), Subjects: map[int32][]*rollup.Metric{1: readyMetrics(1)}}
		u := rollup.Unit{}
		take(&u, portion{facts: rapid.SliceOfN(rapid.Custom(drawFact), 0, 20).Draw(t, "facts"), exposures: []rollup.Exposure{{Subject: 1, Treatment: 1, At: drawTime(t)}}})
		cells := atOnce(t, c, &u)
		exposed := time.UnixMicro(u.Exposures[0].At)
		first := c.Calendar.Day(exposed.UnixMicro())
		for cell := range cells {
			require.GreaterOrEqual(t, cell.Day, first, "nothing counts before the unit is exposed")
		}
		for day := first; day < first+4; day++ {
			end := c.Calendar.End(day)
			for _, m := range c.Subjects[1] {
				checkStanding(t, m, standing(t, cells, m, day), exposed, end, before(u.Facts, end))
			}
		}
	})
}

func before(facts []strata.Fact, end time.Time) []strata.Fact {
	n := slices.IndexFunc(facts, func(f strata.Fact) bool { return f.At >= end.UnixMicro() })
	if n < 0 {
		n = len(facts)
	}
	return facts[:n]
}

// standing adds up a metric's cells up to a day, by step.
func standing(t require.TestingT, cells rollup.Cells, m *rollup.Metric, day rollup.Day) []rollup.Delta {
	sums := make([]rollup.Delta, max(1, len(m.Definition.Steps)))
	for cell, d := range cells {
		if cell.Metric == m.ID && cell.Day <= day {
			to := &sums[cell.Step]
			require.NoError(t, to.Sums.Merge(&d.Sums))
			to.Matured += d.Matured
			to.OtherCurrency += d.OtherCurrency
		}
	}
	return sums
}

func checkStanding(t require.TestingT, m *rollup.Metric, got []rollup.Delta, exposed, end time.Time, facts []strata.Fact) {
	e := strata.NewEvaluator(&m.Definition, time.Time{}).Begin(exposed)
	e.Add(facts...)
	totals := e.Totals()
	require.Equal(t, totals.OtherCurrency, got[0].OtherCurrency, m.Definition.Key)
	mature := int64(0)
	if m.Definition.Window > 0 && !m.Definition.Immature(exposed, end) {
		mature = 1
	}
	require.Equal(t, mature, got[0].Matured, "%s at %s", m.Definition.Key, end)
	for step := range got {
		of := step
		if m.Definition.Type != strata.MetricFunnel {
			of = -1
		}
		var want rollup.Sums
		require.NoError(t, want.Add(&totals, of))
		require.Equal(t, trimmed(want.Decimals()), trimmed(got[step].Sums.Decimals()), "%s at %s", m.Definition.Key, end)
	}
}

// trimmed leaves out the variables of sums over nobody.
func trimmed(d rollup.Decimals) rollup.Decimals {
	if d.N == 0 {
		return rollup.Decimals{}
	}
	return d
}

// What a unit did the day before its exposure may arrive behind the exposure. It
// is a change of the day of the exposure: before, the unit did not count.
func TestPastThatComesLateCountsOnTheDayOfTheExposure(t *testing.T) {
	exposed := time.Date(2025, 3, 2, 1, 0, 0, 0, time.UTC)
	c := &rollup.Config{Calendar: rollup.NewCalendar(nil), Subjects: map[int32][]*rollup.Metric{1: readyMetrics(1)}}
	cells, u := make(rollup.Cells), rollup.Unit{}
	step(t, c, c, cells, &u, portion{exposures: []rollup.Exposure{{Subject: 1, Treatment: 1, At: exposed.UnixMicro()}}})
	step(t, c, c, cells, &u, portion{facts: []strata.Fact{strata.NewFact(strata.PageView{Time: exposed.Add(-2 * time.Hour), Page: "/"})}})
	require.Equal(t, plainCells(atOnce(t, c, &u), every), plainCells(cells, every))
}
