package strata

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata/internal/seed"
)

// sameClone demands that both ways of copying a plan have the same outcome.
func sameClone(t testing.TB, p *Plan, what string) (fast bool) {
	t.Helper()
	want, wantErr := p.cloneByJSON()
	got, err := p.Clone()
	if wantErr != nil {
		require.EqualError(t, err, wantErr.Error(), what)
	} else {
		require.NoError(t, err, what)
	}
	require.Equal(t, want, got, what)
	_, fast = p.cloneFast()
	return fast
}

func TestACloneIsWhatJSONMakesOfAPlan(t *testing.T) {
	require.True(t, sameClone(t, &Plan{}, "empty"))
	require.False(t, sameClone(t, nil, "nil"))
	p := filledPlan(t)
	require.True(t, sameClone(t, p, "filled"))
	again, err := p.Clone()
	require.NoError(t, err)
	require.True(t, sameClone(t, again, "its clone"))
	nothingShared(t, reflect.ValueOf(p).Elem(), reflect.ValueOf(again).Elem(), "plan")
}

// nothingShared fails when a change of one of two equal values can change the other.
// Sets of buckets never change.
func nothingShared(t testing.TB, a, b reflect.Value, path string) {
	if a.Type() == reflect.TypeFor[Buckets]() || a.Type() == reflect.TypeFor[time.Time]() {
		return
	}
	switch a.Kind() {
	case reflect.Slice, reflect.Map, reflect.Pointer:
		require.NotEqual(t, a.Pointer(), b.Pointer(), path)
	}
	switch a.Kind() {
	case reflect.Interface, reflect.Pointer:
		if !a.IsNil() {
			nothingShared(t, a.Elem(), b.Elem(), path)
		}
	case reflect.Struct:
		for i := range a.NumField() {
			nothingShared(t, a.Field(i), b.Field(i), path+"."+a.Type().Field(i).Name)
		}
	case reflect.Slice:
		require.Equal(t, b.Len(), b.Cap(), "%s can be appended to", path)
		for i := range a.Len() {
			nothingShared(t, a.Index(i), b.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	case reflect.Map:
		for _, key := range a.MapKeys() {
			nothingShared(t, a.MapIndex(key), b.MapIndex(key), path+"."+key.String())
		}
	}
}

type marshaled string

func (m marshaled) MarshalJSON() ([]byte, error) { return []byte(m), nil }

// oddities are values that writing and reading changes, or that cannot be written.
func oddities() []any {
	cycle := map[string]any{}
	cycle["self"] = cycle
	deep := func(n int) (v any) {
		for range n {
			v = []any{v}
		}
		return v
	}
	return []any{
		"", "\xff", "a\xffb", "<&>\u2028", strings.Repeat("x", 5000),
		0.0, math.Copysign(0, -1), math.NaN(), math.Inf(1), 1e21, 1e-9, 0.1, math.MaxFloat64,
		time.Time{}, time.Now(), time.Now().UTC(), time.Date(2025, 1, 1, 0, 0, 0, 1, time.FixedZone("x", 3600)), time.Date(2025, 1, 1, 0, 0, 0, 0, time.Local),
		time.Time{}.In(time.FixedZone("x", 3600)), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2025, 1, 1, 0, 0, 0, 0, time.FixedZone("x", 3601)), time.Date(2025, 1, 1, 0, 0, 0, 0, time.FixedZone("x", 0)),
		nil, true, 5, int8(-5), uint64(math.MaxUint64), math.MinInt, float32(0.1), json.Number("1"), json.Number("-0"), json.Number("01"), json.Number(""), json.Number("1e5"), json.Number("x"), json.Number("1 "),
		json.Number("123456789012345678901234567890"), []any(nil), []any{}, []any{1, 2.5, "x"}, map[string]any(nil), map[string]any{}, map[string]any{"\xff": 1, "\xfe": 2}, Values{"a": 1}, Values{},
		[]string{"a"}, []byte("bytes"), struct{ A, B int }{1, 2}, map[int]string{1: "x"}, func() {}, make(chan int), marshaled(`{"a":1,"a":2}`), marshaled(`{"a":`), marshaled(`null`), cycle,
		deep(20), deep(40), deep(95), deep(120), TypeBool, Duration(5), AllBuckets(), Buckets{}, (*int)(nil), errNothing{},
	}
}

type errNothing struct{}

// Every oddity, in every place of a plan that can hold it.
func TestOddPlansCloneAsJSONMakesThem(t *testing.T) {
	seed.OneGoroutine(t)
	fast, slow := 0, 0
	p := filledPlan(t)
	try := func(path string, v reflect.Value) {
		was := reflect.New(v.Type()).Elem()
		was.Set(v)
		for i, odd := range oddities() {
			switch x := reflect.ValueOf(odd); {
			case v.Kind() == reflect.Interface && odd == nil:
				v.SetZero()
			case odd == nil:
				continue
			case x.Type().AssignableTo(v.Type()):
				v.Set(x)
			case x.Kind() == v.Kind() && x.Kind() == reflect.String && x.CanConvert(v.Type()):
				v.Set(x.Convert(v.Type()))
			default:
				continue
			}
			if sameClone(t, p, fmt.Sprintf("%s: oddity %d, a %T", path, i, odd)) {
				fast++
			} else {
				slow++
			}
		}
		if v.Kind() == reflect.Slice || v.Kind() == reflect.Pointer || v.Kind() == reflect.Map {
			v.SetZero()
			require.True(t, sameClone(t, p, path+" = nil"))
		}
		if v.Kind() == reflect.Slice {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
			require.True(t, sameClone(t, p, path+" empty"))
		}
		v.Set(was)
	}
	p.shrink()
	eachPlace(reflect.ValueOf(p).Elem(), "plan", try)
	require.Greater(t, fast, 300)
	require.Greater(t, slow, 100)
}

// shrink leaves one element in each list of the plan.
func (p *Plan) shrink() {
	v := reflect.ValueOf(p).Elem()
	for _, f := range v.Fields() {
		if f.Kind() == reflect.Slice {
			f.Set(f.Slice(0, 1))
		}
	}
}

// eachPlace visits what a plan holds, from the inside out.
func eachPlace(v reflect.Value, path string, visit func(path string, v reflect.Value)) {
	switch v.Interface().(type) {
	case Buckets, time.Time:
		visit(path, v)
		return
	case Schedule: // all of it may be left out
		zero := reflect.ValueOf(Schedule{Start: time.Time{}.In(time.FixedZone("x", 60)), Ramp: []RampStep{}})
		was := v.Interface()
		v.Set(zero)
		visit(path, v)
		v.Set(reflect.ValueOf(was))
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			eachPlace(v.Field(i), path+"."+v.Type().Field(i).Name, visit)
		}
	case reflect.Slice:
		for i := range min(v.Len(), 1) {
			eachPlace(v.Index(i), path+"[]", visit)
		}
	case reflect.Pointer:
		eachPlace(v.Elem(), path, visit)
	}
	visit(path, v)
}

// A plan whose JSON form is too long is refused, whichever way it is copied.
func TestAPlanThatIsTooLongHasNoClone(t *testing.T) {
	long := strings.Repeat("<", maxPlanBytes/6+1)
	p := &Plan{Parameters: []Parameter{{Key: "p", Type: TypeString, Default: long}}}
	_, fast := p.cloneFast()
	require.False(t, fast, "JSON writes six bytes for each of these")
	c := new(cloner)
	many := BucketList(0, 2, 4, 63, 64, 70, 9999)
	c.buckets(many)
	require.Equal(t, 11*6, c.bytes, "six ranges")
	require.GreaterOrEqual(t, c.bytes, len(many.String()))
}
