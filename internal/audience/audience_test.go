package audience

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func match(t testing.TB, condition string, attributes map[string]any) bool {
	t.Helper()
	p, err := Compile(condition)
	require.NoError(t, err, condition)
	return p.Match(attributes)
}

// Three-valued logic, as in SQL. An attribute that is true, false or missing
// stands for yes, no and unknown; a condition that is unknown does not match,
// and neither does its negation.
func TestTruthTables(t *testing.T) {
	values := map[string]any{"t": true, "f": false}
	for _, c := range []struct{ condition, want string }{
		{"t", "yes"}, {"f", "no"}, {"u", "unknown"},
		{"not t", "no"}, {"not f", "yes"}, {"not u", "unknown"}, {"!u", "unknown"}, {"not not u", "unknown"},
		{"t and t", "yes"}, {"t and f", "no"}, {"t and u", "unknown"},
		{"f and t", "no"}, {"f and f", "no"}, {"f and u", "no"},
		{"u and t", "unknown"}, {"u and f", "no"}, {"u and u", "unknown"},
		{"t or t", "yes"}, {"t or f", "yes"}, {"t or u", "yes"},
		{"f or t", "yes"}, {"f or f", "no"}, {"f or u", "unknown"},
		{"u or t", "yes"}, {"u or f", "unknown"}, {"u or u", "unknown"},
		{"true", "yes"}, {"false", "no"}, {"u or true", "yes"}, {"u and false", "no"},
		{"u == true", "unknown"}, {"u == false", "unknown"}, {"u != true", "unknown"}, {"f == false", "yes"}, {"true == t", "yes"},
		{"u == nil", "yes"}, {"u != nil", "no"}, {"t == nil", "no"}, {"nil != t", "yes"},
		{"u == nil || u", "yes"}, {"t and (u or not f)", "yes"},
	} {
		want := c.want
		positive, negative := match(t, c.condition, values), match(t, "not ("+c.condition+")", values)
		require.Equal(t, want == "yes", positive, c.condition)
		require.Equal(t, want == "no", negative, "not (%s)", c.condition)
	}
}

// Every kind of comparison with a missing attribute, or with one of another
// type, is unknown: it does not match, nor does the opposite.
func TestMissingAndMistypedAttributesDoNotMatch(t *testing.T) {
	for condition, wrong := range map[string]any{
		`s == "a"`: 1, `s != "a"`: true, `s in ["a", "b"]`: []string{"a"}, `s contains "a"`: 1.5, `s startsWith "a"`: json.Number("1"),
		`s endsWith "a"`: []any{"a"}, `s matches "a"`: struct{}{}, `s == 1`: "1", `s != 1`: "x", `s < 1`: "0", `s >= 1`: true,
		`s in [1, 2]`: "1", `"a" in s`: "a", `s`: "true", `s == true`: 1, `s != false`: "false",
	} {
		for _, attributes := range []map[string]any{nil, {}, {"other": 1}, {"s": nil}, {"s": wrong}} {
			require.False(t, match(t, condition, attributes), "%s with %v", condition, attributes)
			require.False(t, match(t, "not ("+condition+")", attributes), "not (%s) with %v", condition, attributes)
		}
	}
}

// NaN has no order: a comparison by order is unknown, and so is its opposite. It
// equals nothing.
func TestNaNHasNoOrder(t *testing.T) {
	nan := map[string]any{"x": math.NaN()}
	for _, condition := range []string{"x < 5", "x <= 5", "x > 5", "x >= 5", "x == 5", "x in [5]"} {
		require.False(t, match(t, condition, nan), condition)
	}
	for _, condition := range []string{"not (x < 5)", "not (x <= 5)", "not (x > 5)", "not (x >= 5)"} {
		require.False(t, match(t, condition, nan), condition)
	}
	require.True(t, match(t, "x != 5", nan))
	require.True(t, match(t, "x != nil", nan))
}

type (
	word   string
	amount int16
	yesNo  bool
	share  float32
	wordsT []string
)

// Attributes of all Go and JSON types, and named ones.
func TestTypesOfValues(t *testing.T) {
	for _, c := range []struct {
		condition string
		matches   []any
		fails     []any
	}{
		{`x == "a"`, []any{"a", word("a")}, []any{"b", word("b"), "", "A"}},
		{`x in ["a", "b"]`, []any{"a", "b", word("b")}, []any{"c", ""}},
		{`x == 5`, []any{5, int8(5), int64(5), uint(5), uint8(5), 5.0, float32(5), json.Number("5"), json.Number("5.0"), amount(5), share(5)}, []any{4, 5.5, -5, json.Number("x"), math.NaN()}},
		{`x > 4.5`, []any{5, 4.6, uint64(math.MaxUint64), json.Number("1e3"), math.Inf(1), time.Second}, []any{4, 4.5, -5, math.Inf(-1), math.NaN()}},
		{`x <= -2`, []any{-2, -3, -2.0, math.Inf(-1)}, []any{-1, 0, uint8(255)}},
		{`x in [1, 2.5]`, []any{1, 2.5, 1.0, uint(1)}, []any{2, 0}},
		{`2 < x`, []any{3, 2.5}, []any{2, 1}},
		{`2 >= x`, []any{2, 1}, []any{3, 2.5}},
		{`x == 9007199254740993`, []any{9007199254740993, json.Number("9007199254740993")}, []any{9007199254740992, json.Number("9007199254740992")}},
		{`x`, []any{true, yesNo(true)}, []any{false, yesNo(false)}},
		{`"vip" in x`, []any{[]string{"a", "vip"}, []any{"a", 1, "vip"}, []any{word("vip")}, wordsT{"vip"}, []word{"vip"}, [2]string{"a", "vip"}}, []any{[]string{}, []string(nil), []any{1, nil}, wordsT{"x"}}},
		{`x contains "b"`, []any{"abc", word("b")}, []any{"ac", ""}},
		{`x startsWith "a"`, []any{"abc"}, []any{"ba"}},
		{`x endsWith "c"`, []any{"abc"}, []any{"ca"}},
		{`x matches "^a.c$"`, []any{"abc"}, []any{"abcd"}},
	} {
		for _, v := range c.matches {
			require.True(t, match(t, c.condition, map[string]any{"x": v}), "%s with %T(%v)", c.condition, v, v)
		}
		for _, v := range c.fails {
			require.False(t, match(t, c.condition, map[string]any{"x": v}), "%s with %T(%v)", c.condition, v, v)
		}
	}
}

// A dotted path is the name of one attribute, not a way into a nested one.
func TestDottedNames(t *testing.T) {
	for _, condition := range []string{`user.country == "DE"`, `user["country"] == "DE"`} {
		require.True(t, match(t, condition, map[string]any{"user.country": "DE"}))
		require.False(t, match(t, condition, map[string]any{"user": map[string]any{"country": "DE"}}))
	}
}

func TestAttributesAndTheirTypes(t *testing.T) {
	p, err := Compile(`country in ["DE"] && app.version >= 5 && vip && "x" in tags && email != nil`)
	require.NoError(t, err)
	want := map[string]Type{"country": String, "app.version": Number, "vip": Bool, "tags": List}
	require.Equal(t, want, p.Attributes())
	p.Attributes()["country"] = Bool
	require.Equal(t, want, p.Attributes(), "a copy")
}

// Errors say what is wrong and what to write instead.
func TestErrorsWithCures(t *testing.T) {
	for condition, piece := range map[string]string{
		"":                        "unexpected token EOF",
		"country ==":              "unexpected token EOF",
		"country = 1":             "=",
		`country == "DE`:          "literal not terminated",
		"1 == 1":                  `must compare an attribute with a value, as in country == "DE"`,
		"a == b":                  "must compare an attribute with a value",
		`a == ["x"]`:              "expected a value, found",
		`name < "x"`:              `"<" orders numbers only`,
		"a > true":                "orders numbers only",
		"a > nil":                 "orders numbers only",
		"a in []":                 "must be a list of values",
		"a in b":                  "must be a list of values",
		`a in ["x", 1]`:           "mixes strings with something else",
		`a in [1, "x"]`:           "a list holds strings or numbers",
		"a in [true]":             "a list holds strings or numbers",
		"a in 1..5":               "must be a list of values",
		`"x" in ["x"]`:            "expected the name of an attribute",
		"a matches b":             "must be a string in quotes",
		`a matches "("`:           "is not a regular expression",
		"a contains 1":            "must be a string in quotes",
		`a && a == "x"`:           `attribute "a" is used as a bool and as a string; use one type`,
		`a == 1 || "x" in a`:      `attribute "a" is used as a number and as a list of strings`,
		"len(tags) > 1":           "must compare an attribute with a value",
		"upper(country)":          "not part of the language of audiences",
		"a + 1 == 2":              "must compare an attribute with a value",
		"a ? b : c":               "not part of the language of audiences",
		"$env == 1":               "must compare an attribute",
		"tags[0] == \"x\"":        "must compare an attribute with a value",
		"a?.b":                    "not part of the language of audiences",
		"any(tags, # == 1)":       "not part of the language of audiences",
		"let x = 1; x == 1":       "not part of the language of audiences",
		"now() > 5":               "must compare an attribute with a value",
		"-a":                      "not part of the language of audiences",
		"42":                      "not part of the language of audiences",
		`"text"`:                  "not part of the language of audiences",
		"nil":                     "not part of the language of audiences",
		"a ?? b":                  "not part of the language of audiences",
		"a | upper()":             "not part of the language of audiences",
		strings.Repeat("a", 5000): "has 5000 bytes, the limit is 4096",
	} {
		_, err := Compile(condition)
		require.ErrorContains(t, err, piece, "%q", condition)
		require.Less(t, len(err.Error()), 400, "%q", condition)
	}
}

// The deepest conditions that fit neither overflow a stack nor take long.
func TestDeepConditions(t *testing.T) {
	for _, condition := range []string{
		strings.Repeat("(", 2000) + "a" + strings.Repeat(")", 2000),
		strings.Repeat("!", 4000) + "a",
		strings.Repeat("not ", 1000) + "a",
		strings.TrimSuffix(strings.Repeat("a and ", 680), " and "),
		strings.TrimSuffix(strings.Repeat("a || ", 800), " || "),
	} {
		require.LessOrEqual(t, len(condition), MaxLength)
		p, err := Compile(condition)
		if err == nil {
			require.True(t, p.Match(map[string]any{"a": true}))
		}
	}
}

// Whatever compiles evaluates: no attribute makes it panic, and a condition and
// its negation never both match.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		"", "true", "a", `country in ["DE", "AT"] && app_version >= 5`, `not (a or b) and "vip" in tags`, `a matches "^x+$"`,
		"a == nil", "a.b.c != 1.5e300", "a in [1, 2.5, -3]", `x startsWith "ü"`, "a ?? b", "1 < a", "a == -9223372036854775807", "((", "a[", "#", "$env", "a?.b",
	} {
		f.Add(seed)
	}
	odd := []any{nil, true, 1, -1, uint64(math.MaxUint64), math.NaN(), math.Inf(1), "DE", "", "\xff", []string{"vip"}, []any{"vip", nil, 1, []any{}},
		map[string]any{"b": 1}, struct{ a int }{}, (*int)(nil), func() {}, make(chan int), json.Number("1e999"), json.Number(""), json.RawMessage("1"),
		word("x"), wordsT(nil), [2]string{}, error(nil), time.Time{}, complex(1, 1), []word{"a"}, []int{1}}
	f.Fuzz(func(t *testing.T, condition string) {
		p, err := Compile(condition)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		negation, err := Compile("not (" + condition + ")")
		for i := range odd {
			attributes := map[string]any{}
			n := 0
			for name := range p.Attributes() {
				attributes[name] = odd[(i+n)%len(odd)]
				n++
			}
			if p.Match(attributes) && err == nil {
				require.False(t, negation.Match(attributes), "%q and its negation match %v", condition, attributes)
			}
		}
	})
}

// Patterns are left out: regexp keeps what it needs in a pool, which the garbage
// collector empties, and the race detector at random.
func TestMatchDoesNotAllocate(t *testing.T) {
	attributes := map[string]any{"country": "AT", "version": 7, "vip": true, "tags": []string{"a", "b"}, "score": 0.5, "name": word("Ada"), "n": uint8(3), "own": wordsT{"a", "b"}}
	for _, condition := range []string{
		`country in ["DE", "AT"] && version >= 5`,
		`vip and not (country == "US") and "b" in tags and score < 1 and name startsWith "A" and n in [1, 2, 3]`,
		`name endsWith "a" or missing == nil`,
		`"b" in own and not ("c" in own)`,
		`missing > 5 or other contains "x"`,
	} {
		p, err := Compile(condition)
		require.NoError(t, err)
		require.Zero(t, testing.AllocsPerRun(100, func() { sink = p.Match(attributes) }), condition)
	}
}

var sink bool

// BenchmarkMatch by the number of conditions, all of which hold.
func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{1, 2, 4, 8, 16} {
		attributes := make(map[string]any)
		var parts []string
		for i := range n {
			if i%2 == 0 {
				attributes[fmt.Sprintf("s%d", i)] = "AT"
				parts = append(parts, fmt.Sprintf(`s%d in ["DE", "AT"]`, i))
			} else {
				attributes[fmt.Sprintf("n%d", i)] = 7
				parts = append(parts, fmt.Sprintf("n%d >= 5", i))
			}
		}
		p, err := Compile(strings.Join(parts, " && "))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("conditions=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sink = p.Match(attributes)
			}
		})
	}
}
