package spool

import (
	"errors"
	"io"
	"io/fs"
)

// Loss says why records are missing.
type Loss uint8

// Why the records between two frames are missing.
const (
	None    Loss = iota // none is missing
	Torn                // they were never synced, and the machine went down
	Corrupt             // they had been durable, and are damaged
	Missing             // they were never appended here, or have been trimmed
)

// String returns the name of the reason.
func (l Loss) String() string {
	switch l {
	case None:
		return "none"
	case Torn:
		return "torn"
	case Corrupt:
		return "corrupt"
	case Missing:
		return "missing"
	}
	return "unknown"
}

// Frame is what was appended by one call of Append.
type Frame struct {
	First   int64
	Count   int
	Payload []byte // valid until the next call of Next

	// Lost says why the records between the frame before and First are missing,
	// None if there are none. Of the first frame of a Reader those from where it
	// was told to begin.
	Lost Loss
}

// Last returns the index of the frame's last record.
func (f Frame) Last() int64 { return f.First + int64(f.Count) - 1 }

// Reader reads a Log from the front. It is to be used by one goroutine at a time;
// a Log may have several. It holds a buffer of 64 KiB, or the largest frame, and a
// descriptor.
type Reader struct {
	log  *Log
	scan scanner
	seg  *segment // nil: the next one is to be opened
	seq  int64    // of the segment that was opened last
	end  int64    // how far it may be read
	stop int64    // frames from this index on are to be ignored; 0: none
	next int64    // lowest index to return
	seen int64    // last index of the frames so far, those not returned included
	bad  bool     // what is missing before the next frame may be damaged
	shut bool
}

// Reader returns one that begins with the frame that holds the record from, or if
// there is none, the first behind it. It reads nothing yet.
func (l *Log) Reader(from int64) *Reader { return &Reader{log: l, next: max(from, 1)} }

// Next returns the next frame, in ascending order of indexes. io.EOF means that
// there is none at present: of a log that is appended to, there may be later.
// Damage is stepped over and told by Frame.Lost; other errors are those of opening
// a file, and the next call tries again. It fails with ErrClosed once the Reader
// or the Log is closed.
func (r *Reader) Next() (Frame, error) {
	if r.shut {
		return Frame{}, ErrClosed
	}
	for {
		if r.seg == nil {
			if err := r.open(); err != nil {
				return Frame{}, err
			}
		}
		h, payload, ok := r.scan.next(r.end)
		if !ok {
			if err := r.ended(); err != nil {
				return Frame{}, err
			}
			continue
		}
		if f, ok := r.take(h, payload); ok {
			return f, nil
		}
	}
}

// take returns the frame if it is one to hand out.
func (r *Reader) take(h head, payload []byte) (Frame, bool) {
	if h.flags == flagFooter {
		r.scan.off = max(r.scan.off, r.end) // what follows was not written to
	}
	if h.flags != flagRecords || r.stop > 0 && h.idx >= r.stop {
		return Frame{}, false
	}
	if h.idx <= r.seen {
		// Written again; or the machine went down before anything was synced,
		// and left a frame that was refused and not the one in its place.
		return Frame{}, false
	}
	r.seen = h.last()
	lost := None
	if h.idx > r.next {
		lost = r.reason()
	}
	r.bad = false
	r.scan.forget()
	if h.last() < r.next {
		return Frame{}, false
	}
	r.next = h.last() + 1
	return Frame{First: h.idx, Count: int(h.count), Payload: payload, Lost: lost}, true
}

// reason says why the record next is not there.
func (r *Reader) reason() Loss {
	switch {
	case !r.bad && !r.scan.hole:
		return Missing
	case r.next <= r.log.Synced():
		return Corrupt
	default:
		return Torn
	}
}

// ended finds out whether the segment goes on, or there is another one. It returns
// io.EOF if there is nothing at present.
func (r *Reader) ended() error {
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	if r.seg.off > r.end {
		r.end = r.seg.off
		return nil
	}
	if r.seg == l.active {
		return io.EOF
	}
	r.bad = r.bad || r.scan.hole
	return r.leave()
}

// leave closes the segment.
func (r *Reader) leave() error {
	f := r.scan.win.file
	r.seg, r.scan.win.file = nil, nil
	return f.Close()
}

// open goes to the next segment that has something to return.
func (r *Reader) open() error {
	for {
		seg, err := r.choose()
		if err != nil {
			return err
		}
		f, err := r.log.fs.Open(seg.name)
		if err == nil {
			r.seg, r.seq = seg, seg.seq
			// The buffer is kept, what is in it is another file's.
			r.scan.win = window{file: f, buf: r.scan.win.buf[:0]}
			r.scan.seed, r.scan.off = seg.seed, headerSize
			r.scan.forget()
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return failed("open", seg.name, err)
		}
		r.vanished(seg)
	}
}

// choose picks the next segment, or returns io.EOF.
func (r *Reader) choose() (*segment, error) {
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	for _, s := range l.segs {
		if s.seq > r.seq && s.hi >= r.next {
			// The record before a segment's first index was appended. If it is
			// not in the segment before, it is lost; if it is, damage behind it
			// does not matter, as what was there was written again. What was
			// before the first segment has been trimmed.
			r.bad = s.first > r.next && (r.bad || s.first > l.segs[0].first)
			r.end, r.stop = s.off, s.limit
			return s, nil
		}
	}
	return nil, io.EOF
}

// vanished steps over a file that is not there. If it was not trimmed, what it
// held is lost.
func (r *Reader) vanished(seg *segment) {
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segs {
		r.bad = r.bad || s == seg
	}
	r.seq = seg.seq
}

// Close lets go of the descriptor. It may be called twice.
func (r *Reader) Close() error {
	if r.shut {
		return nil
	}
	r.shut = true
	if r.seg == nil {
		return nil
	}
	return r.leave()
}
