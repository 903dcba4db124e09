package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/stats"
)

// input is the file.
type input struct {
	Experiment   string      `json:"experiment"`
	Description  string      `json:"description"`
	Treatments   []treatment `json:"treatments"`
	Primary      []string    `json:"primary"`
	PlannedUnits int64       `json:"planned_units"`
	Metrics      []metric    `json:"metrics"`
	Days         []day       `json:"days"`
}

type treatment struct {
	Key       string `json:"key"`
	Weight    int    `json:"weight"`
	Units     int64  `json:"units"`
	Shed      int64  `json:"shed"`
	Uncertain int64  `json:"uncertain"`
}

type metric struct {
	Key           string            `json:"key"`
	Type          strata.MetricType `json:"type"`
	Currency      string            `json:"currency"`
	Direction     strata.Direction  `json:"direction"`
	MinimumEffect float64           `json:"minimum_effect"`
	Guardrail     bool              `json:"guardrail"`
	Margin        float64           `json:"margin"`
	Treatments    map[string]sums   `json:"treatments"`
}

// day is how sums stood at the end of a day.
type day struct {
	Day     string                     `json:"day"`
	Metrics map[string]map[string]sums `json:"metrics"`
}

// sums are those of one metric in one treatment.
type sums struct {
	N              int64    `json:"n"`
	Successes      *int64   `json:"successes"`
	Sum            *decimal `json:"sum"`
	SumSquares     *decimal `json:"sum_squares"`
	NumSum         *decimal `json:"num_sum"`
	NumSumSquares  *decimal `json:"num_sum_squares"`
	DenSum         *decimal `json:"den_sum"`
	DenSumSquares  *decimal `json:"den_sum_squares"`
	NumDenProducts *decimal `json:"num_den_products"`
	PreSum         *decimal `json:"pre_sum"`
	PreSumSquares  *decimal `json:"pre_sum_squares"`
	PreProducts    *decimal `json:"pre_products"`
}

// decimal is a number with all its digits.
type decimal string

// UnmarshalJSON takes a number, or one in quotes.
func (d *decimal) UnmarshalJSON(data []byte) error {
	*d = decimal(strings.Trim(string(data), `"`))
	return nil
}

func parse(data []byte) (*input, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var in input
	if err := decoder.Decode(&in); err != nil {
		return nil, err
	}
	if decoder.More() {
		return nil, errors.New("something follows the experiment; one file has one")
	}
	return &in, in.check()
}

func (in *input) check() error {
	var errs []error
	if len(in.Treatments) < 2 {
		errs = append(errs, fmt.Errorf("%d treatments: there must be a control and one more", len(in.Treatments)))
	}
	if len(in.Metrics) == 0 {
		errs = append(errs, errors.New("no metrics"))
	}
	for _, m := range in.Metrics {
		for key := range m.Treatments {
			if !slices.ContainsFunc(in.Treatments, func(t treatment) bool { return t.Key == key }) {
				errs = append(errs, fmt.Errorf("metric %q has sums for %q, which is not among the treatments", m.Key, key))
			}
		}
	}
	return errors.Join(errs...)
}

func (in *input) key() string {
	if in.Experiment == "" {
		return "experiment"
	}
	return in.Experiment
}

// clock says that it is the end of the last day, where there are days; the
// verdicts then tell how long to go on.
func (in *input) clock() strata.Clock {
	if len(in.Days) == 0 {
		return nil
	}
	last, err := time.Parse(time.DateOnly, in.Days[len(in.Days)-1].Day)
	if err != nil {
		return nil // results says so
	}
	return endOf(last)
}

// endOf is a clock that stands at the end of a day.
type endOf time.Time

func (day endOf) Now() time.Time { return time.Time(day).AddDate(0, 0, 1) }

func (endOf) Timer(time.Duration) (<-chan time.Time, func()) { return nil, func() {} }

// plan describes the experiment to strata.
func (in *input) plan() (*strata.Plan, error) {
	b := strata.NewPlan()
	x := b.Layer("analysis", strata.ByUser).Experiment(in.key(), 0).Describe(in.Description).Running()
	equal := !slices.ContainsFunc(in.Treatments, func(t treatment) bool { return t.Weight != 0 })
	for _, t := range in.Treatments {
		weight := t.Weight
		if equal {
			weight = 1
		}
		x.Treatment(t.Key, weight, nil)
	}
	var keys []string
	for _, m := range in.Metrics {
		b.Metric(m.definition())
		keys = append(keys, m.Key)
	}
	x.Metrics(keys...).Analysis(strata.Analysis{Primary: in.Primary, PlannedUnits: in.PlannedUnits})
	return b.Build()
}

// definition is the metric as if strata had added it up.
func (m *metric) definition() strata.Metric {
	d := strata.Metric{
		Key: m.Key, Type: m.Type, Direction: m.Direction, MinimumEffect: m.MinimumEffect,
		Guardrail: m.Guardrail, Margin: m.Margin,
		Measure: strata.Measure{Event: strata.KindCustom},
	}
	switch {
	case m.Currency != "":
		d.Measure = strata.Measure{Event: strata.KindPurchase, Value: strata.ValueTotal, Currency: m.Currency}
	case m.Type == strata.MetricSum:
		d.Measure.Value = strata.ValueAmount
	}
	if m.Type == strata.MetricRatio {
		d.Denominator = &strata.Measure{Event: strata.KindCustom}
	}
	for _, s := range m.Treatments {
		if s.PreSum != nil {
			d.PrePeriod = strata.Duration(24 * time.Hour) // however long it was
		}
	}
	return d
}

// results are the sums as a store would hand them out.
func (in *input) results() (strata.Results, error) {
	var errs []error
	at := func(of func(m *metric) map[string]sums, where string) map[string]strata.TreatmentResults {
		out := make(map[string]strata.TreatmentResults)
		for _, t := range in.Treatments {
			r := strata.TreatmentResults{Metrics: make(map[string]strata.MetricResults)}
			for i := range in.Metrics {
				m := &in.Metrics[i]
				s := of(m)[t.Key]
				moments, err := s.moments(m.Type)
				if err != nil {
					errs = append(errs, fmt.Errorf("%smetric %q, treatment %q: %w", where, m.Key, t.Key, err))
				}
				r.Metrics[m.Key] = strata.MetricResults{Moments: []stats.Moments{moments}}
				r.Units = max(r.Units, s.N)
			}
			out[t.Key] = r
		}
		return out
	}
	results := strata.Results{Treatments: at(func(m *metric) map[string]sums { return m.Treatments }, "")}
	for _, t := range in.Treatments {
		r := results.Treatments[t.Key]
		if t.Units > 0 {
			r.Units = t.Units
		}
		r.Shed, r.Uncertain = t.Shed, t.Uncertain
		results.Treatments[t.Key] = r
	}
	for _, d := range in.Days {
		began, err := time.Parse(time.DateOnly, d.Day)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		results.Days = append(results.Days, strata.DayResults{
			Day:        began,
			Treatments: at(func(m *metric) map[string]sums { return d.Metrics[m.Key] }, d.Day+", "),
		})
	}
	return results, errors.Join(errs...)
}

// moments are those of the sums.
func (s sums) moments(of strata.MetricType) (stats.Moments, error) {
	if s.N == 0 {
		return stats.Moments{}, nil
	}
	var singles, products []*decimal
	switch of {
	case strata.MetricConversion:
		if s.Successes == nil {
			return stats.Moments{}, errors.New("a conversion needs successes")
		}
		n := decimal(fmt.Sprint(*s.Successes))
		singles, products = []*decimal{&n}, []*decimal{&n} // the squares of 0 and 1 are themselves
	case strata.MetricRatio:
		singles = []*decimal{s.NumSum, s.DenSum}
		products = []*decimal{s.NumSumSquares, s.NumDenProducts, s.DenSumSquares}
	case strata.MetricCount, strata.MetricSum:
		singles, products = []*decimal{s.Sum}, []*decimal{s.SumSquares}
	default:
		return stats.Moments{}, fmt.Errorf("type %q: use conversion, count, sum or ratio", of)
	}
	if s.PreSum != nil && of != strata.MetricRatio {
		singles = append(singles, s.PreSum)
		products = append(products, s.PreProducts, s.PreSumSquares)
	}
	for _, d := range slices.Concat(singles, products) {
		if d == nil {
			return stats.Moments{}, fmt.Errorf("a sum that a %s needs is missing; -help lists them", of)
		}
	}
	return stats.MomentsFromDecimals(s.N, texts(singles), texts(products))
}

func texts(numbers []*decimal) []string {
	out := make([]string, len(numbers))
	for i, d := range numbers {
		out[i] = string(*d)
	}
	return out
}
