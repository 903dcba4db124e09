package rollup_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/rollup"
	"github.com/strataxp/strata/internal/seed"
)

func drawUnit(t *rapid.T) rollup.Unit {
	var u rollup.Unit
	for _, p := range rapid.SliceOfN(rapid.Custom(drawPortion), 0, 4).Draw(t, "portions") {
		take(&u, p)
	}
	return u
}

// same compares units; floats by their bits, and no facts are no facts.
func same(t require.TestingT, want, got *rollup.Unit) {
	require.Equal(t, want.Repeats, got.Repeats)
	require.Len(t, got.Exposures, len(want.Exposures))
	for i := range want.Exposures {
		require.Equal(t, want.Exposures[i], got.Exposures[i])
	}
	require.Len(t, got.Facts, len(want.Facts))
	for i := range want.Facts {
		w, g := want.Facts[i], got.Facts[i]
		require.Equal(t, math.Float64bits(w.Value), math.Float64bits(g.Value))
		w.Value, g.Value = 0, 0
		require.Equal(t, w, g)
	}
}

func TestUnitSurvivesItsStoredForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := drawUnit(t)
		for range rapid.IntRange(0, 3).Draw(t, "odd facts") { // any numbers, not only likely ones
			f := drawFact(t)
			f.At, f.Value = rapid.Int64().Draw(t, "any time"), rapid.SampledFrom([]float64{math.Copysign(0, -1), math.NaN(), math.Inf(1), 1 << 40, 1<<40 - 1, -1 << 40, math.MaxFloat64, 5e-324}).Draw(t, "any value")
			if f.Kind == strata.KindPurchase {
				f.Total, f.Discount, f.Items, f.Value = rapid.Int64().Draw(t, "any total"), rapid.Int64().Draw(t, "any discount"), rapid.Int64().Draw(t, "any items"), 0
			}
			u.Facts = append(u.Facts, f)
		}
		var back rollup.Unit
		room := rapid.IntRange(0, 5).Draw(t, "room")
		require.NoError(t, back.Decode(u.Append([]byte("before"))[len("before"):], room))
		same(t, &u, &back)
		require.GreaterOrEqual(t, cap(back.Facts), len(u.Facts)+room)
	})
}

func TestNoBytesAreTheZeroUnit(t *testing.T) {
	u := rollup.Unit{Repeats: 3}
	require.NoError(t, u.Decode(nil, 4))
	same(t, &rollup.Unit{}, &u)
}

// A unit that was cut off, or has bytes too many, is never taken for another one.
func TestCutUnitsAreCorrupt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := drawUnit(t)
		data := u.Append(nil)
		cut := rapid.IntRange(1, len(data)-1).Draw(t, "cut")
		var back rollup.Unit
		require.ErrorIs(t, back.Decode(data[:cut], 0), rollup.ErrCorrupt)
		require.ErrorIs(t, back.Decode(append(data, 0), 0), rollup.ErrCorrupt)
		data[0]++
		require.ErrorIs(t, back.Decode(data, 0), rollup.ErrCorrupt)
	})
}

func FuzzDecode(f *testing.F) {
	var u rollup.Unit
	take(&u, portion{facts: clicks(rand.New(rand.NewPCG(1, 2)), 5), exposures: []rollup.Exposure{{Subject: 1, Treatment: 2, At: 3, Contradiction: true}}, repeats: 1})
	f.Add(u.Append(nil))
	f.Add([]byte{1, 0, 0, 0, 0, 1, 0x7b, 2, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		var u, again rollup.Unit
		if err := u.Decode(data, 1); err != nil {
			require.ErrorIs(t, err, rollup.ErrCorrupt)
			return
		}
		// What could be read can be written, and is the same.
		require.NoError(t, again.Decode(u.Append(nil), 0))
		same(t, &u, &again)
	})
}

// clicks is what a visitor of a shop does: pages and clicks seconds apart, some
// visits over a month, a purchase now and then.
func clicks(r *rand.Rand, n int) []strata.Fact {
	pages := []string{"/", "/search", "/product", "/cart", "/checkout", "/account"}
	at, facts := worldStart, []strata.Fact(nil)
	for i := range n {
		at = at.Add(time.Duration(1+r.ExpFloat64()*40e6) * time.Microsecond)
		if i%12 == 11 {
			at = at.Add(time.Duration(r.ExpFloat64() * float64(72*time.Hour))) // another visit
		}
		switch {
		case i%40 == 39:
			facts = append(facts, strata.NewFact(strata.Purchase{Time: at, Total: 2_000 + r.Int64N(8_000), Currency: "EUR", Items: []strata.Item{{SKU: "a", Quantity: 2}}}))
		case i%3 == 2:
			facts = append(facts, strata.NewFact(strata.Click{Time: at, Target: "add"}))
		default:
			facts = append(facts, strata.NewFact(strata.PageView{Time: at, Page: pages[r.IntN(len(pages))]}))
		}
	}
	return facts
}

// The comment of the stored form says how large it is.
func TestSizeOfTheStoredForm(t *testing.T) {
	r := rand.New(rand.NewPCG(seed.Of(t), 1))
	const n = 2_000
	u := rollup.Unit{Facts: clicks(r, n)}
	size := float64(len(u.Append(nil))) / n
	t.Logf("%.2f bytes a fact", size)
	require.InDelta(t, 6.25, size, 0.25)
}

func BenchmarkDecode(b *testing.B) {
	u := rollup.Unit{Facts: clicks(rand.New(rand.NewPCG(1, 2)), 100)}
	data := u.Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		if err := u.Decode(data, 10); err != nil {
			b.Fatal(err)
		}
	}
}
