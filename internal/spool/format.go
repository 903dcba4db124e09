package spool

// The format, version 1. Numbers are little endian and unsigned; an index is
// below 2^62. crc(x, data) is the CRC-32C (Castagnoli) of data continued from the
// checksum x, as zlib's crc32(x, data) continues; crc(0, data) is the plain one.
//
// A spool is a folder. The folder of a stream in it has the stream's UUID as name
// (36 characters, lower case). In it are
//
//	LOCK                                empty; locked with flock by whoever has the stream open
//	FFFFFFFFFFFFFFFFFFFF-SSSSSSSS.seg   a segment: F one more than the last index appended before it, S its number, decimal
//	….tmp                               a segment in the making, to be ignored
//
// Segments are numbered from 1 in the order they were made. A segment takes the
// place of what older ones hold from its F on: a frame that begins at the F of any
// segment with a higher number, or behind it, is to be ignored. (After a sync
// failed, frames are written again to a new segment; and a write that failed may
// have left a frame behind.)
//
// A segment is
//
//	 0  magic    "strspool"
//	 8  version  u32  1
//	12  zero     u32
//	16  stream   16 bytes
//	32  F        u64
//	40  S        u64
//	48  zero     12 bytes
//	60  crc      u32  crc(0, bytes 0…59)
//	64  frames, each at a multiple of 8, with zeros between them
//
// Its length is set when it is made; what was not written to is zero. A frame is
//
//	 0  len      u32  bytes from idx to the end of the payload: 24 + len(payload)
//	 4  crc      u32
//	 8  idx      u64  records: index of the first; otherwise: the highest index appended before
//	16  count    u32  records; 0 in frames that hold none
//	20  durable  u64  highest index that was known to be on disk for good when this was written
//	28  flags    u8   0 records, 1 note, 2 footer
//	29  tag      3 bytes, the lower 24 bits of the seed
//	32  payload
//
//	seed = crc(0, stream ++ F as u64 ++ S as u64)
//	crc  = crc(crc(seed XOR offset/8, len), idx … payload), offset being the frame's in the file
//
// so a frame is good in one place only: bytes of a segment within a payload are
// none. The seed is made of names, so a damaged header costs nothing. A len of 0
// is no frame. A note's payload replaces those of notes before it; the newest is
// repeated at the head of each new segment. A footer is the last frame of a
// segment that was finished; its payload is
//
//	 0  frames   u64  frames before it
//	 8  chain    u32  c after c = crc(c, the crc field) for each of them, from c = 0
//	12  zero     u32
//
// Reading: go through the frames of the segments in the order of S. Where there
// is no good frame look for the next one in steps of 8 bytes. Let the mark be the
// highest durable of all good frames. An index that is missing was lost to damage
// if it is not above the mark (it had been on disk), and to a torn write if it is.
// It was lost if there is damage where it should be, or if all of the indexes up to
// the F of a segment that is not the first are not there; otherwise nobody appended it.

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// MaxPayload is the size of the largest payload of a frame in bytes.
const MaxPayload = 4 << 20

const (
	magic         = "strspool"
	formatVersion = 1

	headerSize  = 64
	frameHeader = 32
	coveredHead = 24 // bytes of a frame's header behind its checksum
	footerBody  = 16
	footerSize  = frameHeader + footerBody
	maxIndex    = 1<<62 - 1

	flagRecords = 0
	flagNote    = 1
	flagFooter  = 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// head is the header of a frame.
type head struct {
	size    int // bytes of the payload
	crc     uint32
	idx     int64
	count   int64
	durable int64
	flags   byte
}

// last returns the index of the last record.
func (h head) last() int64 { return h.idx + h.count - 1 }

// bytes returns the length of the frame, what follows up to the next multiple of
// 8 included.
func (h head) bytes() int64 { return frameSize(h.size) }

// frameSize returns how many bytes a frame with a payload of n takes.
func frameSize(n int) int64 { return (frameHeader + int64(n) + 7) &^ 7 }

// seedOf returns what ties a frame to its segment.
func seedOf(stream [16]byte, first, seq int64) uint32 {
	b := append(make([]byte, 0, 32), stream[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(first))
	b = binary.LittleEndian.AppendUint64(b, uint64(seq))
	return crc32.Checksum(b, castagnoli)
}

// appendHeader appends the header of a segment.
func appendHeader(b []byte, stream [16]byte, first, seq int64) []byte {
	start := len(b)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint64(b, formatVersion)
	b = append(b, stream[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(first))
	b = binary.LittleEndian.AppendUint64(b, uint64(seq))
	b = append(b, make([]byte, 12)...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// checkHeader says whether a segment's header is ErrCorrupt, or is good and of a
// version that we do not know, ErrVersion.
func checkHeader(b []byte, stream [16]byte, first, seq int64) error {
	if len(b) < headerSize || string(b[:8]) != magic ||
		binary.LittleEndian.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli) {
		return fmt.Errorf("%w: the header of segment %d", ErrCorrupt, seq)
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != formatVersion {
		return fmt.Errorf("%w: segment %d has version %d, and this is %d", ErrVersion, seq, v, formatVersion)
	}
	if string(b[:60]) != string(appendHeader(nil, stream, first, seq)[:60]) {
		return fmt.Errorf("%w: the header of segment %d is another one's", ErrCorrupt, seq)
	}
	return nil
}

// appendFrame appends a frame without its checksum, which seal adds.
func appendFrame(b []byte, h head, payload []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(coveredHead+len(payload)))
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.idx))
	b = binary.LittleEndian.AppendUint32(b, uint32(h.count))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.durable))
	b = append(b, h.flags, 0, 0, 0)
	b = append(b, payload...)
	for range frameSize(len(payload)) - frameHeader - int64(len(payload)) {
		b = append(b, 0)
	}
	return b
}

// seal makes the first frame in b one of the segment with this seed, at this
// offset, written when durable was the mark. It returns the checksum.
func seal(b []byte, seed uint32, offset, durable int64) uint32 {
	binary.LittleEndian.PutUint64(b[20:], uint64(durable))
	b[29], b[30], b[31] = byte(seed), byte(seed>>8), byte(seed>>16)
	sum := checksum(b, seed, offset)
	binary.LittleEndian.PutUint32(b[4:], sum)
	return sum
}

// checksum returns that of the first frame in b, whose length was checked.
func checksum(b []byte, seed uint32, offset int64) uint32 {
	end := 8 + int(binary.LittleEndian.Uint32(b))
	sum := crc32.Update(seed^uint32(offset/8), castagnoli, b[:4])
	return crc32.Update(sum, castagnoli, b[8:end])
}

// parseHead reads the header of a frame, without the checksum. false means that
// this cannot be one of the segment with this seed.
func parseHead(b []byte, seed uint32) (head, bool) {
	size := int64(binary.LittleEndian.Uint32(b))
	if size < coveredHead || size > coveredHead+MaxPayload ||
		b[29] != byte(seed) || b[30] != byte(seed>>8) || b[31] != byte(seed>>16) {
		return head{}, false
	}
	idx, durable := binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[20:])
	if idx > maxIndex || durable > maxIndex {
		return head{}, false
	}
	h := head{
		size: int(size - coveredHead), crc: binary.LittleEndian.Uint32(b[4:]),
		idx: int64(idx), count: int64(binary.LittleEndian.Uint32(b[16:])), durable: int64(durable), flags: b[28],
	}
	switch h.flags {
	case flagRecords:
		return h, h.idx > 0 && h.count > 0 && h.last() <= maxIndex
	case flagNote:
		return h, h.count == 0
	case flagFooter:
		return h, h.count == 0 && h.size == footerBody
	}
	return head{}, false
}

// decodeFrame reads the frame at the beginning of b, which lies at offset in the
// segment with this seed. It returns ErrCorrupt if there is none. The payload is
// a part of b.
func decodeFrame(b []byte, seed uint32, offset int64) (head, []byte, error) {
	if len(b) < frameHeader {
		return head{}, nil, fmt.Errorf("%w: %d bytes are less than a frame's header", ErrCorrupt, len(b))
	}
	h, ok := parseHead(b, seed)
	if !ok || len(b) < frameHeader+h.size || checksum(b, seed, offset) != h.crc {
		return head{}, nil, fmt.Errorf("%w: no frame at offset %d", ErrCorrupt, offset)
	}
	return h, b[frameHeader : frameHeader+h.size], nil
}

// checkFrame says whether a frame can be appended.
func checkFrame(first int64, count int, payload []byte) error {
	if len(payload) > MaxPayload {
		return fmt.Errorf("%w: %d bytes, and the most is %d; append it in parts", ErrTooLarge, len(payload), MaxPayload)
	}
	if first < 1 || count < 1 || int64(count) > math.MaxUint32 || first > maxIndex-int64(count) {
		return fmt.Errorf("%w: %d records from index %d; both must be positive, and the last index below 2^62", ErrOrder, count, first)
	}
	return nil
}

// chained continues the checksum of checksums that a footer holds.
func chained(chain, crc uint32) uint32 {
	b := [4]byte{byte(crc), byte(crc >> 8), byte(crc >> 16), byte(crc >> 24)}
	for _, x := range b { // crc32.Update would move b to the heap
		chain = ^(castagnoli[byte(^chain)^x] ^ (^chain)>>8)
	}
	return chain
}

// footer returns the payload of a footer.
func footer(frames int64, chain uint32) []byte {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, footerBody), uint64(frames))
	b = binary.LittleEndian.AppendUint32(b, chain)
	return append(b, 0, 0, 0, 0)
}
