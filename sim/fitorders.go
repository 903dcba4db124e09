package sim

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/strataxp/strata"
)

// Order is a recorded purchase.
type Order struct {
	Customer string
	Time     time.Time
	Total    int64 // in minor units; orders of 0 or less are passed over
}

// minimumCustomers is how many customers a fit needs at least.
const minimumCustomers = 20

// FitOrders makes a model of recorded purchases: of buyers, each of whose visits is
// an order. What baskets are worth, and how alike those of one customer are, comes
// from the totals; who comes back and when from the times between a customer's
// orders, where a share of customers are heavy ones; the hours and days from all
// times, in their own zone. until is when the record ends: who has not come back by
// then may still do, and counts so.
//
// Gaps of less than a day are taken for another kind of return, Returns.Soon. The
// rest is a mixture of two log-normal distributions with one sigma, fitted with
// customers who never come back and gaps that are cut off (an EM algorithm). It
// fails with an error matching [ErrInvalidModel] for fewer than 20 customers, or
// fewer than 20 times between orders.
func FitOrders(orders iter.Seq[Order], until time.Time) (*Model, error) {
	customers := map[string][]Order{}
	m := ordersModel()
	m.Seasons = Seasons{Hours: make([]float64, 24), Weekdays: make([]float64, 7)}
	for o := range orders {
		if o.Total <= 0 || o.Time.After(until) {
			continue
		}
		customers[o.Customer] = append(customers[o.Customer], o)
		m.Seasons.Hours[o.Time.Hour()]++
		m.Seasons.Weekdays[o.Time.Weekday()]++
	}
	if len(customers) < minimumCustomers {
		return nil, fmt.Errorf("%w: %d customers have an order, a fit needs %d", ErrInvalidModel, len(customers), minimumCustomers)
	}
	for _, list := range customers {
		slices.SortFunc(list, func(a, b Order) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Total, b.Total)) })
	}
	m.Baskets.fit(customers)
	if err := m.fitReturns(customers, until); err != nil {
		return nil, err
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return m, nil
}

// ordersModel is a shop to which people come to buy.
func ordersModel() *Model {
	return &Model{Name: "orders", Start: "buy", States: []State{
		{Key: "buy", Event: Track{Kind: strata.KindPurchase}, Next: []Transition{{To: left, Weight: 1}}},
		{Key: left},
	}}
}

// sums are of numbers and their squares.
type sums struct{ n, x, xx float64 }

func (s *sums) add(x, weight float64) {
	s.n += weight
	s.x += weight * x
	s.xx += weight * x * x
}

func (s *sums) plus(o sums) { s.n, s.x, s.xx = s.n+o.n, s.x+o.x, s.xx+o.xx }

func (s *sums) mean() float64 { return s.x / s.n }

// squares is the sum of squares around the mean.
func (s *sums) squares() float64 { return max(s.xx-s.x*s.x/s.n, 0) }

// fit fits a log-normal distribution to totals. Taste is the part of the variance
// that is not within customers.
func (b *Baskets) fit(customers map[string][]Order) {
	var all, repeated sums
	within, freedom := 0.0, 0.0
	for _, customer := range slices.Sorted(maps.Keys(customers)) {
		var own sums
		for _, o := range customers[customer] {
			own.add(math.Log(float64(o.Total)), 1)
		}
		all.plus(own)
		if own.n > 1 {
			repeated.plus(own)
			within += own.squares()
			freedom += own.n - 1
		}
	}
	b.Median, b.Sigma = math.Exp(all.mean()), math.Sqrt(all.squares()/all.n)
	if total := repeated.squares() / repeated.n; freedom > 0 && total > 0 {
		b.Taste = min(max(1-within/freedom/total, 0), 1)
	}
}

// fitReturns fits who comes back, and when.
func (m *Model) fitReturns(customers map[string][]Order, until time.Time) error {
	var long, soon sums
	var f gapFit
	for _, customer := range slices.Sorted(maps.Keys(customers)) {
		list := customers[customer]
		h := history{open: logMicros(until.Sub(list[len(list)-1].Time))}
		for i := range list[1:] {
			gap := list[i+1].Time.Sub(list[i].Time)
			h.returns++
			if gap < soonest {
				soon.add(logMicros(gap), 1)
			} else {
				h.gaps.add(logMicros(gap), 1)
			}
		}
		long.plus(h.gaps)
		f.histories = append(f.histories, h)
	}
	if long.n < minimumCustomers {
		return fmt.Errorf("%w: %v times of a day or more lie between the orders of a customer, a fit needs %d", ErrInvalidModel, long.n, minimumCustomers)
	}
	if soon.n > 0 {
		f.soon = soon.n / (soon.n + long.n)
		m.Returns.Soon = f.soon
		m.Returns.SoonGap = logNormal(soon.mean(), math.Sqrt(soon.squares()/soon.n))
	}
	f.fit(long)
	m.Returns.Chance = f.classes[0].chance
	m.Returns.Gap = logNormal(f.classes[0].mu, f.sigma)
	m.Heavy = Heavy{Share: f.classes[1].share, Chance: f.classes[1].chance, Gap: math.Exp(f.classes[1].mu - f.classes[0].mu)}
	return nil
}

// soonest is how long a gap is at least that is not soon.
const soonest = 24 * time.Hour

// logMicros is the logarithm of a time in microseconds. Records are often kept to
// the minute: no time at all counts as half of one.
func logMicros(d time.Duration) float64 {
	if d <= 0 {
		d = 30 * time.Second
	}
	return math.Log(float64(d) / 1000)
}

func logNormal(mu, sigma float64) LogNormal {
	return LogNormal{Median: strata.Duration(1000 * math.Exp(min(mu, 33))), Sigma: min(sigma, maxSigma)}
}
