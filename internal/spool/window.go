package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// window reads a file in pieces that are large enough to be worth a system call.
// Parts that cannot be read are taken for zeros: they are damage, as others.
type window struct {
	file  File
	buf   []byte
	start int64 // offset of buf in the file
}

const (
	windowBytes = 64 << 10
	pageBytes   = 4 << 10
	readTries   = 3
)

// at returns n bytes at off, or nil where the file or end comes before. They are
// valid until the next call.
func (w *window) at(off int64, n int, end int64) []byte {
	if off+int64(n) > end {
		return nil
	}
	if b := w.held(off); len(b) >= n {
		return b[:n]
	}
	w.fill(off, int(min(int64(max(n, windowBytes)), end-off)))
	if b := w.held(off); len(b) >= n {
		return b[:n]
	}
	return nil
}

// held returns what is in memory from off on.
func (w *window) held(off int64) []byte {
	if off < w.start || off > w.start+int64(len(w.buf)) {
		return nil
	}
	return w.buf[off-w.start:]
}

func (w *window) fill(off int64, n int) {
	if cap(w.buf) < n {
		w.buf = make([]byte, n)
	}
	w.buf, w.start = w.buf[:n], off
	got, err := w.file.ReadAt(w.buf, off)
	if err == nil || got == n {
		return
	}
	if errors.Is(err, io.EOF) {
		w.buf = w.buf[:got]
		return
	}
	for at := 0; at < n; at += pageBytes {
		if !w.page(at, min(pageBytes, n-at)) {
			return
		}
	}
}

// page reads n bytes to buf at an offset in it, or has them be zero. false means
// that the file ends there.
func (w *window) page(at, n int) bool {
	for range readTries {
		got, err := w.file.ReadAt(w.buf[at:at+n], w.start+int64(at))
		if err == nil || got == n {
			return true
		}
		if errors.Is(err, io.EOF) {
			w.buf = w.buf[:at+got]
			return false
		}
	}
	clear(w.buf[at : at+n])
	return true
}

// scanner goes through the frames of one segment.
type scanner struct {
	win     window
	seed    uint32
	off     int64
	skipped int64 // bytes passed over since forget, zeros not counted
	hole    bool  // a good frame came behind something passed over, or skipped is not 0
}

// next returns the next good frame that ends at or before end. The payload is
// valid until the next call. Without one it returns false, and goes on where it
// was if end has grown by the next call.
func (s *scanner) next(end int64) (head, []byte, bool) {
	start := s.off
	for {
		b := s.win.at(s.off, frameHeader, end)
		if b == nil {
			return head{}, nil, false
		}
		if h, ok := parseHead(b, s.seed); ok {
			frame := s.win.at(s.off, frameHeader+h.size, end)
			if h, payload, err := decodeFrame(frame, s.seed, s.off); err == nil {
				s.hole = s.hole || s.off > start
				s.off += h.bytes()
				return h, payload, true
			}
		}
		s.skip(end)
	}
}

// skip goes to the next place where a frame may begin.
func (s *scanner) skip(end int64) {
	b := s.win.at(s.off, 8, end)
	if b == nil { // the file has become shorter
		s.off += 8
		return
	}
	if binary.LittleEndian.Uint64(b) != 0 {
		s.skipped += 8
		s.hole = true
		s.off += 8
		return
	}
	// A run of zeros may be megabytes long: behind what a killed process wrote.
	b = s.win.held(s.off)
	for len(b) >= len(zeros) && s.off+int64(len(zeros))+frameHeader <= end && bytes.Equal(b[:len(zeros)], zeros[:]) {
		b = b[len(zeros):]
		s.off += int64(len(zeros))
	}
	for len(b) >= 8 && binary.LittleEndian.Uint64(b) == 0 && s.off+frameHeader <= end {
		b = b[8:]
		s.off += 8
	}
}

var zeros [pageBytes]byte

// forget begins to count anew.
func (s *scanner) forget() { s.skipped, s.hole = 0, false }
