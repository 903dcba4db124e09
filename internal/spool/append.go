package spool

import (
	"fmt"
)

// Append writes a frame of count records with the indexes first … first+count-1.
// first must be above Last; indexes between them are taken for never used. The
// payload, at most MaxPayload, is copied.
//
// When it returns nil the frame was handed to the operating system: it survives
// the end of the process, and after the next Sync that of the machine. It does not
// wait for the disk, unless Config.KeepBytes of memory are taken since the last Sync: then it syncs.
// It allocates nothing while segments and buffers last.
//
// After an error nothing was taken and the next call may use the same indexes.
// ErrFull passes when there is space. Only if the process ends before anything
// else is appended may a frame that was refused be found by Recover.
func (l *Log) Append(first int64, count int, payload []byte) error {
	if err := checkFrame(first, count, payload); err != nil {
		return err
	}
	h := head{size: len(payload), idx: first, count: int64(count), flags: flagRecords}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.prepare(h); err != nil {
		return err
	}
	seg, err := l.room(h.bytes())
	if err != nil {
		return err
	}
	chunk := l.mem.room(h.bytes())
	start := len(*chunk)
	*chunk = appendFrame(*chunk, h, payload)
	if err := l.put(seg, h, (*chunk)[start:]); err != nil {
		l.mem.undo(start)
		return err
	}
	l.last.Store(h.last())
	return nil
}

// prepare checks that the frame may come next, and that there is room in memory to
// keep it. It may let go of the lock for a while.
func (l *Log) prepare(h head) error {
	for {
		if err := l.writable(); err != nil {
			return err
		}
		if last := l.last.Load(); h.idx <= last {
			return fmt.Errorf("%w: %d, and the last one is %d", ErrOrder, h.idx, last)
		}
		if l.mem.fits(h.bytes(), int64(cap(l.scratch))) {
			return nil
		}
		l.mu.Unlock()
		_, err := l.Sync()
		l.mu.Lock()
		if err != nil {
			return err
		}
	}
}

// Note writes a state that is not a record: it replaces the note before it, and
// the newest is kept however much is trimmed. It is as durable as a frame that is
// appended in its place. It should be small, as it is repeated in each segment.
// The payload, at most MaxPayload, is copied.
func (l *Log) Note(payload []byte) error {
	if len(payload) > MaxPayload {
		return checkFrame(1, 1, payload)
	}
	h := head{size: len(payload), flags: flagNote}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.writable(); err != nil {
		return err
	}
	seg, err := l.room(h.bytes())
	if err != nil {
		return err
	}
	h.idx = l.last.Load()
	l.scratch = appendFrame(l.scratch[:0], h, payload)
	defer l.tidy()
	if err := l.put(seg, h, l.scratch); err != nil {
		return err
	}
	l.note, l.hasNote = append(l.note[:0], payload...), true
	l.noteSeq, l.noteEnd = seg.seq, seg.off
	return nil
}

// tidy lets go of scratch where a large note was built in it.
func (l *Log) tidy() {
	if cap(l.scratch) > minChunk {
		l.scratch = nil
	}
}

// room returns a segment with room for a frame of n bytes: the active one, or a
// new one.
func (l *Log) room(n int64) (*segment, error) {
	if l.active != nil && l.active.fits(n) {
		return l.active, nil
	}
	return l.rotate(n)
}

// rotate makes a new segment the active one, with room for a frame of n bytes. The
// old one stays as it is if that fails.
func (l *Log) rotate(n int64) (*segment, error) {
	seg, err := l.begin(l.last.Load()+1, n, nil, false)
	if err != nil {
		return nil, err
	}
	if l.active != nil {
		l.finish(l.active)
	}
	l.activate(seg)
	return seg, nil
}

// activate has the next frames go to a new segment.
func (l *Log) activate(seg *segment) {
	l.segs = append(l.segs, seg)
	l.active, l.newName = seg, true
	if l.hasNote {
		l.noteSeq, l.noteEnd = seg.seq, headerSize+frameSize(len(l.note))
	}
}

// put writes a frame at the end of a segment. When it fails the end does not move,
// so that the next one takes its place.
func (l *Log) put(seg *segment, h head, frame []byte) error {
	crc := seal(frame, seg.seed, seg.off, l.synced.Load())
	if err := write(seg.file, frame, seg.off); err != nil {
		// A place that cannot be written to must not hold the log up. Where
		// space is short, though, it is as good as another.
		if !isFull(err) && seg.hi > 0 {
			seg.sealed = true
		}
		return failed("write to", seg.name, err)
	}
	seg.add(h, crc)
	return nil
}
