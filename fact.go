package strata

import (
	"cmp"
	"math"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// Fact is what metrics see of an event: all that an [Evaluation] needs to know
// of it, whatever its type. It is a plain value of 80 bytes; a store may keep
// facts in place of events.
type Fact struct {
	At       int64  // when it happened, in microseconds since 1970
	Kind     Kind   // as [Event.Kind]
	Name     uint64 // xxh64, seed 0, of the event's name; 0 where that is empty
	Currency string // of a purchase

	// Total, Discount and Items are those of a purchase: minor units of its
	// currency, and the sum of quantities, which stops at the ends of int64.
	Total, Discount, Items int64

	Value float64 // of a conversion or custom event
}

// NewFact returns what metrics see of an event. Times finer than a microsecond
// are cut off. It does not allocate, and takes about as long as hashing the
// name.
func NewFact(e Event) Fact {
	f := Fact{At: e.At().UnixMicro(), Kind: e.Kind(), Name: NameHash(e.Name())}
	switch e := e.(type) {
	case Purchase:
		f.Currency, f.Total, f.Discount, f.Items = e.Currency, e.Total, e.Discount, e.pieces()
	case Conversion:
		f.Value = e.Value
	case Custom:
		f.Value = e.Value
	}
	return f
}

// NameHash returns the hash of an event's name that stands in [Fact.Name]: 0
// for the empty name, which stands for all names in a measure.
func NameHash(name string) uint64 {
	if name == "" {
		return 0
	}
	return xxhash.Sum64String(name)
}

func (e *Purchase) pieces() int64 {
	var sum wideSum
	for i := range e.Items {
		sum.add(e.Items[i].Quantity)
	}
	return sum.clamped()
}

// SortFacts puts facts in the one order in which an [Evaluation] takes them: by
// time; at one instant by kind, hash of the name, currency, total, discount,
// items and the bits of the value. Facts that compare as equal are equal, so
// that the order in which they arrived leaves no trace, not even in the last
// bit of a sum of floats. It does not allocate.
func SortFacts(facts []Fact) {
	if len(facts) > 1 {
		slices.SortFunc(facts, compareFacts)
	}
}

func compareFacts(a, b Fact) int {
	if a.At != b.At {
		return cmp.Compare(a.At, b.At)
	}
	return cmp.Or(
		cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Name, b.Name),
		cmp.Compare(a.Currency, b.Currency),
		cmp.Compare(a.Total, b.Total),
		cmp.Compare(a.Discount, b.Discount),
		cmp.Compare(a.Items, b.Items),
		cmp.Compare(math.Float64bits(a.Value), math.Float64bits(b.Value)),
	)
}
