package stats

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func init() {
	addRunners(map[string]func(*testing.T, json.RawMessage) outputs{"report": runReport})
}

// runReport is a whole experiment from unit-level data, as an engine with delta
// intervals would report it.
func runReport(t *testing.T, data json.RawMessage) outputs {
	in := decode[struct {
		ArmColumn  string `json:"arm_column"`
		Control    int64
		Treatments []int64
	}](t, data)
	file, err := os.ReadFile(filepath.Join(casesDir(t), "units.csv"))
	require.NoError(t, err)
	rows, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	require.NoError(t, err)
	metrics := []string{"orders", "converted", "revenue_cents"}
	arms := map[int64]*Sums{}
	number := func(row []string, name string) int64 {
		v, err := strconv.ParseInt(row[slices.Index(rows[0], name)], 10, 64)
		require.NoError(t, err)
		return v
	}
	for _, row := range rows[1:] {
		arm := number(row, in.ArmColumn)
		if arms[arm] == nil {
			arms[arm] = new(Sums)
		}
		require.NoError(t, arms[arm].Add(number(row, metrics[0]), number(row, metrics[1]), number(row, metrics[2])))
	}
	counts, weights := []int64{arms[in.Control].N()}, []float64{1}
	for _, arm := range in.Treatments {
		counts, weights = append(counts, arms[arm].N()), append(weights, 1)
	}
	var results []outputs
	var p []float64
	for i, metric := range metrics {
		group := GroupMean
		if metric == "converted" {
			group = GroupProportion
		}
		control := group(arms[in.Control].Moments(), i)
		for _, arm := range in.Treatments {
			treatment := group(arms[arm].Moments(), i)
			df := checkArms(control, treatment).df(WelchT)
			lift := DeltaLift(control, treatment, tCritical(0.05, df))
			test := testDifference(lift.Value, lift.SE, df)
			p = append(p, test.PValue)
			results = append(results, outputs{
				"metric": metric, "arm": float64(arm), "lift": lift.Value, "se": lift.SE, "df": df,
				"p_value": test.PValue, "ci_lower": lift.Low, "ci_upper": lift.High,
			})
		}
	}
	for name, correction := range map[string]Correction{"p_holm": Holm, "p_bh": BenjaminiHochberg} {
		adjusted, err := Adjust(correction, p)
		require.NoError(t, err)
		for i := range results {
			results[i][name] = adjusted[i]
		}
	}
	ratio := SampleRatio(counts, weights)
	n := make([]float64, len(counts))
	for i := range counts {
		n[i] = float64(counts[i])
	}
	return outputs{"n": n, "srm_chi2": ratio.Statistic, "srm_p": ratio.PValue, "results": results}
}
