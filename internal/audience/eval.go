package audience

import (
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// tri is a truth value with "unknown".
type tri uint8

const (
	no tri = iota
	unknown
	yes
)

func truth(b bool) tri {
	if b {
		return yes
	}
	return no
}

type attributes = map[string]any

// node is one part of a condition.
type node interface {
	eval(attributes) tri
}

type (
	constant tri
	and      struct{ left, right node }
	or       struct{ left, right node }
	not      struct{ inner node }
	flag     string // a boolean attribute by itself
	missing  string // attribute == nil

	oneOf struct {
		name string
		set  []string
	}
	oneOfNumbers struct {
		name string
		set  []number
	}
	comparison struct {
		name          string
		less, orEqual bool
		to            number
	}
	listContains struct{ name, value string }
	substring    struct{ name, op, value string }
	matches      struct {
		name    string
		pattern *regexp.Regexp
	}
)

func (c constant) eval(attributes) tri { return tri(c) }

func (n and) eval(a attributes) tri {
	left := n.left.eval(a)
	if left == no {
		return no
	}
	return min(left, n.right.eval(a))
}

func (n or) eval(a attributes) tri {
	left := n.left.eval(a)
	if left == yes {
		return yes
	}
	return max(left, n.right.eval(a))
}

func (n not) eval(a attributes) tri { return yes - n.inner.eval(a) }

func (name missing) eval(a attributes) tri { return truth(a[string(name)] == nil) }

func (name flag) eval(a attributes) tri {
	switch v := a[string(name)].(type) {
	case bool:
		return truth(v)
	case nil:
		return unknown
	default:
		if r := reflect.ValueOf(v); r.Kind() == reflect.Bool {
			return truth(r.Bool())
		}
		return unknown
	}
}

func (n oneOf) eval(a attributes) tri {
	s, ok := text(a[n.name])
	if !ok {
		return unknown
	}
	return truth(slices.Contains(n.set, s))
}

func (n oneOfNumbers) eval(a attributes) tri {
	v, ok := numeric(a[n.name])
	if !ok {
		return unknown
	}
	for _, want := range n.set {
		if v.compare(want) == equal {
			return yes
		}
	}
	return no
}

func (n comparison) eval(a attributes) tri {
	v, ok := numeric(a[n.name])
	if !ok {
		return unknown
	}
	switch v.compare(n.to) {
	case less:
		return truth(n.less)
	case greater:
		return truth(!n.less)
	case equal:
		return truth(n.orEqual)
	default:
		return unknown // NaN
	}
}

func (n listContains) eval(a attributes) tri {
	switch list := a[n.name].(type) {
	case []string:
		return truth(slices.Contains(list, n.value))
	case []any: // as JSON has it
		for _, item := range list {
			if s, ok := text(item); ok && s == n.value {
				return yes
			}
		}
		return no
	case nil:
		return unknown
	default:
		return n.among(reflect.ValueOf(list))
	}
}

// among looks through a list of a type that the program made itself.
func (n listContains) among(list reflect.Value) tri {
	if k := list.Kind(); k != reflect.Slice && k != reflect.Array || list.Type().Elem().Kind() != reflect.String {
		return unknown
	}
	for i := range list.Len() {
		if list.Index(i).String() == n.value {
			return yes
		}
	}
	return no
}

func (n substring) eval(a attributes) tri {
	s, ok := text(a[n.name])
	if !ok {
		return unknown
	}
	switch n.op {
	case "startsWith":
		return truth(strings.HasPrefix(s, n.value))
	case "endsWith":
		return truth(strings.HasSuffix(s, n.value))
	default:
		return truth(strings.Contains(s, n.value))
	}
}

func (n matches) eval(a attributes) tri {
	s, ok := text(a[n.name])
	if !ok {
		return unknown
	}
	return truth(n.pattern.MatchString(s))
}

// text reads a string attribute; named string types count.
func text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case nil, json.Number:
		return "", false
	default:
		r := reflect.ValueOf(v)
		if r.Kind() == reflect.String {
			return r.String(), true
		}
		return "", false
	}
}

// number is a numeric value; integers keep all their digits.
type number struct {
	isInt bool
	i     int64
	f     float64
}

// order is the outcome of a comparison; NaN has no order.
type order int8

const (
	less order = iota
	equal
	greater
	unordered
)

func (v number) compare(w number) order {
	if v.isInt && w.isInt {
		return ordered(v.i, w.i)
	}
	return ordered(v.f, w.f)
}

func ordered[T int64 | float64](a, b T) order {
	switch {
	case a < b:
		return less
	case a > b:
		return greater
	case a == b:
		return equal
	default:
		return unordered
	}
}

// numeric reads a number attribute of any Go or JSON type.
func numeric(v any) (number, bool) {
	switch v := v.(type) {
	case int:
		return integer(int64(v)), true
	case int64:
		return integer(v), true
	case float64:
		return number{f: v}, true
	case nil:
		return number{}, false
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return integer(i), true
		}
		f, err := v.Float64()
		return number{f: f}, err == nil
	default:
		return reflected(reflect.ValueOf(v))
	}
}

func reflected(r reflect.Value) (number, bool) {
	switch {
	case r.CanInt():
		return integer(r.Int()), true
	case r.CanUint():
		if u := r.Uint(); u > 1<<63-1 {
			return number{f: float64(u)}, true
		}
		return integer(int64(r.Uint())), true
	case r.CanFloat():
		return number{f: r.Float()}, true
	default:
		return number{}, false
	}
}

func integer(i int64) number { return number{isInt: true, i: i, f: float64(i)} }
