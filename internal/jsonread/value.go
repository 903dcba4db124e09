package jsonread

import "encoding/json"

// maxDepth is how deep objects and lists inside of one value may nest.
const maxDepth = 32

// Any reads any value, as encoding/json reads it into an interface: nil, bool,
// [json.Number], string, []any and map[string]any.
func (r *Reader) Any(into *any) { *into = r.value(0) }

// Map reads an object of any values. An empty one is not nil.
func Map[M ~map[string]any](s Source, into *M) { *into = M(s.JSON().object(0)) }

func (r *Reader) value(depth int) any {
	switch r.space() {
	case '"':
		return r.keep(r.quoted())
	case '{':
		return r.object(depth)
	case '[':
		return r.list(depth)
	case 't', 'f':
		var b bool
		r.Bool(&b)
		return b
	case 'n':
		if !r.literal("null") {
			r.Fail()
		}
		return nil
	default:
		return json.Number(r.keep(r.number()))
	}
}

func (r *Reader) object(depth int) map[string]any {
	if depth >= maxDepth {
		r.Fail()
		return nil
	}
	r.open('{')
	m := make(map[string]any)
	for n := 0; r.more(n == 0, '}'); n++ {
		key := r.keep(r.quoted())
		r.colon()
		m[key] = r.value(depth + 1)
		if len(m) == n { // given twice
			r.Fail()
		}
	}
	return m
}

func (r *Reader) list(depth int) []any {
	if depth >= maxDepth {
		r.Fail()
		return nil
	}
	r.open('[')
	l := []any{}
	for r.more(len(l) == 0, ']') {
		l = append(l, r.value(depth+1))
	}
	return l
}

func (r *Reader) colon() {
	if !r.skip(':') {
		r.Fail()
	}
}
