package strata_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/stats"
)

// capacityPlan has a layer with two experiments of a fifth each, the second
// with two treatments, and a tenth of another layer for an experiment that is
// nested one level for each of the shares.
func capacityPlan(t testing.TB, shares ...float64) *strata.Plan {
	t.Helper()
	b := strata.NewPlan()
	b.Metric(strata.Metric{Key: "buyers", Type: strata.MetricConversion, Measure: strata.Measure{Event: strata.KindPurchase}, MinimumEffect: 0.05})
	b.Metric(strata.Metric{Key: "errors", Type: strata.MetricCount, Measure: strata.Measure{Event: strata.KindCustom}, Guardrail: true, Margin: 0.1})
	ui := b.Layer("ui", strata.ByUser)
	ui.Experiment("one", 0.2).Treatment("a", 1, nil).Treatment("b", 1, nil).Metrics("buyers", "errors").Running()
	ui.Experiment("two", 0.2).Treatment("a", 2, nil).Treatment("b", 1, nil).Treatment("c", 1, nil).Metrics("buyers").Running()
	layer := b.Layer("deep", strata.ByUser)
	for i, share := range shares {
		layer = layer.Domain(fmt.Sprint("level", i), share).Layer(fmt.Sprint("deep", i), strata.ByUser)
	}
	layer.Experiment("nested", 1).Treatment("a", 1, nil).Treatment("b", 1, nil).Metrics("buyers").Running()
	plan, err := b.Build()
	require.NoError(t, err)
	return plan
}

func capacityOf(t testing.TB, plan *strata.Plan, f strata.Forecast) map[string]strata.ExperimentCapacity {
	t.Helper()
	if f.UnitsPerDay == nil {
		f.UnitsPerDay = map[strata.Diversion]float64{strata.ByUser: 10_000}
	}
	if f.Metrics == nil {
		f.Metrics = map[string]strata.Baseline{"buyers": {Mean: 0.1, Variance: 0.09}, "errors": {Mean: 2, Variance: 4}}
	}
	c, err := plan.Capacity(f)
	require.NoError(t, err)
	require.NotContains(t, c.String(), "NaN")
	out := map[string]strata.ExperimentCapacity{}
	for _, e := range c.Experiments {
		out[e.Experiment] = e
	}
	return out
}

// With one look it is the textbook's sample size.
func TestCapacityIsTheSampleSize(t *testing.T) {
	e := capacityOf(t, capacityPlan(t), strata.Forecast{Inference: strata.OneLook})["one"]
	require.InDelta(t, 0.2, e.Reach, 1e-9)
	require.InDelta(t, 2000, e.UnitsPerDay, 1e-6)
	require.Equal(t, 1, e.Comparisons)
	size, err := stats.SampleSizeMean(0.3, 0.1*0.05, 0, stats.PowerPlan{})
	require.NoError(t, err)
	require.Equal(t, int(math.Ceil(size.Control/1000)), e.Metrics[0].DaysNeeded)
	require.InDelta(t, 0.05*math.Sqrt(size.Control/28_000), e.Metrics[0].Detectable, 1e-9)

	guard := e.Metrics[1] // one side, at its margin
	size, err = stats.SampleSizeMean(2, 2*0.1, 0, stats.PowerPlan{OneSided: true})
	require.NoError(t, err)
	require.Equal(t, strata.RoleGuardrail, guard.Role)
	require.InDelta(t, 0.1, guard.Effect, 0)
	require.Equal(t, int(math.Ceil(size.Control/1000)), guard.DaysNeeded)
}

// The smallest treatment and the number of comparisons count, and so does the
// past.
func TestCapacityOfUnevenTreatments(t *testing.T) {
	e := capacityOf(t, capacityPlan(t), strata.Forecast{Inference: strata.OneLook,
		Metrics: map[string]strata.Baseline{"buyers": {Mean: 0.1, Variance: 0.09, Correlation: 0.6}}})["two"]
	require.Equal(t, 2, e.Comparisons)
	size, err := stats.SampleSizeMean(0.3, 0.1*0.05, 0.6, stats.PowerPlan{Ratio: 0.5, Comparisons: 2})
	require.NoError(t, err)
	require.Equal(t, int(math.Ceil(size.Control/1000)), e.Metrics[0].DaysNeeded, "half of 2,000 a day are the control's")
}

// Looking at any time costs units, and planning for the right number saves some.
func TestCapacityOfAlwaysValidIntervals(t *testing.T) {
	plan := capacityPlan(t)
	once := capacityOf(t, plan, strata.Forecast{Inference: strata.OneLook})["one"].Metrics[0]
	always := capacityOf(t, plan, strata.Forecast{})["one"].Metrics[0]
	require.Greater(t, float64(always.DaysNeeded), 1.5*float64(once.DaysNeeded))
	require.Less(t, float64(always.DaysNeeded), 3*float64(once.DaysNeeded))
	plan.Experiments[0].Analysis.PlannedUnits = int64(always.DaysNeeded) * 2000
	planned := capacityOf(t, plan, strata.Forecast{})["one"].Metrics[0]
	require.Less(t, planned.DaysNeeded, always.DaysNeeded)
}

// The levels to spare are those of real nesting: that deep the effect is still
// seen, and one level deeper it is not.
func TestCapacitySaysHowDeepNestingMayGo(t *testing.T) {
	seed.OneGoroutine(t)
	half := func(levels int) strata.MetricCapacity {
		shares := make([]float64, levels)
		for i := range shares {
			shares[i] = 0.5
		}
		e := capacityOf(t, capacityPlan(t, shares...), strata.Forecast{UnitsPerDay: map[strata.Diversion]float64{strata.ByUser: 80_000}})["nested"]
		require.InDelta(t, math.Pow(0.5, float64(levels)), e.Reach, 1e-9)
		require.Len(t, e.Path, levels)
		return e.Metrics[0]
	}
	spare := half(0).SpareLevels
	require.Positive(t, spare)
	require.Less(t, spare, 5)
	for levels := range spare + 2 {
		m := half(levels)
		require.Equal(t, max(spare-levels, -1), m.SpareLevels)
		require.Equal(t, levels <= spare, m.DaysNeeded > 0 && m.DaysNeeded <= 28, "%d levels: %d days", levels, m.DaysNeeded)
		require.Equal(t, levels <= spare, m.Detectable <= m.Effect)
	}
}

func TestCapacityOfAlternatives(t *testing.T) {
	all := capacityOf(t, capacityPlan(t, 0.5), strata.Forecast{Inference: strata.OneLook})
	alternatives := func(e string) map[strata.AlternativeKind]strata.Outlook {
		out := map[strata.AlternativeKind]strata.Outlook{}
		for _, a := range all[e].Metrics[0].Alternatives {
			out[a.Kind] = a.Outlook
		}
		return out
	}
	now, one := all["one"].Metrics[0].Detectable, alternatives("one")
	require.InDelta(t, now/math.Sqrt(5), one[strata.WholeLayer].Detectable, 1e-9, "five times the traffic")
	require.InDelta(t, now*math.Sqrt2, one[strata.HalfTheTraffic].Detectable, 1e-9)
	// 40 % of the traffic for one control and three treatments: 1,000 a day each, as now
	require.InDelta(t, now, one[strata.CommonControl].Detectable, 1e-9)
	require.Less(t, alternatives("two")[strata.CommonControl].Detectable, all["two"].Metrics[0].Detectable, "its treatments have 500 a day")
	require.NotContains(t, one, strata.OwnLayer, "it lies in the root domain")
	nested := alternatives("nested")
	require.InDelta(t, all["nested"].Metrics[0].Detectable/math.Sqrt2, nested[strata.OwnLayer].Detectable, 1e-9)
	require.NotContains(t, nested, strata.WholeLayer, "it has it")
	require.NotContains(t, nested, strata.CommonControl)

	shared := capacityOf(t, sharedControlPlan(), strata.Forecast{Metrics: map[string]strata.Baseline{}})
	require.NotEmpty(t, shared)
}

func TestCapacityWithoutTraffic(t *testing.T) {
	e := capacityOf(t, capacityPlan(t), strata.Forecast{UnitsPerDay: map[strata.Diversion]float64{strata.ByDevice: 5}})["one"]
	require.Zero(t, e.UnitsPerDay)
	require.Zero(t, e.Metrics[0].DaysNeeded)
	require.Equal(t, -1, e.Metrics[0].SpareLevels)
	e = capacityOf(t, capacityPlan(t), strata.Forecast{Match: map[string]float64{"one": 0.25}})["one"]
	require.InDelta(t, 0.05, e.Reach, 1e-9)
	var own strata.AlternativeKind
	for _, a := range e.Metrics[0].Alternatives {
		if a.Kind == strata.OwnLayer {
			own = a.Kind
		}
	}
	require.Empty(t, own, "an audience stays what it is in a layer of its own")
}

func TestCapacityNamesEveryBadField(t *testing.T) {
	_, err := capacityPlan(t).Capacity(strata.Forecast{
		UnitsPerDay: map[strata.Diversion]float64{"cookie": 1, strata.ByUser: -1}, Days: -1, Level: 2, Power: math.NaN(), Inference: "bayes",
		Match:   map[string]float64{"nobody": 1, "one": 2},
		Metrics: map[string]strata.Baseline{"none": {}, "buyers": {Mean: 0, Variance: 1}, "errors": {Mean: 1, Variance: 1, Correlation: 1}},
	})
	require.ErrorIs(t, err, strata.ErrConfig)
	for _, field := range []string{"cookie", "UnitsPerDay[\"user\"]", "Days", "Level", "Power", "Inference", "nobody", "Match[\"one\"]", "none", "buyers\"].Mean", "Correlation"} {
		require.ErrorContains(t, err, field)
	}
	broken := capacityPlan(t)
	broken.Layers[0].Key = ""
	_, err = broken.Capacity(strata.Forecast{})
	require.ErrorIs(t, err, strata.ErrInvalidPlan)
}

func ExamplePlan_Capacity() {
	b := strata.NewPlan()
	b.Metric(strata.Metric{Key: "buyers", Type: strata.MetricConversion, Measure: strata.Measure{Event: strata.KindPurchase}, MinimumEffect: 0.05})
	b.Layer("checkout", strata.ByUser).Experiment("one-page", 0.5).
		Treatment("off", 1, nil).Treatment("on", 1, nil).Metrics("buyers").Running()
	plan, err := b.Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	capacity, err := plan.Capacity(strata.Forecast{
		UnitsPerDay: map[strata.Diversion]float64{strata.ByUser: 20_000},
		Metrics:     map[string]strata.Baseline{"buyers": {Mean: 0.04, Variance: 0.04 * 0.96}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(capacity)
	// Output:
	// What each experiment can show within 28 days, looked at as often as one likes
	//
	// one-page: 50 % of all units, 10,000 a day
	//   metric  where             effect  days for it  detectable  levels to spare
	//   buyers  as planned           5 %           77         8 %             none
	//           whole layer                        39      5.79 %
	//           half the traffic                  153      11.1 %
}

func BenchmarkCapacity(b *testing.B) {
	plan := capacityPlan(b, 0.5, 0.5)
	forecast := strata.Forecast{UnitsPerDay: map[strata.Diversion]float64{strata.ByUser: 10_000},
		Metrics: map[string]strata.Baseline{"buyers": {Mean: 0.1, Variance: 0.09}, "errors": {Mean: 2, Variance: 4}}}
	b.ReportAllocs()
	for b.Loop() { // four metrics of experiments
		if _, err := plan.Capacity(forecast); err != nil {
			b.Fatal(err)
		}
	}
}
