package main

import (
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/strataxp/strata"
)

// depths is how many pages the clothing shop's lists have.
const depths = 5

// eshopRecords are the clicks of eshop_clothing_2008 as page views, and for each
// session its exposure and the pages that it reached: who looks at the third page
// of a list went through the first and second. The file has dates and the order
// of clicks; a click is taken to be a second behind the one before.
func eshopRecords(path string, treatmentOf func(strata.Unit) string) iter.Seq2[strata.Record, error] {
	return func(yield func(strata.Record, error) bool) {
		reached := make(map[string]int)
		for r, err := range rows(path) {
			if err != nil {
				yield(strata.Record{}, err)
				return
			}
			at, page, err := readClick(r)
			if err != nil {
				yield(strata.Record{}, fmt.Errorf("%s: %w", path, err))
				return
			}
			unit := strata.Unit{Session: "session " + r.get("session_id")}
			if reached[unit.Session] == 0 && !yield(exposure(unit, "eshop", strata.BySession, treatmentOf(unit), at), nil) {
				return
			}
			if !yield(strata.Record{Unit: unit, Event: strata.PageView{Time: at, Page: fmt.Sprint("/list/", page)}}, nil) {
				return
			}
			for ; reached[unit.Session] < page; reached[unit.Session]++ {
				if !yield(strata.Record{Unit: unit, Event: strata.Conversion{Time: at, Goal: reachedPage(reached[unit.Session] + 1)}}, nil) {
					return
				}
			}
		}
	}
}

func reachedPage(page int) string { return fmt.Sprint("page ", page) }

func readClick(r row) (at time.Time, page int, err error) {
	var n [5]int
	for i, name := range []string{"year", "month", "day", "order", "page"} {
		if n[i], err = strconv.Atoi(r.get(name)); err != nil {
			return at, 0, err
		}
	}
	if page = n[4]; page < 1 || page > depths {
		return at, 0, fmt.Errorf("there is no page %d", page)
	}
	return time.Date(n[0], time.Month(n[1]), n[2], 0, 0, n[3], 0, time.UTC), page, nil
}
