package main

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/seed"
)

// replayed runs a file of the real data, which lies beside the checkout.
func replayed(t *testing.T, name string) *strata.Report {
	t.Helper()
	path := filepath.Join(cmp.Or(os.Getenv("STRATA_DATA"), "../../../shared/data"), name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the real data is not here: %v; set STRATA_DATA", err)
	}
	r, err := replay(t.Context(), path, func(int) {})
	require.NoError(t, err)
	return r
}

// The published numbers of Cookie Cats: day-7 retention 0.190201 and 0.182000 of
// 44,700 and 45,489 players, day-1 retention 0.448188 and 0.442283, and a sample
// ratio with p 0.0086.
func TestCookieCats(t *testing.T) {
	seed.OneGoroutine(t)
	r := replayed(t, "cookie_cats.csv.gz")
	require.EqualValues(t, 44_700, r.Treatments[0].Units)
	require.EqualValues(t, 45_489, r.Treatments[1].Units)
	text := r.String()
	for _, number := range []string{"44,700", "45,489", "0.190201", "0.182000", "0.448188", "0.442283", "p 0.0086"} {
		require.Contains(t, text, number)
	}
	require.InDelta(t, 0.0086, r.Health.SampleRatio.PValue, 0.00005)
	require.Equal(t, strata.WarnSampleRatio, r.Warnings[0].Code)
	require.Equal(t, strata.Caution, r.Warnings[0].Severity)
	day7 := r.Metrics[0].Comparisons[0]
	require.InDelta(t, -3.164, day7.Test.Statistic, 0.002, "published with the pooled variance")
	require.InDelta(t, 0.00155, day7.Test.PValue, 0.00001)
	require.Equal(t, strata.VerdictLoss, day7.Verdict.Code)
}

// The published numbers of Hillstrom, to the digits that were printed.
func TestHillstrom(t *testing.T) {
	seed.OneGoroutine(t)
	r := replayed(t, "hillstrom.csv.gz")
	require.EqualValues(t, 64_000, r.Units)
	shares := map[string][3]float64{"visit": {10.62, 18.28, 15.14}, "conversion": {0.57, 1.25, 0.88}}
	for _, m := range r.Metrics[:2] {
		for i, e := range m.Estimates {
			require.InDelta(t, shares[m.Metric][i], 100*e.Estimate.Value, 0.005, "%s, %s", m.Metric, e.Treatment)
		}
	}
	for i, dollars := range []float64{0.65, 1.42, 1.08} {
		require.InDelta(t, dollars, r.Metrics[2].Estimates[i].Estimate.Value, 0.005)
	}
	visit, spend := r.Metrics[0].Comparisons[0], r.Metrics[2].Comparisons[0]
	require.Equal(t, "mens", visit.Treatment)
	require.InDelta(t, 0.0765896, visit.Difference.Value, 5e-8)
	require.InDelta(t, 0.0699535, visit.Difference.Low, 5e-8)
	require.InDelta(t, 0.0832256, visit.Difference.High, 5e-8)
	require.InDelta(t, 0.769827, spend.Difference.Value, 5e-7)
	require.InDelta(t, 0.145247, spend.Difference.SE, 5e-7)
	require.InDelta(t, 5.30014, spend.Test.Statistic, 5e-6)
	require.InDelta(t, 0.485140, spend.Difference.Low, 5e-7)
	require.InDelta(t, 1.054515, spend.Difference.High, 5e-7)
	text := r.String()
	for _, number := range []string{"[0.0699535, 0.0832256]", "+0.769827", "[0.485140, 1.054515]"} {
		require.Contains(t, text, number)
	}
}

func TestUnknownFilesAreRefused(t *testing.T) {
	seed.OneGoroutine(t)
	path := filepath.Join(t.TempDir(), "other.csv")
	require.NoError(t, os.WriteFile(path, []byte("a,b\n1,2\n"), 0o600))
	_, err := replay(t.Context(), path, func(int) {})
	require.ErrorContains(t, err, "neither Cookie Cats nor Hillstrom")

	require.NoError(t, os.WriteFile(path, []byte("segment,visit,conversion,spend\nNobody,0,0,0\n"), 0o600))
	_, err = replay(t.Context(), path, func(int) {})
	require.ErrorContains(t, err, "row 1")

	_, err = replay(t.Context(), path+".gz", func(int) {})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(path+".gz", []byte("not gzip"), 0o600))
	_, err = replay(t.Context(), path+".gz", func(int) {})
	require.Error(t, err)
	require.False(t, strings.Contains(err.Error(), "panic"))
}
