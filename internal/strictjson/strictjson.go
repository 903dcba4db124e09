// Package strictjson finds what encoding/json would let pass in a document that
// people write: unknown fields, fields given twice, and text after the document.
package strictjson

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// Problem is one thing that is wrong with a document.
type Problem struct {
	Path string // of the field: "experiments[2].treatments[0].weight"; empty for the document
	Cure string // what is wrong and what to do about it
}

// Check walks a JSON document beside the Go type that it is for, that of target,
// and lists what encoding/json would let pass: unknown fields, fields given twice,
// and text after the document. Values of the wrong type are left to the decoder.
func Check(data []byte, target any) []Problem {
	c := strictChecker{dec: json.NewDecoder(bytes.NewReader(data))}
	c.dec.UseNumber()
	err := c.value(reflect.TypeOf(target), "")
	if err == nil {
		if _, more := c.dec.Token(); more != io.EOF {
			c.report("", "there is text after the document; remove it")
		}
	} else {
		c.report("", fmt.Sprintf("not JSON at byte %d: %v", c.dec.InputOffset(), err))
	}
	return c.problems
}

// maxJSONDepth bounds recursion; a plan nests 6 deep, a json parameter may more.
const maxJSONDepth = 100

type strictChecker struct {
	dec      *json.Decoder
	depth    int
	problems []Problem
}

func (c *strictChecker) report(path, cure string) {
	c.problems = append(c.problems, Problem{Path: path, Cure: cure})
}

func (c *strictChecker) value(t reflect.Type, path string) error {
	token, err := c.dec.Token()
	if err != nil {
		return err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	if c.depth++; c.depth > maxJSONDepth {
		return fmt.Errorf("nested more than %d deep", maxJSONDepth)
	}
	defer func() { c.depth-- }()
	if delim == '{' {
		return c.object(structural(t), path)
	}
	return c.array(structural(t), path)
}

func (c *strictChecker) object(t reflect.Type, path string) error {
	seen := map[string]bool{}
	for c.dec.More() {
		token, err := c.dec.Token()
		if err != nil {
			return err
		}
		key := token.(string)
		at := joinPath(path, key)
		if seen[key] {
			c.report(at, "given twice; keep one")
		}
		seen[key] = true
		elem, known := fieldType(t, key)
		if !known {
			c.report(at, "unknown field; "+knownFields(t))
		}
		if err := c.value(elem, at); err != nil {
			return err
		}
	}
	_, err := c.dec.Token() // }
	return err
}

func (c *strictChecker) array(t reflect.Type, path string) error {
	var elem reflect.Type
	if t != nil && t.Kind() == reflect.Slice {
		elem = t.Elem()
	}
	for i := 0; c.dec.More(); i++ {
		if err := c.value(elem, fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	_, err := c.dec.Token() // ]
	return err
}

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

// structural strips pointers, and returns nil for types whose inside is not
// ours to check: interfaces, and types that read themselves.
func structural(t reflect.Type) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() == reflect.Interface || reflect.PointerTo(t).Implements(textUnmarshaler) {
		return nil
	}
	return t
}

// fieldType returns the type of a JSON object's member; known is false only for
// a struct that has no such field.
func fieldType(t reflect.Type, key string) (elem reflect.Type, known bool) {
	if t == nil {
		return nil, true
	}
	switch t.Kind() {
	case reflect.Map:
		return t.Elem(), true
	case reflect.Struct:
		for f := range t.Fields() {
			if jsonName(f) == key {
				return f.Type, true
			}
		}
		return nil, false
	default:
		return nil, true // the decoder reports the wrong type
	}
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

func knownFields(t reflect.Type) string {
	var names []string
	for f := range t.Fields() {
		names = append(names, jsonName(f))
	}
	return "the fields here are " + strings.Join(names, ", ")
}

func joinPath(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
