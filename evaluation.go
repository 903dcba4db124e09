package strata

import "time"

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
// Sums of integers beyond the range of int64 are its ends, and a Cap on integers
// is rounded down. Sums of floats are added up in the order of [SortFacts]. A
// step of a funnel is taken by the earliest matching event at or after the step
// before that has taken none yet. Of several at one instant those come first
// whose name no step of the funnel names (it makes no difference which), then
// the others in the order of names, byte by byte.
//
// This is the definition of every metric: a store that computes in another way
// must get the same numbers. One that adds up bit by bit uses an [Evaluator],
// which this is a short form of; it converts and sorts the events.
func (m *Metric) Evaluate(exposed time.Time, events []Record) UnitTotals {
	facts := make([]Fact, 0, len(events))
	for i := range events {
		if !events[i].Forced {
			facts = append(facts, NewFact(events[i].Event))
		}
	}
	SortFacts(facts)
	e := NewEvaluator(m, time.Time{}).Begin(exposed)
	e.Add(facts...)
	return e.Totals()
}

// Evaluation is the evaluation of a metric for one unit, up to the facts added
// so far. It is a plain value of some 200 bytes: a copy goes on by itself. It
// is not safe for concurrent use. The zero value has no metric, takes nothing
// and has empty totals; see [Evaluator.Begin].
type Evaluation struct {
	of                  *Evaluator
	exposed, begin, end int64       // as Evaluator.span returns them
	after, before       [2]measured // by measure, behind and before the exposure
	foreign             int64       // purchases left out for their currency
	funnel              progress
}

// measured is a measure added up over facts.
type measured struct {
	events   int64
	integers wideSum
	floats   float64
}

// Begin starts the evaluation of a unit that was first exposed at the given
// instant, in whole microseconds. It does not allocate.
func (v *Evaluator) Begin(exposed time.Time) Evaluation {
	e := Evaluation{of: v}
	e.exposed, e.begin, e.end = v.span(exposed)
	e.funnel.from = e.exposed
	return e
}

// Add adds facts in the order of [SortFacts]. Calls go forward in time: each
// takes facts later than those of the calls before, so that all facts of one
// instant are in one call. Where that is not kept the totals are of no use. Those
// that do not count are passed over; what the caller knows not to count, such
// as forced events, it must leave out. Add does not allocate, and takes some
// nanoseconds a fact (BenchmarkEvaluation).
func (e *Evaluation) Add(facts ...Fact) {
	switch {
	case e.of == nil:
	case e.of.metric == MetricFunnel:
		e.follow(facts)
	default:
		for i := range facts {
			// No fact has the kind of a measure that is not in use. Most fail
			// here, where it is cheapest.
			if f := &facts[i]; f.Kind == e.of.measure[0].kind || f.Kind == e.of.measure[1].kind {
				e.add(f)
			}
		}
	}
}

func (e *Evaluation) add(f *Fact) {
	if f.At < e.begin || f.At >= e.end {
		return
	}
	sums, foreign := &e.after, false
	if f.At < e.exposed {
		sums = &e.before
	}
	for i := range e.of.measures {
		m := &e.of.measure[i]
		if m.kind != f.Kind {
			continue
		}
		switch m.judge(f) {
		case countedFact:
			sums[i].add(f, m.value)
		case foreignPurchase:
			foreign = true
		}
	}
	if foreign && f.At >= e.exposed {
		e.foreign++
	}
}

func (s *measured) add(f *Fact, value MeasureValue) {
	s.events++
	switch value {
	case ValueAmount:
		s.floats += f.Value
	case ValueTotal:
		s.integers.add(f.Total)
	case ValueDiscount:
		s.integers.add(f.Discount)
	case ValueItems:
		s.integers.add(f.Items)
	}
}

// Totals returns what the unit contributes as of the facts added so far. The
// evaluation may go on afterwards. Totals does not allocate.
func (e *Evaluation) Totals() UnitTotals {
	var t UnitTotals
	switch {
	case e.of == nil:
	case e.of.metric == MetricFunnel:
		e.funnel.totals(&t, len(e.of.steps))
	default:
		t.Exact, t.OtherCurrency = e.of.exact, e.foreign
		e.of.append(&t, &e.after)
		if e.of.past > 0 && t.Variables > 0 {
			e.of.append(&t, &e.before)
		}
	}
	return t
}

// append puts the values of a span behind those that are there.
func (v *Evaluator) append(t *UnitTotals, sums *[2]measured) {
	switch num := &sums[0]; {
	case v.metric == MetricConversion:
		t.appendInteger(min(num.events, 1))
	case v.metric == MetricCount:
		t.appendInteger(v.capped(num.events))
	case v.metric == MetricMean:
		if num.events > 0 {
			t.appendFloat(num.float(&v.measure[0]) / float64(num.events))
		}
	case v.metric == MetricRatio:
		for i := range sums {
			if v.exact {
				t.appendInteger(sums[i].total(&v.measure[i]))
			} else {
				t.appendFloat(sums[i].float(&v.measure[i]))
			}
		}
	case v.exact:
		t.appendInteger(v.capped(num.integers.clamped()))
	case v.cap > 0:
		t.appendFloat(min(num.floats, v.cap))
	default:
		t.appendFloat(num.floats)
	}
}

func (t *UnitTotals) appendInteger(n int64) {
	t.Integers[t.Variables] = n
	t.Variables++
}

func (t *UnitTotals) appendFloat(x float64) {
	t.Floats[t.Variables] = x
	t.Variables++
}

func (v *Evaluator) capped(n int64) int64 {
	if v.cap > 0 {
		return min(n, int64(v.cap))
	}
	return n
}

// total returns the number of events or the sum of integers.
func (s *measured) total(of *filter) int64 {
	if of.counting() {
		return s.events
	}
	return s.integers.clamped()
}

func (s *measured) float(of *filter) float64 {
	if of.value == ValueAmount {
		return s.floats
	}
	return float64(s.total(of))
}
