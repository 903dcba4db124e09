package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/pgstore"
)

// tables are those of the store, for SQL of one's own.
type tables struct {
	pool   *pgxpool.Pool
	schema string
}

func (t tables) sql(text string) string {
	return strings.ReplaceAll(text, "{schema}", pgx.Identifier{t.schema}.Sanitize())
}

// look prints what is in the store and compares it with what is published.
func look(ctx context.Context, store *pgstore.Store, t tables) error {
	if err := months(ctx, t); err != nil {
		return err
	}
	err := errors.Join(retailTotals(ctx, store, t), funnel(ctx, store))
	if err != nil {
		return err
	}
	report, err := strata.NewReport(ctx, store, "retail", strata.ReportOptions{Clock: at(retailEnd)})
	if err != nil {
		return err
	}
	fmt.Print("\n", report)
	return nil
}

// retailEnd is when the file of the gift shop ends.
var retailEnd = time.Date(2011, 12, 9, 13, 0, 0, 0, time.UTC)

// perMonth joins raw purchases with the treatment of the customer.
const perMonth = `
select to_char(e.event_time at time zone 'UTC', 'YYYY-MM') as month,
  coalesce(sum(e.total) filter (where x.treatment = 'a'), 0)::bigint,
  coalesce(sum(e.total) filter (where x.treatment = 'b'), 0)::bigint,
  coalesce(sum(e.total) filter (where x.treatment = 'c'), 0)::bigint,
  sum(e.discount)::bigint,
  coalesce(sum(e.total) filter (where e.order_id like 'C%'), 0)::bigint
from {schema}.event e join {schema}.exposures x on x.experiment = 'retail' and x.unit_id = e.user_id
where e.kind = 4
group by month order by month`

func months(ctx context.Context, t tables) error {
	//lint:ignore rowserrcheck pgx.ForEachRow returns the error of the rows
	rows, err := t.pool.Query(ctx, t.sql(perMonth))
	if err != nil {
		return err
	}
	fmt.Println("The gift shop's revenue from known customers by treatment, cancellations taken off")
	fmt.Printf("%-8s %14s %14s %14s %12s %14s\n", "month", "a", "b", "c", "discounts", "cancelled")
	var month string
	var a, b, c, discounts, cancelled int64
	var sums [5]int64
	_, err = pgx.ForEachRow(rows, []any{&month, &a, &b, &c, &discounts, &cancelled}, func() error {
		fmt.Printf("%-8s %14s %14s %14s %12s %14s\n", month, pounds(a), pounds(b), pounds(c), pounds(discounts), pounds(cancelled))
		for i, v := range []int64{a, b, c, discounts, cancelled} {
			sums[i] += v
		}
		return nil
	})
	fmt.Printf("%-8s %14s %14s %14s %12s %14s\n\n", "all", pounds(sums[0]), pounds(sums[1]), pounds(sums[2]), pounds(sums[3]), pounds(sums[4]))
	return err
}

// retailTotals compares the raw events with the published totals, and the
// results with the raw events.
func retailTotals(ctx context.Context, store *pgstore.Store, t tables) error {
	const sums = `select count(distinct split_part(order_id, '#', 1)), count(distinct user_id), sum(jsonb_array_length(details -> 'items')), sum(total)::bigint,
		count(*) filter (where order_id like '%#%') from {schema}.event where kind = 4`
	var all, sold, known struct{ invoices, customers, lines, total, parts int64 }
	err := errors.Join(
		t.pool.QueryRow(ctx, t.sql(sums)).Scan(&all.invoices, &all.customers, &all.lines, &all.total, &all.parts),
		t.pool.QueryRow(ctx, t.sql(sums+` and user_id is not null and order_id not like 'C%'`)).Scan(&sold.invoices, &sold.customers, &sold.lines, &sold.total, &sold.parts),
		t.pool.QueryRow(ctx, t.sql(sums+` and user_id is not null`)).Scan(&known.invoices, &known.customers, &known.lines, &known.total, &known.parts))
	if err != nil {
		return err
	}
	fmt.Printf("Invoices of more than %d lines are purchases in several parts: %d parts more in all.\n\n", maxLines, all.parts)
	results, err := store.Results(ctx, strata.ResultsParams{Experiment: "retail", Metrics: []strata.Metric{{Key: "paid", Type: strata.MetricSum,
		Measure: strata.Measure{Event: strata.KindPurchase, Value: strata.ValueTotal, Currency: "GBP"}}}})
	if err != nil {
		return err
	}
	var units, paid int64
	for _, r := range results.Treatments {
		units += r.Units
		paid += int64(math.Round(r.Metrics["paid"].Moments[0].Mean(0) * float64(r.Units)))
	}
	return errors.Join(
		equal("all invoices", all.invoices, 25_900, thousands),
		equal("all lines", all.lines, 541_909, thousands),
		equal("all totals", all.total, 974774793, pounds),
		equal("sales to known customers: invoices", sold.invoices, 18_536, thousands),
		equal("sales to known customers: customers", sold.customers, 4_339, thousands),
		equal("sales to known customers: lines", sold.lines, 397_924, thousands),
		equal("sales to known customers: totals", sold.total, 891140790, pounds),
		equal("customers in the A/A test", units, known.customers, thousands),
		equal("their totals as the results have them", paid, known.total, pounds))
}

// funnel prints how deep the sessions of the clothing shop go, by treatment.
func funnel(ctx context.Context, store *pgstore.Store) error {
	p, err := plan()
	if err != nil {
		return err
	}
	var depth strata.Metric
	for _, m := range p.Metrics {
		if m.Type == strata.MetricFunnel {
			depth = m
		}
	}
	results, err := store.Results(ctx, strata.ResultsParams{Experiment: "eshop", Metrics: []strata.Metric{depth}})
	if err != nil {
		return err
	}
	fmt.Printf("\nSessions of the clothing shop that reach a page of a list\n%-8s %10s %10s %10s\n", "page", "a", "b", "both")
	published := [depths]int64{24_026, 14_504, 9_125, 4_779, 1_631}
	var errs []error
	for step := range depths {
		var got [2]int64
		for i, treatment := range []string{"a", "b"} {
			r, ok := results.Treatments[treatment]
			if !ok {
				continue
			}
			got[i] = int64(math.Round(r.Metrics[depth.Key].Moments[step].Mean(0) * float64(r.Units)))
		}
		fmt.Printf("%-8d %10s %10s %10s\n", step+1, thousands(got[0]), thousands(got[1]), thousands(got[0]+got[1]))
		errs = append(errs, compare(fmt.Sprint("sessions that reach page ", step+1), got[0]+got[1], published[step], thousands))
	}
	return errors.Join(errs...)
}

// equal prints a total, and fails if it is another one than it should be.
func equal(what string, got, want int64, form func(int64) string) error {
	fmt.Printf("%-44s %16s\n", what, form(got))
	return compare(what, got, want, form)
}

func compare(what string, got, want int64, form func(int64) string) error {
	if got != want {
		return fmt.Errorf("%s: %s, and should be %s", what, form(got), form(want))
	}
	return nil
}

// pounds writes pennies as £1,234.56.
func pounds(pennies int64) string {
	sign := ""
	if pennies < 0 {
		sign, pennies = "-", -pennies
	}
	return fmt.Sprintf("%s£%s.%02d", sign, thousands(pennies/100), pennies%100)
}

func thousands(n int64) string {
	if n < 0 {
		return "-" + thousands(-n)
	}
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
