package strata

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// The recorder keeps events in their binary form: it takes a copy of what the
// caller passed, whose memory the caller may use again, its size is known
// exactly, and a disk spool can take the same bytes.
//
// A record is: version (1 byte), kind (1 byte), flags (1 byte), time (varint,
// microseconds since 1970), the five ids in the order of diversions, and the
// kind's own fields in the order of the code below. Strings are a uvarint
// length and bytes; integers are varints; floats are 8 bytes, little-endian.

const (
	recordVersion = 1
	flagForced    = 1 << 0
	flagExternal  = 1 << 1
)

// kindCodes are the codes of kinds on the wire; the index is the code.
var kindCodes = [...]Kind{1: KindExposure, 2: KindPageView, 3: KindClick, 4: KindPurchase, 5: KindConversion, 6: KindCustom}

const (
	codeExposure = iota + 1
	codePageView
	codeClick
	codePurchase
	codeConversion
	codeCustom
	numKindCodes
)

const (
	propertyString = iota + 1
	propertyFalse
	propertyTrue
	propertyInt
	propertyFloat
)

// recordOverhead bounds what a record takes beside its strings, items and
// properties.
const recordOverhead = 160

// sizeBound returns an upper bound of the record's size, without encoding it.
func sizeBound(u *Unit, e Event) int {
	n := recordOverhead + len(u.User) + len(u.Device) + len(u.Session) + len(u.Tenant) + len(u.Request)
	switch e := e.(type) {
	case Exposure:
		n += len(e.Experiment) + len(e.Treatment) + len(e.Diversion)
		for name, value := range e.Attributes {
			n += len(name) + len(value) + 2*binary.MaxVarintLen64
		}
	case PageView:
		n += len(e.Page) + len(e.Referrer)
	case Click:
		n += len(e.Target) + len(e.Page)
	case Purchase:
		n += len(e.OrderID) + len(e.Currency)
		for i := range e.Items {
			n += len(e.Items[i].SKU) + 3*binary.MaxVarintLen64
		}
	case Conversion:
		n += len(e.Goal)
	case Custom:
		n += len(e.EventName)
		for key, v := range e.Properties {
			s, _ := v.(string)
			n += len(key) + len(s) + 3*binary.MaxVarintLen64
		}
	}
	return n
}

func appendHeader(b []byte, code byte, flags byte, at time.Time, u *Unit) []byte {
	b = append(b, recordVersion, code, flags)
	b = binary.AppendVarint(b, at.UnixMicro())
	b = appendString(b, u.Tenant)
	b = appendString(b, u.User)
	b = appendString(b, u.Device)
	b = appendString(b, u.Session)
	return appendString(b, u.Request)
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendFloat(b []byte, f float64) []byte {
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
}

// appendRecord encodes one event. It must not keep anything of e or call its
// methods: the compiler then leaves the event on the caller's stack.
func appendRecord(b []byte, u *Unit, e Event, at time.Time, flags byte) []byte {
	switch e := e.(type) {
	case Exposure:
		return appendExposure(appendHeader(b, codeExposure, flags, at, u), &e)
	case PageView:
		b = appendHeader(b, codePageView, flags, at, u)
		return appendString(appendString(b, e.Page), e.Referrer)
	case Click:
		b = appendHeader(b, codeClick, flags, at, u)
		return appendString(appendString(b, e.Target), e.Page)
	case Purchase:
		return appendPurchase(appendHeader(b, codePurchase, flags, at, u), &e)
	case Conversion:
		b = appendHeader(b, codeConversion, flags, at, u)
		return appendFloat(appendString(b, e.Goal), e.Value)
	case Custom:
		return appendCustom(appendHeader(b, codeCustom, flags, at, u), &e)
	}
	return b // checkEvent has refused anything else
}

func appendExposure(b []byte, e *Exposure) []byte {
	b = appendString(b, e.Experiment)
	b = binary.AppendVarint(b, int64(e.Phase))
	b = appendString(b, e.Treatment)
	b = appendString(b, string(e.Diversion))
	b = binary.AppendVarint(b, int64(e.Bucket))
	b = binary.LittleEndian.AppendUint64(b, e.Hash)
	b = binary.AppendVarint(b, e.Version)
	b = binary.AppendUvarint(b, uint64(len(e.Attributes)))
	if len(e.Attributes) == 0 {
		return b
	}
	for _, name := range slices.Sorted(maps.Keys(e.Attributes)) {
		b = appendString(appendString(b, name), e.Attributes[name])
	}
	return b
}

func appendPurchase(b []byte, e *Purchase) []byte {
	b = appendString(b, e.OrderID)
	b = binary.AppendVarint(b, e.Total)
	b = binary.AppendVarint(b, e.Discount)
	b = appendString(b, e.Currency)
	b = binary.AppendUvarint(b, uint64(len(e.Items)))
	for i := range e.Items {
		b = appendString(b, e.Items[i].SKU)
		b = binary.AppendVarint(b, e.Items[i].Quantity)
		b = binary.AppendVarint(b, e.Items[i].Price)
	}
	return b
}

func appendCustom(b []byte, e *Custom) []byte {
	b = appendString(b, e.EventName)
	b = appendFloat(b, e.Value)
	b = binary.AppendUvarint(b, uint64(len(e.Properties)))
	if len(e.Properties) == 0 {
		return b
	}
	for _, key := range slices.Sorted(maps.Keys(e.Properties)) { // one event, one encoding
		b = appendString(b, key)
		switch v := e.Properties[key].(type) {
		case string:
			b = appendString(append(b, propertyString), v)
		case bool:
			if v {
				b = append(b, propertyTrue)
			} else {
				b = append(b, propertyFalse)
			}
		case int:
			b = binary.AppendVarint(append(b, propertyInt), int64(v))
		case int64:
			b = binary.AppendVarint(append(b, propertyInt), v)
		case float64:
			b = appendFloat(append(b, propertyFloat), v)
		}
	}
	return b
}

// errCorrupt means that bytes are not a record of a version that this code
// knows.
var errCorrupt = errors.New("strata: corrupt record")

// decodeRecord reads one record, which must take up all of data.
func decodeRecord(data string) (Record, error) {
	d := decoder{rest: data}
	version, code, flags := d.byte(), d.byte(), d.byte()
	if version != recordVersion {
		return Record{}, fmt.Errorf("%w: version %d", errCorrupt, version)
	}
	at := time.UnixMicro(d.varint()).UTC()
	r := Record{Forced: flags&flagForced != 0}
	r.Unit = Unit{Tenant: d.string(), User: d.string(), Device: d.string(), Session: d.string(), Request: d.string()}
	switch code {
	case codeExposure:
		r.Event = d.exposure(at, flags)
	case codePageView:
		r.Event = PageView{Time: at, Page: d.string(), Referrer: d.string()}
	case codeClick:
		r.Event = Click{Time: at, Target: d.string(), Page: d.string()}
	case codePurchase:
		r.Event = d.purchase(at)
	case codeConversion:
		r.Event = Conversion{Time: at, Goal: d.string(), Value: d.float()}
	case codeCustom:
		r.Event = d.custom(at)
	default:
		return Record{}, fmt.Errorf("%w: kind %d", errCorrupt, code)
	}
	if d.bad || d.rest != "" {
		return Record{}, fmt.Errorf("%w: wrong length", errCorrupt)
	}
	return r, nil
}

// decoder reads fields from the front of rest. After a failure it returns zero
// values, and bad stays set. Strings share the memory of the input.
type decoder struct {
	rest string
	bad  bool
}

func (d *decoder) fail() {
	d.rest, d.bad = "", true
}

func (d *decoder) take(n uint64) string {
	if n > uint64(len(d.rest)) {
		d.fail()
		return ""
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) byte() byte {
	if s := d.take(1); s != "" {
		return s[0]
	}
	return 0
}

func (d *decoder) uvarint() uint64 {
	var v uint64
	for shift := 0; shift < 64; shift += 7 {
		c := d.byte()
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	d.fail()
	return 0
}

func (d *decoder) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (d *decoder) string() string { return d.take(d.uvarint()) }

func (d *decoder) uint64() uint64 {
	s := d.take(8)
	if s == "" {
		return 0
	}
	var v uint64
	for i := 7; i >= 0; i-- {
		v = v<<8 | uint64(s[i])
	}
	return v
}

func (d *decoder) float() float64 { return math.Float64frombits(d.uint64()) }

func (d *decoder) exposure(at time.Time, flags byte) Exposure {
	e := Exposure{
		Time: at, Experiment: d.string(), Phase: int(d.varint()), Treatment: d.string(),
		Diversion: Diversion(d.string()), Bucket: int(d.varint()), Hash: d.uint64(), Version: d.varint(),
		External: flags&flagExternal != 0,
	}
	n := d.uvarint()
	if n > maxBreakdowns {
		d.fail()
		return e
	}
	for range n {
		if e.Attributes == nil {
			e.Attributes = make(map[string]string, n)
		}
		name := d.string()
		e.Attributes[name] = d.string()
	}
	return e
}

func (d *decoder) purchase(at time.Time) Purchase {
	p := Purchase{Time: at, OrderID: d.string(), Total: d.varint(), Discount: d.varint(), Currency: d.string()}
	n := d.uvarint()
	if n > maxItems {
		d.fail()
		return p
	}
	for range n {
		p.Items = append(p.Items, Item{SKU: d.string(), Quantity: d.varint(), Price: d.varint()})
	}
	return p
}

func (d *decoder) custom(at time.Time) Custom {
	c := Custom{Time: at, EventName: d.string(), Value: d.float()}
	n := d.uvarint()
	if n == 0 || n > maxProperties {
		if n != 0 {
			d.fail()
		}
		return c
	}
	c.Properties = make(map[string]any, n)
	for range n {
		key := d.string()
		c.Properties[key] = d.property()
	}
	return c
}

func (d *decoder) property() any {
	switch d.byte() {
	case propertyString:
		return d.string()
	case propertyFalse:
		return false
	case propertyTrue:
		return true
	case propertyInt:
		return d.varint()
	case propertyFloat:
		return d.float()
	default:
		d.fail()
		return nil
	}
}
