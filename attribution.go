package strata

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// UnitTotals is what one unit contributes to a metric: one variable for most
// metrics, numerator and denominator for a ratio, one for each step of a funnel.
// Behind them, where the metric has a PrePeriod, stand the same once more, added
// up over the time before the exposure.
type UnitTotals struct {
	// Variables is how many values there are. 0 means that the unit has no
	// value and takes no part: only a [MetricMean] leaves units out.
	Variables int

	// Exact means that the values are integers and stand in Integers; otherwise
	// they stand in Floats.
	Exact    bool
	Integers [maxSteps]int64
	Floats   [4]float64

	// OtherCurrency is the number of purchases left out for their currency,
	// each once: also where both measures of a ratio leave it out.
	OtherCurrency int64
}

// Evaluate adds up a unit's events for the metric. The unit was first exposed
// at the given instant; events before it, or at or after exposure plus Window,
// do not count, nor do forced ones. Events may come in any order. Purchases
// tracked twice must have been left out before.
//
// With a PrePeriod, events from exposure minus PrePeriod up to the exposure,
// which is excluded, are added up for the covariates. What happened then cannot
// be an effect of the treatment.
//
// Integers that add up beyond the range of int64 stop at its ends, and a Cap
// on integers is rounded down. A step of a funnel is taken by the earliest
// matching event at or after the step before that has taken none yet; of
// several at one instant, by the first in the order of names, byte by byte.
//
// This is the definition of every metric: a store that computes in another way
// must get the same numbers.
func (m *Metric) Evaluate(exposed time.Time, events []Record) UnitTotals {
	after := m.counted(exposed)
	if m.Type == MetricFunnel {
		return m.funnel(after, events)
	}
	t := m.totals(after, events)
	t.OtherCurrency = m.otherCurrency(after, events)
	if m.PrePeriod > 0 && t.Variables > 0 {
		before := m.totals(span{exposed.Add(-time.Duration(m.PrePeriod)), exposed}, events)
		copy(t.Integers[t.Variables:], before.Integers[:before.Variables])
		copy(t.Floats[t.Variables:], before.Floats[:before.Variables])
		t.Variables += before.Variables
	}
	return t
}

// span is the time from an instant up to another, which is excluded and may be
// zero for no end.
type span struct{ from, to time.Time }

func (s span) contains(at time.Time) bool {
	return !at.Before(s.from) && (s.to.IsZero() || at.Before(s.to))
}

// counted is the time in which events are attributed to the exposure.
func (m *Metric) counted(exposed time.Time) span {
	return span{exposed, m.windowEnd(exposed)}
}

// windowEnd returns the end of an exposure's window, or the zero time.
func (m *Metric) windowEnd(exposed time.Time) time.Time {
	if m.Window == 0 {
		return time.Time{}
	}
	return exposed.Add(time.Duration(m.Window))
}

// totals adds up the metric's measure, or those of a ratio, over a span.
func (m *Metric) totals(in span, events []Record) UnitTotals {
	if m.Type == MetricRatio {
		return m.ratio(in, events)
	}
	sum := m.add(m.Measure, in, events)
	t := UnitTotals{Variables: 1, Exact: true}
	switch {
	case m.Type == MetricConversion:
		t.Integers[0] = min(sum.events, 1)
	case m.Type == MetricCount:
		t.Integers[0] = m.capped(sum.events)
	case m.Type == MetricMean:
		t.Exact = false
		if sum.events == 0 {
			t.Variables = 0
		} else {
			t.Floats[0] = sum.float() / float64(sum.events)
		}
	case sum.exact:
		t.Integers[0] = m.capped(sum.integer)
	default:
		t.Exact = false
		t.Floats[0] = sum.value
		if m.Cap > 0 {
			t.Floats[0] = min(sum.value, m.Cap)
		}
	}
	return t
}

func (m *Metric) capped(n int64) int64 {
	if m.Cap > 0 {
		return min(n, int64(m.Cap))
	}
	return n
}

func (m *Metric) ratio(in span, events []Record) UnitTotals {
	num, den := m.add(m.Measure, in, events), measured{exact: true}
	if m.Denominator != nil {
		den = m.add(*m.Denominator, in, events)
	}
	t := UnitTotals{Variables: 2, Exact: num.exact && den.exact}
	if t.Exact {
		t.Integers[0], t.Integers[1] = num.total(), den.total()
	} else {
		t.Floats[0], t.Floats[1] = num.float(), den.float()
	}
	return t
}

// measured is a measure added up over a unit's events.
type measured struct {
	exact    bool // the measure is of integers
	counting bool // the measure is the number of events
	events   int64
	integer  int64
	value    float64
}

// total returns the number of events or the sum of integers.
func (s *measured) total() int64 {
	if s.counting {
		return s.events
	}
	return s.integer
}

func (s *measured) float() float64 {
	if s.exact {
		return float64(s.total())
	}
	return s.value
}

func (m *Metric) add(measure Measure, in span, events []Record) measured {
	sum := measured{exact: measure.Value != ValueAmount, counting: measure.Value == ValueNumber}
	for i := range events {
		r := &events[i]
		if r.Forced || !in.contains(r.Event.At()) || !matches(measure.Event, measure.Name, r.Event) {
			continue
		}
		if measure.foreign(r.Event) {
			continue
		}
		sum.events++
		sum.addValue(measure.Value, r.Event)
	}
	return sum
}

// otherCurrency counts the purchases that a measure leaves out for their
// currency.
func (m *Metric) otherCurrency(in span, events []Record) (n int64) {
	if m.Measure.Currency == "" && (m.Denominator == nil || m.Denominator.Currency == "") {
		return 0
	}
	for i := range events {
		r := &events[i]
		foreign := m.Measure.foreign(r.Event) || m.Denominator != nil && m.Denominator.foreign(r.Event)
		if foreign && !r.Forced && in.contains(r.Event.At()) {
			n++
		}
	}
	return n
}

// foreign reports whether the event is a purchase that does not count because
// of its currency.
func (m *Measure) foreign(e Event) bool {
	p, ok := e.(Purchase)
	return ok && m.Event == KindPurchase && m.Currency != "" && p.Currency != m.Currency
}

func matches(kind Kind, name string, e Event) bool {
	return e.Kind() == kind && (name == "" || e.Name() == name)
}

func (s *measured) addValue(v MeasureValue, e Event) {
	switch e := e.(type) {
	case Conversion:
		s.value += e.Value
	case Custom:
		s.value += e.Value
	case Purchase:
		switch v {
		case ValueTotal:
			s.integer = addSaturated(s.integer, e.Total)
		case ValueDiscount:
			s.integer = addSaturated(s.integer, e.Discount)
		case ValueItems:
			for i := range e.Items {
				s.integer = addSaturated(s.integer, e.Items[i].Quantity)
			}
		}
	}
}

// addSaturated adds, and stops at the ends of the range: 9,223 orders of the
// largest amount by one unit are somebody's test, not a reason to wrap.
func addSaturated(a, b int64) int64 {
	sum := a + b
	if a > 0 && b > 0 && sum < 0 {
		return math.MaxInt64
	}
	if a < 0 && b < 0 && sum >= 0 {
		return math.MinInt64
	}
	return sum
}

// funnel finds how far the unit got.
func (m *Metric) funnel(in span, events []Record) UnitTotals {
	t := UnitTotals{Variables: len(m.Steps), Exact: true}
	order := make([]*Record, 0, len(events))
	for i := range events {
		if r := &events[i]; !r.Forced && in.contains(r.Event.At()) {
			order = append(order, r)
		}
	}
	slices.SortFunc(order, func(a, b *Record) int {
		return cmp.Or(a.Event.At().Compare(b.Event.At()), cmp.Compare(a.Event.Name(), b.Event.Name()))
	})

	from, first := in.from, 0 // order[first] is the first at or after from
	for i := range m.Steps {
		step := &m.Steps[i]
		at := first
		for at < len(order) && (order[at] == nil || !matches(step.Event, step.Name, order[at].Event)) {
			at++
		}
		if at == len(order) {
			return t
		}
		when := order[at].Event.At()
		if step.Within > 0 && !when.Before(from.Add(time.Duration(step.Within))) {
			return t
		}
		t.Integers[i] = 1
		order[at] = nil // one event takes one step
		from = when
		for first < len(order) && (order[first] == nil || order[first].Event.At().Before(from)) {
			first++
		}
	}
	return t
}
