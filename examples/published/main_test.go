package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/stats"
)

// published is the folder of the real data, which lies beside the checkout.
func published(t *testing.T) string {
	t.Helper()
	data := cmp.Or(os.Getenv("STRATA_DATA"), "../../../shared/data")
	if _, err := os.Stat(data); err != nil {
		if os.Getenv("STRATA_DATA") != "" {
			t.Fatal(err)
		}
		t.Skipf("the real data is not here: %v; set STRATA_DATA", err)
	}
	return data
}

func readFrom[T any](t *testing.T, name string, read func(path string) (T, error)) T {
	t.Helper()
	found, err := read(filepath.Join(published(t), name))
	require.NoError(t, err)
	return found
}

func TestKarlan(t *testing.T) {
	seed.OneGoroutine(t)
	k := readFrom(t, "karlan_list_2007.csv.gz", readKarlan)
	require.EqualValues(t, 50_083, k.control.N()+k.treatment.N())
	require.InDelta(t, 0.018, k.control.Mean(0), 0.0005)
	require.InDelta(t, 0.022, k.treatment.Mean(0), 0.0005)
	response := k.compare(0)
	require.InDelta(t, 3.10136, response.Test.Statistic, 5e-6)
	require.InDelta(t, 0.0019274, response.Test.PValue, 5e-8)
	control, treatment := stats.GroupMean(k.control, 1), stats.GroupMean(k.treatment, 1)
	require.InDelta(t, 0.813, control.Mean, 0.0005)
	require.InDelta(t, 0.063, control.SE(), 0.0005)
	require.InDelta(t, 0.967, treatment.Mean, 0.0005)
	require.InDelta(t, 0.049, treatment.SE(), 0.0005)
}

// The paper's main result on the factors: larger ratios do no more than 1:1.
func TestKarlanFactors(t *testing.T) {
	seed.OneGoroutine(t)
	k := readFrom(t, "karlan_list_2007.csv.gz", readKarlan)
	require.Len(t, k.letters, 3*4*3)
	for metric := range karlanMetrics {
		effects, err := k.mainEffects(metric)
		require.NoError(t, err)
		require.Len(t, effects, 2+3+2)
		between, err := k.interactions(metric)
		require.NoError(t, err)
		require.Len(t, between, 3)
		for _, f := range append(effects, between...) {
			require.Empty(t, f.test.Reason, f.what)
			require.Greater(t, f.adjusted, 0.05, f.what)
		}
		for _, f := range between {
			require.InDelta(t, f.test.PValue, f.anova.Test.PValue, 0.06, "large cells of about one variance: %s", f.what)
		}
	}
}

func TestASOSSplits(t *testing.T) {
	seed.OneGoroutine(t)
	splits := readFrom(t, "asos_experiments.csv.gz", readASOS).splits()
	require.Len(t, splits, 50, "arms other than the controls of 39 experiments")
	experiments, uneven := map[string]bool{}, map[string]int{}
	var mismatched []string
	for _, s := range splits {
		experiments[s.experiment] = true
		if s.design[0] != s.design[1] {
			require.Equal(t, "34 : 33", s.designed())
			require.Greater(t, s.result.PValue, 0.05, "%s fits three arms of 34, 33 and 33%%", s.experiment)
			uneven[s.experiment]++
		}
		if s.mismatched() {
			mismatched = append(mismatched, s.experiment)
		}
	}
	require.Len(t, experiments, 39)
	require.Equal(t, map[string]int{"329386": 2, "64dc88": 2}, uneven)
	require.Equal(t, []string{"26bd38", "530a76", "834947", "a68bf4"}, mismatched)
}

// Most of what a peeker finds with a fixed test is not there at the end.
func TestASOSPeeking(t *testing.T) {
	seed.OneGoroutine(t)
	_, n := readFrom(t, "asos_experiments.csv.gz", readASOS).outcomes()
	require.Equal(t, 200, n.series)
	require.Equal(t, 11_250, n.looks, "the looks of the file that have variances")
	require.Greater(t, n.peeked, 2*n.fixed, "significant at some look, and at the last")
	require.Greater(t, n.unconfirmedFixed, n.peeked/2)
	require.Less(t, n.everAlways, n.fixed, "the sequence finds less than even the fixed test at the end")
	require.InDelta(t, n.everAlways, n.everMixture, 5, "mSPRT and the sequence are one test with two tunings")
}

func TestUpworthy(t *testing.T) {
	seed.OneGoroutine(t)
	u := readFrom(t, "upworthy_exploratory_packages.csv.gz", readUpworthy)
	impressions, clicks := u.totals()
	require.EqualValues(t, 81_024_151, impressions)
	require.EqualValues(t, 1_231_208, clicks)
	require.Len(t, u, 4_873)
	inside := u.count((*headlines).broken)
	outside := u.count(func(h *headlines) bool { return !h.broken() })
	require.Equal(t, 22_666, inside.arms+outside.arms)
	require.InDelta(t, 67, 100*float64(inside.mismatched)/float64(inside.tests), 0.5)
	require.InDelta(t, 1.2, 100*float64(outside.mismatched)/float64(outside.tests), 0.05)
	require.Greater(t, outside.winners, outside.tests/50)
}

func TestUdacity(t *testing.T) {
	seed.OneGoroutine(t)
	u := readFrom(t, "", readUdacity)
	gross, net := u.gross().Difference, u.net().Difference
	require.InDelta(t, -0.0291, gross.Low, 0.00005)
	require.InDelta(t, -0.0120, gross.High, 0.00005)
	require.InDelta(t, -0.0116, net.Low, 0.00005)
	require.InDelta(t, 0.0019, net.High, 0.00005)
	views, clicks := u.sanity()
	for _, check := range append(views[:], clicks[:]...) {
		require.Greater(t, check.PValue, 0.05)
	}
	require.InDelta(t, views[0].PValue, views[1].PValue, 0.001, "exact and chi-square")
}

func TestEverythingFitsIntoAHundredColumns(t *testing.T) {
	seed.OneGoroutine(t)
	var out strings.Builder
	require.NoError(t, run(&out, published(t), nil))
	for line := range strings.Lines(out.String()) {
		require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 100, line)
	}
	for _, number := range []string{"3.10136", "0.0019274", "(0.063)", "81024151", "67.1%", "[-0.0291, -0.0120]"} {
		require.Contains(t, out.String(), number)
	}
}

func TestUnknownNamesAndFilesAreRefused(t *testing.T) {
	seed.OneGoroutine(t)
	require.ErrorContains(t, run(new(strings.Builder), "", []string{"hillstrom"}), "there are karlan, asos, upworthy, udacity")
	require.ErrorIs(t, run(new(strings.Builder), t.TempDir(), nil), os.ErrNotExist)

	path := filepath.Join(t.TempDir(), "tests.csv.gz")
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err := z.Write([]byte("test_week,impressions,clicks,clickability_test_id\n201401,ten,1,a\n"))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	require.NoError(t, os.WriteFile(path, zipped.Bytes(), 0o600))
	_, err = readUpworthy(path)
	require.ErrorContains(t, err, "row 2")
	_, err = readASOS(path)
	require.ErrorContains(t, err, "no column experiment_id")
}
