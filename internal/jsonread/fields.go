package jsonread

import (
	"slices"

	"github.com/strataxp/strata/internal/makeway"
)

// Field is a member of an object: its name and how to read its value into a T.
type Field[S Source, T any] struct {
	Name string
	Read func(s S, into *T)
}

// Object reads an object into a T. It is not sure of objects with members that
// fields does not name, or with one given twice. There may be at most 64 fields;
// they are found fastest in the order in which documents have them.
func Object[S Source, T any](s S, fields []Field[S, T], into *T) {
	r := s.JSON()
	r.open('{')
	seen, next := uint64(0), 0
	for r.more(seen == 0, '}') {
		i := find(fields, r.quoted(), next)
		if i < 0 || seen>>i&1 != 0 {
			r.Fail()
			return
		}
		seen |= 1 << i
		next = i + 1
		r.colon()
		fields[i].Read(s, into)
	}
}

// find returns the index of the field of that name, or -1. It begins at start and
// goes around.
func find[S Source, T any](fields []Field[S, T], name []byte, start int) int {
	for i := start; i < len(fields); i++ {
		if fields[i].Name == string(name) {
			return i
		}
	}
	for i := range fields[:start] {
		if fields[i].Name == string(name) {
			return i
		}
	}
	return -1
}

// Slab is memory that small lists are cut from, so that not each of them costs an
// allocation. A list cut from it can be appended to as any other. The zero value
// is ready. It is not safe for concurrent use.
type Slab[T any] struct {
	free []T // length: what is taken
}

// Cut makes a list of n zero values.
func (s *Slab[T]) Cut(n int) []T {
	if n == 0 {
		return []T{}
	}
	if cap(s.free)-len(s.free) < n {
		s.free = make([]T, 0, max(n, s.size()))
	}
	from := len(s.free)
	s.free = s.free[:from+n]
	return s.free[from : from+n : from+n]
}

// size is how many values the next chunk holds: twice as many as the one before,
// between 4 and 256.
func (s *Slab[T]) size() int { return min(max(2*cap(s.free), 4), 256) }

// List reads a list, each element by read, and cuts it from slab. An empty list is
// not nil. read must not read another list into the same slab.
func List[S Source, T any](s S, slab *Slab[T], into *[]T, read func(s S, into *T)) {
	r := s.JSON()
	r.open('[')
	from := len(slab.free)
	for first := true; r.more(first, ']'); first = false {
		if len(slab.free) == cap(slab.free) { // go on in another chunk
			begun := slab.free[from:]
			slab.free = append(make([]T, 0, max(2*len(begun), slab.size())), begun...)
			from = 0
		}
		slab.free = slab.free[:len(slab.free)+1]
		read(s, &slab.free[len(slab.free)-1])
	}
	*into = slab.free[from:len(slab.free):len(slab.free)]
	if len(*into) == 0 {
		*into = []T{}
	}
}

// Rows reads a list that may be long, each element by read, into memory of its own
// that has its size. An empty list is not nil.
func Rows[S Source, T any](s S, into *[]T, read func(s S, into *T)) {
	r := s.JSON()
	r.open('[')
	var full [][]T
	last := make([]T, 0, 2)
	for first := true; r.more(first, ']'); first = false {
		if len(last) == cap(last) {
			full = append(full, last)
			last = make([]T, 0, min(4*cap(last), 512))
		}
		makeway.At(len(last))
		last = last[:len(last)+1]
		read(s, &last[len(last)-1])
	}
	*into = last
	if len(full) > 0 {
		*into = slices.Concat(append(full, last)...)
	}
}
