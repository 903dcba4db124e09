package stats

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func drawCells(t *rapid.T, rows, columns int) [][]Group {
	cells := make([][]Group, rows)
	for i := range cells {
		for range columns {
			cells[i] = append(cells[i], Group{
				N:        rapid.Int64Range(2, 5000).Draw(t, "n"),
				Mean:     rapid.Float64Range(1, 4).Draw(t, "mean"),
				Variance: rapid.Float64Range(0.1, 9).Draw(t, "variance"),
			})
		}
	}
	return cells
}

func TestTwoByTwoInteractionsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cells := drawCells(t, 2, 2)
		square := [2][2]Group{{cells[0][0], cells[0][1]}, {cells[1][0], cells[1][1]}}
		z := Interaction(square).Compare(Options{Reference: Normal})
		wald := InteractionWald(cells)
		require.InDelta(t, z.Test.Statistic*z.Test.Statistic, wald.Statistic, 1e-9*(1+wald.Statistic))
		require.InDelta(t, z.Test.PValue, wald.PValue, 1e-9)
		require.Equal(t, 1.0, wald.DF)

		// the classical F of a 2×2 table is the squared contrast over its
		// error with a common variance
		var within, df, inverse float64
		for _, row := range cells {
			for _, g := range row {
				within += float64(g.N-1) * g.Variance
				df += float64(g.N - 1)
				inverse += 1 / float64(g.N)
			}
		}
		f := InteractionANOVA(cells)
		want := z.Difference.Value * z.Difference.Value / (within / df * inverse)
		require.InDelta(t, want, f.Test.Statistic, 1e-7*(1+want))
		require.Equal(t, []float64{1, df}, []float64{f.DF1, f.Test.DF})
	})
}

// Tables without an interaction have none, whatever the sizes of their cells.
func TestAdditiveTablesHaveNoInteraction(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cells := drawCells(t, rapid.IntRange(2, 4).Draw(t, "rows"), rapid.IntRange(2, 4).Draw(t, "columns"))
		for i, row := range cells {
			for j := range row {
				row[j].Mean = 1000 + 3*float64(i*i) - float64(j)
			}
		}
		require.InDelta(t, 0, InteractionWald(cells).Statistic, 1e-6)
		require.InDelta(t, 0, InteractionANOVA(cells).Test.Statistic, 1e-6)
		for _, w := range []LevelWeights{EqualWeights, PopulationWeights} {
			a := MainEffect(cells, false, 0, 1, w)
			require.InDelta(t, 3, a.Treatment-a.Control, 1e-9)
			b := MainEffect(cells, true, 0, 1, w)
			require.InDelta(t, -1, b.Treatment-b.Control, 1e-9)
		}
	})
}

func TestMultiplicativeTablesHaveARatioOfOne(t *testing.T) {
	cells := [2][2]Group{
		{{N: 100, Mean: 2, Variance: 1}, {N: 100, Mean: 3, Variance: 1}},
		{{N: 100, Mean: 4, Variance: 1}, {N: 100, Mean: 6, Variance: 1}},
	}
	e, test := InteractionRatio(cells, Options{})
	require.InDelta(t, 1, e.Value, 1e-12)
	require.InDelta(t, 1, test.PValue, 1e-9)
	require.True(t, e.Contains(1))
	require.Positive(t, Interaction(cells).Treatment-Interaction(cells).Control, "they do not add up")
}

func TestInteractionsRefuse(t *testing.T) {
	fine := Group{N: 10, Mean: 2, Variance: 1}
	require.Contains(t, InteractionWald(nil).Reason, "no cells")
	require.Contains(t, InteractionWald([][]Group{{fine, fine}}).Reason, "2 by 2")
	require.Contains(t, InteractionWald([][]Group{{fine, fine}, {fine}}).Reason, "row 1 has 1")
	require.Contains(t, InteractionWald([][]Group{{fine, fine}, {fine, {}}}).Reason, "cell 1,1: no units")
	still := Group{N: 10, Mean: 2}
	require.Contains(t, InteractionWald([][]Group{{still, still}, {still, still}}).Reason, "vary")
	require.Contains(t, InteractionANOVA([][]Group{{still, still}, {still, still}}).Test.Reason, "varies")
	require.NotEmpty(t, InteractionANOVA(nil).Test.Reason)
	require.True(t, Interaction([2][2]Group{{fine, fine}, {fine, {}}}).NoMeans)
	one := Group{N: 1, Mean: 4}
	j := Interaction([2][2]Group{{fine, fine}, {fine, one}})
	require.Contains(t, j.Reason, "1 unit")
	require.Equal(t, 2.0, j.Treatment)
	_, test := InteractionRatio([2][2]Group{{fine, fine}, {fine, {N: 9, Variance: 1}}}, Options{})
	require.Contains(t, test.Reason, "same sign")
	_, test = InteractionRatio([2][2]Group{{still, still}, {still, still}}, Options{})
	require.Contains(t, test.Reason, "no cell varies")
	_, test = InteractionRatio([2][2]Group{{fine, fine}, {fine, fine}}, Options{Level: 7})
	require.Contains(t, test.Reason, "level 7")

	cells := [][]Group{{fine, fine}, {fine, one}}
	require.Contains(t, MainEffect(cells, false, 0, 1, EqualWeights).Reason, "1 unit")
	require.Contains(t, MainEffect(cells, false, 0, 2, EqualWeights).Reason, "levels 0 and 2")
	require.Contains(t, MainEffect(cells, true, 1, 1, EqualWeights).Reason, "levels 1 and 1")
	require.Contains(t, MainEffect(nil, true, 0, 1, EqualWeights).Reason, "no cells")
	require.Contains(t, MainEffect(cells, true, 0, 1, 7).Reason, "weights 7")
	require.Contains(t, MainEffect([][]Group{{{}, {}}, {{}, {}}}, true, 0, 1, PopulationWeights).Reason, "no units")
}

func TestInteractionsCorrectForTheNumberOfPairs(t *testing.T) {
	cells := func(gap float64) [][]Group {
		g := func(mean float64) Group { return Group{N: 1000, Mean: mean, Variance: 1} }
		return [][]Group{{g(1), g(2)}, {g(3), g(4 + gap)}}
	}
	// p is about 0.004: enough alone, not among four
	pairs := []ExperimentPair{{"a", "b", cells(0.182)}}
	require.True(t, Interactions(pairs)[0].Interacts)
	pairs = append(pairs, ExperimentPair{"a", "c", cells(0)}, ExperimentPair{"b", "c", cells(1)}, ExperimentPair{"a", "d", cells(0.01)}, ExperimentPair{"a", "e", nil})
	found := Interactions(pairs)
	require.Equal(t, []bool{false, false, true, false, false}, []bool{
		found[0].Interacts, found[1].Interacts, found[2].Interacts, found[3].Interacts, found[4].Interacts,
	})
	require.NotEmpty(t, found[4].Test.Reason)
}

func TestFalsePositiveRiskRefuses(t *testing.T) {
	for _, p := range [][3]float64{{-1, 0.5, 0.5}, {0.5, math.NaN(), 0.5}, {0.5, 0.5, 2}, {0, 0, 0.5}, {0.5, 0, 1}} {
		_, err := FalsePositiveRisk(p[0], p[1], p[2])
		require.ErrorIs(t, err, ErrValue)
	}
	require.Equal(t, int64(34439), UnitsForShare(0.01))
	require.Zero(t, UnitsForShare(0.5))
	require.Equal(t, int64(1<<53), UnitsForSkewness(1e200))
	require.Zero(t, UnitsForSkewness(math.NaN()))
}
