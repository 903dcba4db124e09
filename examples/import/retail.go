package main

import (
	"fmt"
	"iter"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/strataxp/strata"
)

// invoice is an invoice of the gift shop. Its number begins with C where it
// cancels something.
type invoice struct {
	number   string
	customer string // empty for one third of the invoices
	at       time.Time
	lines    []line
}

// line is a line of an invoice. Its total is in pennies, and what is off is a
// line of its own, with the code D.
type line struct {
	item  strata.Item
	total int64
}

// readRetail reads the invoices of online_retail, in the order of the file.
func readRetail(path string) ([]*invoice, error) {
	var invoices []*invoice
	byNumber := make(map[string]*invoice)
	n := 0
	for r, err := range rows(path) {
		if err != nil {
			return nil, err
		}
		n++
		v := byNumber[r.get("InvoiceNo")]
		if v == nil {
			v = &invoice{number: strings.Clone(r.get("InvoiceNo")), customer: strings.Clone(r.get("CustomerID"))}
			if v.at, err = time.Parse(time.DateTime, r.get("InvoiceDate")); err != nil {
				return nil, fmt.Errorf("%s, line %d: %w", path, n, err)
			}
			byNumber[v.number] = v
			invoices = append(invoices, v)
		}
		l, err := readLine(r)
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, n, err)
		}
		v.lines = append(v.lines, l)
	}
	return invoices, nil
}

func readLine(r row) (line, error) {
	quantity, err := strconv.ParseInt(r.get("Quantity"), 10, 64)
	if err != nil {
		return line{}, err
	}
	price, ok := new(big.Rat).SetString(r.get("UnitPrice"))
	if !ok {
		return line{}, fmt.Errorf("the price %q is no number", r.get("UnitPrice"))
	}
	pennies := price.Mul(price, big.NewRat(100, 1))
	total := new(big.Rat).Mul(pennies, big.NewRat(quantity, 1))
	return line{strata.Item{SKU: strings.Clone(r.get("StockCode")), Quantity: quantity, Price: nearest(pennies)}, nearest(total)}, nil
}

// nearest rounds to a whole penny: four lines of the file cost a tenth of one.
func nearest(r *big.Rat) int64 {
	text := r.FloatString(0)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0 // no price of the file has 19 digits
	}
	return n
}

// maxLines is how many items a purchase may have.
const maxLines = 500

// purchases makes one purchase of an invoice, or several of a long one: 536365,
// and 536365#2 for the lines behind the 500th.
func (v *invoice) purchases() []strata.Purchase {
	var list []strata.Purchase
	for part := 0; part*maxLines < len(v.lines); part++ {
		p := strata.Purchase{Time: v.at, OrderID: v.number, Currency: "GBP"}
		if part > 0 {
			p.OrderID = fmt.Sprintf("%s#%d", v.number, part+1)
		}
		for _, l := range v.lines[part*maxLines : min(len(v.lines), (part+1)*maxLines)] {
			p.Items = append(p.Items, l.item)
			p.Total += l.total
			if l.item.SKU == "D" {
				p.Discount = max(0, p.Discount-l.total)
			}
		}
		list = append(list, p)
	}
	return list
}

// retailRecords are the customers' exposures, each at its first invoice, and
// all invoices.
func retailRecords(invoices []*invoice, treatmentOf func(strata.Unit) string) iter.Seq2[strata.Record, error] {
	return func(yield func(strata.Record, error) bool) {
		first := make(map[string]time.Time)
		for _, v := range invoices {
			if at, known := first[v.customer]; !known || v.at.Before(at) {
				first[v.customer] = v.at
			}
		}
		exposed := make(map[string]bool)
		for _, v := range invoices {
			unit := strata.Unit{User: v.customer}
			if v.customer == "" {
				unit = strata.Unit{Request: "invoice " + v.number} // nobody to expose
			} else if !exposed[v.customer] {
				exposed[v.customer] = true
				if !yield(exposure(unit, "retail", strata.ByUser, treatmentOf(unit), first[v.customer]), nil) {
					return
				}
			}
			for _, p := range v.purchases() {
				if !yield(strata.Record{Unit: unit, Event: p}, nil) {
					return
				}
			}
		}
	}
}

func exposure(unit strata.Unit, experiment string, by strata.Diversion, treatment string, at time.Time) strata.Record {
	return strata.Record{Unit: unit, Event: strata.Exposure{
		Time: at, Experiment: experiment, Treatment: treatment, Diversion: by, Bucket: -1, External: true,
	}}
}
