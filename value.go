package strata

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
)

// value is a parameter value, compiled. Which field counts follows from the
// parameter's type: num holds a bool (0 or 1), an int64 or the bits of a
// float64; str holds a string or a JSON text.
type value struct {
	num uint64
	str string
}

// compileValue converts v to type t. Integers may come as any Go integer, as a
// [json.Number], or as a float without a fraction; nothing else is converted.
func compileValue(t ParamType, v any) (value, error) {
	switch t {
	case TypeBool:
		return boolValue(v)
	case TypeInt:
		i, err := intValue(v)
		return value{num: uint64(i)}, err
	case TypeFloat:
		f, err := floatValue(v)
		return value{num: math.Float64bits(f)}, err
	case TypeString:
		return stringValue(v)
	case TypeJSON:
		return jsonValue(v)
	default:
		return value{}, fmt.Errorf("unknown type %q", t)
	}
}

func boolValue(v any) (value, error) {
	r := reflect.ValueOf(v)
	if r.Kind() != reflect.Bool {
		return value{}, fmt.Errorf("expected true or false, found %s", typeName(v))
	}
	if r.Bool() {
		return value{num: 1}, nil
	}
	return value{}, nil
}

func intValue(v any) (int64, error) {
	if n, ok := v.(json.Number); ok {
		return intFromNumber(n)
	}
	r := reflect.ValueOf(v)
	switch {
	case r.CanInt():
		return r.Int(), nil
	case r.CanUint() && r.Uint() <= math.MaxInt64:
		return int64(r.Uint()), nil
	case r.CanFloat():
		return intFromFloat(r.Float())
	}
	return 0, fmt.Errorf("expected an integer of 64 bits, found %s", typeName(v))
}

func intFromNumber(n json.Number) (int64, error) {
	if i, err := strconv.ParseInt(n.String(), 10, 64); err == nil {
		return i, nil
	}
	f, err := n.Float64()
	if err != nil {
		return 0, fmt.Errorf("expected an integer, found %s", n)
	}
	return intFromFloat(f)
}

// intFromFloat accepts floats that hold an integer exactly. From 2⁵³ on a float
// may be what another integer was rounded to.
func intFromFloat(f float64) (int64, error) {
	if f != math.Trunc(f) {
		return 0, fmt.Errorf("expected an integer, found %v", f)
	}
	if math.Abs(f) >= 1<<53 {
		return 0, fmt.Errorf("expected an integer of 64 bits, found %v; write large ones as plain digits", f)
	}
	return int64(f), nil
}

func floatValue(v any) (float64, error) {
	f, err := anyFloat(v)
	if err != nil {
		return 0, err
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, fmt.Errorf("expected a finite number, found %v", f)
	}
	return f, nil
}

func anyFloat(v any) (float64, error) {
	if n, ok := v.(json.Number); ok {
		f, err := n.Float64()
		if err != nil {
			return 0, fmt.Errorf("expected a number, found %s", n)
		}
		return f, nil
	}
	r := reflect.ValueOf(v)
	switch {
	case r.CanFloat():
		return r.Float(), nil
	case r.CanInt():
		return float64(r.Int()), nil
	case r.CanUint():
		return float64(r.Uint()), nil
	}
	return 0, fmt.Errorf("expected a number, found %s", typeName(v))
}

func stringValue(v any) (value, error) {
	r := reflect.ValueOf(v)
	if _, isNumber := v.(json.Number); isNumber || r.Kind() != reflect.String {
		return value{}, fmt.Errorf("expected a string, found %s", typeName(v))
	}
	return value{str: r.String()}, nil
}

func jsonValue(v any) (value, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return value{}, fmt.Errorf("expected a JSON value: %w", err)
	}
	return value{str: string(text)}, nil
}

// typeName names a value the way that its JSON form would.
func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "nothing"
	case json.Number:
		return "a number"
	}
	switch r := reflect.ValueOf(v); {
	case r.Kind() == reflect.Bool:
		return "a bool"
	case r.CanInt(), r.CanUint(), r.CanFloat():
		return fmt.Sprintf("the number %v", v)
	case r.Kind() == reflect.String:
		return "a string"
	default:
		return fmt.Sprintf("a %T", v)
	}
}
