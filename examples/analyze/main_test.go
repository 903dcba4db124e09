package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/strataxp/strata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// analyzed reports on a file with this content.
func analyzed(t testing.TB, content string) (*strata.Report, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "experiment.json")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return analyze(path, strata.ReportOptions{})
}

// The published visits of Hillstrom's e-mails, from counts alone, and sums
// with more digits than float64 has.
func TestAnalyzeReproducesPublishedNumbers(t *testing.T) {
	r, err := analyzed(t, `{"treatments": [{"key": "none"}, {"key": "mens"}], "metrics": [
		{"key": "visit", "type": "conversion", "treatments": {"none": {"n": 21306, "successes": 2262}, "mens": {"n": 21307, "successes": 3894}}},
		{"key": "large", "type": "sum", "treatments": {
			"none": {"n": 21306, "sum": "21306000000000000000", "sum_squares": "21306000000000021306000000000000000"},
			"mens": {"n": 21307, "sum": 21307000000000000000, "sum_squares": "21307000000000021307000000000000000"}}}]}`)
	require.NoError(t, err)
	visit := r.Metrics[0].Comparisons[0]
	require.InDelta(t, 0.0765896, visit.Difference.Value, 5e-8)
	require.InDelta(t, 0.0699535, visit.Difference.Low, 5e-8)
	require.InDelta(t, 0.0832256, visit.Difference.High, 5e-8)
	require.Equal(t, strata.VerdictWin, r.Verdict.Code)
	require.InDelta(t, 1e15, r.Metrics[1].Estimates[0].Estimate.Value, 0)
	require.InDelta(t, 1e15/r.Metrics[1].Estimates[0].Estimate.SE/1e15, 1/(31622776.6/146), 1e-5, "the squares cancel to the digit")
}

func TestTheExampleFile(t *testing.T) {
	r, err := analyze("checkout.json", strata.ReportOptions{})
	require.NoError(t, err)
	require.Equal(t, strata.VerdictWin, r.Metrics[0].Comparisons[0].Verdict.Code)
	require.Equal(t, strata.VerdictKeepRunning, r.Metrics[0].Comparisons[1].Verdict.Code)
	require.Positive(t, r.Metrics[0].Comparisons[1].Verdict.Days, "the days say how many units come")
	require.True(t, r.Metrics[1].Comparisons[0].Adjustment.Applied)
	require.Equal(t, "EUR", r.Metrics[1].Currency)
	require.InDelta(t, 4.45, r.Metrics[1].Estimates[0].Estimate.Value, 0.005, "cents in, euros out")
	require.Len(t, r.Metrics[0].Comparisons[0].Days, 4)

	dir := t.TempDir()
	var text bytes.Buffer
	o := output{html: filepath.Join(dir, "r.html"), json: filepath.Join(dir, "r.json")}
	require.NoError(t, o.write(&text, r))
	require.Equal(t, r.String(), text.String())
	data, err := os.ReadFile(o.json)
	require.NoError(t, err)
	var back strata.Report
	require.NoError(t, json.Unmarshal(data, &back))
	page, err := os.ReadFile(o.html)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(page), "<!DOCTYPE html>"))
	require.Error(t, output{html: filepath.Join(dir, "missing", "r.html")}.write(&text, r))
}

// What is wrong is named, with where it stands.
func TestBadFilesAreRefused(t *testing.T) {
	const two = `"treatments": [{"key": "a"}, {"key": "b"}]`
	for name, c := range map[string]struct{ content, says string }{
		"not JSON":              {`treatments`, "invalid character"},
		"two experiments":       {`{` + two + `, "metrics": [{"key": "m", "type": "count"}]} {}`, "one file has one"},
		"unknown field":         {`{"treatmets": []}`, "treatmets"},
		"no treatments":         {`{"metrics": [{"key": "m", "type": "count"}]}`, "a control and one more"},
		"no metrics":            {`{` + two + `}`, "no metrics"},
		"unknown treatment":     {`{` + two + `, "metrics": [{"key": "m", "type": "count", "treatments": {"c": {"n": 1}}}]}`, `metric "m" has sums for "c"`},
		"missing sum":           {`{` + two + `, "metrics": [{"key": "m", "type": "count", "treatments": {"a": {"n": 1, "sum": 1}}}]}`, `metric "m", treatment "a": a sum that a count needs is missing`},
		"missing successes":     {`{` + two + `, "metrics": [{"key": "m", "type": "conversion", "treatments": {"a": {"n": 1}}}]}`, "needs successes"},
		"unknown type":          {`{` + two + `, "metrics": [{"key": "m", "type": "median", "treatments": {"a": {"n": 1}}}]}`, "use conversion"},
		"impossible squares":    {`{` + two + `, "metrics": [{"key": "m", "type": "count", "treatments": {"a": {"n": 2, "sum": 10, "sum_squares": 1}}}]}`, "impossible"},
		"sum that is no number": {`{` + two + `, "metrics": [{"key": "m", "type": "count", "treatments": {"a": {"n": 2, "sum": "ten", "sum_squares": 1}}}]}`, "ten"},
		"negative units":        {`{` + two + `, "metrics": [{"key": "m", "type": "count", "treatments": {"a": {"n": -2, "sum": 1, "sum_squares": 1}}}]}`, "-2"},
		"currency in words":     {`{` + two + `, "metrics": [{"key": "m", "type": "sum", "currency": "euro"}]}`, "three capital letters"},
		"primary that is none":  {`{` + two + `, "primary": ["x"], "metrics": [{"key": "m", "type": "count"}]}`, "no metric of the experiment has this key"},
		"no day":                {`{` + two + `, "metrics": [{"key": "m", "type": "count"}], "days": [{"day": "yesterday"}]}`, "yesterday"},
		"control character":     {`{"experiment": "a b", ` + two + `, "metrics": [{"key": "m", "type": "count"}]}`, "letters, digits"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := analyzed(t, c.content)
			require.ErrorContains(t, err, c.says)
		})
	}
	_, err := analyze(filepath.Join(t.TempDir(), "missing.json"), strata.ReportOptions{})
	require.ErrorIs(t, err, os.ErrNotExist)
}

// No file makes it panic.
func FuzzAnalyze(f *testing.F) {
	example, err := os.ReadFile("checkout.json")
	require.NoError(f, err)
	f.Add(string(example))
	f.Add(`{"treatments": [{"key": "a"}, {"key": "b"}], "metrics": [{"key": "m", "type": "count", "treatments": {"a": {"n": 1, "sum": 1e400, "sum_squares": null}}}]}`)
	f.Fuzz(func(t *testing.T, content string) {
		r, err := analyzed(t, content)
		if err != nil {
			return
		}
		require.NotContains(t, r.String(), "NaN")
		_, err = json.Marshal(r)
		require.NoError(t, err)
		require.NoError(t, r.WriteHTML(new(bytes.Buffer)))
	})
}
