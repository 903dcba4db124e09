package oracle

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// parseAudience reads an audience by the grammar of docs/audience.md. What the
// table there does not have is an error.
//
//	either     = both   { ("or"  | "||") both }
//	both       = single { ("and" | "&&") single }
//	single     = ("not" | "!") negated | comparison
//	negated    = ("not" | "!") negated | "(" either ")" | attribute
//	comparison = "(" either ")" | true | false | attribute [ operator value ] | value operator attribute
func parseAudience(text string) (condition, error) {
	if strings.TrimSpace(text) == "" {
		return everybody, nil
	}
	tokens, err := tokensOf(text)
	if err != nil {
		return nil, fmt.Errorf("audience %q: %w", text, err)
	}
	p := &parser{rest: tokens}
	c, err := p.either()
	if err == nil && len(p.rest) > 0 {
		err = fmt.Errorf("%q is not expected there; join conditions by and, or", p.rest[0])
	}
	if err != nil {
		return nil, fmt.Errorf("audience %q: %w", text, err)
	}
	return c, nil
}

var token = regexp.MustCompile(`^(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|[A-Za-z_][A-Za-z0-9_.]*|==|!=|<=|>=|&&|\|\||[<>!()\[\],])`)

func tokensOf(text string) ([]string, error) {
	var list []string
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimSpace(rest) {
		found := token.FindString(rest)
		if found == "" {
			return nil, fmt.Errorf("%q begins with nothing of the language; docs/audience.md has it", rest)
		}
		list, rest = append(list, found), rest[len(found):]
	}
	return list, nil
}

// parser holds the tokens that are still to be read.
type parser struct{ rest []string }

// take reads the next token if it is one of some.
func (p *parser) take(some ...string) bool {
	if len(p.rest) == 0 || !slices.Contains(some, p.rest[0]) {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *parser) next() string {
	if len(p.rest) == 0 {
		return ""
	}
	t := p.rest[0]
	p.rest = p.rest[1:]
	return t
}

func (p *parser) either() (condition, error) {
	return p.joined(p.both, disjunction, "or", "||")
}

func (p *parser) both() (condition, error) {
	return p.joined(p.single, conjunction, "and", "&&")
}

func (p *parser) joined(part func() (condition, error), join func([]condition) condition, by ...string) (condition, error) {
	var parts []condition
	for {
		c, err := part()
		if err != nil {
			return nil, err
		}
		parts = append(parts, c)
		if !p.take(by...) {
			return join(parts), nil
		}
	}
}

func (p *parser) single() (condition, error) {
	if p.take("not", "!") {
		return p.negated()
	}
	return p.comparison()
}

func (p *parser) negated() (condition, error) {
	var c condition
	var err error
	switch {
	case p.take("not", "!"):
		c, err = p.negated()
	case p.take("("):
		c, err = p.closing()
	default:
		name := p.next()
		if !isName(name) {
			return nil, fmt.Errorf("not applies to conditions in parentheses and to attributes, not to %q; write parentheses", name)
		}
		c = about(name, asBool, isTrue)
	}
	if err != nil {
		return nil, err
	}
	return negation(c), nil
}

// closing reads the rest of what is in parentheses.
func (p *parser) closing() (condition, error) {
	c, err := p.either()
	if err == nil && !p.take(")") {
		err = fmt.Errorf("a parenthesis is not closed; write )")
	}
	return c, err
}

func isTrue(b bool) bool { return b }

var words = []string{"and", "or", "not", "in", "contains", "startsWith", "endsWith", "matches", "true", "false", "nil"}

func isName(t string) bool {
	return t != "" && (t[0] == '_' || t[0] >= 'A' && t[0] <= 'Z' || t[0] >= 'a' && t[0] <= 'z') && !slices.Contains(words, t)
}

// operator reads the next token if it is an operator.
func (p *parser) operator() string {
	if len(p.rest) > 1 && p.rest[0] == "not" && p.rest[1] == "in" {
		p.rest = p.rest[2:]
		return "not in"
	}
	for _, op := range []string{"==", "!=", "<", "<=", ">", ">=", "in", "contains", "startsWith", "endsWith", "matches"} {
		if p.take(op) {
			return op
		}
	}
	return ""
}

func (p *parser) comparison() (condition, error) {
	if p.take("(") {
		return p.closing()
	}
	first := p.next()
	if isName(first) {
		op := p.operator()
		if op == "" {
			return about(first, asBool, isTrue), nil
		}
		value, err := p.value()
		if err != nil {
			return nil, err
		}
		return compare(first, op, value)
	}
	left, err := literal(first)
	if err != nil {
		return nil, err
	}
	op := p.operator()
	if b, ok := left.(bool); ok && op == "" {
		return func(map[string]any) truth { return truthOf(b) }, nil
	}
	name := p.next()
	if op == "" || !isName(name) {
		return nil, fmt.Errorf("%q is compared with no attribute; name one", first)
	}
	return compareReversed(left, op, name)
}

// value reads a literal or a list of literals.
func (p *parser) value() (any, error) {
	if !p.take("[") {
		return literal(p.next())
	}
	var list []any
	for {
		v, err := literal(p.next())
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		if p.take("]") {
			return list, nil
		}
		if !p.take(",") {
			return nil, fmt.Errorf("a list is not closed; write ]")
		}
	}
}

// null is the literal nil.
type null struct{}

// literal returns a string, a float64, a bool or null.
func literal(t string) (any, error) {
	switch {
	case t == "nil":
		return null{}, nil
	case t == "true", t == "false":
		return t == "true", nil
	case strings.HasPrefix(t, `"`):
		return strconv.Unquote(t)
	case strings.HasPrefix(t, `'`):
		inner := strings.ReplaceAll(strings.ReplaceAll(t[1:len(t)-1], `\'`, `'`), `"`, `\"`)
		return strconv.Unquote(`"` + inner + `"`)
	}
	f, err := strconv.ParseFloat(t, 64)
	if err != nil {
		return nil, fmt.Errorf("%q is no value; write a string in quotes, a number, true, false or nil", t)
	}
	return f, nil
}
