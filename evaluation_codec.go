package strata

import (
	"encoding"
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// The stored form of an evaluation begins with a byte: the version of the form
// in its high half, and in its low half which of the parts follow. An evaluation
// of nothing is that byte alone. Numbers are varints as in encoding/binary.
const (
	formVersion = 1 << 4

	formAfter   = 1 << 0 // each measure behind the exposure; or how far a funnel got
	formBefore  = 1 << 1 // each measure before the exposure
	formForeign = 1 << 2 // the number of purchases in another currency
	formParts   = formAfter | formBefore | formForeign
)

var _ encoding.BinaryAppender = (*Evaluation)(nil)

// AppendBinary appends the stored form of the evaluation, from which
// [Evaluator.Resume] goes on: 1 to some 10 bytes, at most 131. It holds neither
// the metric nor the exposure, and is the same bytes for the same facts. It
// does not allocate where b has room. The error matches [ErrEvaluation] and is
// of the zero Evaluation, which has nothing to store.
func (e *Evaluation) AppendBinary(b []byte) ([]byte, error) {
	if e.of == nil {
		return b, refuseForm("the metric", "none", "it was never begun; make evaluations by Evaluator.Begin or Resume")
	}
	first := len(b)
	b = append(b, formVersion)
	if e.of.metric == MetricFunnel {
		if e.funnel != (progress{from: e.exposed}) {
			b[first] |= formAfter
			b = e.funnel.append(b, e.exposed)
		}
		return b, nil
	}
	if e.after != [2]measured{} {
		b[first] |= formAfter
		b = e.of.appendMeasured(b, &e.after)
	}
	if e.before != [2]measured{} {
		b[first] |= formBefore
		b = e.of.appendMeasured(b, &e.before)
	}
	if e.foreign != 0 {
		b[first] |= formForeign
		b = binary.AppendUvarint(b, uint64(e.foreign))
	}
	return b, nil
}

func (p *progress) append(b []byte, exposed int64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(p.taken)), uint64(p.from-exposed))
}

func (v *Evaluator) appendMeasured(b []byte, sums *[2]measured) []byte {
	for i := range v.measures {
		s := &sums[i]
		b = binary.AppendUvarint(b, uint64(s.events))
		switch v.measure[i].value {
		case ValueNumber:
		case ValueAmount:
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(s.floats))
		default:
			b = s.integers.append(b)
		}
	}
	return b
}

// append writes the upper half as what it is apart from the sign of the lower,
// which is 0 for every sum in the range of int64.
func (s *wideSum) append(b []byte) []byte {
	b = binary.AppendVarint(b, int64(s.low))
	return binary.AppendVarint(b, s.high-int64(s.low)>>63)
}

// Resume takes an evaluation up again from what [Evaluation.AppendBinary]
// appended, and returns the bytes behind it. Metric, bound and exposure must be
// those of the evaluation that was stored: the bytes do not tell, beyond what
// cannot be. An error matches [ErrEvaluation]; then the cure is to evaluate the
// unit's facts anew. Resume does not allocate unless it fails.
func (v *Evaluator) Resume(exposed time.Time, data []byte) (e Evaluation, rest []byte, err error) {
	e = v.Begin(exposed)
	in := formReader{rest: data}
	parts := in.byte("the version")
	switch {
	case in.err != nil:
	case parts&^formParts != formVersion:
		in.fail("the version", parts>>4, "was written by another version of this module")
	case v.metric == MetricFunnel:
		in.funnel(&e, parts)
	default:
		in.sums(&e, parts)
	}
	if in.err != nil {
		return Evaluation{}, data, in.err
	}
	return e, in.rest, nil
}

// formReader reads the stored form. After an error it reads zeros.
type formReader struct {
	rest []byte
	err  error
}

func refuseForm(field string, value any, cure string) error {
	return fmt.Errorf("%w: %s = %v: %s", ErrEvaluation, field, value, cure)
}

func (in *formReader) fail(field string, value any, why string) {
	if in.err == nil {
		in.err = refuseForm(field, value, why+"; evaluate the unit's events anew")
	}
	in.rest = nil
}

func (in *formReader) byte(field string) byte {
	if len(in.rest) == 0 {
		in.fail(field, "nothing", "the data ends here")
		return 0
	}
	b := in.rest[0]
	in.rest = in.rest[1:]
	return b
}

// count reads a number from 0 to the end of int64.
func (in *formReader) count(field string) int64 {
	n, size := binary.Uvarint(in.rest)
	if size <= 0 || n > math.MaxInt64 {
		in.fail(field, n, "is cut off or out of range")
		return 0
	}
	in.rest = in.rest[size:]
	return int64(n)
}

func (in *formReader) integer(field string) int64 {
	n, size := binary.Varint(in.rest)
	if size <= 0 {
		in.fail(field, n, "is cut off or out of range")
		return 0
	}
	in.rest = in.rest[size:]
	return n
}

func (in *formReader) funnel(e *Evaluation, parts byte) {
	if parts&formParts&^formAfter != 0 {
		in.fail("the parts", parts&formParts, "a funnel has no others than how far the unit got")
	}
	if parts&formAfter == 0 {
		return
	}
	taken, since := in.count("the steps taken"), in.count("the time of the last")
	p := progress{taken: int(taken), from: e.exposed + since}
	switch {
	case taken > int64(len(e.of.steps)):
		in.fail("the steps taken", taken, "the funnel has fewer")
	case p.from < e.exposed || p.from >= e.end || taken == 0 && since > 0:
		in.fail("the time of the last", since, "is not in the window")
	}
	e.funnel = p
}

func (in *formReader) sums(e *Evaluation, parts byte) {
	if parts&formAfter != 0 {
		in.measured(e.of, &e.after)
	}
	if parts&formBefore != 0 {
		if e.of.past == 0 && in.err == nil {
			in.fail("the parts", parts&formParts, "the metric has no pre-period")
		}
		in.measured(e.of, &e.before)
	}
	if parts&formForeign != 0 {
		e.foreign = in.count("the purchases in another currency")
	}
}

func (in *formReader) measured(v *Evaluator, sums *[2]measured) {
	for i := range v.measures {
		s := &sums[i]
		s.events = in.count("the number of events")
		switch v.measure[i].value {
		case ValueNumber:
		case ValueAmount:
			s.floats = in.float("the sum")
		default:
			s.integers.low = uint64(in.integer("the sum"))
			s.integers.high = in.integer("the upper half of the sum") + int64(s.integers.low)>>63
		}
	}
}

func (in *formReader) float(field string) float64 {
	if len(in.rest) < 8 {
		in.fail(field, len(in.rest), "is cut off: 8 bytes are needed")
		return 0
	}
	bits := binary.LittleEndian.Uint64(in.rest)
	in.rest = in.rest[8:]
	return math.Float64frombits(bits)
}
