package oracle

import (
	"encoding/json"
	"reflect"
	"slices"
)

// truth is the value of a condition: as in SQL there are three.
type truth int

const (
	unknown truth = iota
	no
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// condition is an audience that was read, or a part of one.
type condition func(attributes map[string]any) truth

// everybody is the audience of an empty text.
func everybody(map[string]any) truth { return yes }

func negation(c condition) condition {
	return func(attributes map[string]any) truth {
		switch c(attributes) {
		case yes:
			return no
		case no:
			return yes
		}
		return unknown
	}
}

// conjunction is no where one part is, and unknown where one part is then.
func conjunction(parts []condition) condition {
	return func(attributes map[string]any) truth {
		return least(parts, attributes, no, yes)
	}
}

// disjunction is yes where one part is, and unknown where one part is then.
func disjunction(parts []condition) condition {
	return func(attributes map[string]any) truth {
		return least(parts, attributes, yes, no)
	}
}

// least returns decisive where one part is that, else unknown where one part is
// that, else otherwise.
func least(parts []condition, attributes map[string]any, decisive, otherwise truth) truth {
	var seen []truth
	for _, part := range parts {
		seen = append(seen, part(attributes))
	}
	if slices.Contains(seen, decisive) {
		return decisive
	}
	if slices.Contains(seen, unknown) {
		return unknown
	}
	return otherwise
}

// isMissing is the condition attribute == nil.
func isMissing(attribute string) condition {
	return func(attributes map[string]any) truth { return truthOf(attributes[attribute] == nil) }
}

// about is a condition on one attribute of a type. It is unknown where the
// attribute is missing or has another type.
func about[T any](attribute string, as func(any) (T, bool), holds func(T) bool) condition {
	return func(attributes map[string]any) truth {
		value, ok := as(attributes[attribute])
		if !ok {
			return unknown
		}
		return truthOf(holds(value))
	}
}

// asString takes any type of string but a number as JSON writes it.
func asString(v any) (string, bool) {
	r := reflect.ValueOf(v)
	if _, number := v.(json.Number); number || r.Kind() != reflect.String {
		return "", false
	}
	return r.String(), true
}

func asBool(v any) (value, ok bool) {
	r := reflect.ValueOf(v)
	if r.Kind() != reflect.Bool {
		return false, false
	}
	return r.Bool(), true
}

// asNumber takes any type of number, and numbers as JSON writes them.
func asNumber(v any) (float64, bool) {
	if n, ok := v.(json.Number); ok {
		f, err := n.Float64()
		return f, err == nil
	}
	r := reflect.ValueOf(v)
	switch {
	case r.CanInt():
		return float64(r.Int()), true
	case r.CanUint():
		return float64(r.Uint()), true
	case r.CanFloat():
		return r.Float(), true
	}
	return 0, false
}

// asList takes any list of which every element is a string.
func asList(v any) ([]string, bool) {
	r := reflect.ValueOf(v)
	if r.Kind() != reflect.Slice {
		return nil, false
	}
	list := make([]string, r.Len())
	for i := range list {
		text, ok := asString(r.Index(i).Interface())
		if !ok {
			return nil, false
		}
		list[i] = text
	}
	return list, true
}
