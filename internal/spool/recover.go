package spool

import (
	"cmp"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
)

// damage is what was found to be wrong with a recovered log.
type damage struct {
	corrupt int64
	torn    int64
}

// Recover opens a stream that another process, or an earlier Log of this one, left
// behind: to be read, trimmed and removed. It reads all of it once, at the speed of
// the disk.
//
// Damage is no error: it is stepped over, and told by Frame.Lost, End and Damage.
// Recover fails with ErrLocked while another process or Log has the stream open,
// with ErrVersion if a newer version of the program wrote it, with an error that
// matches fs.ErrNotExist if it is not there, and if its files cannot be opened.
func (s *Spool) Recover(stream [16]byte) (*Log, error) {
	l := &Log{spool: s, fs: s.cfg.FS, dir: s.dir(stream), stream: stream, readOnly: true}
	if _, err := l.fs.List(l.dir); err != nil {
		return nil, failed("list", l.dir, err)
	}
	lock, err := l.fs.Lock(filepath.Join(l.dir, lockName))
	if err != nil {
		if errors.Is(err, ErrLocked) {
			s.count(stream, -1)
		}
		return nil, failed("lock", l.dir, err)
	}
	l.lock = lock
	if err := l.survey(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s.mu.Lock()
	s.open[stream] = true
	s.mu.Unlock()
	s.count(stream, s.measure(stream))
	return l, nil
}

// survey finds the segments and what is in them.
func (l *Log) survey() error {
	all, err := l.find()
	if err != nil {
		return err
	}
	replace(all)
	v := surveyor{log: l}
	if i := slices.IndexFunc(all, func(s *segment) bool { return !s.void() }); i >= 0 {
		v.next = all[i].first
	}
	for _, seg := range all {
		if !seg.void() {
			v.bad = seg.first > v.next // as in Reader.choose
		}
		if err := v.segment(seg); err != nil {
			return err
		}
	}
	v.close()
	for _, seg := range all {
		if seg.void() {
			l.doomed = append(l.doomed, seg)
		} else {
			l.segs = append(l.segs, seg)
		}
	}
	return nil
}

// find lists the segments in the order of their numbers.
func (l *Log) find() ([]*segment, error) {
	names, err := l.fs.List(l.dir)
	if err != nil {
		return nil, failed("list", l.dir, err)
	}
	var all []*segment
	for _, name := range names {
		first, seq, ok := parseSegment(name)
		if !ok {
			continue
		}
		path := filepath.Join(l.dir, name)
		size, err := l.fs.Size(path)
		if err != nil {
			return nil, failed("look at", path, err)
		}
		all = append(all, &segment{
			name: path, first: first, seq: seq, seed: seedOf(l.stream, first, seq),
			size: size, off: size, synced: size, sealed: true,
		})
	}
	slices.SortFunc(all, func(a, b *segment) int { return cmp.Compare(a.seq, b.seq) })
	return all, nil
}

// replace sets from where on segments are void because of later ones.
func replace(all []*segment) {
	limit := int64(0)
	for _, s := range slices.Backward(all) {
		s.limit = limit
		if limit == 0 || s.first < limit {
			limit = s.first
		}
	}
}

// void tells whether later segments replace all that this one may hold.
func (s *segment) void() bool { return s.limit > 0 && s.first >= s.limit }

// surveyor goes through all segments of a log.
type surveyor struct {
	log  *Log
	mark int64
	next int64 // behind the last record so far
	over bool  // the segment's footer was seen
	bad  bool  // something may be missing before the next frame

	torn   int64   // bytes of damage since the last record
	places []place // where there is damage
}

// place is where something is damaged: before the record next, which tells whether
// it had been durable.
type place struct {
	next int64
	torn int64
	hole bool // records are missing
}

// segment looks at one segment.
func (v *surveyor) segment(seg *segment) error {
	l := v.log
	v.over = false
	f, err := l.fs.Open(seg.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return failed("open", seg.name, err)
	}
	defer f.Close()
	scan := scanner{win: window{file: f}, seed: seg.seed, off: headerSize}
	header := scan.win.at(0, headerSize, seg.size)
	if err := checkHeader(header, l.stream, seg.first, seg.seq); errors.Is(err, ErrVersion) {
		return err
	}
	for !v.over {
		h, payload, ok := scan.next(seg.size)
		v.bad = v.bad || scan.hole
		v.torn += scan.skipped
		scan.forget()
		if !ok {
			return nil
		}
		v.frame(seg, h, payload)
	}
	return nil
}

// frame takes a good frame into account.
func (v *surveyor) frame(seg *segment, h head, payload []byte) {
	l := v.log
	v.mark = max(v.mark, h.durable)
	switch h.flags {
	case flagNote:
		l.note, l.hasNote = append(l.note[:0], payload...), true
		l.noteSeq, l.noteDurable = seg.seq, seg.seq
		return
	case flagFooter:
		v.over = true
		return
	}
	if seg.limit > 0 && h.idx >= seg.limit || h.idx < v.next {
		return
	}
	if seg.lo == 0 {
		seg.lo = h.idx
	}
	seg.hi = h.last()
	v.settle(h.idx)
	v.next = h.last() + 1
	l.last.Store(h.last())
}

// settle notes the damage before a record.
func (v *surveyor) settle(idx int64) {
	hole := v.bad && idx > v.next
	if hole || v.torn > 0 {
		v.places = append(v.places, place{next: v.next, torn: v.torn, hole: hole})
	}
	v.bad, v.torn = false, 0
}

// close settles what is left, now that the mark is known.
func (v *surveyor) close() {
	l := v.log
	l.end = max(l.last.Load(), v.mark)
	l.synced.Store(v.mark)
	v.bad = true
	v.settle(l.end + 1)
	for _, p := range v.places {
		if p.hole && p.next <= v.mark {
			l.damage.corrupt++
		} else {
			l.damage.torn += p.torn
		}
	}
}

// End returns, of a recovered log, the highest index that is known to have been
// here: the last that can be read, or the highest that had been durable. What is
// between Last and End is lost. Of a log that is written to it returns Last.
func (l *Log) End() int64 {
	if l.readOnly {
		return l.end
	}
	return l.Last()
}

// Damage returns, of a recovered log, in how many places records are missing that
// had been durable, and how many bytes apart from these are no frames: what was
// not synced when the machine went down, or was left over from failed writes.
func (l *Log) Damage() (corruptFrames, tornBytes int64) {
	return l.damage.corrupt, l.damage.torn
}
