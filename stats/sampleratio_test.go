package stats

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSampleRatioReportsLeakedUnits(t *testing.T) {
	clean := SampleRatio([]int64{5200, 4800, 0}, []float64{1, 1, 0})
	leaky := SampleRatio([]int64{5200, 4800, 7}, []float64{1, 1, 0})
	require.Zero(t, clean.Leaked)
	require.EqualValues(t, 7, leaky.Leaked)
	require.Equal(t, clean.Test, leaky.Test, "leaked units take no part in the test")
	require.Equal(t, []float64{5000, 5000, 0}, leaky.Expected)
	require.Equal(t, 1.0, leaky.DF)
}

func TestSampleRatioReasons(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for name, c := range map[string]struct {
		observed []int64
		weights  []float64
		reason   string
	}{
		"nothing":         {nil, nil, "fewer than two arms"},
		"one arm":         {[]int64{10, 0}, []float64{1, 0}, "fewer than two arms"},
		"lengths":         {[]int64{10}, []float64{1, 1}, "1 counts for 2 weights"},
		"negative count":  {[]int64{10, -1}, []float64{1, 1}, "negative"},
		"negative weight": {[]int64{10, 10}, []float64{1, -1}, "weight -1 of arm 1"},
		"NaN weight":      {[]int64{10, 10}, []float64{nan, 1}, "weight NaN of arm 0"},
		"infinite weight": {[]int64{10, 10}, []float64{inf, 1}, "weight +Inf"},
		"huge weights":    {[]int64{10, 10}, []float64{1e308, 1e308}, "range of float64"},
		"no units":        {[]int64{0, 0}, []float64{1, 1}, "at least 1"},
		"few units":       {[]int64{4, 4}, []float64{1, 1}, "below 5"},
	} {
		got := SampleRatio(c.observed, c.weights)
		require.Contains(t, got.Reason, c.reason, name)
		require.Equal(t, 1.0, got.PValue, name)
		data, err := json.Marshal(got)
		require.NoError(t, err, name)
		require.NotContains(t, string(data), `"p_value":1`, name)
	}
	// Cochran's rule lets a fifth of the cells be small.
	got := SampleRatio([]int64{30, 30, 30, 30, 4}, []float64{30, 30, 30, 30, 4})
	require.Empty(t, got.Reason)
}

func TestSampleRatioJSON(t *testing.T) {
	got := SampleRatio([]int64{60, 40, 3}, []float64{1, 1, 0})
	data, err := json.Marshal(got)
	require.NoError(t, err)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(data, &fields))
	require.Equal(t, 4.0, fields["statistic"])
	require.Equal(t, 3.0, fields["leaked"])
	var back SampleRatioResult
	require.NoError(t, json.Unmarshal(data, &back))
	require.Equal(t, got, back)
}

// Scaling the weights and swapping the arms must not matter.
func TestSampleRatioSymmetry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64Range(50, 1e6).Draw(t, "a"), rapid.Int64Range(50, 1e6).Draw(t, "b")
		w := rapid.Float64Range(0.1, 10).Draw(t, "weight")
		x := SampleRatio([]int64{a, b}, []float64{w, 1})
		y := SampleRatio([]int64{b, 0, a}, []float64{100, 0, 100 * w})
		require.Equal(t, x.DF, y.DF)
		require.InDelta(t, x.Statistic, y.Statistic, 1e-9*(1+x.Statistic))
		require.Less(t, 0.0, x.PValue)
	})
}

// Transposing a table and adding empty rows or columns changes nothing.
func TestChiSquareTableSymmetry(t *testing.T) {
	table := [][]int64{{77, 85, 79}, {92, 71, 76}}
	want := ChiSquareTable(table)
	require.Empty(t, want.Reason)
	transposed := ChiSquareTable([][]int64{{77, 92}, {85, 71}, {79, 76}})
	padded := ChiSquareTable([][]int64{{77, 0, 85, 79}, {0, 0, 0, 0}, {92, 0, 71, 76}})
	for _, got := range []Test{transposed, padded} {
		require.Equal(t, want.DF, got.DF)
		require.InEpsilon(t, want.Statistic, got.Statistic, 1e-12)
		require.InEpsilon(t, want.PValue, got.PValue, 1e-12)
	}
	independent := ChiSquareTable([][]int64{{10, 20}, {30, 60}})
	require.Zero(t, independent.Statistic)
	require.Equal(t, 1.0, independent.PValue)
	require.Empty(t, independent.Reason)
}

func TestChiSquareTableReasons(t *testing.T) {
	for reason, table := range map[string][][]int64{
		"0 rows":              nil,
		"1 rows and 2":        {{30, 40}},
		"2 rows and 1":        {{30, 0}, {40, 0}},
		"row 1 has 1 columns": {{30, 40}, {30}},
		"negative":            {{30, 40}, {30, -4}},
		"below 5":             {{3, 4}, {3, 4}},
		"at least 1":          {{1, 400}, {0, 400}},
	} {
		got := ChiSquareTable(table)
		require.Contains(t, got.Reason, reason)
		require.Equal(t, 1.0, got.PValue)
	}
}
