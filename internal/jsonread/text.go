package jsonread

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Token returns the string that comes next as it stands in the document, with
// its quotes, for types that read themselves. It is valid until the document
// changes.
func (r *Reader) Token() []byte {
	r.space()
	from := r.at
	r.quoted()
	if r.failed {
		return nil
	}
	return r.data[from:r.at]
}

// String reads a string.
func String[T ~string](s Source, into *T) {
	r := s.JSON()
	*into = T(r.keep(r.quoted()))
}

// Bytes reads a string that is valid until the next call of the reader.
func (r *Reader) Bytes() []byte { return r.quoted() }

// quoted reads a string. What it returns is valid until the next call.
func (r *Reader) quoted() []byte {
	if !r.skip('"') {
		r.Fail()
		return nil
	}
	from, wide := r.at, byte(0)
	for i := from; i < len(r.data); i++ {
		switch c := r.data[i]; {
		case c == '"':
			r.at = i + 1
			return r.valid(r.data[from:i], wide)
		case c == '\\':
			return r.escaped(from)
		case c < ' ':
			r.Fail()
			return nil
		default:
			wide |= c
		}
	}
	r.Fail()
	return nil
}

// valid refuses text that is not UTF-8. wide is the union of its bytes: all below
// 0x80 are ASCII.
func (r *Reader) valid(text []byte, wide byte) []byte {
	if wide >= utf8.RuneSelf && !utf8.Valid(text) {
		r.Fail()
		return nil
	}
	return text
}

// keep makes a string of bytes. Short ones, which names are, are cut from chunks, so that
// most cost no allocation; a string that is kept keeps its chunk, but neither the document
// nor the texts in it.
func (r *Reader) keep(text []byte) string {
	if len(text) == 0 {
		return ""
	}
	const chunk, short = 1024, 40
	if len(text) > short {
		return string(text)
	}
	if r.text.Cap()-r.text.Len() < len(text) {
		r.text = strings.Builder{}
		r.text.Grow(chunk)
	}
	from := r.text.Len()
	r.text.Write(text)
	return r.text.String()[from:]
}

// escaped reads on a string that has a backslash, from its first byte.
func (r *Reader) escaped(from int) []byte {
	out, wide := r.token[:0], byte(0)
	for i := from; i < len(r.data); {
		c := r.data[i]
		i++
		switch {
		case c == '"':
			r.at, r.token = i, out
			return r.valid(out, wide)
		case c < ' ':
			r.Fail()
			return nil
		case c != '\\':
			wide |= c
			out = append(out, c)
			continue
		}
		x, n := escape(r.data[i:])
		if n == 0 {
			break
		}
		out = utf8.AppendRune(out, x)
		i += n
	}
	r.Fail()
	return nil
}

// escape returns the character that an escape stands for, and how many bytes it
// takes behind its backslash: none where it is not sure.
func escape(data []byte) (x rune, n int) {
	if len(data) == 0 {
		return 0, 0
	}
	switch c := data[0]; c {
	case '"', '\\', '/':
		return rune(c), 1
	case 'b':
		return '\b', 1
	case 'f':
		return '\f', 1
	case 'n':
		return '\n', 1
	case 'r':
		return '\r', 1
	case 't':
		return '\t', 1
	case 'u':
		return unicodeEscape(data)
	}
	return 0, 0
}

// unicodeEscape reads u and four digits, and a second such escape where the two
// are halves of one character. Halves by themselves it is not sure of.
func unicodeEscape(data []byte) (x rune, n int) {
	x = hexadecimal(data[1:])
	if utf16.IsSurrogate(x) {
		if len(data) < 7 || data[5] != '\\' || data[6] != 'u' {
			return 0, 0
		}
		x, n = utf16.DecodeRune(x, hexadecimal(data[7:])), 6
		if x == utf8.RuneError {
			return 0, 0
		}
	}
	if x < 0 {
		return 0, 0
	}
	return x, n + 5
}

// hexadecimal reads four digits; it returns -1 where those are missing.
func hexadecimal(data []byte) (x rune) {
	if len(data) < 4 {
		return -1
	}
	for _, c := range data[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		x = x<<4 | rune(c)
	}
	return x
}
