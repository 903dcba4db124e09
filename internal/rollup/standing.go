package rollup

import (
	"maps"
	"slices"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/stats"
)

// Standings are how the results of a subject stood at the end of each day on
// which they changed: what a report is made of, wherever they were added up.
type Standings struct {
	Units  map[int32][]UnitsStanding    // by treatment, in the order of days
	Values map[ValueKey][]ValueStanding // in the order of days
}

// UnitsStanding is how many units of a treatment had been exposed by the end of
// a day.
type UnitsStanding struct {
	Day         Day
	Units       int64
	First, Last int64 // exposures of those units, in microseconds since 1970
}

// ValueKey names a sample: one step of a metric in a treatment.
type ValueKey struct{ Treatment, Metric, Step int32 }

// ValueStanding is a sample as it stood at the end of a day.
type ValueStanding struct {
	Day           Day
	Moments       stats.Moments
	Matured       int64 // units whose window was over
	OtherCurrency int64
}

// Treatments returns the results as they stood in the end.
func (s *Standings) Treatments(params *strata.ResultsParams, metrics []*Metric, names map[int32]string) map[string]strata.TreatmentResults {
	return s.at(1<<31-1, params, metrics, names)
}

// Days returns the results as they stood at the end of each day on which they
// changed.
func (s *Standings) Days(calendar *Calendar, params *strata.ResultsParams, metrics []*Metric, names map[int32]string) []strata.DayResults {
	changed := make(map[Day]bool)
	for _, list := range s.Units {
		for i := range list {
			changed[list[i].Day] = true
		}
	}
	for _, list := range s.Values {
		for i := range list {
			changed[list[i].Day] = true
		}
	}
	var days []strata.DayResults
	for _, day := range slices.Sorted(maps.Keys(changed)) {
		if treatments := s.at(day, params, metrics, names); len(treatments) > 0 {
			days = append(days, strata.DayResults{Day: calendar.Begin(day), Treatments: treatments})
		}
	}
	return days
}

// at returns the results as they stood at the end of a day.
func (s *Standings) at(day Day, params *strata.ResultsParams, metrics []*Metric, names map[int32]string) map[string]strata.TreatmentResults {
	out := make(map[string]strata.TreatmentResults, len(s.Units))
	for treatment, list := range s.Units {
		units, ok := last(list, day, func(u *UnitsStanding) Day { return u.Day })
		if !ok || units.Units == 0 {
			continue
		}
		r := strata.TreatmentResults{
			Units: units.Units, FirstExposure: instant(units.First), LastExposure: instant(units.Last),
			Metrics: make(map[string]strata.MetricResults, len(metrics)),
		}
		for _, m := range metrics {
			r.Metrics[m.Definition.Key] = s.metric(treatment, m, day, units.Units, params)
		}
		out[names[treatment]] = r
	}
	return out
}

func (s *Standings) metric(treatment int32, m *Metric, day Day, units int64, params *strata.ResultsParams) strata.MetricResults {
	r := strata.MetricResults{Moments: make([]stats.Moments, max(m.steps, 1))}
	matured := int64(0)
	for step := range r.Moments {
		v, _ := last(s.Values[ValueKey{treatment, m.ID, int32(step)}], day, func(v *ValueStanding) Day { return v.Day })
		r.Moments[step] = v.Moments
		if step == 0 {
			r.OtherCurrency, matured = v.OtherCurrency, v.Matured
		}
	}
	if m.Definition.Window > 0 && !params.At.IsZero() {
		r.Immature = units - matured
	}
	return r
}

// last returns the last element of a list that is not behind a day.
func last[T any](list []T, day Day, of func(*T) Day) (v T, ok bool) {
	n, _ := slices.BinarySearchFunc(list, day, func(x T, d Day) int {
		if of(&x) <= d {
			return -1
		}
		return 1
	})
	if n == 0 {
		return v, false
	}
	return list[n-1], true
}

// instant returns the zero time for 0, which stands for none.
func instant(at int64) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return time.UnixMicro(at).UTC()
}
