package spool

import "slices"

// HeaderSize is what tests of the format need.
const HeaderSize = headerSize

// DecodeFrame reads the frame at the beginning of b as the reader would, and says
// how long it is.
func DecodeFrame(b []byte, seed uint32, offset int64) (f Frame, flags byte, size int64, err error) {
	h, payload, err := decodeFrame(b, seed, offset)
	return Frame{First: h.idx, Count: int(h.count), Payload: payload}, h.flags, h.bytes(), err
}

// EncodeFrame returns a frame of records as it lies at offset.
func EncodeFrame(first int64, count int, payload []byte, seed uint32, offset, durable int64) []byte {
	b := appendFrame(nil, head{idx: first, count: int64(count)}, payload)
	seal(b, seed, offset, durable)
	return b
}

// SeedOf returns the seed of a segment.
func SeedOf(stream [16]byte, first, seq int64) uint32 { return seedOf(stream, first, seq) }

// CheckHeader says whether b is the header of a segment.
func CheckHeader(b []byte, stream [16]byte, first, seq int64) error {
	return checkHeader(b, stream, first, seq)
}

// Held returns how much memory a log takes for what is not durable.
func (l *Log) Held() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := int64(cap(l.scratch))
	for _, chunk := range slices.Concat(l.mem.kept, l.mem.flight, l.mem.spare) {
		n += int64(cap(chunk))
	}
	return n
}
