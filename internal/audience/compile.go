package audience

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// compiler turns the syntax tree into nodes, and remembers what type each
// attribute must have, so that two uses that disagree are an error.
type compiler struct {
	types map[string]Type
}

// boolean compiles an expression that must be a condition.
func (c *compiler) boolean(n ast.Node) (node, error) {
	switch n := n.(type) {
	case *ast.BoolNode:
		return constant(truth(n.Value)), nil
	case *ast.IdentifierNode, *ast.MemberNode:
		name, err := c.attribute(n, Bool)
		return flag(name), err
	case *ast.UnaryNode:
		if n.Operator != "!" && n.Operator != "not" {
			return nil, unsupported(n)
		}
		inner, err := c.boolean(n.Node)
		return not{inner}, err
	case *ast.BinaryNode:
		return c.binary(n)
	default:
		return nil, unsupported(n)
	}
}

func (c *compiler) binary(n *ast.BinaryNode) (node, error) {
	switch n.Operator {
	case "and", "&&", "or", "||":
		return c.connective(n)
	case "==", "!=":
		return c.equality(n)
	case "<", "<=", ">", ">=":
		return c.order(n)
	case "in":
		return c.membership(n)
	case "contains", "startsWith", "endsWith", "matches":
		return c.text(n)
	default:
		return nil, unsupported(n)
	}
}

func (c *compiler) connective(n *ast.BinaryNode) (node, error) {
	left, err := c.boolean(n.Left)
	if err != nil {
		return nil, err
	}
	right, err := c.boolean(n.Right)
	if n.Operator == "and" || n.Operator == "&&" {
		return and{left, right}, err
	}
	return or{left, right}, err
}

// equality compiles == and !=; a comparison with nil asks whether the attribute
// is there, and is never unknown.
func (c *compiler) equality(n *ast.BinaryNode) (node, error) {
	attr, other, _, err := sides(n)
	if err != nil {
		return nil, err
	}
	var eq node
	if _, isNil := other.(*ast.NilNode); isNil {
		name, err := attributeName(attr)
		if err != nil {
			return nil, err
		}
		eq = missing(name)
	} else if eq, err = c.equal(attr, other); err != nil {
		return nil, err
	}
	if n.Operator == "!=" {
		return not{eq}, nil
	}
	return eq, nil
}

func (c *compiler) equal(attr, other ast.Node) (node, error) {
	switch lit := other.(type) {
	case *ast.StringNode:
		name, err := c.attribute(attr, String)
		return oneOf{name, []string{lit.Value}}, err
	case *ast.BoolNode:
		name, err := c.attribute(attr, Bool)
		if !lit.Value {
			return not{flag(name)}, err
		}
		return flag(name), err
	}
	num, err := literalNumber(other)
	if err != nil {
		return nil, err
	}
	name, err := c.attribute(attr, Number)
	return oneOfNumbers{name, []number{num}}, err
}

func (c *compiler) order(n *ast.BinaryNode) (node, error) {
	attr, other, swapped, err := sides(n)
	if err != nil {
		return nil, err
	}
	num, err := literalNumber(other)
	if err != nil {
		return nil, fmt.Errorf("%w; %q orders numbers only", err, n.Operator)
	}
	name, err := c.attribute(attr, Number)
	op := n.Operator
	if swapped {
		op = map[string]string{"<": ">", "<=": ">=", ">": "<", ">=": "<="}[op]
	}
	return comparison{name: name, less: op[0] == '<', orEqual: len(op) == 2, to: num}, err
}

// membership compiles `country in ["DE", "AT"]` and `"vip" in tags`.
func (c *compiler) membership(n *ast.BinaryNode) (node, error) {
	if lit, ok := n.Left.(*ast.StringNode); ok {
		name, err := c.attribute(n.Right, List)
		return listContains{name, lit.Value}, err
	}
	list, ok := n.Right.(*ast.ArrayNode)
	if !ok || len(list.Nodes) == 0 {
		return nil, fmt.Errorf("the right side of \"in\" must be a list of values, as in country in [\"DE\", \"AT\"], or an attribute that holds a list, as in \"vip\" in tags")
	}
	if _, ok := list.Nodes[0].(*ast.StringNode); ok {
		return c.stringSet(n.Left, list.Nodes)
	}
	return c.numberSet(n.Left, list.Nodes)
}

func (c *compiler) stringSet(attr ast.Node, values []ast.Node) (node, error) {
	set := make([]string, len(values))
	for i, v := range values {
		lit, ok := v.(*ast.StringNode)
		if !ok {
			return nil, fmt.Errorf("the list mixes strings with something else; use one type")
		}
		set[i] = lit.Value
	}
	name, err := c.attribute(attr, String)
	return oneOf{name, set}, err
}

func (c *compiler) numberSet(attr ast.Node, values []ast.Node) (node, error) {
	set := make([]number, len(values))
	for i, v := range values {
		num, err := literalNumber(v)
		if err != nil {
			return nil, fmt.Errorf("a list holds strings or numbers: %w", err)
		}
		set[i] = num
	}
	name, err := c.attribute(attr, Number)
	return oneOfNumbers{name, set}, err
}

func (c *compiler) text(n *ast.BinaryNode) (node, error) {
	lit, ok := n.Right.(*ast.StringNode)
	if !ok {
		return nil, fmt.Errorf("the right side of %q must be a string in quotes", n.Operator)
	}
	name, err := c.attribute(n.Left, String)
	if err != nil {
		return nil, err
	}
	if n.Operator != "matches" {
		return substring{name, n.Operator, lit.Value}, nil
	}
	pattern, err := regexp.Compile(lit.Value)
	if err != nil {
		return nil, fmt.Errorf("%q is not a regular expression: %w", lit.Value, err)
	}
	return matches{name, pattern}, nil
}

// sides sorts a comparison into attribute and literal.
func sides(n *ast.BinaryNode) (attr, literal ast.Node, swapped bool, err error) {
	left, right := isAttribute(n.Left), isAttribute(n.Right)
	switch {
	case left && !right:
		return n.Left, n.Right, false, nil
	case right && !left:
		return n.Right, n.Left, true, nil
	default:
		return nil, nil, false, fmt.Errorf("%q must compare an attribute with a value, as in country == \"DE\"", n.Operator)
	}
}

func isAttribute(n ast.Node) bool {
	_, err := attributeName(n)
	return err == nil
}

// attribute returns the name and records the type that this use implies.
func (c *compiler) attribute(n ast.Node, t Type) (string, error) {
	name, err := attributeName(n)
	if err != nil {
		return "", err
	}
	if known, ok := c.types[name]; ok && known != t {
		return "", fmt.Errorf("attribute %q is used as a %s and as a %s; use one type", name, known, t)
	}
	c.types[name] = t
	return name, nil
}

// attributeName accepts identifiers and dotted paths: user.country is the
// attribute with the key "user.country".
func attributeName(n ast.Node) (string, error) {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		if strings.HasPrefix(n.Value, "$") { // expr's own variables
			return "", unsupported(n)
		}
		return n.Value, nil
	case *ast.MemberNode:
		property, ok := n.Property.(*ast.StringNode)
		if !ok || n.Optional || n.Method {
			return "", unsupported(n)
		}
		base, err := attributeName(n.Node)
		return base + "." + property.Value, err
	case *ast.ChainNode:
		return "", unsupported(n)
	default:
		return "", fmt.Errorf("expected the name of an attribute, found %s", describe(n))
	}
}

// literalNumber reads an integer or float, with a sign.
func literalNumber(n ast.Node) (number, error) {
	switch n := n.(type) {
	case *ast.IntegerNode:
		return number{isInt: true, i: int64(n.Value), f: float64(n.Value)}, nil
	case *ast.FloatNode:
		return number{f: n.Value}, nil
	case *ast.UnaryNode:
		if n.Operator == "-" {
			num, err := literalNumber(n.Node)
			return number{isInt: num.isInt, i: -num.i, f: -num.f}, err
		}
	}
	return number{}, fmt.Errorf("expected a value, found %s", describe(n))
}

func unsupported(n ast.Node) error {
	return fmt.Errorf("%s is not part of the language of audiences: write conditions with ==, !=, <, <=, >, >=, in, contains, startsWith, endsWith, matches, and, or, not", describe(n))
}

// describe prints a piece of the condition, cut to a readable length.
func describe(n ast.Node) string {
	text := n.String()
	if len(text) > 40 {
		text = text[:40] + "…"
	}
	return fmt.Sprintf("%q", text)
}
