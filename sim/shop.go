package sim

import (
	"time"

	"github.com/strataxp/strata"
)

// Shop returns a model of a shop: land, browse, search, view, add_to_cart,
// checkout, pay, leave. Some 3 % of visits end in a purchase; half of the baskets
// are worth less than 45 euros; a third of the visits are followed by another one,
// half of those within three days. It is the caller's to change.
func Shop() *Model {
	return &Model{
		Name: "shop", Description: "A shop of middling size: visitors look for something, few of them buy it.",
		Start: "land", States: shopStates(),
		Baskets: Baskets{Currency: "EUR", Median: 45_00, Sigma: 0.8, Taste: 0.4, Discounts: 0.2, Discount: 0.15, Pieces: 2},
		Returns: Returns{Chance: 0.35, Gap: LogNormal{Median: hours(72), Sigma: 1.3}},
		Devices: Devices{Shares: []float64{0.7, 0.25, 0.05}, Switch: 0.3, Accounts: 0.5, Remembered: 0.6},
		Seasons: Seasons{
			Hours:    []float64{2, 1, 1, 1, 1, 1, 2, 3, 4, 5, 6, 6, 6, 5, 5, 5, 6, 7, 8, 9, 10, 9, 6, 4},
			Weekdays: []float64{12, 10, 10, 10, 9, 8, 9},
		},
		Heavy: Heavy{Share: 0.03, Chance: 0.85, Gap: 0.5, Basket: 1.3},
		Bots:  Bots{Share: 0.02, Chance: 0.5, Pace: 0.05, Linger: 5},
		Attributes: []Attribute{
			{Name: "country", Values: []AttributeValue{{"DE", 50}, {"AT", 10}, {"CH", 8}, {"NL", 12}, {"FR", 20}}},
			{Name: "device", Of: ofDevice, Values: []AttributeValue{{"phone", 60}, {"desktop", 34}, {"tablet", 6}}},
		},
	}
}

func shopStates() []State {
	page := func(name string) Track { return Track{Kind: strata.KindPageView, Name: name} }
	return []State{
		{Key: "land", Event: page("/"), Login: 0.05, Pause: seconds(12, 0.9),
			Next: []Transition{{"browse", 35}, {"search", 15}, {"view", 20}, {"leave", 30}}},
		{Key: "browse", Event: page("/category"), Pause: seconds(25, 0.9),
			Next: []Transition{{"browse", 20}, {"search", 8}, {"view", 47}, {"leave", 25}}},
		{Key: "search", Event: Track{Kind: strata.KindCustom, Name: "search"}, Pause: seconds(18, 0.8),
			Next: []Transition{{"search", 15}, {"view", 60}, {"leave", 25}}},
		{Key: "view", Event: page("/product"), Pause: seconds(40, 1),
			Next: []Transition{{"view", 28}, {"browse", 20}, {"search", 5}, {"add_to_cart", 12}, {"leave", 35}}},
		{Key: "add_to_cart", Event: Track{Kind: strata.KindCustom, Name: "add_to_cart"}, Pause: seconds(10, 0.8),
			Next: []Transition{{"checkout", 50}, {"view", 25}, {"browse", 8}, {"leave", 17}}},
		{Key: "checkout", Event: page("/checkout"), Login: 0.6, Pause: seconds(75, 0.7),
			Next: []Transition{{"pay", 58}, {"browse", 8}, {"leave", 34}}},
		{Key: "pay", Event: Track{Kind: strata.KindPurchase}, Pause: seconds(20, 0.8),
			Next: []Transition{{"browse", 10}, {"leave", 90}}},
		{Key: "leave"},
	}
}

func seconds(median, sigma float64) LogNormal {
	return LogNormal{Median: strata.Duration(median * float64(time.Second)), Sigma: sigma}
}

func hours(n float64) strata.Duration { return strata.Duration(n * float64(time.Hour)) }
