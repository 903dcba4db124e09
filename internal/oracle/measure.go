package oracle

import (
	"math/big"
	"slices"
	"time"

	"github.com/strataxp/strata"
)

// within returns the events from the exposure to the end of the window, in the
// order of time.
func within(m *strata.Metric, exposed time.Time, events []strata.Event) []strata.Event {
	var counted []strata.Event
	for _, e := range events {
		since := timeOf(e).Sub(exposed)
		if since >= 0 && (m.Window == 0 || since < time.Duration(m.Window)) {
			counted = append(counted, e)
		}
	}
	slices.SortStableFunc(counted, func(a, b strata.Event) int { return timeOf(a).Compare(timeOf(b)) })
	return counted
}

// valuesOf returns a unit's variables, or nil where it takes no part.
func valuesOf(m *strata.Metric, exposed time.Time, events []strata.Event) []*big.Rat {
	number, total := measured(&m.Measure, events)
	switch m.Type {
	case strata.MetricConversion:
		return []*big.Rat{big.NewRat(min(number, 1), 1)}
	case strata.MetricCount:
		return []*big.Rat{capped(m, big.NewRat(number, 1))}
	case strata.MetricSum:
		return []*big.Rat{capped(m, total)}
	case strata.MetricMean:
		if number == 0 {
			return nil
		}
		return []*big.Rat{total.Quo(total, big.NewRat(number, 1))}
	case strata.MetricRatio:
		_, below := measured(m.Denominator, events)
		return []*big.Rat{total, below}
	case strata.MetricFunnel:
		return steps(m.Steps, exposed, events)
	}
	panic("oracle: no such type of metric: " + string(m.Type))
}

// capped returns a total, or the cap where it passes that. Plans cap what is
// counted in whole numbers at a whole number; of another one the part behind the
// point is left out, because no unit can contribute it.
func capped(m *strata.Metric, v *big.Rat) *big.Rat {
	limit := new(big.Rat).SetFloat64(m.Cap)
	if m.Measure.Value != strata.ValueAmount {
		limit.SetInt64(int64(m.Cap))
	}
	if m.Cap > 0 && v.Cmp(limit) > 0 {
		return limit
	}
	return v
}

// measured returns how many events a measure selects, and what it adds up.
func measured(m *strata.Measure, events []strata.Event) (number int64, total *big.Rat) {
	total = new(big.Rat)
	for _, e := range events {
		p, isPurchase := e.(strata.Purchase)
		if kindOf(e) != m.Event || m.Name != "" && m.Name != nameOf(e) || isPurchase && m.Currency != "" && m.Currency != p.Currency {
			continue
		}
		number++
		total.Add(total, valueOf(m.Value, e))
	}
	return number, total
}

func valueOf(v strata.MeasureValue, e strata.Event) *big.Rat {
	switch v {
	case strata.ValueTotal:
		return big.NewRat(e.(strata.Purchase).Total, 1)
	case strata.ValueDiscount:
		return big.NewRat(e.(strata.Purchase).Discount, 1)
	case strata.ValueItems:
		pieces := int64(0)
		for _, item := range e.(strata.Purchase).Items {
			pieces += item.Quantity
		}
		return big.NewRat(pieces, 1)
	case strata.ValueAmount:
		if c, ok := e.(strata.Conversion); ok {
			return new(big.Rat).SetFloat64(c.Value)
		}
		return new(big.Rat).SetFloat64(e.(strata.Custom).Value)
	}
	return big.NewRat(1, 1)
}

// foreignPurchases counts purchases that a measure does not take for their
// currency.
func foreignPurchases(m *strata.Metric, events []strata.Event) (n int64) {
	for _, e := range events {
		p, ok := e.(strata.Purchase)
		refuses := func(m *strata.Measure) bool {
			return m != nil && m.Event == strata.KindPurchase && m.Currency != "" && m.Currency != p.Currency
		}
		if ok && (refuses(&m.Measure) || refuses(m.Denominator)) {
			n++
		}
	}
	return n
}

// steps is 1 for each step of a funnel that the events take.
func steps(list []strata.Step, exposed time.Time, events []strata.Event) []*big.Rat {
	taken := make([]*big.Rat, len(list))
	for i := range taken {
		taken[i] = new(big.Rat)
	}
	rest, from := slices.Clone(events), exposed
	for i, step := range list {
		best := -1
		for j, e := range rest {
			if kindOf(e) != step.Event || step.Name != "" && step.Name != nameOf(e) || timeOf(e).Before(from) {
				continue
			}
			if best < 0 || timeOf(e).Before(timeOf(rest[best])) || timeOf(e).Equal(timeOf(rest[best])) && rank(list, e) < rank(list, rest[best]) {
				best = j
			}
		}
		if best < 0 || step.Within > 0 && timeOf(rest[best]).Sub(from) >= time.Duration(step.Within) {
			break
		}
		taken[i].SetInt64(1)
		from = timeOf(rest[best])
		rest = slices.Delete(rest, best, best+1)
	}
	return taken
}

// rank puts an event among those of its instant: where no step names it, it
// comes first.
func rank(steps []strata.Step, e strata.Event) string {
	for _, step := range steps {
		if step.Name == nameOf(e) {
			return nameOf(e)
		}
	}
	return ""
}
