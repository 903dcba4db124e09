package storetest

import (
	"slices"
	"time"

	"github.com/strataxp/strata"
)

// dice returns a number from 0 to n−1.
type dice func(n int) int

// some returns true once in n times. It is not the lowest number that is
// lucky, as rapid prefers low ones.
func (d dice) some(n int) bool { return d(n) == n/2 }

func pick[T any](d dice, from ...T) T { return from[d(len(from))] }

// world makes up what the users of a small shop do. Times are multiples of ten
// minutes, give or take a microsecond, so that events, exposures and the ends
// of windows fall together often.
type world struct {
	dice   dice
	prefix string // of ids and experiments, so that a store can hold several worlds
	users  int    // at most 6
	orders int
	begin  time.Duration // after the start of the suite
	plan   *worldPlan    // nil where no plan says what is measured
}

// worldExperiments are the experiments of a world without its prefix.
var worldExperiments = map[string]strata.Diversion{"by-user": strata.ByUser, "by-device": strata.ByDevice}

// records makes up n records, in no order.
func (w *world) records(n int) []strata.Record {
	var records []strata.Record
	for len(records) < n {
		switch {
		case w.dice.some(5):
			records = append(records, w.exposure())
		case w.dice.some(10) && len(records) > 0:
			records = append(records, w.again(records[w.dice(len(records))]))
		default:
			records = append(records, strata.Record{Unit: w.unit(), Forced: w.dice.some(10), Event: w.event()})
		}
	}
	return records
}

// unit is one of the users, on one of as many devices, sometimes logged out.
func (w *world) unit() strata.Unit {
	names := []string{"ada", "grace", "ken", "eve", "zoe", "åsa"}
	u := strata.Unit{
		User: w.prefix + pick(w.dice, names[:w.users]...), Device: w.prefix + name("phone", w.dice(w.users)),
		Tenant: w.prefix + pick(w.dice, "acme", "globex"), Session: w.prefix + name("s", w.dice(20)),
	}
	if w.dice.some(8) {
		u.User = ""
	} else if w.dice.some(8) {
		u.Device = ""
	}
	return u
}

// time is within three hours and before the start at times.
func (w *world) time() time.Time {
	return w.at(time.Duration(w.dice(20)-4)*10*time.Minute + pick(w.dice, 0, 0, 0, -time.Microsecond, time.Microsecond))
}

func (w *world) at(d time.Duration) time.Time { return at(w.begin + d) }

// exposure exposes a unit, most of the time to the treatment that is its own.
func (w *world) exposure() strata.Record {
	name := pick(w.dice, "by-user", "by-device")
	u, diversion := w.unit(), worldExperiments[name]
	for u.ID(diversion) == "" {
		u = strata.Unit{User: w.prefix + "ada", Device: w.prefix + "phone0"}
	}
	h := hash(u.ID(diversion))
	x := strata.Exposure{Time: w.time(), Experiment: w.prefix + name, Phase: 3, Treatment: pick(w.dice, control, variant, "third"),
		Diversion: diversion, Bucket: int(h % 10_000), Hash: h, Version: 1}
	if !w.dice.some(30) {
		x.Treatment = []string{control, variant}[len(u.ID(diversion))%2]
	}
	if country := pick(w.dice, "DE", "AT", "CH", ""); country != "" {
		x.Attributes = map[string]string{"country": country, "plan": "free"}
	}
	return strata.Record{Unit: u, Event: x}
}

// again is a record that arrives twice: an order tracked again, or any other
// event that really happened twice.
func (w *world) again(r strata.Record) strata.Record {
	if p, ok := r.Event.(strata.Purchase); ok {
		p.Items = slices.Clone(p.Items)
		r.Event = p
	}
	return r
}

func (w *world) event() strata.Event {
	when := w.time()
	switch w.dice(6) {
	case 0, 1:
		return strata.PageView{Time: when, Page: pick(w.dice, "/", "/cart", "/product")}
	case 2:
		return strata.Click{Time: when, Target: pick(w.dice, "add", "buy"), Page: "/cart"}
	case 3:
		return strata.Conversion{Time: when, Goal: pick(w.dice, "signup", "trial"), Value: float64(w.dice(1000))/7 - 20}
	case 4:
		return strata.Custom{Time: when, EventName: pick(w.dice, "rating", "scroll"), Value: float64(w.dice(50)) / 10}
	default:
		return w.purchase(when)
	}
}

func (w *world) purchase(when time.Time) strata.Purchase {
	w.orders++
	p := strata.Purchase{Time: when, OrderID: w.prefix + name("o", w.orders), Total: int64(w.dice(10_000) - 1_000),
		Discount: int64(w.dice(500)), Currency: pick(w.dice, "EUR", "EUR", "USD")}
	for i := range w.dice(3) {
		p.Items = append(p.Items, strata.Item{SKU: name("sku", i), Quantity: int64(w.dice(5) + 1), Price: 1})
	}
	return p
}

// worldMetrics has every type of metric, with windows, caps and currencies.
func worldMetrics() []strata.Metric {
	measure := func(k strata.Kind, name string, v strata.MeasureValue, currency string) strata.Measure {
		return strata.Measure{Event: k, Name: name, Value: v, Currency: currency}
	}
	total := measure(strata.KindPurchase, "", strata.ValueTotal, "EUR")
	purchases := measure(strata.KindPurchase, "", "", "EUR")
	views := measure(strata.KindPageView, "", "", "")
	ratings := measure(strata.KindCustom, "rating", strata.ValueAmount, "")
	steps := []strata.Step{{Event: strata.KindPageView}, {Event: strata.KindPageView, Name: "/cart"},
		{Event: strata.KindClick, Name: "buy"}, {Event: strata.KindPurchase}}
	within := slices.Clone(steps)
	for i := range within {
		within[i].Within = strata.Duration(40 * time.Minute)
	}
	metrics := []strata.Metric{
		{Key: "converted", Type: strata.MetricConversion, Measure: measure(strata.KindConversion, "signup", "", "")},
		{Key: "bought", Type: strata.MetricConversion, Measure: purchases},
		{Key: "views", Type: strata.MetricCount, Measure: views},
		{Key: "views-capped", Type: strata.MetricCount, Measure: views, Cap: 2.5},
		{Key: "revenue", Type: strata.MetricSum, Measure: total},
		{Key: "revenue-capped", Type: strata.MetricSum, Measure: total, Cap: 5_000},
		{Key: "discounts", Type: strata.MetricSum, Measure: measure(strata.KindPurchase, "", strata.ValueDiscount, "USD")},
		{Key: "items", Type: strata.MetricSum, Measure: measure(strata.KindPurchase, "", strata.ValueItems, "")},
		{Key: "goals", Type: strata.MetricSum, Measure: measure(strata.KindConversion, "", strata.ValueAmount, ""), Cap: 55.5},
		{Key: "rating", Type: strata.MetricMean, Measure: ratings},
		{Key: "order", Type: strata.MetricMean, Measure: total},
		{Key: "order-value", Type: strata.MetricRatio, Measure: total, Denominator: &purchases},
		{Key: "click-rate", Type: strata.MetricRatio, Measure: measure(strata.KindClick, "add", "", ""), Denominator: &views},
		{Key: "rating-a-view", Type: strata.MetricRatio, Measure: ratings, Denominator: &views},
		{Key: "funnel", Type: strata.MetricFunnel, Steps: steps},
		{Key: "funnel-within", Type: strata.MetricFunnel, Steps: within},
	}
	for _, m := range slices.Clip(metrics) {
		m.Key += "-hour"
		m.Window = strata.Duration(time.Hour)
		if m.Type != strata.MetricMean && m.Type != strata.MetricFunnel {
			m.PrePeriod = strata.Duration(30 * time.Minute)
		}
		metrics = append(metrics, m)
	}
	return metrics
}
