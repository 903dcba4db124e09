package audience

import (
	"fmt"
	"strings"
	"testing"

	"github.com/expr-lang/expr"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Where every attribute is there and of its type, nothing is unknown, and
// conditions mean what they mean in expr-lang. Its own virtual machine is the
// oracle; it shares the parser with this package and nothing else.
func TestAgainstExpr(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		condition := drawCondition(t, 3)
		attributes := map[string]any{
			"country": rapid.SampledFrom([]string{"DE", "AT", "FR", ""}).Draw(t, "country"),
			"name":    rapid.SampledFrom([]string{"Ada", "ada", "Zoë", "a.b", ""}).Draw(t, "name"),
			"age":     rapid.IntRange(-3, 3).Draw(t, "age"),
			"score":   rapid.SampledFrom([]float64{-2, -0.5, 0, 1, 1.5, 2}).Draw(t, "score"),
			"vip":     rapid.Bool().Draw(t, "vip"),
			"tags":    rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "vip"}), 0, 3).Draw(t, "tags"),
		}
		p, err := Compile(condition)
		require.NoError(t, err, condition)
		want, err := expr.Eval(condition, attributes)
		require.NoError(t, err, condition)
		require.Equal(t, want, p.Match(attributes), "%s with %v", condition, attributes)
	})
}

// drawCondition writes a random condition. Negations are in parentheses, as
// "not" binds in ways that are the parser's business.
func drawCondition(t *rapid.T, depth int) string {
	if depth > 0 {
		switch rapid.IntRange(0, 5).Draw(t, "node") {
		case 0, 1:
			op := rapid.SampledFrom([]string{"and", "&&", "or", "||"}).Draw(t, "op")
			return fmt.Sprintf("(%s %s %s)", drawCondition(t, depth-1), op, drawCondition(t, depth-1))
		case 2:
			return rapid.SampledFrom([]string{"not ", "!"}).Draw(t, "not") + "(" + drawCondition(t, depth-1) + ")"
		}
	}
	number := func() string {
		return rapid.SampledFrom([]string{"-2", "-0.5", "0", "1", "1.0", "1.5", "2"}).Draw(t, "number")
	}
	word := func() string {
		return fmt.Sprintf("%q", rapid.SampledFrom([]string{"DE", "AT", "Ada", "a", "b", "vip", ""}).Draw(t, "word"))
	}
	several := func(one func() string) string {
		var list []string
		for range rapid.IntRange(1, 3).Draw(t, "members") {
			list = append(list, one())
		}
		return "[" + strings.Join(list, ", ") + "]"
	}
	text := rapid.SampledFrom([]string{"country", "name"}).Draw(t, "text")
	numeric := rapid.SampledFrom([]string{"age", "score"}).Draw(t, "numeric")
	equality := rapid.SampledFrom([]string{"==", "!="}).Draw(t, "equality")
	comparison := rapid.SampledFrom([]string{"<", "<=", ">", ">=", "==", "!="}).Draw(t, "comparison")
	switch rapid.IntRange(0, 11).Draw(t, "leaf") {
	case 0:
		return "vip"
	case 1:
		return "vip " + equality + " " + rapid.SampledFrom([]string{"true", "false"}).Draw(t, "bool")
	case 2:
		return text + " " + equality + " " + word()
	case 3:
		return word() + " " + equality + " " + text
	case 4:
		return numeric + " " + comparison + " " + number()
	case 5:
		return number() + " " + comparison + " " + numeric
	case 6:
		return text + " in " + several(word)
	case 7:
		return numeric + " in " + several(number)
	case 8:
		return word() + " in tags"
	case 9:
		return text + " " + rapid.SampledFrom([]string{"contains", "startsWith", "endsWith"}).Draw(t, "part") + " " + word()
	case 10:
		return text + " matches " + rapid.SampledFrom([]string{`"^A"`, `"a$"`, `"^.d"`, `"^$"`}).Draw(t, "pattern")
	default:
		return rapid.SampledFrom([]string{"true", "false", "country == nil", "tags != nil"}).Draw(t, "constant")
	}
}
