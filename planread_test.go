package strata

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/seed"
)

// filledPlan has something in every field of a plan and of all that is in it, each
// time something else. It is not valid.
func filledPlan(t testing.TB) *Plan {
	t.Helper()
	p, n := new(Plan), 0
	fill(t, reflect.ValueOf(p).Elem(), &n)
	return p
}

// fill puts the n-th value into something.
func fill(t testing.TB, v reflect.Value, n *int) {
	*n++
	switch x := v.Addr().Interface().(type) {
	case *Buckets:
		*x = BucketList(*n, 5000, 5001+*n)
		return
	case *time.Time:
		*x = time.Date(2025, 1, 2, 3, 4, 5, *n, time.FixedZone("", 60*(*n%300)))
		return
	case *Values:
		*x = Values{fmt.Sprint("key-", *n): fmt.Sprint("value-", *n), "nested": map[string]any{"list": []any{json.Number(fmt.Sprint(*n)), true, nil, "<ü>"}}}
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprint("text-", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Float64:
		v.SetFloat(float64(*n) + 0.5)
	case reflect.Interface:
		v.Set(reflect.ValueOf([]any{json.Number(fmt.Sprint(*n))}))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i), n)
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(t, field, n)
		}
	default:
		t.Fatalf("fill does not know what to put into a %s", v.Type())
	}
}

// The fast way knows every field, and reads what the strict way reads.
func TestBothWaysOfReadingAPlan(t *testing.T) {
	full := filledPlan(t)
	text, err := json.Marshal(full)
	require.NoError(t, err)
	indented, err := json.MarshalIndent(full, " ", "\t")
	require.NoError(t, err)
	for _, text := range [][]byte{text, indented, []byte(`{}`)} {
		fast, ok := readPlanFast(text)
		require.True(t, ok)
		strict, err := readPlanStrictly(text)
		require.NoError(t, err)
		require.Equal(t, strict, fast)
		again, err := json.Marshal(fast)
		require.NoError(t, err)
		if string(text) != "{}" {
			require.JSONEq(t, string(text), string(again), "the filled plan is read whole")
		}
	}
}

// A wrong value in any field, and a null, leave the word to the strict way.
func TestTheFastWayLeavesErrorsToTheStrictOne(t *testing.T) {
	seed.OneGoroutine(t)
	text, err := json.Marshal(filledPlan(t))
	require.NoError(t, err)
	var tree any
	require.NoError(t, json.Unmarshal(text, &tree))
	refused, unsure := 0, 0
	eachMember(tree, func(object map[string]any, key string) {
		was := object[key]
		for _, wrong := range []any{nil, 1.5, "?", true, []any{7}, map[string]any{"?": 1}} {
			object[key] = wrong
			broken, err := json.Marshal(tree)
			require.NoError(t, err)
			fast, ok := readPlanFast(broken)
			strict, err := readPlanStrictly(broken)
			switch {
			case err != nil:
				require.False(t, ok, "%s: %v is wrong: %v", key, wrong, err)
				refused++
			case !ok:
				unsure++
			default:
				require.Equal(t, strict, fast)
			}
		}
		object[key] = was
		object[key+"?"] = was
		broken, err := json.Marshal(tree)
		require.NoError(t, err)
		if _, ok := readPlanFast(broken); ok {
			_, err := readPlanStrictly(broken)
			require.NoError(t, err, "%s?", key)
		}
		delete(object, key+"?")
	})
	require.Greater(t, refused, 500)
	require.Greater(t, unsure, 50)
}

// eachMember visits the members of all objects in a document.
func eachMember(tree any, visit func(object map[string]any, key string)) {
	switch x := tree.(type) {
	case map[string]any:
		for key, inner := range x {
			eachMember(inner, visit)
			visit(x, key)
		}
	case []any:
		for _, inner := range x {
			eachMember(inner, visit)
		}
	}
}

// The tables are in the order of the JSON form, which makes them fast, and have
// nothing that the types do not have.
func TestTheTablesFollowTheTypes(t *testing.T) {
	names := func(of any) []string {
		v, list := reflect.ValueOf(of), []string(nil)
		for i := range v.Len() {
			list = append(list, v.Index(i).FieldByName("Name").String())
		}
		return list
	}
	for typ, table := range map[reflect.Type]any{
		reflect.TypeFor[Plan](): planFields, reflect.TypeFor[Parameter](): parameterFields, reflect.TypeFor[Domain](): domainFields,
		reflect.TypeFor[Layer](): layerFields, reflect.TypeFor[Experiment](): experimentFields, reflect.TypeFor[Treatment](): treatmentFields,
		reflect.TypeFor[Schedule](): scheduleFields, reflect.TypeFor[RampStep](): rampStepFields, reflect.TypeFor[Analysis](): analysisFields,
		reflect.TypeFor[Allocation](): allocationFields, reflect.TypeFor[Weight](): weightFields, reflect.TypeFor[History](): historyFields,
		reflect.TypeFor[Metric](): metricFields, reflect.TypeFor[Measure](): measureFields, reflect.TypeFor[Step](): stepFields,
		reflect.TypeFor[Retired](): retiredFields, reflect.TypeFor[Tenure](): tenureFields,
	} {
		var want []string
		for f := range typ.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			want = append(want, name)
		}
		require.Equal(t, want, names(table), "%s in planread_fields.go", typ)
	}
}

// filledParts are documents with one field of the filled plan each, and one element in
// each list of the plan.
func filledParts(t testing.TB) (parts [][]byte) {
	t.Helper()
	full := reflect.ValueOf(filledPlan(t)).Elem()
	for i := range full.NumField() {
		p := new(Plan)
		field := reflect.ValueOf(p).Elem().Field(i)
		if field.Set(full.Field(i)); field.Kind() == reflect.Slice {
			field.Set(field.Slice(0, 1))
		}
		text, err := json.Marshal(p)
		require.NoError(t, err)
		parts = append(parts, text)
	}
	return parts
}

// Whatever the fast way reads, the strict way reads as the same; and a problem that
// validation can name, it finds before it looks for the words.
func FuzzBothWaysOfReadingAPlan(f *testing.F) {
	for _, text := range filledParts(f) { // small ones, which fuzzing is fast with
		f.Add(text)
	}
	for _, text := range []string{
		`{}`, `null`, `{"version":1,"version":2}`, `{"Version":1}`, ` {"layers" : [ {"key":"a\u0026","launch":false} ] } `,
		`{"experiments":[{"key":"a","treatments":[],"buckets":"0-9999","values":{}}]}`, `{"experiments":[{"treatments":[{"values":{"a":1e5,"b":{}}}]}]}`,
		`{"experiments":[{"buckets":"5,1-4","draining":"","schedule":{"ramp":[{"at":"2025-06-02T12:00:00+02:00","share":1e-1}]}}]}`,
		`{"metrics":[{"denominator":{},"window":"1h3m","cap":-0.0,"measure":{"event":"x"}}],"effective_at":"0000-01-01T00:00:00Z"}`, `{} {}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		fast, ok := readPlanFast(text)
		if !ok {
			return
		}
		strict, err := readPlanStrictly(text)
		require.NoError(t, err)
		require.Equal(t, strict, fast)
		tree := newTree(fast)
		quick, worded := &validator{plan: fast, tree: tree}, &validator{plan: fast, tree: tree, words: true}
		require.Equal(t, quick.check(), worded.check(), "validation finds the same with words and without: %v", worded.problems)
		require.Equal(t, worded.found, len(worded.problems) > 0)
	})
}
