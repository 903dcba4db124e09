package oracle

import (
	"slices"
	"time"

	"github.com/strataxp/strata"
)

// changes returns the instants at which results may change.
func (d deeds) changes(params strata.ResultsParams, exposures map[subject][]strata.Exposure) []time.Time {
	var list []time.Time
	for who, xs := range exposures {
		exposed := earliest(xs).Time
		list = append(list, exposed)
		for _, e := range d[who] {
			list = append(list, timeOf(e))
		}
		for _, m := range params.Metrics { // a window that ends makes a unit mature
			list = append(list, exposed.Add(time.Duration(m.Window)))
		}
	}
	return list
}

// days goes through the days on which anything changed.
func (d deeds) days(params strata.ResultsParams, exposures map[subject][]strata.Exposure) []strata.DayResults {
	zone := params.Zone
	if zone == nil {
		zone = time.UTC
	}
	var begins []time.Time
	for _, when := range d.changes(params, exposures) {
		year, month, day := when.In(zone).Date()
		begins = append(begins, time.Date(year, month, day, 0, 0, 0, 0, zone))
	}
	slices.SortFunc(begins, time.Time.Compare)
	begins = slices.CompactFunc(begins, time.Time.Equal)
	var list []strata.DayResults
	for _, day := range begins {
		end := day.AddDate(0, 0, 1)
		exposedBefore := make(map[subject][]strata.Exposure)
		for who, xs := range exposures {
			if earliest(xs).Time.Before(end) {
				exposedBefore[who] = xs
			}
		}
		if len(exposedBefore) > 0 {
			list = append(list, strata.DayResults{Day: day, Treatments: d.treatments(params, exposedBefore, end)})
		}
	}
	return list
}
