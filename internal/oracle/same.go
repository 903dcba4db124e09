package oracle

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/stats"
)

// Same returns nil where results agree with those that are wanted, and otherwise
// an error that names the first difference.
func Same(metrics []strata.Metric, want, got strata.Results) (err error) {
	defer func() {
		if r := recover(); r != nil {
			c, ok := r.(*complaint)
			if !ok {
				panic(r)
			}
			err = errors.New(c.text)
		}
	}()
	RequireResults(new(complaint), metrics, want, got, "results")
	return nil
}

// complaint is a test of which the first complaint ends it.
type complaint struct{ text string }

func (c *complaint) Errorf(format string, args ...any) { c.text = fmt.Sprintf(format, args...) }
func (c *complaint) FailNow()                          { panic(c) }

// RequireResults compares what a store returned with what it should.
func RequireResults(t require.TestingT, metrics []strata.Metric, want, got strata.Results, what string) {
	require.Equal(t, want.Contradictions, got.Contradictions, "%s: contradictions", what)
	require.Equal(t, want.RepeatedOrders, got.RepeatedOrders, "%s: repeated orders", what)
	RequireTime(t, want.Latest, got.Latest, what+": latest event")
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
		RequireTime(t, w.FirstExposure, g.FirstExposure, what+": first exposure in "+key)
		RequireTime(t, w.LastExposure, g.LastExposure, what+": last exposure in "+key)
		require.Len(t, g.Metrics, len(w.Metrics), "%s: metrics of %q", what, key)
		for i := range metrics {
			m := &metrics[i]
			require.Equal(t, w.Metrics[m.Key].Immature, g.Metrics[m.Key].Immature, "%s: immature units, %q of %q", what, m.Key, key)
			require.Equal(t, w.Metrics[m.Key].OtherCurrency, g.Metrics[m.Key].OtherCurrency, "%s: purchases in another currency, %q of %q", what, m.Key, key)
			RequireMoments(t, w.Metrics[m.Key].Moments, g.Metrics[m.Key].Moments, exact(m), "%s: %q of %q", what, m.Key, key)
		}
	}
}

// stamp shows an instant in UTC, in microseconds.
func stamp(t time.Time) string { return t.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano) }

// exact reports whether a metric's values are integers, which add up to the
// same bits in every order.
func exact(m *strata.Metric) bool {
	if m.Type == strata.MetricMean || m.Measure.Value == strata.ValueAmount {
		return false
	}
	return m.Denominator == nil || m.Denominator.Value != strata.ValueAmount
}

// RequireMoments compares moments, to the bit or to nine digits.
func RequireMoments(t require.TestingT, want, got []stats.Moments, exact bool, format string, args ...any) {
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

// RequireTime compares instants at the precision that stores keep.
func RequireTime(t require.TestingT, want, got time.Time, what string) {
	require.Equal(t, stamp(want), stamp(got), what)
}
