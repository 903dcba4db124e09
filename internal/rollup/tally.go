package rollup

import (
	"cmp"
	"fmt"
	"maps"
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
	calendar   *Calendar
	metrics    []*Metric
	treatments map[string]int32
	names      map[int32]string
	all        *tallied
	segments   map[string]*tallied

	contradictions, repeats int64
}

// tallied is the sum over some units.
type tallied struct {
	cells Cells
	units map[dayKey]*UnitsStanding
}

type dayKey struct {
	treatment int32
	day       Day
}

func newTallied() *tallied {
	return &tallied{cells: make(Cells), units: make(map[dayKey]*UnitsStanding)}
}

// NewTally returns an empty tally for what was asked. It keeps params.
func NewTally(params *strata.ResultsParams) *Tally {
	t := &Tally{
		params: params, calendar: always(), all: newTallied(),
		treatments: make(map[string]int32), names: make(map[int32]string), segments: make(map[string]*tallied),
	}
	if params.Daily {
		t.calendar = NewCalendar(params.Zone)
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
	x := &Exposure{Treatment: t.treatment(exposed.Treatment), At: exposed.At.UnixMicro()}
	if err := t.add(t.all, t.calendar, x, facts); err != nil {
		return err
	}
	if t.params.Attribute == "" {
		return nil
	}
	value := exposed.Attributes[t.params.Attribute]
	segment := t.segments[value]
	if segment == nil {
		segment = newTallied()
		t.segments[value] = segment
	}
	return t.add(segment, always(), x, facts)
}

func (t *Tally) treatment(key string) int32 {
	id, ok := t.treatments[key]
	if !ok {
		id = int32(len(t.treatments) + 1)
		t.treatments[key], t.names[id] = id, key
	}
	return id
}

func (t *Tally) add(to *tallied, calendar *Calendar, x *Exposure, facts []strata.Fact) error {
	key := dayKey{x.Treatment, calendar.Day(x.At)}
	units := to.units[key]
	if units == nil {
		units = &UnitsStanding{Day: key.day, First: x.At, Last: x.At}
		to.units[key] = units
	}
	units.Units++
	units.First, units.Last = min(units.First, x.At), max(units.Last, x.At)
	for _, m := range t.metrics {
		if err := t.addMetric(to.cells, calendar, m, x, facts); err != nil {
			return fmt.Errorf("metric %q: %w", m.Definition.Key, err)
		}
	}
	return nil
}

func (t *Tally) addMetric(cells Cells, calendar *Calendar, m *Metric, x *Exposure, facts []strata.Fact) error {
	bounded := m.Definition.Window > 0 && !t.params.At.IsZero()
	mature := bounded && !m.Definition.Immature(time.UnixMicro(x.At), t.params.At)
	if mature {
		cells.at(Cell{Treatment: x.Treatment, Metric: m.ID, Day: m.maturity(calendar, x)}).Matured++
	}
	if !bounded || !t.params.CompleteWindows {
		return m.series(contribution{cells, calendar, x, 1}, facts)
	}
	if !mature {
		return nil
	}
	e := m.evaluator.Begin(time.UnixMicro(x.At))
	e.Add(facts...)
	totals := e.Totals()
	return m.add(contribution{cells, calendar, x, 1}, m.maturity(calendar, x), nil, &totals)
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
		r.Days = s.Days(t.calendar, t.params, t.metrics, t.names)
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
