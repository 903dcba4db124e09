package rollup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/strataxp/strata"
)

// The stored form of a unit is: version (1 byte); repeats; the exposures, each
// subject, treatment, time and flags; the names and currencies that its facts
// have; the facts, each kind (1 byte, its upper bits say which fields follow),
// time since the fact before, name, and its numbers. Names are 8 bytes, floats
// too, times and money are varints. A fact takes some 6 bytes: a view or click
// takes 6, a purchase 9 or more.

const unitVersion = 1

// ErrCorrupt means that bytes are not a unit of a version that this code knows.
var ErrCorrupt = errors.New("rollup: corrupt unit")

const flagContradiction = 1

// The kinds of facts; a code is the index.
var kinds = [...]strata.Kind{1: strata.KindPageView, 2: strata.KindClick, 3: strata.KindPurchase, 4: strata.KindConversion, 5: strata.KindCustom}

const (
	kindMask    = 0x07
	hasDiscount = 1 << 3
	hasItems    = 1 << 4
	hasFloat    = 1 << 5 // a value, 8 bytes
	hasInteger  = 1 << 6 // a value that is a small integer, a varint
)

// Append appends the unit's stored form.
func (u *Unit) Append(b []byte) []byte {
	b = append(b, unitVersion)
	b = binary.AppendUvarint(b, uint64(u.Repeats))
	b = binary.AppendUvarint(b, uint64(len(u.Exposures)))
	for i := range u.Exposures {
		x := &u.Exposures[i]
		b = binary.AppendUvarint(b, uint64(x.Subject))
		b = binary.AppendUvarint(b, uint64(x.Treatment))
		b = binary.AppendVarint(b, x.At)
		flags := byte(0)
		if x.Contradiction {
			flags = flagContradiction
		}
		b = append(b, flags)
	}
	return appendFacts(b, u.Facts)
}

func appendFacts(b []byte, facts []strata.Fact) []byte {
	var names []uint64
	var currencies []string
	for i := range facts {
		if name := facts[i].Name; !slices.Contains(names, name) && name != 0 {
			names = append(names, name)
		}
		if c := facts[i].Currency; c != "" && !slices.Contains(currencies, c) {
			currencies = append(currencies, c)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(names)))
	for _, name := range names {
		b = binary.LittleEndian.AppendUint64(b, name)
	}
	b = binary.AppendUvarint(b, uint64(len(currencies)))
	for _, c := range currencies {
		b = binary.AppendUvarint(b, uint64(len(c)))
		b = append(b, c...)
	}
	b = binary.AppendUvarint(b, uint64(len(facts)))
	at := int64(0)
	for i := range facts {
		f := &facts[i]
		b = append(b, byte(slices.Index(kinds[:], f.Kind))|fields(f))
		b = binary.AppendVarint(b, f.At-at)
		at = f.At
		if f.Kind == strata.KindPurchase {
			b = binary.AppendUvarint(b, uint64(slices.Index(currencies, f.Currency)+1))
		} else {
			b = binary.AppendUvarint(b, uint64(slices.Index(names, f.Name)+1))
		}
		b = appendNumbers(b, f)
	}
	return b
}

func fields(f *strata.Fact) (flags byte) {
	if f.Discount != 0 {
		flags |= hasDiscount
	}
	if f.Items != 0 {
		flags |= hasItems
	}
	switch {
	case f.Value == 0 && !math.Signbit(f.Value):
	case f.Value == math.Trunc(f.Value) && math.Abs(f.Value) < 1<<40 && f.Value != 0:
		flags |= hasInteger
	default:
		flags |= hasFloat
	}
	return flags
}

func appendNumbers(b []byte, f *strata.Fact) []byte {
	flags := fields(f)
	if f.Kind == strata.KindPurchase {
		b = binary.AppendVarint(b, f.Total)
	}
	if flags&hasDiscount != 0 {
		b = binary.AppendVarint(b, f.Discount)
	}
	if flags&hasItems != 0 {
		b = binary.AppendVarint(b, f.Items)
	}
	if flags&hasInteger != 0 {
		b = binary.AppendVarint(b, int64(f.Value))
	}
	if flags&hasFloat != 0 {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(f.Value))
	}
	return b
}

// Decode reads the stored form; no bytes at all are the zero unit. room is how
// many more facts there will be space for. It fails with ErrCorrupt.
func (u *Unit) Decode(data []byte, room int) error {
	*u = Unit{}
	if len(data) == 0 {
		u.Facts = make([]strata.Fact, 0, room)
		return nil
	}
	r := reader{rest: data}
	if version := r.byte(); version != unitVersion {
		return fmt.Errorf("%w: version %d", ErrCorrupt, version)
	}
	u.Repeats = int64(r.uvarint())
	u.Exposures = make([]Exposure, r.count())
	for i := range u.Exposures {
		u.Exposures[i] = Exposure{Subject: int32(r.uvarint()), Treatment: int32(r.uvarint()), At: r.varint(), Contradiction: r.byte()&flagContradiction != 0}
	}
	u.Facts = r.facts(room)
	if r.bad || len(r.rest) > 0 {
		return fmt.Errorf("%w: wrong length", ErrCorrupt)
	}
	return nil
}

// reader takes fields from the front of rest. After a failure it returns zero
// values, and bad stays set.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) fail() { r.rest, r.bad = nil, true }

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.fail()
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

// count reads a number of elements, each of which takes a byte at least: so
// garbage cannot make the reader allocate much.
func (r *reader) count() int {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *reader) facts(room int) []strata.Fact {
	names := make([]uint64, r.count())
	for i := range names {
		names[i] = r.uint64()
	}
	currencies := make([]string, r.count())
	for i := range currencies {
		currencies[i] = intern(r.take(r.count()))
	}
	n := r.count()
	facts := make([]strata.Fact, 0, n+room)
	at := int64(0)
	for range n {
		code := r.byte()
		f := strata.Fact{}
		if k := int(code & kindMask); k > 0 && k < len(kinds) {
			f.Kind = kinds[k]
		} else {
			r.fail()
		}
		at += r.varint()
		f.At = at
		r.label(&f, names, currencies)
		r.numbers(&f, code)
		if r.bad {
			return nil
		}
		facts = append(facts, f)
	}
	return facts
}

// label reads a fact's name, or a purchase's currency.
func (r *reader) label(f *strata.Fact, names []uint64, currencies []string) {
	i := r.uvarint()
	switch {
	case i == 0:
	case f.Kind == strata.KindPurchase && i <= uint64(len(currencies)):
		f.Currency = currencies[i-1]
	case f.Kind != strata.KindPurchase && i <= uint64(len(names)):
		f.Name = names[i-1]
	default:
		r.fail()
	}
}

func (r *reader) numbers(f *strata.Fact, code byte) {
	if f.Kind == strata.KindPurchase {
		f.Total = r.varint()
	}
	if code&hasDiscount != 0 {
		f.Discount = r.varint()
	}
	if code&hasItems != 0 {
		f.Items = r.varint()
	}
	if code&hasInteger != 0 {
		f.Value = float64(r.varint())
	}
	if code&hasFloat != 0 {
		f.Value = math.Float64frombits(r.uint64())
	}
}

// intern returns the usual currencies without allocating.
func intern(b []byte) string {
	switch string(b) {
	case "EUR":
		return "EUR"
	case "USD":
		return "USD"
	case "GBP":
		return "GBP"
	}
	return string(b)
}
