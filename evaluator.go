package strata

import (
	"math"
	"time"
)

// Evaluator is a [Metric] made ready for units: [Evaluator.Begin] starts the
// evaluation of one. It never changes after [NewEvaluator] and is safe for
// concurrent use.
type Evaluator struct {
	metric   MetricType
	exact    bool // totals are integers
	measures int  // how many of measure are in use
	measure  [2]filter
	cap      float64 // 0 for none

	window int64 // in microseconds, as are all times here; 0 for none
	past   int64 // the pre-period; 0 for none
	until  int64 // ends metrics without a window; the end of time where there is none

	steps []funnelStep
	names []uint64 // those that steps name, in the order of the names
}

// filter selects the facts of a measure.
type filter struct {
	kind     Kind
	name     uint64 // 0 for all
	currency string // of the purchases that count; "" for all
	value    MeasureValue
}

// verdict is what a fact is to a measure.
type verdict uint8

const (
	otherFact verdict = iota
	foreignPurchase
	countedFact
)

// NewEvaluator makes a metric ready. Events at or after until do not count in a
// metric without a Window; zero means no bound. The metric is not checked (see
// [Plan.Validate]) and not kept: it may be changed afterwards. Of a funnel of
// more steps than a plan may have the first 20 are evaluated.
func NewEvaluator(m *Metric, until time.Time) *Evaluator {
	v := &Evaluator{
		metric: m.Type, measures: 1, cap: m.Cap,
		window: microsUp(m.Window), until: math.MaxInt64,
	}
	v.measure[0] = newFilter(&m.Measure)
	if m.Denominator != nil {
		v.measures, v.measure[1] = 2, newFilter(m.Denominator)
	}
	if !until.IsZero() {
		v.until = unixMicroUp(until)
	}
	v.exact = v.exactTotals()
	if m.Type == MetricFunnel {
		v.setSteps(m.Steps)
	} else if m.PrePeriod > 0 {
		v.past = int64(m.PrePeriod) / 1e3
	}
	return v
}

func newFilter(m *Measure) filter {
	f := filter{kind: m.Event, name: NameHash(m.Name), value: m.Value}
	if m.Event == KindPurchase {
		f.currency = m.Currency
	}
	return f
}

// exactTotals reports whether the metric's totals are integers.
func (v *Evaluator) exactTotals() bool {
	switch v.metric {
	case MetricConversion, MetricCount, MetricFunnel:
		return true
	case MetricMean:
		return false
	case MetricRatio:
		return v.measure[0].value != ValueAmount && v.measure[1].value != ValueAmount
	default:
		return v.measure[0].value != ValueAmount
	}
}

// microsUp and unixMicroUp round up: what ends within a microsecond includes
// its beginning, and facts have no other instant.
func microsUp(d Duration) int64 {
	micros := int64(d) / 1e3
	if int64(d)%1e3 > 0 {
		micros++
	}
	return micros
}

func unixMicroUp(t time.Time) int64 {
	micros := t.UnixMicro()
	if t.Nanosecond()%1e3 > 0 {
		micros++
	}
	return micros
}

// Concerns reports whether the fact could change the totals of a unit that was
// first exposed at the given instant: whether it lies in the window or the
// pre-period and is what the metric looks at, or a purchase that it leaves out
// for its currency. An evaluation without the facts that do not concern it has
// the same totals. It takes a few nanoseconds; most facts fail at their kind.
func (v *Evaluator) Concerns(exposed time.Time, f *Fact) bool {
	found := otherFact
	for i := range v.measure[:v.measures] {
		if m := &v.measure[i]; m.kind == f.Kind {
			found = max(found, m.judge(f))
		}
	}
	for i := range v.steps {
		if s := &v.steps[i]; s.matches(f) {
			found = countedFact
			break
		}
	}
	if found == otherFact {
		return false
	}
	from, begin, end := v.span(exposed)
	if found == foreignPurchase {
		begin = from // they are counted behind the exposure only
	}
	return f.At >= begin && f.At < end
}

// span returns the exposure, the first instant that counts, which is before it
// where there is a pre-period, and the instant that ends the window.
func (v *Evaluator) span(exposed time.Time) (from, begin, end int64) {
	from = exposed.UnixMicro()
	end = v.until
	if v.window != 0 {
		end = from + v.window
	}
	return from, from - v.past, end
}

// judge says what a fact of the measure's kind is to it. Callers compare the
// kinds, on which most facts fail: the call would be most of the cost.
func (f *filter) judge(x *Fact) verdict {
	switch {
	case f.currency != "" && x.Currency != f.currency:
		return foreignPurchase
	case f.name != 0 && x.Name != f.name:
		return otherFact
	default:
		return countedFact
	}
}

// counting reports whether the measure is the number of events.
func (f *filter) counting() bool { return f.value == ValueNumber }
