package rollup

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/strataxp/strata"
)

// Tally adds up the units of one subject for the results that somebody asked
// for, in any way in which they can be asked for. Its memory grows with
// treatments, metrics, days and segments, not with units. It is not safe for
// concurrent use.
type Tally struct {
	params     *strata.ResultsParams
	metrics    []*Metric
	treatments map[string]int32
	names      map[int32]string
	all        *tallied
	segments   map[string]*tallied

	contradictions, repeats int64
}

// tallied is the sum over some units.
type tallied struct {
	calendar *Calendar // nil where days do not matter: all is of one
	cells    Cells
	units    map[dayKey]*UnitsStanding
	arms     map[int32]*arm // without a calendar
}

// arm is where the units of a treatment are added up: it spares looking for
// their cells, which takes longer than adding.
type arm struct {
	units   *UnitsStanding
	metrics [][]*Delta // by step
}

type dayKey struct {
	treatment int32
	day       Day
}

func newTallied(calendar *Calendar) *tallied {
	return &tallied{calendar: calendar, cells: make(Cells), units: make(map[dayKey]*UnitsStanding), arms: make(map[int32]*arm)}
}

// NewTally returns an empty tally for what was asked. It keeps params.
func NewTally(params *strata.ResultsParams) *Tally {
	t := &Tally{
		params: params, all: newTallied(nil),
		treatments: make(map[string]int32), names: make(map[int32]string), segments: make(map[string]*tallied),
	}
	if params.Daily {
		t.all.calendar = NewCalendar(params.Zone)
	}
	for i := range params.Metrics {
		t.metrics = append(t.metrics, NewMetric(int32(i+1), &params.Metrics[i], params.Until))
	}
	return t
}

// Exposed is a unit's exposure, as a tally takes it.
type Exposed struct {
	Treatment     string
	At            time.Time
	Contradiction bool
	Attributes    map[string]string
}

// Add takes a unit in. The facts must be sorted, and are not kept.
func (t *Tally) Add(exposed Exposed, facts []strata.Fact, repeats int64) error {
	if exposed.Contradiction {
		t.contradictions++
		return nil
	}
	t.repeats += repeats
	x := Exposure{Treatment: t.treatment(exposed.Treatment), At: exposed.At.UnixMicro()}
	if err := t.add(t.all, x, facts); err != nil {
		return err
	}
	if t.params.Attribute == "" {
		return nil
	}
	value := exposed.Attributes[t.params.Attribute]
	segment := t.segments[value]
	if segment == nil {
		segment = newTallied(nil)
		t.segments[value] = segment
	}
	return t.add(segment, x, facts)
}

func (t *Tally) treatment(key string) int32 {
	id, ok := t.treatments[key]
	if !ok {
		id = int32(len(t.treatments) + 1)
		t.treatments[key], t.names[id] = id, key
	}
	return id
}

func (t *Tally) add(to *tallied, x Exposure, facts []strata.Fact) error {
	if to.calendar == nil {
		return t.addToArm(to.arm(x.Treatment, t.metrics), x, facts)
	}
	to.unitsOf(x.Treatment, to.calendar.Day(x.At)).add(x.At)
	for _, m := range t.metrics {
		if err := t.addByDay(to, m, x, facts); err != nil {
			return fmt.Errorf("metric %q: %w", m.Definition.Key, err)
		}
	}
	return nil
}

// arm returns where the units of a treatment are added up.
func (t *tallied) arm(treatment int32, metrics []*Metric) *arm {
	a := t.arms[treatment]
	if a == nil {
		a = &arm{units: t.unitsOf(treatment, 0), metrics: make([][]*Delta, len(metrics))}
		for i, m := range metrics {
			for step := range max(m.steps, 1) {
				a.metrics[i] = append(a.metrics[i], t.cells.at(Cell{Treatment: treatment, Metric: m.ID, Step: int32(step)}))
			}
		}
		t.arms[treatment] = a
	}
	return a
}

func (t *tallied) unitsOf(treatment int32, day Day) *UnitsStanding {
	key := dayKey{treatment, day}
	units := t.units[key]
	if units == nil {
		units = &UnitsStanding{Day: day, First: math.MaxInt64, Last: math.MinInt64}
		t.units[key] = units
	}
	return units
}

func (u *UnitsStanding) add(at int64) {
	u.Units++
	u.First, u.Last = min(u.First, at), max(u.Last, at)
}

// maturity tells what the instant of the report makes of a unit in a metric.
func (t *Tally) maturity(m *Metric, x Exposure) (counts, mature bool) {
	if m.Definition.Window == 0 || t.params.At.IsZero() {
		return true, false
	}
	mature = !m.Definition.Immature(time.UnixMicro(x.At), t.params.At)
	return mature || !t.params.CompleteWindows, mature
}

// addToArm adds what a unit contributes in the end.
func (t *Tally) addToArm(a *arm, x Exposure, facts []strata.Fact) error {
	a.units.add(x.At)
	for i, m := range t.metrics {
		counts, mature := t.maturity(m, x)
		if mature {
			a.metrics[i][0].Matured++
		}
		if !counts {
			continue
		}
		e := m.evaluator.Begin(time.UnixMicro(x.At))
		e.Add(facts...)
		totals := e.Totals()
		a.metrics[i][0].OtherCurrency += totals.OtherCurrency
		for step, d := range a.metrics[i] {
			if m.steps == 0 {
				step = -1
			}
			if err := d.Sums.Add(&totals, step); err != nil {
				return fmt.Errorf("metric %q: %w", m.Definition.Key, err)
			}
		}
	}
	return nil
}

// addByDay adds what a unit contributes to a metric to the days on which it did.
func (t *Tally) addByDay(to *tallied, m *Metric, x Exposure, facts []strata.Fact) error {
	counts, mature := t.maturity(m, x)
	if mature {
		to.cells.at(Cell{Treatment: x.Treatment, Metric: m.ID, Day: m.maturity(to.calendar, &x)}).Matured++
	}
	share := contribution{to.cells, to.calendar, &x, 1}
	switch {
	case !counts:
		return nil
	case mature && t.params.CompleteWindows:
		e := m.evaluator.Begin(time.UnixMicro(x.At))
		e.Add(facts...)
		totals := e.Totals()
		return m.add(share, m.maturity(to.calendar, &x), nil, &totals)
	}
	return m.series(share, facts)
}

// Results returns what was added up, but for Latest: stores keep that.
func (t *Tally) Results() (strata.Results, error) {
	r := strata.Results{Contradictions: t.contradictions, RepeatedOrders: t.repeats}
	s, err := t.all.standings()
	if err != nil {
		return strata.Results{}, err
	}
	r.Treatments = s.Treatments(t.params, t.metrics, t.names)
	if t.params.Daily {
		r.Days = s.Days(t.all.calendar, t.params, t.metrics, t.names)
	}
	for value, segment := range t.segments {
		s, err := segment.standings()
		if err != nil {
			return strata.Results{}, err
		}
		if r.Segments == nil {
			r.Segments = make(map[string]map[string]strata.TreatmentResults)
		}
		r.Segments[value] = s.Treatments(t.params, t.metrics, t.names)
	}
	return r, nil
}

// standings adds changes up, day by day.
func (t *tallied) standings() (*Standings, error) {
	s := &Standings{Units: make(map[int32][]UnitsStanding), Values: make(map[ValueKey][]ValueStanding)}
	for _, key := range slices.SortedFunc(maps.Keys(t.units), func(a, b dayKey) int { return cmp.Compare(a.day, b.day) }) {
		now, list := *t.units[key], s.Units[key.treatment]
		if len(list) > 0 {
			before := list[len(list)-1]
			now.Units += before.Units
			now.First, now.Last = min(now.First, before.First), max(now.Last, before.Last)
		}
		s.Units[key.treatment] = append(list, now)
	}
	sums := make(map[ValueKey]*Sums)
	for _, cell := range slices.SortedFunc(maps.Keys(t.cells), func(a, b Cell) int { return cmp.Compare(a.Day, b.Day) }) {
		key, d := ValueKey{cell.Treatment, cell.Metric, cell.Step}, t.cells[cell]
		total := sums[key]
		if total == nil {
			total = new(Sums)
			sums[key] = total
		}
		if err := total.Merge(&d.Sums); err != nil {
			return nil, err
		}
		moments, err := total.Moments()
		if err != nil {
			return nil, err
		}
		now, list := ValueStanding{Day: cell.Day, Moments: moments, Matured: d.Matured, OtherCurrency: d.OtherCurrency}, s.Values[key]
		if len(list) > 0 {
			before := list[len(list)-1]
			now.Matured += before.Matured
			now.OtherCurrency += before.OtherCurrency
		}
		s.Values[key] = append(list, now)
	}
	return s, nil
}
