package main

import (
	"context"
	"fmt"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/pgstore"
)

// Half of the visits are a unit's first, and half a later one of a unit that is drawn
// from all before: so each has ten events on average, however many are stored.
const (
	visitEvents = 5
	unitEvents  = 2 * visitEvents
	batchSize   = 5000
)

// began is when the first event happens.
var began = time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)

// visitor writes events of units that come and come again, over so many days.
type visitor struct {
	store  *pgstore.Store
	days   int
	units  int
	visits int
	last   int64 // index in the stream
}

// publish makes the plan that visits count by: one experiment with five metrics.
func (v *visitor) publish(ctx context.Context) error {
	p := planOf(1, 1)
	p.Layers[0].Diversion = strata.ByUser
	total := strata.Measure{Event: strata.KindPurchase, Value: strata.ValueTotal, Currency: "EUR"}
	orders := strata.Measure{Event: strata.KindPurchase}
	p.Metrics = []strata.Metric{
		{Key: "converted", Type: strata.MetricConversion, Measure: orders},
		{Key: "revenue", Type: strata.MetricSum, Measure: total, Window: strata.Duration(14 * 24 * time.Hour)},
		{Key: "views", Type: strata.MetricCount, Measure: strata.Measure{Event: strata.KindPageView}},
		{Key: "order-value", Type: strata.MetricRatio, Measure: total, Denominator: &orders},
		{Key: "carts", Type: strata.MetricConversion, Measure: strata.Measure{Event: strata.KindPageView, Name: "/cart"}},
	}
	for _, m := range p.Metrics {
		p.Experiments[0].Metrics = append(p.Experiments[0].Metrics, m.Key)
	}
	_, err := strata.Publish(ctx, v.store, p, strata.PublishOptions{Author: "bench", Message: "start", Clock: at{began}})
	return err
}

// some makes n events: a tenth are exposures, 2 % purchases.
func (v *visitor) some(n int) []strata.Record {
	records := make([]strata.Record, 0, n)
	first := v.units
	for i := range n / unitEvents {
		unit := first + i
		records = append(v.visit(records, unit, v.dayOf(unit), true), v.again(first+i+1)...)
	}
	v.units += n / unitEvents
	return records
}

// dayOf is when a unit comes first: in the first half of the days, later visits in the second.
func (v *visitor) dayOf(unit int) int { return unit % max(1, v.days/2) }

// again is a later visit of one of the units that there are.
func (v *visitor) again(units int) []strata.Record {
	draw := mix(uint64(v.visits))
	day := v.days/2 + int(draw>>40)%max(1, v.days-v.days/2)
	return v.visit(nil, int(draw%uint64(units)), day, false)
}

// mix is the finalizer of SplitMix64: numbers that look like random ones.
func mix(x uint64) uint64 {
	x = (x + 1) * 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

func (v *visitor) visit(records []strata.Record, unit, day int, first bool) []strata.Record {
	v.visits++
	u := strata.Unit{User: id(unit)}
	t := began.AddDate(0, 0, day).Add(time.Duration(unit*7919%86_000) * time.Second)
	add := func(e strata.Event) { records = append(records, strata.Record{Unit: u, Event: e}) }
	if first {
		hash := mix(uint64(unit))
		add(strata.Exposure{
			Time: t, Experiment: experimentKey(0), Treatment: []string{off, on}[hash>>63],
			Diversion: strata.ByUser, Bucket: int(hash % strata.NumBuckets), Hash: hash, Version: 1,
		})
	} else {
		add(strata.PageView{Time: t, Page: "/", Referrer: "https://example.com/search"})
	}
	add(strata.PageView{Time: t.Add(time.Second), Page: "/product/123"})
	add(strata.PageView{Time: t.Add(time.Minute), Page: "/product/456"})
	add(strata.Click{Time: t.Add(2 * time.Minute), Target: "add-to-cart", Page: "/product/456"})
	if v.visits%10 == 0 {
		add(strata.Purchase{
			Time: t.Add(3 * time.Minute), OrderID: fmt.Sprintf("order-%010d", v.visits), Total: int64(1000 + v.visits%9770), Currency: "EUR",
			Items: []strata.Item{{SKU: "sku-1234", Quantity: 1, Price: int64(1000 + v.visits%9770)}},
		})
	} else {
		add(strata.PageView{Time: t.Add(3 * time.Minute), Page: "/cart"})
	}
	return records
}

// ingest stores events in batches as an engine's sender makes them.
func (v *visitor) ingest(ctx context.Context, records []strata.Record) error {
	for len(records) > 0 {
		n := min(batchSize, len(records))
		if err := v.store.Ingest(ctx, strata.Batch{Stream: strata.StreamID{1}, First: v.last + 1, Records: records[:n]}); err != nil {
			return err
		}
		v.last += int64(n)
		records = records[n:]
	}
	return nil
}

// write makes events, stores them, and says how long each of ingest and rollup took.
func (v *visitor) write(ctx context.Context, n int) (ingest, rollup time.Duration, err error) {
	records := v.some(n)
	start := time.Now()
	if err := v.ingest(ctx, records); err != nil {
		return 0, 0, err
	}
	ingest = time.Since(start)
	start = time.Now()
	_, err = v.store.RollUp(ctx)
	return ingest, time.Since(start), err
}

// at is a clock that stands still.
type at struct{ now time.Time }

func (c at) Now() time.Time { return c.now }

func (c at) Timer(d time.Duration) (<-chan time.Time, func()) { return strata.SystemClock().Timer(d) }

// reporting is the time of the experiment's report so many days after the beginning: the
// least of several.
func (v *visitor) reporting(ctx context.Context, days float64) (float64, error) {
	clock := at{began.Add(time.Duration(days * float64(24*time.Hour)))}
	best := 0.0
	for range 7 {
		start := time.Now()
		report, err := strata.NewReport(ctx, v.store, experimentKey(0), strata.ReportOptions{Clock: clock})
		if err != nil {
			return 0, err
		}
		best = least0(best, float64(time.Since(start).Nanoseconds()))
		if len(report.Metrics) == 0 || len(report.Treatments) == 0 || report.Treatments[0].Units == 0 {
			return 0, fmt.Errorf("the report is empty: %d metrics, %d treatments", len(report.Metrics), len(report.Treatments))
		}
	}
	return best, nil
}
