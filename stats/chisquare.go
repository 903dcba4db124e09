package stats

import "fmt"

// cell is one term of Pearson's chi-square.
type cell struct{ observed, expected float64 }

// chiSquareTest is Pearson's test over cells that fit Cochran's rule.
func chiSquareTest(cells []cell, df int) Test {
	small := 0
	chi2 := 0.0
	for _, c := range cells {
		if !(c.expected >= 1) {
			return noTest(fmt.Sprintf("an expected count is %.3g, a chi-square test needs at least 1", c.expected))
		}
		if c.expected < 5 {
			small++
		}
		d := c.observed - c.expected
		chi2 += d / c.expected * d
	}
	if 5*small > len(cells) {
		return noTest(fmt.Sprintf("%d of %d expected counts are below 5, too few units for a chi-square test", small, len(cells)))
	}
	return newTest(chi2, float64(df), chiSquareSurvival(chi2, float64(df)))
}

// ChiSquareTable is Pearson's test that the rows and columns of a table of
// counts are independent, without continuity correction; table[i][j] counts
// the units in row i and column j. It is the check that two experiments were
// assigned independently: rows are the arms of one, columns those of the
// other.
//
// Rows and columns without any unit are left out and add no degree of
// freedom. There is no test, with a reason, when fewer than two rows or
// columns are left, when expected counts are too small (see [SampleRatio]),
// when rows differ in length, and when a count is negative.
func ChiSquareTable(table [][]int64) Test {
	var columns []float64
	rows := make([]float64, len(table))
	total := 0.0
	for i, row := range table {
		if i == 0 {
			columns = make([]float64, len(row))
		}
		if len(row) != len(columns) {
			return noTest(fmt.Sprintf("row %d has %d columns, row 0 has %d", i, len(row), len(columns)))
		}
		for j, count := range row {
			if count < 0 {
				return noTest(fmt.Sprintf("the count %d in row %d, column %d is negative", count, i, j))
			}
			rows[i] += float64(count)
			columns[j] += float64(count)
			total += float64(count)
		}
	}
	r, c := positive(rows), positive(columns)
	if r < 2 || c < 2 {
		return noTest(fmt.Sprintf("the units are in %d rows and %d columns, at least 2 of both are needed", r, c))
	}
	var cells []cell
	for i, row := range table {
		for j, count := range row {
			if rows[i] > 0 && columns[j] > 0 {
				cells = append(cells, cell{float64(count), rows[i] / total * columns[j]})
			}
		}
	}
	return chiSquareTest(cells, (r-1)*(c-1))
}

func positive(values []float64) int {
	n := 0
	for _, v := range values {
		if v > 0 {
			n++
		}
	}
	return n
}
