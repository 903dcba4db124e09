package stats

import (
	"fmt"
	"math"
)

// Interaction is how much the effect of A differs between the two levels of
// B, (m₁₁ − m₀₁) − (m₁₀ − m₀₀), where cells[i][j] is the arm with level i of A
// and j of B; the squared standard error is the sum of the four. It is 0 when
// absolute effects add up. The cells need the units of both experiments, by
// the crossed assignment; [ChiSquareTable] on their counts comes first.
//
// The result holds (m₁₀ − m₀₀), the effect of A alone, as Control and (m₁₁ −
// m₀₁) as Treatment; compare it with [Normal] for a z test.
func Interaction(cells [2][2]Group) Joint {
	alone := checkArms(cells[0][0], cells[1][0])
	both := checkArms(cells[0][1], cells[1][1])
	if alone.noValue || both.noValue {
		return noJoint(alone.reason + both.reason)
	}
	j := Joint{
		N:       saturatingSum(saturatingSum(cells[0][0].N, cells[1][0].N), saturatingSum(cells[0][1].N, cells[1][1].N)),
		Control: alone.difference(), Treatment: both.difference(),
		Reason: firstReason(alone.control, alone.treatment, both.control, both.treatment),
	}
	if j.Reason != "" {
		return j.checked()
	}
	squares := 0.0
	for _, part := range []struct {
		sum *float64
		g   Group
	}{
		{&j.ControlVariance, alone.control}, {&j.ControlVariance, alone.treatment},
		{&j.TreatmentVariance, both.control}, {&j.TreatmentVariance, both.treatment},
	} {
		v := part.g.meanVariance()
		*part.sum += v
		squares += v * (v / float64(part.g.N-1))
	}
	if total := j.ControlVariance + j.TreatmentVariance; squares > 0 {
		j.DF = total * (total / squares)
	}
	return j.checked()
}

// InteractionRatio is how much the relative effect of A differs between the
// two levels of B, (m₁₁/m₀₁)/(m₁₀/m₀₀): 1 when relative lifts multiply. It is
// tested on its logarithm, by the delta method and the normal distribution;
// the interval is that of the ratio and SE that of the logarithm. Absolute and
// relative effects cannot both be without interaction when both factors have
// an effect. It has no test when a mean is 0 or the signs differ.
func InteractionRatio(cells [2][2]Group, options Options) (ratio Estimate, test Test) {
	o := options.withDefaults()
	var logarithm, variance float64
	for i, row := range cells {
		for j, g := range row {
			g = g.checked()
			reason := g.Reason
			if reason == "" && !(g.Mean*cells[0][0].Mean > 0) {
				reason = "a ratio of lifts needs means of the same sign, none of them 0"
			}
			if reason == "" {
				reason = o.problem()
			}
			if reason != "" {
				reason = fmt.Sprintf("cell %d,%d: %s", i, j, reason)
				return noValue(reason), noTest(reason)
			}
			sign := 1.0
			if i != j {
				sign = -1
			}
			logarithm += sign * math.Log(math.Abs(g.Mean))
			variance += g.meanVariance() / g.Mean / g.Mean
		}
	}
	se := math.Sqrt(variance)
	if se == 0 {
		reason := "no cell varies"
		return noInterval(math.Exp(logarithm), reason), noTest(reason)
	}
	half := tCritical(1-o.Level, math.Inf(1)) * se
	e := Estimate{Value: math.Exp(logarithm), SE: se, Low: math.Exp(logarithm - half), High: math.Exp(logarithm + half)}
	return e.checked(), testDifference(logarithm, se, math.Inf(1))
}

// InteractionWald tests that two factors of any number of levels do not
// interact: Wald's chi-square of the (I−1)(J−1) differences m_ij − m_i0 − m_0j
// + m_00, each cell with its own variance, which equals a regression's with
// HC2 errors. It needs large cells. There is no test, with a reason, when a
// cell has no mean or too little varies.
func InteractionWald(cells [][]Group) Test {
	if reason := interactionProblem(cells); reason != "" {
		return noTest(reason)
	}
	rows, columns := len(cells)-1, len(cells[0])-1
	k := rows * columns
	contrast, cov := make([]float64, k), squareMatrix(k)
	v := func(i, j int) float64 { return cells[i][j].checked().meanVariance() }
	for a := range k {
		i, j := a/columns+1, a%columns+1
		contrast[a] = cells[i][j].Mean - cells[i][0].Mean - cells[0][j].Mean + cells[0][0].Mean
		for b := range k {
			m, l := b/columns+1, b%columns+1
			cov[a][b] = v(0, 0)
			if i == m {
				cov[a][b] += v(i, 0)
			}
			if j == l {
				cov[a][b] += v(0, j)
			}
			if a == b {
				cov[a][b] += v(i, j)
			}
		}
	}
	x, rank := solveSymmetric(cov, contrast)
	if rank < k {
		return noTest("too few cells vary")
	}
	chi2 := dotProduct(contrast, x)
	return newTest(chi2, float64(k), chiSquareSurvival(math.Max(chi2, 0), float64(k)))
}

// interactionProblem says why cells have no interaction, or nothing.
func interactionProblem(cells [][]Group) string {
	if reason := tableProblem(cells); reason != "" {
		return reason
	}
	if len(cells) < 2 || len(cells[0]) < 2 {
		return fmt.Sprintf("%d by %d cells, an interaction needs 2 by 2", len(cells), len(cells[0]))
	}
	for i, row := range cells {
		for j, g := range row {
			if g = g.checked(); g.Reason != "" {
				return fmt.Sprintf("cell %d,%d: %s", i, j, g.Reason)
			}
		}
	}
	return ""
}

// ANOVA is the outcome of [InteractionANOVA].
type ANOVA struct {
	// Test has F as Statistic and its second degrees of freedom as DF.
	Test Test `json:"test"`

	// DF1 is the first degrees of freedom of F, 0 when Test has a Reason.
	DF1 float64 `json:"df1"`
}

// InteractionANOVA tests that two factors do not interact by the classical F,
// R's anova(lm(y ~ A*B)): what a model with a term per row and per column
// leaves unexplained of the cell means, against the variance within cells,
// which it takes to be the same in all. [InteractionWald] does not; this is
// here to compare with engines that use it. The groups' variances must have
// the divisor N−1, as those of [GroupMean] have.
func InteractionANOVA(cells [][]Group) ANOVA {
	if reason := interactionProblem(cells); reason != "" {
		return ANOVA{Test: noTest(reason)}
	}
	rows, columns := len(cells), len(cells[0])
	var within, df2 float64
	for _, row := range cells {
		for _, g := range row {
			within += float64(g.N-1) * g.Variance
			df2 += float64(g.N - 1)
		}
	}
	if !(within > 0) {
		return ANOVA{Test: noTest("no cell varies")}
	}
	df1 := float64((rows - 1) * (columns - 1))
	f := unexplained(cells) / df1 / (within / df2)
	test := newTest(f, df2, fSurvival(f, df1, df2))
	if test.Reason != "" {
		return ANOVA{Test: test}
	}
	return ANOVA{Test: test, DF1: df1}
}

// unexplained is the sum of squares of the cell means, weighted by units,
// around the additive model that fits them best.
func unexplained(cells [][]Group) float64 {
	rows, columns := len(cells), len(cells[0])
	k := rows + columns - 1 // the first column's term is 0
	normal, right := squareMatrix(k), make([]float64, k)
	center := cells[0][0].Mean // keeps digits of means far from 0
	for i, row := range cells {
		for j, g := range row {
			n, y := float64(g.N), g.Mean-center
			normal[i][i] += n
			right[i] += n * y
			if j == 0 {
				continue
			}
			c := rows + j - 1
			normal[c][c] += n
			normal[i][c] += n
			normal[c][i] += n
			right[c] += n * y
		}
	}
	fit, _ := solveSymmetric(normal, right)
	sum := 0.0
	for i, row := range cells {
		for j, g := range row {
			d := g.Mean - center - fit[i]
			if j > 0 {
				d -= fit[rows+j-1]
			}
			sum += float64(g.N) * d * d
		}
	}
	return sum
}
