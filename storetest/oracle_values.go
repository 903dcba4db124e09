package storetest

import (
	"math/big"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/stats"
)

// What the oracle makes of a unit's events, and of units.

// within returns the events from the exposure to the end of the window, in the
// order of time.
func within(m *strata.Metric, exposed time.Time, events []strata.Event) []strata.Event {
	var counted []strata.Event
	for _, e := range events {
		since := e.At().Sub(exposed)
		if since >= 0 && (m.Window == 0 || since < time.Duration(m.Window)) {
			counted = append(counted, e)
		}
	}
	slices.SortStableFunc(counted, func(a, b strata.Event) int { return a.At().Compare(b.At()) })
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
	panic("storetest: no such type of metric: " + string(m.Type))
}

func capped(m *strata.Metric, v *big.Rat) *big.Rat {
	limit := new(big.Rat).SetFloat64(m.Cap)
	if exact(m) {
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
		if e.Kind() != m.Event || m.Name != "" && m.Name != e.Name() || isPurchase && m.Currency != "" && m.Currency != p.Currency {
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
			if e.Kind() != step.Event || step.Name != "" && step.Name != e.Name() || e.At().Before(from) {
				continue
			}
			if best < 0 || e.At().Before(rest[best].At()) || e.At().Equal(rest[best].At()) && rank(list, e) < rank(list, rest[best]) {
				best = j
			}
		}
		if best < 0 || step.Within > 0 && rest[best].At().Sub(from) >= time.Duration(step.Within) {
			break
		}
		taken[i].SetInt64(1)
		from = rest[best].At()
		rest = slices.Delete(rest, best, best+1)
	}
	return taken
}

// rank puts an event among those of its instant: where no step names it, it
// comes first.
func rank(steps []strata.Step, e strata.Event) string {
	for _, step := range steps {
		if step.Name == e.Name() {
			return e.Name()
		}
	}
	return ""
}

// moments are those of units, each number rounded once.
func moments(units [][]*big.Rat) stats.Moments {
	if len(units) == 0 {
		return stats.Moments{}
	}
	n, k := big.NewRat(int64(len(units)), 1), len(units[0])
	sum := func(of func(u []*big.Rat) *big.Rat) *big.Rat {
		total := new(big.Rat)
		for _, u := range units {
			total.Add(total, of(u))
		}
		return total
	}
	var means, comoments []float64
	var sums []*big.Rat
	for i := range k {
		sums = append(sums, sum(func(u []*big.Rat) *big.Rat { return u[i] }))
		means = append(means, float(new(big.Rat).Quo(sums[i], n)))
		for j := range i + 1 { // Σxy − ΣxΣy/n
			c := sum(func(u []*big.Rat) *big.Rat { return new(big.Rat).Mul(u[i], u[j]) })
			both := new(big.Rat).Mul(sums[i], sums[j])
			comoments = append(comoments, float(c.Sub(c, both.Quo(both, n))))
		}
	}
	m, err := stats.NewMoments(int64(len(units)), means, comoments)
	if err != nil {
		panic("storetest: the oracle is wrong: " + err.Error())
	}
	return m
}

func float(r *big.Rat) float64 {
	f, _ := r.Float64()
	return f
}

// requireUnits checks that a metric with one integer for each unit comes from
// units with these values.
func requireUnits(t require.TestingT, r strata.Results, treatment, metric string, values ...int64) {
	var units [][]*big.Rat
	for _, v := range values {
		units = append(units, []*big.Rat{big.NewRat(v, 1)})
	}
	requireMoments(t, []stats.Moments{moments(units)}, r.Treatments[treatment].Metrics[metric].Moments, true, "metric %q of %q should come from units with the values %v", metric, treatment, values)
}

// requirePairs is requireUnits for a metric with a pre-period: the value, and
// that of the time before.
func requirePairs(t require.TestingT, r strata.Results, treatment, metric string, values ...[2]int64) {
	var units [][]*big.Rat
	for _, v := range values {
		units = append(units, []*big.Rat{big.NewRat(v[0], 1), big.NewRat(v[1], 1)})
	}
	requireMoments(t, []stats.Moments{moments(units)}, r.Treatments[treatment].Metrics[metric].Moments, true, "metric %q of %q should come from units with the values and past values %v", metric, treatment, values)
}
