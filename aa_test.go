package strata_test

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/stats"
)

// The A/A test: real customers and sessions are drawn into two treatments that
// do nothing, 200 times with other salts, and their real outcomes compared. A
// sound assignment (and a sound test) gives p-values that are uniform.

// measured is a unit with its real outcomes.
type measured struct {
	id       string
	outcomes []float64
}

// aaCheck draws the units 200 times and returns the p-values of the sample
// ratio and, for each outcome, of Welch's test.
func aaCheck(t *testing.T, list []measured) (ratio []float64, welch [][]float64) {
	t.Helper()
	salts := 200
	if testing.Short() {
		salts = 50
	}
	welch = make([][]float64, len(list[0].outcomes))
	for s := range salts {
		e := running("aa", 0, 10000)
		e.Salt, e.Treatments = fmt.Sprintf("experiment-%d", s), arms("", 1, 1)
		p := oneLayer(e)
		p.Layers[0].Salt = fmt.Sprintf("layer-%d", s)
		snap := compiled(t, p)
		var arm [2]stats.Moments
		for i := range list {
			a := snap.Assign(strata.Unit{User: list[i].id})
			if err := arm[b2i(a.Peek("aa") == "t1")].Add(list[i].outcomes...); err != nil {
				t.Fatal(err)
			}
		}
		ratio = append(ratio, stats.SampleRatio([]int64{arm[0].N(), arm[1].N()}, []float64{1, 1}).PValue)
		for o := range welch {
			c := stats.Compare(stats.GroupMean(arm[0], o), stats.GroupMean(arm[1], o), stats.Options{})
			require.Empty(t, c.Test.Reason)
			welch[o] = append(welch[o], c.Test.PValue)
		}
	}
	return ratio, welch
}

func below(p []float64, alpha float64) int {
	n := 0
	for _, x := range p {
		if x < alpha {
			n++
		}
	}
	return n
}

// requireUniform states the bounds. Of 200 fair p-values 2 are expected below
// 0.01 and 0.2 below 0.001; more than 8 and more than 3 have probabilities of
// 2e-4 and 6e-5.
func requireUniform(t *testing.T, what string, p []float64) {
	t.Helper()
	ks := stats.KolmogorovSmirnovUniform(p)
	t.Logf("%s: Kolmogorov–Smirnov p %.3f; of %d p-values %d are below 0.05, %d below 0.01, %d below 0.001",
		what, ks.PValue, len(p), below(p, 0.05), below(p, 0.01), below(p, 0.001))
	require.Greater(t, ks.PValue, 0.001, "%s: D = %v", what, ks.Statistic)
	require.LessOrEqual(t, below(p, 0.01), 8, what)
	require.LessOrEqual(t, below(p, 0.001), 3, what)
}

// Revenue is heavy-tailed: a treatment that gets the few largest of the 4,339
// customers has both the larger mean and the larger variance, so that very
// small p-values should be too rare. At this size it hardly shows: of 4,000
// draws 5.1 % were below 0.05, 0.65 % below 0.01 and one below 0.001 for
// revenue, against 4.6 %, 0.80 % and three for its logarithm, and 4.4 %, 0.88 %
// and four for revenue that is capped. All three are held to the same bounds.
func TestAAOfRetailCustomers(t *testing.T) {
	seed.OneGoroutine(t)
	t.Parallel()
	revenue := retailRevenue(t)
	require.Len(t, revenue, 4339)
	limit := slices.Sorted(maps.Values(revenue))[len(revenue)*99/100]
	var list []measured
	for _, id := range slices.Sorted(maps.Keys(revenue)) {
		v := revenue[id]
		list = append(list, measured{id, []float64{v, math.Log1p(v), min(v, limit)}})
	}
	ratio, welch := aaCheck(t, list)
	requireUniform(t, "sample ratio", ratio)
	requireUniform(t, "revenue", welch[0])
	requireUniform(t, "log revenue", welch[1])
	requireUniform(t, "revenue capped at the 99th percentile", welch[2])
}

func TestAAOfShopSessions(t *testing.T) {
	seed.OneGoroutine(t)
	t.Parallel()
	clicks, depth := shopSessions(t)
	require.Len(t, clicks, 24026)
	var list []measured
	for _, id := range slices.Sorted(maps.Keys(clicks)) {
		list = append(list, measured{id, []float64{float64(clicks[id]), float64(b2i(depth[id] >= 3)), float64(depth[id])}})
	}
	ratio, welch := aaCheck(t, list)
	requireUniform(t, "sample ratio", ratio)
	requireUniform(t, "clicks per session", welch[0])
	requireUniform(t, "reached page 3", welch[1])
	requireUniform(t, "page depth", welch[2])
}

// retailRevenue is the revenue of each customer of a year, cancellations and
// lines without a customer left out.
func retailRevenue(t *testing.T) map[string]float64 {
	t.Helper()
	revenue := make(map[string]float64)
	forEachRow(t, "online_retail.csv.gz", []string{"CustomerID", "InvoiceNo", "Quantity", "UnitPrice"}, func(row []string) {
		customer := row[0]
		if customer == "" || strings.HasPrefix(row[1], "C") {
			return
		}
		quantity, err := strconv.ParseFloat(row[2], 64)
		require.NoError(t, err)
		price, err := strconv.ParseFloat(row[3], 64)
		require.NoError(t, err)
		revenue[customer] += quantity * price
	})
	return revenue
}

// shopSessions are the clicks of each session, and the deepest page of the list
// that it reached.
func shopSessions(t *testing.T) (clicks, depth map[string]int) {
	t.Helper()
	clicks, depth = make(map[string]int), make(map[string]int)
	forEachRow(t, "eshop_clothing_2008.csv.gz", []string{"session_id", "page"}, func(row []string) {
		session := row[0]
		page, err := strconv.Atoi(row[1])
		require.NoError(t, err)
		clicks[session]++
		depth[session] = max(depth[session], page)
	})
	return clicks, depth
}

// forEachRow reads columns of a file of the real data, or skips the test where
// the file is not.
func forEachRow(t *testing.T, name string, columns []string, do func(row []string)) {
	t.Helper()
	dir := os.Getenv("STRATA_DATA")
	if dir == "" {
		dir = filepath.Join("..", "shared", "data")
	}
	file, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		t.Skipf("the real data is not here (STRATA_DATA says where): %v", err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	require.NoError(t, err)
	rows := csv.NewReader(unzipped)
	rows.ReuseRecord = true
	header, err := rows.Read()
	require.NoError(t, err)
	var at []int
	for _, column := range columns {
		at = append(at, slices.Index(header, column))
	}
	row := make([]string, len(columns))
	for {
		fields, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		for i, column := range at {
			row[i] = fields[column]
		}
		do(row)
	}
}
