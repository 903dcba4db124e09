package sim_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/sim"
)

// visits is a site that keeps what a fitted model is compared by.
type visits struct {
	pages  map[string][]string // by session
	orders map[string][]sim.Order
}

func (*visits) Meet(time.Time, *strata.Unit, string) string { return "" }

func (v *visits) Do(at time.Time, u *strata.Unit, e strata.Event) {
	switch e := e.(type) {
	case strata.PageView:
		v.pages[u.Session] = append(v.pages[u.Session], e.Page)
	case strata.Purchase:
		v.orders[u.Device] = append(v.orders[u.Device], sim.Order{Customer: u.Device, Time: at, Total: e.Total})
	}
}

func visited(t *testing.T, m *sim.Model, o sim.TrafficOptions) *visits {
	t.Helper()
	traffic, err := sim.NewTraffic(m, o)
	require.NoError(t, err)
	v := &visits{pages: map[string][]string{}, orders: map[string][]sim.Order{}}
	require.NoError(t, traffic.Run(t.Context(), v))
	return v
}

// depths counts the sessions that reach each depth, and lists depths and clicks.
func depths(sessions [][]sim.Click) (reached [6]int, depth, clicks []float64) {
	for _, s := range sessions {
		deepest := 0
		for _, c := range s {
			deepest = max(deepest, c.Depth)
		}
		for d := 1; d <= deepest; d++ {
			reached[d]++
		}
		depth, clicks = append(depth, float64(deepest)), append(clicks, float64(len(s)))
	}
	return reached, depth, clicks
}

// Sessions of the model fitted to a real click stream are as deep and as long as
// the real ones. The bound is 1.36·√(2/24,026) of a test at 5 % plus a little for
// what the model does not know.
func TestFittedClicksLookReal(t *testing.T) {
	seed.OneGoroutine(t)
	t.Parallel()
	real := shopSessions(t)
	reached, depth, clicks := depths(real)
	require.Equal(t, [6]int{0, 24_026, 14_504, 9_125, 4_779, 1_631}, reached, "the published funnel")
	m, err := sim.FitClicks(slices.Values(real), sim.ClickOptions{})
	require.NoError(t, err)
	v := visited(t, m, sim.TrafficOptions{Seed: seed.Of(t), Visitors: len(real)})
	var made [][]sim.Click
	for _, session := range slices.Sorted(maps.Keys(v.pages)) {
		var list []sim.Click
		for _, page := range v.pages[session] {
			list = append(list, sim.Click{Page: page, Depth: int(page[len(page)-1] - '0')})
		}
		made = append(made, list)
	}
	simReached, simDepth, simClicks := depths(made)
	t.Logf("%d states; sessions that reach page 1…5: real %v, simulated %v", len(m.States), reached[1:], simReached[1:])
	t.Logf("clicks at 10, 25, 50, 75, 90 %%: real %v, simulated %v", quantiles(clicks), quantiles(simClicks))
	t.Logf("Kolmogorov distance of depth %.4f, of clicks %.4f", kolmogorov(depth, simDepth), kolmogorov(clicks, simClicks))
	require.Less(t, kolmogorov(depth, simDepth), 0.02)
	require.Less(t, kolmogorov(clicks, simClicks), 0.025)
}

// retail is what orders are compared by.
type retail struct{ totals, gaps, counts []float64 }

func retailOf(customers map[string][]sim.Order) (r retail) {
	for _, customer := range slices.Sorted(maps.Keys(customers)) {
		list := slices.SortedFunc(slices.Values(customers[customer]), func(a, b sim.Order) int { return a.Time.Compare(b.Time) })
		for i, o := range list {
			r.totals = append(r.totals, float64(o.Total)/100)
			if i > 0 {
				r.gaps = append(r.gaps, o.Time.Sub(list[i-1].Time).Hours()/24)
			}
		}
		r.counts = append(r.counts, float64(len(list)))
	}
	return r
}

// Orders of the model fitted to a year of real ones have about the real totals,
// times between them and numbers for each customer. Log-normal distributions are
// an approximation: the tolerances are what was seen with several seeds and a
// little more, and say how good it is.
func TestFittedOrdersLookReal(t *testing.T) {
	seed.OneGoroutine(t)
	t.Parallel()
	orders := retailOrders(t)
	first, last := orders[0].Time, orders[0].Time
	customers := map[string][]sim.Order{}
	for _, o := range orders {
		if o.Total > 0 {
			customers[o.Customer] = append(customers[o.Customer], o)
		}
		last = slices.MaxFunc([]time.Time{last, o.Time}, time.Time.Compare)
	}
	m, err := sim.FitOrders(slices.Values(orders), last)
	require.NoError(t, err)
	v := visited(t, m, sim.TrafficOptions{Seed: seed.Of(t), Visitors: len(customers), Start: first, Length: last.Sub(first)})
	real, made := retailOf(customers), retailOf(v.orders)
	t.Logf("fitted: %+v %+v %+v", m.Baskets, m.Returns, m.Heavy)
	for _, x := range []struct {
		what      string
		real, sim []float64
		tolerance float64
	}{
		{"baskets", real.totals, made.totals, 0.1},
		{"days between orders", real.gaps, made.gaps, 0.1},
		{"orders of a customer", real.counts, made.counts, 0.14},
	} {
		d := kolmogorov(x.real, x.sim)
		t.Logf("%s at 10, 25, 50, 75, 90 %%: real %s, simulated %s; Kolmogorov distance %.4f, tolerance %v",
			x.what, short(quantiles(x.real)), short(quantiles(x.sim)), d, x.tolerance)
		require.Less(t, d, x.tolerance, x.what)
	}
}

func short(q [5]float64) string {
	text := ""
	for _, v := range q {
		text += fmt.Sprintf(" %.4g", v)
	}
	return text[1:]
}

// recorded plays a model and returns its sessions, in the order in which they
// began.
func recorded(t *testing.T, m *sim.Model, o sim.TrafficOptions) [][]sim.Click {
	v := visited(t, m, o)
	var list [][]sim.Click
	for _, session := range slices.Sorted(maps.Keys(v.pages)) {
		var clicks []sim.Click
		for _, page := range v.pages[session] {
			clicks = append(clicks, sim.Click{Page: page})
		}
		list = append(list, clicks)
	}
	return list
}

// A chain that is played and fitted is itself again.
func TestFitFindsTheChain(t *testing.T) {
	seed.OneGoroutine(t)
	page := func(key string, next ...sim.Transition) sim.State {
		return sim.State{Key: key, Event: sim.Track{Kind: strata.KindPageView, Name: key}, Next: next}
	}
	m := &sim.Model{Start: "a", States: []sim.State{
		page("a", sim.Transition{To: "a", Weight: 2}, sim.Transition{To: "b", Weight: 5}, sim.Transition{To: "leave", Weight: 3}),
		page("b", sim.Transition{To: "a", Weight: 1}, sim.Transition{To: "leave", Weight: 9}),
		{Key: "leave"},
	}}
	fitted, err := sim.FitClicks(slices.Values(recorded(t, m, sim.TrafficOptions{Seed: seed.Of(t), Visitors: 20_000})), sim.ClickOptions{Memory: 1})
	require.NoError(t, err)
	require.Len(t, fitted.States, 4, "start, a, b, leave")
	for i, shares := range map[int][]float64{1: {0.2, 0.5, 0.3}, 2: {0.1, 0.9}} {
		sum := 0.0
		for _, next := range fitted.States[i].Next {
			sum += next.Weight
		}
		for j, share := range shares {
			require.InDelta(t, share, fitted.States[i].Next[j].Weight/sum, 0.02)
		}
	}
}

// Orders that are made up and fitted give back what they were made of: two kinds
// of customers, seen for a year.
func TestFitFindsTheCustomers(t *testing.T) {
	seed.OneGoroutine(t)
	m := &sim.Model{Start: "buy", States: []sim.State{
		{Key: "buy", Event: sim.Track{Kind: strata.KindPurchase}, Next: []sim.Transition{{To: "leave", Weight: 1}}}, {Key: "leave"},
	}}
	m.Baskets = sim.Baskets{Median: 80_00, Sigma: 0.9, Taste: 0.5}
	m.Returns = sim.Returns{Chance: 0.7, Gap: sim.LogNormal{Median: strata.Duration(60 * 24 * time.Hour), Sigma: 0.6},
		Soon: 0.1, SoonGap: sim.LogNormal{Median: strata.Duration(10 * time.Minute), Sigma: 1}}
	m.Heavy = sim.Heavy{Share: 0.2, Chance: 0.95, Gap: 0.2}
	o := sim.TrafficOptions{Seed: seed.Of(t), Visitors: 3_000, Length: 365 * 24 * time.Hour}
	v := visited(t, m, o)
	var orders []sim.Order
	for _, customer := range slices.Sorted(maps.Keys(v.orders)) {
		orders = append(orders, v.orders[customer]...)
	}
	fitted, err := sim.FitOrders(slices.Values(orders), time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC).Add(o.Length))
	require.NoError(t, err)
	require.InEpsilon(t, m.Baskets.Median, fitted.Baskets.Median, 0.1)
	require.InDelta(t, m.Baskets.Sigma, fitted.Baskets.Sigma, 0.05)
	require.InDelta(t, m.Baskets.Taste, fitted.Baskets.Taste, 0.1)
	require.InDelta(t, m.Returns.Chance, fitted.Returns.Chance, 0.1)
	require.InEpsilon(t, float64(m.Returns.Gap.Median), float64(fitted.Returns.Gap.Median), 0.2)
	require.InDelta(t, m.Returns.Gap.Sigma, fitted.Returns.Gap.Sigma, 0.1)
	require.InDelta(t, m.Returns.Soon, fitted.Returns.Soon, 0.03)
	require.InDelta(t, m.Heavy.Share, fitted.Heavy.Share, 0.06)
	require.InDelta(t, m.Heavy.Chance, fitted.Heavy.Chance, 0.03)
	require.InDelta(t, m.Heavy.Gap, fitted.Heavy.Gap, 0.06)
}

func TestFitsSayWhatTheyLack(t *testing.T) {
	_, err := sim.FitClicks(slices.Values([][]sim.Click{nil}), sim.ClickOptions{})
	require.ErrorIs(t, err, sim.ErrInvalidModel, "no session")
	_, err = sim.FitClicks(slices.Values([][]sim.Click{{{Page: "a"}}}), sim.ClickOptions{Memory: -1})
	require.ErrorIs(t, err, sim.ErrOptions)
	_, err = sim.FitClicks(slices.Values([][]sim.Click{{{Page: ""}}}), sim.ClickOptions{})
	require.ErrorIs(t, err, sim.ErrInvalidModel, "a page without a key")
	many := func(yield func([]sim.Click) bool) {
		for i := 0; yield([]sim.Click{{Page: fmt.Sprint(i)}, {Page: "x"}}); i++ {
		}
	}
	_, err = sim.FitClicks(many, sim.ClickOptions{})
	require.ErrorContains(t, err, "groups of pages")

	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var orders []sim.Order
	_, err = sim.FitOrders(slices.Values(orders), now)
	require.ErrorContains(t, err, "a fit needs 20")
	for i := range 30 {
		orders = append(orders, sim.Order{Customer: fmt.Sprint(i), Time: now, Total: 100}, sim.Order{Customer: "late", Time: now.Add(time.Hour), Total: 100})
	}
	_, err = sim.FitOrders(slices.Values(orders), now)
	require.ErrorContains(t, err, "times of a day or more")
}
