// Package audience compiles and evaluates conditions over a unit's attributes.
//
// The text is parsed by expr-lang/expr; this package compiles the part of the
// language that is deterministic and bounded (no calls, no loops, no clock) into
// a tree that evaluates without allocating and cannot fail. Logic is
// three-valued, as in SQL: a comparison with a missing attribute, or with one
// of another type, is unknown; "not" keeps unknown; "and" and "or" decide where
// one side suffices; an audience that comes out unknown does not match.
package audience

import (
	"errors"
	"fmt"
	"maps"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
)

// MaxLength bounds the text of an audience, in bytes. It also bounds the depth
// of the tree, and so of every recursion here.
const MaxLength = 4096

// Program is a compiled audience. It is immutable and safe for concurrent use.
type Program struct {
	root  node
	types map[string]Type
}

// Type is the type of an attribute, as its use implies.
type Type string

// The types that a use of an attribute can imply.
const (
	Bool   Type = "bool"
	Number Type = "number"
	String Type = "string"
	List   Type = "list of strings"
)

// Compile parses and type-checks text. Errors say where and what to write
// instead.
func Compile(text string) (*Program, error) {
	if len(text) > MaxLength {
		return nil, fmt.Errorf("the condition has %d bytes, the limit is %d", len(text), MaxLength)
	}
	tree, err := parse(text)
	if err != nil {
		return nil, err
	}
	c := compiler{types: make(map[string]Type)}
	root, err := c.boolean(tree)
	if err != nil {
		return nil, err
	}
	return &Program{root: root, types: c.types}, nil
}

// parse keeps a panic of the parser from becoming the caller's: plans are data.
func parse(text string) (root ast.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot parse: %v", r)
		}
	}()
	tree, err := parser.Parse(text)
	if err != nil {
		return nil, err
	}
	if tree.Node == nil {
		return nil, errors.New("the condition is empty")
	}
	return tree.Node, nil
}

// Attributes returns the attributes that the audience reads, and the type that
// each use implies.
func (p *Program) Attributes() map[string]Type {
	return maps.Clone(p.types)
}

// Match reports whether the attributes satisfy the condition. It never panics,
// whatever the attributes hold, and does not allocate, patterns aside: regexp
// does once in a while.
func (p *Program) Match(attributes map[string]any) bool {
	return p.root.eval(attributes) == yes
}
