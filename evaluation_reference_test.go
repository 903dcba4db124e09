package strata_test

import (
	"math"
	"math/big"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/strataxp/strata"
)

// A second definition of metrics, from their documentation, on records and in
// fractions: slow, and with nothing of an Evaluator.

// reference returns the variables of a unit, and the purchases left out for
// their currency.
func reference(m *strata.Metric, exposed, until time.Time, records []strata.Record) (variables []*big.Rat, foreign int64) {
	counted := make([]strata.Event, 0, len(records))
	var past []strata.Event
	for _, r := range records {
		at := r.Event.At()
		switch {
		case r.Forced || m.Window == 0 && !until.IsZero() && !at.Before(until):
		case !at.Before(exposed) && (m.Window == 0 || at.Sub(exposed) < time.Duration(m.Window)):
			counted = append(counted, r.Event)
		case at.Before(exposed) && exposed.Sub(at) <= time.Duration(m.PrePeriod):
			past = append(past, r.Event)
		}
	}
	if m.Type == strata.MetricFunnel {
		for _, took := range referenceFunnel(m.Steps, exposed, counted) {
			variables = append(variables, big.NewRat(took, 1))
		}
		return variables, 0
	}
	variables = referenceValues(m, counted)
	if m.PrePeriod > 0 {
		variables = append(variables, referenceValues(m, past)...)
	}
	for _, e := range counted {
		if referenceForeign(&m.Measure, e) || m.Denominator != nil && referenceForeign(m.Denominator, e) {
			foreign++
		}
	}
	return variables, foreign
}

func referenceForeign(m *strata.Measure, e strata.Event) bool {
	p, ok := e.(strata.Purchase)
	return ok && m.Event == strata.KindPurchase && m.Currency != "" && p.Currency != m.Currency
}

func referenceValues(m *strata.Metric, events []strata.Event) []*big.Rat {
	number, total := referenceSum(&m.Measure, events)
	switch m.Type {
	case strata.MetricConversion:
		return []*big.Rat{referenceCap(number, 1)}
	case strata.MetricCount:
		return []*big.Rat{referenceCap(number, math.Trunc(m.Cap))}
	case strata.MetricMean:
		if number.Sign() == 0 {
			return nil
		}
		return []*big.Rat{total.Quo(total, number)}
	case strata.MetricRatio:
		_, below := referenceSum(m.Denominator, events)
		return []*big.Rat{total, below}
	case strata.MetricSum:
		if m.Measure.Value == strata.ValueAmount {
			return []*big.Rat{referenceCap(total, m.Cap)}
		}
		return []*big.Rat{referenceCap(total, math.Trunc(m.Cap))}
	}
	panic("no such metric")
}

func referenceCap(x *big.Rat, limit float64) *big.Rat {
	if most := new(big.Rat).SetFloat64(limit); limit > 0 && x.Cmp(most) > 0 {
		return most
	}
	return x
}

func referenceSum(m *strata.Measure, events []strata.Event) (number, total *big.Rat) {
	number, total = new(big.Rat), new(big.Rat)
	for _, e := range events {
		if e.Kind() != m.Event || m.Name != "" && m.Name != e.Name() || referenceForeign(m, e) {
			continue
		}
		number.Add(number, big.NewRat(1, 1))
		total.Add(total, referenceValue(m.Value, e))
	}
	if m.Value != strata.ValueAmount { // integers stop at the ends of their range
		for _, end := range []*big.Rat{big.NewRat(math.MaxInt64, 1), big.NewRat(math.MinInt64, 1)} {
			if total.Sign() == end.Sign() && new(big.Rat).Abs(total).Cmp(new(big.Rat).Abs(end)) > 0 {
				total = end
			}
		}
	}
	return number, total
}

func referenceValue(v strata.MeasureValue, e strata.Event) *big.Rat {
	switch e := e.(type) {
	case strata.Conversion:
		if v == strata.ValueAmount {
			return new(big.Rat).SetFloat64(e.Value)
		}
	case strata.Custom:
		if v == strata.ValueAmount {
			return new(big.Rat).SetFloat64(e.Value)
		}
	case strata.Purchase:
		switch v {
		case strata.ValueTotal:
			return big.NewRat(e.Total, 1)
		case strata.ValueDiscount:
			return big.NewRat(e.Discount, 1)
		case strata.ValueItems:
			pieces := int64(0)
			for _, item := range e.Items {
				pieces += item.Quantity
			}
			return big.NewRat(pieces, 1)
		}
	}
	return big.NewRat(1, 1)
}

// referenceFunnel looks through all events for every step.
func referenceFunnel(steps []strata.Step, exposed time.Time, events []strata.Event) []int64 {
	taken, used, from := make([]int64, len(steps)), make([]bool, len(events)), exposed
	named := func(e strata.Event) bool {
		return slices.ContainsFunc(steps, func(s strata.Step) bool { return s.Name != "" && s.Name == e.Name() })
	}
	comesFirst := func(a, b strata.Event) bool {
		switch {
		case !a.At().Equal(b.At()):
			return a.At().Before(b.At())
		case named(a) != named(b):
			return named(b)
		default:
			return a.Name() < b.Name()
		}
	}
	for i, step := range steps {
		best := -1
		for j, e := range events {
			fits := !used[j] && e.Kind() == step.Event && (step.Name == "" || step.Name == e.Name()) && !e.At().Before(from)
			if fits && (best < 0 || comesFirst(e, events[best])) {
				best = j
			}
		}
		if best < 0 || step.Within > 0 && events[best].At().Sub(from) >= time.Duration(step.Within) {
			break
		}
		taken[i], used[best], from = 1, true, events[best].At()
	}
	return taken
}

// What the tests draw: few names and few instants, so that events fall together.

var evaluationStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// instant is some minutes from the start, or a microsecond beside.
func instant(t *rapid.T) time.Time {
	return evaluationStart.Add(time.Duration(rapid.IntRange(-4, 8).Draw(t, "minute"))*time.Minute +
		time.Duration(rapid.SampledFrom([]int{0, 0, 0, -1, 1}).Draw(t, "beside"))*time.Microsecond)
}

func anyName(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "b", "c", "d", "ab"}).Draw(t, "name")
}

func anyRecord(t *rapid.T) strata.Record {
	at := instant(t)
	r := strata.Record{Forced: rapid.IntRange(0, 9).Draw(t, "forced") == 4}
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0, 1:
		r.Event = strata.PageView{Time: at, Page: anyName(t)}
	case 2:
		r.Event = strata.Click{Time: at, Target: anyName(t)}
	case 3:
		r.Event = strata.Conversion{Time: at, Goal: anyName(t), Value: rapid.Float64Range(-1e6, 1e6).Draw(t, "value")}
	case 4:
		r.Event = strata.Custom{Time: at, EventName: anyName(t), Value: rapid.Float64Range(-1e15, 1e15).Draw(t, "value")}
	default:
		p := strata.Purchase{Time: at, Currency: rapid.SampledFrom([]string{"EUR", "USD"}).Draw(t, "currency")}
		amount := rapid.OneOf(rapid.Int64Range(-1000, 1000), rapid.Int64Range(math.MinInt64, math.MaxInt64))
		p.Total, p.Discount = amount.Draw(t, "total"), amount.Draw(t, "discount")
		for range rapid.IntRange(0, 2).Draw(t, "items") {
			p.Items = append(p.Items, strata.Item{SKU: "s", Quantity: rapid.Int64Range(-5, 1e9).Draw(t, "quantity")})
		}
		r.Event = p
	}
	return r
}

func anyMeasure(t *rapid.T, number, value bool) strata.Measure {
	m := strata.Measure{Event: rapid.SampledFrom([]strata.Kind{strata.KindPurchase, strata.KindConversion, strata.KindCustom}).Draw(t, "event")}
	if number && (!value || rapid.Bool().Draw(t, "number")) {
		m.Event = rapid.SampledFrom([]strata.Kind{m.Event, strata.KindPageView, strata.KindClick}).Draw(t, "event, counted")
		value = false
	}
	if m.Event != strata.KindPurchase {
		if value {
			m.Value = strata.ValueAmount
		}
		m.Name = rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "name")
		return m
	}
	if value {
		m.Value = rapid.SampledFrom([]strata.MeasureValue{strata.ValueTotal, strata.ValueDiscount, strata.ValueItems}).Draw(t, "value")
	}
	m.Currency = rapid.SampledFrom([]string{"", "EUR", "USD"}).Draw(t, "currency")
	return m
}

func anyDuration(t *rapid.T, what string) strata.Duration {
	return strata.Duration(rapid.SampledFrom([]time.Duration{0, time.Microsecond, time.Minute, 3 * time.Minute, 3*time.Minute + time.Microsecond}).Draw(t, what))
}

var metricTypes = []strata.MetricType{strata.MetricConversion, strata.MetricCount, strata.MetricSum, strata.MetricMean, strata.MetricRatio, strata.MetricFunnel}

func anyMetric(t *rapid.T) strata.Metric {
	m := strata.Metric{Key: "m", Type: rapid.SampledFrom(metricTypes).Draw(t, "type"), Window: anyDuration(t, "window")}
	switch m.Type {
	case strata.MetricFunnel:
		return anyFunnel(t, m.Window)
	case strata.MetricConversion, strata.MetricCount:
		m.Measure = anyMeasure(t, true, false)
	case strata.MetricRatio:
		m.Measure = anyMeasure(t, true, true)
		denominator := anyMeasure(t, true, true)
		m.Denominator = &denominator
	default:
		m.Measure = anyMeasure(t, false, true)
	}
	if m.Type == strata.MetricCount || m.Type == strata.MetricSum {
		m.Cap = rapid.SampledFrom([]float64{0, 1, 2.5, 700}).Draw(t, "cap")
	}
	if m.Type != strata.MetricMean {
		m.PrePeriod = anyDuration(t, "pre-period")
	}
	return m
}

func anyFunnel(t *rapid.T, window strata.Duration) strata.Metric {
	m := strata.Metric{Key: "m", Type: strata.MetricFunnel, Window: window}
	for range rapid.IntRange(1, 6).Draw(t, "steps") {
		s := strata.Step{Within: anyDuration(t, "within"), Event: rapid.SampledFrom([]strata.Kind{
			strata.KindPageView, strata.KindPageView, strata.KindClick, strata.KindPurchase}).Draw(t, "event")}
		if s.Event != strata.KindPurchase {
			s.Name = rapid.SampledFrom([]string{"", "", "a", "b", "c"}).Draw(t, "name")
		}
		m.Steps = append(m.Steps, s)
	}
	return m
}
