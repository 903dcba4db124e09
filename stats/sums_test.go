package stats

import (
	"encoding/json"
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func sumsOf(t require.TestingT, rows [][]int64) Sums {
	var s Sums
	for _, row := range rows {
		require.NoError(t, s.Add(row...))
	}
	return s
}

// drawUnits draws units of k values that include the extremes of int64.
func drawUnits(t *rapid.T, k int) [][]int64 {
	value := rapid.OneOf(
		rapid.Int64Range(-1000, 1000),
		rapid.Int64(),
		rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, 0, -1}),
	)
	return rapid.SliceOfN(rapid.SliceOfN(value, k, k), 1, 40).Draw(t, "units")
}

// Splitting, reordering, adding and removing the same units must not change
// a bit, neither of the sums nor of the moments.
func TestSumsDoNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.IntRange(1, 3).Draw(t, "variables")
		units := drawUnits(t, k)
		want := sumsOf(t, units)

		shuffled := rapid.Permutation(units).Draw(t, "order")
		cut := rapid.IntRange(0, len(units)).Draw(t, "cut")
		head, tail := sumsOf(t, shuffled[:cut]), sumsOf(t, shuffled[cut:])
		extra := drawUnits(t, k)
		for _, unit := range extra {
			require.NoError(t, tail.Add(unit...))
		}
		require.NoError(t, tail.Merge(head))
		for _, unit := range extra {
			require.NoError(t, tail.Remove(unit...))
		}
		require.True(t, want == tail)
		require.True(t, want.Moments() == tail.Moments())
	})
}

// The independent implementation: big.Int sums and big.Rat moments.
func TestSumsAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		units := drawUnits(t, 2)
		s := sumsOf(t, units)
		m := s.Moments()
		n := big.NewRat(int64(len(units)), 1)
		for i := range 2 {
			for j := range 2 {
				sumI, sumJ, products := new(big.Int), new(big.Int), new(big.Int)
				for _, u := range units {
					x, y := big.NewInt(u[i]), big.NewInt(u[j])
					sumI.Add(sumI, x)
					sumJ.Add(sumJ, y)
					products.Add(products, x.Mul(x, y))
				}
				require.Zero(t, sumI.Cmp(s.Sum(i)))
				require.Zero(t, products.Cmp(s.Product(i, j)))

				mean := new(big.Rat).SetInt(sumI)
				wantMean, _ := mean.Quo(mean, n).Float64()
				cross := new(big.Rat).SetInt(sumI.Mul(sumI, sumJ))
				c := new(big.Rat).SetInt(products)
				wantC, _ := c.Sub(c, cross.Quo(cross, n)).Float64()
				require.Equal(t, wantMean, m.Mean(i))
				require.Equal(t, wantC, m.Comoment(i, j))
			}
		}
	})
}

func TestSumsAgreeWithMoments(t *testing.T) {
	var s Sums
	var m Moments
	for i := range int64(500) {
		x, y := i*i%97, i%13
		require.NoError(t, s.Add(x, y))
		require.NoError(t, m.Add(float64(x), float64(y)))
	}
	require.InEpsilon(t, m.Covariance(0, 1), s.Moments().Covariance(0, 1), 1e-12)
	require.InEpsilon(t, m.Variance(0), s.Moments().Variance(0), 1e-12)
	require.InEpsilon(t, m.Mean(1), s.Moments().Mean(1), 1e-12)
}

// Extreme merges stay exact: doubling a sample 60 times reaches sums near
// 2^187, far beyond 128 bits.
func TestSumsDoNotOverflow(t *testing.T) {
	var s Sums
	require.NoError(t, s.Add(math.MinInt64, math.MaxInt64))
	for range 60 {
		require.NoError(t, s.Merge(s))
	}
	units := new(big.Int).Lsh(big.NewInt(1), 60)
	low, high := big.NewInt(math.MinInt64), big.NewInt(math.MaxInt64)
	require.Zero(t, s.Product(0, 0).Cmp(new(big.Int).Mul(units, new(big.Int).Mul(low, low))))
	require.Zero(t, s.Product(1, 0).Cmp(new(big.Int).Mul(units, new(big.Int).Mul(low, high))))
	require.Zero(t, s.Sum(0).Cmp(new(big.Int).Mul(units, low)))
	require.Zero(t, s.Moments().Variance(0))
	require.Equal(t, float64(math.MinInt64), s.Moments().Mean(0))

	require.NoError(t, s.Merge(s))
	require.NoError(t, s.Merge(s))
	require.EqualValues(t, 1<<62, s.N())
	before := s
	require.ErrorIs(t, s.Merge(s), ErrValue, "2^63 units")
	require.Equal(t, before, s)
}

func TestSumsRemove(t *testing.T) {
	var s Sums
	require.ErrorIs(t, s.Remove(1), ErrImpossible)
	require.NoError(t, s.Add(3, 4))
	before := s
	require.ErrorIs(t, s.Remove(3), ErrVariables)
	require.ErrorIs(t, s.Remove(3, 5), ErrImpossible, "the last unit had other values")
	require.Equal(t, before, s)
	require.NoError(t, s.Remove(3, 4))
	require.Equal(t, Sums{}, s)
	require.NoError(t, s.Add(1, 2, 3), "an emptied sample takes any number of variables")
	require.ErrorIs(t, s.Add(1), ErrVariables)
	require.ErrorIs(t, s.Merge(before), ErrVariables)

	// A removal that no sample allows cannot be seen in Remove, but does not
	// turn into a number either.
	wrong := sumsOf(t, [][]int64{{1}, {1}, {1}})
	require.NoError(t, wrong.Remove(9))
	g := GroupMean(wrong.Moments(), 0)
	require.Contains(t, g.Reason, "negative")
	require.Zero(t, g.SE())
}

func TestSumsJSON(t *testing.T) {
	s := sumsOf(t, [][]int64{{math.MaxInt64, -2}, {math.MaxInt64, 7}})
	data, err := json.Marshal(s)
	require.NoError(t, err)
	require.JSONEq(t, `{"n":2,"sums":["18446744073709551614","5"],
		"products":["170141183460469231694793815568465002498","46116860184273879035","53"]}`, string(data))
	var back Sums
	require.NoError(t, json.Unmarshal(data, &back))
	require.Equal(t, s, back)
}

func TestSumsJSONRoundTripsExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := sumsOf(t, drawUnits(t, rapid.IntRange(1, MaxVariables).Draw(t, "variables")))
		data, err := json.Marshal(s)
		require.NoError(t, err)
		var back Sums
		require.NoError(t, json.Unmarshal(data, &back))
		require.True(t, s == back, "%s", data)
	})
}

func TestSumsRefuse(t *testing.T) {
	for text, want := range map[string]error{
		`{"n":-1,"sums":["1"],"products":["1"]}`:                                                       ErrImpossible,
		`{"n":2,"sums":["1"],"products":["-1"]}`:                                                       ErrImpossible,
		`{"n":2,"sums":["4"],"products":["7"]}`:                                                        ErrImpossible, // variance below 0
		`{"n":1,"sums":["3"],"products":["10"]}`:                                                       ErrImpossible, // 3² is 9
		`{"n":0,"sums":["3"],"products":["9"]}`:                                                        ErrImpossible,
		`{"n":2,"sums":["0","0"],"products":["2","3","2"]}`:                                            ErrImpossible, // Cauchy–Schwarz
		`{"n":2,"sums":["1e3"],"products":["1000000"]}`:                                                ErrValue,
		`{"n":2,"sums":["1.5"],"products":["2"]}`:                                                      ErrValue,
		`{"n":2,"sums":["NaN"],"products":["2"]}`:                                                      ErrValue,
		`{"n":2,"sums":["0x1"],"products":["2"]}`:                                                      ErrValue,
		`{"n":2,"sums":[""],"products":["2"]}`:                                                         ErrValue,
		`{"n":2,"sums":["1"],"products":["1","2"]}`:                                                    ErrVariables,
		`{"n":2,"sums":[],"products":[]}`:                                                              ErrVariables,
		`{"sums":["1"],"products":["1"]}`:                                                              ErrValue,
		`{"n":2,"sums":["99999999999999999999"],"products":["9e40"]}`:                                  ErrValue,
		`{"n":1,"sums":["9223372036854775809"],"products":["85070591730234615884290395931651604481"]}`: ErrImpossible,
	} {
		s := Sums{n: 1, k: 1}
		require.ErrorIs(t, json.Unmarshal([]byte(text), &s), want, text)
		require.Equal(t, Sums{n: 1, k: 1}, s, text)
	}
}

func FuzzSumsJSON(f *testing.F) {
	for _, seed := range []string{
		`{"n":2,"sums":["3","1"],"products":["5","2","1"]}`, `{"n":0,"sums":[],"products":[]}`,
		`{"n":-2,"sums":["3"],"products":["5"]}`, `{"n":2,"sums":["-"],"products":["."]}`,
		`{"n":2,"sums":["3.0"],"products":["5.00"]}`, `{"n":2,"sums":["NaN"],"products":["1e9"]}`, `null`, `{}`,
		`{"n":9223372036854775807,"sums":["85070591730234615856620279821087277056"],"products":["784637716923335095224261902710254454442933591094742482943"]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := Sums{n: 1, k: 1}
		before := s
		if err := json.Unmarshal(data, &s); err != nil {
			require.Equal(t, before, s, "a refused text changed the sample")
			return
		}
		requireSound(t, s.Moments())
		again, err := json.Marshal(s)
		require.NoError(t, err)
		var back Sums
		require.NoError(t, json.Unmarshal(again, &back))
		require.True(t, s == back, "%s became %s", data, again)
	})
}

func TestMomentsFromDecimals(t *testing.T) {
	// 0.10, −0.25 and 3.45: sum 3.30, squares 11.975, mean 1.10.
	m, err := MomentsFromDecimals(3, []string{"3.30"}, []string{"11.975"})
	require.NoError(t, err)
	require.Equal(t, 1.1, m.Mean(0))
	require.Equal(t, 8.345/2, m.Variance(0))

	m, err = MomentsFromDecimals(2, []string{"-0.5"}, []string{"0.125"}) // twice −0.25
	require.NoError(t, err)
	require.Equal(t, -0.25, m.Mean(0))
	require.Zero(t, m.Variance(0))

	for _, text := range []string{"1e3", "+1", "1.", ".5", "1/3", "Inf", "", "-", "1_000", " 1", string(make([]byte, 300))} {
		_, err := MomentsFromDecimals(3, []string{text}, []string{"1"})
		require.ErrorIs(t, err, ErrValue, "%q", text)
	}
	_, err = MomentsFromDecimals(3, []string{"3"}, []string{"2.99"})
	require.ErrorIs(t, err, ErrImpossible)
	m, err = MomentsFromDecimals(0, []string{"0"}, []string{"0"})
	require.NoError(t, err)
	require.Equal(t, Moments{}, m)
}

func TestInt192(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		edge := rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, 0, 1, -1}))
		x, y, z := edge.Draw(t, "x"), edge.Draw(t, "y"), edge.Draw(t, "z")
		want := new(big.Int).Mul(big.NewInt(x), big.NewInt(y))
		want.Sub(want, big.NewInt(z))
		got := product(x, y).sub(int192From(z))
		require.Zero(t, want.Cmp(got.big()), "%d·%d − %d: got %s", x, y, z, got.big())
		require.Equal(t, got, int192FromBig(want))
	})
}
