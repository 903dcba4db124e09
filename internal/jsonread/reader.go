// Package jsonread reads JSON as programs write it, fast and in one pass, where a
// strict decoder has the last word.
//
// A [Reader] accepts only what it is sure of: a document that encoding/json
// would decode to the same value and in which nothing is unknown, given twice or
// out of place. Everything else (null where no value may be missing, text that
// is not UTF-8, numbers that do not fit, deep nesting) makes it fail without a
// reason. The caller then decodes the document again by the slow way, which
// accepts it or says what is wrong.
package jsonread

import (
	"strconv"
	"strings"
)

// Reader reads one document from front to back, the one that New was given. After
// the first failure all reading does nothing, and what was read means nothing. It
// is not safe for concurrent use.
type Reader struct {
	data   []byte
	at     int
	failed bool
	text   strings.Builder // the chunk that strings are cut from
	token  []byte          // scratch for strings with escapes
}

// Source is a [Reader], or what embeds one to have more at hand while it reads.
type Source interface{ JSON() *Reader }

// JSON returns the reader itself.
func (r *Reader) JSON() *Reader { return r }

// New returns a reader of a document, which must not change while it reads.
func New(data []byte) Reader { return Reader{data: data} }

// Done reports whether the reader was sure of all of the document, and has read it
// to its end.
func (r *Reader) Done() bool {
	r.space()
	return !r.failed && r.at == len(r.data)
}

// Fail makes the reader fail: the caller is not sure of what it was given.
func (r *Reader) Fail() {
	r.failed = true
	r.at = len(r.data)
}

// space skips white space and returns what follows, or 0 at the end.
func (r *Reader) space() byte {
	for ; r.at < len(r.data); r.at++ {
		switch c := r.data[r.at]; c {
		case ' ', '\n', '\t', '\r':
		default:
			return c
		}
	}
	return 0
}

// skip steps over c, white space before it included, and reports whether it was
// there.
func (r *Reader) skip(c byte) bool {
	if r.at < len(r.data) && r.data[r.at] == c || r.space() == c {
		r.at++
		return true
	}
	return false
}

// more reports whether another element follows in a list that ends with end.
// first tells that none was read before.
func (r *Reader) more(first bool, end byte) bool {
	c := r.space()
	switch {
	case r.failed:
		return false
	case c == end:
		r.at++
		return false
	case first:
		return true
	case c == ',':
		r.at++
		return true
	}
	r.Fail()
	return false
}

// open steps over the first byte of a list or object.
func (r *Reader) open(c byte) {
	if !r.skip(c) {
		r.Fail()
	}
}

// literal steps over a word, and reports whether it was there.
func (r *Reader) literal(word string) bool {
	if len(r.data)-r.at < len(word) || string(r.data[r.at:r.at+len(word)]) != word {
		return false
	}
	r.at += len(word)
	return true
}

// Bool reads true or false.
func (r *Reader) Bool(into *bool) {
	*into = r.space() == 't'
	if !r.literal("true") && !r.literal("false") {
		r.Fail()
	}
}

// Int reads an integer of at most 18 digits without fraction or exponent.
func Int[T int | int64](s Source, into *T) {
	r := s.JSON()
	digits := r.number()
	negative := len(digits) > 0 && digits[0] == '-'
	if negative {
		digits = digits[1:]
	}
	if len(digits) > 18 { // longer ones might not fit
		r.Fail()
		return
	}
	n := int64(0)
	for _, c := range digits {
		if c < '0' || c > '9' {
			r.Fail()
			return
		}
		n = 10*n + int64(c-'0')
	}
	if negative {
		n = -n
	}
	if *into = T(n); int64(*into) != n { // an int of 32 bits
		r.Fail()
	}
}

// Float reads a number.
func (r *Reader) Float(into *float64) {
	digits := r.number()
	if r.failed {
		return
	}
	f, err := strconv.ParseFloat(string(digits), 64)
	if err != nil {
		r.Fail()
	}
	*into = f
}

// number returns the bytes of a number, as JSON's grammar has it.
func (r *Reader) number() []byte {
	r.space()
	from := r.at
	r.one('-', '-')
	if !r.one('0', '0') && !r.digits() {
		r.Fail()
		return nil
	}
	if r.one('.', '.') && !r.digits() {
		r.Fail()
		return nil
	}
	if r.one('e', 'E') {
		r.one('+', '-')
		if !r.digits() {
			r.Fail()
			return nil
		}
	}
	return r.data[from:r.at]
}

// one steps over a byte that is a or b, and reports whether it was there.
func (r *Reader) one(a, b byte) bool {
	if r.at < len(r.data) && (r.data[r.at] == a || r.data[r.at] == b) {
		r.at++
		return true
	}
	return false
}

// digits steps over digits, and reports whether there was one.
func (r *Reader) digits() bool {
	from := r.at
	for r.at < len(r.data) && '0' <= r.data[r.at] && r.data[r.at] <= '9' {
		r.at++
	}
	return r.at > from
}
