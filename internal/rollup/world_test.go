package rollup_test

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/rollup"
)

// The tests' metrics, facts and exposures. Times are full hours around a
// midnight, give or take a microsecond, so that facts, exposures, the ends
// of windows and the ends of days fall together often.

// worldStart is a day at whose midnight the clocks of São Paulo skip an hour.
var worldStart = time.Date(2017, 10, 14, 18, 0, 0, 0, time.UTC)

func worldMetrics() []strata.Metric {
	measure := func(k strata.Kind, name string, v strata.MeasureValue, currency string) strata.Measure {
		return strata.Measure{Event: k, Name: name, Value: v, Currency: currency}
	}
	total := measure(strata.KindPurchase, "", strata.ValueTotal, "EUR")
	purchases := measure(strata.KindPurchase, "", "", "EUR")
	views := measure(strata.KindPageView, "", "", "")
	ratings := measure(strata.KindCustom, "rating", strata.ValueAmount, "")
	steps := []strata.Step{{Event: strata.KindPageView}, {Event: strata.KindPageView, Name: "/cart"}, {Event: strata.KindPurchase, Within: strata.Duration(3 * time.Hour)}}
	metrics := []strata.Metric{
		{Key: "bought", Type: strata.MetricConversion, Measure: purchases},
		{Key: "views", Type: strata.MetricCount, Measure: views, Cap: 2.5},
		{Key: "revenue", Type: strata.MetricSum, Measure: total},
		{Key: "discounts", Type: strata.MetricSum, Measure: measure(strata.KindPurchase, "", strata.ValueDiscount, "USD"), Cap: 700},
		{Key: "items", Type: strata.MetricSum, Measure: measure(strata.KindPurchase, "", strata.ValueItems, "")},
		{Key: "goals", Type: strata.MetricSum, Measure: measure(strata.KindConversion, "", strata.ValueAmount, ""), Cap: 55.5},
		{Key: "rating", Type: strata.MetricMean, Measure: ratings},
		{Key: "order", Type: strata.MetricMean, Measure: total},
		{Key: "order-value", Type: strata.MetricRatio, Measure: total, Denominator: &purchases},
		{Key: "rating-a-view", Type: strata.MetricRatio, Measure: ratings, Denominator: &views},
		{Key: "funnel", Type: strata.MetricFunnel, Steps: steps},
	}
	for _, m := range slices.Clip(metrics) {
		m.Key += "-window"
		m.Window = strata.Duration(10*time.Hour + 1) // a nanosecond more: ends are rounded up
		if m.Type != strata.MetricMean && m.Type != strata.MetricFunnel {
			m.PrePeriod = strata.Duration(7 * time.Hour)
		}
		metrics = append(metrics, m)
	}
	return metrics
}

// readyMetrics makes the metrics of a subject ready; ids are unique over
// subjects, as two subjects may end at different instants.
func readyMetrics(subject int32) []*rollup.Metric {
	var ready []*rollup.Metric
	var until time.Time
	if subject == 2 {
		until = worldStart.Add(15 * time.Hour)
	}
	for i, m := range worldMetrics() {
		ready = append(ready, rollup.NewMetric(subject*1000+int32(i)+1, &m, until))
	}
	return ready
}

func drawTime(t *rapid.T) int64 {
	at := worldStart.Add(time.Duration(rapid.IntRange(-3, 21).Draw(t, "time")) * time.Hour)
	return at.UnixMicro() + rapid.SampledFrom([]int64{0, 0, -1, 1}).Draw(t, "microsecond")
}

func drawFact(t *rapid.T) strata.Fact {
	at := time.UnixMicro(drawTime(t))
	value := rapid.SampledFrom([]float64{0, 1, -3.5, 1.0 / 7, 1e15, -1e-14, 3e-30, 0.1}).Draw(t, "value")
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0, 1:
		return strata.NewFact(strata.PageView{Time: at, Page: rapid.SampledFrom([]string{"/", "/cart"}).Draw(t, "page")})
	case 2:
		return strata.NewFact(strata.Click{Time: at, Target: "buy"})
	case 3:
		return strata.NewFact(strata.Conversion{Time: at, Goal: "signup", Value: value})
	case 4:
		return strata.NewFact(strata.Custom{Time: at, EventName: rapid.SampledFrom([]string{"rating", "scroll"}).Draw(t, "event"), Value: value})
	default:
		p := strata.Purchase{Time: at, Total: rapid.Int64Range(-1e15, 1e15).Draw(t, "total"), Discount: rapid.Int64Range(0, 500).Draw(t, "discount"),
			Currency: rapid.SampledFrom([]string{"EUR", "USD", "CHF"}).Draw(t, "currency")}
		if n := rapid.Int64Range(-3, 3).Draw(t, "quantity"); n != 0 {
			p.Items = []strata.Item{{SKU: "a", Quantity: n}}
		}
		return strata.NewFact(p)
	}
}

// drawExposure exposes to one of three subjects, most of the time to the
// treatment that is the unit's own.
func drawExposure(t *rapid.T) rollup.Exposure {
	x := rollup.Exposure{Subject: rapid.Int32Range(1, 3).Draw(t, "subject"), Treatment: 1, At: drawTime(t)}
	if rapid.IntRange(0, 9).Draw(t, "other treatment") == 9 {
		x.Treatment = 2
	}
	return x
}

// portion is what a batch brings of one unit.
type portion struct {
	facts     []strata.Fact
	exposures []rollup.Exposure
	repeats   int64
}

func drawPortion(t *rapid.T) portion {
	return portion{
		facts:     rapid.SliceOfN(rapid.Custom(drawFact), 0, 6).Draw(t, "facts"),
		exposures: rapid.SliceOfN(rapid.Custom(drawExposure), 0, 2).Draw(t, "exposures"),
		repeats:   int64(rapid.IntRange(0, 8).Draw(t, "repeats") / 8),
	}
}

// take takes a portion in.
func take(u *rollup.Unit, p portion) (changed int) {
	facts := slices.Clone(p.facts)
	strata.SortFacts(facts)
	changed = u.AddFacts(facts)
	for _, x := range p.exposures {
		u.Expose(x)
	}
	u.Repeats += p.repeats
	return changed
}
