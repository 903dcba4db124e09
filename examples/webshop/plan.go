package main

import (
	"context"
	"errors"
	"time"

	"github.com/strataxp/strata"
)

// What the pages read: a handle for each parameter, made once. The default stands
// here and in the plan; the one in the plan counts.
var (
	ctaColor   = strata.StringParam("cta.color", "grey")
	ranking    = strata.StringParam("list.ranking", "name")
	perPage    = strata.IntParam("list.per_page", 12)
	hero       = strata.StringParam("home.hero", "Things that last")
	picks      = strata.IntParam("home.picks", 4)
	photo      = strata.StringParam("product.photo", "small")
	reviews    = strata.BoolParam("product.reviews", false)
	stockHint  = strata.BoolParam("product.stock_hint", false)
	related    = strata.IntParam("product.related", 3)
	badge      = strata.StringParam("price.badge", "none")
	upsell     = strata.BoolParam("cart.upsell", false)
	progress   = strata.BoolParam("cart.progress", false)
	onePage    = strata.BoolParam("checkout.one_page", false)
	trust      = strata.BoolParam("checkout.trust", false)
	payText    = strata.StringParam("checkout.pay_text", "Pay")
	freeFrom   = strata.IntParam("shipping.free_from", 50_00)
	stickyNav  = strata.BoolParam("nav.sticky", false)
	newsletter = strata.BoolParam("nav.newsletter", false)
	banner     = strata.StringParam("banner.text", "")
	thanks     = strata.StringParam("order.thanks", "Thank you!")
	referral   = strata.BoolParam("order.referral", false)
)

// handles are for [strata.Config.Params]: a plan that declares one of them with
// another type is refused, rather than read as the default without a word.
func handles() []strata.Handle {
	return []strata.Handle{
		ctaColor, ranking, perPage, hero, picks, photo, reviews, stockHint, related, badge, upsell,
		progress, onePage, trust, payText, freeFrom, stickyNav, newsletter, banner, thanks, referral,
	}
}

// firstPlan is the plan of an empty store, twenty layers: sixteen with one or two
// experiments, one that a nested domain of two layers shares with nobody, and a
// launch.
func firstPlan() (*strata.Plan, error) {
	b := strata.NewPlan()
	declare(b)
	measure(b)

	b.Layer("button", strata.ByDevice, "cta.color").Experiment("cta-color", 1).
		Describe("Does a green button sell more than a grey one?").
		Treatment("grey", 1, nil).
		Treatment("green", 1, strata.Values{"cta.color": "green"}).
		Metrics("carts", "buyers", "revenue", "funnel").
		Running()
	b.Layer("list", strata.ByDevice, "list.ranking", "list.per_page").Experiment("ranking", 0.9).
		Treatment("name", 2, nil).
		Treatment("price", 1, strata.Values{"list.ranking": "price"}).
		Treatment("popular", 1, strata.Values{"list.ranking": "popular", "list.per_page": 8}).
		Metrics("carts", "buyers").
		Running()
	b.Layer("banner", strata.ByDevice, "banner.text").Experiment("banner-de", 1).
		Audience(`language == "de"`).
		Treatment("none", 1, nil).
		Treatment("banner", 1, strata.Values{"banner.text": "Heute versandkostenfrei ab 50 Euro"}).
		Metrics("buyers").
		Running()

	// Two experiments of one layer share no visitor.
	nav := b.Layer("nav", strata.BySession, "nav.sticky", "nav.newsletter")
	small(nav, "nav-sticky", 0.5, "nav.sticky", true)
	small(nav, "nav-newsletter", 0.5, "nav.newsletter", true)

	// In six of ten checkouts two things are tried, independently of each other.
	lab := b.Layer("checkout", strata.ByDevice).Domain("checkout-lab", 0.6)
	small(lab.Layer("lab-form", strata.BySession, "checkout.one_page"), "one-page", 1, "checkout.one_page", true)
	small(lab.Layer("lab-trust", strata.ByDevice, "checkout.trust"), "trust", 1, "checkout.trust", true)

	for _, s := range []struct {
		layer string
		by    strata.Diversion
		param string
		value any
	}{
		{"hero", strata.BySession, "home.hero", "Made to be mended"},
		{"picks", strata.ByDevice, "home.picks", 8},
		{"photo", strata.ByDevice, "product.photo", "large"},
		{"reviews", strata.BySession, "product.reviews", true},
		{"stock", strata.ByDevice, "product.stock_hint", true},
		{"related", strata.ByDevice, "product.related", 6},
		{"badge", strata.ByDevice, "price.badge", "percent"},
		{"upsell", strata.BySession, "cart.upsell", true},
		{"progress", strata.ByDevice, "cart.progress", true},
		{"pay", strata.ByDevice, "checkout.pay_text", "Order and pay"},
		{"thanks", strata.ByUser, "order.thanks", "Thank you, and see you again!"},
		{"referral", strata.ByUser, "order.referral", true},
	} {
		small(b.Layer(s.layer, s.by, s.param), s.layer, 1, s.param, s.value)
	}

	// What was decided is rolled out, here to a quarter of the devices.
	b.LaunchLayer("shipping", strata.ByDevice, "shipping.free_from").Experiment("free-from-40", 0.25).
		Treatment("on", 1, strata.Values{"shipping.free_from": 40_00}).
		Running()
	return b.Build()
}

// small adds an experiment that changes one parameter for half of its visitors.
func small(l *strata.LayerBuilder, key string, share float64, param string, value any) {
	l.Experiment(key, share).
		Treatment("off", 1, nil).
		Treatment("on", 1, strata.Values{param: value}).
		Metrics("buyers", "carts").
		Running()
}

// declare names all parameters.
func declare(b *strata.Builder) {
	b.String("cta.color", "grey").String("list.ranking", "name").Int("list.per_page", 12)
	b.String("home.hero", "Things that last").Int("home.picks", 4)
	b.String("product.photo", "small").Bool("product.reviews", false).Bool("product.stock_hint", false).Int("product.related", 3)
	b.String("price.badge", "none").Bool("cart.upsell", false).Bool("cart.progress", false)
	b.Bool("checkout.one_page", false).Bool("checkout.trust", false).String("checkout.pay_text", "Pay")
	b.Int("shipping.free_from", 50_00).Bool("nav.sticky", false).Bool("nav.newsletter", false)
	b.String("banner.text", "").String("order.thanks", "Thank you!").Bool("order.referral", false)
}

// measure says what experiments are judged by.
func measure(b *strata.Builder) {
	week := strata.Duration(7 * 24 * time.Hour)
	b.Metric(strata.Metric{Key: "buyers", Type: strata.MetricConversion, Window: week,
		Measure: strata.Measure{Event: strata.KindPurchase}})
	b.Metric(strata.Metric{Key: "carts", Type: strata.MetricConversion, Window: week,
		Measure: strata.Measure{Event: strata.KindClick, Name: clickAdd}})
	b.Metric(strata.Metric{Key: "revenue", Type: strata.MetricSum, Window: week,
		Measure: strata.Measure{Event: strata.KindPurchase, Value: strata.ValueTotal, Currency: currency}})
	b.Metric(strata.Metric{Key: "funnel", Type: strata.MetricFunnel, Window: week, Steps: []strata.Step{
		{Event: strata.KindPageView, Name: pageProduct},
		{Event: strata.KindClick, Name: clickAdd},
		{Event: strata.KindPageView, Name: pageCheckout},
		{Event: strata.KindPurchase},
	}})
}

// publishFirst gives an empty store its plan. A plan that is there stays as it is:
// who changes experiments publishes that, and not each process that starts.
func publishFirst(ctx context.Context, store strata.Store) error {
	_, err := store.Plan(ctx, strata.PlanParams{})
	if !errors.Is(err, strata.ErrNotFound) {
		return err
	}
	plan, err := firstPlan()
	if err != nil {
		return err
	}
	_, err = strata.Publish(ctx, store, plan, strata.PublishOptions{Author: "webshop", Message: "the first plan"})
	if errors.Is(err, strata.ErrConflict) {
		return nil // another process started at the same moment, with the same plan
	}
	return err
}
