package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
)

// segment is one file of a log. The log's lock guards it.
type segment struct {
	name  string
	first int64 // lowest index it may hold; the one before it was appended
	seq   int64
	seed  uint32
	size  int64 // bytes on the disk
	file  File  // to write to; nil once there is nothing more to write or sync

	off    int64 // end of what was written
	synced int64 // end of what is durable
	target int64 // end of what the running sync makes durable
	sealed bool  // nothing is appended any more
	bad    bool  // a sync failed: it is not synced again

	lo, hi int64 // indexes of the first and last record; 0: none
	limit  int64 // frames from this index on are replaced by a later segment's; 0: none
	frames int64
	chain  uint32
}

const (
	segSuffix = ".seg"
	tmpSuffix = ".tmp"
)

func segmentName(first, seq int64) string { return fmt.Sprintf("%020d-%08d", first, seq) }

// parseSegment reads the name of a segment.
func parseSegment(name string) (first, seq int64, ok bool) {
	base, isSeg := strings.CutSuffix(name, segSuffix)
	a, b, cut := strings.Cut(base, "-")
	first, err1 := strconv.ParseInt(a, 10, 64)
	seq, err2 := strconv.ParseInt(b, 10, 64)
	if !isSeg || !cut || err1 != nil || err2 != nil || first < 1 || first > maxIndex || seq < 1 {
		return 0, 0, false
	}
	return first, seq, segmentName(first, seq) == base
}

// add accounts for a frame that was written.
func (s *segment) add(h head, crc uint32) {
	s.off += h.bytes()
	s.frames++
	s.chain = chained(s.chain, crc)
	if h.flags != flagRecords {
		return
	}
	if s.lo == 0 {
		s.lo = h.idx
	}
	s.hi = h.last()
}

// fits tells whether there is room for a frame of n bytes and the footer.
func (s *segment) fits(n int64) bool {
	return !s.sealed && s.off+n+footerSize <= s.size
}

// clean tells whether all that was written is durable.
func (s *segment) clean() bool { return s.synced >= s.off }

// close closes the file once there is nothing more to do with it.
func (s *segment) close() error {
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	return f.Close()
}

// makeDir makes the folder and takes its lock. It is called again when the folder
// has vanished.
func (l *Log) makeDir() error {
	if err := l.fs.MkdirAll(l.dir); err != nil {
		return failed("make the folder", l.dir, err)
	}
	lock, err := l.fs.Lock(filepath.Join(l.dir, lockName))
	if err != nil {
		return failed("lock", l.dir, err)
	}
	if l.lock != nil {
		_ = l.lock.Close() // of a file that is gone
	}
	l.lock, l.newDir = lock, true
	return nil
}

// begin makes a segment whose frames begin at index first, with the newest note
// and frames, which were kept for being written again. On success the segment is
// in place: everything from first on that lies in older ones is void.
func (l *Log) begin(first, need int64, kept [][]byte, force bool) (*segment, error) {
	size := headerSize + need + footerSize
	for _, chunk := range kept {
		size += int64(len(chunk))
	}
	if l.hasNote {
		size += frameSize(len(l.note))
	}
	size = (max(size, l.spool.cfg.SegmentBytes) + 7) &^ 7
	if err := l.spool.reserve(l.stream, size, force); err != nil {
		return nil, err
	}
	l.seq++ // also if it fails: nobody knows what is left of the attempt
	seg := &segment{first: first, seq: l.seq, seed: seedOf(l.stream, first, l.seq), size: size}
	err := l.make(seg, kept)
	if err != nil {
		l.spool.release(l.stream, size)
		return nil, err
	}
	return seg, nil
}

// make creates the file under another name, fills it, and puts it in its place.
func (l *Log) make(seg *segment, kept [][]byte) error {
	tmp := filepath.Join(l.dir, segmentName(seg.first, seg.seq)+tmpSuffix)
	seg.name = filepath.Join(l.dir, segmentName(seg.first, seg.seq)+segSuffix)
	f, err := l.fs.Create(tmp, seg.size)
	if errors.Is(err, fs.ErrNotExist) { // the folder is gone
		if err = l.makeDir(); err == nil {
			f, err = l.fs.Create(tmp, seg.size)
		}
	}
	if err != nil {
		return failed("make", tmp, err)
	}
	seg.file = f
	if err := l.fill(seg, kept); err != nil {
		return errors.Join(failed("write", tmp, err), seg.close(), l.fs.Remove(tmp))
	}
	if err := l.fs.Rename(tmp, seg.name); err != nil {
		// It may be in place all the same, and what older segments hold from
		// its first index on be void: nothing more must be appended to them.
		if l.active != nil {
			l.active.sealed = true
		}
		_ = l.fs.Remove(tmp)
		_ = l.fs.Remove(seg.name)
		return errors.Join(failed("rename", tmp, err), seg.close())
	}
	return nil
}

// fill writes the header, the newest note, and the kept frames.
func (l *Log) fill(seg *segment, kept [][]byte) error {
	defer l.tidy()
	l.scratch = appendHeader(l.scratch[:0], l.stream, seg.first, seg.seq)
	seg.off = headerSize
	if l.hasNote {
		h := head{size: len(l.note), idx: seg.first - 1, flags: flagNote}
		l.scratch = appendFrame(l.scratch, h, l.note)
		crc := seal(l.scratch[seg.off:], seg.seed, seg.off, l.synced.Load())
		seg.add(h, crc)
	}
	if err := write(seg.file, l.scratch, 0); err != nil {
		return err
	}
	for _, chunk := range kept {
		start := seg.off
		for rest := chunk; len(rest) > 0; {
			h, _ := parseKept(rest)
			crc := seal(rest, seg.seed, seg.off, l.synced.Load())
			seg.add(h, crc)
			rest = rest[h.bytes():]
		}
		if err := write(seg.file, chunk, start); err != nil {
			return err
		}
	}
	return nil
}

// parseKept reads the header of a frame that we hold in memory, whatever segment
// it was written to.
func parseKept(b []byte) (head, bool) {
	return parseHead(b, uint32(b[29])|uint32(b[30])<<8|uint32(b[31])<<16)
}

// write writes all of b, or fails.
func write(f File, b []byte, off int64) error {
	if len(b) == 0 {
		return nil
	}
	n, err := f.WriteAt(b, off)
	if err == nil && n < len(b) {
		return fmt.Errorf("wrote %d of %d bytes", n, len(b))
	}
	return err
}

// finish writes the footer and ends the segment. Without a footer it is as good,
// so it does not matter whether that can be written.
func (l *Log) finish(seg *segment) {
	if seg.sealed {
		return
	}
	seg.sealed = true
	if seg.file == nil || seg.off+footerSize > seg.size {
		return
	}
	h := head{size: footerBody, idx: max(l.last.Load(), 0), flags: flagFooter}
	l.scratch = appendFrame(l.scratch[:0], h, footer(seg.frames, seg.chain))
	seal(l.scratch, seg.seed, seg.off, l.synced.Load())
	if write(seg.file, l.scratch, seg.off) == nil {
		seg.off += footerSize
	}
}
