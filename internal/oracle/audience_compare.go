package oracle

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// compare is the condition attribute operator value.
func compare(attribute, op string, value any) (condition, error) {
	switch v := value.(type) {
	case null:
		switch op {
		case "==":
			return isMissing(attribute), nil
		case "!=":
			return negation(isMissing(attribute)), nil
		}
	case bool:
		return equal(attribute, op, v, asBool)
	case float64:
		if holds := ordered(op, v); holds != nil {
			return about(attribute, asNumber, holds), nil
		}
		return equal(attribute, op, v, asNumber)
	case string:
		holds, err := textual(op, v)
		if err != nil {
			return nil, err
		}
		if holds != nil {
			return about(attribute, asString, holds), nil
		}
		return equal(attribute, op, v, asString)
	case []any:
		return oneOf(attribute, op, v)
	}
	return nil, noSuch(attribute, op, value)
}

// compareReversed is the condition value operator attribute.
func compareReversed(value any, op, attribute string) (condition, error) {
	text, isText := value.(string)
	mirrored := map[string]string{"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}[op]
	switch {
	case isText && op == "in":
		return about(attribute, asList, func(list []string) bool { return slices.Contains(list, text) }), nil
	case isText && op == "not in":
		return about(attribute, asList, func(list []string) bool { return !slices.Contains(list, text) }), nil
	case mirrored != "":
		return compare(attribute, mirrored, value)
	}
	return nil, noSuch(attribute, op, value)
}

func noSuch(attribute, op string, value any) error {
	return fmt.Errorf("attribute %q: %s does not go with %v; docs/audience.md has the forms", attribute, op, value)
}

func equal[T comparable](attribute, op string, value T, as func(any) (T, bool)) (condition, error) {
	switch op {
	case "==":
		return about(attribute, as, func(v T) bool { return v == value }), nil
	case "!=":
		return about(attribute, as, func(v T) bool { return v != value }), nil
	}
	return nil, noSuch(attribute, op, value)
}

// ordered returns what an operator asks of a number, or nil where it does not
// order numbers.
func ordered(op string, value float64) func(float64) bool {
	switch op {
	case "<":
		return func(v float64) bool { return v < value }
	case "<=":
		return func(v float64) bool { return v <= value }
	case ">":
		return func(v float64) bool { return v > value }
	case ">=":
		return func(v float64) bool { return v >= value }
	}
	return nil
}

// textual returns what an operator asks of a string, or nil where it is none of
// strings alone.
func textual(op, value string) (func(string) bool, error) {
	switch op {
	case "contains":
		return func(v string) bool { return strings.Contains(v, value) }, nil
	case "startsWith":
		return func(v string) bool { return strings.HasPrefix(v, value) }, nil
	case "endsWith":
		return func(v string) bool { return strings.HasSuffix(v, value) }, nil
	case "matches":
		pattern, err := regexp.Compile(value)
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w; write it as RE2 does", value, err)
		}
		return pattern.MatchString, nil
	}
	return nil, nil
}

// oneOf is the condition attribute in list, or not in. A list has values of one
// type.
func oneOf(attribute, op string, list []any) (condition, error) {
	if op != "in" && op != "not in" {
		return nil, noSuch(attribute, op, list)
	}
	var c condition
	if _, isText := list[0].(string); isText {
		texts, err := listOf[string](attribute, op, list)
		if err != nil {
			return nil, err
		}
		c = about(attribute, asString, func(v string) bool { return slices.Contains(texts, v) })
	} else {
		numbers, err := listOf[float64](attribute, op, list)
		if err != nil {
			return nil, err
		}
		c = about(attribute, asNumber, func(v float64) bool { return slices.Contains(numbers, v) })
	}
	if op == "not in" {
		return negation(c), nil
	}
	return c, nil
}

func listOf[T any](attribute, op string, list []any) ([]T, error) {
	var out []T
	for _, v := range list {
		value, ok := v.(T)
		if !ok {
			return nil, noSuch(attribute, op, list)
		}
		out = append(out, value)
	}
	return out, nil
}
