package storetest

import (
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/oracle"
	"github.com/strataxp/strata/stats"
)

// requireResults compares what a store returned with what it should.
func requireResults(t require.TestingT, metrics []strata.Metric, want, got strata.Results, what string) {
	require.Equal(t, want.Contradictions, got.Contradictions, "%s: contradictions", what)
	require.Equal(t, want.RepeatedOrders, got.RepeatedOrders, "%s: repeated orders", what)
	requireTime(t, want.Latest, got.Latest, what+": latest event")
	requireTreatments(t, metrics, want.Treatments, got.Treatments, what)
	require.Equal(t, slices.Sorted(maps.Keys(want.Segments)), slices.Sorted(maps.Keys(got.Segments)), "%s: segments", what)
	for value, w := range want.Segments {
		requireTreatments(t, metrics, w, got.Segments[value], fmt.Sprintf("%s, segment %q", what, value))
	}
	requireDays(t, metrics, want.Days, got.Days, what)
}

// requireDays compares results day by day. A store may leave days out on which
// nothing changed, and have days more.
func requireDays(t require.TestingT, metrics []strata.Metric, want, got []strata.DayResults, what string) {
	for i := 1; i < len(got); i++ {
		require.True(t, got[i-1].Day.Before(got[i].Day), "%s: days are in ascending order, each once", what)
	}
	for _, w := range want {
		var stood map[string]strata.TreatmentResults
		for _, g := range got {
			if !g.Day.After(w.Day) {
				stood = g.Treatments
			}
		}
		requireTreatments(t, metrics, w.Treatments, stood, what+", day "+stamp(w.Day))
	}
}

func requireTreatments(t require.TestingT, metrics []strata.Metric, want, got map[string]strata.TreatmentResults, what string) {
	require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)), "%s: treatments", what)
	for key, w := range want {
		g := got[key]
		require.Equal(t, w.Units, g.Units, "%s: units in %q", what, key)
		requireTime(t, w.FirstExposure, g.FirstExposure, what+": first exposure in "+key)
		requireTime(t, w.LastExposure, g.LastExposure, what+": last exposure in "+key)
		require.Len(t, g.Metrics, len(w.Metrics), "%s: metrics of %q", what, key)
		for i := range metrics {
			m := &metrics[i]
			require.Equal(t, w.Metrics[m.Key].Immature, g.Metrics[m.Key].Immature, "%s: immature units, %q of %q", what, m.Key, key)
			require.Equal(t, w.Metrics[m.Key].OtherCurrency, g.Metrics[m.Key].OtherCurrency, "%s: purchases in another currency, %q of %q", what, m.Key, key)
			requireMoments(t, w.Metrics[m.Key].Moments, g.Metrics[m.Key].Moments, exact(m), "%s: %q of %q", what, m.Key, key)
		}
	}
}

// exact reports whether a metric's values are integers, which add up to the
// same bits in every order.
func exact(m *strata.Metric) bool {
	if m.Type == strata.MetricMean || m.Measure.Value == strata.ValueAmount {
		return false
	}
	return m.Denominator == nil || m.Denominator.Value != strata.ValueAmount
}

// requireMoments compares moments, to the bit or to nine digits.
func requireMoments(t require.TestingT, want, got []stats.Moments, exact bool, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	require.Len(t, got, len(want), "%s: Moments has one entry, or one for each step", what)
	for i := range want {
		if w, g := want[i], got[i]; w != g && (exact || !near(w, g)) {
			require.Fail(t, "other moments", "%s, entry %d:\nwant %s\ngot  %s", what, i, show(w), show(g))
		}
	}
}

// near reports whether moments agree to nine digits of their scale.
func near(a, b stats.Moments) bool {
	if a.N() != b.N() || a.K() != b.K() {
		return false
	}
	for i := range a.K() {
		scale := max(1, math.Abs(a.Mean(i)), math.Sqrt(a.Comoment(i, i)))
		if math.Abs(a.Mean(i)-b.Mean(i)) > 1e-9*scale {
			return false
		}
		for j := range i + 1 {
			other := max(1, math.Abs(a.Mean(j)), math.Sqrt(a.Comoment(j, j)))
			if math.Abs(a.Comoment(i, j)-b.Comoment(i, j)) > 1e-9*scale*other*float64(a.N()) {
				return false
			}
		}
	}
	return true
}

// show prints moments with all their digits.
func show(m stats.Moments) string {
	var out strings.Builder
	fmt.Fprintf(&out, "n=%d", m.N())
	for i := range m.K() {
		fmt.Fprintf(&out, " mean%d=%v", i, m.Mean(i))
		for j := range i + 1 {
			fmt.Fprintf(&out, " C%d%d=%v", i, j, m.Comoment(i, j))
		}
	}
	return out.String()
}

// requireUnits checks that a metric with one integer for each unit comes from
// units with these values.
func requireUnits(t require.TestingT, r strata.Results, treatment, metric string, values ...int64) {
	var units [][]*big.Rat
	for _, v := range values {
		units = append(units, []*big.Rat{big.NewRat(v, 1)})
	}
	requireMoments(t, []stats.Moments{oracle.Moments(units)}, r.Treatments[treatment].Metrics[metric].Moments, true, "metric %q of %q should come from units with the values %v", metric, treatment, values)
}

// requirePairs is requireUnits for a metric with a pre-period: the value, and
// that of the time before.
func requirePairs(t require.TestingT, r strata.Results, treatment, metric string, values ...[2]int64) {
	var units [][]*big.Rat
	for _, v := range values {
		units = append(units, []*big.Rat{big.NewRat(v[0], 1), big.NewRat(v[1], 1)})
	}
	requireMoments(t, []stats.Moments{oracle.Moments(units)}, r.Treatments[treatment].Metrics[metric].Moments, true, "metric %q of %q should come from units with the values and past values %v", metric, treatment, values)
}
