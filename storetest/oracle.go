package storetest

import (
	"math/big"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/stats"
)

// oracle computes results from raw records, in the order in which they arrived,
// as the documentation says: slowly, in fractions, and with nothing of
// Metric.Evaluate.
type oracle []strata.Record

// deeds are what each of some units did.
type deeds map[subject][]strata.Event

// subject is a unit by the id that an experiment diverts by.
type subject struct {
	diversion strata.Diversion
	id        string
}

// exposures returns the exposures of a phase by unit.
func (o oracle) exposures(params strata.ResultsParams) map[subject][]strata.Exposure {
	found := make(map[subject][]strata.Exposure)
	for _, r := range o {
		if x, ok := r.Event.(strata.Exposure); ok && x.Experiment == params.Experiment && x.Phase == params.Phase {
			who := subject{x.Diversion, r.Unit.ID(x.Diversion)}
			found[who] = append(found[who], x)
		}
	}
	return found
}

// events returns what a unit did, without forced events and orders tracked
// again, and how many of the latter there were.
func (o oracle) events(who subject) (events []strata.Event, repeats int64) {
	type orderKey struct{ tenant, order string }
	seen := make(map[orderKey]bool)
	for _, r := range o {
		if r.Forced || r.Event.Kind() == strata.KindExposure {
			continue
		}
		mine := r.Unit.ID(who.diversion) == who.id
		if p, ok := r.Event.(strata.Purchase); ok {
			key := orderKey{r.Unit.Tenant, p.OrderID}
			if seen[key] {
				if mine {
					repeats++
				}
				continue
			}
			seen[key] = true
		}
		if mine {
			events = append(events, r.Event)
		}
	}
	return events, repeats
}

// armTotals collects the units of a treatment, and their values by metric.
type armTotals struct {
	results           strata.TreatmentResults
	units             map[string][][]*big.Rat // by metric key, for each unit its variables
	foreign, immature map[string]int64
}

// results returns what a store must return.
func (o oracle) results(params strata.ResultsParams) strata.Results {
	out := strata.Results{Segments: make(map[string]map[string]strata.TreatmentResults)}
	exposures, events := o.exposures(params), make(deeds)
	for who, list := range exposures {
		if slices.ContainsFunc(list, func(x strata.Exposure) bool { return x.Treatment != list[0].Treatment }) {
			out.Contradictions++
			delete(exposures, who)
			continue
		}
		did, repeats := o.events(who)
		events[who] = did
		out.RepeatedOrders += repeats
	}
	changes := events.changes(params, exposures)
	for _, at := range changes {
		if !at.mature && at.when.After(out.Latest) {
			out.Latest = at.when
		}
	}
	out.Treatments = events.treatments(params, exposures, time.Time{})
	if params.Attribute != "" {
		for value, units := range segments(params, exposures) {
			out.Segments[value] = events.treatments(params, units, time.Time{})
		}
	}
	if params.Daily {
		out.Days = events.days(params, exposures, changes)
	}
	return out
}

// change is an instant at which results may change.
type change struct {
	when   time.Time
	mature bool // because a window ends
}

func (d deeds) changes(params strata.ResultsParams, exposures map[subject][]strata.Exposure) []change {
	var list []change
	for who, xs := range exposures {
		exposed := earliest(xs).Time
		list = append(list, change{exposed, false})
		for _, e := range d[who] {
			list = append(list, change{e.At(), false})
		}
		for _, m := range params.Metrics {
			list = append(list, change{exposed.Add(time.Duration(m.Window)), true})
		}
	}
	return list
}

// days goes through the days on which anything changed.
func (d deeds) days(params strata.ResultsParams, exposures map[subject][]strata.Exposure, changes []change) []strata.DayResults {
	var begins []time.Time
	for _, c := range changes {
		year, month, day := c.when.In(params.Zone).Date()
		begins = append(begins, time.Date(year, month, day, 0, 0, 0, 0, params.Zone))
	}
	slices.SortFunc(begins, time.Time.Compare)
	begins = slices.CompactFunc(begins, time.Time.Equal)
	var list []strata.DayResults
	for _, day := range begins {
		end := day.AddDate(0, 0, 1)
		exposedBefore := make(map[subject][]strata.Exposure)
		for who, xs := range exposures {
			if earliest(xs).Time.Before(end) {
				exposedBefore[who] = xs
			}
		}
		if len(exposedBefore) > 0 {
			list = append(list, strata.DayResults{Day: day, Treatments: d.treatments(params, exposedBefore, end)})
		}
	}
	return list
}

// segments divides units by the attribute of their earliest exposure.
func segments(params strata.ResultsParams, exposures map[subject][]strata.Exposure) map[string]map[subject][]strata.Exposure {
	out := make(map[string]map[subject][]strata.Exposure)
	for who, list := range exposures {
		value, first := "", earliest(list).Time
		for _, x := range list {
			if x.Time.Equal(first) {
				value = max(value, x.Attributes[params.Attribute])
			}
		}
		if out[value] == nil {
			out[value] = make(map[subject][]strata.Exposure)
		}
		out[value][who] = list
	}
	return out
}

func earliest(list []strata.Exposure) strata.Exposure {
	return slices.MinFunc(list, func(x, y strata.Exposure) int { return x.Time.Compare(y.Time) })
}

// treatments adds units up as they stood at an instant; the zero time is now.
func (d deeds) treatments(params strata.ResultsParams, units map[subject][]strata.Exposure, end time.Time) map[string]strata.TreatmentResults {
	arms := make(map[string]*armTotals)
	for who, list := range units {
		arm := arms[list[0].Treatment]
		if arm == nil {
			arm = &armTotals{units: make(map[string][][]*big.Rat), foreign: make(map[string]int64), immature: make(map[string]int64)}
			arms[list[0].Treatment] = arm
		}
		events := d[who]
		if !end.IsZero() {
			events = slices.DeleteFunc(slices.Clone(events), func(e strata.Event) bool { return !e.At().Before(end) })
		}
		arm.add(&params, earliest(list).Time, events, end)
	}
	out := make(map[string]strata.TreatmentResults)
	for treatment, arm := range arms {
		out[treatment] = arm.done(params.Metrics)
	}
	return out
}

func (a *armTotals) add(params *strata.ResultsParams, exposed time.Time, events []strata.Event, end time.Time) {
	if a.results.Units == 0 || exposed.Before(a.results.FirstExposure) {
		a.results.FirstExposure = exposed
	}
	if a.results.Units == 0 || exposed.After(a.results.LastExposure) {
		a.results.LastExposure = exposed
	}
	a.results.Units++
	for i := range params.Metrics {
		m := &params.Metrics[i]
		if immature(m, params.At, exposed, end) {
			a.immature[m.Key]++
			if params.CompleteWindows {
				continue
			}
		}
		events := events
		if m.Window == 0 && !params.Until.IsZero() {
			events = slices.DeleteFunc(slices.Clone(events), func(e strata.Event) bool { return !e.At().Before(params.Until) })
		}
		counted := within(m, exposed, events)
		if variables := valuesOf(m, exposed, counted); variables != nil {
			if m.PrePeriod > 0 {
				variables = append(variables, valuesOf(m, exposed, before(m, exposed, events))...)
			}
			a.units[m.Key] = append(a.units[m.Key], variables)
		}
		a.foreign[m.Key] += foreignPurchases(m, counted)
	}
}

// immature reports whether a unit's window goes beyond the instant of the
// report, or the end of the day where that comes first.
func immature(m *strata.Metric, at, exposed, end time.Time) bool {
	if m.Window == 0 || at.IsZero() {
		return false
	}
	closes := exposed.Add(time.Duration(m.Window))
	return closes.After(at) || !end.IsZero() && closes.After(end)
}

// before returns the events of the time before the exposure that counts.
func before(m *strata.Metric, exposed time.Time, events []strata.Event) []strata.Event {
	return slices.DeleteFunc(slices.Clone(events), func(e strata.Event) bool {
		ago := exposed.Sub(e.At())
		return ago <= 0 || ago > time.Duration(m.PrePeriod)
	})
}

func (a *armTotals) done(metrics []strata.Metric) strata.TreatmentResults {
	out := a.results
	out.Metrics = make(map[string]strata.MetricResults)
	for i := range metrics {
		m, units := &metrics[i], a.units[metrics[i].Key]
		r := strata.MetricResults{OtherCurrency: a.foreign[m.Key], Immature: a.immature[m.Key]}
		if m.Type == strata.MetricFunnel {
			for step := range m.Steps {
				r.Moments = append(r.Moments, moments(column(units, step)))
			}
		} else {
			r.Moments = []stats.Moments{moments(units)}
		}
		out.Metrics[m.Key] = r
	}
	return out
}

func column(units [][]*big.Rat, i int) [][]*big.Rat {
	var out [][]*big.Rat
	for _, u := range units {
		out = append(out, u[i:i+1])
	}
	return out
}

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
			if best < 0 || e.At().Before(rest[best].At()) || e.At().Equal(rest[best].At()) && e.Name() < rest[best].Name() {
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
