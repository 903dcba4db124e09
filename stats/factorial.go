package stats

import (
	"fmt"
	"math"
)

// LevelWeights say how [MainEffect] averages over the other factor.
type LevelWeights int

const (
	// EqualWeights counts every level of the other factor the same: the
	// effect if the other factor were assigned evenly. It is the default.
	EqualWeights LevelWeights = iota

	// PopulationWeights counts the levels of the other factor by their
	// units: the effect in the population as it was.
	PopulationWeights
)

// MainEffect is the effect of going from level from to level to of one factor,
// averaged over the levels of another that was assigned at the same time:
// cells[i][j] is the arm with level i of factor A (the rows) and level j of
// factor B. With columns set, from and to are levels of B, averaged over A.
//
// The means are Σ w_j m_j with variance Σ w_j² v_j, as R's emmeans with
// heteroscedastic (HC2) errors; compare the result with [Normal] for its z.
// DF is Satterthwaite's. An average hides an interaction: look at
// [Interaction] as well. It is not estimable when a cell that it needs is.
func MainEffect(cells [][]Group, columns bool, from, to int, weights LevelWeights) Joint {
	if reason := tableProblem(cells); reason != "" {
		return noJoint(reason)
	}
	if columns {
		cells = transposed(cells)
	}
	if from < 0 || to < 0 || from >= len(cells) || to >= len(cells) || from == to {
		return noJoint(fmt.Sprintf("levels %d and %d of %d are not two to compare", from, to, len(cells)))
	}
	share, reason := levelShares(cells, weights)
	if reason != "" {
		return noJoint(reason)
	}
	j := Joint{}
	var squares float64
	for level, w := range share {
		c, t := cells[from][level].checked(), cells[to][level].checked()
		if c.NoMean || t.NoMean {
			return noJoint(checkArms(c, t).reason)
		}
		if j.Reason == "" {
			j.Reason = firstReason(c, t)
		}
		j.N = saturatingSum(j.N, saturatingSum(c.N, t.N))
		j.Control += w * c.Mean
		j.Treatment += w * t.Mean
		if j.Reason != "" {
			continue
		}
		for _, part := range []struct {
			sum *float64
			g   Group
		}{{&j.ControlVariance, c}, {&j.TreatmentVariance, t}} {
			v := w * part.g.meanVariance() * w
			*part.sum += v
			squares += v * (v / float64(part.g.N-1))
		}
	}
	if total := j.ControlVariance + j.TreatmentVariance; squares > 0 {
		j.DF = total * (total / squares)
	}
	return j.checked()
}

// levelShares are the weights of the columns, which add up to 1.
func levelShares(cells [][]Group, weights LevelWeights) (share []float64, reason string) {
	share = make([]float64, len(cells[0]))
	total := 0.0
	for j := range share {
		switch weights {
		case EqualWeights:
			share[j] = 1
		case PopulationWeights:
			for i := range cells {
				share[j] += math.Max(0, float64(cells[i][j].N))
			}
		default:
			return nil, fmt.Sprintf("weights %d are unknown", weights)
		}
		total += share[j]
	}
	if total == 0 {
		return nil, noUnits
	}
	for j := range share {
		share[j] /= total
	}
	return share, ""
}

func firstReason(groups ...Group) string {
	for _, g := range groups {
		if g.Reason != "" {
			return g.Reason
		}
	}
	return ""
}

func saturatingSum(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// tableProblem says why cells are not a table, or nothing.
func tableProblem(cells [][]Group) string {
	if len(cells) == 0 || len(cells[0]) == 0 {
		return "there are no cells"
	}
	for i, row := range cells {
		if len(row) != len(cells[0]) {
			return fmt.Sprintf("row %d has %d columns, row 0 has %d", i, len(row), len(cells[0]))
		}
	}
	return ""
}

func transposed(cells [][]Group) [][]Group {
	t := make([][]Group, len(cells[0]))
	for j := range t {
		t[j] = make([]Group, len(cells))
		for i := range cells {
			t[j][i] = cells[i][j]
		}
	}
	return t
}
