package stats

import (
	"encoding/json"
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// momentsOf adds rows one by one.
func momentsOf(t require.TestingT, rows [][]float64) Moments {
	var m Moments
	for _, row := range rows {
		require.NoError(t, m.Add(row...))
	}
	return m
}

// drawRows draws units of k variables; offset puts them far from zero, where
// cancellation shows.
func drawRows(t *rapid.T, k int) [][]float64 {
	offset := rapid.SampledFrom([]float64{0, 1e3, -1e9}).Draw(t, "offset")
	value := rapid.Custom(func(t *rapid.T) float64 { return offset + rapid.Float64Range(-100, 100).Draw(t, "value") })
	return rapid.SliceOfN(rapid.SliceOfN(value, k, k), 1, 40).Draw(t, "rows")
}

// exactMoment is the exact mean of variable i, and the exact co-moment of i
// and j, of the rows.
func exactMoment(rows [][]float64, i, j int) (mean, comoment *big.Rat) {
	n := new(big.Rat).SetInt64(int64(len(rows)))
	sumI, sumJ, sumIJ := new(big.Rat), new(big.Rat), new(big.Rat)
	for _, row := range rows {
		x, y := new(big.Rat).SetFloat64(row[i]), new(big.Rat).SetFloat64(row[j])
		sumI.Add(sumI, x)
		sumJ.Add(sumJ, y)
		sumIJ.Add(sumIJ, x.Mul(x, y))
	}
	product := new(big.Rat).Mul(sumI, sumJ)
	return new(big.Rat).Quo(sumI, n), sumIJ.Sub(sumIJ, product.Quo(product, n))
}

// requireExact compares m with exact arithmetic on its rows. The tolerance is
// relative to the largest value for means, and for co-moments to the spread
// plus what rounding each value once can move.
func requireExact(t require.TestingT, rows [][]float64, m Moments) {
	const eps = 1e-15
	n := float64(len(rows))
	largest := 0.0
	for _, row := range rows {
		for _, v := range row {
			largest = max(largest, math.Abs(v))
		}
	}
	spread := 0.0
	for i := range m.K() {
		spread = max(spread, m.Comoment(i, i))
	}
	for i := range m.K() {
		for j := range m.K() {
			mean, c := exactMoment(rows, i, j)
			wantMean, _ := mean.Float64()
			wantC, _ := c.Float64()
			require.InDelta(t, wantMean, m.Mean(i), eps*n*largest)
			bound := 8 * n * (eps*spread + eps*largest*math.Sqrt(spread) + eps*eps*largest*largest*n)
			require.InDelta(t, wantC, m.Comoment(i, j), bound)
		}
	}
}

func TestMomentsMergeIsAssociativeUpToRounding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.IntRange(1, 3).Draw(t, "variables")
		a, b, c := drawRows(t, k), drawRows(t, k), drawRows(t, k)
		all := append(append(append([][]float64{}, a...), b...), c...)

		left := momentsOf(t, a)
		require.NoError(t, left.Merge(momentsOf(t, b)))
		require.NoError(t, left.Merge(momentsOf(t, c)))

		tail := momentsOf(t, b)
		require.NoError(t, tail.Merge(momentsOf(t, c)))
		right := momentsOf(t, a)
		require.NoError(t, right.Merge(tail))

		for _, m := range []Moments{left, right, momentsOf(t, all)} {
			require.EqualValues(t, len(all), m.N())
			requireExact(t, all, m)
		}
	})
}

func TestMomentsKeepDigitsFarFromZero(t *testing.T) {
	var m Moments
	for i := range 1000 {
		require.NoError(t, m.Add(1e9+float64(i%7)))
	}
	var near Moments
	for i := range 1000 {
		require.NoError(t, near.Add(float64(i%7)))
	}
	require.InEpsilon(t, near.Variance(0), m.Variance(0), 1e-7, "the naive formula returns 0 or less")
}

func TestMomentsOfConstantsHaveNoVariance(t *testing.T) {
	var a, b Moments
	for range 1000 {
		require.NoError(t, a.Add(0.1))
	}
	for range 77 {
		require.NoError(t, b.Add(0.1))
	}
	require.NoError(t, a.Merge(b))
	require.Zero(t, a.Variance(0))
}

func TestMomentsZeroValueIsEmpty(t *testing.T) {
	var m Moments
	require.Zero(t, m.N())
	require.Zero(t, m.Mean(1))
	require.Zero(t, m.Variance(0))

	full := momentsOf(t, [][]float64{{1, 2}, {3, 5}})
	require.NoError(t, m.Merge(full))
	require.Equal(t, full, m)
	require.NoError(t, m.Merge(Moments{}))
	require.Equal(t, full, m)
	require.Equal(t, 1.0*3, m.Covariance(0, 1)) // (1−2)(2−3.5) + (3−2)(5−3.5), over n−1 = 1
}

func TestMomentsRefuseWhatTheyCannotHold(t *testing.T) {
	start := momentsOf(t, [][]float64{{1, 2}, {3, 5}})
	for name, c := range map[string]struct {
		values []float64
		want   error
	}{
		"too few":   {[]float64{1}, ErrVariables},
		"too many":  {[]float64{1, 2, 3}, ErrVariables},
		"none":      {nil, ErrVariables},
		"NaN":       {[]float64{1, math.NaN()}, ErrValue},
		"infinity":  {[]float64{math.Inf(-1), 1}, ErrValue},
		"overflows": {[]float64{1e200, 1}, ErrValue},
	} {
		m := start
		require.ErrorIs(t, m.Add(c.values...), c.want, name)
		require.Equal(t, start, m, "%s changed the sample", name)
	}
	var m Moments
	require.ErrorIs(t, m.Add(make([]float64, MaxVariables+1)...), ErrVariables)
	require.NoError(t, m.Add(make([]float64, MaxVariables)...))

	other := momentsOf(t, [][]float64{{1}})
	merged := start
	require.ErrorIs(t, merged.Merge(other), ErrVariables)
	require.Equal(t, start, merged)

	far := momentsOf(t, [][]float64{{1e200, 0}})
	require.ErrorIs(t, merged.Merge(far), ErrValue)
	require.Equal(t, start, merged)

	require.Panics(t, func() { start.Mean(2) })
	require.Panics(t, func() { start.Covariance(0, -1) })
}

func TestNewMomentsRefusesTheImpossible(t *testing.T) {
	for name, c := range map[string]struct {
		n         int64
		means     []float64
		comoments []float64
		want      error
	}{
		"negative n":            {-1, []float64{1}, []float64{1}, ErrImpossible},
		"no variables":          {3, nil, nil, ErrVariables},
		"too many variables":    {3, make([]float64, 7), make([]float64, 28), ErrVariables},
		"pairs do not fit":      {3, []float64{1, 2}, []float64{1, 0}, ErrVariables},
		"NaN":                   {3, []float64{math.NaN()}, []float64{1}, ErrValue},
		"infinite spread":       {3, []float64{1}, []float64{math.Inf(1)}, ErrValue},
		"negative square":       {3, []float64{1}, []float64{-1e-3}, ErrImpossible},
		"spread of one unit":    {1, []float64{1}, []float64{1}, ErrImpossible},
		"values without units":  {0, []float64{1}, []float64{0}, ErrImpossible},
		"beyond Cauchy-Schwarz": {9, []float64{1, 1}, []float64{4, 7, 9}, ErrImpossible},
	} {
		m, err := NewMoments(c.n, c.means, c.comoments)
		require.ErrorIs(t, err, c.want, name)
		require.Equal(t, Moments{}, m, name)
	}
	m, err := NewMoments(3, []float64{1}, []float64{-1e-13})
	require.NoError(t, err, "rounding may leave a tiny negative square")
	require.Zero(t, m.Variance(0))
}

func TestMomentsJSONRoundTripsToTheBit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := momentsOf(t, drawRows(t, rapid.IntRange(1, MaxVariables).Draw(t, "variables")))
		data, err := json.Marshal(m)
		require.NoError(t, err)
		var back Moments
		require.NoError(t, json.Unmarshal(data, &back))
		require.True(t, m == back, "%s", data)
	})
}

// Squares below 1e-308 lose digits, which must not make their covariance look
// impossible. Found by the round-trip test above.
func TestMomentsJSONReadsSubnormalSquares(t *testing.T) {
	m := momentsOf(t, [][]float64{{3.641767935156351e-158, 1}, {1.821106243453124e-158, 1.5}})
	data, err := json.Marshal(m)
	require.NoError(t, err)
	var back Moments
	require.NoError(t, json.Unmarshal(data, &back))
	require.Equal(t, m, back)
}

func TestMomentsJSONShape(t *testing.T) {
	data, err := json.Marshal(momentsOf(t, [][]float64{{1, 2}, {3, 5}}))
	require.NoError(t, err)
	require.JSONEq(t, `{"n":2,"mean":[2,3.5],"comoments":[2,3,4.5]}`, string(data))
	data, err = json.Marshal(Moments{})
	require.NoError(t, err)
	require.JSONEq(t, `{"n":0,"mean":[],"comoments":[]}`, string(data))
}

// requireSound checks what holds for every sample that the package lets in.
func requireSound(t *testing.T, m Moments) {
	t.Helper()
	require.GreaterOrEqual(t, m.N(), int64(0))
	require.True(t, m.finite())
	for i := range m.K() {
		require.GreaterOrEqual(t, m.Variance(i), 0.0)
	}
	g := GroupMean(m, 0)
	_, err := json.Marshal(Compare(g, g, Options{}))
	require.NoError(t, err)
}

func FuzzMomentsJSON(f *testing.F) {
	for _, seed := range []string{
		`{"n":2,"mean":[2,3.5],"comoments":[2,3,4.5]}`, `{"n":0,"mean":[],"comoments":[]}`,
		`{"n":-1,"mean":[2],"comoments":[2]}`, `{"n":2,"mean":[NaN],"comoments":[2]}`,
		`{"n":2,"mean":[1e999],"comoments":[2]}`, `{"n":2,"mean":[1],"comoments":[-2]}`,
		`{"n":9223372036854775807,"mean":[1e308],"comoments":[1e308]}`, `{}`, `null`, `[]`, `{"n":1.5}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m := Moments{n: 1, k: 1}
		before := m
		if err := json.Unmarshal(data, &m); err != nil {
			require.Equal(t, before, m, "a refused text changed the sample")
			return
		}
		requireSound(t, m)
		again, err := json.Marshal(m)
		require.NoError(t, err)
		var back Moments
		require.NoError(t, json.Unmarshal(again, &back))
		require.True(t, m == back, "%s became %s", data, again)
	})
}

func TestMomentsJSONRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                                       "n is missing",
		`{"n":-1,"mean":[1],"comoments":[1]}`:      "n is -1",
		`{"n":2,"mean":[1],"comoments":[-2]}`:      "sum of squares 0 is -2",
		`{"n":2,"mean":[1],"comoments":[2,3]}`:     "2 pairs for 1 variables",
		`{"n":2,"mean":[1,1],"comoments":[1,5,1]}`: "co-moment (1,0) is 5",
		`{"n":2,"mean":["1"],"comoments":[1]}`:     "stats: moments",
		`{"n":2,"mean":[1e999],"comoments":[1]}`:   "stats: moments",
	} {
		var m Moments
		require.ErrorContains(t, json.Unmarshal([]byte(text), &m), want, text)
	}
}

// The effective units of a share are the units that have it, and of anything
// else what resampling by hand says.
func TestEffectiveUnits(t *testing.T) {
	var share, revenue, same, none Moments
	for i := range 1000 {
		share = add(t, share, float64(max(0, min(1, 17-i))))
		revenue = add(t, revenue, map[int]float64{3: 100, 500: 50, 999: 1}[i])
		same = add(t, same, -4)
		none = add(t, none, 0)
	}
	require.InDelta(t, 17, share.EffectiveUnits(0), 1e-9)
	require.InDelta(t, 151.0*151/(100*100+50*50+1), revenue.EffectiveUnits(0), 1e-9)
	require.InDelta(t, 1000, same.EffectiveUnits(0), 1e-9)
	require.Zero(t, none.EffectiveUnits(0))
	require.Zero(t, Moments{}.EffectiveUnits(0))
}

func add(t *testing.T, m Moments, values ...float64) Moments {
	t.Helper()
	require.NoError(t, m.Add(values...))
	return m
}
