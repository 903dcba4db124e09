package stats

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// referenceCase is one entry of stats.json: numbers from other engines' own
// tests, from statistical packages, or from 50-digit arithmetic.
type referenceCase struct {
	ID        string
	Method    string
	Source    string
	Inputs    json.RawMessage
	Expected  map[string]any
	Tolerance struct{ Abs, Rel float64 }
}

// outputs are a runner's results by the names the cases use. A case passes
// when each number it expects is among them.
type outputs map[string]any

// runners maps a method of stats.json to the code of this package that
// implements it. Each file of the package that adds a method adds its runner.
var runners = map[string]func(*testing.T, json.RawMessage) outputs{}

// elsewhere are methods about events, which the root package runs.
var elsewhere = []string{"attribution", "day_buckets", "funnel", "funnel_rates"}

func addRunners(more map[string]func(*testing.T, json.RawMessage) outputs) {
	maps.Copy(runners, more)
}

// casesDir is the folder with the reference cases, which is no part of the
// module. A missing folder skips the test unless STRATA_CASES asked for it.
func casesDir(t *testing.T) string {
	dir := os.Getenv("STRATA_CASES")
	if dir != "" {
		return dir
	}
	dir = filepath.Join("..", "..", "shared", "cases")
	if _, err := os.Stat(filepath.Join(dir, "stats.json")); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no reference cases: STRATA_CASES is not set and %s does not exist", dir)
	}
	return dir
}

func TestReferenceCases(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(casesDir(t), "stats.json"))
	require.NoError(t, err)
	var cases []referenceCase
	require.NoError(t, json.Unmarshal(data, &cases))

	missing, ran := map[string]int{}, map[string]bool{}
	for _, c := range cases {
		run, ok := runners[c.Method]
		if !ok {
			missing[c.Method]++
			continue
		}
		ran[c.Method] = true
		t.Run(c.Method+"/"+c.ID, func(t *testing.T) {
			got := run(t, c.Inputs)
			for name, want := range c.Expected {
				require.Contains(t, got, name, "the runner does not compute this")
				requireClose(t, name, got[name], want, c.Tolerance.Abs, c.Tolerance.Rel)
			}
		})
	}
	require.NotEmpty(t, ran, "no case has a runner")
	t.Logf("%d of %d runners had cases", len(ran), len(runners))
	for _, method := range slices.Sorted(maps.Keys(missing)) {
		if !slices.Contains(elsewhere, method) {
			t.Errorf("no runner for %s (%d cases)", method, missing[method])
		}
	}
}

// requireClose passes when |got−want| <= abs + rel·|want| for each number in
// two equally shaped values.
func requireClose(t *testing.T, name string, got, want any, abs, rel float64) {
	t.Helper()
	switch want := want.(type) {
	case []any:
		list := reflect.ValueOf(got)
		require.True(t, list.Kind() == reflect.Slice && list.Len() == len(want), "%s: got %v, want %v", name, got, want)
		for i := range want {
			requireClose(t, fmt.Sprintf("%s[%d]", name, i), list.Index(i).Interface(), want[i], abs, rel)
		}
	case nil: // a number that is not there
		require.True(t, got == nil || got == 0.0, "%s: got %v, want nothing", name, got)
	case map[string]any:
		parts, ok := got.(outputs)
		require.True(t, ok, "%s: got %T, want named numbers", name, got)
		for part := range want {
			require.Contains(t, parts, part, name)
			requireClose(t, name+"."+part, parts[part], want[part], abs, rel)
		}
	case bool:
		require.Equal(t, want, got, name)
	case string:
		infinity, ok := map[string]float64{"inf": math.Inf(1), "-inf": math.Inf(-1)}[want]
		if ok {
			require.Equal(t, infinity, got, name)
		} else {
			require.Equal(t, want, got, name)
		}
	default:
		w, ok := want.(float64)
		require.True(t, ok, "%s: unexpected kind of expectation %T", name, want)
		g, ok := got.(float64)
		require.True(t, ok, "%s: got %v (%T), want a number", name, got, got)
		require.LessOrEqual(t, math.Abs(g-w), abs+rel*math.Abs(w), "%s: got %v, want %v", name, g, w)
	}
}

// decode reads a case's inputs into the shape its runner knows.
func decode[T any](t *testing.T, data json.RawMessage) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal(data, &v))
	return v
}

// armInput is an arm as the cases give it. Sums stay text, so that decimals
// reach the package exactly.
type armInput struct {
	N              int64
	Sum            json.Number
	SumSquares     json.Number `json:"sum_squares"`
	NumSum         json.Number `json:"num_sum"`
	NumSumSquares  json.Number `json:"num_sum_squares"`
	DenSum         json.Number `json:"den_sum"`
	DenSumSquares  json.Number `json:"den_sum_squares"`
	NumDenSumProd  json.Number `json:"num_den_sum_products"`
	Mean, Variance float64
}

func (a armInput) moments(t *testing.T) Moments {
	t.Helper()
	var m Moments
	var err error
	switch {
	case a.NumSum != "":
		m, err = MomentsFromDecimals(a.N, texts(a.NumSum, a.DenSum), texts(a.NumSumSquares, a.NumDenSumProd, a.DenSumSquares))
	case a.SumSquares != "":
		m, err = MomentsFromDecimals(a.N, texts(a.Sum), texts(a.SumSquares))
	default: // 0/1 values: their squares are themselves
		m, err = MomentsFromDecimals(a.N, texts(a.Sum), texts(a.Sum))
	}
	require.NoError(t, err)
	return m
}

func texts(numbers ...json.Number) []string {
	out := make([]string, len(numbers))
	for i, n := range numbers {
		out[i] = string(n)
	}
	return out
}

// twoArmInput is the common shape of the two-sample cases.
type twoArmInput struct {
	Metric       string
	Variance     string
	CIMethod     string `json:"ci_method"`
	Distribution string
	Relative     bool
	Alpha        float64
	Control      armInput
	Treatment    armInput
}

func (in twoArmInput) groups(t *testing.T) (control, treatment Group) {
	t.Helper()
	c, tr := in.Control.moments(t), in.Treatment.moments(t)
	switch {
	case in.Control.NumSum != "":
		return GroupRatio(c, 0, 1), GroupRatio(tr, 0, 1)
	case strings.HasPrefix(in.Variance, "bernoulli"):
		return GroupProportion(c, 0), GroupProportion(tr, 0)
	default:
		return GroupMean(c, 0), GroupMean(tr, 0)
	}
}

func (in twoArmInput) options(t *testing.T) Options {
	t.Helper()
	names := map[string]Reference{"": WelchT, "welch_t": WelchT, "student_t_pooled": PooledT, "z": Normal}
	reference, ok := names[in.Distribution]
	require.True(t, ok, "unknown distribution %q", in.Distribution)
	require.NotZero(t, in.Alpha)
	return Options{Level: 1 - in.Alpha, Reference: reference}
}

// results names the numbers of an estimate and of its test.
func results(e Estimate, test Test) outputs {
	return outputs{
		"estimate": e.Value, "se": e.SE, "ci_lower": e.Low, "ci_upper": e.High,
		"statistic": test.Statistic, "df": test.DF, "p_value": test.PValue,
	}
}
