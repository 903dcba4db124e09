package main

import (
	"time"

	"github.com/strataxp/strata"
)

// plan has two A/A tests: nothing differs between their treatments, so nothing
// should be found.
func plan() (*strata.Plan, error) {
	b := strata.NewPlan()
	total := strata.Measure{Event: strata.KindPurchase, Value: strata.ValueTotal, Currency: "GBP"}
	b.Metric(strata.Metric{Key: "revenue", Type: strata.MetricSum, Measure: total, Cap: 20_000_00,
		Description: "What a customer paid, in pennies, refunds taken off; no customer counts for more than £20,000"})
	b.Metric(strata.Metric{Key: "paid", Type: strata.MetricSum, Measure: total, Description: "The same without a cap: a few wholesalers decide it"})
	b.Metric(strata.Metric{Key: "invoices", Type: strata.MetricCount, Measure: strata.Measure{Event: strata.KindPurchase}, Cap: 30})
	funnel := strata.Metric{Key: "depth", Type: strata.MetricFunnel}
	for page := range depths {
		funnel.Steps = append(funnel.Steps, strata.Step{Event: strata.KindConversion, Name: reachedPage(page + 1)})
	}
	b.Metric(funnel)
	b.Layer("customers", strata.ByUser).Experiment("retail", 1).
		Describe("A/A/A over the customers of a gift shop").
		Treatment("a", 1, nil).Treatment("b", 1, nil).Treatment("c", 1, nil).
		Metrics("revenue", "paid", "invoices").Running()
	b.Layer("sessions", strata.BySession).Experiment("eshop", 1).
		Describe("A/A over the sessions of a clothing shop").
		Treatment("a", 1, nil).Treatment("b", 1, nil).
		Metrics("depth").Running()
	return b.Build()
}

// at is a clock that stands still, so that reports are those of the day on which
// a file ends.
type at time.Time

func (c at) Now() time.Time { return time.Time(c) }

func (c at) Timer(d time.Duration) (<-chan time.Time, func()) { return strata.SystemClock().Timer(d) }
