// Quickstart runs a small shop on strata, all in memory: a plan with three
// layers, a nested domain and a launch, a fortnight of simulated shoppers for
// whom one treatment really works, and the report that finds it.
package main

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/memstore"
)

// What the code reads: handles on parameters, made once.
var (
	ctaColor  = strata.StringParam("cta.color", "grey")
	ranking   = strata.StringParam("search.ranking", "classic")
	onePage   = strata.BoolParam("checkout.one_page", false)
	freeLimit = strata.IntParam("shipping.free_from", 50_00)
)

// buildPlan lays out the traffic:
//
//	root domain, all shoppers
//	├─ layer ui          50 % cta-color: grey or green
//	├─ layer search      60 % ranking: classic, fresh or popular, for shoppers with an account in DE or AT
//	├─ layer checkout    20 % nested domain "checkout-lab"
//	│  └─ layer lab      80 % one-page: off or on
//	└─ launch layer shipping  10 % get free shipping from 40.00
func buildPlan() (*strata.Plan, error) {
	b := strata.NewPlan()
	b.String("cta.color", "grey")
	b.String("search.ranking", "classic")
	b.Bool("checkout.one_page", false)
	b.Int("shipping.free_from", 50_00)

	b.Metric(strata.Metric{Key: "buyers", Type: strata.MetricConversion,
		Measure: strata.Measure{Event: strata.KindPurchase}, Window: strata.Duration(7 * 24 * time.Hour)})
	b.Metric(strata.Metric{Key: "revenue", Type: strata.MetricSum,
		Measure: strata.Measure{Event: strata.KindPurchase, Value: strata.ValueTotal, Currency: "EUR"}})
	b.Metric(strata.Metric{Key: "funnel", Type: strata.MetricFunnel, Steps: []strata.Step{
		{Event: strata.KindPageView, Name: "/product"}, {Event: strata.KindClick, Name: "add-to-cart"}, {Event: strata.KindPurchase}}})

	ui := b.Layer("ui", strata.ByUser, "cta.color")
	ui.Experiment("cta-color", 0.5).
		Describe("Does a green button sell more than a grey one?").
		Treatment("grey", 1, nil).
		Treatment("green", 1, strata.Values{"cta.color": "green"}).
		Metrics("buyers", "revenue", "funnel").
		Running()

	search := b.Layer("search", strata.ByUser, "search.ranking")
	search.Experiment("ranking", 0.6).
		Audience(`country in ["DE", "AT"] && account`).
		Treatment("classic", 2, nil).
		Treatment("fresh", 1, strata.Values{"search.ranking": "fresh"}).
		Treatment("popular", 1, strata.Values{"search.ranking": "popular"}).
		Metrics("buyers").
		Running()

	lab := b.Layer("checkout", strata.ByUser).Domain("checkout-lab", 0.2).
		Layer("lab", strata.ByDevice, "checkout.one_page")
	lab.Experiment("one-page", 0.8).
		Treatment("off", 1, nil).
		Treatment("on", 1, strata.Values{"checkout.one_page": true}).
		Metrics("buyers").
		Running()

	b.LaunchLayer("shipping", strata.ByUser, "shipping.free_from").
		Experiment("free-from-40", 0.1).
		Treatment("on", 1, strata.Values{"shipping.free_from": 40_00}).
		Running()

	return b.Build()
}

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	plan, err := buildPlan()
	if err != nil {
		return err
	}
	store := memstore.New()
	if _, err := strata.Publish(ctx, store, plan, strata.PublishOptions{Author: "quickstart", Message: "first plan"}); err != nil {
		return err
	}
	clock := &shopClock{}
	clock.set(opening)
	eng, err := strata.Open(ctx, store, strata.Config{
		Params: []strata.Handle{ctaColor, ranking, onePage, freeLimit},
		Clock:  clock,
	})
	if err != nil {
		return err
	}
	defer eng.Close(ctx)

	showAssignment(eng, shopper(1))
	showAssignment(eng, shopper(26))

	fmt.Printf("For %d days %d shoppers visit a day. A grey button sells to 8 %% of them, a green one to 10 %%.\n\n", days, shoppersPerDay)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range days * shoppersPerDay {
		clock.set(opening.Add(time.Duration(i) * 24 * time.Hour / shoppersPerDay))
		if err := visit(eng, shopper(i), random); err != nil {
			return err
		}
	}
	report, err := eng.Report(ctx, "cta-color", strata.ReportOptions{})
	if err != nil {
		return err
	}
	fmt.Print(report)
	return nil
}

// The fortnight.
const (
	days           = 14
	shoppersPerDay = 2000
)

var opening = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// shopClock lets a fortnight pass in a second. Programs in production leave
// Config.Clock empty.
type shopClock struct{ now atomic.Pointer[time.Time] }

func (c *shopClock) set(t time.Time) { c.now.Store(&t) }

func (c *shopClock) Now() time.Time { return *c.now.Load() }

func (c *shopClock) Timer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// shopper makes up a visitor.
func shopper(i int) strata.Unit {
	countries := []string{"DE", "AT", "FR", "NL"}
	return strata.Unit{
		User: fmt.Sprintf("user-%05d", i), Device: fmt.Sprintf("device-%05d", i),
		Attributes: map[string]any{"country": countries[i%len(countries)], "account": i%3 != 0},
	}
}

// showAssignment prints what every layer decides for one shopper, and why.
func showAssignment(eng *strata.Engine, u strata.Unit) {
	a := eng.Assign(u)
	fmt.Printf("What %s gets, layer by layer:\n", u.User)
	for d := range a.All() {
		fmt.Println("  ", d)
	}
	fmt.Printf("So the code reads cta.color=%q, search.ranking=%q, checkout.one_page=%v, shipping.free_from=%d.\n\n",
		ctaColor.Peek(a), ranking.Peek(a), onePage.Peek(a), freeLimit.Peek(a))
}

// visit is the request handlers of a shop, for one shopper.
func visit(eng *strata.Engine, u strata.Unit, random *rand.Rand) error {
	a := eng.Assign(u)
	if err := a.Track(strata.PageView{Page: "/product"}); err != nil {
		return err
	}
	buys := 0.08
	if ctaColor.Get(a) == "green" { // reading exposes
		buys = 0.10
	}
	if err := a.Track(strata.PageView{Page: "/product"}); err != nil {
		return err
	}
	if random.Float64() > 3*buys {
		return nil
	}
	if err := a.Track(strata.Click{Target: "add-to-cart", Page: "/product"}); err != nil {
		return err
	}
	if random.Float64() > 1.0/3 {
		return nil
	}
	return a.Track(strata.Purchase{OrderID: "order-" + u.User, Total: 20_00 + random.Int64N(60_00), Currency: "EUR"})
}
