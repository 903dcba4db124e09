package storetest

import (
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/oracle"
	"github.com/strataxp/strata/stats"
)

var metricCases = []testCase{
	{"Metric/WindowIsHalfOpen", windowIsHalfOpen},
	{"Metric/PrePeriodEndsAtTheExposure", prePeriodEndsAtTheExposure},
	{"Metric/PrePeriodOfARatio", prePeriodOfARatio},
	{"Metric/TimesAreWholeMicroseconds", timesAreWholeMicroseconds},
	{"Metric/ConversionIsOneOrZero", conversionIsOneOrZero},
	{"Metric/CountAndItsCap", countAndItsCap},
	{"Metric/SumAndItsCap", sumAndItsCap},
	{"Metric/MoneyOfOneCurrency", moneyOfOneCurrency},
	{"Metric/MeanLeavesOutUnitsWithoutEvents", meanLeavesOut},
	{"Metric/RatioHasTwoVariables", ratioHasTwoVariables},
	{"Metric/FunnelStepsInOrder", funnelStepsInOrder},
	{"Metric/FunnelStepWithinItsTime", funnelWithin},
	{"Metric/FunnelOfEventsAtOneInstant", funnelAtOneInstant},
}

// view is a user's page view.
func view(id, page string, when time.Time) strata.Record {
	return event(id, strata.PageView{Time: when, Page: page})
}

func windowIsHalfOpen(t *testing.T, s strata.Store) {
	const hour, moment = time.Hour, time.Microsecond
	window := func(key string, d time.Duration) strata.Metric {
		m := signups
		m.Key, m.Window = key, strata.Duration(d)
		return m
	}
	write(t, s, exposure("ada", control, start),
		signup("ada", at(-moment)), signup("ada", start), signup("ada", at(hour-moment)), signup("ada", at(hour)), signup("ada", at(1000*hour)))
	r := results(t, s, window("hour", hour), window("more", hour+moment), window("least", moment), window("none", 0))
	for key, want := range map[string]int64{"least": 1, "hour": 2, "more": 3, "none": 4} {
		requireUnits(t, r, control, key, want)
	}
}

func prePeriodEndsAtTheExposure(t *testing.T, s strata.Store) {
	const hour, moment = time.Hour, time.Microsecond
	m := signups
	m.Window, m.PrePeriod = strata.Duration(hour), strata.Duration(2*hour)
	write(t, s, exposure("ada", control, start), exposure("ada", control, at(-hour/2)), exposure("grace", control, start),
		signup("ada", at(-5*hour/2-moment)), signup("ada", at(-5*hour/2)), signup("ada", at(-hour/2-moment)), // before; the first is too early
		signup("ada", at(-hour/2)), signup("ada", start), // after
		signup("grace", at(-3*hour)))
	requirePairs(t, results(t, s, m), control, m.Key, [2]int64{2, 2}, [2]int64{0, 0})
	m.Cap = 1
	requirePairs(t, results(t, s, m), control, m.Key, [2]int64{1, 1}, [2]int64{0, 0})
}

func prePeriodOfARatio(t *testing.T, s strata.Store) {
	m := strata.Metric{Key: "order-value", Type: strata.MetricRatio, Measure: revenue.Measure, Denominator: &orders.Measure, PrePeriod: strata.Duration(time.Hour)}
	write(t, s, exposure("ada", control, start), exposure("grace", control, start),
		order("ada", "o1", 3, at(-time.Minute)), order("ada", "o2", 5, at(-time.Second)), order("ada", "o3", 7, start), order("grace", "o4", 11, at(time.Hour)))
	want := oracle.Moments([][]*big.Rat{ // total, orders; total and orders before
		{big.NewRat(7, 1), big.NewRat(1, 1), big.NewRat(8, 1), big.NewRat(2, 1)},
		{big.NewRat(11, 1), big.NewRat(1, 1), big.NewRat(0, 1), big.NewRat(0, 1)},
	})
	oracle.RequireMoments(t, []stats.Moments{want}, results(t, s, m).Treatments[control].Metrics[m.Key].Moments, true, "a ratio with a pre-period")
}

func timesAreWholeMicroseconds(t *testing.T, s strata.Store) {
	micros := func(n int) time.Time { return at(time.Duration(n) * time.Microsecond) }
	m := signups
	m.Window = strata.Duration(time.Millisecond)
	write(t, s, exposure("ada", control, micros(2_345)), exposure("ada", control, micros(2_346)))
	for i, when := range []int{2_344, 2_345, 3_344, 3_345} {
		write(t, s, signup("ada", micros(when)))
		requireUnits(t, results(t, s, m), control, m.Key, []int64{0, 1, 2, 2}[i])
	}
}

func conversionIsOneOrZero(t *testing.T, s strata.Store) {
	write(t, s, exposure("ada", control, start), exposure("grace", control, start), exposure("ken", control, start),
		view("ada", "/cart", start), view("ada", "/cart", start), view("ken", "/", start), view("ken", "/Cart", start))
	cart := strata.Metric{Key: "cart", Type: strata.MetricConversion, Measure: strata.Measure{Event: strata.KindPageView, Name: "/cart"}}
	all := strata.Metric{Key: "any", Type: strata.MetricConversion, Measure: strata.Measure{Event: strata.KindPageView}}
	r := results(t, s, cart, all)
	requireUnits(t, r, control, "cart", 1, 0, 0)
	requireUnits(t, r, control, "any", 1, 0, 1)
}

func countAndItsCap(t *testing.T, s strata.Store) {
	write(t, s, exposure("ada", control, start), exposure("grace", control, start),
		view("ada", "/a", start), view("ada", "/b", start), view("ada", "/b", start), view("grace", "/a", start))
	count := strata.Metric{Key: "views", Type: strata.MetricCount, Measure: strata.Measure{Event: strata.KindPageView}}
	requireUnits(t, results(t, s, count), control, "views", 3, 1)
	count.Cap = 2
	requireUnits(t, results(t, s, count), control, "views", 2, 1)
}

func sumAndItsCap(t *testing.T, s strata.Store) {
	purchase := func(id, order string, total, discount int64, quantities ...int64) strata.Record {
		p := strata.Purchase{Time: start, OrderID: order, Total: total, Discount: discount, Currency: "EUR"}
		for _, q := range quantities {
			p.Items = append(p.Items, strata.Item{SKU: "s", Quantity: q, Price: 1})
		}
		return event(id, p)
	}
	write(t, s, exposure("ada", control, start), exposure("grace", control, start), exposure("ken", control, start),
		purchase("ada", "o1", 50_00, 5_00, 2, 1), purchase("ada", "o2", -20_00, 0, -1), purchase("grace", "o3", 999_999_999_999_999, 1, 7))
	metric := func(v strata.MeasureValue, limit float64) strata.Metric {
		return strata.Metric{Key: string(v), Type: strata.MetricSum, Cap: limit, Measure: strata.Measure{Event: strata.KindPurchase, Value: v, Currency: "EUR"}}
	}
	r := results(t, s, metric(strata.ValueTotal, 0), metric(strata.ValueDiscount, 0), metric(strata.ValueItems, 0))
	requireUnits(t, r, control, "total", 30_00, 999_999_999_999_999, 0)
	requireUnits(t, r, control, "discount", 5_00, 1, 0)
	requireUnits(t, r, control, "items", 2, 7, 0)
	r = results(t, s, metric(strata.ValueTotal, 100_00), metric(strata.ValueItems, 5))
	requireUnits(t, r, control, "total", 30_00, 100_00, 0)
	requireUnits(t, r, control, "items", 2, 5, 0)
}

func moneyOfOneCurrency(t *testing.T, s strata.Store) {
	in := func(currency, order string, total int64, when time.Time) strata.Record {
		return event("ada", strata.Purchase{Time: when, OrderID: order, Total: total, Currency: currency})
	}
	forced := in("USD", "o6", 1, start)
	forced.Forced = true
	write(t, s, exposure("ada", control, start), in("EUR", "o1", 5, start), in("USD", "o2", 70, start), in("JPY", "o3", 900, start),
		in("USD", "o2", 70, start), in("USD", "o4", 1, at(-time.Hour)), in("EUR", "o5", 1, at(-time.Hour)), forced)
	dollars := revenue
	dollars.Key, dollars.Measure.Currency = "dollars", "USD"
	share := strata.Metric{Key: "value", Type: strata.MetricRatio, Measure: revenue.Measure,
		Denominator: &strata.Measure{Event: strata.KindPurchase, Currency: "EUR"}}
	r := results(t, s, revenue, dollars, orders, share)
	requireUnits(t, r, control, revenue.Key, 5)
	requireUnits(t, r, control, dollars.Key, 70)
	requireUnits(t, r, control, orders.Key, 3)
	metrics := r.Treatments[control].Metrics
	require.EqualValues(t, 2, metrics[revenue.Key].OtherCurrency)
	require.EqualValues(t, 2, metrics[dollars.Key].OtherCurrency)
	require.EqualValues(t, 0, metrics[orders.Key].OtherCurrency, "a count takes any currency")
	require.EqualValues(t, 2, metrics[share.Key].OtherCurrency, "a purchase that both measures leave out is one")
}

func meanLeavesOut(t *testing.T, s strata.Store) {
	rating := func(id string, value float64) strata.Record {
		return event(id, strata.Custom{Time: start, EventName: "rating", Value: value})
	}
	write(t, s, exposure("ada", control, start), exposure("grace", control, start), exposure("ken", control, start), exposure("eve", variant, start),
		rating("ada", 1), rating("ada", 4), rating("grace", 4))
	mean := strata.Metric{Key: "rating", Type: strata.MetricMean,
		Measure: strata.Measure{Event: strata.KindCustom, Name: "rating", Value: strata.ValueAmount}}
	r := results(t, s, mean)
	require.EqualValues(t, 3, r.Treatments[control].Units)
	m := r.Treatments[control].Metrics["rating"].Moments
	require.Len(t, m, 1)
	require.EqualValues(t, 2, m[0].N(), "ken has no value")
	require.InDelta(t, (2.5+4)/2, m[0].Mean(0), 1e-12)
	require.InDelta(t, 1.125, m[0].Comoment(0, 0), 1e-12)
	require.Equal(t, []stats.Moments{{}}, r.Treatments[variant].Metrics["rating"].Moments, "nobody has a value")
}

func ratioHasTwoVariables(t *testing.T, s strata.Store) {
	click := event("ada", strata.Click{Time: start, Target: "buy"})
	write(t, s, exposure("ada", control, start), exposure("grace", control, start), exposure("ken", control, start),
		view("ada", "/", start), view("ada", "/", start), click, view("grace", "/", start))
	rate := strata.Metric{Key: "rate", Type: strata.MetricRatio,
		Measure: strata.Measure{Event: strata.KindClick, Name: "buy"}, Denominator: &strata.Measure{Event: strata.KindPageView}}
	var want stats.Sums
	for _, unit := range [][]int64{{1, 2}, {0, 1}, {0, 0}} {
		require.NoError(t, want.Add(unit...))
	}
	r := results(t, s, rate)
	oracle.RequireMoments(t, []stats.Moments{want.Moments()}, r.Treatments[control].Metrics["rate"].Moments, true, "clicks and views of three units")
}

// requireFunnel checks how many units took each step.
func requireFunnel(t *testing.T, s strata.Store, m strata.Metric, units int, taken ...int) {
	t.Helper()
	r := results(t, s, m)
	got := r.Treatments[control].Metrics[m.Key].Moments
	require.Len(t, got, len(taken), "an entry for each step")
	for i, n := range taken {
		require.EqualValues(t, units, got[i].N(), "step %d is over all exposed units", i+1)
		require.InDelta(t, float64(n)/float64(units), got[i].Mean(0), 1e-15, "step %d", i+1)
	}
}

// path is a funnel over page views.
func path(within time.Duration, pages ...string) strata.Metric {
	m := strata.Metric{Key: "path", Type: strata.MetricFunnel}
	for _, page := range pages {
		m.Steps = append(m.Steps, strata.Step{Event: strata.KindPageView, Name: page, Within: strata.Duration(within)})
	}
	return m
}

func funnelStepsInOrder(t *testing.T, s strata.Store) {
	minute := func(n int) time.Time { return at(time.Duration(n) * time.Minute) }
	for _, id := range []string{"ada", "grace", "ken", "eve"} {
		write(t, s, exposure(id, control, start))
	}
	write(t, s, view("ada", "/c", minute(3)), view("ada", "/b", minute(2)), view("ada", "/a", minute(1)), // in order, arriving in reverse
		view("grace", "/c", minute(1)), view("grace", "/b", minute(2)), view("grace", "/a", minute(3)), // backwards
		view("ken", "/a", minute(-1)), view("ken", "/b", minute(1)), view("ken", "/c", minute(2)), // began before its exposure
		view("eve", "/a", minute(1)), view("eve", "/c", minute(2)), view("eve", "/b", minute(5)))
	requireFunnel(t, s, path(0, "/a", "/b", "/c"), 4, 3, 2, 1)
	requireFunnel(t, s, path(0, "/a", "/a"), 4, 3, 0) // one event takes one step
	requireFunnel(t, s, path(0, "", "", ""), 4, 4, 4, 3)
	windowed := path(0, "/a", "/b")
	windowed.Window = strata.Duration(5 * time.Minute)
	requireFunnel(t, s, windowed, 4, 3, 1)
	mixed := path(0, "/a")
	mixed.Steps = append(mixed.Steps, strata.Step{Event: strata.KindPurchase})
	requireFunnel(t, s, mixed, 4, 3, 0)
	write(t, s, order("grace", "o1", 1, minute(4)))
	requireFunnel(t, s, mixed, 4, 3, 1)
}

func funnelWithin(t *testing.T, s strata.Store) {
	const hour, moment = time.Hour, time.Microsecond
	write(t, s, exposure("ada", control, start), view("ada", "/a", at(hour-moment)), view("ada", "/b", at(2*hour-2*moment)),
		exposure("grace", control, start), view("grace", "/a", at(hour)), view("grace", "/b", at(hour)),
		exposure("ken", control, start), view("ken", "/a", start), view("ken", "/a", at(hour/2)), view("ken", "/b", at(hour)))
	requireFunnel(t, s, path(hour, "/a", "/b"), 3, 2, 1) // counted from the first event that took the step before
	requireFunnel(t, s, path(hour+moment, "/a", "/b"), 3, 3, 3)
}

// funnelAtOneInstant has events that only their names tell apart, in both
// orders of arrival.
func funnelAtOneInstant(t *testing.T, s strata.Store) {
	write(t, s, exposure("ada", control, start), view("ada", "/a", start), view("ada", "/b", start),
		exposure("grace", control, start), view("grace", "/b", start), view("grace", "/a", start))
	requireFunnel(t, s, path(0, "/a", "/b"), 2, 2, 2) // at or after the step before
	requireFunnel(t, s, path(0, "/b", "/a"), 2, 2, 2)
	requireFunnel(t, s, path(0, "", "/b"), 2, 2, 2)          // what no step names goes first: /a
	requireFunnel(t, s, path(0, "", "/a"), 2, 2, 2)          // and here /b
	requireFunnel(t, s, path(0, "", "/b", "/a"), 2, 2, 2, 0) // then by name: /a
	requireFunnel(t, s, path(0, "", "/a", "/b"), 2, 2, 0, 0)
	requireFunnel(t, s, path(0, "", "", ""), 2, 2, 2, 0)
}
